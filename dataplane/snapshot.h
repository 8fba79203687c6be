/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One published state as workers read it: immutable, reached through one root pointer. Parts that did
 * not change are shared between snapshots. Built by apply.c on the manager; read by workers and by
 * the simulator; freed by the manager after every worker has been quiescent. No DPDK here: memory
 * comes from the allocator (hugepages in sluice-dp, malloc elsewhere).
 */
#ifndef DATAPLANE_SNAPSHOT_H
#define DATAPLANE_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "sluice/abi.h"

struct dp_allocator {
	void *ctx;
	void *(*alloc)(void *ctx, size_t size, size_t align); /* zeroed; NULL: no memory */
	void (*free)(void *ctx, void *memory);
};
extern const struct dp_allocator dp_allocator_malloc;

struct snapshot; /* opaque here; snapshot_layout.h for the env that workers inline */

uint64_t snapshot_generation(const struct snapshot *snapshot);
uint64_t snapshot_tables_checksum(const struct snapshot *snapshot); /* sl_shm_live.data_tables */
void snapshot_free(struct snapshot *snapshot); /* manager only, after the grace period; NULL is fine */

#endif
