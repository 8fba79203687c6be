/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a worker tells about its connections, on its way to the shared table: one ring a worker, written by it,
 * read by the manager; fixed memory, nobody waits. A full ring is the worker's business (env_flow.h).
 */
#ifndef DATAPLANE_FLOW_EXPORT_H
#define DATAPLANE_FLOW_EXPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "sluice/types.h"

/* How a worker publishes. tests/conformance/flow_threads.c plants a weaker one and must be caught. */
#ifndef FLOW_EXPORT_RELEASE
#define FLOW_EXPORT_RELEASE __ATOMIC_RELEASE
#endif

enum { FLOW_EXPORT_RING = 16384 }; /* records, 512 KiB: ten milliseconds of 1.6 M new connections a second */

struct flow_export {
	uint64_t tag;
	uint64_t id;     /* flow_id() of what the worker forwarded by: of another one it means nothing */
	uint32_t pool;
	uint32_t row;
	uint16_t slot;   /* SL_SLOT_NONE: forgotten */
	uint16_t seen_s;
	uint8_t kind;
	uint8_t closing;
	uint8_t start;   /* 1: its start was seen, so the slot is no guess; set when it is told for the first time */
	uint8_t zero;
};

struct flow_export_ring {
	uint64_t head SL_ALIGNED(64); /* worker: next to write */
	uint64_t tail_seen;           /* worker: what it last read of `tail` */
	uint64_t tail SL_ALIGNED(64); /* manager: next to read */
	struct flow_export record[FLOW_EXPORT_RING] SL_ALIGNED(64);
};

/* The worker's. False: full. */
SL_INLINE bool flow_export_push(struct flow_export_ring *ring, const struct flow_export *record)
{
	const uint64_t head = ring->head;

	if (sl_unlikely(head - ring->tail_seen >= FLOW_EXPORT_RING)) {
		/* acquire: the manager's copies are finished before we overwrite (pairs with flow_export_pop) */
		ring->tail_seen = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
		if (head - ring->tail_seen >= FLOW_EXPORT_RING)
			return false;
	}
	ring->record[head % FLOW_EXPORT_RING] = *record;
	__atomic_store_n(&ring->head, head + 1, FLOW_EXPORT_RELEASE); /* pairs with flow_export_pop */
	return true;
}

/* The manager's: takes up to `count` records; returns how many there were. */
SL_INLINE unsigned int flow_export_pop(struct flow_export_ring *ring, struct flow_export *ret_records, unsigned int count)
{
	const uint64_t tail = ring->tail;
	const uint64_t there = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) - tail; /* pairs with flow_export_push */

	if (count > there)
		count = (unsigned int)there;
	for (unsigned int i = 0; i < count; i++)
		ret_records[i] = ring->record[(tail + i) % FLOW_EXPORT_RING];
	if (count > 0)
		__atomic_store_n(&ring->tail, tail + count, __ATOMIC_RELEASE); /* pairs with flow_export_push */
	return count;
}

#endif
