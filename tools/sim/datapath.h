/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Both ends of sluiced's shared-memory file in one process, on memory of its own: what the model states
 * goes through the publisher, the ring, the checks and the snapshot builder of the real programs.
 */
#ifndef TOOLS_SIM_DATAPATH_H
#define TOOLS_SIM_DATAPATH_H

#include <stdint.h>

#include "controlplane/publish.h"
#include "controlplane/shm_layout.h"
#include "dataplane/snapshot.h"

struct datapath;

/* 0, -ENOMEM, or -ERANGE: the capacity is past its limits. */
int datapath_create(const struct shm_capacity *capacity, const struct sl_boot *boot,
		    struct datapath **ret_datapath);
void datapath_destroy(struct datapath *datapath); /* NULL is fine; snapshots stay */
struct publisher *datapath_publisher(struct datapath *datapath);
/*
 * Carries everything over until `generation` is applied. Returns 0 and the new snapshot, which the caller
 * owns, or -EPROTO: a record was rejected, which is a bug; *ret_reason says which.
 */
int datapath_carry(struct datapath *datapath, uint64_t generation, struct snapshot **ret_snapshot,
		   struct sl_rejected *ret_reason);

#endif
