/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the model reaches a datapath: it states facts (put, del) and commits; the publisher makes the
 * datapath converge to them and keeps no queue: it remembers per object what the datapath has not
 * seen. Kinds: publish_ring.c (shared memory, DPDK) and publish_bpf.c (BPF maps, XDP);
 * publish.c has what they share.
 * Main thread only. Nothing here blocks.
 */
#ifndef CONTROLPLANE_PUBLISH_H
#define CONTROLPLANE_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/abi.h"

/* A lookup table, immutable once published; shared by model and publisher. */
struct table {
	unsigned int refs;
	uint32_t rows;
	uint16_t row[]; /* slot of the current backend, SL_SLOT_NONE, bit 15 LOOK */
};
struct table *table_alloc(uint32_t rows); /* refs 1; NULL: no memory */
struct table *table_get(struct table *table);
void table_put(struct table *table); /* NULL is fine */

/* What a publisher tells its owner; called from publisher_pump(). */
struct publisher_events {
	void *ctx;
	void (*hello)(void *ctx, const struct sl_hello *hello);          /* a data plane attached */
	void (*applied)(void *ctx, const struct sl_applied *applied);    /* all workers forward by it */
	void (*rejected)(void *ctx, const struct sl_rejected *rejected); /* a replay was started */
};

struct publisher;

/* What is stated to `p` from now on is stated to `next` too, and to those chained to it. Pumping is each one's own. */
void publisher_chain(struct publisher *p, struct publisher *next);

/*
 * Facts. Each returns 0 or -ENOMEM / -ERANGE (past the file's limits: the owner makes a new file).
 * Removals name their object; the rest of the struct does not matter. At a commit the picture must be
 * whole: every pool has a current table of its own `rows`, whose slots have backends, and everything
 * that is named exists. Until the commit nothing of it is sent.
 */
int publisher_settings(struct publisher *p, const struct sl_settings *settings);
int publisher_neighbor(struct publisher *p, const struct sl_neighbor *neighbor, enum sl_op op);
int publisher_pool(struct publisher *p, const struct sl_pool *pool, enum sl_op op);
int publisher_backend(struct publisher *p, const struct sl_backend *backend, enum sl_op op);
/* NULL: none of that kind any more. The publisher takes a reference of its own. */
int publisher_table(struct publisher *p, uint32_t pool, enum sl_table_kind kind, struct table *table);
int publisher_service(struct publisher *p, const struct sl_service *service, enum sl_op op);
int publisher_listener(struct publisher *p, const struct sl_listener *listener, enum sl_op op);
int publisher_vip(struct publisher *p, const struct sl_vip *vip, enum sl_op op);

/* What is stated now is `generation`, which rises (what is unsent of the last one becomes part of it). */
void publisher_commit(struct publisher *p, uint64_t generation);
/* Fills what room there is, takes what came back. Returns true while something waits for room: pump again
 * soon. False: all is sent, or nobody is attached. */
bool publisher_pump(struct publisher *p);
/* The last generation that the datapath confirmed; 0: none. */
uint64_t publisher_applied(const struct publisher *p);
void publisher_destroy(struct publisher *p); /* NULL is fine */

#endif
