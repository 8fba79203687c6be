/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where everything lies in a new shared-memory file. Pure: what it holds follows from capacities.
 */
#ifndef CONTROLPLANE_SHM_LAYOUT_H
#define CONTROLPLANE_SHM_LAYOUT_H

#include <stdint.h>

#include "sluice/abi.h"

struct shm_capacity {
	struct sl_shm_limits limits; /* within SL_*_MAX, workers at least 1 */
	uint64_t rows;               /* of the tables of all pools together, with room to grow */
	uint32_t rows_max;           /* of the largest table */
};

/*
 * Fills in a header, checksum included. `session` is random and not 0.
 * Returns 0, or -ERANGE when a capacity is past its limit.
 */
int shm_layout(const struct shm_capacity *capacity, const struct sl_boot *boot, uint64_t session,
	       uint64_t created_ns, struct sl_shm_header *ret_header);

#endif
