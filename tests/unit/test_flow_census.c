/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counting remembered connections: whole scans in short steps, beside a writer, over anything that may be in
 * the file.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controlplane/flow_census.h"
#include "controlplane/flow_scan.h"

enum { BUCKETS = 64, NOW_S = 0x50000 + 500, NOW_MS = NOW_S * 1000 };

struct fixture {
	struct sl_flow_bucket hot[BUCKETS];
	struct sl_flow_home home[BUCKETS];
	struct flow_scan scan;
	struct flow_census *census;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->scan = (struct flow_scan){ .hot = f->hot, .home = f->home, .buckets = BUCKETS };
	*state = f;
	return flow_census_create(&f->census);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	flow_census_destroy(f->census);
	free(f);
	return 0;
}

static void put(struct fixture *f, uint32_t place, uint32_t pool, uint32_t row, uint16_t slot, uint32_t age_s)
{
	struct sl_flow_bucket *hot = &f->hot[place / SL_FLOW_WAYS];
	struct sl_flow_home *home = &f->home[place / SL_FLOW_WAYS];
	const int way = (int)(place % SL_FLOW_WAYS);

	hot->slot[way] = slot;
	hot->seen_s[way] = (uint16_t)(NOW_S - age_s);
	home->pool[way] = pool;
	home->row[way] = row;
	home->born_s[way] = (uint16_t)(NOW_S - age_s - 7);
	hot->tag[way] = place + 1;
}

static void set_kind(struct fixture *f, uint32_t place, uint32_t kind)
{
	f->hot[place / SL_FLOW_WAYS].kinds |= kind << 2 * (place % SL_FLOW_WAYS);
}

static const struct flow_census_want two_pools[] = {
	{ .pool = 9, .rows = 0, .slots = 2, .idle_s = { 100, 10, 5 } },
	{ .pool = 3, .rows = 7, .slots = 4, .idle_s = { 100, 10, 5 } },
};

static const struct flow_census_result *scan(struct fixture *f, uint32_t most)
{
	const struct flow_census_source source = flow_scan_source(&f->scan);
	uint64_t now_ms = NOW_MS;

	assert_int_equal(flow_census_begin(f->census, two_pools, 2, now_ms), 0);
	while (flow_census_step(f->census, &source, most, now_ms) == 0)
		now_ms++;
	assert_false(flow_census_runs(f->census));
	return flow_census_result(f->census);
}

static void entries_are_counted_by_pool_row_and_slot(void **state)
{
	struct fixture *f = *state;
	const struct flow_census_result *result;
	const struct flow_census_pool *pool;

	put(f, 0, 3, 6, 2, 50);
	put(f, 4, 3, 6, 2 | SL_FLOW_CLOSING, 58); /* the oldest, but it has ended */
	put(f, 5, 3, 0, 0, 1);
	put(f, BUCKETS * SL_FLOW_WAYS - 1, 9, 12345, 1, 0); /* the very last place */
	put(f, 100, 77, 1, 1, 0);                        /* of a pool nobody asked for */
	result = scan(f, 10);
	assert_int_equal(result->flows, 4);
	assert_int_equal(result->unknown, 1);
	assert_int_equal(result->expired, 0);
	pool = flow_census_find(result, 3);
	assert_int_equal(pool->flows, 3);
	assert_int_equal(pool->row[6], 2);
	assert_int_equal(pool->row[0], 1);
	assert_int_equal(pool->row[1], 0);
	assert_int_equal(pool->slot[2].flows, 2);
	assert_int_equal(pool->slot[2].closing, 1);
	assert_int_equal(pool->slot[2].oldest_s, 57);
	assert_int_equal(pool->slot[2].last_seen_s, 50);
	assert_int_equal(pool->slot[1].flows, 0);
	assert_int_equal(pool->slot[1].last_seen_s, UINT16_MAX);
	pool = flow_census_find(result, 9);
	assert_int_equal(pool->slot[1].flows, 1);
	assert_null(pool->row);
	assert_null(flow_census_find(result, 77));
	assert_null(flow_census_find(NULL, 3));
}

static void what_is_too_old_to_be_found_is_not_counted(void **state)
{
	struct fixture *f = *state;
	const struct flow_census_result *result;

	put(f, 0, 3, 1, 0, 127);                    /* 100 + 25 + 2: the last second of its life */
	put(f, 1, 3, 1, 0, 128);
	put(f, 2, 3, 1, 0 | SL_FLOW_CLOSING, 60);
	put(f, 3, 3, 1, 0 | SL_FLOW_CLOSING, 61);
	put(f, 4, 3, 1, 0, 14);                     /* QUIC: 10 + 2 + 2 */
	set_kind(f, 4, SL_FLOW_QUIC);
	put(f, 5, 3, 1, 0, 15);
	set_kind(f, 5, SL_FLOW_QUIC);
	put(f, 6, 3, 1, 0, 8);                      /* UDP: 5 + 1 + 2 */
	set_kind(f, 6, SL_FLOW_UDP);
	put(f, 7, 3, 1, 0, 9);
	set_kind(f, 7, SL_FLOW_UDP);
	put(f, 8, 3, 1, 0, (uint32_t)-1);           /* a second ahead of us: now */
	result = scan(f, BUCKETS);
	assert_int_equal(result->flows, 5);
	assert_int_equal(result->expired, 4);
	assert_int_equal(flow_census_find(result, 3)->row[1], 5);
	assert_int_equal(flow_census_find(result, 3)->kinds[SL_FLOW_QUIC], 1);
	assert_int_equal(flow_census_find(result, 3)->kinds[SL_FLOW_UDP], 1);
}

static void notes_of_what_is_forgotten_name_nobody(void **state)
{
	struct fixture *f = *state;
	const struct flow_census_result *result;

	put(f, 0, 3, 1, SL_SLOT_NONE, 1);
	put(f, 1, 3, 1, SL_SLOT_NONE | SL_FLOW_CLOSING, 1);
	put(f, 2, 3, 1, 0, 1);
	set_kind(f, 2, 3); /* no kind: workers do not find it either */
	result = scan(f, BUCKETS);
	assert_int_equal(result->forgotten, 3);
	assert_int_equal(result->flows, 0);
	assert_int_equal(flow_census_find(result, 3)->row[1], 0);
}

static void a_result_is_of_a_whole_scan_and_stays_until_the_next_one_is_whole(void **state)
{
	struct fixture *f = *state;
	const struct flow_census_source source = flow_scan_source(&f->scan);
	const struct flow_census_result *first;

	assert_null(flow_census_result(f->census));
	put(f, 0, 3, 1, 0, 1);
	first = scan(f, 16);
	assert_int_equal(first->began_ms, NOW_MS);
	assert_int_equal(first->ended_ms, NOW_MS + 3); /* four steps of a quarter */
	put(f, 1, 3, 1, 0, 1);
	assert_int_equal(flow_census_begin(f->census, two_pools, 2, NOW_MS + 50), 0);
	assert_int_equal(flow_census_step(f->census, &source, BUCKETS - 1, NOW_MS + 51), 0);
	assert_ptr_equal(flow_census_result(f->census), first);
	assert_int_equal(first->flows, 1);
	assert_int_equal(flow_census_step(f->census, &source, 1, NOW_MS + 52), 1);
	assert_int_equal(flow_census_result(f->census)->flows, 2);
	assert_int_equal(flow_census_result(f->census)->began_ms, NOW_MS + 50);
	flow_census_forget(f->census);
	assert_null(flow_census_result(f->census));
}

static void a_scan_that_begins_anew_starts_at_the_first_place(void **state)
{
	struct fixture *f = *state;
	const struct flow_census_source source = flow_scan_source(&f->scan);

	put(f, 0, 3, 1, 0, 1);
	assert_int_equal(flow_census_begin(f->census, two_pools, 2, NOW_MS), 0);
	assert_int_equal(flow_census_step(f->census, &source, BUCKETS / 2, NOW_MS), 0);
	assert_int_equal(scan(f, BUCKETS)->flows, 1);
}

static int lost_after_one(void *ctx, bool rewind, uint32_t most, flow_census_emit *emit, void *arg)
{
	const struct flow_census_entry entry = { .pool = 3, .row = 1, .slot = 1 };

	(void)ctx;
	(void)most;
	emit(arg, &entry);
	return rewind ? 0 : -EIO;
}

static void a_source_that_is_lost_leaves_no_result_of_that_scan(void **state)
{
	const struct flow_census_source lost = { .slice = lost_after_one };
	struct fixture *f = *state;
	const struct flow_census_result *before = scan(f, BUCKETS);

	assert_int_equal(flow_census_begin(f->census, two_pools, 2, NOW_MS), 0);
	assert_int_equal(flow_census_step(f->census, &lost, 1, NOW_MS), 0);
	assert_int_equal(flow_census_step(f->census, &lost, 1, NOW_MS), -EIO);
	assert_false(flow_census_runs(f->census));
	assert_ptr_equal(flow_census_result(f->census), before);
}

static void counts_of_a_row_stop_at_their_highest_value(void **state)
{
	static struct sl_flow_bucket hot[14000];
	static struct sl_flow_home home[14000];
	struct fixture *f = *state;

	f->scan = (struct flow_scan){ .hot = hot, .home = home, .buckets = 14000 };
	for (uint32_t i = 0; i < 14000 * SL_FLOW_WAYS; i++) {
		hot[i / SL_FLOW_WAYS].tag[i % SL_FLOW_WAYS] = i + 1;
		hot[i / SL_FLOW_WAYS].seen_s[i % SL_FLOW_WAYS] = (uint16_t)NOW_S;
		home[i / SL_FLOW_WAYS].pool[i % SL_FLOW_WAYS] = 3;
	}
	assert_int_equal(scan(f, 4096)->flows, 70000);
	assert_int_equal(flow_census_find(flow_census_result(f->census), 3)->row[0], UINT16_MAX);
	assert_int_equal(flow_census_find(flow_census_result(f->census), 3)->slot[0].flows, 70000);
}

static void anything_may_be_in_the_file(void **state)
{
	struct fixture *f = *state;
	const struct flow_census_result *result;
	uint64_t random = 88172645463325252u;
	uint8_t *bytes = (uint8_t *)f->hot;

	for (int round = 0; round < 200; round++) {
		for (size_t i = 0; i < sizeof(f->hot) + sizeof(f->home); i++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			bytes[i] = round % 3 == 0 ? (uint8_t)random : round % 3 == 1 ? 0xff : (uint8_t)(random & 3);
		}
		result = scan(f, 7);
		assert_int_equal(result->flows + result->expired + result->unknown + result->forgotten <= BUCKETS * SL_FLOW_WAYS, 1);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(entries_are_counted_by_pool_row_and_slot),
		T(what_is_too_old_to_be_found_is_not_counted),
		T(notes_of_what_is_forgotten_name_nobody),
		T(a_result_is_of_a_whole_scan_and_stays_until_the_next_one_is_whole),
		T(a_scan_that_begins_anew_starts_at_the_first_place),
		T(a_source_that_is_lost_leaves_no_result_of_that_scan),
		T(counts_of_a_row_stop_at_their_highest_value),
		T(anything_may_be_in_the_file),
	};

	return cmocka_run_group_tests_name("flow_census", tests, NULL, NULL);
}
