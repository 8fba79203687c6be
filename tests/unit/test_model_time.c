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

enum { START_MS = 1000000, LINGER_MS = 30000 };

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
