/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counts remembered connections by row and by slot, to know what nobody names any more: rows whose LOOK can go,
 * slots that can be given again, backends that are drained. One scan takes many short steps, so that the loop is
 * never held up; a result is of a whole scan or none. Pure: entries come from a source, times are passed in.
 */
#ifndef CONTROLPLANE_FLOW_CENSUS_H
#define CONTROLPLANE_FLOW_CENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/flows.h"

/* One remembered connection as a source tells it; nothing of it is believed. */
struct flow_census_entry {
	uint32_t pool;
	uint32_t row;
	uint16_t slot;
	uint16_t seen_s, born_s; /* low halves of CLOCK_BOOTTIME seconds */
	uint8_t kind;            /* enum sl_flow_kind */
	bool closing;
};

typedef void flow_census_emit(void *arg, const struct flow_census_entry *entry);

/*
 * Where entries come from: the file (flow_scan.c), later the maps of the XDP program. slice() hands the entries of
 * at most `most` places on and remembers where it is, from the beginning again when `rewind`. An entry that is
 * there throughout a scan is told at least once. Returns 1: that was the end, 0: there is more, -errno: nothing of
 * this scan holds.
 */
struct flow_census_source {
	void *ctx;
	int (*slice)(void *ctx, bool rewind, uint32_t most, flow_census_emit *emit, void *arg);
};

/* What is to be known of one pool. */
struct flow_census_want {
	uint32_t pool;  /* id, each once */
	uint32_t rows;  /* count by row, of a table of that many; 0: not by row */
	uint32_t slots; /* highest slot + 1; entries of others are only counted as strays */
	uint16_t idle_s[SL_FLOW_KIND_COUNT]; /* connection-idle: what is older is forgotten */
};

struct flow_census_slot {
	uint32_t flows;        /* alive, closing ones included */
	uint32_t closing;      /* of these */
	uint16_t oldest_s;     /* age of the oldest that is not closing: since it was first remembered; stops at 65535 */
	uint16_t last_seen_s;  /* since the last packet of any of them, as far as the file knows (epochs) */
};

struct flow_census_pool {
	struct flow_census_want want;
	uint64_t flows;
	uint64_t kinds[SL_FLOW_KIND_COUNT];
	uint64_t strays;       /* of these: at a slot past want.slots */
	struct flow_census_slot *slot; /* want.slots of them */
	uint16_t *row;         /* want.rows counts, 65535 is that or more; NULL when rows is 0 */
};

/* One whole scan. Times are CLOCK_BOOTTIME milliseconds. */
struct flow_census_result {
	uint64_t began_ms, ended_ms;
	uint64_t flows;        /* alive, of all pools */
	uint64_t expired;      /* too old to be found, not swept yet */
	uint64_t forgotten;    /* notes that a connection is known no more */
	uint64_t unknown;      /* of pools that nobody asked for */
	struct flow_census_pool *pools; /* ascending by id */
	size_t pool_count;
};

struct flow_census;

int flow_census_create(struct flow_census **ret_census); /* 0 or -ENOMEM */
void flow_census_destroy(struct flow_census *census);    /* NULL is fine */
/* Starts a scan, in place of one that runs. 0, or -ENOMEM: nothing has changed. */
int flow_census_begin(struct flow_census *census, const struct flow_census_want *wants, size_t count, uint64_t now_ms);
bool flow_census_runs(const struct flow_census *census);
/*
 * Looks at `most` places. 1: the scan is whole, its result is there; 0: more steps are due; -errno of the source:
 * the scan is over without a result (an earlier one stays). Call it only while a scan runs.
 */
int flow_census_step(struct flow_census *census, const struct flow_census_source *source, uint32_t most,
		     uint64_t now_ms);
/* The last whole scan; NULL: none yet. Stays until the next one is whole or census_forget(). */
const struct flow_census_result *flow_census_result(const struct flow_census *census);
/* What was counted is of another file: no scan, no result. */
void flow_census_forget(struct flow_census *census);
/* That pool in it; NULL: nobody asked. `result` may be NULL. */
const struct flow_census_pool *flow_census_find(const struct flow_census_result *result, uint32_t pool);

#endif
