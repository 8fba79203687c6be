/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the program counted, and what it remembers: reading, planting, ageing, forgetting.
 */
#include "tests/support/xdp_lab_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int sum_of(const struct bpf_map *map, uint32_t key, uint64_t *sums, size_t words)
{
	const int cpus = libbpf_num_possible_cpus();
	uint64_t *values;
	int err;

	memset(sums, 0, words * sizeof(*sums));
	if (cpus < 0)
		return cpus;
	if (key >= bpf_map__max_entries(map))
		return 0;
	values = calloc((size_t)cpus * words, sizeof(*values));
	if (values == NULL)
		return -ENOMEM;
	err = bpf_map_lookup_elem(bpf_map__fd(map), &key, values);
	for (size_t i = 0; i < (size_t)cpus * words && err == 0; i++)
		sums[i % words] += values[i];
	free(values);
	return err;
}

int xdp_lab_counts(const struct xdp_lab *lab, struct xdp_lab_counts *ret_counts)
{
	int err = 0;

	for (uint32_t i = 0; i < SL_VERDICT_COUNT && err == 0; i++)
		err = sum_of(lab->object->maps.verdicts, i, &ret_counts->verdict[i], 1);
	for (uint32_t i = 0; i < SL_FLOW_COUNT_COUNT && err == 0; i++)
		err = sum_of(lab->object->maps.flow_counters, i, &ret_counts->flow[i], 1);
	return err;
}

int xdp_lab_service_count(const struct xdp_lab *lab, uint32_t id, struct sl_counter *ret_counter)
{
	return sum_of(lab->object->maps.service_counters, id, (uint64_t *)ret_counter, 2);
}

int xdp_lab_backend_count(const struct xdp_lab *lab, uint32_t stats, struct sl_counter *ret_counter)
{
	return sum_of(lab->object->maps.backend_counters, stats, (uint64_t *)ret_counter, 2);
}

bool xdp_lab_flow(const struct xdp_lab *lab, uint64_t tag, struct sl_xdp_flow *ret_flow, bool *ret_confirmed)
{
	*ret_confirmed = bpf_map_lookup_elem(bpf_map__fd(lab->object->maps.flows), &tag, ret_flow) == 0;
	return *ret_confirmed || bpf_map_lookup_elem(bpf_map__fd(lab->object->maps.starts), &tag, ret_flow) == 0;
}

int xdp_lab_flow_put(struct xdp_lab *lab, const struct sl_xdp_flow *flow, bool confirmed)
{
	const int fd = bpf_map__fd(confirmed ? lab->object->maps.flows : lab->object->maps.starts);
	struct sl_xdp_flow there;

	if (confirmed && bpf_map_lookup_elem(fd, &flow->tag, &there) < 0)
		__atomic_fetch_add(&xdp_lab_live(lab)->used, 1, __ATOMIC_RELAXED);
	return bpf_map_update_elem(fd, &flow->tag, flow, BPF_ANY);
}

/* Deletes all of a hash whose keys are tags, or what `goes` says; *ret_gone is how many. */
static int delete_tags(int fd, bool (*goes)(const struct xdp_lab *lab, const struct sl_xdp_flow *flow),
		       const struct xdp_lab *lab, uint64_t *ret_gone)
{
	uint64_t *tags = NULL, next, *last = NULL;
	size_t count = 0, room = 0;
	struct sl_xdp_flow flow;
	int err = 0;

	*ret_gone = 0;
	while (bpf_map_get_next_key(fd, last, &next) == 0) {
		if (count == room) {
			uint64_t *grown = realloc(tags, (room = room ? room * 2 : 256) * sizeof(*tags));

			if (grown == NULL) {
				free(tags);
				return -ENOMEM;
			}
			tags = grown;
		}
		tags[count] = next;
		last = &tags[count++];
		next = 0;
	}
	for (size_t i = 0; i < count && err == 0; i++) {
		if (goes != NULL && (bpf_map_lookup_elem(fd, &tags[i], &flow) < 0 || !goes(lab, &flow)))
			continue;
		err = bpf_map_delete_elem(fd, &tags[i]);
		err = err == -ENOENT ? 0 : err; /* an LRU gave it away meanwhile */
		++*ret_gone;
	}
	free(tags);
	return err;
}

int xdp_lab_forget(struct xdp_lab *lab)
{
	const int cpus = libbpf_num_possible_cpus();
	const struct bpf_map *scratch = lab->object->maps.scratch;
	const uint32_t only = 0;
	uint64_t gone;
	uint8_t *zero;
	int err = delete_tags(bpf_map__fd(lab->object->maps.flows), NULL, lab, &gone);

	if (err == 0)
		err = delete_tags(bpf_map__fd(lab->object->maps.starts), NULL, lab, &gone);
	if (err == 0)
		err = delete_tags(bpf_map__fd(lab->object->maps.datagrams), NULL, lab, &gone);
	*xdp_lab_live(lab) = (struct sl_xdp_live){ 0 };
	if (err < 0)
		return err;
	zero = calloc((size_t)cpus, (bpf_map__value_size(scratch) + 7u) & ~7u);
	if (zero == NULL)
		return -ENOMEM;
	err = bpf_map_update_elem(bpf_map__fd(scratch), &only, zero, BPF_ANY);
	free(zero);
	return err;
}

static bool is_expired(const struct xdp_lab *lab, const struct sl_xdp_flow *flow)
{
	const uint32_t at = sl_xdp_at(flow->pool, root_of(lab)->bank);
	const uint64_t slot = at < lab->array[POOL_SLOTS].entries ? ((const uint64_t *)lab->array[POOL_SLOTS].at)[at] : 0;
	const struct sl_xdp_pool *pool = (const struct sl_xdp_pool *)lab->array[POOLS].at + slot;
	const struct sl_flow_entry entry = { .seen_s = flow->seen_s, .closing = !!(flow->slot & SL_FLOW_CLOSING) };

	return slot == 0 || flow->kind >= SL_FLOW_KIND_COUNT ||
	       !sl_flow_entry_lives(&entry, (uint16_t)(root_of(lab)->clock_ns / 1000000000u),
				    sl_flow_life_s(pool->pool.idle_s[flow->kind]));
}

int xdp_lab_age(struct xdp_lab *lab)
{
	uint64_t gone;
	int err = delete_tags(bpf_map__fd(lab->object->maps.flows), is_expired, lab, &gone);

	__atomic_fetch_sub(&xdp_lab_live(lab)->used, gone, __ATOMIC_RELAXED);
	if (err == 0)
		err = delete_tags(bpf_map__fd(lab->object->maps.starts), is_expired, lab, &gone);
	return err;
}

struct sluice_bpf *xdp_lab_object(struct xdp_lab *lab)
{
	return lab->object;
}

struct sl_xdp_live *xdp_lab_live(struct xdp_lab *lab)
{
	return lab->array[LIVE].at;
}
