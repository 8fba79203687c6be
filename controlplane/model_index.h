/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finds the backends of an address: events name addresses, and one address may serve many pools. A sorted
 * array of (address, pool, backend), made with each configuration. Main thread only.
 */
#ifndef CONTROLPLANE_MODEL_INDEX_H
#define CONTROLPLANE_MODEL_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "model.h"

struct model_index_entry {
	struct sl_addr address;
	uint32_t pool;
	struct model_backend *backend;
};

struct model_index {
	size_t count;
	struct model_index_entry entry[]; /* by address */
};

struct model_index_iter {
	const struct model_index *index;
	size_t at;
	struct sl_addr address;
	uint32_t pool; /* of the backend returned last */
};

int model_index_create(struct model_pool *pools, size_t pool_count, struct model_index **ret_index);
void model_index_free(struct model_index *index); /* NULL is fine */
void model_index_start(const struct model_index *index, const struct sl_addr *address, struct model_index_iter *iter);
struct model_backend *model_index_next(struct model_index_iter *iter); /* NULL: no more */

#endif
