/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * selection.md 8: each test is a timeline with one right answer, and those of the same kind beside them, on the
 * forwarding core with real tables and the real row history. T4, T7 and T14 are in test_memory_timelines.c, T13 in
 * test_model_rows.c; T5 is about balancers that share. Every one runs with IPv4 and IPv6 clients.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "controlplane/maglev.h"
#include "tests/support/timeline.h"

enum { CLIENTS = 400 };

/* ---- what a row was */

static void a_connection_idle_through_two_changes_stays_where_it_began(void **state) /* T1 */
{
	struct timeline *t = *state;
	const struct client f = web(1), g = web(2), h = web(3);

	assert_int_equal(timeline_connects(t, f), A);
	timeline_moves(t, B);
	timeline_pass(t, 100);
	assert_int_equal(timeline_connects(t, g), B);
	timeline_moves(t, C);
	timeline_pass(t, 100);
	assert_int_equal(timeline_connects(t, h), C);
	assert_int_equal(timeline_goes(t, f, DATA), A);
	assert_int_equal(timeline_goes(t, g, DATA), B);
	timeline_moves(t, A); /* A→B→C→A: home again, and nobody placed elsewhere meanwhile is lost */
	assert_int_equal(timeline_open(t, SL_FLOW_TCP), 0);
	assert_int_equal(timeline_goes(t, h, DATA), C);
	assert_int_equal(timeline_goes(t, g, DATA), B);
	assert_int_equal(timeline_goes(t, f, DATA), A);
}

static void a_probe_that_fails_for_a_moment_breaks_nothing(void **state) /* T2 */
{
	struct timeline *t = *state;
	const struct client f = web(1), g = web(2), busy = web(3);

	assert_int_equal(timeline_connects(t, f), A);
	assert_int_equal(timeline_connects(t, busy), A);
	timeline_state(t, A, SL_BACKEND_LINGERING);
	timeline_moves(t, B);
	assert_int_equal(timeline_goes(t, busy, DATA), A); /* linger */
	assert_int_equal(timeline_connects(t, g), B);
	timeline_pass(t, 20);
	timeline_state(t, A, SL_BACKEND_UP);
	timeline_moves(t, A);
	assert_int_equal(timeline_open(t, SL_FLOW_TCP), 0);
	assert_int_equal(timeline_goes(t, f, DATA), A);
	assert_int_equal(timeline_goes(t, busy, DATA), A);
	assert_int_equal(timeline_goes(t, g, DATA), B);
	assert_int_equal(timeline_connects(t, web(4)), A);
}

static void ten_flaps_break_nothing(void **state)
{
	struct timeline *t = *state;
	const struct client f = web(1);

	assert_int_equal(timeline_connects(t, f), A);
	for (uint16_t i = 0; i < 10; i++) {
		const uint16_t other = i % 2 == 0 ? B : C;

		timeline_state(t, A, SL_BACKEND_LINGERING);
		timeline_moves(t, other);
		assert_int_equal(timeline_connects(t, web((uint16_t)(10 + i))), other);
		timeline_pass(t, 7);
		timeline_state(t, A, SL_BACKEND_UP);
		timeline_moves(t, A);
		timeline_pass(t, 7);
	}
	for (uint16_t i = 0; i < 10; i++)
		assert_int_equal(timeline_goes(t, web((uint16_t)(10 + i)), DATA), i % 2 == 0 ? B : C);
	assert_int_equal(timeline_goes(t, f, DATA), A);
}

static void a_port_reused_after_the_row_closed_goes_to_current_and_stays(void **state) /* T3 */
{
	struct timeline *t = *state;
	const struct client ended = web(1), silent = web(2), gone = web(3);

	timeline_connects(t, ended);
	timeline_connects(t, silent);
	timeline_connects(t, gone);
	timeline_state(t, A, SL_BACKEND_DRAINING);
	timeline_moves(t, B);
	timeline_pass(t, TIMELINE_TCP_S - 10);
	assert_int_equal(timeline_goes(t, ended, FIN), A); /* remembered at A from here on */
	assert_int_equal(timeline_goes(t, silent, DATA), A);
	assert_int_equal(timeline_goes(t, gone, DATA), A);
	timeline_state(t, A, SL_BACKEND_UP); /* no hold any more */
	timeline_pass(t, 20);
	assert_int_equal(timeline_open(t, SL_FLOW_TCP), 0);
	assert_int_equal(timeline_goes(t, silent, ACK), A);
	assert_int_equal(timeline_connects(t, ended), B); /* the end was seen: at once */
	timeline_state(t, A, SL_BACKEND_DRAINING);
	timeline_pass(t, SL_FLOW_HANDSHAKE_S);
	assert_int_equal(timeline_connects(t, silent), B); /* its backend takes no new ones */
	timeline_state(t, A, SL_BACKEND_GONE);
	assert_int_equal(timeline_connects(t, gone), B);
	timeline_pass(t, 100);
	assert_int_equal(timeline_goes(t, ended, DATA), B);
	assert_int_equal(timeline_goes(t, silent, DATA), B);
	assert_int_equal(timeline_goes(t, gone, DATA), B);
}

static void a_removed_base_hands_over_to_where_starts_went(void **state) /* T6 */
{
	struct timeline *t = *state;
	const struct client before = web(1), after = web(2);

	timeline_moves(t, B);
	assert_int_equal(timeline_connects(t, before), B);
	timeline_state(t, A, SL_BACKEND_GONE);
	assert_int_equal(timeline_open(t, SL_FLOW_TCP), 0);
	assert_int_equal(timeline_connects(t, after), B);
	timeline_pass(t, 60);
	timeline_moves(t, C);
	assert_int_equal(timeline_goes(t, before, DATA), B);
	assert_int_equal(timeline_goes(t, after, DATA), B);
	assert_int_equal(timeline_connects(t, web(3)), C);
}

static void a_drain_of_two_hours_keeps_a_connection_silent_for_ninety_minutes(void **state) /* T9 */
{
	struct timeline *t = *state;
	const struct client f = web(1);

	assert_int_equal(timeline_connects(t, f), A);
	timeline_state(t, A, SL_BACKEND_DRAINING);
	timeline_moves(t, B);
	timeline_pass(t, 90 * 60);
	assert_int_equal(timeline_goes(t, f, DATA), A);
	assert_int_equal(timeline_connects(t, web(2)), B);
	timeline_pass(t, 30 * 60);
	assert_int_equal(timeline_goes(t, f, DATA), A);
	timeline_state(t, A, SL_BACKEND_UP); /* undrained: the row comes home */
	timeline_moves(t, A);
	assert_int_equal(timeline_goes(t, f, DATA), A);
	assert_int_equal(timeline_goes(t, web(2), DATA), B);
}

static void a_connection_silent_for_a_window_in_a_row_that_moved_is_the_only_loss(void **state)
{
	struct timeline *t = *state;

	timeline_connects(t, web(1));
	timeline_connects(t, web(2));
	timeline_moves(t, B);
	timeline_pass(t, TIMELINE_TCP_S - 1);
	assert_int_equal(timeline_goes(t, web(1), DATA), A); /* and is remembered from here on */
	timeline_pass(t, 1);
	assert_int_equal(timeline_open(t, SL_FLOW_TCP), 0);
	assert_int_equal(timeline_goes(t, web(2), DATA), B); /* selection.md 7: idle > W */
	timeline_pass(t, TIMELINE_TCP_S);
	assert_int_equal(timeline_goes(t, web(1), DATA), A);
}

/* ---- starts */

static void a_start_sent_again_across_a_change_goes_where_the_first_one_went(void **state) /* T10 */
{
	struct timeline *t = *state;
	const struct client tcp = web(1), quic = of(QUIC, 2), drained = web(3);

	timeline_moves(t, B);
	assert_int_equal(timeline_goes(t, tcp, SYN), B);
	assert_int_equal(timeline_goes(t, quic, INITIAL), B);
	assert_int_equal(timeline_goes(t, drained, SYN), B);
	timeline_moves(t, C);
	timeline_pass(t, 1);
	assert_int_equal(timeline_goes(t, tcp, SYN), B);
	assert_int_equal(timeline_goes(t, quic, INITIAL), B);
	timeline_state(t, B, SL_BACKEND_DRAINING);
	assert_int_equal(timeline_goes(t, drained, SYN), B); /* the same handshake */
	assert_int_equal(timeline_goes(t, tcp, ACK), B);
	assert_int_equal(timeline_goes(t, quic, SHORT), B);
	timeline_pass(t, 10);
	assert_int_equal(timeline_goes(t, drained, SYN), C); /* another one */
	assert_int_equal(timeline_goes(t, tcp, DATA), B);
	assert_int_equal(timeline_goes(t, quic, SHORT), B);
}

static void a_spoofed_syn_does_not_move_a_connection(void **state)
{
	struct timeline *t = *state;

	timeline_connects(t, web(1));
	timeline_moves(t, B);
	assert_int_equal(timeline_goes(t, web(1), DATA), A);
	timeline_pass(t, 1000);
	assert_int_equal(timeline_goes(t, web(1), SYN), A); /* its backend answers with a challenge ACK */
	assert_int_equal(timeline_goes(t, web(1), DATA), A);
}

static void a_start_moves_no_older_connection_of_its_source(void **state) /* T11 */
{
	struct timeline *t = *state;
	struct client old[5], new = {.service = AFFINITY, .host = 9, .port = 5000};

	for (uint16_t i = 0; i < 5; i++) {
		old[i] = new;
		old[i].port = (uint16_t)(6000 + i);
		assert_int_equal(timeline_connects(t, old[i]), A);
	}
	timeline_moves(t, B);
	assert_int_equal(timeline_goes(t, old[0], DATA), A);
	assert_int_equal(timeline_connects(t, new), B);
	for (uint16_t i = 0; i < 5; i++)
		assert_int_equal(timeline_goes(t, old[i], DATA), A);
	assert_int_equal(timeline_goes(t, new, DATA), B);
}

/* ---- key and size */

static void key_and_size_change_and_silent_connections_stay_with_their_owner(void **state) /* T8 */
{
	struct timeline *t = *state;
	uint16_t row[TIMELINE_ROWS], now[TIMELINE_ROWS_MAX], owner[3][CLIENTS];
	static const enum timeline_service services[] = {WEB, AFFINITY, QUIC};

	for (uint32_t r = 0; r < TIMELINE_ROWS; r++)
		row[r] = (uint16_t)(r % 5);
	timeline_rows(t, row);
	timeline_pass(t, TIMELINE_TCP_S + 1); /* all rows home */
	for (int s = 0; s < 3; s++)
		for (uint16_t i = 0; i < CLIENTS; i++)
			owner[s][i] = timeline_goes(t, of(services[s], i), s < 2 ? SYN : INITIAL);
	for (uint32_t r = 0; r < TIMELINE_ROWS_MAX; r++)
		now[r] = (uint16_t)((r / 3) % 5);
	timeline_rekey(t, now, TIMELINE_ROWS_MAX, 99);
	timeline_pass(t, TIMELINE_QUIC_S - 1);
	for (uint16_t i = 0; i < CLIENTS; i++)
		assert_int_equal(timeline_goes(t, of(QUIC, i), SHORT), owner[2][i]);
	timeline_pass(t, TIMELINE_TCP_S - TIMELINE_QUIC_S);
	for (int s = 0; s < 2; s++)
		for (uint16_t i = 0; i < CLIENTS; i++) {
			assert_int_equal(timeline_goes(t, of(services[s], i), DATA), owner[s][i]);
			assert_int_equal(timeline_connects(t, of(services[s], (uint16_t)(5000 + i))),
					 now[timeline_row(t, of(services[s], (uint16_t)(5000 + i)))]);
		}
	timeline_pass(t, 10); /* the lens has ended */
	assert_int_equal(timeline_history(t)->lens.rows, 0);
	for (uint16_t i = 0; i < CLIENTS; i++)
		assert_int_equal(timeline_goes(t, web(i), DATA), owner[0][i]);
}

static void a_backend_removed_behind_a_lens_takes_only_its_own(void **state)
{
	struct timeline *t = *state;
	uint16_t row[TIMELINE_ROWS_MAX];

	assert_int_equal(timeline_connects(t, web(1)), A);
	for (uint32_t r = 0; r < TIMELINE_ROWS_MAX; r++)
		row[r] = B;
	timeline_rekey(t, row, TIMELINE_ROWS_MAX, 99);
	assert_int_equal(timeline_connects(t, web(2)), B);
	timeline_state(t, A, SL_BACKEND_GONE);
	assert_int_equal(timeline_goes(t, web(1), DATA), B); /* which resets it */
	assert_int_equal(timeline_goes(t, web(2), DATA), B);
	timeline_moves(t, C);
	assert_int_equal(timeline_goes(t, web(2), DATA), B);
	assert_int_equal(timeline_connects(t, web(3)), C);
}

/* SYNs of strangers until what waits for its second packet was turned over many times. */
static void flood_of_syns(struct timeline *t)
{
	for (uint32_t i = 0; i < 20000; i++)
		timeline_goes(t, (struct client){.service = WEB, .host = 251, .port = (uint16_t)i}, SYN);
}

/* Nobody is at home in the older table: no memory is filled for it, and who found none is found by its row. */
static void a_flood_behind_a_lens_whose_backend_left_breaks_nothing(void **state)
{
	struct timeline *t = *state;
	uint16_t row[TIMELINE_ROWS_MAX];

	for (uint32_t r = 0; r < TIMELINE_ROWS_MAX; r++)
		row[r] = B;
	timeline_rekey(t, row, TIMELINE_ROWS_MAX, 99);
	timeline_state(t, A, SL_BACKEND_GONE);
	assert_int_equal(timeline_goes(t, web(1), SYN), B);
	flood_of_syns(t);
	assert_false(timeline_pressure(t));
	timeline_moves(t, C);
	assert_int_equal(timeline_goes(t, web(1), ACK), B);
	assert_int_equal(timeline_goes(t, web(1), DATA), B);
	assert_int_equal(timeline_connects(t, web(2)), C);
}

/* Selection.md 5: under pressure a dead base is none, in the older table neither. */
static void a_flood_behind_a_lens_whose_backend_is_dead_breaks_nothing_that_starts_in_it(void **state)
{
	struct timeline *t = *state;
	uint16_t row[TIMELINE_ROWS_MAX];

	for (uint32_t r = 0; r < TIMELINE_ROWS_MAX; r++)
		row[r] = B;
	timeline_rekey(t, row, TIMELINE_ROWS_MAX, 99);
	timeline_state(t, A, SL_BACKEND_DOWN);
	flood_of_syns(t);
	assert_true(timeline_pressure(t));
	timeline_pass(t, 1); /* sluiced hears of it */
	assert_int_equal(timeline_goes(t, web(1), SYN), B);
	flood_of_syns(t);
	timeline_moves(t, C);
	assert_int_equal(timeline_goes(t, web(1), ACK), B);
	assert_int_equal(timeline_goes(t, web(1), DATA), B);
}

/* ---- ramps */

static void each_row_moves_at_most_once_in_a_ramp_and_no_connection_breaks(void **state) /* T12 */
{
	static const char *const names[] = {"web1", "web2", "web3", "web4"};
	struct timeline *t = *state;
	struct maglev_backend backends[4] = {{0}};
	struct maglev_pool pool = {.backends = backends, .count = 4, .rows = TIMELINE_ROWS, .key = {1, 2}};
	struct maglev *maglev = NULL;
	uint16_t row[TIMELINE_ROWS], last[TIMELINE_ROWS], placed[11][50], moves[TIMELINE_ROWS] = {0};
	enum maglev_source source;

	for (uint16_t i = 0; i < 4; i++)
		backends[i] = (struct maglev_backend){
			.name = names[i], .weight = 1, .slot = i, .live = true, .accept = MAGLEV_ACCEPT_ALL};
	assert_int_equal(maglev_create(&maglev), 0);
	assert_int_equal(maglev_owners(maglev, &pool), 0);
	for (uint32_t step = 0; step <= 10; step++) {
		backends[2].accept = step * MAGLEV_ACCEPT_ALL / 10;
		assert_int_equal(maglev_overlay(maglev, &pool, row, &source), 0);
		timeline_rows(t, row);
		for (uint32_t r = 0; r < TIMELINE_ROWS; r++) {
			moves[r] += step > 0 && row[r] != last[r];
			last[r] = row[r];
		}
		for (uint16_t i = 0; i < 50; i++)
			placed[step][i] = timeline_connects(t, web((uint16_t)(step * 50 + i)));
		timeline_pass(t, 30);
		for (uint32_t old = 0; old <= step; old++)
			for (uint16_t i = 0; i < 50; i++)
				assert_int_equal(timeline_goes(t, web((uint16_t)(old * 50 + i)), DATA),
						 placed[old][i]);
	}
	for (uint32_t r = 0; r < TIMELINE_ROWS; r++)
		assert_true(moves[r] <= 1);
	maglev_destroy(maglev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TIMELINE_TEST(a_connection_idle_through_two_changes_stays_where_it_began),
		TIMELINE_TEST(a_probe_that_fails_for_a_moment_breaks_nothing),
		TIMELINE_TEST(ten_flaps_break_nothing),
		TIMELINE_TEST(a_port_reused_after_the_row_closed_goes_to_current_and_stays),
		TIMELINE_TEST(a_removed_base_hands_over_to_where_starts_went),
		TIMELINE_TEST(a_drain_of_two_hours_keeps_a_connection_silent_for_ninety_minutes),
		TIMELINE_TEST(a_connection_silent_for_a_window_in_a_row_that_moved_is_the_only_loss),
		TIMELINE_TEST(a_start_sent_again_across_a_change_goes_where_the_first_one_went),
		TIMELINE_TEST(a_spoofed_syn_does_not_move_a_connection),
		TIMELINE_TEST(a_start_moves_no_older_connection_of_its_source),
		TIMELINE_TEST(key_and_size_change_and_silent_connections_stay_with_their_owner),
		TIMELINE_TEST(a_backend_removed_behind_a_lens_takes_only_its_own),
		TIMELINE_TEST(a_flood_behind_a_lens_whose_backend_left_breaks_nothing),
		TIMELINE_TEST(a_flood_behind_a_lens_whose_backend_is_dead_breaks_nothing_that_starts_in_it),
		TIMELINE_TEST(each_row_moves_at_most_once_in_a_ramp_and_no_connection_breaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
