/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data plane's end of one shared-memory file: takes records from the ring, lets apply.c make
 * snapshots of them, keeps the image, and says what became of it. Manager thread only; never blocks.
 */
#ifndef DATAPLANE_FEED_H
#define DATAPLANE_FEED_H

#include "dataplane/apply.h"
#include "dataplane/image.h"

struct feed;

struct feed_config {
	void *base;                           /* the mapping */
	const struct sl_shm_header *header;   /* the checked private copy; copied again */
	const struct dp_allocator *allocator; /* stays */
	struct sl_hello hello;                /* as it is to be sent; `generation` is filled in */
	void (*flow)(void *ctx, const struct sl_flow_put *flow); /* told from feed_poll(); NULL: nobody wants to know */
	void *ctx;
};

/* Returns 0, -ENOMEM. */
int feed_create(const struct feed_config *config, struct feed **ret_feed);
void feed_destroy(struct feed *feed); /* NULL is fine; snapshots stay */
/*
 * Once, before feed_poll(): the snapshot of the image, so that a restarted data plane forwards at once.
 * Returns 0 and it, -ENOENT (no image: a new file), -EBADMSG (corrupt: forward nothing by it) or -ENOMEM.
 */
int feed_restore(struct feed *feed, struct snapshot **ret_snapshot);
/*
 * Takes up to `budget` records. Returns a new snapshot, which the caller publishes and owns, or NULL.
 * The first call says HELLO.
 */
struct snapshot *feed_poll(struct feed *feed, uint64_t now_ns, unsigned int budget);
/* Every worker forwards by this snapshot: reported as soon as there is room. */
void feed_applied(struct feed *feed, uint64_t generation, uint64_t tables);
/* The last rejection, for the log; reason SL_REJECT_NONE when there was none since the last call. */
struct sl_rejected feed_rejected(struct feed *feed);
/* 0, or -ENOSPC: the image has no room, and a restart without sluiced forwards nothing. */
int feed_image_error(const struct feed *feed);

#endif
