/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How large the maps of the XDP program must be, so that the generation in force and the next one fit together. Pure.
 */
#include "controlplane/xdp_maps.h"

static uint32_t at_most(uint64_t entries)
{
	return entries > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)entries;
}

struct xdp_capacity xdp_maps_capacity(const struct sl_shm_limits *limits, uint64_t rows, uint64_t flows)
{
	const uint64_t tables = (uint64_t)limits->pools * SL_TABLE_KIND_COUNT;
	struct xdp_capacity c = { .entries = { 0 } };

	c.entries[XDP_MAP_SERVICES] = limits->services * SL_XDP_BANKS;
	c.entries[XDP_MAP_POOL_SLOTS] = limits->pools * SL_XDP_BANKS;
	c.entries[XDP_MAP_POOLS] = limits->pools * 2 + 1;
	c.entries[XDP_MAP_BACKENDS] = at_most((uint64_t)limits->backends * 3 + 1);
	c.entries[XDP_MAP_ROWS] = at_most(1 + 2 * (rows / SL_XDP_ROWS + tables));
	c.entries[XDP_MAP_NEIGHBORS] = limits->neighbors * 2 + 1; /* a restarted sluiced gives other numbers */
	c.entries[XDP_MAP_FLOWS] = at_most(flows * 100 / SL_XDP_FULL_PERCENT);
	c.entries[XDP_MAP_STARTS] = at_most(flows / 8 + 8192);
	c.entries[XDP_MAP_SERVICE_COUNTERS] = limits->services;
	c.entries[XDP_MAP_BACKEND_COUNTERS] = limits->backends;
	return c;
}
