/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What workers forward by, one root after the other. Removal of what workers may still use has three named steps:
 * roots_publish() unlinks the old root, roots_retire() waits for its grace period, and what only it led to is
 * freed: after the period no worker can hold it, because each reported a quiescent state (or slept, offline) after
 * the new one was in place, and none keeps a pointer over a quiescent state. Manager thread only.
 */
#ifndef DATAPLANE_ROOTS_H
#define DATAPLANE_ROOTS_H

#include "dataplane/flow_keeper.h"
#include "dataplane/stats.h"
#include "dataplane/worker.h"

enum { ROOTS_RETIRED_MAX = 64 }; /* roots in their grace period: with more, no further record is taken */

/* A root that some worker may still use. */
struct roots_retired {
	struct worker_root *root;
	uint64_t token;
	uint64_t generation, tables; /* of the root that replaced it; 0: nothing to report */
	bool counters;               /* the counter arrays changed with it */
	bool flows;                  /* the file of connections changed with it */
	bool keep;                   /* its snapshot lives on in the root that replaced it */
};

struct roots {
	struct worker_shared *shared;
	struct stats *stats;
	struct flow_keeper *flows;
	struct worker_root *now;            /* published */
	struct sl_port port[SL_PORTS_MAX];  /* for the next root */
	struct roots_retired retired[ROOTS_RETIRED_MAX];
	unsigned int first, count;
};

/* Before the workers start, with an empty snapshot. 0 or -ENOMEM. */
int roots_init(struct roots *roots, struct worker_shared *shared, struct stats *stats);
/*
 * Makes `snapshot` (NULL: the same as now), the current ports, counters and shared table of connections what workers
 * use; `counters`: those are others than before. `now_s` is CLOCK_BOOTTIME. Returns 0, -EBUSY (too many wait for their
 * grace period) or -ENOMEM; the snapshot is then still the caller's.
 */
int roots_publish(struct roots *roots, struct snapshot *snapshot, bool counters, uint64_t now_s);
/*
 * Waits without waiting: frees what no worker can use any more. Returns true and the generation that all of them
 * use now (0: the same as before), or false: nothing to do now.
 */
bool roots_retire(struct roots *roots, uint64_t *ret_generation, uint64_t *ret_tables);
/* Nobody is to be told any more which generation is in use. */
void roots_silence(struct roots *roots);
static inline bool roots_are_busy(const struct roots *roots)
{
	return roots->count == ROOTS_RETIRED_MAX;
}

#endif
