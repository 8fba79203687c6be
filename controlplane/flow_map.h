/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The XDP program's memory of connections as a source of entries for flow_census.c, and its aging: who scans it deletes
 * what is too old on the way, for the program itself deletes nothing. Beside packets; main thread only.
 */
#ifndef CONTROLPLANE_FLOW_MAP_H
#define CONTROLPLANE_FLOW_MAP_H

#include "controlplane/flow_census.h"
#include "controlplane/xdp_tables.h"

struct flow_map {
	const struct xdp_maps *maps;
	const struct xdp_tables *tables; /* whose lives count */
	uint16_t idle_max_s[SL_FLOW_KIND_COUNT]; /* of pools that are no more */
	/* flow_map.c's */
	uint64_t at;         /* where the scan is, the kernel's word for it */
	bool begun;
	uint64_t met, deleted, used_before;
};

/* `map` stays the caller's; a place is an entry. */
struct flow_census_source flow_map_source(struct flow_map *map);
/* Pressure of the moment (selection.md 5), and when a packet met it last, CLOCK_BOOTTIME seconds. */
bool flow_map_pressure(const struct xdp_maps *maps, uint64_t now_s, uint64_t *ret_last_s);

#endif
