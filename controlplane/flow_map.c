/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scans by BPF_MAP_LOOKUP_BATCH, which meets every entry that is there throughout. An old entry is taken out and looked
 * at again: a packet may have touched it since, then it goes back, unless the connection was remembered anew meanwhile.
 */
#include "controlplane/flow_map.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <bpf/bpf.h>

static uint64_t boottime_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec;
}

static bool lives(const struct flow_map *map, const struct sl_xdp_flow *flow)
{
	const uint16_t idle_s = xdp_tables_idle_s(map->tables, flow->pool, flow->kind);
	const struct sl_flow_entry entry = { .slot = flow->slot & SL_ROW_SLOT, .seen_s = flow->seen_s, .kind = flow->kind,
					     .closing = !!(flow->slot & SL_FLOW_CLOSING) };

	if (flow->kind >= SL_FLOW_KIND_COUNT)
		return false;
	return sl_flow_entry_lives(&entry, (uint16_t)boottime_s(), sl_flow_life_s(idle_s ? idle_s : map->idle_max_s[flow->kind]));
}

static void delete_old(struct flow_map *map, uint64_t tag)
{
	struct sl_xdp_live *live = xdp_maps_at(map->maps, XDP_MAP_LIVE, 0);
	const int fd = map->maps->map[XDP_MAP_FLOWS].fd;
	struct sl_xdp_flow flow;

	if (bpf_map_lookup_and_delete_elem(fd, &tag, &flow) < 0)
		return;
	if (lives(map, &flow) && bpf_map_update_elem(fd, &tag, &flow, BPF_NOEXIST) == 0)
		return;
	map->deleted++;
	__atomic_fetch_sub(&live->used, 1, __ATOMIC_RELAXED);
}

/* What the program counted and what is there drift apart where a CPU was stopped between the two. */
static void correct(const struct flow_map *map)
{
	struct sl_xdp_live *live = xdp_maps_at(map->maps, XDP_MAP_LIVE, 0);
	const uint64_t there = map->met - map->deleted, used = __atomic_load_n(&live->used, __ATOMIC_RELAXED);
	const uint64_t before = map->used_before < map->deleted ? 0 : map->used_before - map->deleted;
	const uint64_t low = used < before ? used : before, high = used < before ? before : used;
	const uint64_t roomy = (uint64_t)map->maps->map[XDP_MAP_FLOWS].entries * SL_XDP_ROOMY_PERCENT / 100;

	if (there > high + high / 64 + 64 || there + there / 64 + 64 < low)
		__atomic_fetch_add(&live->used, there - used, __ATOMIC_RELAXED);
	if (__atomic_load_n(&live->used, __ATOMIC_RELAXED) < roomy)
		__atomic_store_n(&live->full, 0, __ATOMIC_RELAXED);
}

static void tell(struct flow_map *map, const struct sl_xdp_flow *flow, flow_census_emit *emit, void *arg)
{
	const struct flow_census_entry entry = { .pool = flow->pool, .row = flow->row, .slot = flow->slot & SL_ROW_SLOT,
						 .seen_s = flow->seen_s, .born_s = flow->born_s, .kind = flow->kind,
						 .closing = !!(flow->slot & SL_FLOW_CLOSING) };

	map->met++;
	if (lives(map, flow))
		emit(arg, &entry);
	else
		delete_old(map, flow->tag);
}

static int slice(void *ctx, bool rewind, uint32_t most, flow_census_emit *emit, void *arg)
{
	struct flow_map *map = ctx;
	const struct sl_xdp_live *live = xdp_maps_at(map->maps, XDP_MAP_LIVE, 0);
	uint64_t *tags = calloc(most, sizeof(*tags)), next = 0;
	struct sl_xdp_flow *flows = calloc(most, sizeof(*flows));
	__u32 count = most;
	int err = tags && flows ? 0 : -ENOMEM;

	if (rewind) {
		map->begun = false;
		map->met = map->deleted = 0;
		map->used_before = __atomic_load_n(&live->used, __ATOMIC_RELAXED);
	}
	if (err == 0)
		err = bpf_map_lookup_batch(map->maps->map[XDP_MAP_FLOWS].fd, map->begun ? &map->at : NULL, &next, tags, flows,
					   &count, NULL);
	if (err == 0 || err == -ENOENT) {
		map->at = next;
		map->begun = true;
		for (__u32 i = 0; i < count; i++)
			tell(map, &flows[i], emit, arg);
		if (err == -ENOENT)
			correct(map);
		err = err == -ENOENT ? 1 : 0;
	}
	free(tags);
	free(flows);
	return err;
}

struct flow_census_source flow_map_source(struct flow_map *map)
{
	return (struct flow_census_source){ .ctx = map, .slice = slice };
}

bool flow_map_pressure(const struct xdp_maps *maps, uint64_t now_s, uint64_t *ret_last_s)
{
	const struct sl_xdp_live *live = xdp_maps_at(maps, XDP_MAP_LIVE, 0);

	*ret_last_s = __atomic_load_n(&live->pressure_s, __ATOMIC_RELAXED);
	return __atomic_load_n(&live->full, __ATOMIC_RELAXED) != 0 ||
	       __atomic_load_n(&live->turning_until_s, __ATOMIC_RELAXED) > now_s;
}
