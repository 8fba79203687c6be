/* SPDX-License-Identifier: BSD-3-Clause */
/* Backends by address: a sorted array and a binary search. */
#include "model_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int by_address(const void *a, const void *b)
{
	const struct model_index_entry *x = a, *y = b;
	const int order = memcmp(&x->address, &y->address, sizeof(x->address));

	if (order != 0)
		return order;
	if (x->pool != y->pool)
		return x->pool < y->pool ? -1 : 1;
	return x->backend < y->backend ? -1 : x->backend > y->backend;
}

int model_index_create(struct model_pool *pools, size_t pool_count, struct model_index **ret_index)
{
	struct model_index *index;
	size_t count = 0;

	for (size_t i = 0; i < pool_count; i++)
		count += pools[i].backend_count;
	index = malloc(sizeof(*index) + count * sizeof(index->entry[0]));
	if (!index)
		return -ENOMEM;
	index->count = 0;
	for (size_t i = 0; i < pool_count; i++)
		for (size_t k = 0; k < pools[i].backend_count; k++)
			index->entry[index->count++] = (struct model_index_entry){
				.address = pools[i].backends[k].conf->address,
				.pool = (uint32_t)i,
				.backend = &pools[i].backends[k],
			};
	qsort(index->entry, index->count, sizeof(index->entry[0]), by_address);
	*ret_index = index;
	return 0;
}

void model_index_free(struct model_index *index)
{
	free(index);
}

void model_index_start(const struct model_index *index, const struct sl_addr *address, struct model_index_iter *iter)
{
	size_t low = 0, high = index ? index->count : 0;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (memcmp(&index->entry[middle].address, address, sizeof(*address)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*iter = (struct model_index_iter){ .index = index, .at = low, .address = *address };
}

struct model_backend *model_index_next(struct model_index_iter *iter)
{
	const struct model_index_entry *entry;

	if (!iter->index || iter->at >= iter->index->count)
		return NULL;
	entry = &iter->index->entry[iter->at];
	if (!sl_addr_equal(&entry->address, &iter->address))
		return NULL;
	iter->at++;
	iter->pool = entry->pool;
	return entry->backend;
}
