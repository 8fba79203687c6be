/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections over several workers and several lives of sluice-dp: whoever saw one last is right, whatever is told
 * late, and nobody remembers what the file has forgotten.
 */
#include "tests/support/flow_fixture.h"

static void a_connection_is_found_by_every_worker_and_by_the_next_sluice_dp(void **state)
{
	(void)state;
	put(0, 1, 5, 0);
	put(1, 2, 6, SL_FLOW_IS_UNCONFIRMED);
	assert_int_equal(data(1, 1), -1); /* not told yet */
	tick();
	assert_int_equal(data(1, 1), 5);
	assert_int_equal(stats[1].flow[SL_FLOW_COUNT_FOUND_SHARED], 1);
	assert_int_equal(data(1, 1), 5);
	assert_int_equal(stats[1].flow[SL_FLOW_COUNT_FOUND_SHARED], 1); /* its own now */
	assert_int_equal(data(2, 2), -1); /* its second packet has not been seen */
	assert_int_equal(data(1, 2), 6);
	tick();
	assert_int_equal(live().used, 2);
	stop();
	start(1);
	assert_int_equal(data(0, 1), 5);
	assert_int_equal(data(0, 2), 6);
	stop();
	start(WORKERS + 1);
	assert_int_equal(data(WORKERS, 1), 5);
	assert_int_equal(data(WORKERS, 2), 6);
}

static void what_an_icmp_error_quotes_is_found_and_leaves_no_trace(void **state)
{
	struct sl_packet pkt = packet(1);
	struct sl_flow found = { .slot = 9 };

	(void)state;
	put(0, 1, 5, 0);
	tick();
	pass(10);
	assert_int_equal(quoted(1, 1), 5);
	assert_int_equal(flow_table_used(env[1].flows), 0);
	pkt.flags |= SL_PKT_QUOTED;
	assert_int_not_equal(sl_env_flow_put(&env[1], &pkt, 9, 0), 0);
	sl_env_flow_touch(&env[0], &pkt, &found, SL_FLOW_IS_CLOSING);
	sl_env_flow_del(&env[0], &pkt, &found);
	tick();
	assert_int_equal(quoted(0, 1), 5);
	assert_int_equal(quoted(2, 1), 5);
}

static void a_start_replaces_what_is_remembered_everywhere(void **state)
{
	(void)state;
	put(0, 1, 5, 0);
	tick();
	assert_int_equal(data(1, 1), 5); /* worker 1 has it too now */
	pass(3);
	restart(0, 1, 8, true);
	assert_int_equal(data(0, 1), 8); /* and is confirmed by that packet */
	tick();
	assert_int_equal(data(2, 1), 8);
	assert_int_equal(data(1, 1), 8); /* its own is older */
}

/* The row is closed by then: nothing is stored, but the old entry must not be found again, anywhere. */
static void a_start_in_a_closed_row_forgets_everywhere_and_at_once(void **state)
{
	(void)state;
	put(0, 1, 5, 0);
	tick();
	assert_int_equal(data(1, 1), 5);
	pass(3);
	restart(0, 1, 0, false);
	assert_int_equal(data(0, 1), -1); /* the manager has not heard of it yet */
	tick();
	for (unsigned int w = 0; w < WORKERS; w++)
		assert_int_equal(data(w, 1), -1);
	stop();
	start(2);
	assert_int_equal(data(0, 1), -1);
	put(1, 1, 9, 0);
	tick();
	assert_int_equal(data(0, 1), 9);
}

static void a_connection_that_moved_between_workers_goes_where_it_was_seen_last(void **state)
{
	(void)state;
	put(0, 1, 5, 0);
	tick();
	pass(3);
	restart(1, 1, 8, true);
	assert_int_equal(data(1, 1), 8);
	tick();
	pass(3);
	assert_int_equal(data(0, 1), 8);
	pass(1);
	assert_int_equal(data(0, 1), 8); /* its own was corrected */
}

static void closing_and_data_after_it_are_told(void **state)
{
	struct sl_packet pkt = packet(1);
	struct sl_flow found;

	(void)state;
	put(0, 1, 5, 0);
	assert_true(sl_env_flow_get(&env[0], &pkt, &found));
	sl_env_flow_touch(&env[0], &pkt, &found, SL_FLOW_IS_CLOSING);
	tick();
	pass(SL_FLOW_CLOSING_S);
	assert_int_equal(quoted(1, 1), 5);
	pass(1);
	assert_int_equal(quoted(1, 1), -1);
	assert_int_equal(quoted(0, 1), -1);
	put(0, 1, 5, SL_FLOW_IS_CLOSING);
	assert_true(sl_env_flow_get(&env[0], &pkt, &found));
	sl_env_flow_touch(&env[0], &pkt, &found, 0);
	tick();
	pass(SL_FLOW_CLOSING_S + 5);
	assert_int_equal(quoted(1, 1), 5);
}

/* A worker without room of its own tells the file what it sees, and believes it. */
static void a_worker_whose_table_is_full_tells_ends_and_data_after_them_all_the_same(void **state)
{
	struct sl_packet pkt;
	struct sl_flow found;
	uint64_t flow = 1;

	(void)state;
	while (flow_table_used(env[1].flows) < flow_table_capacity(env[1].flows) * 95 / 100)
		flow_table_put(env[1].flows, ++flow * 0x9e3779b97f4a7c15ull, 7, SL_FLOW_TCP, 0);
	do { /* one that finds both of its buckets full */
		put(0, ++flow, 5, 0);
		tick();
		pkt = packet(flow);
		assert_int_equal(data(1, flow), 5);
	} while (flow_table_get(env[1].flows, pkt.tag, LIFE_S, &found));
	assert_true(sl_env_flow_get(&env[1], &pkt, &found));
	sl_env_flow_touch(&env[1], &pkt, &found, SL_FLOW_IS_CLOSING);
	tick();
	assert_true(sl_env_flow_get(&env[1], &pkt, &found));
	assert_int_equal(found.flags, SL_FLOW_IS_CLOSING);
	sl_env_flow_touch(&env[1], &pkt, &found, 0);
	tick();
	assert_false(flow_table_get(env[1].flows, pkt.tag, LIFE_S, &found));
	pass(SL_FLOW_CLOSING_S + 5);
	assert_int_equal(quoted(2, flow), 5);
}

/* The RST of the old connection and the new one come by two workers in one second, whose rings are read in any order. */
static void a_reset_that_is_told_after_the_next_connection_of_its_ports_does_not_end_that(void **state)
{
	(void)state;
	for (unsigned int first = 0; first < 2; first++) {
		const uint64_t flow = 1 + first;

		put(1 - first, flow, 5, SL_FLOW_IS_CLOSING);
		put(first, flow, 8, SL_FLOW_IS_UNCONFIRMED);
		assert_int_equal(data(first, flow), 8);
	}
	tick();
	stop();
	start(1);
	assert_int_equal(data(0, 1), 8);
	assert_int_equal(data(0, 2), 8);
	put(0, 1, 8, SL_FLOW_IS_CLOSING); /* its own end is believed */
	tick();
	stop();
	start(1);
	restart(0, 1, 9, false);
	assert_int_equal(data(0, 1), -1);
}

/* A request, then FIN, then a long answer: only ACKs come, and they keep it in the file too. */
static void a_half_closed_connection_that_goes_on_is_not_forgotten_by_the_file(void **state)
{
	struct sl_packet pkt = packet(1);
	struct sl_flow found;

	(void)state;
	pool.pool.idle_s[SL_FLOW_TCP] = 3600;
	put(0, 1, 5, 0);
	assert_true(sl_env_flow_get(&env[0], &pkt, &found));
	sl_env_flow_touch(&env[0], &pkt, &found, SL_FLOW_IS_CLOSING);
	for (int i = 0; i < 20; i++) {
		pass(SL_FLOW_CLOSING_S / 4);
		assert_int_equal(data(0, 1), 5);
		tick();
		pass(SL_FLOW_CLOSING_S / 2);
		assert_int_equal(quoted(0, 1), 5);
		assert_int_equal(quoted(1, 1), 5);
	}
	stop();
	start(WORKERS);
	assert_int_equal(data(2, 1), 5);
	for (int s = 0; s <= SL_FLOW_CLOSING_S; s++, pass(1)) /* and no worker outlives the file */
		assert_true(quoted(1, 1) == 5 || quoted(2, 1) == -1);
	assert_int_equal(quoted(2, 1), -1);
}

/* The row opened since: another worker remembers anew what this one knows to be forgotten. */
static void what_one_worker_forgot_another_may_have_learnt_since(void **state)
{
	(void)state;
	put(0, 1, 5, 0);
	tick();
	pass(3);
	restart(0, 1, 0, false);
	tick();
	assert_int_equal(data(0, 1), -1);
	pass(3);
	put(1, 1, 9, 0);
	tick();
	assert_int_equal(data(0, 1), 9);
}

/* However often a connection is seen, the file is written once an eighth of its life, and is never that much behind. */
static void the_shared_entry_lags_at_most_an_eighth_of_a_life(void **state)
{
	uint64_t told = 0;

	(void)state;
	put(0, 1, 5, 0);
	tick();
	for (uint64_t s = 0; s < 10 * LIFE_S; s++) {
		const uint64_t head = env[0].exports->head;
		struct sl_packet pkt = packet(1);
		struct sl_flow_entry entry = { 0 };

		for (int i = 0; i < 20; i++)
			assert_int_equal(data(0, 1), 5);
		told += env[0].exports->head - head;
		tick();
		assert_true(sl_flow_find(env[1].shared.bucket, env[1].shared.buckets, pkt.tag, &entry));
		assert_in_range(sl_flow_age_s((uint16_t)now_s, entry.seen_s), 0, LIFE_S / 8);
		pass(1);
	}
	assert_in_range(told, 70, 90);
}

/* sluiced closes a row when the file names it no more: no worker may know better. */
static void no_worker_remembers_longer_than_the_file(void **state)
{
	(void)state;
	for (uint64_t offset = 0; offset < LIFE_S / 4; offset++) {
		const uint64_t flow = 100 + offset;

		put(0, flow, 5, 0);
		tick();
		pass(offset);
		assert_int_equal(data(0, flow), 5);
		for (uint64_t s = 0; s <= LIFE_S; s++) {
			const struct sl_packet pkt = packet(flow);
			struct sl_flow_entry entry;
			const bool in_file = sl_flow_find(env[0].shared.bucket, env[0].shared.buckets, pkt.tag, &entry) &&
					     sl_flow_entry_lives(&entry, (uint16_t)now_s, LIFE_S);

			assert_true(in_file || quoted(0, flow) < 0);
			assert_true(s > IDLE_S || quoted(0, flow) == 5);
			pass(1);
		}
	}
}

static void the_row_in_the_file_is_where_the_connection_was_seen_last(void **state)
{
	struct sl_packet pkt = packet(1);
	struct sl_flow found;

	(void)state;
	put(0, 1, 5, 0);
	tick();
	pass(LIFE_S / 8 + 1);
	pkt.row = 4242;
	assert_true(sl_env_flow_get(&env[0], &pkt, &found));
	sl_env_flow_touch(&env[0], &pkt, &found, 0);
	tick();
	for (uint64_t at = 0; at < env[0].shared.buckets; at++)
		for (int way = 0; way < SL_FLOW_WAYS; way++)
			if (env[0].shared.bucket[at].tag[way] == pkt.tag) {
				const struct sl_flow_home *home =
					(const struct sl_flow_home *)(env[0].shared.bucket + env[0].shared.buckets) + at;

				assert_int_equal(home->row[way], 4242);
				assert_int_equal(home->pool[way], POOL);
				return;
			}
	fail();
}

static void a_full_ring_is_pressure_and_the_next_packet_tells_it(void **state)
{
	uint64_t flow = 1;

	(void)state;
	while (stats[0].flow[SL_FLOW_COUNT_EXPORT_LATE] == 0)
		assert_int_equal(put(0, flow++, 5, 0), 0);
	assert_int_equal(flow - 1, FLOW_EXPORT_RING + 1);
	assert_true(sl_env_flow_pressure(&env[0]));
	restart(0, 7, 0, false); /* cannot be told either */
	tick();
	assert_int_equal(live().pressure, 1);
	assert_int_equal(live().pressure_s, now_s);
	assert_int_equal(quoted(1, flow - 1), -1);
	assert_int_equal(data(0, flow - 1), 5);
	assert_int_equal(data(0, 7), -1);
	tick();
	assert_int_equal(quoted(1, flow - 1), 5);
	assert_int_equal(quoted(1, 7), -1);
	assert_int_equal(quoted(1, 8), 5);
	pass(3);
	assert_int_equal(live().pressure, 0);
	assert_int_equal(live().pressure_s, now_s - 2);
}

static void a_full_file_is_pressure_for_all_workers_until_entries_expire(void **state)
{
	uint64_t flow = 0;

	(void)state;
	while (!flow_keeper_pressure(keeper)) {
		for (int i = 0; i < 1000; i++, flow++)
			put((unsigned int)(flow % WORKERS), flow + 1, 5, 0);
		tick();
	}
	for (unsigned int w = 0; w < WORKERS; w++)
		assert_true(sl_env_flow_pressure(&env[w]));
	assert_true(live().used * 100 > live().capacity * 80);
	assert_int_equal(live().pressure, 1);
	pass(LIFE_S + FLOW_TABLE_SWEEP_S + 2);
	assert_int_equal(live().used, 0);
	assert_int_equal(live().pressure, 0);
	assert_false(sl_env_flow_pressure(&env[0]));
	assert_int_equal(live().swept_s, now_s);
}

/* Below 80 % one of a dozen connections finds both of its buckets full: what its start stored serves as long as it goes on. */
static void a_connection_that_is_refused_lives_on_as_its_start_was_stored(void **state)
{
	uint64_t flow = 1, refused = 0;

	(void)state;
	for (unsigned int w = 0; w < workers; w++)
		env[w].shared.bucket = NULL; /* a file that refuses, too, is like none */
	while (flow_table_used(env[0].flows) * 100 < flow_table_capacity(env[0].flows) * 79)
		put(0, flow++, 5, 0);
	while (refused == 0) {
		const uint64_t before = stats[0].flow[SL_FLOW_COUNT_REFUSED];

		put(0, ++flow, 8, SL_FLOW_IS_UNCONFIRMED);
		assert_int_equal(data(0, flow), 8);
		if (stats[0].flow[SL_FLOW_COUNT_REFUSED] > before)
			refused = flow;
	}
	for (uint64_t s = 0; s < 2 * LIFE_S; s++) {
		pass(1);
		for (uint64_t other = 1; s % (LIFE_S / 3) == 0 && other < flow; other++)
			data(0, other);
		assert_int_equal(data(0, refused), 8);
	}
	assert_true(stats[0].flow[SL_FLOW_COUNT_REFUSED] > 2 * LIFE_S / ENV_FLOW_ASK_S); /* there was no room all the time */
}

/* ---- the naive twin ----------------------------------------------------------------------------------- */

/* Flows that move between workers all the time: wherever they turn up, the last word counts. */
static void random_steps_end_as_in_the_naive_twin(void **state)
{
	enum { TWINS = 500 };
	static struct { uint64_t seen_s; int slot; } twin[TWINS + 1];
	uint64_t random = 88172645463325252ull;

	(void)state;
	memset(twin, 0xff, sizeof(twin));
	for (int step = 0; step < 60000; step++) {
		unsigned int w, flow;
		bool known;
		int slot;

		random = random * 6364136223846793005ull + 1442695040888963407ull;
		w = (unsigned int)(random >> 40) % workers;
		flow = 1 + (unsigned int)(random >> 20 & 0xfffff) % TWINS;
		if ((random >> 60) == 0)
			pass(3); /* moves take longer than ENV_FLOW_ASK_S */
		known = twin[flow].slot >= 0 && now_s - twin[flow].seen_s <= IDLE_S;
		slot = (random >> 50 & 15) == 1 ? quoted(w, flow) : data(w, flow);
		if (known && slot != twin[flow].slot)
			fail_msg("step %d: flow %u is at %d, worker %u says %d", step, flow, twin[flow].slot, w, slot);
		if (twin[flow].slot < 0)
			assert_int_equal(slot, -1);
		if (slot >= 0 && (random >> 50 & 15) != 1)
			twin[flow].seen_s = now_s;
		if ((random >> 50 & 15) == 2) {
			restart(w, flow, (uint16_t)(step % 100), true);
			assert_int_equal(data(w, flow), step % 100);
			twin[flow].slot = step % 100;
			twin[flow].seen_s = now_s;
		} else if ((random >> 50 & 15) == 3) {
			restart(w, flow, 0, false);
			twin[flow].slot = -1;
		}
		pass((random >> 50 & 15) == 2 || (random >> 50 & 15) == 3 ? 2 : 0);
		tick();
		if (step % 10000 == 9999) {
			stop();
			start(1 + (unsigned int)(random >> 33) % WORKERS);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_connection_is_found_by_every_worker_and_by_the_next_sluice_dp, setup, teardown),
		cmocka_unit_test_setup_teardown(what_an_icmp_error_quotes_is_found_and_leaves_no_trace, setup, teardown),
		cmocka_unit_test_setup_teardown(a_start_replaces_what_is_remembered_everywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(a_start_in_a_closed_row_forgets_everywhere_and_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_connection_that_moved_between_workers_goes_where_it_was_seen_last, setup, teardown),
		cmocka_unit_test_setup_teardown(closing_and_data_after_it_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(a_worker_whose_table_is_full_tells_ends_and_data_after_them_all_the_same,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_reset_that_is_told_after_the_next_connection_of_its_ports_does_not_end_that,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_half_closed_connection_that_goes_on_is_not_forgotten_by_the_file, setup, teardown),
		cmocka_unit_test_setup_teardown(what_one_worker_forgot_another_may_have_learnt_since, setup, teardown),
		cmocka_unit_test_setup_teardown(the_shared_entry_lags_at_most_an_eighth_of_a_life, setup, teardown),
		cmocka_unit_test_setup_teardown(no_worker_remembers_longer_than_the_file, setup, teardown),
		cmocka_unit_test_setup_teardown(the_row_in_the_file_is_where_the_connection_was_seen_last, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_ring_is_pressure_and_the_next_packet_tells_it, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_file_is_pressure_for_all_workers_until_entries_expire, setup, teardown),
		cmocka_unit_test_setup_teardown(a_connection_that_is_refused_lives_on_as_its_start_was_stored, setup, teardown),
		cmocka_unit_test_setup_teardown(random_steps_end_as_in_the_naive_twin, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
