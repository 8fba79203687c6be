/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker's table of connections against a naive twin that keeps them in a list: what is found, how long, what
 * gives way to what, how the clock's sixteen bits come round, and when there is pressure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/flow_table.h"

enum { IDLE_S = 100, LIFE_S = IDLE_S + IDLE_S / 4 + 2, SECOND_NS = 1000000000 };

static const struct flow_table_lives lives = { { LIFE_S, LIFE_S, LIFE_S } };
static struct flow_table *table;
static uint64_t now_s, now_ns;
static uint64_t random_state;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 0x2545f4914f6cdd1dull;
}

static void make(uint64_t flows, uint64_t at_s)
{
	now_s = at_s;
	now_ns = 1;
	random_state = 88172645463325252ull;
	assert_int_equal(flow_table_create(&dp_allocator_malloc, flows, now_s, &table), 0);
	flow_table_tick(table, now_s, now_ns, &lives);
}

static int setup(void **state)
{
	(void)state;
	make(10000, 5000);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	flow_table_destroy(&dp_allocator_malloc, table);
	table = NULL;
	return 0;
}

/* Time passes as a worker sees it: many rounds a second. */
static void pass(uint64_t seconds)
{
	for (uint64_t i = 0; i < seconds * 16; i++) {
		now_ns += SECOND_NS / 16;
		now_s += i % 16 == 15;
		flow_table_tick(table, now_s, now_ns, &lives);
	}
}

static bool get(uint64_t tag, struct sl_flow *flow)
{
	memset(flow, 0, sizeof(*flow));
	return flow_table_get(table, tag, LIFE_S, flow);
}

static void expect_slot(uint64_t tag, uint16_t slot)
{
	struct sl_flow flow;

	assert_true(get(tag, &flow));
	assert_int_equal(flow.slot, slot);
}

static void expect_nothing(uint64_t tag)
{
	struct sl_flow flow;

	assert_false(get(tag, &flow));
}

static void what_is_remembered_is_found_with_its_state(void **state)
{
	struct sl_flow flow;

	(void)state;
	expect_nothing(77);
	assert_int_equal(flow_table_put(table, 77, 5, SL_FLOW_QUIC, 0), 0);
	assert_true(get(77, &flow));
	assert_int_equal(flow.slot, 5);
	assert_int_equal(flow.flags, 0);
	assert_int_equal(flow.age_s, 0);
	pass(7);
	assert_true(get(77, &flow));
	assert_int_equal(flow.age_s, 7);
	assert_int_equal(flow_table_put(table, 77, 6, SL_FLOW_QUIC, SL_FLOW_IS_CLOSING | FLOW_TABLE_DUE), 0);
	assert_true(get(77, &flow));
	assert_int_equal(flow.slot, 6);
	assert_int_equal(flow.flags, SL_FLOW_IS_CLOSING);
	assert_int_equal(flow.where, FLOW_TABLE_DUE);
	assert_int_equal(flow_table_used(table), 1);
	flow_table_del(table, 77);
	expect_nothing(77);
	assert_int_equal(flow_table_used(table), 0);
}

static void an_unconfirmed_connection_becomes_a_confirmed_one_in_its_place(void **state)
{
	struct sl_flow flow;

	(void)state;
	assert_int_equal(flow_table_put(table, 9, 1, SL_FLOW_TCP, SL_FLOW_IS_UNCONFIRMED), 0);
	assert_true(get(9, &flow));
	assert_int_equal(flow.flags, SL_FLOW_IS_UNCONFIRMED);
	assert_int_equal(flow_table_used(table), 0);
	assert_int_equal(flow_table_put(table, 9, 1, SL_FLOW_TCP, 0), 0);
	assert_true(get(9, &flow));
	assert_int_equal(flow.flags, 0);
	assert_int_equal(flow_table_used(table), 1);
	assert_int_equal(flow_table_put(table, 9, 2, SL_FLOW_TCP, SL_FLOW_IS_UNCONFIRMED), 0); /* a new start */
	assert_true(get(9, &flow));
	assert_int_equal(flow.slot, 2);
	assert_int_equal(flow.flags, SL_FLOW_IS_UNCONFIRMED);
	assert_int_equal(flow_table_used(table), 0);
	flow_table_del(table, 9);
	expect_nothing(9);
}

static void an_entry_lives_its_life_and_no_second_longer(void **state)
{
	(void)state;
	flow_table_put(table, 1, 1, SL_FLOW_TCP, 0);
	flow_table_put(table, 2, 1, SL_FLOW_TCP, SL_FLOW_IS_CLOSING);
	pass(SL_FLOW_CLOSING_S);
	expect_slot(2, 1);
	pass(1);
	expect_nothing(2);
	pass(LIFE_S - SL_FLOW_CLOSING_S - 1);
	expect_slot(1, 1);
	pass(1);
	expect_nothing(1);
}

/* A pool with a shorter connection-idle asks with its own life; closing never makes a life longer. */
static void the_asker_s_life_decides_on_lookup(void **state)
{
	struct sl_flow flow;

	(void)state;
	flow_table_put(table, 1, 1, SL_FLOW_UDP, 0);
	flow_table_put(table, 2, 1, SL_FLOW_UDP, SL_FLOW_IS_CLOSING);
	pass(4);
	assert_true(flow_table_get(table, 1, 4, &flow));
	assert_false(flow_table_get(table, 1, 3, &flow));
	assert_false(flow_table_get(table, 2, 3, &flow));
}

static void data_after_a_fin_brings_the_connection_back(void **state)
{
	(void)state;
	flow_table_put(table, 2, 1, SL_FLOW_TCP, SL_FLOW_IS_CLOSING);
	pass(SL_FLOW_CLOSING_S);
	flow_table_put(table, 2, 1, SL_FLOW_TCP, 0);
	pass(SL_FLOW_CLOSING_S + 1);
	expect_slot(2, 1);
}

static void the_count_falls_when_entries_expire_in_silence(void **state)
{
	(void)state;
	for (uint64_t tag = 1; tag <= 8000; tag++)
		assert_int_equal(flow_table_put(table, tag * 0x9e3779b97f4a7c15ull, 3, SL_FLOW_TCP, 0), 0);
	assert_int_equal(flow_table_used(table), 8000);
	pass(LIFE_S);
	assert_int_equal(flow_table_used(table), 8000);
	pass(FLOW_TABLE_SWEEP_S + 2);
	assert_int_equal(flow_table_used(table), 0);
}

/* Whatever second an entry is stored in, it is found for its whole life and not afterwards. */
static void the_clock_comes_round_without_a_mistake(void **state)
{
	static const uint64_t edges[] = { 0, 1, 0x7fff, 0x8000, 0xfeff, 0xff00, 0xff01, 0xfffe, 0xffff, 0x10000, 0x1ff80,
					  0xffffffffull - 30 };

	(void)state;
	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		struct sl_flow flow;

		flow_table_destroy(&dp_allocator_malloc, table);
		make(100, edges[i]);
		for (uint64_t tag = 1; tag <= LIFE_S; tag++) { /* one a second, across the edge */
			assert_int_equal(flow_table_put(table, tag << 32 | tag, (uint16_t)tag, SL_FLOW_TCP, 0), 0);
			pass(1);
		}
		for (uint64_t tag = 1; tag <= LIFE_S; tag++) {
			assert_true(get(tag << 32 | tag, &flow));
			assert_int_equal(flow.age_s, LIFE_S + 1 - tag);
		}
	}
}

/* The longest possible life is close to what 16 bits can tell: the sweep must come before they turn over. */
static void an_entry_of_the_longest_life_does_not_come_back_when_the_clock_has_come_round(void **state)
{
	const struct flow_table_lives longest = flow_table_lives((const uint16_t[3]){ SL_IDLE_MAX_S, 0, 1 });
	struct sl_flow flow;

	(void)state;
	flow_table_tick(table, now_s, now_ns, &longest);
	flow_table_put(table, 5, 1, SL_FLOW_TCP, 0);
	for (uint64_t s = 1; s <= 0x10000 + 10; s++) {
		for (int i = 0; i < 2; i++)
			flow_table_tick(table, now_s + s, now_ns += SECOND_NS / 2, &longest);
		assert_int_equal(flow_table_get(table, 5, longest.life_s[0], &flow), s <= longest.life_s[0]);
	}
}

static void after_a_gap_in_which_ages_were_lost_nothing_is_remembered(void **state)
{
	(void)state;
	flow_table_put(table, 5, 1, SL_FLOW_TCP, 0);
	flow_table_tick(table, now_s + 0x10000, now_ns + 1, &lives); /* without the check: age 0 */
	expect_nothing(5);
	assert_int_equal(flow_table_used(table), 0);
}

static void a_clock_that_stands_or_goes_back_is_borne(void **state)
{
	(void)state;
	flow_table_put(table, 5, 1, SL_FLOW_TCP, 0);
	flow_table_tick(table, now_s - 30, now_ns, &lives);
	assert_int_equal(flow_table_now_s(table), now_s);
	expect_slot(5, 1);
	flow_table_tick(table, now_s, 0, &lives);
	expect_slot(5, 1);
}

/* ---- a full table ------------------------------------------------------------------------------------- */

/* Fills until the first refusal; returns the entries stored. */
static uint64_t fill(void)
{
	uint64_t stored = 0;

	while (flow_table_put(table, next_random() | 1, (uint16_t)(stored % 100), SL_FLOW_TCP, 0) == 0)
		stored++;
	return stored;
}

static void a_full_table_refuses_and_keeps_every_confirmed_entry(void **state)
{
	uint64_t stored, tags[3000], count = 0, refused = 0;

	(void)state;
	flow_table_destroy(&dp_allocator_malloc, table);
	make(1000, 5000);
	stored = fill();
	assert_true(stored * 100 >= flow_table_capacity(table) * 60); /* least loaded of two: hardly any before 70 % */
	flow_table_clear(table);
	while (count < 3000 && refused < 2000) {
		const uint64_t tag = next_random() | 1;

		if (flow_table_put(table, tag, (uint16_t)(tag >> 8 & 0xfff), SL_FLOW_TCP, 0) == 0)
			tags[count++] = tag;
		else
			refused++;
	}
	assert_true(refused == 2000);
	assert_int_equal(flow_table_used(table), count);
	for (uint64_t i = 0; i < 100000; i++) /* a flood of starts, and one of confirmed ones */
		flow_table_put(table, next_random() | 1, 1, SL_FLOW_TCP, i & 1 ? SL_FLOW_IS_UNCONFIRMED : 0);
	for (uint64_t i = 0; i < count; i++)
		expect_slot(tags[i], (uint16_t)(tags[i] >> 8 & 0xfff));
	assert_true(flow_table_pressure(table));
	assert_int_equal(flow_table_put(table, tags[0], 7, SL_FLOW_TCP, 0), 0); /* what is there can be written */
	expect_slot(tags[0], 7);
	pass(LIFE_S + 1);
	assert_int_equal(flow_table_put(table, next_random() | 1, 1, SL_FLOW_TCP, 0), 0); /* expired ones give way */
}

static void pressure_begins_above_80_percent_and_ends_below_70(void **state)
{
	const uint64_t capacity = flow_table_capacity(table);
	uint64_t tags[70000], count = 0;

	(void)state;
	assert_true(capacity < 70000);
	assert_false(flow_table_pressure(table));
	while (!flow_table_pressure(table)) {
		const uint64_t tag = next_random() | 1;

		if (flow_table_put(table, tag, 1, SL_FLOW_TCP, 0) == 0)
			tags[count++] = tag;
	}
	assert_int_equal(count, capacity * 80 / 100 + 1);
	while (flow_table_used(table) * 100 >= capacity * 70) {
		pass(0);
		flow_table_tick(table, now_s, ++now_ns, &lives);
		assert_true(flow_table_pressure(table));
		flow_table_del(table, tags[--count]);
	}
	flow_table_tick(table, now_s, ++now_ns, &lives);
	assert_false(flow_table_pressure(table));
}

static void pressure_ends_when_a_flood_has_expired(void **state)
{
	(void)state;
	while (!flow_table_pressure(table))
		flow_table_put(table, next_random() | 1, 1, SL_FLOW_TCP, 0);
	pass(LIFE_S);
	assert_true(flow_table_pressure(table));
	pass(FLOW_TABLE_SWEEP_S + 2);
	assert_false(flow_table_pressure(table));
}

/* ---- the unconfirmed segment -------------------------------------------------------------------------- */

static void newer_starts_push_older_ones_out(void **state)
{
	const uint64_t places = flow_table_capacity(table) / 8;
	uint64_t pushed = 0, found = 0;
	struct sl_flow flow;

	(void)state;
	for (uint64_t i = 1; i <= 20 * places; i++) {
		const uint64_t tag = i * 0x9e3779b97f4a7c15ull;

		pushed += flow_table_put(table, tag, 1, SL_FLOW_TCP, SL_FLOW_IS_UNCONFIRMED) == 1;
		expect_slot(tag, 1);
	}
	assert_true(pushed >= 19 * places && pushed < 20 * places);
	for (uint64_t i = 20 * places; i > 19 * places + places / 2; i--) /* of the newest half hardly one is missing */
		found += get(i * 0x9e3779b97f4a7c15ull, &flow);
	assert_true(found * 100 >= (places - places / 2) * 90);
	for (uint64_t i = 1; i <= 10 * places; i++)
		expect_nothing(i * 0x9e3779b97f4a7c15ull);
}

/* `per_s` starts a second, each from somewhere else; returns whether there was pressure, ever. */
static bool starts(uint64_t per_s, uint64_t seconds)
{
	bool pressure = false;

	for (uint64_t s = 0; s < seconds; s++) {
		for (uint64_t i = 0; i < per_s; i++)
			flow_table_put(table, next_random() | 1, 1, SL_FLOW_TCP, SL_FLOW_IS_UNCONFIRMED);
		pressure |= flow_table_pressure(table);
		pass(1);
	}
	return pressure;
}

static void a_segment_that_turns_over_too_fast_is_pressure_and_a_slower_one_is_not(void **state)
{
	const uint64_t places = flow_table_capacity(table) / 8;

	(void)state;
	assert_false(starts(places / 20, 60)); /* in 20 s */
	assert_true(starts(places / 5, 30));   /* in 5 s */
	pass(FLOW_TABLE_YOUNG_S);
	assert_false(flow_table_pressure(table));
}

static void a_late_export_is_pressure_for_a_moment(void **state)
{
	(void)state;
	flow_table_late(table);
	assert_true(flow_table_pressure(table));
	pass(1);
	assert_true(flow_table_pressure(table));
	pass(1);
	assert_false(flow_table_pressure(table));
}

/* ---- the naive twin ----------------------------------------------------------------------------------- */

enum { TWINS = 4096 };

static struct twin {
	uint64_t tag; /* 0: nothing */
	uint64_t seen_s;
	uint16_t slot;
	uint8_t flags, kind;
} twins[TWINS];

static void check_twin(const struct twin *twin, uint64_t tag)
{
	const uint32_t life_s = twin->flags & SL_FLOW_IS_CLOSING ? SL_FLOW_CLOSING_S : LIFE_S;
	const bool known = twin->tag != 0 && now_s - twin->seen_s <= life_s;
	struct sl_flow flow;

	if (get(tag, &flow)) {
		assert_true(known);
		assert_int_equal(flow.slot, twin->slot);
		assert_int_equal(flow.flags, twin->flags & 3);
		assert_int_equal(flow.where, twin->flags & FLOW_TABLE_DUE);
		assert_int_equal(flow.age_s, now_s - twin->seen_s);
	} else { /* only what waits for its second packet may have been pushed out */
		assert_true(!known || twin->flags & SL_FLOW_IS_UNCONFIRMED);
	}
}

/* Millions of random steps in a table that is just large enough; tags that share buckets on purpose. */
static void random_steps_end_as_in_the_naive_twin(void **state)
{
	(void)state;
	flow_table_destroy(&dp_allocator_malloc, table);
	make(2 * TWINS, 0xffff - 3000);
	memset(twins, 0, sizeof(twins));
	for (uint64_t step = 0; step < 1000000; step++) {
		const uint64_t random = next_random();
		const unsigned int i = (unsigned int)(random % TWINS);
		const uint64_t tag = ((uint64_t)i * 0x9e3779b97f4a7c15ull) ^ 0x5555;
		struct twin *twin = &twins[i];

		switch (random >> 32 & 15) {
		case 0:
			flow_table_del(table, tag);
			twin->tag = 0;
			break;
		case 1:
			if (step % 3 == 0)
				pass(1);
			break;
		case 2: case 3: case 4: case 5: {
			const struct twin wanted = { tag, now_s, (uint16_t)(random >> 40 & SL_ROW_SLOT),
						     (uint8_t)(random >> 60 & 3) | (random >> 56 & 1 ? FLOW_TABLE_DUE : 0),
						     (uint8_t)(random >> 58 & 3) % SL_FLOW_KIND_COUNT };

			assert_true(flow_table_put(table, tag, wanted.slot, wanted.kind, wanted.flags) >= 0);
			*twin = wanted;
			break;
		}
		default:
			break;
		}
		check_twin(twin, tag);
	}
	for (unsigned int i = 0; i < TWINS; i++)
		check_twin(&twins[i], ((uint64_t)i * 0x9e3779b97f4a7c15ull) ^ 0x5555);
}

static void sizes_are_checked_and_memory_is_what_was_said(void **state)
{
	struct flow_table *other = NULL;

	(void)state;
	assert_int_equal(flow_table_create(&dp_allocator_malloc, 0, 1, &other), -22);
	assert_int_equal(flow_table_create(&dp_allocator_malloc, (uint64_t)SL_FLOWS_MAX + 1, 1, &other), -22);
	for (uint64_t flows = 1; flows < 100000; flows = flows * 3 + 1) {
		assert_int_equal(flow_table_create(&dp_allocator_malloc, flows, 1, &other), 0);
		assert_true(flow_table_capacity(other) * 80 >= flows * 100);
		flow_table_destroy(&dp_allocator_malloc, other);
	}
	flow_table_destroy(&dp_allocator_malloc, NULL);
	assert_true(flow_table_bytes(1000000) < 20 * 1024 * 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_remembered_is_found_with_its_state, setup, teardown),
		cmocka_unit_test_setup_teardown(an_unconfirmed_connection_becomes_a_confirmed_one_in_its_place, setup, teardown),
		cmocka_unit_test_setup_teardown(an_entry_lives_its_life_and_no_second_longer, setup, teardown),
		cmocka_unit_test_setup_teardown(the_asker_s_life_decides_on_lookup, setup, teardown),
		cmocka_unit_test_setup_teardown(data_after_a_fin_brings_the_connection_back, setup, teardown),
		cmocka_unit_test_setup_teardown(the_count_falls_when_entries_expire_in_silence, setup, teardown),
		cmocka_unit_test_setup_teardown(the_clock_comes_round_without_a_mistake, setup, teardown),
		cmocka_unit_test_setup_teardown(an_entry_of_the_longest_life_does_not_come_back_when_the_clock_has_come_round,
						setup, teardown),
		cmocka_unit_test_setup_teardown(after_a_gap_in_which_ages_were_lost_nothing_is_remembered, setup, teardown),
		cmocka_unit_test_setup_teardown(a_clock_that_stands_or_goes_back_is_borne, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_table_refuses_and_keeps_every_confirmed_entry, setup, teardown),
		cmocka_unit_test_setup_teardown(pressure_begins_above_80_percent_and_ends_below_70, setup, teardown),
		cmocka_unit_test_setup_teardown(pressure_ends_when_a_flood_has_expired, setup, teardown),
		cmocka_unit_test_setup_teardown(newer_starts_push_older_ones_out, setup, teardown),
		cmocka_unit_test_setup_teardown(a_segment_that_turns_over_too_fast_is_pressure_and_a_slower_one_is_not, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_late_export_is_pressure_for_a_moment, setup, teardown),
		cmocka_unit_test_setup_teardown(random_steps_end_as_in_the_naive_twin, setup, teardown),
		cmocka_unit_test(sizes_are_checked_and_memory_is_what_was_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
