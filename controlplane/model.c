/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is meant: takes configurations and events, keeps names, numbers and states together. What follows
 * from it (tables, facts) is model_state.c's.
 */
#include "model.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "model_backend.h"
#include "model_index.h"
#include "model_rows.h"

int model_create(const struct model_events *events, struct model **ret_model)
{
	struct model *model = calloc(1, sizeof(*model));

	if (!model)
		return -ENOMEM;
	model->neighbors = calloc(1, sizeof(*model->neighbors));
	if (!model->neighbors) {
		free(model);
		return -ENOMEM;
	}
	model->neighbor_count = 1;
	if (events)
		model->events = *events;
	*ret_model = model;
	return 0;
}

static void pools_free(struct model_pool *pools, size_t count)
{
	for (size_t i = 0; pools && i < count; i++) {
		maglev_destroy(pools[i].maglev);
		table_put(pools[i].table);
		row_history_clear(&pools[i].rows);
		free(pools[i].backends);
		free(pools[i].by_slot);
	}
	free(pools);
}

void model_destroy(struct model *model)
{
	if (!model)
		return;
	pools_free(model->pools, model->pool_count);
	free(model->pool_by_id);
	free(model->services);
	free(model->neighbors);
	free(model->stated_listeners);
	free(model->stated_vips);
	model_index_free(model->index);
	identities_clear(&model->ids);
	free(model);
}

void model_set_keys(struct model *model, const struct sl_key *hash_key, const struct sl_key *flow_key)
{
	bool chosen = false; /* rows, by the key that was set before */

	if (memcmp(&model->hash_key, hash_key, sizeof(*hash_key)) == 0 &&
	    memcmp(&model->settings.flow_key, flow_key, sizeof(*flow_key)) == 0)
		return;
	for (size_t i = 0; i < model->pool_count; i++) {
		chosen = chosen || model->pools[i].rows.rows != 0;
		model->pools[i].dirty_table = true;
	}
	model->hash_key = *hash_key;
	if (!chosen)
		model->settings.hash_key = *hash_key;
	model->settings.flow_key = *flow_key;
	model->settings_dirty = true;
}

/* Names and ids are one: while a name is configured, nobody else gets its id. */
static struct model_pool *pool_by_id(struct model_pool *const *by_id, size_t ids, uint32_t id)
{
	return id < ids ? by_id[id] : NULL;
}

static struct model_backend *backend_by_slot(const struct model_pool *pool, uint16_t slot)
{
	return pool && slot < pool->slots ? pool->by_slot[slot] : NULL;
}

/* What is known of its health holds until the new configuration's check has a result, whatever that asks. */
static void backend_inherit_health(struct model_backend *backend, const struct model_backend *old)
{
	backend->health = old->health;
	backend->since_s = old->since_s;
	backend->was_up = old->was_up;
	backend->down_since_ms = old->down_since_ms;
	memcpy(backend->reason, old->reason, sizeof(backend->reason));
}

/* One backend of the new configuration; `old` is its former self or NULL. New: its pool has others already. */
static void backend_init(struct model_backend *backend, const struct model_pool *pool, const struct model_backend *old,
			 bool is_new, uint32_t added, uint64_t now_s)
{
	const bool checked = pool->conf->check >= 0;
	const bool same = old && sl_addr_equal(&old->conf->address, &backend->conf->address);

	backend->stated.pool = UINT32_MAX;
	backend->since_s = now_s;
	backend->down_since_ms = MODEL_NEVER;
	backend->health = checked ? BACKEND_UNKNOWN : BACKEND_UP;
	strcpy(backend->reason, checked ? "no result yet" : "no check");
	backend_ramp_end(backend);
	if (old) {
		backend->override = old->override;
		backend->stated = old->stated;
		backend->rows = old->rows;
	}
	if (same) {
		backend->hop = old->hop;
		backend->ramp = old->ramp;
		if (checked)
			backend_inherit_health(backend, old);
	}
	/* new here, or another machine under the name, or of weight 0 until now */
	if ((old ? !same : is_new) || (old && old->conf->weight == 0 && backend->conf->weight > 0))
		backend_ramp_begin(pool, backend, !old || old->conf->weight == 0 ? added : 0);
}

static int pool_init(struct model *model, struct model_pool *pool, const struct config_pool *conf, uint64_t now_s)
{
	struct identity *pool_id, *backend_id;
	struct model_pool *old;
	bool known, rests;
	int err;

	pool->conf = conf;
	known = identity_in_use(model->ids.pools, conf->name);
	rests = identity_rests(model->ids.pools, conf->name);
	err = identities_pool(&model->ids, conf->name, SL_POOLS_MAX, &pool_id);
	if (err < 0)
		return err;
	pool->id = pool_id->id;
	old = pool_by_id(model->pool_by_id, model->pool_ids, pool->id);
	pool->source = old ? old->source : MAGLEV_EMPTY;
	pool->rows_due_ms = MODEL_NEVER;
	pool->suspect = old ? old->suspect : known || rests; /* it was there before, and we know nothing of its rows */
	err = maglev_create(&pool->maglev);
	if (err < 0)
		return err;
	pool->backends = calloc(conf->backend_count + 1, sizeof(*pool->backends));
	if (!pool->backends)
		return -ENOMEM;
	pool->backend_count = conf->backend_count;
	for (size_t i = 0; i < conf->backend_count; i++) {
		struct model_backend *backend = &pool->backends[i];
		const bool is_new = known && !identity_in_use(pool_id->children, conf->backends[i].name);

		err = identities_backend(&model->ids, pool_id, conf->backends[i].name, SL_BACKENDS_MAX, &backend_id);
		if (err < 0)
			return err;
		backend->conf = &conf->backends[i];
		backend->slot = (uint16_t)backend_id->id;
		backend->stats = backend_id->stats;
		if (backend->slot >= pool->slots)
			pool->slots = (uint16_t)(backend->slot + 1);
		backend_init(backend, pool, backend_by_slot(old, backend->slot), is_new, model->added_last + 1, now_s);
	}
	pool_count_held(pool);
	pool->dirty_table = pool->dirty_backends = true;
	if (old && old->slots > pool->slots)
		pool->slots = old->slots;
	pool->by_slot = calloc(pool->slots + 1u, sizeof(struct model_backend *));
	if (!pool->by_slot)
		return -ENOMEM;
	for (size_t i = 0; i < pool->backend_count; i++)
		pool->by_slot[pool->backends[i].slot] = &pool->backends[i];
	if (!old)
		return 0;
	pool->serving = old->serving;
	pool->known = old->known;
	pool->stated = old->stated;
	return 0;
}

/* What the new pool can use of the old one without a rebuild; nothing can fail any more. */
static void pool_inherit(struct model *model, struct model_pool *pool)
{
	struct model_pool *old = pool_by_id(model->pool_by_id, model->pool_ids, pool->id);

	if (!old)
		return;
	pool->table = old->table;
	pool->table_sum = old->table_sum;
	pool->fingerprint = old->fingerprint;
	old->table = NULL;
	pool->rows = old->rows;
	memset(&old->rows, 0, sizeof(old->rows));
	pool->rows_due_ms = old->rows_due_ms;
	pool->rows_unkept = old->rows_unkept;
	pool->census_rows = old->census_rows;
	pool->services_kept = old->services_kept;
	maglev_destroy(pool->maglev);
	pool->maglev = old->maglev;
	old->maglev = NULL;
}

/* What a model_configure() makes before it takes anything over. */
struct fresh {
	struct model_pool *pools;
	struct model_service *services;
	struct model_index *index;
	struct model_pool **pool_by_id;
	size_t pool_ids;
	bool *service_stays; /* by id */
};

static void fresh_free(struct fresh *fresh, size_t pool_count)
{
	pools_free(fresh->pools, pool_count);
	free(fresh->services);
	free(fresh->pool_by_id);
	free(fresh->service_stays);
}

/* What operators said of backends that the new configuration does not name any more. */
static void forget_overrides(const struct model *model, const struct fresh *fresh)
{
	for (size_t i = 0; i < model->pool_count && model->events.override_gone; i++) {
		const struct model_pool *old = &model->pools[i];
		const struct model_pool *pool = pool_by_id(fresh->pool_by_id, fresh->pool_ids, old->id);

		for (size_t k = 0; k < old->backend_count; k++)
			if (old->backends[k].override.admin != BACKEND_READY && !backend_by_slot(pool, old->backends[k].slot))
				model->events.override_gone(model->events.ctx, old, &old->backends[k]);
	}
}

/* What the publisher knows and the new configuration does not name any more. */
static void forget_removed(struct model *model, const struct fresh *fresh)
{
	if (!model->publisher)
		return;
	for (size_t i = 0; i < model->service_count; i++) {
		const struct sl_service gone = { .id = model->services[i].id };

		if (fresh->service_stays[gone.id])
			continue;
		publisher_service(model->publisher, &gone, SL_OP_DEL);
		model->removed_any = true;
	}
	for (size_t i = 0; i < model->pool_count; i++) {
		struct model_pool *old = &model->pools[i];
		struct model_pool *pool = pool_by_id(fresh->pool_by_id, fresh->pool_ids, old->id);
		const struct sl_pool gone = { .id = old->id }; /* `stated` may never have been filled */

		for (size_t k = 0; k < old->backend_count; k++)
			if (old->backends[k].stated.pool != UINT32_MAX && !backend_by_slot(pool, old->backends[k].slot)) {
				publisher_backend(model->publisher, &old->backends[k].stated, SL_OP_DEL);
				model->removed_any = true;
			}
		if (pool)
			continue;
		publisher_pool(model->publisher, &gone, SL_OP_DEL);
		model->removed_any = true;
	}
}

/* `old` is its former self or NULL. The hash that it chose rows of the same pool by is in force until a lens is made. */
static void service_init(const struct model *model, const struct fresh *fresh, struct model_service *service,
			 const struct model_service *old)
{
	service->stated.id = UINT32_MAX;
	if (old)
		service->stated = old->stated;
	service->hash = service->lens_hash = (uint8_t)service->conf->hash;
	if (!old || model->pools[old->conf->pool].id != fresh->pools[service->conf->pool].id)
		return;
	service->hash = old->hash;
	service->lens_hash = old->lens_hash;
}

static int services_init(struct model *model, const struct config *config, struct fresh *fresh)
{
	const struct model_service **old = calloc(SL_SERVICES_MAX, sizeof(*old));
	struct identity *id;
	int err = old ? 0 : -ENOMEM;

	for (size_t i = 0; err == 0 && i < model->service_count; i++)
		old[model->services[i].id] = &model->services[i];
	for (size_t i = 0; err == 0 && i < config->service_count; i++) {
		err = identities_service(&model->ids, config->services[i].name, SL_SERVICES_MAX, &id);
		if (err < 0)
			break;
		fresh->services[i].conf = &config->services[i];
		fresh->services[i].id = id->id;
		service_init(model, fresh, &fresh->services[i], old[id->id]);
		fresh->service_stays[id->id] = true;
	}
	free(old);
	return err;
}

/* Everything that can fail. */
static int fresh_make(struct model *model, const struct config *config, uint64_t now_s, struct fresh *fresh)
{
	int err;

	fresh->pools = calloc(config->pool_count + 1, sizeof(*fresh->pools));
	fresh->services = calloc(config->service_count + 1, sizeof(*fresh->services));
	fresh->service_stays = calloc(SL_SERVICES_MAX, sizeof(*fresh->service_stays));
	if (!fresh->pools || !fresh->services || !fresh->service_stays)
		return -ENOMEM;
	identities_begin(&model->ids, now_s);
	for (size_t i = 0; i < config->pool_count; i++) {
		err = pool_init(model, &fresh->pools[i], &config->pools[i], now_s);
		if (err < 0)
			return err;
		if (fresh->pools[i].id >= fresh->pool_ids)
			fresh->pool_ids = fresh->pools[i].id + 1;
	}
	err = services_init(model, config, fresh);
	if (err < 0)
		return err;
	fresh->pool_by_id = calloc(fresh->pool_ids + 1, sizeof(struct model_pool *));
	if (!fresh->pool_by_id)
		return -ENOMEM;
	for (size_t i = 0; i < config->pool_count; i++)
		fresh->pool_by_id[fresh->pools[i].id] = &fresh->pools[i];
	return model_index_create(fresh->pools, config->pool_count, &fresh->index);
}

int model_configure(struct model *model, const struct config *config, uint64_t now_s)
{
	struct fresh fresh = { .pools = NULL };
	struct sl_settings settings;
	int err = fresh_make(model, config, now_s, &fresh);

	if (err < 0) {
		fresh_free(&fresh, config->pool_count);
		return err;
	}
	identities_end(&model->ids, now_s);
	model->ids_rest = identities_any_rests(&model->ids);
	model->added_last++;
	forget_overrides(model, &fresh);
	forget_removed(model, &fresh);
	for (size_t i = 0; i < config->pool_count; i++)
		pool_inherit(model, &fresh.pools[i]);
	pools_free(model->pools, model->pool_count);
	free(model->pool_by_id);
	free(model->services);
	free(fresh.service_stays);
	model_index_free(model->index);
	model->pools = fresh.pools;
	model->pool_count = config->pool_count;
	model->pool_by_id = fresh.pool_by_id;
	model->pool_ids = fresh.pool_ids;
	model->services = fresh.services;
	model->service_count = config->service_count;
	model->index = fresh.index;
	model->config = config;
	settings = model->settings;
	settings.reply_rate = config->reply_rate;
	model_idle_max(config, settings.idle_max_s);
	model->settings_dirty |= memcmp(&settings, &model->settings, sizeof(settings)) != 0;
	model->settings = settings;
	model->services_dirty = model->vips_dirty = true;
	model->ids_dirty = true;
	model_rows_follow(model);
	return 0;
}

int model_set_publisher(struct model *model, struct publisher *publisher, const struct sl_shm_limits *limits)
{
	model->publisher = publisher;
	model->limits = *limits;
	model->settings_dirty = model->services_dirty = model->vips_dirty = model->neighbors_dirty = true;
	model->stated_listener_count = model->stated_vip_count = 0;
	for (size_t i = 0; i < model->service_count; i++)
		model->services[i].stated.id = UINT32_MAX;
	for (size_t i = 0; i < model->pool_count; i++) {
		struct model_pool *pool = &model->pools[i];

		memset(&pool->stated, 0, sizeof(pool->stated));
		pool->dirty_table = pool->dirty_backends = true;
		table_put(pool->table);
		pool->table = NULL;
		pool->rows.changed = ROW_CHANGED_ALL;
		for (size_t k = 0; k < pool->backend_count; k++)
			pool->backends[k].stated.pool = UINT32_MAX;
	}
	return 0;
}

void model_set_hop(struct model *model, const struct sl_addr *address, const struct model_hop *hop)
{
	struct model_index_iter iter;
	struct model_backend *backend;

	model_index_start(model->index, address, &iter);
	while ((backend = model_index_next(&iter)) != NULL) {
		backend->hop = *hop;
		model->pools[iter.pool].dirty_backends = true;
	}
}

int model_set_neighbor(struct model *model, const struct sl_neighbor *neighbor)
{
	struct sl_neighbor *grown;

	if (neighbor->id == 0 || neighbor->id >= SL_NEIGHBORS_MAX)
		return -ERANGE;
	if (neighbor->id >= model->neighbor_count) {
		grown = realloc(model->neighbors, (neighbor->id + 1) * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		memset(grown + model->neighbor_count, 0, (neighbor->id + 1 - model->neighbor_count) * sizeof(*grown));
		model->neighbors = grown;
		model->neighbor_count = neighbor->id + 1;
	}
	if (memcmp(&model->neighbors[neighbor->id], neighbor, sizeof(*neighbor)) == 0)
		return 0;
	model->neighbors[neighbor->id] = *neighbor;
	if (model->neighbors_dirty || !model->publisher)
		return 0; /* model_update() states all of them */
	model->neighbors_changed = true;
	if (publisher_neighbor(model->publisher, neighbor, SL_OP_PUT) < 0)
		model->neighbors_dirty = true; /* and meets the error there */
	return 0;
}

void model_del_neighbor(struct model *model, uint32_t id)
{
	if (id == 0 || id >= model->neighbor_count || model->neighbors[id].id == 0)
		return;
	if (model->publisher && !model->neighbors_dirty) {
		publisher_neighbor(model->publisher, &model->neighbors[id], SL_OP_DEL);
		model->neighbors_changed = true;
	}
	memset(&model->neighbors[id], 0, sizeof(model->neighbors[id]));
}
