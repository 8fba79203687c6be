/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What apply.c was told so far: the staging area that apply_commit.c checks as a whole and turns into a
 * snapshot. Private to these two. Everything is bounded by the limits of the shared file.
 */
#ifndef DATAPLANE_APPLY_STAGE_H
#define DATAPLANE_APPLY_STAGE_H

#include "dataplane/address_map.h"
#include "dataplane/apply.h"
#include "dataplane/snapshot_layout.h"

/* One pool id that was named. Backends come before their pool, so it may not be stated itself yet. */
struct staged_pool {
	struct sl_pool pool;
	bool present;
	bool dirty;              /* in apply.dirty: `built` is not what is stated any more */
	bool check_rows;         /* a table or the set of slots changed since the last check */
	uint32_t backend_room;   /* entries of backend */
	uint32_t backend_count;  /* of them present */
	struct sl_backend *backend; /* absent: slot is SL_SLOT_NONE */
	struct snapshot_rows *table[SL_TABLE_KIND_COUNT];
	struct snapshot_pool *built; /* what snapshots hold; NULL: nothing */
	struct staged_pool *next_dirty;
};

struct apply {
	struct sl_shm_limits limits;
	const struct dp_allocator *allocator;
	bool hold;               /* COMMITs build nothing for now */
	bool stated;             /* a RESET came, and nothing was rejected since */
	uint64_t records;        /* since RESET or COMMIT */
	uint64_t generation;     /* committed since RESET; 0: none */
	uint64_t held;           /* of the last snapshot that was built */

	struct sl_settings settings;
	bool settings_stated;
	struct sl_neighbor *neighbor; /* limits.neighbors; absent: id is not the position */
	uint32_t neighbor_top;        /* ids at and above were not stated */
	struct sl_service *service;   /* limits.services; absent: id is not the position */
	uint32_t service_top;
	struct staged_pool **pool;    /* limits.pools; NULL: never named */
	uint32_t pool_top;
	struct staged_pool *dirty;
	uint32_t backend_count;       /* of all pools */
	struct address_map listeners; /* → service */
	struct address_map vips;      /* → otherwise */
	struct address_map sources;   /* outer source → backends that use it */

	bool services_dirty, vips_dirty, neighbors_dirty, sources_dirty;
	bool removed; /* something that others may refer to went away: check every reference */

	/* the parts of the last snapshot, one reference each; NULL: none since RESET */
	struct snapshot_services *services;
	struct snapshot_vips *vip_index;
	struct snapshot_neighbors *neighbors;
	struct snapshot_sources *source_index;
};

/* Checks what is stated and builds its snapshot: SL_REJECT_NONE and *ret_snapshot, or why not. */
enum sl_reject_reason apply_commit(struct apply *apply, const struct sl_commit *commit,
				   struct snapshot **ret_snapshot);

#endif
