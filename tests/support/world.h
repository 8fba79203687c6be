/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small universe of services, pools, backends and next hops that changes with every generation, as a
 * pure function of (seed, generation): who states it and who finds it in a snapshot can be different
 * processes, and both know what it must be. Changes between generations are few, some are large.
 */
#ifndef TESTS_SUPPORT_WORLD_H
#define TESTS_SUPPORT_WORLD_H

#include <stdint.h>

#include "controlplane/publish.h"
#include "controlplane/shm_layout.h"
#include "dataplane/snapshot_layout.h"

/* Capacities that fit every world. */
struct shm_capacity world_capacity(void);
/* A header for it (checksum holds). */
struct sl_shm_header world_header(uint64_t session);
/* States all of `generation` to the publisher and commits it. Returns 0 or what a statement returned. */
int world_state(struct publisher *publisher, uint64_t seed, uint64_t generation);
/* What snapshot_digest() must be then. */
uint64_t world_digest(uint64_t seed, uint64_t generation);
/* Over everything a snapshot says, in no order; two that say the same are equal. */
uint64_t world_snapshot_digest(const struct snapshot *snapshot);

#endif
