/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of fragmented datagrams against a naive twin that forgets nothing, its bounds under floods, and what
 * other threads may see of it. The stretches of one datagram against a bitmap.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "dataplane/fragment_table.h"
#include "dataplane/fragment_wait.h"

enum { MS = 1000000, TWIN_MAX = 4000 };

static const struct sl_key flow_key = {3, 4};
static uint64_t random_state = 1;

static uint64_t draw(uint64_t below)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (random_state >> 33) % below;
}

static struct fragment_table *table_make(void)
{
	struct fragment_table *table = aligned_alloc(64, fragment_table_size());

	if (!table)
		abort();
	memset(table, 0, fragment_table_size());
	return table;
}

static struct sl_packet packet_of(uint32_t source, uint32_t id)
{
	struct sl_packet pkt = {.flags = SL_PKT_FRAGMENT | SL_PKT_FRAGMENT_MORE, .proto = 17, .frag_len = 1480};

	pkt.key.src = sl_addr_from_v4(source);
	pkt.key.dst = sl_addr_from_v4(7);
	pkt.frag_id = id;
	return pkt;
}

static void put(struct fragment_table *table, uint32_t source, uint32_t id, uint16_t slot, uint64_t now_ns)
{
	struct sl_packet pkt = packet_of(source, id);
	struct sl_datagram datagram;

	pkt.slot = slot;
	sl_datagram_begin(&datagram, &pkt, SL_VERDICT_FORWARD);
	fragment_table_put(table, fragment_source(&flow_key, &pkt), sl_datagram_tag(&flow_key, &pkt), now_ns, &datagram);
}

/* The slot that is remembered, or -1. */
static int find(struct fragment_table *table, uint32_t source, uint32_t id, uint64_t now_ns)
{
	const struct sl_packet pkt = packet_of(source, id);
	const struct sl_datagram *found = fragment_table_find(table, fragment_source(&flow_key, &pkt),
							      sl_datagram_tag(&flow_key, &pkt), now_ns);

	return found ? found->answer.slot : -1;
}

/* ---- the table ---------------------------------------------------------------------------------------- */

static void it_never_says_what_its_twin_does_not(void **state)
{
	static struct { uint32_t source, id; uint16_t slot; uint64_t born_ns; } twin[TWIN_MAX];
	struct fragment_table *table = table_make();
	uint64_t now_ns = 0;
	unsigned int known = 0, alive = 0;

	(void)state;
	for (unsigned int i = 0; i < TWIN_MAX; i++) {
		now_ns += draw(2) * MS;
		twin[i].source = (uint32_t)draw(3000);
		twin[i].id = (uint32_t)draw(4);
		twin[i].slot = (uint16_t)draw(1000);
		twin[i].born_ns = now_ns;
		put(table, twin[i].source, twin[i].id, twin[i].slot, now_ns);
	}
	for (unsigned int i = 0; i < TWIN_MAX; i++) {
		const bool old = now_ns / MS - twin[i].born_ns / MS > SL_DATAGRAM_LIFE_MS;
		bool last = true;
		int found;

		for (unsigned int j = i + 1; j < TWIN_MAX; j++)
			last &= twin[j].source != twin[i].source || twin[j].id != twin[i].id;
		if (!last)
			continue;
		found = find(table, twin[i].source, twin[i].id, now_ns);
		assert_true(found == -1 || (found == twin[i].slot && !old));
		alive += !old;
		known += found != -1;
	}
	assert_int_equal(known, alive); /* far below its capacity it forgets nothing either */
	free(table);
}

static void one_source_keeps_its_newest_and_pushes_out_nobody(void **state)
{
	struct fragment_table *table = table_make();

	(void)state;
	for (uint32_t source = 100; source < 1100; source++)
		put(table, source, 1, (uint16_t)source, 0);
	for (uint32_t id = 1; id <= 100000; id++)
		put(table, 1, id, 5, MS);
	for (uint32_t source = 100; source < 1100; source++)
		assert_int_equal(find(table, source, 1, MS), source);
	for (uint32_t id = 100000; id > 100000 - FRAGMENT_WAYS_SOURCE; id--)
		assert_int_equal(find(table, 1, id, MS), 5);
	assert_int_equal(find(table, 1, 100000 - FRAGMENT_WAYS_SOURCE, MS), -1);
	free(table);
}

static void a_flood_of_sources_leaves_time_for_datagrams_in_order(void **state)
{
	struct fragment_table *table = table_make();
	unsigned int lost = 0;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		put(table, 50000 + i, 1, 9, i);
		for (uint32_t other = 0; other < 1000; other++) /* 1 ms of a million fragments a second */
			put(table, (uint32_t)draw(UINT32_MAX), other, 1, i);
		lost += find(table, 50000 + i, 1, i) != 9;
	}
	assert_int_equal(lost, 0);
	free(table);
}

static void it_forgets_after_two_seconds_and_no_sooner(void **state)
{
	struct fragment_table *table = table_make();

	(void)state;
	put(table, 1, 1, 5, 100ull * MS);
	assert_int_equal(find(table, 1, 1, (100ull + SL_DATAGRAM_LIFE_MS) * MS), 5);
	assert_int_equal(find(table, 1, 1, (101ull + SL_DATAGRAM_LIFE_MS) * MS), -1);
	assert_int_equal(find(table, 1, 1, 99ull * MS), 5); /* another core's clock may be behind */
	free(table);
}

static void an_ipv6_source_is_its_64_bits(void **state)
{
	struct sl_packet one = packet_of(1, 1), other = one;

	(void)state;
	one.flags = other.flags |= SL_PKT_V6;
	one.key.src = (struct sl_addr){.d = {7, 1}};
	other.key.src = (struct sl_addr){.d = {7, 2}};
	assert_true(fragment_source(&flow_key, &one) == fragment_source(&flow_key, &other));
	other.key.src.d[0] = 8;
	assert_true(fragment_source(&flow_key, &one) != fragment_source(&flow_key, &other));
	assert_true(sl_datagram_tag(&flow_key, &one) != sl_datagram_tag(&flow_key, &other));
}

static void what_another_worker_decided_is_taken_over_and_not_kept_alive(void **state)
{
	struct fragment_tables tables = {.count = 2, .own = 1, .table = {table_make(), table_make()}};
	const struct sl_packet pkt = packet_of(1, 1);
	const uint64_t source = fragment_source(&flow_key, &pkt), tag = sl_datagram_tag(&flow_key, &pkt);
	struct sl_datagram *found;

	(void)state;
	assert_null(fragment_tables_find(&tables, source, tag, MS));
	put(tables.table[0], 1, 1, 5, MS);
	found = fragment_tables_find(&tables, source, tag, 1000ull * MS);
	assert_non_null(found);
	assert_int_equal(found->answer.slot, 5);
	assert_int_equal(sl_datagram_take(found, 180, 370, 1), SL_DATAGRAM_OVERLAPS); /* the first one's length came along */
	assert_int_equal(fragment_table_puts(tables.table[1]), 1);
	assert_null(fragment_tables_find(&tables, source, tag, (2ull + SL_DATAGRAM_LIFE_MS) * MS));
	free(tables.table[0]);
	free(tables.table[1]);
}

/* ---- one datagram ------------------------------------------------------------------------------------- */

/* Takes random stretches and compares with a bitmap of what was seen. */
static void stretches_are_taken_as_a_bitmap_says(void **state)
{
	unsigned int taken = 0, refused = 0, scattered = 0;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct sl_packet pkt = packet_of(1, 1);
		struct sl_datagram datagram;
		uint8_t seen[64] = {0};
		unsigned int from, to = 0;
		int fit = SL_DATAGRAM_NEW;

		pkt.frag_len = (uint16_t)(8 * (1 + draw(4)));
		sl_datagram_begin(&datagram, &pkt, SL_VERDICT_FORWARD);
		memset(seen, 1, pkt.frag_len / 8);
		while (fit == SL_DATAGRAM_NEW || fit == SL_DATAGRAM_SCATTERED) {
			const struct sl_datagram before = datagram;
			bool overlaps = false;

			from = 1 + (unsigned int)draw(50);
			to = from + 1 + (unsigned int)draw(6);
			for (unsigned int i = from; i < to; i++)
				overlaps |= seen[i];
			fit = sl_datagram_take(&datagram, from, to, 1);
			if (fit == SL_DATAGRAM_AGAIN) {
				assert_true(from == before.last.from && to == before.last.to);
				break;
			}
			assert_int_equal(fit == SL_DATAGRAM_OVERLAPS, overlaps);
			if (fit == SL_DATAGRAM_NEW) {
				memset(seen + from, 1, to - from);
				taken++;
			}
			scattered += fit == SL_DATAGRAM_SCATTERED;
		}
		if (fit == SL_DATAGRAM_OVERLAPS) {
			refused++;
			assert_int_equal(sl_datagram_take(&datagram, 60, 61, 1), SL_DATAGRAM_OVERLAPS);
		}
	}
	assert_true(taken > 20000 && refused > 10000 && scattered > 0);
}

static void a_datagram_is_whole_when_its_end_and_all_before_it_were_seen(void **state)
{
	struct sl_packet pkt = packet_of(1, 1);
	struct sl_datagram datagram;

	(void)state;
	sl_datagram_begin(&datagram, &pkt, SL_VERDICT_FORWARD);
	assert_int_equal(sl_datagram_take(&datagram, 370, 400, 0), SL_DATAGRAM_NEW);
	assert_false(sl_datagram_is_whole(&datagram));
	assert_int_equal(sl_datagram_take(&datagram, 185, 370, 1), SL_DATAGRAM_NEW);
	assert_true(sl_datagram_is_whole(&datagram));
}

/* ---- those that wait ---------------------------------------------------------------------------------- */

static struct fragment_waiting waiting_of(uintptr_t number, uint64_t source)
{
	return (struct fragment_waiting){.mbuf = (struct rte_mbuf *)number, .tag = number, .source = source, .since_ns = number};
}

static void a_source_with_its_share_gives_up_its_own_oldest(void **state)
{
	struct fragment_wait wait = {0};
	struct fragment_waiting victim = waiting_of(1, 77), gone;

	(void)state;
	assert_null(fragment_wait_add(&wait, &victim).mbuf);
	for (uintptr_t i = 2; i < 10000; i++) {
		const struct fragment_waiting one = waiting_of(i, 5);

		gone = fragment_wait_add(&wait, &one);
		assert_ptr_equal(gone.mbuf, i < 2 + FRAGMENT_WAIT_SOURCE ? 0 : i - FRAGMENT_WAIT_SOURCE);
	}
	assert_int_equal(wait.count, 1 + FRAGMENT_WAIT_SOURCE);
	assert_int_equal(wait.entry[0].source, 77);
}

static void when_all_places_are_taken_the_oldest_goes(void **state)
{
	struct fragment_wait wait = {0};

	(void)state;
	for (uintptr_t i = 1; i <= 1000; i++) {
		const struct fragment_waiting one = waiting_of(i, i);
		const struct fragment_waiting gone = fragment_wait_add(&wait, &one);

		assert_ptr_equal(gone.mbuf, i <= FRAGMENT_WAIT_MAX ? 0 : i - FRAGMENT_WAIT_MAX);
	}
	assert_int_equal(wait.count, FRAGMENT_WAIT_MAX);
}

static void they_take_a_turn_by_what_was_learnt_or_by_age(void **state)
{
	struct fragment_wait wait = {0};
	struct fragment_waiting got;
	unsigned int at = 0;

	(void)state;
	for (uintptr_t i = 1; i <= 10; i++) {
		const struct fragment_waiting one = waiting_of(i, i);

		fragment_wait_add(&wait, &one);
	}
	assert_true(fragment_wait_take(&wait, &at, 3, 1ull << 7, &got));
	assert_int_equal(got.tag, 1);
	assert_true(fragment_wait_take(&wait, &at, 3, 1ull << 7, &got));
	assert_int_equal(got.tag, 2);
	assert_true(fragment_wait_take(&wait, &at, 3, 1ull << 7, &got));
	assert_int_equal(got.tag, 7);
	assert_false(fragment_wait_take(&wait, &at, 3, 1ull << 7, &got));
	assert_int_equal(wait.count, 7);
	fragment_wait_add(&wait, &got); /* waits on, in its old place */
	assert_int_equal(wait.entry[4].tag, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_never_says_what_its_twin_does_not),
		cmocka_unit_test(one_source_keeps_its_newest_and_pushes_out_nobody),
		cmocka_unit_test(a_flood_of_sources_leaves_time_for_datagrams_in_order),
		cmocka_unit_test(it_forgets_after_two_seconds_and_no_sooner),
		cmocka_unit_test(an_ipv6_source_is_its_64_bits),
		cmocka_unit_test(what_another_worker_decided_is_taken_over_and_not_kept_alive),
		cmocka_unit_test(stretches_are_taken_as_a_bitmap_says),
		cmocka_unit_test(a_datagram_is_whole_when_its_end_and_all_before_it_were_seen),
		cmocka_unit_test(a_source_with_its_share_gives_up_its_own_oldest),
		cmocka_unit_test(when_all_places_are_taken_the_oldest_goes),
		cmocka_unit_test(they_take_a_turn_by_what_was_learnt_or_by_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
