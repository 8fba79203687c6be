/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When a worker counts as hung.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/watchdog.h"

enum { MS = 1000000 };

static void a_worker_hangs_after_a_second_without_progress_and_is_well_again_at_once(void **state)
{
	struct watchdog watchdog;
	uint64_t polls[2] = {1, 1}, now_ns = 1;

	(void)state;
	watchdog_init(&watchdog, 2);
	assert_int_equal(watchdog_tick(&watchdog, now_ns, polls), 2);
	for (int i = 0; i < 9; i++) {
		polls[0]++;
		assert_int_equal(watchdog_tick(&watchdog, now_ns += 100 * MS, polls), 2);
	}
	polls[0]++;
	assert_int_equal(watchdog_tick(&watchdog, now_ns += 100 * MS, polls), 1);
	assert_false(watchdog.stuck[0]);
	assert_true(watchdog.stuck[1]);
	polls[1]++;
	assert_int_equal(watchdog_tick(&watchdog, now_ns += 100 * MS, polls), 2);
}

static void a_machine_that_was_paused_for_an_hour_makes_nobody_look_hung(void **state)
{
	struct watchdog watchdog;
	uint64_t polls[1] = {1}, now_ns = 1;

	(void)state;
	watchdog_init(&watchdog, 1);
	watchdog_tick(&watchdog, now_ns, polls);
	assert_int_equal(watchdog_tick(&watchdog, now_ns += 3600000ull * MS, polls), 1);
	polls[0]++;
	assert_int_equal(watchdog_tick(&watchdog, now_ns += 100 * MS, polls), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_hangs_after_a_second_without_progress_and_is_well_again_at_once),
		cmocka_unit_test(a_machine_that_was_paused_for_an_hour_makes_nobody_look_hung),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
