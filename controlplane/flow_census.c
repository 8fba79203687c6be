/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counting. A result in the making and the last whole one; every number of an entry is checked before it is an
 * index, and an entry that says nonsense is counted where it does no harm.
 */
#include "controlplane/flow_census.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct flow_census {
	struct flow_census_result *making; /* NULL: no scan runs */
	struct flow_census_result *whole;  /* NULL: none yet */
	bool rewind;                       /* the next step is the scan's first */
	uint16_t now_s;                    /* of the step */
};

int flow_census_create(struct flow_census **ret_census)
{
	*ret_census = calloc(1, sizeof(**ret_census));
	return *ret_census != NULL ? 0 : -ENOMEM;
}

static void result_free(struct flow_census_result *result)
{
	if (result == NULL)
		return;
	for (size_t i = 0; i < result->pool_count; i++) {
		free(result->pools[i].slot);
		free(result->pools[i].row);
	}
	free(result->pools);
	free(result);
}

void flow_census_forget(struct flow_census *census)
{
	result_free(census->making);
	result_free(census->whole);
	census->making = census->whole = NULL;
}

void flow_census_destroy(struct flow_census *census)
{
	if (census == NULL)
		return;
	flow_census_forget(census);
	free(census);
}

static int compare_pools(const void *a, const void *b)
{
	const struct flow_census_pool *one = a, *other = b;

	return one->want.pool < other->want.pool ? -1 : one->want.pool > other->want.pool;
}

static struct flow_census_result *result_alloc(const struct flow_census_want *wants, size_t count)
{
	struct flow_census_result *result = calloc(1, sizeof(*result));

	if (result == NULL)
		return NULL;
	result->pools = calloc(count + 1, sizeof(*result->pools));
	for (size_t i = 0; result->pools != NULL && i < count; i++) {
		struct flow_census_pool *pool = &result->pools[i];

		result->pool_count++;
		pool->want = wants[i];
		pool->slot = calloc(wants[i].slots + 1u, sizeof(*pool->slot));
		pool->row = wants[i].rows > 0 ? calloc(wants[i].rows, sizeof(*pool->row)) : NULL;
		if (pool->slot == NULL || (wants[i].rows > 0 && pool->row == NULL))
			goto free_result;
		for (uint32_t slot = 0; slot < wants[i].slots; slot++)
			pool->slot[slot].last_seen_s = UINT16_MAX;
	}
	if (result->pools == NULL)
		goto free_result;
	qsort(result->pools, count, sizeof(*result->pools), compare_pools);
	return result;

free_result:
	result_free(result);
	return NULL;
}

int flow_census_begin(struct flow_census *census, const struct flow_census_want *wants, size_t count, uint64_t now_ms)
{
	struct flow_census_result *result = result_alloc(wants, count);

	if (result == NULL)
		return -ENOMEM;
	result->began_ms = now_ms;
	result_free(census->making);
	census->making = result;
	census->rewind = true;
	return 0;
}

bool flow_census_runs(const struct flow_census *census)
{
	return census->making != NULL;
}

static struct flow_census_pool *find_pool(const struct flow_census_result *result, uint32_t id)
{
	const struct flow_census_pool key = { .want = { .pool = id } };

	return bsearch(&key, result->pools, result->pool_count, sizeof(key), compare_pools);
}

static void count_slot(struct flow_census_slot *slot, const struct flow_census_entry *entry, uint16_t now_s)
{
	const uint16_t age_s = sl_flow_age_s(now_s, entry->seen_s), born_s = sl_flow_age_s(now_s, entry->born_s);

	slot->flows++;
	slot->closing += entry->closing;
	if (!entry->closing && born_s > slot->oldest_s)
		slot->oldest_s = born_s;
	if (age_s < slot->last_seen_s)
		slot->last_seen_s = age_s;
}

static void count_entry(void *arg, const struct flow_census_entry *entry)
{
	struct flow_census *census = arg;
	struct flow_census_result *result = census->making;
	struct flow_census_pool *pool = find_pool(result, entry->pool);
	const struct sl_flow_entry seen = { .slot = entry->slot, .seen_s = entry->seen_s, .kind = entry->kind,
					    .closing = entry->closing };

	if (entry->slot == SL_SLOT_NONE || entry->kind >= SL_FLOW_KIND_COUNT) { /* nobody finds these, as flows.h says */
		result->forgotten++;
		return;
	}
	if (pool == NULL) {
		result->unknown++;
		return;
	}
	if (!sl_flow_entry_lives(&seen, census->now_s, sl_flow_life_s(pool->want.idle_s[entry->kind]))) {
		result->expired++;
		return;
	}
	result->flows++;
	pool->flows++;
	pool->kinds[entry->kind]++;
	if (entry->slot < pool->want.slots)
		count_slot(&pool->slot[entry->slot], entry, census->now_s);
	else
		pool->strays++;
	if (entry->row < pool->want.rows && pool->row[entry->row] < UINT16_MAX)
		pool->row[entry->row]++;
}

int flow_census_step(struct flow_census *census, const struct flow_census_source *source, uint32_t most,
		     uint64_t now_ms)
{
	int result;

	census->now_s = (uint16_t)(now_ms / 1000);
	result = source->slice(source->ctx, census->rewind, most, count_entry, census);
	census->rewind = false;
	if (result == 0)
		return 0;
	if (result < 0) {
		result_free(census->making);
	} else {
		census->making->ended_ms = now_ms;
		result_free(census->whole);
		census->whole = census->making;
	}
	census->making = NULL;
	return result;
}

const struct flow_census_result *flow_census_result(const struct flow_census *census)
{
	return census->whole;
}

const struct flow_census_pool *flow_census_find(const struct flow_census_result *result, uint32_t pool)
{
	return result != NULL ? find_pool(result, pool) : NULL;
}
