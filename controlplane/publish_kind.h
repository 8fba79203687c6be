/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every kind of publisher is made of: the stated facts, and the two things that kinds do differently. Only
 * publish.c and the kinds (publish_ring.c, publish_bpf.c) include this; the model sees publish.h. Main thread only.
 */
#ifndef CONTROLPLANE_PUBLISH_KIND_H
#define CONTROLPLANE_PUBLISH_KIND_H

#include "controlplane/facts.h"
#include "controlplane/publish.h"

struct publisher_kind {
	bool (*pump)(struct publisher *p);    /* as publisher_pump() */
	void (*destroy)(struct publisher *p); /* frees what the kind holds and `p` itself, publish_fini() included */
};

/* The first member of each kind's own struct. */
struct publisher {
	const struct publisher_kind *kind;
	struct publisher *next;         /* is stated the same; not owned */
	struct sl_shm_limits limits;
	uint64_t table_rows_max;        /* of one table */
	struct publisher_events events;
	struct facts *facts;
	bool open;                      /* facts were stated that no commit covers: the picture is not whole */
	uint64_t committed;             /* the newest generation stated; 0: none */
	uint64_t applied;               /* the last that the datapath confirmed */
};

/* Fills a zeroed publisher; limits and table_rows_max are the caller's to set. 0 or -ENOMEM. */
int publish_init(struct publisher *p, const struct publisher_kind *kind, const struct publisher_events *events);
void publish_fini(struct publisher *p);

#endif
