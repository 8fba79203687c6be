/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The model and its pools' histories: what a datapath is told of current rows, bases and lens, what a census and a
 * restart change of it, and when numbers are free again.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "controlplane/model.h"
#include "tests/support/model_fixture.h"

enum { ROWS = MODEL_FIXTURE_ROWS, BACKENDS = MODEL_FIXTURE_BACKENDS, W_S = 60, OTHER_ROWS = 2003 };

static const struct sl_key first_key = { 11, 12 }, second_key = { 21, 22 }, third_key = { 31, 32 }, flow_key = { 5, 6 };

static int setup(void **state)
{
	struct model_fixture *f;

	assert_int_equal(model_fixture_setup(state), 0);
	f = *state;
	for (int i = 0; i < 2; i++) {
		f->pool[i].idle_tcp_s = W_S;
		f->pool[i].idle_quic_s = f->pool[i].idle_udp_s = W_S;
		f->pool[i].on_down_reset = true;
	}
	model_set_keys(f->model, &first_key, &flow_key);
	assert_int_equal(model_configure(f->model, &f->config[0], 100), 0);
	model_advance(f->model, 1000);
	model_fixture_all_up(f);
	return 0;
}

/* Time goes on to `s`, and what follows from it and from events is published. Returns the generation, 0: none. */
static int64_t update(struct model_fixture *f, uint64_t s)
{
	model_advance(f->model, s * 1000);
	return model_update(f->model);
}

static void use(struct model_fixture *f, int config)
{
	assert_int_equal(model_configure(f->model, &f->config[config], 100), 0);
}

/* All that was decided is in force for long; then a whole scan finds `flows` connections in that row and slot. */
static bool census(struct model_fixture *f, uint64_t s, uint32_t row, uint16_t slot, uint32_t flows)
{
	uint16_t *rows = calloc(f->model->pools[0].rows.rows, sizeof(*rows));
	struct flow_census_slot slots[BACKENDS + 1] = { { 0 } };
	struct flow_census_pool pool = { .want = { .pool = f->model->pools[0].id, .rows = f->model->pools[0].rows.rows,
						   .slots = BACKENDS + 1 },
					 .flows = flows, .slot = slots, .row = rows };
	const struct flow_census_result result = { .pools = &pool, .pool_count = 1 };
	bool due;

	rows[row] = (uint16_t)flows;
	slots[slot].flows = flows;
	model_set_applied(f->model, f->model->generation, s * 1000);
	model_census_begin(f->model, s * 1000 + MODEL_APPLIED_MS);
	due = model_counted(f->model, &result);
	free(rows);
	return due;
}

static const struct table *base(const struct model_fixture *f)
{
	return f->publisher.stated[SL_TABLE_BASE_TCP];
}

/* A row that leads to that slot. */
static uint32_t row_of(const struct model_fixture *f, uint16_t slot)
{
	uint32_t r = 0;

	while (f->publisher.table->row[r] != slot)
		r++;
	return r;
}

static void a_failure_opens_the_dead_ones_rows_and_recovery_closes_them(void **state)
{
	struct model_fixture *f = *state;
	const size_t rows = model_fixture_rows(f, 0);
	const uint64_t print = f->model->pools[0].fingerprint, sum = model_tables_checksum(f->model);
	const uint32_t row = row_of(f, 0);

	assert_int_equal(f->publisher.looks, 0);
	assert_null(base(f));
	model_fixture_probe(f, 0, BACKEND_DOWN);
	assert_true(update(f, 2) > 0);
	assert_int_equal(f->publisher.looks, rows);
	assert_non_null(base(f));
	assert_int_equal(base(f)->row[row], 0);
	assert_null(f->publisher.stated[SL_TABLE_BASE_UDP]); /* no service has such traffic */
	assert_int_equal(model_due(f->model), (2 + W_S) * 1000);
	model_fixture_probe(f, 0, BACKEND_UP);
	assert_true(update(f, 3) > 0);
	assert_null(base(f));
	assert_int_equal(f->publisher.looks, rows); /* entries may be left */
	assert_true(f->model->pools[0].fingerprint == print); /* two balancers that differ in history only are equal */
	assert_true(model_tables_checksum(f->model) != sum);
}

/* Off is down with linger 0 (selection.md): no packets, and its rows' home as with any other that is down. */
static void a_backend_that_is_off_comes_back_to_its_rows(void **state)
{
	static const struct model_override off = { .admin = BACKEND_OFF }, ready = { .admin = BACKEND_READY };
	struct model_fixture *f = *state;
	const uint32_t row = row_of(f, 0);

	assert_int_equal(model_set_override(f->model, NULL, "web1", &off), 0);
	assert_true(update(f, 1) > 0);
	assert_int_equal(model_set_override(f->model, NULL, "web1", &ready), 0);
	assert_true(update(f, 2) > 0);
	assert_null(base(f)); /* home again */
	assert_int_equal(model_set_override(f->model, NULL, "web1", &off), 0);
	assert_true(update(f, 2) > 0);
	assert_int_equal(f->model->pools[0].backends[0].stated.state, SL_BACKEND_GONE);
	assert_int_equal(model_fixture_rows(f, 0), 0);
	assert_non_null(base(f));
	assert_int_equal(base(f)->row[row], 0);
	model_fixture_probe(f, 0, BACKEND_DOWN);
	update(f, 3);
	use(f, 1);
	update(f, 4);
	model_set_keys(f->model, &second_key, &flow_key); /* the lens leads to it, too, when it is back */
	assert_true(update(f, 5) > 0);
	assert_int_equal(f->publisher.stated[SL_TABLE_LENS_TCP]->row[row], 0);
	model_fixture_probe(f, 0, BACKEND_UP);
	assert_int_equal(model_set_override(f->model, NULL, "web1", &ready), 0);
	assert_true(update(f, 6) > 0);
	assert_int_equal(f->publisher.stated[SL_TABLE_LENS_TCP]->row[row], 0);
	assert_int_equal(f->model->pools[0].backends[0].stated.state, SL_BACKEND_UP);
	model_set_keys(f->model, &first_key, &flow_key);
	update(f, 5 + W_S);
	assert_true(update(f, 5 + W_S) > 0);
	assert_int_equal(f->publisher.table->row[row] & SL_ROW_SLOT, 0);
}

static void rows_close_by_time_alone_and_a_census_takes_look_away(void **state)
{
	struct model_fixture *f = *state;
	const uint32_t row = row_of(f, 0);

	model_fixture_probe(f, 0, BACKEND_DOWN);
	update(f, 2);
	assert_int_equal(update(f, 2 + W_S - 1), 0);
	assert_false(f->model->pools[0].census_rows);
	assert_true(update(f, 2 + W_S) > 0);
	assert_null(base(f));
	assert_true(f->publisher.looks > 0);
	assert_true(f->model->pools[0].census_rows);
	assert_true(census(f, 70, row, 1, 3)); /* one row has connections left */
	assert_true(update(f, 71) > 0);
	assert_int_equal(f->publisher.looks, 1);
	assert_true(census(f, 72, row, 1, 0));
	assert_true(update(f, 73) > 0);
	assert_int_equal(f->publisher.looks, 0);
	assert_false(f->model->pools[0].census_rows);
}

static void a_census_that_began_before_the_change_was_in_force_says_nothing(void **state)
{
	struct model_fixture *f = *state;
	const uint32_t row = row_of(f, 0);

	census(f, 1, row, 0, 0);
	model_fixture_probe(f, 0, BACKEND_DOWN);
	update(f, 2);
	model_fixture_probe(f, 0, BACKEND_UP);
	update(f, 3);
	assert_int_equal(f->model->census_ms, 1000 + MODEL_APPLIED_MS - 1);
	model_set_applied(f->model, f->model->generation - 1, 3000); /* an earlier one */
	model_census_begin(f->model, 9000);
	assert_int_equal(f->model->census_ms, 1000);
	model_set_applied(f->model, f->model->generation, 9000);
	model_census_begin(f->model, 9000 + MODEL_APPLIED_MS - 1);
	assert_int_equal(f->model->census_ms, 1000);
	model_census_begin(f->model, 9000 + MODEL_APPLIED_MS);
	assert_int_equal(f->model->census_ms, 9000 + MODEL_APPLIED_MS - 1);
}

static void another_key_is_a_lens_and_the_next_one_waits_for_its_end(void **state)
{
	struct model_fixture *f = *state;
	struct table *before = table_get(f->publisher.table);

	model_set_keys(f->model, &second_key, &flow_key);
	assert_true(update(f, 2) > 0);
	assert_int_equal(f->publisher.pool.lens_rows, ROWS);
	assert_memory_equal(&f->publisher.pool.lens_key, &first_key, sizeof(first_key));
	assert_memory_equal(&f->publisher.settings.hash_key, &second_key, sizeof(second_key));
	assert_memory_equal(f->publisher.stated[SL_TABLE_LENS_TCP]->row, before->row, ROWS * 2);
	assert_int_equal(f->publisher.looks, ROWS);
	table_put(before);

	before = table_get(f->publisher.table);
	model_set_keys(f->model, &third_key, &flow_key);
	f->pool[1].table_size = OTHER_ROWS;
	use(f, 1);
	update(f, 30);
	assert_memory_equal(&f->publisher.settings.hash_key, &second_key, sizeof(second_key));
	assert_int_equal(f->publisher.pool.rows, ROWS);
	assert_true(f->model->pools[0].rows_wait);
	assert_memory_equal(f->publisher.table->row, before->row, ROWS * 2);
	update(f, 2 + W_S);
	assert_int_equal(f->publisher.pool.lens_rows, 0);
	assert_null(f->publisher.stated[SL_TABLE_LENS_TCP]);
	assert_true(model_due(f->model) <= (2 + W_S) * 1000);
	assert_true(update(f, 2 + W_S) > 0); /* both at once, by one lens */
	assert_memory_equal(&f->publisher.settings.hash_key, &third_key, sizeof(third_key));
	assert_int_equal(f->publisher.pool.rows, OTHER_ROWS);
	assert_int_equal(f->publisher.pool.lens_rows, ROWS);
	assert_int_equal(f->publisher.table->rows, OTHER_ROWS);
	assert_memory_equal(f->publisher.stated[SL_TABLE_LENS_TCP]->row, before->row, ROWS * 2);
	assert_false(f->model->pools[0].rows_wait);
	table_put(before);
}

/* Two pools alike but for their table sizes. */
static void use_two(struct model_fixture *f, uint32_t rows, uint32_t other_rows)
{
	f->two_pools[0] = f->two_pools[1] = f->pool[1];
	strcpy(f->two_pools[1].name, "api");
	f->two_pools[0].table_size = rows;
	f->two_pools[1].table_size = other_rows;
	f->two_services[0] = f->two_services[1] = f->service[1];
	strcpy(f->two_services[1].name, "api");
	f->two_services[1].pool = 1;
	f->other_listener = (struct config_listener){ .address = model_fixture_address(10), .port = 443, .proto = IPPROTO_TCP };
	f->two_services[1].listeners = &f->other_listener;
	f->config[1].pools = f->two_pools;
	f->config[1].services = f->two_services;
	f->config[1].pool_count = f->config[1].service_count = 2;
	use(f, 1);
}

static void what_waits_for_another_pools_lens_keeps_nobody_busy(void **state)
{
	struct model_fixture *f = *state;

	use_two(f, ROWS, ROWS);
	model_fixture_all_up(f);
	use_two(f, OTHER_ROWS, ROWS);
	assert_true(update(f, 2) > 0);
	model_set_keys(f->model, &second_key, &flow_key); /* waits for the first pool's lens */
	update(f, 3);
	assert_int_equal(model_due(f->model), (2 + W_S) * 1000);
	use_two(f, OTHER_ROWS, OTHER_ROWS); /* waits for the key */
	update(f, 4);
	update(f, 5);
	assert_true(f->model->pools[1].rows_wait);
	assert_int_equal(f->model->pools[1].rows.rows, ROWS);
	assert_int_equal(model_due(f->model), (2 + W_S) * 1000);
	update(f, 2 + W_S);
	assert_true(model_due(f->model) <= (2 + W_S) * 1000);
	update(f, 2 + W_S);
	assert_memory_equal(&f->model->pools[0].rows.key, &second_key, sizeof(second_key));
	assert_memory_equal(&f->model->pools[1].rows.key, &second_key, sizeof(second_key));
	assert_int_equal(f->model->pools[1].rows.rows, OTHER_ROWS);
	assert_int_equal(model_due(f->model), (2 + 2 * W_S) * 1000);
}

static void another_hash_of_a_service_is_a_lens_too(void **state)
{
	struct model_fixture *f = *state;

	f->service[1].hash = SL_HASH_SOURCE;
	use(f, 1);
	assert_true(update(f, 2) > 0);
	assert_int_equal(f->publisher.service.hash, SL_HASH_SOURCE);
	assert_int_equal(f->publisher.service.lens_hash, SL_HASH_5TUPLE);
	assert_int_equal(f->publisher.pool.lens_rows, ROWS);
	use(f, 0); /* and back, while the lens is there: waits */
	update(f, 3);
	assert_int_equal(f->publisher.service.hash, SL_HASH_SOURCE);
	update(f, 2 + W_S);
	update(f, 2 + W_S);
	assert_int_equal(f->publisher.service.hash, SL_HASH_5TUPLE);
	assert_int_equal(f->publisher.service.lens_hash, SL_HASH_SOURCE);
}

static void a_removed_backend_is_named_by_nothing_that_is_published(void **state)
{
	struct model_fixture *f = *state;
	bool named = false;

	model_fixture_probe(f, 0, BACKEND_DOWN); /* base of its rows: slot 0; then slot 3 is removed */
	update(f, 2);
	f->config[1].pools[0].backend_count = BACKENDS - 1;
	use(f, 1);
	assert_true(update(f, 3) > 0);
	for (uint32_t r = 0; r < ROWS; r++)
		named |= f->publisher.table->row[r] == BACKENDS - 1 || base(f)->row[r] == BACKENDS - 1;
	assert_false(named);
}

/* ---- numbers ------------------------------------------------------------------------------------------ */

/* Backend web4 goes at 2 s; a scan at `s` finds so many connections of its. Then web5 comes: which slot is its? */
static uint16_t slot_after(struct model_fixture *f, uint64_t s, uint32_t flows)
{
	f->config[1].pools[0].backend_count = BACKENDS - 1;
	use(f, 1);
	update(f, 2);
	census(f, 2, 0, 0, 0);
	census(f, s, 0, BACKENDS - 1, flows);
	update(f, s);
	strcpy(f->backends[0][BACKENDS - 1].name, "web5");
	use(f, 0);
	return f->model->pools[0].backends[BACKENDS - 1].slot;
}

static void a_slot_is_not_given_again_while_a_connection_names_it(void **state) /* T13 */
{
	assert_int_equal(slot_after(*state, 1000000, 1), BACKENDS);
}

static void a_slot_is_not_given_again_before_workers_have_forgotten_it(void **state)
{
	assert_int_equal(slot_after(*state, 2 + W_S, 0), BACKENDS);
}

static void a_slot_that_nothing_names_is_given_again(void **state)
{
	struct model_fixture *f = *state;

	f->config[1].pools[0].backend_count = BACKENDS - 1;
	use(f, 1);
	update(f, 2);
	update(f, 200); /* rows have closed, and that is in force */
	assert_true(census(f, 300, 0, 0, 0));
	assert_int_equal(model_census_due(f->model), MODEL_CENSUS_NONE); /* no number rests any more */
	strcpy(f->backends[0][BACKENDS - 1].name, "web5");
	use(f, 0);
	assert_int_equal(f->model->pools[0].backends[BACKENDS - 1].slot, BACKENDS - 1);
}

/* ---- restart ------------------------------------------------------------------------------------------ */

struct kept {
	void *bytes;
	size_t size;
	unsigned int calls, fails; /* the call that does, counted from 0 */
	uint64_t committed; /* by the publisher, when it was written last */
	struct publisher *publisher;
};

static int keep(void *ctx, const struct model_pool *pool)
{
	struct kept *kept = ctx;
	struct row_file_name names[BACKENDS];
	struct row_file_service service = { .name = "web" };
	struct row_file file = { .numbering = 1, .pool = pool->id, .pool_name = "web", .now_ms = 1000, .names = names,
				 .name_count = pool->backend_count, .services = &service, .service_count = 1,
				 .history = pool->rows };

	for (size_t i = 0; i < pool->backend_count; i++) {
		strcpy(names[i].name, pool->backends[i].conf->name);
		names[i].slot = pool->backends[i].slot;
	}
	free(kept->bytes);
	assert_int_equal(row_file_encode(&file, &kept->bytes, &kept->size), 0);
	kept->committed = kept->publisher->committed;
	return kept->calls++ == kept->fails ? -ENOSPC : 0;
}

static void histories_are_kept_before_the_generation_that_needs_them(void **state)
{
	struct model_fixture *f = *state;
	struct kept kept = { .publisher = &f->publisher, .fails = UINT_MAX };
	const uint64_t before = f->publisher.committed;

	f->model->events.ctx = &kept;
	f->model->events.rows_changed = keep;
	f->model->events.pool_serving = f->model->events.pool_empty = NULL;
	model_fixture_probe(f, 0, BACKEND_DOWN);
	assert_true(update(f, 2) > 0);
	assert_int_equal(kept.calls, 1);
	assert_int_equal(kept.committed, before);
	assert_true(f->publisher.committed > before);
	assert_int_equal(update(f, 3), 0);
	assert_int_equal(kept.calls, 1); /* nothing changed: nothing is written */
	free(kept.bytes);
}

static void a_history_that_could_not_be_kept_is_tried_again(void **state)
{
	struct model_fixture *f = *state;
	struct kept kept = { .publisher = &f->publisher, .fails = 0 };

	f->model->events.ctx = &kept;
	f->model->events.rows_changed = keep;
	f->model->events.pool_serving = f->model->events.pool_empty = NULL;
	model_fixture_probe(f, 0, BACKEND_DOWN);
	assert_true(update(f, 2) > 0);
	assert_int_equal(update(f, 3), 0);
	assert_int_equal(kept.calls, 2);
	assert_int_equal(update(f, 4), 0);
	assert_int_equal(kept.calls, 2);
	free(kept.bytes);
}

static void a_restarted_model_goes_on_with_bases_times_and_look(void **state)
{
	struct model_fixture *f = *state;
	struct kept kept = { .publisher = &f->publisher, .fails = UINT_MAX };
	struct table *old_base;
	struct row_file file;
	const char *fault;

	f->model->events.ctx = &kept;
	f->model->events.rows_changed = keep;
	f->model->events.pool_serving = f->model->events.pool_empty = NULL;
	model_fixture_probe(f, 0, BACKEND_DOWN);
	update(f, 2);
	old_base = table_get(f->publisher.stated[SL_TABLE_BASE_TCP]);
	assert_int_equal(row_file_decode(kept.bytes, kept.size, &file, &fault), 0);
	free(kept.bytes);

	recording_publisher_clear(&f->publisher);
	model_destroy(f->model);
	memset(&f->publisher, 0, sizeof(f->publisher));
	assert_int_equal(model_create(NULL, &f->model), 0);
	model_set_keys(f->model, &first_key, &flow_key);
	use(f, 0);
	assert_int_equal(model_restore_rows(f->model, &file), 0);
	row_file_clear(&file);
	model_set_publisher(f->model, &f->publisher, &(struct sl_shm_limits){ .pools = 64, .backends = 1024, .services = 64 });
	model_advance(f->model, 30000);
	for (unsigned int b = 0; b < BACKENDS; b++)
		model_fixture_probe(f, b, BACKEND_UP); /* web1 recovered meanwhile, web2 failed: an ordinary change */
	model_fixture_probe(f, 1, BACKEND_DOWN);
	assert_true(update(f, 30) > 0);
	for (uint32_t r = 0; r < ROWS; r++)
		if (old_base->row[r] == 0)
			assert_int_equal(base(f)->row[r], 0);
	assert_int_equal(model_fixture_rows(f, 1), 0);
	assert_true(update(f, 30 + W_S) > 0);
	assert_null(base(f));
	table_put(old_base);
}

static void a_pool_whose_history_is_lost_looks_everywhere(void **state)
{
	struct model_fixture *f = *state;
	struct identities ids = f->model->ids;

	memset(&f->model->ids, 0, sizeof(ids));
	recording_publisher_clear(&f->publisher);
	model_destroy(f->model);
	memset(&f->publisher, 0, sizeof(f->publisher));
	assert_int_equal(model_create(NULL, &f->model), 0);
	f->model->ids = ids; /* of the state file */
	use(f, 0);
	model_set_publisher(f->model, &f->publisher, &(struct sl_shm_limits){ .pools = 64, .backends = 1024, .services = 64 });
	model_advance(f->model, 30000);
	model_fixture_all_up(f);
	assert_int_equal(f->publisher.looks, ROWS);
	census(f, 40, 0, 0, 0);
	update(f, 50);
	assert_int_equal(f->publisher.looks, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, model_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_failure_opens_the_dead_ones_rows_and_recovery_closes_them),
		CASE(a_backend_that_is_off_comes_back_to_its_rows),
		CASE(rows_close_by_time_alone_and_a_census_takes_look_away),
		CASE(a_census_that_began_before_the_change_was_in_force_says_nothing),
		CASE(another_key_is_a_lens_and_the_next_one_waits_for_its_end),
		CASE(what_waits_for_another_pools_lens_keeps_nobody_busy),
		CASE(another_hash_of_a_service_is_a_lens_too),
		CASE(a_removed_backend_is_named_by_nothing_that_is_published),
		CASE(a_slot_is_not_given_again_while_a_connection_names_it),
		CASE(a_slot_is_not_given_again_before_workers_have_forgotten_it),
		CASE(a_slot_that_nothing_names_is_given_again),
		CASE(histories_are_kept_before_the_generation_that_needs_them),
		CASE(a_history_that_could_not_be_kept_is_tried_again),
		CASE(a_restarted_model_goes_on_with_bases_times_and_look),
		CASE(a_pool_whose_history_is_lost_looks_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
