/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the model and the memory of connections tell each other: whose numbers it holds, how long an entry lives,
 * which pools a census is to count, and whether the memory is full.
 */
#include "model.h"

#include <errno.h>
#include <stdlib.h>

void model_set_numbering(struct model *model, uint64_t numbering)
{
	model->settings_dirty |= model->settings.numbering != numbering;
	model->settings.numbering = numbering;
}

void model_set_pressure(struct model *model, bool now, uint64_t last_ms)
{
	model->pressure = now;
	if (last_ms > model->pressure_ms)
		model->pressure_ms = last_ms;
}

void model_idle_max(const struct config *config, uint16_t ret_idle_s[SL_FLOW_KIND_COUNT])
{
	uint32_t idle_s[SL_FLOW_KIND_COUNT] = { 0, 0, 0 };

	for (size_t i = 0; i < config->pool_count; i++) {
		const struct config_pool *pool = &config->pools[i];

		idle_s[SL_FLOW_TCP] = pool->idle_tcp_s > idle_s[SL_FLOW_TCP] ? pool->idle_tcp_s : idle_s[SL_FLOW_TCP];
		idle_s[SL_FLOW_QUIC] = pool->idle_quic_s > idle_s[SL_FLOW_QUIC] ? pool->idle_quic_s : idle_s[SL_FLOW_QUIC];
		idle_s[SL_FLOW_UDP] = pool->idle_udp_s > idle_s[SL_FLOW_UDP] ? pool->idle_udp_s : idle_s[SL_FLOW_UDP];
	}
	for (int kind = 0; kind < SL_FLOW_KIND_COUNT; kind++)
		ret_idle_s[kind] = (uint16_t)idle_s[kind];
}

/* Slots that somebody may still be remembered at: of backends that are configured, and of those that rest. */
static uint32_t slots_of(const struct identity *pool)
{
	uint32_t slots = 0;

	for (const struct identity *backend = pool->children; backend != NULL; backend = backend->hh.next) {
		if (backend->id >= slots)
			slots = backend->id + 1;
	}
	return slots;
}

int model_census_wants(const struct model *model, struct flow_census_want **ret_wants, size_t *ret_count)
{
	struct flow_census_want *wants = calloc(HASH_COUNT(model->ids.pools) + 1u, sizeof(*wants));
	size_t count = 0;

	if (wants == NULL)
		return -ENOMEM;
	for (const struct identity *id = model->ids.pools; id != NULL; id = id->hh.next) {
		const struct model_pool *pool = id->id < model->pool_ids ? model->pool_by_id[id->id] : NULL;
		struct flow_census_want *want = &wants[count++];

		want->pool = id->id;
		want->slots = slots_of(id);
		for (int kind = 0; kind < SL_FLOW_KIND_COUNT; kind++)
			want->idle_s[kind] = model->settings.idle_max_s[kind];
		if (pool == NULL)
			continue;
		if (pool->census_rows)
			want->rows = pool->conf->table_size;
		want->idle_s[SL_FLOW_TCP] = (uint16_t)pool->conf->idle_tcp_s;
		want->idle_s[SL_FLOW_QUIC] = (uint16_t)pool->conf->idle_quic_s;
		want->idle_s[SL_FLOW_UDP] = (uint16_t)pool->conf->idle_udp_s;
	}
	*ret_wants = wants;
	*ret_count = count;
	return 0;
}

enum model_census model_census_due(const struct model *model)
{
	for (size_t i = 0; i < model->pool_count; i++) {
		if (model->pools[i].census_rows)
			return MODEL_CENSUS_ROWS;
	}
	for (const struct identity *pool = model->ids.pools; pool != NULL; pool = pool->hh.next) {
		if (pool->freed_s != 0)
			return MODEL_CENSUS_SLOTS;
		for (const struct identity *backend = pool->children; backend != NULL; backend = backend->hh.next) {
			if (backend->freed_s != 0)
				return MODEL_CENSUS_SLOTS;
		}
	}
	return MODEL_CENSUS_NONE;
}
