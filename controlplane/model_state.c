/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What follows from what is meant: effective states, tables, and the facts that a datapath must be told.
 * Only what is dirty is computed and stated; everything stated becomes one generation.
 */
#include "model_backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model_rows.h"

static struct maglev_backend *maglev_view(const struct model_pool *pool)
{
	struct maglev_backend *view = calloc(pool->backend_count + 1, sizeof(*view));

	for (size_t i = 0; view && i < pool->backend_count; i++) {
		const struct model_backend *backend = &pool->backends[i];

		view[i] = (struct maglev_backend){
			.name = backend->conf->name,
			.weight = model_backend_weight(backend),
			.slot = backend->slot,
			.backup = backend->conf->role == CONFIG_ROLE_BACKUP,
			.live = backend->health == BACKEND_UP,
			.added = backend->ramp.added,
			.accept = model_backend_accept(backend),
		};
	}
	return view;
}

/* Counts the rows of each backend and tells when the pool went empty, served again, or panicked. */
static void pool_account(struct model *model, struct model_pool *pool, enum maglev_source was)
{
	const enum maglev_source source = pool->source;
	const uint32_t before = pool->serving;
	const bool panicked = was == MAGLEV_PANIC;
	uint32_t *rows = calloc(pool->slots + 1u, sizeof(*rows));

	for (uint32_t r = 0; rows && r < pool->rows.rows; r++) {
		const uint16_t slot = pool->rows.current[r];

		if (slot < pool->slots)
			rows[slot]++;
	}
	pool->serving = 0;
	for (size_t i = 0; rows && i < pool->backend_count; i++) {
		pool->backends[i].rows = rows[pool->backends[i].slot];
		pool->serving += pool->backends[i].rows > 0;
	}
	free(rows);
	if (before > 0 && pool->serving == 0 && model->events.pool_empty)
		model->events.pool_empty(model->events.ctx, pool);
	if (before == 0 && pool->serving > 0 && model->events.pool_serving)
		model->events.pool_serving(model->events.ctx, pool);
	if (panicked != (source == MAGLEV_PANIC) && model->events.pool_panic)
		model->events.pool_panic(model->events.ctx, pool, source == MAGLEV_PANIC);
}

/* Whom every row leads to now. */
static int pool_rows(struct model_pool *pool, const struct rows_plan *plan, uint16_t *row, enum maglev_source *ret_source)
{
	struct maglev_backend *view = maglev_view(pool);
	const struct maglev_pool input = {
		.backends = view, .count = pool->backend_count, .rows = plan->rows,
		.panic_percent = pool->conf->panic_threshold_percent, .key = plan->key,
	};
	int err = view ? maglev_owners(pool->maglev, &input) : -ENOMEM;

	if (err == 0)
		err = maglev_overlay(pool->maglev, &input, row, ret_source);
	free(view);
	return err;
}

/* Computes the pool's rows and takes them into its history. 0 or -errno. */
static int pool_table(struct model *model, struct model_pool *pool)
{
	const struct rows_plan plan = pool_rows_plan(model, pool);
	const enum maglev_source was = pool->source;
	enum maglev_source source = MAGLEV_EMPTY;
	uint16_t *row = malloc((size_t)plan.rows * sizeof(*row));
	int err = row ? 0 : -ENOMEM;

	pool_ramps_fill(pool, false);
	if (err == 0)
		err = pool_rows(pool, &plan, row, &source);
	if (err == 0 && source == MAGLEV_PANIC && pool_ramps_fill(pool, true))
		err = pool_rows(pool, &plan, row, &source);
	if (err == 0) {
		pool->source = source; /* panic decides what state the backends are in */
		err = pool_rows_take(model, pool, &plan, row);
	}
	free(row);
	if (err < 0) {
		pool->source = was;
		return err;
	}
	if (source != was || (pool->rows.changed & ROW_CHANGED_CURRENT))
		pool_account(model, pool, was);
	return 0;
}

struct sl_addr model_outer_source(const struct model *model, const struct model_backend *backend)
{
	const struct sl_addr *configured = &model->config->outer_source;
	const bool set = configured->d[0] != 0 || configured->d[1] != 0;

	if (set && sl_addr_is_v4(configured) == sl_addr_is_v4(&backend->conf->address))
		return *configured;
	return backend->hop.outer_src;
}

/* States one backend if it differs from what was stated. Returns 1 when it did, 0, or -errno. */
static int backend_state(struct model *model, const struct model_pool *pool, struct model_backend *backend)
{
	const struct sl_backend fact = {
		.pool = pool->id,
		.slot = backend->slot,
		.state = (uint8_t)model_backend_state(model, pool, backend),
		.stats = backend->stats,
		.neighbor = backend->hop.neighbor,
		.addr = backend->conf->address,
		.outer_src = model_outer_source(model, backend),
	};
	int err;

	if (memcmp(&fact, &backend->stated, sizeof(fact)) == 0)
		return 0;
	err = publisher_backend(model->publisher, &fact, SL_OP_PUT);
	if (err < 0)
		return err;
	backend->stated = fact;
	return 1;
}

static int pool_fact(struct model *model, struct model_pool *pool)
{
	struct sl_pool fact = { .id = pool->id, .slots = pool->slots, .otherwise = (uint8_t)pool->conf->when_empty,
				.idle_s = { (uint16_t)pool->conf->idle_tcp_s, (uint16_t)pool->conf->idle_quic_s,
					    (uint16_t)pool->conf->idle_udp_s } };
	int err;

	pool_rows_fact(pool, &fact);
	if (memcmp(&fact, &pool->stated, sizeof(fact)) == 0)
		return 0;
	err = publisher_pool(model->publisher, &fact, SL_OP_PUT);
	if (err < 0)
		return err;
	pool->stated = fact;
	return 1;
}

static int pool_state(struct model *model, struct model_pool *pool)
{
	int changed, err;

	err = pool->dirty_table ? pool_table(model, pool) : pool_rows_take(model, pool, NULL, NULL);
	if (err < 0)
		return err;
	changed = pool_fact(model, pool);
	if (changed < 0)
		return changed;
	for (size_t i = 0; i < pool->backend_count; i++) {
		err = backend_state(model, pool, &pool->backends[i]);
		if (err < 0)
			return err;
		changed |= err;
	}
	err = pool_rows_state(model, pool);
	if (err < 0)
		return err;
	pool->dirty_table = pool->dirty_backends = false;
	if (!pool->known && model_pool_known(pool)) {
		pool->known = true;
		if (pool->serving == 0 && model->events.pool_empty)
			model->events.pool_empty(model->events.ctx, pool);
	}
	return changed | err;
}

static int services_state(struct model *model)
{
	int changed = 0, err;

	for (size_t i = 0; i < model->service_count; i++) {
		struct model_service *service = &model->services[i];
		const struct config_service *conf = service->conf;
		const struct sl_service fact = {
			.id = service->id, .pool = model->pools[conf->pool].id, .mode = (uint8_t)conf->mode,
			.hash = service->hash, .tracking = (uint8_t)conf->tracking,
			.udp_flows = (uint8_t)conf->udp_flows, .lens_hash = service->lens_hash,
		};

		if (memcmp(&fact, &service->stated, sizeof(fact)) == 0)
			continue;
		err = publisher_service(model->publisher, &fact, SL_OP_PUT);
		if (err < 0)
			return err;
		service->stated = fact;
		changed = 1;
	}
	return changed;
}

static const struct sl_listener *stated_listener(const struct model *model, const struct sl_listener *wanted)
{
	if (model->stated_listener_count == 0) /* bsearch() takes no NULL */
		return NULL;
	return bsearch(wanted, model->stated_listeners, model->stated_listener_count, sizeof(*wanted), model_compare_listeners);
}

/* By difference: what is gone is deleted, what is new or leads elsewhere is put. Returns 1, 0 or -errno. */
static int listeners_state(struct model *model)
{
	struct sl_listener *want;
	const size_t count = model_listeners(model, &want);
	int err = want ? 0 : -ENOMEM, changed = 0;

	for (size_t i = 0; err == 0 && i < model->stated_listener_count; i++) {
		if (bsearch(&model->stated_listeners[i], want, count, sizeof(*want), model_compare_listeners))
			continue;
		err = publisher_listener(model->publisher, &model->stated_listeners[i], SL_OP_DEL);
		changed = 1;
	}
	for (size_t i = 0; err == 0 && i < count; i++) {
		const struct sl_listener *stated = stated_listener(model, &want[i]);

		if (stated && memcmp(stated, &want[i], sizeof(want[i])) == 0)
			continue;
		err = publisher_listener(model->publisher, &want[i], SL_OP_PUT);
		changed = 1;
	}
	if (err < 0) {
		free(want);
		return err;
	}
	free(model->stated_listeners);
	model->stated_listeners = want;
	model->stated_listener_count = count;
	return changed;
}

static const struct sl_vip *stated_vip(const struct model *model, const struct sl_vip *wanted)
{
	if (model->stated_vip_count == 0)
		return NULL;
	return bsearch(wanted, model->stated_vips, model->stated_vip_count, sizeof(*wanted), model_compare_vips);
}

static int vips_state(struct model *model)
{
	struct sl_vip *want;
	const size_t count = model_vips(model, &want);
	int err = want ? 0 : -ENOMEM, changed = 0;

	for (size_t i = 0; err == 0 && i < model->stated_vip_count; i++) {
		if (bsearch(&model->stated_vips[i], want, count, sizeof(*want), model_compare_vips))
			continue;
		err = publisher_vip(model->publisher, &model->stated_vips[i], SL_OP_DEL);
		changed = 1;
	}
	for (size_t i = 0; err == 0 && i < count; i++) {
		const struct sl_vip *stated = stated_vip(model, &want[i]);

		if (stated && memcmp(stated, &want[i], sizeof(want[i])) == 0)
			continue;
		err = publisher_vip(model->publisher, &want[i], SL_OP_PUT);
		changed = 1;
	}
	if (err < 0) {
		free(want);
		return err;
	}
	free(model->stated_vips);
	model->stated_vips = want;
	model->stated_vip_count = count;
	return changed;
}

static int shared_state(struct model *model)
{
	int err = 0, changed = model->neighbors_changed || model->removed_any;

	if (model->settings_dirty) {
		err = publisher_settings(model->publisher, &model->settings);
		changed = 1;
	}
	for (uint32_t i = 0; err == 0 && model->neighbors_dirty && i < model->neighbor_count; i++) {
		if (i > 0 && model->neighbors[i].id == 0)
			continue;
		err = publisher_neighbor(model->publisher, &model->neighbors[i], SL_OP_PUT);
		changed = 1;
	}
	if (err < 0)
		return err;
	model->settings_dirty = model->neighbors_dirty = false;
	return changed;
}

/* Services, listeners and VIPs, in their order. Returns 1 when something was stated, 0, or -errno. */
static int objects_state(struct model *model)
{
	const int services = services_state(model);
	const int listeners = services < 0 ? services : listeners_state(model);
	const int vips = listeners < 0 ? listeners : vips_state(model);

	return vips < 0 ? vips : services | listeners | vips;
}

int64_t model_update(struct model *model)
{
	int changed, err;

	if (!model->publisher || !model->config)
		return 0;
	model_rows_key(model);
	changed = shared_state(model);
	if (changed < 0)
		return changed;
	for (size_t i = 0; i < model->pool_count; i++) {
		if (!model->pools[i].dirty_table && !model->pools[i].dirty_backends)
			continue;
		err = pool_state(model, &model->pools[i]);
		if (err < 0)
			return err;
		changed |= err;
	}
	if (model->services_dirty || model->vips_dirty) {
		err = objects_state(model);
		if (err < 0)
			return err;
		model->services_dirty = model->vips_dirty = false;
		changed |= err;
	}
	model_rows_keep(model);
	if (model->ids_dirty)
		identities_committed(&model->ids, model->now_ms);
	model->ids_dirty = false;
	if (!changed)
		return 0;
	model->neighbors_changed = model->removed_any = false;
	model->committed_ms = model->now_ms;
	publisher_commit(model->publisher, ++model->generation);
	return (int64_t)model->generation;
}
