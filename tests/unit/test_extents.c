/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Places of an array, against a naive map of them: nothing is given twice, everything comes back.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controlplane/extents.h"

enum { PLACES = 200, ROUNDS = 20000, HELD_MAX = 64 };

static void place_zero_is_nobodys(void **state)
{
	struct extents *extents = NULL;
	struct extent all, none = { 0, 0 };

	(void)state;
	assert_int_equal(extents_create(10, &extents), 0);
	assert_int_equal(extents_take(extents, 10, &all), -ENOSPC);
	assert_int_equal(extents_take(extents, 9, &all), 0);
	assert_int_equal(all.at, 1);
	assert_int_equal(extents_give(extents, &none), 0);
	assert_int_equal(extents_free(extents), 0);
	assert_int_equal(extents_give(extents, &all), 0);
	assert_int_equal(extents_free(extents), 9);
	extents_destroy(extents);
}

static void what_is_reserved_is_not_given_before_it_is_given_back(void **state)
{
	const struct extent middle = { .at = 3, .count = 4 }, overlapping = { .at = 5, .count = 100 };
	struct extents *extents = NULL;
	struct extent got;

	(void)state;
	assert_int_equal(extents_create(10, &extents), 0);
	assert_int_equal(extents_reserve(extents, &middle), 0);
	assert_int_equal(extents_free(extents), 5);
	assert_int_equal(extents_reserve(extents, &overlapping), 0);
	assert_int_equal(extents_free(extents), 2);
	assert_int_equal(extents_take(extents, 3, &got), -ENOSPC);
	assert_int_equal(extents_take(extents, 2, &got), 0);
	assert_int_equal(got.at, 1);
	assert_int_equal(extents_give(extents, &middle), 0);
	assert_int_equal(extents_take(extents, 4, &got), 0);
	assert_int_equal(got.at, 3);
	extents_destroy(extents);
}

static void nothing_is_given_twice_and_all_comes_back(void **state)
{
	struct extents *extents = NULL;
	struct extent held[HELD_MAX];
	uint8_t taken[PLACES] = { 1 };
	size_t count = 0;

	(void)state;
	srand(7);
	assert_int_equal(extents_create(PLACES, &extents), 0);
	for (int round = 0; round < ROUNDS; round++) {
		if (count < HELD_MAX && rand() % 2) {
			if (extents_take(extents, 1 + (uint32_t)rand() % 20, &held[count]) < 0)
				continue;
			for (uint32_t i = 0; i < held[count].count; i++) {
				assert_int_equal(taken[held[count].at + i], 0);
				taken[held[count].at + i] = 1;
			}
			count++;
		} else if (count > 0) {
			const size_t which = (size_t)rand() % count;

			memset(&taken[held[which].at], 0, held[which].count);
			assert_int_equal(extents_give(extents, &held[which]), 0);
			held[which] = held[--count];
		}
	}
	while (count > 0)
		assert_int_equal(extents_give(extents, &held[--count]), 0);
	assert_int_equal(extents_free(extents), PLACES - 1);
	assert_int_equal(extents_take(extents, PLACES - 1, &held[0]), 0); /* and in one piece */
	extents_destroy(extents);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(place_zero_is_nobodys),
		cmocka_unit_test(what_is_reserved_is_not_given_before_it_is_given_back),
		cmocka_unit_test(nothing_is_given_twice_and_all_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
