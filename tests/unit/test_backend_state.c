/* SPDX-License-Identifier: BSD-3-Clause */
/* backend_state: what results, the operator and the configuration make of a backend. */
#include "controlplane/backend_state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const struct backend_limits limits = {.rise = 2, .fall = 3};

/* Feeds a string of results ('+' pass, '-' fail) and returns the statuses after each ('?', 'u', 'd'). */
static void feed(struct backend_state *state, const char *results, char *statuses)
{
	for (; *results != 0; results++, statuses++) {
		backend_state_update(state, &limits, *results == '+');
		*statuses = "?ud"[state->status];
	}
	*statuses = 0;
}

static void results_lead_to_statuses(void **unused)
{
	static const struct {
		const char *results, *statuses;
	} rows[] = {
		{"+", "u"},                    /* the first answer decides */
		{"-", "d"},
		{"+--", "uuu"},                /* fall: 3 in a row */
		{"+---", "uuud"},
		{"+--+--+--", "uuuuuuuuu"},    /* a pass in between forgives earlier failures */
		{"-+", "dd"},                  /* rise: 2 in a row */
		{"-++", "ddu"},
		{"-+-+-++", "ddddddu"},        /* a failure in between too */
		{"+---++", "uuuddu"},
	};
	char statuses[32];

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct backend_state state = {0};

		feed(&state, rows[i].results, statuses);
		assert_string_equal(statuses, rows[i].statuses);
	}
}

static void update_tells_of_each_change_once(void **unused)
{
	struct backend_state state = {0};

	(void)unused;
	assert_true(backend_state_update(&state, &limits, true));
	assert_false(backend_state_update(&state, &limits, true));
	assert_false(backend_state_update(&state, &limits, false));
	assert_false(backend_state_update(&state, &limits, false));
	assert_true(backend_state_update(&state, &limits, false));
	assert_false(backend_state_update(&state, &limits, false));
}

/* Takes a backend that is up down, and returns the passes it then needs to come back. */
static unsigned int fail_and_recover(struct backend_state *state)
{
	unsigned int passes = 0;

	for (unsigned int i = 0; i < limits.fall; i++)
		backend_state_update(state, &limits, false);
	assert_int_equal(state->status, BACKEND_DOWN);
	while (state->status != BACKEND_UP) {
		backend_state_update(state, &limits, true);
		passes++;
	}
	return passes;
}

static void flapping_needs_longer_to_recover_but_not_for_ever(void **unused)
{
	static const unsigned int expected[] = {2, 2, 2, 4, 8, 16, 16, 16};
	struct backend_state state = {.status = BACKEND_UP};

	(void)unused;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_int_equal(fail_and_recover(&state), expected[i]);
	for (unsigned int i = 0; i < 6 * BACKEND_CALM_RESULTS; i++)
		backend_state_update(&state, &limits, true);
	assert_int_equal(state.flaps, 0);
	assert_int_equal(fail_and_recover(&state), 2);
}

static void a_failure_between_calm_passes_forgives_nothing(void **unused)
{
	struct backend_state state = {.status = BACKEND_UP, .flaps = 4};

	(void)unused;
	for (int round = 0; round < 4; round++) {
		for (unsigned int i = 0; i + 1 < BACKEND_CALM_RESULTS; i++)
			backend_state_update(&state, &limits, true);
		backend_state_update(&state, &limits, false);
	}
	assert_int_equal(state.flaps, 4);
}

static void inputs_lead_to_effective_states(void **unused)
{
	static const struct {
		struct backend_inputs in;
		enum sl_backend_state state;
	} rows[] = {
		{{BACKEND_READY, BACKEND_UNKNOWN, 1, true, false, false, 0, 30000}, SL_BACKEND_DOWN},
		{{BACKEND_READY, BACKEND_UP, 1, true, false, true, 0, 30000}, SL_BACKEND_UP},
		{{BACKEND_READY, BACKEND_UP, 0, true, false, true, 0, 30000}, SL_BACKEND_DRAINING},
		{{BACKEND_DRAIN, BACKEND_UP, 1, true, false, true, 0, 30000}, SL_BACKEND_DRAINING},
		{{BACKEND_RETIRE, BACKEND_UP, 1, true, false, true, 0, 30000}, SL_BACKEND_DRAINING},
		{{BACKEND_OFF, BACKEND_UP, 1, true, false, true, 0, 30000}, SL_BACKEND_GONE},
		{{BACKEND_OFF, BACKEND_UP, 1, false, true, true, 0, 30000}, SL_BACKEND_GONE},
		{{BACKEND_READY, BACKEND_DOWN, 1, true, false, true, 29999, 30000}, SL_BACKEND_LINGERING},
		{{BACKEND_READY, BACKEND_DOWN, 1, true, false, true, 30000, 30000}, SL_BACKEND_DOWN},
		{{BACKEND_READY, BACKEND_DOWN, 1, true, false, true, 0, 0}, SL_BACKEND_DOWN},
		{{BACKEND_READY, BACKEND_DOWN, 1, true, false, false, 0, 30000}, SL_BACKEND_DOWN},
		{{BACKEND_DRAIN, BACKEND_DOWN, 1, true, false, true, 5, 30000}, SL_BACKEND_LINGERING},
		{{BACKEND_READY, BACKEND_DOWN, 1, true, true, true, 90000, 30000}, SL_BACKEND_UP},
		{{BACKEND_READY, BACKEND_UNKNOWN, 1, false, false, false, 0, 0}, SL_BACKEND_UP},
		{{BACKEND_DRAIN, BACKEND_UNKNOWN, 1, false, false, false, 0, 0}, SL_BACKEND_DRAINING},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(backend_effective(&rows[i].in), rows[i].state);
}

static void words_can_be_read_back(void **unused)
{
	enum backend_admin admin = BACKEND_READY;

	(void)unused;
	for (enum backend_status s = BACKEND_UNKNOWN; s < BACKEND_STATUS_COUNT; s++)
		assert_int_equal(backend_status_parse(backend_status_name(s)), s);
	assert_int_equal(backend_status_parse("nonsense"), BACKEND_UNKNOWN);
	for (enum backend_admin a = BACKEND_READY; a < BACKEND_ADMIN_COUNT; a++) {
		assert_int_equal(backend_admin_parse(backend_admin_name(a), &admin), 0);
		assert_int_equal(admin, a);
	}
	assert_int_equal(backend_admin_parse("nonsense", &admin), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_lead_to_statuses),
		cmocka_unit_test(update_tells_of_each_change_once),
		cmocka_unit_test(flapping_needs_longer_to_recover_but_not_for_ever),
		cmocka_unit_test(a_failure_between_calm_passes_forgives_nothing),
		cmocka_unit_test(inputs_lead_to_effective_states),
		cmocka_unit_test(words_can_be_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
