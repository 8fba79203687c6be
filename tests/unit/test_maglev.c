/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lookup table: golden values, the paper's example, what moves and what stays. Ramps are in
 * test_maglev_ramps.c; comparison with an independent implementation is in tests/oracle.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "controlplane/maglev.h"
#include "controlplane/maglev_fill.h"
#include "sluice/core/hash.h"
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

static size_t rows_differing(const uint16_t *a, const uint16_t *b, uint32_t rows)
{
	size_t n = 0;

	for (uint32_t r = 0; r < rows; r++)
		n += a[r] != b[r];
	return n;
}

static size_t rows_of(const uint16_t *row, uint32_t rows, uint16_t slot)
{
	size_t n = 0;

	for (uint32_t r = 0; r < rows; r++)
		n += row[r] == slot;
	return n;
}

static uint64_t table_checksum(void)
{
	uint16_t *row = pool_fixture_table(&f, maglev, NULL);
	const uint64_t sum = sl_checksum64(row, f.pool.rows * sizeof(*row));

	free(row);
	return sum;
}

static void the_example_of_the_maglev_paper_comes_out_as_printed(void **state)
{
	/* Table 1 of the paper: permutations 3041526, 0246135, 3456012. */
	struct maglev_seat seats[3] = {{3, 4, 1}, {0, 2, 1}, {3, 1, 1}};
	const uint16_t before[7] = {1, 0, 1, 0, 2, 2, 0};
	const uint16_t after[7] = {0, 0, 0, 0, 2, 2, 2}; /* without B1 */
	uint16_t owner[7];

	(void)state;
	assert_int_equal(maglev_fill(seats, 3, 7, owner), 0);
	assert_memory_equal(owner, before, sizeof(before));
	seats[1].weight = 0;
	assert_int_equal(maglev_fill(seats, 3, 7, owner), 0);
	assert_memory_equal(owner, after, sizeof(after));
}

static void tables_equal_their_golden_values(void **state)
{
	(void)state;
	/* A change of these moves connections on every upgrade: only with a decision page. */
	pool_fixture_init(&f, 5, 13);
	{
		const uint16_t golden[13] = {2, 4, 2, 3, 1, 0, 3, 4, 0, 1, 3, 2, 0};
		uint16_t *row = pool_fixture_table(&f, maglev, NULL);

		assert_memory_equal(row, golden, sizeof(golden));
		free(row);
	}
	pool_fixture_fini(&f);
	pool_fixture_init(&f, 4, 65537);
	assert_int_equal(table_checksum(), 0x2f0e770c26d0366eull);
	for (size_t i = 0; i < 4; i++)
		f.backends[i].weight = (uint32_t)i + 1;
	assert_int_equal(table_checksum(), 0xa1467fc1447179a9ull);
	f.backends[2].live = false;
	assert_int_equal(table_checksum(), 0x19fa8a45157d2c41ull);
	f.backends[0].accept = 10000;
	assert_int_equal(table_checksum(), 0x38949b23d3fd1849ull);
	f.backends[0].added = 1;
	assert_int_equal(table_checksum(), 0x14b10edd5b089275ull);
	f.pool.key.k0 ^= 1;
	assert_int_equal(table_checksum(), 0xa0789f67fb1ed844ull);
	pool_fixture_fini(&f);
	pool_fixture_init(&f, 1000, 655373);
	assert_int_equal(table_checksum(), 0x20157aab0b511213ull);
}

static void the_order_of_the_backends_changes_nothing(void **state)
{
	uint64_t random = 1, sum;

	(void)state;
	pool_fixture_init(&f, 50, 8191);
	for (size_t i = 0; i < 50; i++)
		f.backends[i].weight = (uint32_t)(1 + i % 7);
	f.backends[3].live = false;
	f.backends[9].accept = 20000;
	sum = table_checksum();
	for (int round = 0; round < 5; round++) {
		struct maglev *fresh;

		for (size_t i = 49; i > 0; i--) {
			const size_t j = random_next(&random) % (i + 1);
			const struct maglev_backend kept = f.backends[i];

			f.backends[i] = f.backends[j];
			f.backends[j] = kept;
		}
		assert_int_equal(table_checksum(), sum); /* through the cache */
		assert_int_equal(maglev_create(&fresh), 0);
		maglev_destroy(maglev);
		maglev = fresh;
		assert_int_equal(table_checksum(), sum); /* and from nothing */
	}
}

static void slots_do_not_decide_who_gets_a_row(void **state)
{
	uint16_t *before, *after;

	(void)state;
	pool_fixture_init(&f, 20, 4093);
	f.backends[5].live = false;
	before = pool_fixture_table(&f, maglev, NULL);
	for (size_t i = 0; i < 20; i++)
		f.backends[i].slot = (uint16_t)(1000 - i);
	after = pool_fixture_table(&f, maglev, NULL);
	for (uint32_t r = 0; r < 4093; r++)
		assert_int_equal(after[r], 1000 - before[r]);
	free(before);
	free(after);
}

static void failing_one_of_a_thousand_moves_exactly_its_rows_and_recovery_gives_them_back(void **state)
{
	uint16_t *before, *during, *after;
	const uint16_t dead = 417;
	size_t own;

	(void)state;
	pool_fixture_init(&f, 1000, 65537);
	before = pool_fixture_table(&f, maglev, NULL);
	own = rows_of(before, 65537, dead);
	f.backends[dead].live = false;
	during = pool_fixture_table(&f, maglev, NULL);
	assert_int_equal(rows_differing(before, during, 65537), own);
	assert_int_equal(rows_of(during, 65537, dead), 0);
	assert_int_equal(rows_of(during, 65537, SL_SLOT_NONE), 0);
	assert_in_range(own, 65, 66);
	f.backends[dead].live = true;
	after = pool_fixture_table(&f, maglev, NULL);
	assert_memory_equal(before, after, 65537 * sizeof(*before));
	free(before);
	free(during);
	free(after);
}

static void a_second_failure_leaves_the_first_ones_substitutes_alone(void **state)
{
	uint16_t *one, *two;

	(void)state;
	pool_fixture_init(&f, 100, 65537);
	f.backends[1].live = false;
	one = pool_fixture_table(&f, maglev, NULL);
	f.backends[2].live = false;
	two = pool_fixture_table(&f, maglev, NULL);
	assert_int_equal(rows_differing(one, two, 65537), rows_of(one, 65537, 2));
	free(one);
	free(two);
}

static void equal_weights_differ_by_one_row_at_most(void **state)
{
	static const size_t counts[] = {1, 3, 7, 100, 1000};

	(void)state;
	for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		size_t low = SIZE_MAX, high = 0;
		uint16_t *row;

		pool_fixture_fini(&f);
		pool_fixture_init(&f, counts[c], 65537);
		row = pool_fixture_table(&f, maglev, NULL);
		for (size_t i = 0; i < counts[c]; i++) {
			const size_t own = rows_of(row, 65537, (uint16_t)i);

			low = own < low ? own : low;
			high = own > high ? own : high;
		}
		assert_true(high - low <= 1);
		free(row);
	}
}

static void shares_follow_weights_1_to_100_within_three_per_mille(void **state)
{
	double error = 0;
	uint16_t *row;

	(void)state;
	pool_fixture_init(&f, 100, 65537);
	for (uint32_t i = 0; i < 100; i++)
		f.backends[i].weight = i + 1;
	row = pool_fixture_table(&f, maglev, NULL);
	for (size_t i = 0; i < 100; i++) {
		const double ideal = 65537.0 * (double)(i + 1) / 5050.0;
		const double own = (double)rows_of(row, 65537, (uint16_t)i);

		error += (own > ideal ? own - ideal : ideal - own) / ideal;
	}
	assert_true(error / 100 <= 0.003);
	free(row);
}

static void drain_and_ready_give_back_the_same_rows(void **state)
{
	uint16_t *before, *drained;
	uint64_t sum;

	(void)state;
	pool_fixture_init(&f, 10, 65537);
	sum = table_checksum();
	before = pool_fixture_table(&f, maglev, NULL);
	f.backends[4].accept = 0;
	drained = pool_fixture_table(&f, maglev, NULL);
	assert_int_equal(rows_of(drained, 65537, 4), 0);
	assert_int_equal(rows_differing(before, drained, 65537), rows_of(before, 65537, 4));
	f.backends[4].accept = MAGLEV_ACCEPT_ALL;
	assert_int_equal(table_checksum(), sum);
	free(before);
	free(drained);
}

static void removing_a_retired_backend_moves_nothing(void **state)
{
	uint64_t sum;

	(void)state;
	pool_fixture_init(&f, 10, 65537);
	f.backends[9].weight = 0;
	sum = table_checksum();
	f.pool.count = 9;
	assert_int_equal(table_checksum(), sum);
}

static void where_everybody_ramps_the_ramps_are_relative(void **state)
{
	uint64_t sum;

	(void)state;
	pool_fixture_init(&f, 10, 4093);
	sum = table_checksum();
	for (size_t i = 0; i < 10; i++)
		f.backends[i].accept = 700;
	assert_int_equal(table_checksum(), sum);
}

static void backups_serve_only_when_no_primary_can(void **state)
{
	enum maglev_source source;
	uint16_t *row;

	(void)state;
	pool_fixture_init(&f, 6, 4093);
	f.backends[4].backup = f.backends[5].backup = true;
	row = pool_fixture_table(&f, maglev, &source);
	assert_int_equal(source, MAGLEV_PRIMARIES);
	assert_int_equal(rows_of(row, 4093, 4) + rows_of(row, 4093, 5), 0);
	free(row);
	f.backends[0].live = f.backends[1].live = f.backends[2].live = false;
	row = pool_fixture_table(&f, maglev, &source);
	assert_int_equal(source, MAGLEV_PRIMARIES);
	assert_int_equal(rows_of(row, 4093, 3), 4093);
	free(row);
	f.backends[3].accept = 0;
	row = pool_fixture_table(&f, maglev, &source);
	assert_int_equal(source, MAGLEV_BACKUPS);
	assert_int_equal(rows_of(row, 4093, 4) + rows_of(row, 4093, 5), 4093);
	assert_in_range(rows_of(row, 4093, 4), 2046, 2047);
	free(row);
	f.backends[4].live = false;
	row = pool_fixture_table(&f, maglev, &source);
	assert_int_equal(rows_of(row, 4093, 5), 4093);
	free(row);
	f.backends[5].live = false;
	row = pool_fixture_table(&f, maglev, &source);
	assert_int_equal(source, MAGLEV_EMPTY);
	assert_int_equal(rows_of(row, 4093, SL_SLOT_NONE), 4093);
	free(row);
}

static void panic_ignores_health_but_neither_drain_nor_a_live_backup(void **state)
{
	enum maglev_source source;
	uint16_t *row;

	(void)state;
	pool_fixture_init(&f, 5, 4093);
	f.pool.panic_percent = 50;
	f.backends[4].backup = true;
	f.backends[0].live = f.backends[1].live = false;
	row = pool_fixture_table(&f, maglev, &source);
	assert_int_equal(source, MAGLEV_PRIMARIES); /* two of four are just enough */
	free(row);
	f.backends[2].live = false;
	f.backends[1].accept = 0;
	row = pool_fixture_table(&f, maglev, &source);
	assert_int_equal(source, MAGLEV_PANIC);
	assert_true(rows_of(row, 4093, 0) > 0 && rows_of(row, 4093, 2) > 0);
	assert_int_equal(rows_of(row, 4093, 1), 0);
	free(row);
	f.backends[3].live = false;
	row = pool_fixture_table(&f, maglev, &source);
	assert_int_equal(source, MAGLEV_BACKUPS);
	free(row);
	f.backends[4].live = false;
	row = pool_fixture_table(&f, maglev, &source);
	assert_int_equal(source, MAGLEV_PANIC);
	assert_int_equal(rows_of(row, 4093, 4), 0);
	free(row);
}

static void a_pool_without_backends_is_an_empty_table(void **state)
{
	enum maglev_source source;
	uint16_t *row;

	(void)state;
	pool_fixture_init(&f, 0, 13);
	row = pool_fixture_table(&f, maglev, &source);
	assert_int_equal(source, MAGLEV_EMPTY);
	assert_int_equal(rows_of(row, 13, SL_SLOT_NONE), 13);
	free(row);
}

static void sizes_and_names_out_of_bounds_are_refused(void **state)
{
	char name[SL_NAME_MAX + 1];

	(void)state;
	pool_fixture_init(&f, 2, 1);
	assert_int_equal(maglev_owners(maglev, &f.pool), -EINVAL);
	f.pool.rows = SL_TABLE_ROWS_MAX + 1;
	assert_int_equal(maglev_owners(maglev, &f.pool), -EINVAL);
	f.pool.rows = 65536; /* no prime: rows would be out of reach */
	assert_int_equal(maglev_owners(maglev, &f.pool), -EINVAL);
	f.pool.rows = 13;
	f.pool.count = SL_SLOT_MAX + 2;
	assert_int_equal(maglev_owners(maglev, &f.pool), -EINVAL);
	f.pool.count = 2;
	memset(name, 'x', sizeof(name));
	f.backends[0].name = name;
	assert_int_equal(maglev_owners(maglev, &f.pool), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_example_of_the_maglev_paper_comes_out_as_printed, setup,
						teardown),
		cmocka_unit_test_setup_teardown(tables_equal_their_golden_values, setup, teardown),
		cmocka_unit_test_setup_teardown(the_order_of_the_backends_changes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(slots_do_not_decide_who_gets_a_row, setup, teardown),
		cmocka_unit_test_setup_teardown(
			failing_one_of_a_thousand_moves_exactly_its_rows_and_recovery_gives_them_back, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_second_failure_leaves_the_first_ones_substitutes_alone,
						setup, teardown),
		cmocka_unit_test_setup_teardown(equal_weights_differ_by_one_row_at_most, setup, teardown),
		cmocka_unit_test_setup_teardown(shares_follow_weights_1_to_100_within_three_per_mille, setup,
						teardown),
		cmocka_unit_test_setup_teardown(drain_and_ready_give_back_the_same_rows, setup, teardown),
		cmocka_unit_test_setup_teardown(removing_a_retired_backend_moves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(where_everybody_ramps_the_ramps_are_relative, setup,
						teardown),
		cmocka_unit_test_setup_teardown(backups_serve_only_when_no_primary_can, setup, teardown),
		cmocka_unit_test_setup_teardown(panic_ignores_health_but_neither_drain_nor_a_live_backup,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_pool_without_backends_is_an_empty_table, setup, teardown),
		cmocka_unit_test_setup_teardown(sizes_and_names_out_of_bounds_are_refused, setup, teardown),
	};

	return cmocka_run_group_tests_name("maglev", tests, NULL, NULL);
}
