/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the workers' private counters to the statistics region of the shared file, whose only writer
 * this is. Counters never go back: what is found in a file (of a sluice-dp before us) and what earlier
 * counter arrays held is the base that the workers' own numbers are added to. Manager thread only.
 */
#ifndef DATAPLANE_STATS_H
#define DATAPLANE_STATS_H

#include "dataplane/worker.h"

struct stats {
	const struct dp_allocator *allocator;
	struct worker *worker; /* the private counters */
	unsigned int workers;
	/* the file */
	uint8_t *region;       /* NULL: none attached */
	struct sl_shm_limits limits;
	/* by block of the file: what is added to private counters */
	struct sl_worker_stats base[SL_WORKERS_MAX];
	struct sl_counter *base_counters; /* block after block: services, then backends */
	uint64_t missed[SL_WORKERS_MAX], no_mbuf[SL_WORKERS_MAX];
	bool stuck[SL_WORKERS_MAX];
	struct worker_counters now[SL_WORKERS_MAX];      /* what workers count in */
	struct worker_counters replaced[SL_WORKERS_MAX]; /* until every worker counts in `now` */
	bool replacing;
	uint64_t slice;        /* next counter to copy, over all blocks */
};

void stats_init(struct stats *stats, const struct dp_allocator *allocator, struct worker *worker,
		unsigned int workers);
/*
 * Goes over to a file. Returns 1: `now` is new, publish it and call stats_replaced() after a grace
 * period; 0: as it was; -EBUSY: the last replacement is not over; -ENOMEM.
 */
int stats_attach(struct stats *stats, void *base, const struct sl_shm_header *header);
/* No worker counts in the replaced arrays any more: their numbers join the base. */
void stats_replaced(struct stats *stats);
/* Copies all verdicts and up to `budget` counters of services and backends. */
void stats_copy(struct stats *stats, uint64_t budget);

#endif
