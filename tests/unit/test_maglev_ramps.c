/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ramps in the lookup table (selection.md T12): each row moves at most once in a ramp, whoever ramps beside,
 * and what the ramp leads to is the table that would have been without it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "controlplane/maglev.h"
#include "tests/support/pool_fixture.h"

static struct maglev *maglev;
static struct pool_fixture f;

static int setup(void **state)
{
	(void)state;
	memset(&f, 0, sizeof(f));
	return maglev_create(&maglev);
}

static int teardown(void **state)
{
	(void)state;
	maglev_destroy(maglev);
	pool_fixture_fini(&f);
	return 0;
}

static size_t rows_of(const uint16_t *row, uint32_t rows, uint16_t slot)
{
	size_t n = 0;

	for (uint32_t r = 0; r < rows; r++)
		n += row[r] == slot;
	return n;
}

/* Backends `first` to `first` + count - 1 come back together: nothing moves but to them, and that once. */
static void recover(size_t first, size_t count, uint32_t steps)
{
	uint16_t *last, *whole, *row;

	pool_fixture_init(&f, 10, 65537);
	whole = pool_fixture_table(&f, maglev, NULL);
	for (size_t i = first; i < first + count; i++)
		f.backends[i].live = false;
	last = pool_fixture_table(&f, maglev, NULL);
	for (uint32_t step = 1; step <= steps; step++) {
		for (size_t i = first; i < first + count; i++) {
			f.backends[i].live = true;
			f.backends[i].accept = MAGLEV_ACCEPT_ALL * step / steps;
		}
		row = pool_fixture_table(&f, maglev, NULL);
		for (uint32_t r = 0; r < 65537; r++)
			assert_true(row[r] == last[r] || (row[r] == whole[r] && row[r] >= first && row[r] < first + count));
		for (size_t i = first; i < first + count; i++)
			assert_in_range(rows_of(row, 65537, (uint16_t)i), 6553 * step / steps - 300, 6554 * step / steps + 300);
		free(last);
		last = row;
	}
	assert_memory_equal(last, whole, 65537 * sizeof(*last));
	free(last);
	free(whole);
}

static void a_recovery_ramp_of_10_steps_moves_each_row_once_and_no_bystander(void **state)
{
	(void)state;
	recover(7, 1, 10);
}

static void a_recovery_ramp_of_20_steps_moves_each_row_once_and_no_bystander(void **state)
{
	(void)state;
	recover(2, 1, 20);
}

static void backends_that_recover_together_move_each_row_once_and_no_bystander(void **state)
{
	(void)state;
	recover(3, 4, 20);
}

static void an_added_backend_ramps_from_the_table_without_it_to_the_table_with_it(void **state)
{
	uint16_t *without, *with, *row;

	(void)state;
	pool_fixture_init(&f, 10, 65537);
	with = pool_fixture_table(&f, maglev, NULL);
	f.pool.count = 9;
	without = pool_fixture_table(&f, maglev, NULL);
	f.pool.count = 10;
	f.backends[9].added = 1;
	f.backends[9].accept = MAGLEV_ACCEPT_ALL / 4;
	row = pool_fixture_table(&f, maglev, NULL);
	for (uint32_t r = 0; r < 65537; r++) {
		if (with[r] != 9)
			assert_int_equal(row[r], with[r]);
		else
			assert_true(row[r] == 9 || row[r] == without[r]);
	}
	assert_in_range(rows_of(row, 65537, 9), 6553 / 4 - 150, 6553 / 4 + 150);
	free(with);
	free(without);
	free(row);
}

/* Three new ones, one after the other and overlapping: the rows that one of them moves, it moves once. */
static void new_backends_that_overlap_each_move_a_row_at_most_once(void **state)
{
	enum { STEPS = 10, LATER = 3, NEW = 3, FIRST = 7 };
	uint16_t *last, *row;

	(void)state;
	pool_fixture_init(&f, FIRST + NEW, 65537);
	f.pool.count = FIRST;
	last = pool_fixture_table(&f, maglev, NULL);
	for (unsigned int step = 0; step < STEPS + NEW * LATER; step++) {
		const bool comes = step % LATER == 0 && step / LATER < NEW;
		unsigned int moved_to = 0;

		if (comes)
			f.pool.count = FIRST + 1 + step / LATER;
		for (unsigned int i = 0; i < NEW && FIRST + i < f.pool.count; i++) {
			const unsigned int own = step - i * LATER + 1;

			f.backends[FIRST + i].added = own < STEPS ? 5 + i : 0;
			f.backends[FIRST + i].accept = own < STEPS ? MAGLEV_ACCEPT_ALL * own / STEPS : MAGLEV_ACCEPT_ALL;
		}
		row = pool_fixture_table(&f, maglev, NULL);
		for (uint32_t r = 0; r < 65537; r++) {
			if (row[r] == last[r])
				continue;
			if (comes) { /* a new table has bystanders: few of them */
				moved_to += row[r] < FIRST;
				continue;
			}
			/* nobody loses a row to those who were there before, nor a new one to an older one */
			assert_true(row[r] >= FIRST && (last[r] < FIRST || last[r] < row[r]));
		}
		assert_true(moved_to < 65537 / 100);
		free(last);
		last = row;
	}
	f.pool.count = FIRST + NEW;
	row = pool_fixture_table(&f, maglev, NULL);
	assert_memory_equal(row, last, 65537 * sizeof(*row));
	free(row);
	free(last);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_recovery_ramp_of_10_steps_moves_each_row_once_and_no_bystander, setup, teardown),
		cmocka_unit_test_setup_teardown(a_recovery_ramp_of_20_steps_moves_each_row_once_and_no_bystander, setup, teardown),
		cmocka_unit_test_setup_teardown(backends_that_recover_together_move_each_row_once_and_no_bystander, setup, teardown),
		cmocka_unit_test_setup_teardown(an_added_backend_ramps_from_the_table_without_it_to_the_table_with_it, setup, teardown),
		cmocka_unit_test_setup_teardown(new_backends_that_overlap_each_move_a_row_at_most_once, setup, teardown),
	};

	return cmocka_run_group_tests_name("maglev_ramps", tests, NULL, NULL);
}
