/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Next hops by hash (what the kernel reports) and by id (what the data plane knows).
 */
#include "next_hop.h"

#include <assert.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <stdlib.h>
#include <string.h>

enum {
	BUCKETS = 4096, /* a power of two; a thousand on-link backends are a thousand hops */
	FIRST_ID = 1,   /* 0 is NEIGHBOR_NOWHERE */
	NUD_HAS_MAC = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP,
};

struct next_hops {
	struct next_hop *buckets[BUCKETS];
	struct next_hop **by_id;
	uint32_t end; /* ids given so far are below */
	uint32_t room;
	uint32_t free_hint; /* no free id is below */
};

int next_hops_create(struct next_hops **ret_hops)
{
	struct next_hops *hops = calloc(1, sizeof(*hops));

	if (!hops)
		return -ENOMEM;
	hops->free_hint = FIRST_ID;
	hops->end = FIRST_ID;
	*ret_hops = hops;
	return 0;
}

void next_hops_destroy(struct next_hops *hops)
{
	uint32_t id;

	if (!hops)
		return;
	for (id = FIRST_ID; id < hops->end; id++)
		free(hops->by_id[id]);
	free(hops->by_id);
	free(hops);
}

/* The MTU is left out: a neighbour event names address and interface. FNV-1a. */
static uint32_t bucket_of(const struct sl_addr *address, int ifindex)
{
	uint32_t hash = 2166136261u ^ (uint32_t)ifindex;
	size_t i;

	for (i = 0; i < sizeof(address->b); i++)
		hash = (hash ^ address->b[i]) * 16777619u;
	return (hash ^ hash >> 16) % BUCKETS;
}

struct next_hop *next_hop_find(const struct next_hops *hops, const struct sl_addr *address, int ifindex,
			       const struct next_hop *previous)
{
	struct next_hop *hop = previous ? previous->chain : hops->buckets[bucket_of(address, ifindex)];

	while (hop && (hop->ifindex != ifindex || !sl_addr_equal(&hop->address, address)))
		hop = hop->chain;
	return hop;
}

static int take_id(struct next_hops *hops, uint32_t *ret_id)
{
	struct next_hop **grown;
	uint32_t id, room;

	for (id = hops->free_hint; id < hops->end; id++)
		if (!hops->by_id[id])
			break;
	if (id >= SL_NEIGHBORS_MAX)
		return -ERANGE;
	if (id >= hops->room) {
		room = hops->room ? hops->room * 2 : 64;
		grown = reallocarray(hops->by_id, room, sizeof(struct next_hop *));
		if (!grown)
			return -ENOMEM;
		memset(grown + hops->room, 0, (room - hops->room) * sizeof(struct next_hop *));
		hops->by_id = grown;
		hops->room = room;
	}
	if (id == hops->end)
		hops->end++;
	hops->free_hint = id + 1;
	*ret_id = id;
	return 0;
}

struct next_hop *next_hop_get(struct next_hops *hops, const struct sl_addr *address, int ifindex,
			      uint16_t mtu, uint16_t port, bool *ret_new)
{
	struct next_hop **bucket = &hops->buckets[bucket_of(address, ifindex)];
	struct next_hop *hop = NULL;

	while ((hop = next_hop_find(hops, address, ifindex, hop)) != NULL) {
		if (hop->record.mtu != mtu || hop->record.port != port)
			continue;
		hop->refs++;
		*ret_new = false;
		return hop;
	}
	hop = calloc(1, sizeof(*hop));
	if (!hop)
		return NULL;
	if (take_id(hops, &hop->record.id) < 0) {
		free(hop);
		return NULL;
	}
	hop->record.mtu = mtu;
	hop->record.port = port;
	hop->address = *address;
	hop->ifindex = ifindex;
	hop->refs = 1;
	hop->chain = *bucket;
	*bucket = hop;
	hops->by_id[hop->record.id] = hop;
	*ret_new = true;
	return hop;
}

bool next_hop_put(struct next_hops *hops, struct next_hop *hop)
{
	struct next_hop **at;

	assert(hop->refs > 0);
	if (--hop->refs > 0)
		return false;
	for (at = &hops->buckets[bucket_of(&hop->address, hop->ifindex)]; *at != hop; at = &(*at)->chain)
		;
	*at = hop->chain;
	hops->by_id[hop->record.id] = NULL;
	if (hop->record.id < hops->free_hint)
		hops->free_hint = hop->record.id;
	free(hop);
	return true;
}

struct next_hop *next_hop_by_id(const struct next_hops *hops, uint32_t id)
{
	return id < hops->end && id >= FIRST_ID ? hops->by_id[id] : NULL;
}

uint32_t next_hops_end(const struct next_hops *hops)
{
	return hops->end;
}

/*
 *   state                                  what is known afterwards
 *   REACHABLE STALE DELAY PROBE            the MAC that comes with it: the kernel sends to it, too
 *   PERMANENT NOARP
 *   NONE INCOMPLETE FAILED, or removed     as before: nothing takes a MAC away
 */
bool next_hop_learn(struct next_hop *hop, uint16_t state, bool managed, const uint8_t *mac)
{
	hop->state = state;
	hop->managed = managed;
	if (!(state & NUD_HAS_MAC) || !mac)
		return false;
	if (hop->record.known && memcmp(hop->record.mac, mac, sizeof(hop->record.mac)) == 0)
		return false;
	memcpy(hop->record.mac, mac, sizeof(hop->record.mac));
	hop->record.known = 1;
	return true;
}
