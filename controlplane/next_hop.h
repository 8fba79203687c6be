/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of next hops: one per (address, interface, MTU), counted by the paths that use it, with a
 * number that stays the same for its life. Pure: no netlink, no clock. neighbor.c drives it.
 */
#ifndef CONTROLPLANE_NEXT_HOP_H
#define CONTROLPLANE_NEXT_HOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/tables.h"

struct next_hop {
	struct sl_neighbor record; /* as the data plane gets it */
	struct sl_addr address;
	int ifindex;
	uint32_t refs;
	bool managed;           /* the kernel keeps it resolved */
	uint16_t state;         /* NUD_* as last heard */
	uint64_t asked_ms;      /* when the kernel was last asked to resolve it */
	struct next_hop *chain; /* others of the same bucket */
};

struct next_hops;

int next_hops_create(struct next_hops **ret_hops);
void next_hops_destroy(struct next_hops *hops); /* NULL is fine */
/* Finds or makes the hop and takes a reference; *ret_new says which. NULL: no memory, or SL_NEIGHBORS_MAX. */
struct next_hop *next_hop_get(struct next_hops *hops, const struct sl_addr *address, int ifindex,
			      uint16_t mtu, uint16_t port, bool *ret_new);
/* Gives a reference back. True: it was the last one, the hop is freed, its id may be given again. */
bool next_hop_put(struct next_hops *hops, struct next_hop *hop);
/* The first (previous NULL) or next hop of that address and interface, whatever its MTU. */
struct next_hop *next_hop_find(const struct next_hops *hops, const struct sl_addr *address, int ifindex,
			       const struct next_hop *previous);
/* The hop with that id; NULL: none. Ids lie below next_hops_end(). */
struct next_hop *next_hop_by_id(const struct next_hops *hops, uint32_t id);
uint32_t next_hops_end(const struct next_hops *hops);
/* Takes what the kernel says of the neighbour; true when the record changed. */
bool next_hop_learn(struct next_hop *hop, uint16_t state, bool managed, const uint8_t *mac);

#endif
