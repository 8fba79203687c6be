/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Timelines (selection.md 8) of the memory of connections: what it does when it is full or flooded, how long
 * it remembers what, and what of it outlives a restart or is known on another queue. IPv4 and IPv6 clients.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/timeline.h"

enum { CLIENTS = 400 };

/* ---- a full memory */

/* ACKs of connections that nobody knows, until there is pressure. */
static void flood(struct timeline *t)
{
	struct client stranger = {.service = WEB, .host = 250, .port = 0};

	for (uint32_t i = 0; i < 200000 && !timeline_pressure(t); i++) {
		stranger.host = (uint16_t)(250 + i / 60000);
		stranger.port = (uint16_t)(1 + i % 60000);
		assert_int_equal(timeline_goes(t, stranger, ACK), A);
	}
	assert_true(timeline_pressure(t));
}

static void a_full_memory_answers_base_and_the_row_stays_open_for_its_window_after(void **state) /* T7 */
{
	struct timeline *t = *state;
	const struct client idle = web(1), known = web(2), start = web(3), late = web(4);
	uint32_t waited = 0;

	timeline_connects(t, idle);
	timeline_moves(t, B);
	assert_int_equal(timeline_connects(t, known), B);
	flood(t);
	assert_int_equal(timeline_connects(t, start), A); /* nothing is stored */
	assert_int_equal(timeline_count(t, SL_FLOW_COUNT_START_BASE), 1);
	assert_true(timeline_count(t, SL_FLOW_COUNT_GUESS_BASE_FULL) >= 2);
	assert_int_equal(timeline_goes(t, known, DATA), B); /* nothing confirmed was thrown out */
	for (; timeline_pressure(t); waited += 10) {
		assert_int_equal(timeline_goes(t, known, DATA), B);
		assert_true(waited < 3 * TIMELINE_TCP_S);
		timeline_pass(t, 10);
	}
	assert_true(waited > TIMELINE_TCP_S); /* the window alone would be over */
	assert_int_equal(timeline_connects(t, late), B);
	timeline_pass(t, TIMELINE_TCP_S - 20);
	assert_true(timeline_open(t, SL_FLOW_TCP) > 0);
	assert_int_equal(timeline_goes(t, idle, DATA), A);
	assert_int_equal(timeline_goes(t, start, DATA), A);
	assert_int_equal(timeline_goes(t, late, DATA), B);
	timeline_pass(t, 30);
	assert_int_equal(timeline_open(t, SL_FLOW_TCP), 0);
	assert_int_equal(timeline_goes(t, idle, DATA), A);
}

static void a_flood_of_syns_pushes_out_nothing_that_is_confirmed(void **state)
{
	struct timeline *t = *state;
	struct client stranger = {.service = WEB, .host = 251};

	for (uint16_t i = 0; i < CLIENTS; i++)
		timeline_connects(t, web(i));
	timeline_moves(t, B);
	for (uint16_t i = 0; i < CLIENTS; i++)
		assert_int_equal(timeline_connects(t, web((uint16_t)(1000 + i))), B);
	for (uint32_t i = 0; i < 100000; i++) {
		stranger.port = (uint16_t)i;
		timeline_goes(t, stranger, SYN);
		if (i % 1000 == 0)
			timeline_pass(t, 1);
	}
	assert_true(timeline_count(t, SL_FLOW_COUNT_UNCONFIRMED_OUT) +
			    timeline_count(t, SL_FLOW_COUNT_START_BASE) >
		    50000);
	for (uint16_t i = 0; i < CLIENTS; i++) {
		assert_int_equal(timeline_goes(t, web(i), DATA), A);
		assert_int_equal(timeline_goes(t, web((uint16_t)(1000 + i)), DATA), B);
	}
}

static void a_flood_of_syns_finds_no_memory_to_fill_in_closed_rows(void **state)
{
	struct timeline *t = *state;

	for (uint16_t i = 0; i < 20000; i++)
		assert_int_equal(
			timeline_goes(t, (struct client){.service = WEB, .host = 251, .port = i}, SYN), A);
	for (int i = 0; i < SL_FLOW_COUNT_COUNT; i++)
		assert_int_equal(timeline_count(t, i), 0);
}

/* ---- UDP, and services that remember more */

static void unmarked_udp_stays_where_it_was_for_its_own_window(void **state)
{
	struct timeline *t = *state;
	const struct client f = of(UNMARKED, 1), late = of(UNMARKED, 2), new = of(UNMARKED, 3);

	assert_int_equal(timeline_goes(t, f, DATAGRAM), A);
	timeline_moves(t, B);
	timeline_pass(t, TIMELINE_UDP_S - 1);
	assert_int_equal(timeline_goes(t, f, DATAGRAM), A);
	assert_int_equal(timeline_goes(t, new, DATAGRAM), A); /* nothing marks it as new */
	timeline_pass(t, 1);
	assert_int_equal(timeline_open(t, SL_FLOW_UDP), 0);
	assert_true(timeline_open(t, SL_FLOW_TCP) > 0);
	assert_int_equal(timeline_goes(t, late, DATAGRAM), B);
	assert_int_equal(timeline_goes(t, f, DATAGRAM), A);
	timeline_state(t, A, SL_BACKEND_DOWN);
	assert_int_equal(timeline_goes(t, f, DATAGRAM), B);
	timeline_state(t, B, SL_BACKEND_DOWN);
	timeline_moves(t, C);
	assert_int_equal(timeline_goes(t, late, DATAGRAM),
			 C); /* its base is dead: placed at current, and remembered */
	timeline_moves(t, D);
	assert_int_equal(timeline_goes(t, late, DATAGRAM), C);
}

static void tracking_always_remembers_what_a_closed_row_would_forget(void **state)
{
	struct timeline *t = *state;
	const struct client always = of(ALWAYS, 1), web1 = web(1);

	assert_int_equal(timeline_connects(t, always), A);
	assert_int_equal(timeline_connects(t, web1), A);
	timeline_moves(t, B);
	timeline_pass(t,
		      TIMELINE_TCP_S +
			      1); /* both silent for longer than the window, but the entry's life is longer */
	assert_int_equal(timeline_open(t, SL_FLOW_TCP), 0);
	assert_int_equal(timeline_goes(t, always, DATA), A);
	assert_int_equal(timeline_goes(t, web1, DATA), B);
}

static void a_connection_that_closes_is_forgotten_after_a_minute_unless_data_comes(void **state)
{
	struct timeline *t = *state;

	timeline_moves(t, B);
	timeline_connects(t, web(1));
	timeline_connects(t, web(2));
	assert_int_equal(timeline_goes(t, web(1), FIN), B);
	assert_int_equal(timeline_goes(t, web(2), FIN), B);
	assert_int_equal(timeline_goes(t, web(2), DATA), B);
	timeline_pass(t, SL_FLOW_CLOSING_S + 1);
	assert_int_equal(timeline_goes(t, web(1), ACK), A); /* nobody's any more: base */
	assert_int_equal(timeline_goes(t, web(2), ACK), B);
}

/* ---- restarts, other workers */

static void a_start_in_an_open_row_is_found_after_a_restart(void **state) /* T4 */
{
	struct timeline *t = *state;
	const struct client before = web(1), g = web(2), base = web(3), last = web(4);

	timeline_connects(t, before);
	timeline_connects(t, base);
	timeline_moves(t, B);
	assert_int_equal(timeline_connects(t, g), B);
	assert_int_equal(timeline_goes(t, base, DATA), A);
	assert_int_equal(timeline_goes(t, last, SYN), B);
	timeline_pass(t, 1);
	assert_int_equal(timeline_goes(t, last, ACK), B); /* its handshake ends some milliseconds before */
	timeline_soon(t);
	timeline_restart(t, TIMELINE_WORKERS);
	assert_int_equal(timeline_goes(t, g, DATA), B);
	assert_int_equal(timeline_goes(t, base, DATA), A);
	assert_int_equal(timeline_goes(t, last, DATA), B);
	assert_int_equal(timeline_goes(t, before, DATA), A);
	timeline_restart(t, 1);
	assert_int_equal(timeline_goes(t, g, FIN), B);
	timeline_soon(t);
	timeline_restart(t, 2);
	assert_int_equal(timeline_at(t, 1, g, SYN), B); /* its end was seen: a new one, at current */
	timeline_moves(t, A);
	assert_int_equal(timeline_at(t, 1, g, ACK), B);
}

static void connections_survive_restarts_at_any_moment_of_their_window(void **state)
{
	struct timeline *t = *state;

	for (uint16_t i = 0; i < CLIENTS; i++)
		timeline_connects(t, web(i));
	timeline_moves(t, B);
	for (uint16_t i = 0; i < CLIENTS; i++) {
		assert_int_equal(timeline_at(t, 0, web(i), DATA), A);
		assert_int_equal(timeline_connects(t, web((uint16_t)(1000 + i))), B);
	}
	timeline_moves(t, C);
	for (unsigned int round = 0; round < 6; round++) {
		timeline_soon(t);
		timeline_restart(t, 1 + round % TIMELINE_WORKERS);
		timeline_pass(t, TIMELINE_TCP_S - 1);
		for (uint16_t i = 0; i < CLIENTS; i++) {
			assert_int_equal(timeline_at(t, i % (1 + round % TIMELINE_WORKERS), web(i), ACK), A);
			assert_int_equal(timeline_goes(t, web((uint16_t)(1000 + i)), ACK), B);
		}
	}
}

static void flows_that_move_to_another_worker_and_back_stay_where_they_are(void **state)
{
	struct timeline *t = *state;

	timeline_moves(t, B);
	assert_int_equal(timeline_connects(t, web(1)), B);
	timeline_soon(t);
	timeline_moves(t, C);
	assert_int_equal(timeline_at(t, 1, web(1), DATA), B);
	timeline_pass(t, 100);
	assert_int_equal(timeline_at(t, 2, web(1), FIN), B);
	timeline_soon(t);
	assert_int_equal(timeline_at(t, 2, web(1), SYN), C); /* the port is used again, and so it is known */
	assert_int_equal(timeline_at(t, 2, web(1), ACK), C);
	timeline_soon(t);
	assert_int_equal(timeline_at(t, 0, web(1), DATA), C);
	assert_int_equal(timeline_at(t, 1, web(1), DATA), C);
}

static void a_port_reused_is_not_found_where_it_was_before(void **state) /* T3, with what others remember */
{
	struct timeline *t = *state;

	timeline_connects(t, web(1));
	timeline_moves(t, B);
	assert_int_equal(timeline_at(t, 1, web(1), DATA), A);
	timeline_soon(t);
	timeline_state(t, A, SL_BACKEND_GONE); /* the row is home at B, A forgotten but by the memory */
	timeline_state(t, A, SL_BACKEND_UP);   /* and somebody has its slot */
	timeline_pass(t, 10);
	timeline_state(t, A, SL_BACKEND_DRAINING);
	assert_int_equal(timeline_at(t, 0, web(1), SYN), B);
	assert_int_equal(timeline_at(t, 0, web(1), ACK), B); /* before and after the manager heard of it */
	timeline_soon(t);
	assert_int_equal(timeline_at(t, 0, web(1), DATA), B);
	assert_int_equal(timeline_at(t, 1, web(1), DATA), B);
	assert_int_equal(timeline_at(t, 2, web(1), DATA), B);
}

static void what_one_worker_remembers_is_over_when_another_saw_it_end(void **state)
{
	struct timeline *t = *state;

	timeline_pass(t, 1); /* what is seen in the second of the start is not held against the file */
	timeline_moves(t, B);
	assert_int_equal(timeline_at(t, 0, web(1), SYN), B);
	assert_int_equal(timeline_at(t, 0, web(1), ACK), B);
	timeline_soon(t);
	timeline_pass(t, 10);
	assert_int_equal(timeline_at(t, 1, web(1), FIN), B);
	timeline_moves(t, A);
	timeline_pass(t, SL_FLOW_CLOSING_S + 1); /* the others have forgotten it */
	assert_int_equal(timeline_at(t, 1, web(1), SYN), A);
	assert_int_equal(timeline_at(t, 1, web(1), ACK), A);
	timeline_pass(t, 1);
	assert_int_equal(timeline_at(t, 0, web(1), DATA), A);
}

static void a_worker_that_forgot_a_connection_hears_that_it_began_anew_elsewhere(void **state)
{
	struct timeline *t = *state;

	timeline_moves(t, B);
	assert_int_equal(timeline_at(t, 1, web(1), SYN), B);
	assert_int_equal(timeline_at(t, 1, web(1), ACK), B);
	assert_int_equal(timeline_at(t, 1, web(1), FIN), B);
	timeline_moves(t, A);
	timeline_soon(t);
	assert_int_equal(timeline_at(t, 1, web(1), SYN), A); /* home: forgotten, not stored */
	timeline_pass(t, 5);
	timeline_moves(t, C);
	assert_int_equal(timeline_at(t, 0, web(1), SYN), C);
	assert_int_equal(timeline_at(t, 0, web(1), ACK), C);
	timeline_soon(t);
	assert_int_equal(timeline_at(t, 1, web(1), DATA), C);
}

static void an_icmp_error_on_another_queue_reaches_the_backend_of_its_connection(void **state) /* T14 */
{
	struct timeline *t = *state;
	const struct client placed = web(1), base = web(2), silent = web(3);

	timeline_connects(t, base);
	timeline_connects(t, silent);
	assert_int_equal(timeline_at(t, 1, silent, TOO_BIG), A);
	timeline_moves(t, B);
	assert_int_equal(timeline_connects(t, placed), B);
	assert_int_equal(timeline_goes(t, base, DATA), A);
	timeline_soon(t);
	timeline_moves(t, C);
	for (unsigned int worker = 0; worker < TIMELINE_WORKERS; worker++) {
		assert_int_equal(timeline_at(t, worker, placed, TOO_BIG), B);
		assert_int_equal(timeline_at(t, worker, base, TOO_BIG), A);
		assert_int_equal(timeline_at(t, worker, silent, TOO_BIG), A); /* a guess */
	}
	assert_int_equal(timeline_count(t, SL_FLOW_COUNT_GUESS_ICMP), TIMELINE_WORKERS);
	timeline_restart(t, TIMELINE_WORKERS);
	assert_int_equal(timeline_at(t, 2, placed, TOO_BIG), B);
	timeline_pass(t, TIMELINE_TCP_S / 2);
	for (unsigned int i = 0; i < 10; i++) /* whoever sends errors keeps nothing alive and places nothing */
		assert_int_equal(timeline_at(t, 1, web((uint16_t)(100 + i)), TOO_BIG), A);
	assert_int_equal(timeline_connects(t, web(100)), C);
	assert_int_equal(timeline_at(t, 1, silent, TOO_BIG), A);
	timeline_pass(t, TIMELINE_TCP_S);
	assert_int_equal(timeline_at(t, 1, silent, TOO_BIG), C); /* its row has closed */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TIMELINE_TEST(a_full_memory_answers_base_and_the_row_stays_open_for_its_window_after),
		TIMELINE_TEST(a_flood_of_syns_pushes_out_nothing_that_is_confirmed),
		TIMELINE_TEST(a_flood_of_syns_finds_no_memory_to_fill_in_closed_rows),
		TIMELINE_TEST(unmarked_udp_stays_where_it_was_for_its_own_window),
		TIMELINE_TEST(tracking_always_remembers_what_a_closed_row_would_forget),
		TIMELINE_TEST(a_connection_that_closes_is_forgotten_after_a_minute_unless_data_comes),
		TIMELINE_TEST(a_start_in_an_open_row_is_found_after_a_restart),
		TIMELINE_TEST(connections_survive_restarts_at_any_moment_of_their_window),
		TIMELINE_TEST(flows_that_move_to_another_worker_and_back_stay_where_they_are),
		TIMELINE_TEST(a_port_reused_is_not_found_where_it_was_before),
		TIMELINE_TEST(an_icmp_error_on_another_queue_reaches_the_backend_of_its_connection),
		TIMELINE_TEST(what_one_worker_remembers_is_over_when_another_saw_it_end),
		TIMELINE_TEST(a_worker_that_forgot_a_connection_hears_that_it_began_anew_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
