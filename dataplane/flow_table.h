/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connections that one worker remembers: fixed memory, two possible cache lines a connection, no timers
 * (selection.md 5, performance.md 2.5). Confirmed entries are never pushed out, they only expire; those made by
 * a start wait for their second packet in a segment of their own, where newer ones push older ones out.
 * One thread owns a table: the worker, the simulator's loop. No DPDK, no clock: time is told by flow_table_tick().
 */
#ifndef DATAPLANE_FLOW_TABLE_H
#define DATAPLANE_FLOW_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/snapshot.h"
#include "sluice/core/flow.h"
#include "sluice/flows.h"

struct flow_table;

/* States of an entry beside SL_FLOW_IS_*, in flow_table_put() and in what flow_table_get() finds. */
enum {
	FLOW_TABLE_DUE = 1 << 7, /* the shared table was not told yet: its ring was full */
};

enum {
	FLOW_TABLE_SWEEP_S = 60,   /* expired entries are counted as free so long after they expired, at most */
	FLOW_TABLE_YOUNG_S = 10,   /* PRESSURE: the unconfirmed segment turns over faster than that */
	FLOW_TABLE_GAP_S = 10000,  /* no tick for longer: no entry's age is known any more */
};

/* The longest lives of all pools, in seconds: what strangers' entries are judged by. 0 in idle_s: not known. */
struct flow_table_lives {
	uint32_t life_s[SL_FLOW_KIND_COUNT];
};
struct flow_table_lives flow_table_lives(const uint16_t idle_max_s[SL_FLOW_KIND_COUNT]);

/*
 * A table for at least `flows` confirmed connections at 80 % of its places, and an eighth of that for unconfirmed
 * ones: flow_table_bytes() of memory from `allocator`. `now_s` is CLOCK_BOOTTIME in seconds. Returns 0, -EINVAL
 * (`flows` is 0 or more than SL_FLOWS_MAX) or -ENOMEM.
 */
int flow_table_create(const struct dp_allocator *allocator, uint64_t flows, uint64_t now_s, struct flow_table **ret_table);
void flow_table_destroy(const struct dp_allocator *allocator, struct flow_table *table); /* NULL is fine */
uint64_t flow_table_bytes(uint64_t flows);

/*
 * What is remembered of `tag`, not longer ago than `life_s` (closing: SL_FLOW_CLOSING_S). Changes nothing.
 * ret_flow->where is FLOW_TABLE_DUE or 0. False: nothing.
 */
bool flow_table_get(const struct flow_table *table, uint64_t tag, uint32_t life_s, struct sl_flow *ret_flow);

/*
 * Remembers `tag` at `slot`, seen now, in state `flags` (SL_FLOW_IS_*, FLOW_TABLE_DUE), over whatever was
 * remembered of it. Returns 0; 1: a live unconfirmed entry of another connection was pushed out for it; -ENOSPC:
 * both buckets are full of live confirmed entries (an older entry of the same tag stays as it was).
 */
int flow_table_put(struct flow_table *table, uint64_t tag, uint16_t slot, uint8_t kind, uint8_t flags);

/* `tag` was seen now, but no room was found to confirm it: its unconfirmed entry, if there is one, goes on. */
void flow_table_keep(struct flow_table *table, uint64_t tag);

/* Forgets `tag`; nothing when it is not there. */
void flow_table_del(struct flow_table *table, uint64_t tag);
void flow_table_clear(struct flow_table *table);

/*
 * Once a round of the loop: the seconds of CLOCK_BOOTTIME, and any monotonic nanoseconds to pace the sweep by. Frees
 * what expired, some buckets at a time, so that the count falls and ages never wrap: at most 256 buckets a call.
 */
void flow_table_tick(struct flow_table *table, uint64_t now_s, uint64_t now_ns, const struct flow_table_lives *lives);
/* An export could not be told in time: pressure for a second. */
void flow_table_late(struct flow_table *table);

/* selection.md 5: more than 80 % confirmed until less than 70 %; or the unconfirmed segment turned over in less than
 * FLOW_TABLE_YOUNG_S lately; or flow_table_late(). */
bool flow_table_pressure(const struct flow_table *table);
uint64_t flow_table_used(const struct flow_table *table);     /* confirmed entries, expired but not yet swept included */
uint64_t flow_table_capacity(const struct flow_table *table); /* places for confirmed entries */
uint64_t flow_table_now_s(const struct flow_table *table);

#endif
