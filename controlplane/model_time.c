/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What time alone changes in the model: a backend that went down stops lingering, one that came up takes
 * its next step, rows close. Events say what happened; they get their time here, at the next model_advance(). Knows
 * no clock itself.
 */
#include "model_backend.h"
#include "model_rows.h"

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* When this backend's connections are given up; MODEL_NEVER: not by time. */
static uint64_t linger_end(const struct model_pool *pool, const struct model_backend *backend)
{
	if (backend->health != BACKEND_DOWN || !backend->was_up || backend->down_since_ms == MODEL_NEVER)
		return MODEL_NEVER;
	return backend->down_since_ms + model_linger_ms(pool);
}

/* Equal steps, the first one at once; after slow-start's whole time it has everything. Returns when the next is due. */
static uint64_t ramp_advance(struct model_pool *pool, struct model_backend *backend, uint64_t now_ms)
{
	struct model_ramp *ramp = &backend->ramp;
	const uint64_t whole_ms = pool->conf->slow_start_ms;
	uint64_t step;

	if (!ramp->on || backend->health != BACKEND_UP)
		return MODEL_NEVER;
	if (ramp->since_ms > now_ms) /* not seen yet: MODEL_NEVER */
		ramp->since_ms = now_ms;
	step = now_ms - ramp->since_ms >= whole_ms ? MODEL_RAMP_STEPS
						   : (now_ms - ramp->since_ms) * MODEL_RAMP_STEPS / whole_ms + 1;
	pool->dirty_table = pool->dirty_table || step != ramp->step;
	ramp->step = (uint32_t)step;
	if (step == MODEL_RAMP_STEPS) {
		backend_ramp_end(backend);
		pool->dirty_table = true;
		return MODEL_NEVER;
	}
	return ramp->since_ms + (step * whole_ms + MODEL_RAMP_STEPS - 1) / MODEL_RAMP_STEPS;
}

static uint64_t linger_advance(struct model_pool *pool, struct model_backend *backend, uint64_t now_ms)
{
	uint64_t end_ms;

	if (backend->health == BACKEND_DOWN && backend->was_up && backend->down_since_ms > now_ms) /* not seen yet */
		backend->down_since_ms = now_ms;
	end_ms = linger_end(pool, backend);
	if (end_ms > now_ms)
		return end_ms;
	if (backend->stated.state == SL_BACKEND_LINGERING)
		pool->dirty_backends = true;
	return MODEL_NEVER;
}

static uint64_t pool_advance(struct model_pool *pool, uint64_t now_ms)
{
	uint64_t due_ms = MODEL_NEVER;

	for (size_t i = 0; i < pool->backend_count; i++)
		due_ms = earlier(due_ms, earlier(linger_advance(pool, &pool->backends[i], now_ms),
						 ramp_advance(pool, &pool->backends[i], now_ms)));
	return due_ms;
}

uint64_t model_advance(struct model *model, uint64_t now_ms)
{
	model->now_ms = now_ms;
	for (size_t i = 0; i < model->pool_count; i++) {
		struct model_pool *pool = &model->pools[i];

		if (pool->due_ms <= now_ms)
			pool->due_ms = pool_advance(pool, now_ms);
		if (pool->rows_due_ms <= now_ms)
			pool->dirty_backends = true;
		if (pool->rows_wait && pool->rows.lens.rows == 0 && !model_rows_key_waits(model)) /* else model_rows_key() */
			pool->dirty_table = true;
	}
	return model_due(model);
}

uint64_t model_due(const struct model *model)
{
	uint64_t due_ms = MODEL_NEVER;

	for (size_t i = 0; i < model->pool_count; i++)
		due_ms = earlier(due_ms, earlier(model->pools[i].due_ms, model->pools[i].rows_due_ms));
	return due_ms;
}

uint64_t model_linger_ms(const struct model_pool *pool)
{
	return pool->conf->on_down_reset ? 0 : pool->conf->linger_ms;
}
