/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a shared-memory file must hold for what is configured, with room to grow: ids, objects, rows of tables.
 */
#include "model.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "model_index.h"

static uint32_t with_room(size_t count, uint32_t least, uint32_t most)
{
	const size_t doubled = count * 2;

	if (doubled < least)
		return least;
	return doubled > most ? most : (uint32_t)doubled;
}

static uint32_t highest_id(const struct identity *table)
{
	uint32_t highest = 0;

	for (; table; table = table->hh.next)
		if (table->id > highest)
			highest = table->id;
	return highest;
}

static struct sl_shm_limits model_limits(const struct model *model)
{
	const struct config *config = model->config;
	size_t listeners = 0;

	for (size_t i = 0; i < config->service_count; i++)
		listeners += config->services[i].listener_count;
	/* ids and statistics positions count, not objects: names that rest still hold theirs */
	return (struct sl_shm_limits){
		.services = with_room(highest_id(model->ids.services), 64, SL_SERVICES_MAX),
		.pools = with_room(highest_id(model->ids.pools), 64, SL_POOLS_MAX),
		.backends = with_room(model->ids.stats_next, 1024, SL_BACKENDS_MAX),
		.neighbors = with_room(model->neighbor_count + model->index->count, 1024, SL_NEIGHBORS_MAX),
		.listeners = with_room(listeners, 256, SL_LISTENERS_MAX),
		.vips = with_room(config->vip_count, 64, SL_VIPS_MAX),
		.workers = config->boot.worker_count ? config->boot.worker_count : 1,
	};
}

unsigned int model_service_kinds(const struct config_service *service)
{
	unsigned int kinds = 0;

	for (size_t i = 0; service->tracking != SL_TRACKING_NEVER && i < service->listener_count; i++) {
		if (service->listeners[i].proto == IPPROTO_TCP)
			kinds |= 1u << SL_FLOW_TCP;
		else if (service->udp_flows != SL_UDP_FLOWS_NONE)
			kinds |= 1u << (service->udp_flows == SL_UDP_FLOWS_QUIC ? SL_FLOW_QUIC : SL_FLOW_UDP);
	}
	return kinds;
}

uint64_t model_table_rows(const struct model *model)
{
	uint8_t *kinds = calloc(model->pool_count + 1, sizeof(*kinds)); /* without memory for it: as if all were used */
	uint64_t rows = 0;

	for (size_t i = 0; kinds != NULL && i < model->service_count; i++)
		kinds[model->services[i].conf->pool] |= (uint8_t)model_service_kinds(model->services[i].conf);
	for (size_t i = 0; i < model->pool_count; i++) {
		const struct model_pool *pool = &model->pools[i];
		const uint32_t used = kinds != NULL ? (uint32_t)__builtin_popcount(kinds[i]) : SL_FLOW_KIND_COUNT;

		rows += (uint64_t)pool->conf->table_size * (1 + used) + (uint64_t)pool->rows.lens.rows * used;
	}
	free(kinds);
	return rows;
}

struct shm_capacity model_capacity(const struct model *model)
{
	struct shm_capacity capacity = { .limits = model_limits(model), .rows = model_table_rows(model) };

	for (size_t i = 0; i < model->pool_count; i++) {
		const struct model_pool *pool = &model->pools[i];

		if (pool->conf->table_size > capacity.rows_max)
			capacity.rows_max = pool->conf->table_size;
		if (pool->rows.lens.rows > capacity.rows_max)
			capacity.rows_max = pool->rows.lens.rows;
		if (pool->rows.rows > capacity.rows_max) /* it becomes the lens when the configured size is another */
			capacity.rows_max = pool->rows.rows;
	}
	capacity.rows += capacity.rows / 2 + 4 * 65537u;
	if (capacity.rows_max < 65537)
		capacity.rows_max = 65537;
	return capacity;
}
