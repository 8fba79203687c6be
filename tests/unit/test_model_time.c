/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What time alone changes in the model: linger, and when it wants to be asked again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/model_fixture.h"

enum { BACKENDS = MODEL_FIXTURE_BACKENDS, START_MS = 1000000, LINGER_MS = 30000 };

/* Time goes on to then, and what follows is published. Returns when the model wants to be asked again. */
static uint64_t at(struct model_fixture *f, uint64_t now_ms)
{
	const uint64_t due_ms = model_advance(f->model, now_ms);

	assert_true(model_update(f->model) >= 0);
	return due_ms;
}

static struct model_fixture *serving(void **state)
{
	struct model_fixture *f = *state;

	f->pool[0].linger_ms = f->pool[1].linger_ms = LINGER_MS;
	model_fixture_all_up(f);
	assert_int_equal(at(f, START_MS), MODEL_NEVER);
	return f;
}

static void a_backend_that_goes_down_lingers_for_its_time_and_then_is_down(void **state)
{
	struct model_fixture *f = serving(state);
	uint64_t generation;

	model_fixture_probe(f, 1, BACKEND_DOWN);
	assert_int_equal(at(f, START_MS + 5000), START_MS + 5000 + LINGER_MS);
	assert_int_equal(f->publisher.backend[1].state, SL_BACKEND_LINGERING);
	assert_int_equal(model_fixture_rows(f, 1), 0);
	generation = f->publisher.committed;
	assert_int_equal(at(f, START_MS + 5000 + LINGER_MS - 1), START_MS + 5000 + LINGER_MS);
	assert_int_equal(f->publisher.committed, generation);
	assert_int_equal(at(f, START_MS + 5000 + LINGER_MS), MODEL_NEVER);
	assert_int_equal(f->publisher.backend[1].state, SL_BACKEND_DOWN);
	assert_int_equal(f->publisher.committed, generation + 1);
}

static void a_backend_that_is_back_in_time_never_was_down_for_its_connections(void **state)
{
	struct model_fixture *f = serving(state);

	model_fixture_probe(f, 1, BACKEND_DOWN);
	at(f, START_MS);
	assert_int_equal(f->publisher.backend[1].state, SL_BACKEND_LINGERING);
	model_fixture_probe(f, 1, BACKEND_UP);
	assert_int_equal(at(f, START_MS + 20000), MODEL_NEVER);
	assert_int_equal(f->publisher.backend[1].state, SL_BACKEND_UP);
	model_fixture_probe(f, 1, BACKEND_DOWN);
	assert_int_equal(at(f, START_MS + 40000), START_MS + 40000 + LINGER_MS);
}

static void on_down_reset_lingers_not_at_all(void **state)
{
	struct model_fixture *f = serving(state);

	f->pool[0].on_down_reset = true;
	model_fixture_probe(f, 1, BACKEND_DOWN);
	assert_int_equal(at(f, START_MS), MODEL_NEVER);
	assert_int_equal(f->publisher.backend[1].state, SL_BACKEND_DOWN);
}

static void a_backend_that_was_never_up_does_not_linger(void **state)
{
	struct model_fixture *f = *state;

	f->pool[0].linger_ms = LINGER_MS;
	model_fixture_probe(f, 1, BACKEND_DOWN);
	assert_int_equal(at(f, START_MS), MODEL_NEVER);
	assert_int_equal(f->publisher.backend[1].state, SL_BACKEND_DOWN);
}

static void panic_keeps_a_lingering_backend_up_and_its_end_finds_the_time_gone_on(void **state)
{
	struct model_fixture *f = serving(state);

	f->pool[0].panic_threshold_percent = 50;
	model_fixture_probe(f, 0, BACKEND_DOWN);
	model_fixture_probe(f, 1, BACKEND_DOWN);
	model_fixture_probe(f, 2, BACKEND_DOWN);
	at(f, START_MS);
	assert_int_equal(f->publisher.backend[1].state, SL_BACKEND_UP);
	model_fixture_probe(f, 2, BACKEND_UP);
	at(f, START_MS + 10000);
	assert_int_equal(f->publisher.backend[1].state, SL_BACKEND_LINGERING);
	at(f, START_MS + LINGER_MS);
	assert_int_equal(f->publisher.backend[1].state, SL_BACKEND_DOWN);
}

static void a_reload_while_a_backend_lingers_does_not_begin_again(void **state)
{
	struct model_fixture *f = serving(state);

	model_fixture_probe(f, 1, BACKEND_DOWN);
	at(f, START_MS);
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	assert_int_equal(at(f, START_MS + 20000), START_MS + LINGER_MS);
	assert_int_equal(f->publisher.backend[1].state, SL_BACKEND_LINGERING);
	at(f, START_MS + LINGER_MS);
	assert_int_equal(f->publisher.backend[1].state, SL_BACKEND_DOWN);
}

/* ---- ramps */

enum { SLOW_START_MS = 60000, STEP_MS = SLOW_START_MS / MODEL_RAMP_STEPS };

static struct model_fixture *slow(void **state)
{
	struct model_fixture *f = *state;

	f->pool[0].slow_start_ms = f->pool[1].slow_start_ms = SLOW_START_MS;
	return serving(state);
}

static const struct model_backend *web(const struct model_fixture *f, size_t backend)
{
	return &f->model->pools[0].backends[backend];
}

/*
 * Goes on step by step until nothing is due. No row moves twice, and those that move become this slot's, but
 * for the few bystanders of the first step of a backend that is new in the table.
 */
static unsigned int ramp_to_end(struct model_fixture *f, uint64_t now_ms, uint16_t slot)
{
	struct table *last = table_get(f->publisher.table);
	const bool added = f->model->pools[0].by_slot[slot]->ramp.added;
	bool moved[MODEL_FIXTURE_ROWS] = { false };
	unsigned int steps = 0;

	for (uint64_t due_ms = at(f, now_ms); due_ms != MODEL_NEVER; due_ms = at(f, due_ms)) {
		steps++;
		for (uint32_t r = 0; r < last->rows; r++) {
			if (f->publisher.table->row[r] == last->row[r])
				continue;
			assert_false(moved[r]);
			if (steps > 1 || !added)
				assert_int_equal(f->publisher.table->row[r], slot);
			moved[r] = true;
		}
		table_put(last);
		last = table_get(f->publisher.table);
	}
	table_put(last);
	return steps;
}

static void a_recovered_backend_takes_its_rows_back_in_equal_steps(void **state)
{
	struct model_fixture *f = slow(state);
	struct table *before = table_get(f->publisher.table);
	const size_t whole = model_fixture_rows(f, 1);
	uint64_t now_ms = START_MS;

	model_fixture_probe(f, 1, BACKEND_DOWN);
	at(f, now_ms);
	model_fixture_probe(f, 1, BACKEND_UP);
	for (unsigned int step = 1; step < MODEL_RAMP_STEPS; step++, now_ms += STEP_MS) {
		assert_int_equal(at(f, now_ms), now_ms + STEP_MS);
		assert_int_equal(model_backend_accept(web(f, 1)), step * MAGLEV_ACCEPT_ALL / MODEL_RAMP_STEPS);
		assert_in_range(model_fixture_rows(f, 1), 1, whole * step / MODEL_RAMP_STEPS + whole / 5);
	}
	assert_string_equal(model_backend_word(f->model, &f->model->pools[0], web(f, 1)), "no-neighbor");
	assert_int_equal(at(f, now_ms), MODEL_NEVER);
	assert_memory_equal(f->publisher.table->row, before->row, MODEL_FIXTURE_ROWS * 2);
	table_put(before);
}

static void each_row_moves_at_most_once_while_a_recovered_backend_ramps(void **state)
{
	struct model_fixture *f = slow(state);

	model_fixture_probe(f, 1, BACKEND_DOWN);
	at(f, START_MS);
	model_fixture_probe(f, 1, BACKEND_UP);
	assert_int_equal(ramp_to_end(f, START_MS + 1000, 1), MODEL_RAMP_STEPS - 1);
}

static void an_undrained_backend_ramps_and_so_does_one_that_was_retired_or_off(void **state)
{
	static const enum backend_admin away[] = { BACKEND_DRAIN, BACKEND_RETIRE, BACKEND_OFF };
	struct model_fixture *f = slow(state);

	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(model_set_override(f->model, "web", "web2", &(struct model_override){ .admin = away[i] }), 0);
		assert_int_equal(at(f, START_MS + i * SLOW_START_MS), MODEL_NEVER);
		assert_int_equal(model_fixture_rows(f, 1), 0);
		assert_int_equal(model_set_override(f->model, "web", "web2", &(struct model_override){ .admin = BACKEND_READY }), 0);
		assert_int_equal(web(f, 1)->ramp.added > 0, away[i] == BACKEND_RETIRE);
		ramp_to_end(f, START_MS + i * SLOW_START_MS, 1);
		assert_int_not_equal(model_fixture_rows(f, 1), 0);
	}
}

static void a_backend_new_in_the_configuration_takes_nothing_before_its_first_result_and_then_ramps(void **state)
{
	struct model_fixture *f = *state;
	struct table *before, *after;

	f->pool[1].slow_start_ms = SLOW_START_MS;
	model_fixture_config(f, 0, BACKENDS - 1);
	assert_int_equal(model_configure(f->model, &f->config[0], 200), 0);
	f->pool[1].slow_start_ms = SLOW_START_MS;
	model_fixture_all_up(f);
	at(f, START_MS);
	before = table_get(f->publisher.table);
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	assert_int_equal(at(f, START_MS), MODEL_NEVER);
	assert_int_equal(model_fixture_rows(f, BACKENDS - 1), 0);
	model_fixture_probe(f, BACKENDS - 1, BACKEND_UP);
	at(f, START_MS + 100);
	after = table_get(f->publisher.table);
	for (uint32_t r = 0, moved = 0; r < after->rows; r++) {
		moved += after->row[r] != before->row[r];
		assert_true(moved < after->rows / 8); /* the first step, and the bystanders of a new Maglev table */
	}
	ramp_to_end(f, START_MS + 100, BACKENDS - 1);
	assert_false(web(f, BACKENDS - 1)->ramp.added);
	table_put(before);
	table_put(after);
}

static void a_new_backend_without_slow_start_takes_all_at_its_first_pass(void **state)
{
	struct model_fixture *f = *state;

	model_fixture_config(f, 0, BACKENDS - 1);
	assert_int_equal(model_configure(f->model, &f->config[0], 200), 0);
	model_fixture_all_up(f);
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	at(f, START_MS);
	assert_int_equal(model_fixture_rows(f, BACKENDS - 1), 0);
	model_fixture_probe(f, BACKENDS - 1, BACKEND_UP);
	assert_int_equal(at(f, START_MS), MODEL_NEVER);
	assert_in_range(model_fixture_rows(f, BACKENDS - 1), MODEL_FIXTURE_ROWS / 5, MODEL_FIXTURE_ROWS / 3);
	assert_false(web(f, BACKENDS - 1)->ramp.added);
}

static void a_first_start_and_a_new_pool_ramp_nobody(void **state)
{
	struct model_fixture *f = slow(state);

	for (size_t b = 0; b < BACKENDS; b++)
		assert_int_equal(model_backend_accept(web(f, b)), MAGLEV_ACCEPT_ALL);
	strcpy(f->pool[1].name, "other");
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	model_fixture_all_up(f);
	assert_int_equal(at(f, START_MS), MODEL_NEVER);
	for (size_t b = 0; b < BACKENDS; b++)
		assert_int_equal(model_backend_accept(web(f, b)), MAGLEV_ACCEPT_ALL);
}

static void where_nobody_else_is_live_those_that_come_back_take_everything(void **state)
{
	struct model_fixture *f = slow(state);

	for (unsigned int b = 0; b < BACKENDS; b++)
		model_fixture_probe(f, b, BACKEND_DOWN);
	at(f, START_MS);
	model_fixture_probe(f, 0, BACKEND_UP);
	at(f, START_MS);
	assert_int_equal(model_fixture_rows(f, 0), MODEL_FIXTURE_ROWS);
	model_fixture_probe(f, 1, BACKEND_UP); /* the first is not warm: it cannot be left with nearly everything */
	at(f, START_MS + 1000);
	assert_in_range(model_fixture_rows(f, 1), MODEL_FIXTURE_ROWS / 3, 2 * MODEL_FIXTURE_ROWS / 3);
	at(f, START_MS + SLOW_START_MS);
	model_fixture_probe(f, 2, BACKEND_UP); /* now the first one is */
	at(f, START_MS + SLOW_START_MS);
	assert_in_range(model_fixture_rows(f, 2), 1, MODEL_FIXTURE_ROWS / 20);
}

static void panic_ends_no_share_that_a_backend_has_already(void **state)
{
	struct model_fixture *f = slow(state);
	size_t whole;

	f->pool[0].panic_threshold_percent = 60;
	model_fixture_probe(f, 0, BACKEND_DOWN);
	model_fixture_probe(f, 1, BACKEND_DOWN);
	at(f, START_MS);
	assert_int_equal(f->model->pools[0].source, MAGLEV_PANIC);
	whole = model_fixture_rows(f, 1);
	model_fixture_probe(f, 1, BACKEND_UP);
	at(f, START_MS + 1000);
	assert_int_equal(f->model->pools[0].source, MAGLEV_PRIMARIES);
	assert_true(model_fixture_rows(f, 1) >= whole);
}

static void a_ramp_that_is_interrupted_begins_again(void **state)
{
	struct model_fixture *f = slow(state);

	model_fixture_probe(f, 1, BACKEND_DOWN);
	at(f, START_MS);
	model_fixture_probe(f, 1, BACKEND_UP);
	at(f, START_MS);
	at(f, START_MS + SLOW_START_MS / 2);
	assert_int_equal(model_backend_accept(web(f, 1)), 11 * MAGLEV_ACCEPT_ALL / MODEL_RAMP_STEPS);
	model_fixture_probe(f, 1, BACKEND_DOWN);
	at(f, START_MS + SLOW_START_MS / 2);
	model_fixture_probe(f, 1, BACKEND_UP);
	at(f, START_MS + SLOW_START_MS / 2);
	assert_int_equal(model_backend_accept(web(f, 1)), MAGLEV_ACCEPT_ALL / MODEL_RAMP_STEPS);
}

static void a_reload_goes_on_with_a_ramp_and_ends_it_when_slow_start_went(void **state)
{
	struct model_fixture *f = slow(state);

	model_fixture_probe(f, 1, BACKEND_DOWN);
	at(f, START_MS);
	model_fixture_probe(f, 1, BACKEND_UP);
	at(f, START_MS);
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	at(f, START_MS + SLOW_START_MS / 2);
	assert_int_equal(model_backend_accept(web(f, 1)), 11 * MAGLEV_ACCEPT_ALL / MODEL_RAMP_STEPS);
	f->pool[0].slow_start_ms = 0;
	assert_int_equal(model_configure(f->model, &f->config[0], 300), 0);
	assert_int_equal(at(f, START_MS + SLOW_START_MS / 2), MODEL_NEVER);
	assert_int_equal(model_backend_accept(web(f, 1)), MAGLEV_ACCEPT_ALL);
}

/* ---- over a restart of sluiced */

/* Another model of the same configuration, with what the state file kept of backend 1. */
static void restart(struct model_fixture *f, const struct model_times *times)
{
	struct sl_shm_limits limits;

	model_destroy(f->model);
	assert_int_equal(model_create(NULL, &f->model), 0);
	assert_int_equal(model_configure(f->model, &f->config[0], 500), 0);
	limits = model_capacity(f->model).limits;
	model_set_publisher(f->model, &f->publisher, &limits);
	if (times)
		assert_int_equal(model_restore_times(f->model, "web", "web2", times), 0);
	for (unsigned int b = 0; b < BACKENDS; b++)
		if (b != 1)
			model_fixture_probe(f, b, BACKEND_UP);
}

static void a_restart_goes_on_lingering_from_where_it_was(void **state)
{
	struct model_fixture *f = slow(state);
	struct model_times times;

	model_fixture_probe(f, 1, BACKEND_DOWN);
	at(f, START_MS);
	assert_true(model_backend_times(web(f, 1), &times));
	restart(f, &times);
	model_fixture_probe(f, 1, BACKEND_DOWN);
	assert_int_equal(at(f, START_MS + 20000), START_MS + LINGER_MS);
	assert_int_equal(f->publisher.backend[1].state, SL_BACKEND_LINGERING);
	at(f, START_MS + LINGER_MS);
	assert_int_equal(f->publisher.backend[1].state, SL_BACKEND_DOWN);
}

static void a_restart_goes_on_with_a_ramp_from_where_it_was(void **state)
{
	struct model_fixture *f = slow(state);
	struct model_times times;

	assert_false(model_backend_times(web(f, 1), &times));
	model_fixture_probe(f, 1, BACKEND_DOWN);
	at(f, START_MS);
	model_fixture_probe(f, 1, BACKEND_UP);
	at(f, START_MS + 1000);
	at(f, START_MS + SLOW_START_MS / 2 + 1000);
	assert_true(model_backend_times(web(f, 1), &times));
	restart(f, &times);
	model_fixture_probe(f, 1, BACKEND_UP);
	at(f, START_MS + SLOW_START_MS / 2 + 1500);
	assert_int_equal(model_backend_accept(web(f, 1)), 11 * MAGLEV_ACCEPT_ALL / MODEL_RAMP_STEPS);
	restart(f, NULL);
	model_fixture_probe(f, 1, BACKEND_UP);
	at(f, START_MS + SLOW_START_MS);
	assert_int_equal(model_backend_accept(web(f, 1)), MAGLEV_ACCEPT_ALL);
}

static void found_down_after_a_restart_it_lingers_if_it_was_up_when_last_seen(void **state)
{
	struct model_fixture *f = slow(state);
	const struct model_probe probe = { .address = model_fixture_address(22), .port = 80, .check = 0 };

	restart(f, NULL);
	model_note_was_up(f->model, &probe);
	model_fixture_probe(f, 1, BACKEND_DOWN);
	assert_int_equal(at(f, START_MS), START_MS + LINGER_MS);
	assert_int_equal(f->publisher.backend[1].state, SL_BACKEND_LINGERING);
}

static void a_time_of_the_future_counts_from_now(void **state)
{
	struct model_fixture *f = slow(state);
	const struct model_times times = { .down_since_ms = 1ull << 60, .ramp_since_ms = MODEL_NEVER };

	restart(f, &times);
	model_fixture_probe(f, 1, BACKEND_DOWN);
	assert_int_equal(at(f, START_MS), START_MS + LINGER_MS);
}

#define MODEL_TEST(name) cmocka_unit_test_setup_teardown(name, model_fixture_setup, model_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MODEL_TEST(a_backend_that_goes_down_lingers_for_its_time_and_then_is_down),
		MODEL_TEST(a_backend_that_is_back_in_time_never_was_down_for_its_connections),
		MODEL_TEST(on_down_reset_lingers_not_at_all),
		MODEL_TEST(a_backend_that_was_never_up_does_not_linger),
		MODEL_TEST(panic_keeps_a_lingering_backend_up_and_its_end_finds_the_time_gone_on),
		MODEL_TEST(a_reload_while_a_backend_lingers_does_not_begin_again),
		MODEL_TEST(a_recovered_backend_takes_its_rows_back_in_equal_steps),
		MODEL_TEST(each_row_moves_at_most_once_while_a_recovered_backend_ramps),
		MODEL_TEST(an_undrained_backend_ramps_and_so_does_one_that_was_retired_or_off),
		MODEL_TEST(a_backend_new_in_the_configuration_takes_nothing_before_its_first_result_and_then_ramps),
		MODEL_TEST(a_new_backend_without_slow_start_takes_all_at_its_first_pass),
		MODEL_TEST(a_first_start_and_a_new_pool_ramp_nobody),
		MODEL_TEST(where_nobody_else_is_live_those_that_come_back_take_everything),
		MODEL_TEST(panic_ends_no_share_that_a_backend_has_already),
		MODEL_TEST(a_ramp_that_is_interrupted_begins_again),
		MODEL_TEST(a_reload_goes_on_with_a_ramp_and_ends_it_when_slow_start_went),
		MODEL_TEST(a_restart_goes_on_lingering_from_where_it_was),
		MODEL_TEST(a_restart_goes_on_with_a_ramp_from_where_it_was),
		MODEL_TEST(found_down_after_a_restart_it_lingers_if_it_was_up_when_last_seen),
		MODEL_TEST(a_time_of_the_future_counts_from_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
