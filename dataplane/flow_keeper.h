/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The manager's part in remembering connections: gives each worker its table and its ring, writes what the rings
 * bring into the shared table, sweeps it, tells sluiced how full it is, and follows flows.shm when sluiced puts
 * another file in its place. Manager thread only; each call does a bounded amount of work. No DPDK.
 */
#ifndef DATAPLANE_FLOW_KEEPER_H
#define DATAPLANE_FLOW_KEEPER_H

#include "dataplane/flow_shared.h"

enum { FLOW_KEEPER_FLOWS = 1 << 20 }; /* connections all workers together have room for when no file says it */

struct flow_keeper;

struct flow_keeper_config {
	const struct dp_allocator *allocator; /* of tables and rings */
	const char *dir;   /* for the log; stays */
	int dir_fd;        /* stays open */
	uid_t owner;       /* as shared_file_open() */
	unsigned int workers;
};

/*
 * Looks for the file, and makes the workers' tables: together as large as the file, each rounded up to a power of
 * two (flow_table_bytes()); smaller where memory does not suffice. `now_s` is CLOCK_BOOTTIME here and below.
 * Returns 0, -ENOMEM.
 */
int flow_keeper_create(const struct flow_keeper_config *config, uint64_t now_s, struct flow_keeper **ret_keeper);
void flow_keeper_destroy(struct flow_keeper *keeper); /* NULL is fine; no worker runs any more */
struct flow_table *flow_keeper_table(const struct flow_keeper *keeper, unsigned int worker);
struct flow_export_ring *flow_keeper_ring(const struct flow_keeper *keeper, unsigned int worker);

/*
 * What workers read when `settings` are published; a file of another flow key or numbering is none of theirs.
 * *ret_release: what they read before is another file, flow_keeper_release() must follow once no worker can.
 */
struct flow_view flow_keeper_view(struct flow_keeper *keeper, const struct sl_settings *settings, uint64_t now_s,
				  bool *ret_release);
void flow_keeper_release(struct flow_keeper *keeper);
/* True: publish again, for the view is another one. */
bool flow_keeper_is_due(const struct flow_keeper *keeper);

/* Now and then: looks for a new file. Two system calls, unless there is one. */
void flow_keeper_look(struct flow_keeper *keeper);
/*
 * Every few milliseconds: takes what workers told, a step of the sweep, a step of carrying entries to a new file.
 * `snapshot` is what is published; `worker_pressure` whether some worker's table is too full. Returns true when
 * there was something to do, so that the next call should come soon.
 */
bool flow_keeper_tick(struct flow_keeper *keeper, const struct snapshot *snapshot, uint64_t now_s, uint64_t now_ns,
		      bool worker_pressure);
/*
 * The end, when workers have ended: takes all that they told, for full rings are more than a tick takes. One that
 * writes on does not hold it up.
 */
void flow_keeper_finish(struct flow_keeper *keeper, const struct snapshot *snapshot, uint64_t now_s, uint64_t now_ns,
			bool worker_pressure);
/* A connection that another datapath remembered, from sluiced: written down as if a worker had told it. */
void flow_keeper_tell(struct flow_keeper *keeper, const struct sl_flow_put *flow, const struct snapshot *snapshot,
		      uint64_t now_s);
/* True while the shared table is too full: workers must not store either. */
bool flow_keeper_pressure(const struct flow_keeper *keeper);
/* When the file had no room for a connection last: what was told till then may not be in it. 0: never. */
uint64_t flow_keeper_refused_s(const struct flow_keeper *keeper);

#endif
