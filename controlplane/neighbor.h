/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where frames to a backend go: its route as the kernel would choose it, and the MAC of the next hop,
 * which the kernel resolves and keeps. Backends behind one gateway share one next hop. A MAC, once
 * known, stays until the kernel uses another; a neighbour that fails changes nothing here, because
 * health checks decide who gets traffic. Main thread only.
 */
#ifndef CONTROLPLANE_NEIGHBOR_H
#define CONTROLPLANE_NEIGHBOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "sluice/tables.h"

#include "link.h"
#include "netlink.h"

/* The next hop of addresses that have no way yet: known is 0, packets are drop_no_neighbor. Always there. */
#define NEIGHBOR_NOWHERE 0u

/* An interface that may be used, and its index in sl_boot.port. */
struct neighbor_port {
	char ifname[16];
	uint16_t port;
};

/* The way to one address. */
struct neighbor_path {
	struct sl_addr address;
	uint32_t neighbor;     /* id of the next hop; NEIGHBOR_NOWHERE until there was a route */
	struct sl_addr source; /* what the kernel would send from: the tunnel's outer source */
	bool on_link;          /* no gateway: reachable by `l2` */
	char ifname[16];       /* it leaves by; empty: nowhere */
	char reason[192];      /* why there is no (new) route, for people; empty: all is well */
};

/* Called from the loop and from neighbor_set(). Hops come before the paths that name them. */
struct neighbor_events {
	void *ctx;
	void (*hop)(void *ctx, const struct sl_neighbor *hop);     /* new or changed */
	void (*hop_gone)(void *ctx, uint32_t id);                  /* no path names it any more */
	void (*path)(void *ctx, const struct neighbor_path *path); /* new or changed */
};

struct neighbor;

/* Calls events->hop for NEIGHBOR_NOWHERE before it returns. 0 or -errno. */
int neighbor_create(struct netlink *nl, const struct links *links, uv_loop_t *loop,
		    const struct neighbor_events *events, struct neighbor **ret_neighbor,
		    struct error_text *reterr);
/* Before netlink and links; the loop must run once more. What the kernel was asked to keep, it may forget.
 * NULL is fine. */
void neighbor_destroy(struct neighbor *neighbor);

/* The interfaces that packets may leave by. Everything is looked up again soon. 0 or -ENOMEM. */
int neighbor_ports(struct neighbor *neighbor, const struct neighbor_port *ports, size_t count);
/* The addresses to know, all of them; new ones are looked up at once, the others are let go. 0 or -ENOMEM. */
int neighbor_set(struct neighbor *neighbor, const struct sl_addr *addresses, size_t count);
/* NULL: not in the set. Valid until the next call or event. */
const struct neighbor_path *neighbor_path(const struct neighbor *neighbor, const struct sl_addr *address);

#endif
