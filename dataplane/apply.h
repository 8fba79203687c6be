/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Turns ring records into snapshots: checks each record (already copied to private memory), keeps what
 * was stated, builds a snapshot at COMMIT. Manager thread only. Pure: no DPDK, no clock, no files.
 */
#ifndef DATAPLANE_APPLY_H
#define DATAPLANE_APPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/snapshot.h"

struct apply;

struct apply_result {
	struct snapshot *snapshot; /* a new one: the caller publishes it; NULL: nothing to do yet */
	struct sl_rejected rejected; /* reason != SL_REJECT_NONE: what was stated is void, ask for a replay */
};

int apply_create(const struct sl_shm_limits *limits, const struct dp_allocator *allocator, struct apply **ret_apply);
void apply_destroy(struct apply *apply);
/*
 * Takes one record whose session, sequence and checksum hold. `table` are the bytes of a TABLE record,
 * copied to private memory (NULL otherwise). Fills *ret_result. Until a RESET, and again after a
 * rejection, records are passed over; a COMMIT among them is rejected, since its generation is lost.
 */
void apply_record(struct apply *apply, const struct sl_record *record, const uint16_t *table,
		  struct apply_result *ret_result);
/*
 * While held, a COMMIT is taken at its word and builds nothing: the next one that is not held checks and
 * builds all of it at once. For replays of many generations of which only the last is wanted.
 */
void apply_hold(struct apply *apply, bool hold);
/* Forgets what was stated, as a rejection does: a record before this one was unsound. */
void apply_void(struct apply *apply);
/* True while records are passed over until the next RESET. */
bool apply_waits(const struct apply *apply);

/* Takes one record (type, op and payload filled in) and, for a TABLE, its rows. 0 or -errno, which ends it. */
typedef int (*apply_emit)(void *ctx, const struct sl_record *record, const uint16_t *table);
/*
 * States everything committed again, RESET first, COMMIT last. Returns 0, what `emit` returned, or
 * -ENOENT when nothing is committed or a generation is half stated.
 */
int apply_dump(const struct apply *apply, apply_emit emit, void *ctx);

#endif
