/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One worker: a polling loop on an lcore of its own that owns queue w of every port and counts in its
 * own memory. It reads one shared pointer a burst and reports by relaxed stores; the manager does the
 * rest. worker_run() is the lcore's function; everything else here is called by the manager.
 */
#ifndef DATAPLANE_WORKER_H
#define DATAPLANE_WORKER_H

#include <rte_rcu_qsbr.h>
#include <stdalign.h>
#include <stdatomic.h>

#include "dataplane/flow_shared.h"
#include "dataplane/fragment_table.h"
#include "dataplane/port.h"
#include "dataplane/snapshot.h"

/* One worker's counters by service and by backend; replaced as a whole when a new file has more of them. */
struct worker_counters {
	uint32_t service_count;
	uint32_t backend_count;
	struct sl_counter *services; /* by sl_service.id; in one block with backends */
	struct sl_counter *backends; /* by sl_backend.stats */
};

/* What all workers forward by: immutable once published, freed after a grace period. */
struct worker_root {
	const struct snapshot *snapshot;
	struct sl_port port[SL_PORTS_MAX]; /* as the forwarding core sees them */
	struct worker_counters counters[SL_WORKERS_MAX];
	struct flow_view flows;           /* the shared table of connections */
	struct flow_table_lives lives;
	uint64_t flow_id;                 /* of the snapshot's settings: with another one all is forgotten */
};

/* What the workers have in common. Written by the manager before they start; then only the first line. */
struct worker_shared {
	alignas(64) _Atomic(const struct worker_root *) root;
	atomic_bool stop;
	atomic_bool flow_pressure;       /* the shared table of connections is too full */
	_Atomic uint64_t flow_refused_s; /* flow_keeper_refused_s() */
	_Atomic uint64_t boottime_s;     /* CLOCK_BOOTTIME: workers make no system call for it */
	alignas(64) struct rte_rcu_qsbr *qsbr;
	const struct port_set *ports;
	bool adaptive;          /* sleep when idle */
	uint64_t cycles_per_ms;
	uint64_t ns_scale;      /* ns = cycles * ns_scale >> 32 */
	void (*on_start)(void); /* in the worker's thread, first of all: gives up capabilities */
};

struct worker {
	/* manager: wo, before the start */
	alignas(64) struct worker_shared *shared;
	unsigned int index;
	struct flow_table *flows;        /* then the worker's alone; NULL: remembers nothing */
	struct flow_export_ring *exports;
	struct fragment_tables fragments; /* count 0: only whole packets are forwarded */
	/* worker: wo, manager: ro (relaxed; may lag one burst) */
	alignas(64) struct sl_worker_stats stats; /* missed, no_mbuf, cpu and state 3 are the manager's to fill in */
	atomic_bool flow_pressure; /* this worker's table of connections is too full */
	_Atomic uint64_t counted; /* odd: a burst is being counted, `stats` does not balance */
};

/* The lcore's function; `arg` is a struct worker. Returns 0 once told to stop. */
int worker_run(void *arg);

#endif
