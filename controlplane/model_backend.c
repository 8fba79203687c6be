/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What becomes of one backend: probes and operators speak, it serves, ramps up, drains, lingers or is down.
 * Its times are given by model_time.c, what follows for tables and facts by model_state.c.
 */
#include "model_backend.h"

#include <errno.h>
#include <string.h>

#include "model_index.h"

uint32_t model_backend_weight(const struct model_backend *backend)
{
	return backend->override.admin == BACKEND_RETIRE ? 0 : backend->conf->weight;
}

bool model_backend_held(const struct model_backend *backend)
{
	return backend->override.admin != BACKEND_READY || backend->conf->weight == 0;
}

void pool_count_held(struct model_pool *pool)
{
	pool->held = 0;
	for (size_t i = 0; i < pool->backend_count; i++)
		pool->held += model_backend_held(&pool->backends[i]);
}

bool model_backend_accepting(const struct model_backend *backend)
{
	return !model_backend_held(backend) && backend->health != BACKEND_UNKNOWN;
}

bool model_backend_serving(const struct model_pool *pool, const struct model_backend *backend)
{
	return model_backend_accepting(backend) && (backend->health == BACKEND_UP || pool->source == MAGLEV_PANIC);
}

enum sl_backend_state model_backend_state(const struct model *model, const struct model_pool *pool,
					  const struct model_backend *backend)
{
	const bool stamped = backend->down_since_ms != MODEL_NEVER && backend->down_since_ms < model->now_ms;
	const struct backend_inputs in = {
		.admin = backend->override.admin, .status = backend->health, .weight = backend->conf->weight,
		.checked = pool->conf->check >= 0, .panic = pool->source == MAGLEV_PANIC,
		.was_up = backend->was_up, .down_for_ms = stamped ? model->now_ms - backend->down_since_ms : 0,
		.linger_ms = model_linger_ms(pool),
	};

	return backend_effective(&in);
}

const char *model_backend_word(const struct model *model, const struct model_pool *pool,
			       const struct model_backend *backend)
{
	if (backend->override.admin != BACKEND_OFF && backend->health == BACKEND_UNKNOWN)
		return "unknown";
	switch (model_backend_state(model, pool, backend)) { /* no default */
	case SL_BACKEND_GONE: return "off";
	case SL_BACKEND_DOWN: return "down";
	case SL_BACKEND_LINGERING: return "lingering";
	case SL_BACKEND_DRAINING: return backend->override.admin == BACKEND_DRAIN ? "draining" : "retired";
	case SL_BACKEND_UP:
		if (!model_hop_known(model, &backend->hop))
			return "no-neighbor";
		return model_backend_accept(backend) < MAGLEV_ACCEPT_ALL ? "ramping" : "up";
	case SL_BACKEND_STATE_COUNT: break;
	}
	return "?";
}

/* ---- ramps */

uint32_t model_backend_accept(const struct model_backend *backend)
{
	const struct model_ramp *ramp = &backend->ramp;

	if (!model_backend_accepting(backend))
		return 0;
	return ramp->on && !ramp->full ? ramp->step * MAGLEV_ACCEPT_ALL / MODEL_RAMP_STEPS : MAGLEV_ACCEPT_ALL;
}

void backend_ramp_begin(const struct model_pool *pool, struct model_backend *backend, uint32_t added)
{
	backend->ramp = (struct model_ramp){
		.on = pool->conf->slow_start_ms > 0,
		.added = added,
		.full = pool->source == MAGLEV_PANIC, /* it carries its share already, whatever its health was */
		.step = 1,
		.since_ms = MODEL_NEVER,
	};
	if (!backend->ramp.on && backend->health == BACKEND_UP)
		backend_ramp_end(backend);
}

void backend_ramp_end(struct model_backend *backend)
{
	backend->ramp = (struct model_ramp){ .since_ms = MODEL_NEVER };
}

/* Of one role: somebody has been serving for long enough that the others may count on it. */
static bool anybody_warm(const struct model_pool *pool, enum config_role role)
{
	for (size_t i = 0; i < pool->backend_count; i++) {
		const struct model_backend *backend = &pool->backends[i];

		if (backend->conf->role == role && backend->health == BACKEND_UP && model_backend_accepting(backend) &&
		    !backend->ramp.on)
			return true;
	}
	return false;
}

bool pool_ramps_fill(struct model_pool *pool, bool panic)
{
	bool warm[] = { [CONFIG_ROLE_PRIMARY] = false, [CONFIG_ROLE_BACKUP] = false };
	bool any = false;

	for (size_t i = 0; i < pool->backend_count; i++)
		any = any || (pool->backends[i].ramp.on && !pool->backends[i].ramp.full);
	if (!any)
		return false;
	for (enum config_role role = CONFIG_ROLE_PRIMARY; role <= CONFIG_ROLE_BACKUP; role++)
		warm[role] = !panic && anybody_warm(pool, role);
	any = false;
	for (size_t i = 0; i < pool->backend_count; i++) {
		struct model_backend *backend = &pool->backends[i];

		if (!backend->ramp.on || backend->ramp.full || warm[backend->conf->role] ||
		    (backend->health != BACKEND_UP && !panic))
			continue;
		backend->ramp.full = any = true;
	}
	return any;
}

/* ---- what probes and operators say */

static void turn(struct model_pool *pool, struct model_backend *backend, enum backend_status health)
{
	const enum backend_status was = backend->health;

	backend->was_up = health == BACKEND_DOWN && (backend->was_up || was == BACKEND_UP);
	if (health != BACKEND_DOWN || was == BACKEND_UP)
		backend->down_since_ms = MODEL_NEVER;
	backend->health = health;
	if (health == BACKEND_DOWN || (health == BACKEND_UP && !backend->ramp.on))
		backend_ramp_end(backend); /* a newcomer that is down is like any other that is */
	if (health == BACKEND_UP && was == BACKEND_DOWN && model_backend_accepting(backend))
		backend_ramp_begin(pool, backend, 0);
	pool->dirty_table = pool->dirty_backends = true;
	pool->due_ms = 0;
}

void model_set_health(struct model *model, const struct model_probe *probe, enum backend_status health,
		      const char *reason, uint64_t now_s)
{
	struct model_index_iter iter;
	struct model_backend *backend;

	model_index_start(model->index, &probe->address, &iter);
	while ((backend = model_index_next(&iter)) != NULL) {
		struct model_pool *pool = &model->pools[iter.pool];

		if (pool->conf->check != probe->check || pool->conf->check_port != probe->port)
			continue;
		strncpy(backend->reason, reason, sizeof(backend->reason) - 1);
		if (backend->health == health)
			continue;
		backend->since_s = now_s;
		turn(pool, backend, health);
	}
}

/* By what its number is kept under: a restart asks for thousands. NULL: the pool has no such backend now. */
static const struct model_backend *find_named(const struct model *model, const struct identity *id, const char *name)
{
	const struct model_pool *pool = id && id->id < model->pool_ids ? model->pool_by_id[id->id] : NULL;
	const struct identity *slot = NULL;

	if (pool)
		HASH_FIND_STR(id->children, name, slot);
	return slot && slot->id < pool->slots ? pool->by_slot[slot->id] : NULL;
}

int model_find_backend(const struct model *model, const char *pool_name, const char *name,
		       const struct model_pool **ret_pool, const struct model_backend **ret_backend)
{
	const struct model_backend *found = NULL, *one;
	const struct identity *id = model->ids.pools;

	if (pool_name)
		HASH_FIND_STR(model->ids.pools, pool_name, id);
	for (; id; id = pool_name ? NULL : id->hh.next) {
		one = find_named(model, id, name);
		if (one && found)
			return -EEXIST;
		if (!one)
			continue;
		found = one;
		*ret_pool = model->pool_by_id[id->id];
	}
	*ret_backend = found;
	return found ? 0 : -ENOENT;
}

/* The same, to change it. */
static int find(struct model *model, const char *pool_name, const char *name, struct model_pool **ret_pool,
		struct model_backend **ret_backend)
{
	const struct model_backend *backend;
	const struct model_pool *pool;
	int err = model_find_backend(model, pool_name, name, &pool, &backend);

	if (err < 0)
		return err;
	*ret_pool = &model->pools[pool - model->pools];
	*ret_backend = &(*ret_pool)->backends[backend - pool->backends];
	return 0;
}

int model_set_override(struct model *model, const char *pool_name, const char *name,
		       const struct model_override *override)
{
	struct model_backend *backend;
	struct model_pool *pool;
	enum backend_admin was;
	int err = find(model, pool_name, name, &pool, &backend);

	if (err < 0)
		return err;
	was = backend->override.admin;
	if (was == override->admin && !override->why[0])
		return 0; /* as it is already: who said it first, when and why, stays */
	backend->override = *override;
	if (override->admin != BACKEND_READY)
		backend_ramp_end(backend);
	else if (was != BACKEND_READY && backend->health == BACKEND_UP && backend->conf->weight > 0)
		backend_ramp_begin(pool, backend, was == BACKEND_RETIRE ? ++model->added_last : 0);
	pool_count_held(pool);
	pool->dirty_table = pool->dirty_backends = true;
	pool->due_ms = 0;
	return 0;
}

/* ---- over a restart */

bool model_backend_times(const struct model_backend *backend, struct model_times *ret_times)
{
	*ret_times = (struct model_times){
		.down_since_ms = backend->was_up ? backend->down_since_ms : MODEL_NEVER,
		.ramp_since_ms = backend->ramp.on ? backend->ramp.since_ms : MODEL_NEVER,
		.added = backend->ramp.added,
		.full = backend->ramp.full,
	};
	return ret_times->down_since_ms != MODEL_NEVER || ret_times->ramp_since_ms != MODEL_NEVER || ret_times->added > 0;
}

int model_restore_times(struct model *model, const char *pool_name, const char *name, const struct model_times *times)
{
	struct model_backend *backend;
	struct model_pool *pool;
	int err = find(model, pool_name, name, &pool, &backend);

	if (err < 0)
		return err;
	backend->was_up = times->down_since_ms != MODEL_NEVER;
	backend->down_since_ms = times->down_since_ms;
	backend_ramp_end(backend);
	if (times->added > model->added_last)
		model->added_last = times->added;
	if (times->ramp_since_ms != MODEL_NEVER || times->added > 0)
		backend->ramp = (struct model_ramp){ .on = pool->conf->slow_start_ms > 0, .added = times->added,
						     .full = times->full, .step = 1, .since_ms = times->ramp_since_ms };
	pool->due_ms = 0;
	return 0;
}

void model_note_was_up(struct model *model, const struct model_probe *probe)
{
	struct model_index_iter iter;
	struct model_backend *backend;

	model_index_start(model->index, &probe->address, &iter);
	while ((backend = model_index_next(&iter)) != NULL) {
		const struct model_pool *pool = &model->pools[iter.pool];

		if (pool->conf->check == probe->check && pool->conf->check_port == probe->port &&
		    backend->health == BACKEND_UNKNOWN)
			backend->was_up = true;
	}
}
