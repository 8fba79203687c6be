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
	for (size_t i = 0; i < model->pool_count && now != model->pressure; i++)
		model->pools[i].dirty_backends = true; /* their rows: dead homes settle, windows start anew */
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
			want->rows = pool->rows.rows;
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
	return model->ids_rest ? MODEL_CENSUS_SLOTS : MODEL_CENSUS_NONE;
}

/* ---- what a census tells ------------------------------------------------------------------------------- */

/* Generations that were in force long enough by now. A constant stream of them still lets every second one ripen. */
static void ripen(struct model *model, uint64_t now_ms)
{
	while (model->applied_next.applied_ms != 0 && model->applied_next.applied_ms + MODEL_APPLIED_MS <= now_ms) {
		model->applied_ms = model->applied_next.decided_ms;
		model->applied_next = model->applied_last;
		model->applied_last = (struct model_applied){ .decided_ms = 0 };
	}
}

void model_set_applied(struct model *model, uint64_t generation, uint64_t now_ms)
{
	const struct model_applied applied = { .decided_ms = model->committed_ms, .applied_ms = now_ms };

	if (generation != model->generation)
		return; /* a later one is on its way */
	ripen(model, now_ms);
	if (model->applied_generation == generation)
		return;
	model->applied_generation = generation;
	if (model->applied_next.applied_ms == 0)
		model->applied_next = applied;
	else
		model->applied_last = applied;
}

void model_census_begin(struct model *model, uint64_t now_ms)
{
	ripen(model, now_ms);
	model->census_ms = model->applied_ms;
	if (model->applied_generation == model->generation && model->applied_next.applied_ms == 0)
		model->census_ms = now_ms - 1; /* nothing was decided since then that is not in force */
}

/*
 * A number that was freed can come back in a worker's own memory until what it remembers has expired: so it rests
 * for the longest life of an entry, and then nothing may name it.
 */
static bool has_rested(const struct model *model, const struct identity *entry)
{
	uint32_t life_s = 0;

	for (int kind = 0; kind < SL_FLOW_KIND_COUNT; kind++) {
		const uint32_t kind_s = sl_flow_life_s(model->settings.idle_max_s[kind]);

		life_s = kind_s > life_s ? kind_s : life_s;
	}
	return entry->freed_s != 0 && entry->freed_ms != 0 && entry->freed_ms + life_s * 1000ull <= model->census_ms;
}

/* Slots of one pool. Returns true when one is free again. */
static bool release_slots(const struct model *model, struct identity *id, const struct model_pool *pool,
			  const struct flow_census_pool *counted)
{
	struct identity *slot, *next;
	bool released = false;

	HASH_ITER (hh, id->children, slot, next) {
		if (!has_rested(model, slot) || slot->id >= counted->want.slots || counted->slot[slot->id].flows != 0 ||
		    (pool && row_history_names(&pool->rows, (uint16_t)slot->id)))
			continue;
		identities_release(&id->children, slot);
		released = true;
	}
	return released;
}

bool model_counted(struct model *model, const struct flow_census_result *result)
{
	struct identity *id, *next;
	bool due = false;

	HASH_ITER (hh, model->ids.pools, id, next) {
		const struct flow_census_pool *counted = flow_census_find(result, id->id);
		struct model_pool *pool = id->id < model->pool_ids ? model->pool_by_id[id->id] : NULL;
		const uint32_t gone = id->id;

		if (counted == NULL)
			continue;
		if (pool != NULL && counted->row != NULL) {
			row_history_counted(&pool->rows, counted->row, counted->want.rows, model->census_ms);
			pool->dirty_backends |= pool->rows.changed != 0;
			pool->rows_unkept |= pool->rows.changed != 0;
			pool->census_rows = row_history_waits(&pool->rows);
			due |= pool->rows.changed != 0;
		}
		due |= release_slots(model, id, pool, counted);
		if (pool != NULL || counted->flows != 0 || !has_rested(model, id))
			continue;
		identities_release(&model->ids.pools, id);
		if (model->events.pool_forgotten)
			model->events.pool_forgotten(model->events.ctx, gone);
		due = true;
	}
	if (due)
		model->ids_rest = identities_any_rests(&model->ids);
	return due;
}
