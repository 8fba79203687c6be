/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the XDP program counted, in the words of the workers' statistics: each CPU is a worker. Reads per-CPU maps.
 */
#ifndef CONTROLPLANE_XDP_STATS_H
#define CONTROLPLANE_XDP_STATS_H

#include "controlplane/xdp_maps.h"

uint32_t xdp_stats_cpus(void);
/* Statistics of every CPU, xdp_stats_cpus() of them: the caller frees them. NULL: no memory. */
struct sl_worker_stats *xdp_stats_read(const struct xdp_maps *maps, uint64_t generation);
/* The sum over CPUs at `position` of XDP_MAP_SERVICE_COUNTERS or XDP_MAP_BACKEND_COUNTERS. */
struct sl_counter xdp_stats_counter(const struct xdp_maps *maps, enum xdp_map_id id, uint32_t position);

#endif
