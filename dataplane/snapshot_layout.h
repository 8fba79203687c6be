/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a snapshot is made of, for env.h, whose functions are inlined into workers, and for the code
 * that builds it (snapshot.c, apply_commit.c). Every part is immutable once a snapshot holds it, and
 * counted: snapshots share the parts that did not change. Counts belong to the manager thread.
 */
#ifndef DATAPLANE_SNAPSHOT_LAYOUT_H
#define DATAPLANE_SNAPSHOT_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

#include "dataplane/snapshot.h"

/* One table of one pool. `refs` is the first member of this and of every part below, but of pools. */
struct snapshot_rows {
	uint32_t refs;
	uint32_t rows;
	uint64_t checksum; /* sl_checksum64 of the rows */
	uint16_t row[] SL_ALIGNED(64);
};

/* One pool with its tables and backends. A backend slot is empty when its `slot` is SL_SLOT_NONE. */
struct snapshot_pool {
	struct sl_pool pool;
	const uint16_t *current; /* table[SL_TABLE_CURRENT]->row */
	struct snapshot_rows *table[SL_TABLE_KIND_COUNT]; /* NULL: none of that kind */
	uint64_t term;           /* sl_table_term */
	uint32_t refs;
	struct sl_backend backend[] SL_ALIGNED(64);
};

/* A listener with its service beside it: one probe finds both. Empty when the address is all zero. */
struct snapshot_listener {
	struct sl_addr addr;
	__be16 port;
	uint8_t proto;
	uint8_t zero[5];
	struct sl_service service;
};

/* Open addressing, at most half full, so that every probe ends at an empty slot. */
struct snapshot_services {
	uint32_t refs;
	uint32_t mask;      /* slots - 1; slots are a power of two */
	uint32_t any_port;  /* listeners for every port of an address; 0 saves the second probe */
	uint32_t zero;
	struct snapshot_listener slot[] SL_ALIGNED(64);
};

struct snapshot_vips {
	uint32_t refs;
	uint32_t mask;
	struct sl_vip slot[] SL_ALIGNED(64);
};

/* The outer sources of our tunnels. */
struct snapshot_sources {
	uint32_t refs;
	uint32_t mask;
	struct sl_addr slot[] SL_ALIGNED(64);
};

/* Next hops by id; one is absent when its `id` is not its position. */
struct snapshot_neighbors {
	uint32_t refs;
	uint32_t count;
	struct sl_neighbor neighbor[] SL_ALIGNED(64);
};

struct snapshot {
	const struct snapshot_services *services;
	const struct snapshot_vips *vips;
	const struct snapshot_neighbors *neighbors;
	const struct snapshot_sources *sources;
	struct sl_settings settings;
	uint64_t reply_cost_ns;   /* time that one answer uses up; 0: no answers */
	uint64_t generation;
	uint64_t tables_checksum;
	const struct dp_allocator *allocator;
	uint32_t pool_count;      /* ids below this; a pool is absent when its pointer is NULL */
	const struct snapshot_pool *pool[];
};

/* A snapshot in which nothing is ours: what a worker uses before the first COMMIT. Never freed. */
extern const struct snapshot snapshot_empty;

/*
 * Mixes an address and what goes with it. No key: entries come from the operator, and strangers who
 * choose what is looked up can only meet the longest run that these entries make (a few slots).
 */
SL_INLINE uint32_t snapshot_hash(const struct sl_addr *addr, uint32_t extra)
{
	const unsigned __int128 product = (unsigned __int128)(addr->d[0] ^ 0x9e3779b97f4a7c15ull) *
					  (addr->d[1] ^ 0xd6e8feb86659fd93ull);
	uint64_t h = (uint64_t)product ^ (uint64_t)(product >> 64);

	h = (h ^ extra) * 0xff51afd7ed558ccdull;
	return (uint32_t)(h >> 32) ^ (uint32_t)h;
}

SL_INLINE bool snapshot_addr_is_zero(const struct sl_addr *addr)
{
	return (addr->d[0] | addr->d[1]) == 0;
}

/*
 * The slot of `addr` in an index whose slots, of `size` bytes, begin with the address that names them, or the empty one
 * where it belongs. An index is never full.
 */
SL_INLINE const void *snapshot_addr_slot(const void *slots, size_t size, uint32_t mask, const struct sl_addr *addr)
{
	uint32_t at = snapshot_hash(addr, 0) & mask;

	for (;;) {
		const struct sl_addr *there = (const struct sl_addr *)((const char *)slots + at * size);

		if (snapshot_addr_is_zero(there) || sl_addr_equal(there, addr))
			return there;
		at = (at + 1) & mask;
	}
}

SL_INLINE const struct sl_vip *snapshot_vips_slot(const struct snapshot_vips *vips, const struct sl_addr *addr)
{
	return snapshot_addr_slot(vips->slot, sizeof(vips->slot[0]), vips->mask, addr);
}

SL_INLINE const struct sl_addr *snapshot_sources_slot(const struct snapshot_sources *sources, const struct sl_addr *addr)
{
	return snapshot_addr_slot(sources->slot, sizeof(sources->slot[0]), sources->mask, addr);
}

/* The slot where the listener is, or the empty one where it belongs. */
struct snapshot_listener *snapshot_services_slot(struct snapshot_services *services, const struct sl_addr *addr,
						 __be16 port, uint8_t proto);

/* Parts: alloc returns one reference, NULL is no memory; get adds one and returns the part; put frees at the last. */
struct snapshot_rows *snapshot_rows_alloc(const struct dp_allocator *allocator, uint32_t rows);
struct snapshot_services *snapshot_services_alloc(const struct dp_allocator *allocator, size_t listeners);
struct snapshot_vips *snapshot_vips_alloc(const struct dp_allocator *allocator, size_t vips);
struct snapshot_sources *snapshot_sources_alloc(const struct dp_allocator *allocator, size_t sources);
struct snapshot_neighbors *snapshot_neighbors_alloc(const struct dp_allocator *allocator, uint32_t count);
void *snapshot_part_get(void *part);
void snapshot_part_put(const struct dp_allocator *allocator, const void *part); /* NULL is fine */
/* A pool is a part, too, but holds parts itself. */
struct snapshot_pool *snapshot_pool_alloc(const struct dp_allocator *allocator, const struct sl_pool *pool);
void snapshot_pool_put(const struct dp_allocator *allocator, const struct snapshot_pool *pool);

#endif
