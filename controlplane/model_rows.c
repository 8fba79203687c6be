/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rows → history → tables: what the overlay gives goes through the pool's row history, and current rows with LOOK,
 * bases and lens come out of it. Keys, table sizes and hashes change one at a time: the next waits for the lens.
 */
#include "model_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sluice/core/hash.h"

enum { KINDS = SL_FLOW_KIND_COUNT };

static bool same_key(const struct sl_key *a, const struct sl_key *b)
{
	return a->k0 == b->k0 && a->k1 == b->k1;
}

/* ---- what is wanted ----------------------------------------------------------------------------------- */

static uint64_t service_sum(const struct model_service *service)
{
	struct row_file_service kept = { .hash = service->hash, .lens_hash = service->lens_hash };

	strcpy(kept.name, service->conf->name);
	return sl_checksum64(&kept, sizeof(kept));
}

void model_rows_follow(struct model *model)
{
	for (size_t i = 0; i < model->pool_count; i++) {
		model->pools[i].kinds = 0;
		model->pools[i].rehash = false;
		model->pools[i].services_sum = 0;
		model->pools[i].services = NULL;
	}
	for (size_t i = model->service_count; i-- > 0;) { /* backwards, so that each pool's are in order */
		struct model_service *service = &model->services[i];
		struct model_pool *pool = &model->pools[service->conf->pool];

		pool->kinds |= model_service_kinds(service->conf);
		pool->rehash |= service->hash != service->conf->hash;
		pool->services_sum += service_sum(service);
		service->next_of_pool = pool->services;
		pool->services = service;
	}
	for (size_t i = 0; i < model->pool_count; i++) {
		struct model_pool *pool = &model->pools[i];

		pool->rows_unkept |= pool->services_sum != pool->services_kept;
	}
}

static bool any_lens(const struct model *model)
{
	for (size_t i = 0; i < model->pool_count; i++)
		if (model->pools[i].rows.lens.rows != 0)
			return true;
	return false;
}

bool model_rows_key_waits(const struct model *model)
{
	return !same_key(&model->hash_key, &model->settings.hash_key);
}

void model_rows_key(struct model *model)
{
	if (!model_rows_key_waits(model) || any_lens(model))
		return;
	model->settings.hash_key = model->hash_key;
	model->settings_dirty = true;
	for (size_t i = 0; i < model->pool_count; i++)
		model->pools[i].dirty_table = true;
}

struct rows_plan pool_rows_plan(const struct model *model, struct model_pool *pool)
{
	const struct row_history *h = &pool->rows;
	struct rows_plan plan = { .rows = pool->conf->table_size, .key = model->settings.hash_key };

	pool->rows_wait = false;
	if (h->rows == 0)
		return plan;
	plan.rekey = plan.rows != h->rows || !same_key(&plan.key, &h->key) || pool->rehash;
	if (plan.rekey && (h->lens.rows != 0 || model_rows_key_waits(model))) {
		pool->rows_wait = true;
		plan = (struct rows_plan){ .rows = h->rows, .key = h->key };
	}
	return plan;
}

/* ---- history ------------------------------------------------------------------------------------------ */

/*
 * The backends' states as rows see them. A backend that is off is dead but not gone: it may come back to its rows
 * (selection.md: off is down with linger 0).
 */
static uint8_t *states_of(const struct model *model, const struct model_pool *pool)
{
	uint8_t *state = malloc(pool->slots + 1u);

	for (uint16_t slot = 0; state && slot < pool->slots; slot++) {
		const struct model_backend *backend = pool->by_slot[slot];

		state[slot] = backend ? (uint8_t)model_backend_state(model, pool, backend) : (uint8_t)SL_BACKEND_GONE;
		if (backend && state[slot] == SL_BACKEND_GONE)
			state[slot] = SL_BACKEND_DOWN;
	}
	return state;
}

static struct row_inputs inputs_of(const struct model *model, const struct model_pool *pool, const uint8_t *state)
{
	return (struct row_inputs){
		.state = state, .slots = pool->slots,
		.idle_s = { (uint16_t)pool->conf->idle_tcp_s, (uint16_t)pool->conf->idle_quic_s, (uint16_t)pool->conf->idle_udp_s },
		.now_ms = model->now_ms, .pressure_ms = model->pressure_ms, .pressure = model->pressure,
	};
}

/* The hashes that services choose rows by change with the pool's rows. */
static void rehash_services(struct model *model, struct model_pool *pool)
{
	for (struct model_service *service = pool->services; service; service = service->next_of_pool) {
		service->lens_hash = service->hash;
		service->hash = (uint8_t)service->conf->hash;
	}
	pool->rehash = false;
	model->services_dirty = true;
}

static int take(struct model *model, struct model_pool *pool, const struct rows_plan *plan, const uint16_t *row,
		const struct row_inputs *in)
{
	struct row_history *h = &pool->rows;
	int err = row_history_use(h, pool->kinds);

	if (err == 0 && h->rows == 0) {
		err = row_history_start(h, row, plan->rows, &plan->key);
		if (err == 0 && pool->suspect)
			row_history_suspect(h, in->now_ms);
		pool->suspect = false;
		return err;
	}
	if (err < 0 || !plan || !plan->rekey)
		return err < 0 ? err : row_history_change(h, row, in);
	err = row_history_change(h, NULL, in); /* who is gone leaves no lens behind */
	if (err == 0)
		err = row_history_rekey(h, row, plan->rows, &plan->key, in);
	if (err == 0)
		rehash_services(model, pool);
	return err;
}

int pool_rows_take(struct model *model, struct model_pool *pool, const struct rows_plan *plan, const uint16_t *row)
{
	struct row_history *h = &pool->rows;
	uint8_t *state = states_of(model, pool);
	const struct row_inputs in = inputs_of(model, pool, state);
	const unsigned int before = h->changed;
	const bool had_lens = h->lens.rows != 0;
	const uint64_t states_sum = state ? sl_checksum64(state, pool->slots) + model->pressure : 0;
	int err = state ? 0 : -ENOMEM;

	if (!row && (h->rows == 0 || (state && states_sum == pool->states_sum && pool->rows_due_ms > model->now_ms))) {
		free(state);
		return 0; /* nobody knows the rows yet, or only next hops changed */
	}
	h->changed = 0;
	if (err == 0)
		err = take(model, pool, plan, row, &in);
	if (err == 0)
		pool->rows_due_ms = row_history_settle(h, &in);
	if (err == 0 && had_lens && h->lens.rows == 0 && (pool->rows_wait || model_rows_key_waits(model)))
		pool->rows_due_ms = model->now_ms; /* what waited for the lens has its turn */
	free(state);
	if (err == 0)
		pool->states_sum = states_sum;
	if (h->changed != 0) {
		pool->rows_unkept = true;
		pool->census_rows = row_history_waits(h);
	}
	h->changed |= before;
	return err;
}

/* ---- tables ------------------------------------------------------------------------------------------- */

static struct table *table_of(const uint16_t *slot, uint32_t rows)
{
	struct table *table = table_alloc(rows);

	if (table)
		memcpy(table->row, slot, (size_t)rows * sizeof(*slot));
	return table;
}

static int current_state(struct model *model, struct model_pool *pool)
{
	const struct row_history *h = &pool->rows;
	struct table *table = table_of(h->current, h->rows);
	int err;

	if (!table)
		return -ENOMEM;
	for (uint32_t r = 0; r < h->rows; r++)
		if (h->quiet_s[r] != ROW_QUIET_CLEAN)
			table->row[r] |= SL_ROW_LOOK;
	err = publisher_table(model->publisher, pool->id, SL_TABLE_CURRENT, table);
	if (err < 0) {
		table_put(table);
		return err;
	}
	table_put(pool->table);
	pool->table = table;
	pool->table_sum = sl_checksum64(table->row, (uint64_t)table->rows * sizeof(table->row[0]));
	pool->fingerprint = sl_checksum64(h->current, (uint64_t)h->rows * sizeof(*h->current));
	return 0;
}

/* `slot` NULL: no such table (any more). */
static int other_state(struct model *model, const struct model_pool *pool, int kind, const uint16_t *slot, uint32_t rows)
{
	struct table *table = slot ? table_of(slot, rows) : NULL;
	int err;

	if (slot && !table)
		return -ENOMEM;
	err = publisher_table(model->publisher, pool->id, (enum sl_table_kind)kind, table);
	table_put(table);
	return err;
}

int pool_rows_state(struct model *model, struct model_pool *pool)
{
	struct row_history *h = &pool->rows;
	const int stated = (h->changed & ~(unsigned int)ROW_CHANGED_TIMES) != 0;
	int err = 0;

	if (h->changed & ROW_CHANGED_CURRENT)
		err = current_state(model, pool);
	for (int k = 0; err >= 0 && k < KINDS; k++) {
		if (h->changed & (unsigned int)ROW_CHANGED_BASE << k)
			err = other_state(model, pool, SL_TABLE_BASE_TCP + k, h->kind[k].base, h->rows);
		if (err >= 0 && (h->changed & (unsigned int)ROW_CHANGED_LENS << k))
			err = other_state(model, pool, SL_TABLE_LENS_TCP + k, h->lens.base[k], h->lens.rows);
	}
	if (err < 0)
		return err;
	h->changed = 0;
	return stated;
}

struct row_open *model_open_rows(const struct model *model, const struct model_pool *pool)
{
	struct row_open *slot = calloc(pool->slots + 1u, sizeof(*slot));
	uint8_t *state = states_of(model, pool);
	const struct row_inputs in = inputs_of(model, pool, state);

	if (slot && state)
		row_history_open(&pool->rows, &in, slot);
	free(state);
	return slot;
}

void pool_rows_fact(const struct model_pool *pool, struct sl_pool *fact)
{
	fact->rows = pool->rows.rows;
	fact->lens_rows = pool->rows.lens.rows;
	fact->lens_key = pool->rows.lens.key;
}

/* ---- what survives ------------------------------------------------------------------------------------ */

void model_rows_keep(struct model *model)
{
	for (size_t i = 0; i < model->pool_count; i++) {
		struct model_pool *pool = &model->pools[i];

		if (!pool->rows_unkept || pool->rows.rows == 0)
			continue;
		if (model->events.rows_changed && model->events.rows_changed(model->events.ctx, pool) < 0)
			continue;
		pool->rows_unkept = false;
		pool->services_kept = pool->services_sum;
	}
}

int model_restore_rows(struct model *model, struct row_file *file)
{
	struct model_pool *pool = file->pool < model->pool_ids ? model->pool_by_id[file->pool] : NULL;

	if (!pool || strcmp(pool->conf->name, file->pool_name) != 0)
		return -ENOENT;
	if (file->history.lens.rows != 0) {
		if (any_lens(model) && !same_key(&file->history.key, &model->settings.hash_key))
			return -EINVAL; /* two keys at once were never published */
		model->settings.hash_key = file->history.key;
		model->settings_dirty = true;
	}
	row_history_clear(&pool->rows);
	pool->rows = file->history;
	pool->suspect = false;
	memset(&file->history, 0, sizeof(file->history));
	for (struct model_service *service = pool->services; service; service = service->next_of_pool) {
		for (size_t k = 0; k < file->service_count; k++) {
			if (strcmp(service->conf->name, file->services[k].name) != 0)
				continue;
			service->hash = file->services[k].hash;
			service->lens_hash = file->services[k].lens_hash;
			pool->rehash |= service->hash != service->conf->hash;
		}
	}
	pool->census_rows = row_history_waits(&pool->rows);
	pool->dirty_table = pool->dirty_backends = true;
	return 0;
}
