/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules for rows: each line of selection.md 5 as a case, the counter-examples of its section 3 as timelines.
 * test_row_twin.c runs them against the pseudo-code.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controlplane/row_history.h"
#include "sluice/limits.h"

enum { ROWS = 7, A = 0, B = 1, C = 2, S = 3, SLOTS = 6, W_S = 3600 };
enum { UP = SL_BACKEND_UP, DRAINING = SL_BACKEND_DRAINING, LINGERING = SL_BACKEND_LINGERING, DOWN = SL_BACKEND_DOWN,
       GONE = SL_BACKEND_GONE };

static const struct sl_key key = { 1, 2 }, other_key = { 3, 4 };

struct timeline {
	struct row_history h;
	uint8_t state[SLOTS];
	struct row_inputs in;
	uint64_t due_ms;
};

static void fill(uint16_t row[ROWS], uint16_t slot)
{
	for (uint32_t r = 0; r < ROWS; r++)
		row[r] = slot;
}

static int setup(void **state)
{
	struct timeline *t = calloc(1, sizeof(*t));
	uint16_t row[ROWS];

	fill(row, A);
	memset(t->state, UP, sizeof(t->state));
	t->in = (struct row_inputs){ .state = t->state, .slots = SLOTS, .idle_s = { W_S, 600, 150 }, .now_ms = 1000000 };
	assert_int_equal(row_history_start(&t->h, row, ROWS, &key), 0);
	assert_int_equal(row_history_use(&t->h, 1 << SL_FLOW_TCP), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct timeline *t = *state;

	row_history_clear(&t->h);
	free(t);
	return 0;
}

/* Row 0 leads to `slot` from now on; the others stay. */
static void moves(struct timeline *t, uint16_t slot)
{
	uint16_t row[ROWS];

	memcpy(row, t->h.current, sizeof(row));
	row[0] = slot;
	assert_int_equal(row_history_change(&t->h, row, &t->in), 0);
	t->due_ms = row_history_settle(&t->h, &t->in);
}

static void after(struct timeline *t, uint64_t s)
{
	t->in.now_ms += s * 1000;
	t->due_ms = row_history_settle(&t->h, &t->in);
}

static uint16_t base_of(const struct timeline *t, int kind)
{
	const struct row_kind *k = &t->h.kind[kind];

	return k->base ? k->base[0] : t->h.current[0];
}

static uint16_t base(const struct timeline *t)
{
	return base_of(t, SL_FLOW_TCP);
}

static bool look(const struct timeline *t)
{
	return t->h.quiet_s[0] != ROW_QUIET_CLEAN;
}

static void a_row_that_never_moved_is_home_and_clean(void **state)
{
	struct timeline *t = *state;

	assert_int_equal(base(t), A);
	assert_false(look(t));
	assert_null(t->h.kind[SL_FLOW_TCP].base);
	assert_int_equal(row_history_looks(&t->h), 0);
}

static void further_changes_do_not_move_the_base(void **state) /* T1, case 3 */
{
	struct timeline *t = *state;

	moves(t, B);
	after(t, 10);
	moves(t, C);
	assert_int_equal(base(t), A);
	assert_true(look(t));
	assert_int_equal(t->h.kind[SL_FLOW_TCP].open, 1);
}

static void a_row_that_comes_home_is_closed_but_still_looked_at(void **state) /* T2, case 3c */
{
	struct timeline *t = *state;

	moves(t, S);
	after(t, 5);
	moves(t, A);
	assert_int_equal(base(t), A);
	assert_null(t->h.kind[SL_FLOW_TCP].base);
	assert_true(look(t));
	assert_true(t->due_ms == ROW_NEVER_MS);
}

static void time_counts_from_leaving_home_not_from_the_last_change(void **state)
{
	struct timeline *t = *state;

	moves(t, B);
	after(t, W_S - 1);
	moves(t, C);
	assert_int_equal(base(t), A);
	assert_int_equal(t->due_ms, t->in.now_ms + 1000);
	after(t, 1);
	assert_int_equal(base(t), C);
	assert_true(look(t)); /* until a census finds no entry */
}

static void leaving_home_again_starts_a_new_window(void **state)
{
	struct timeline *t = *state;

	moves(t, B);
	after(t, W_S - 1);
	moves(t, A);
	after(t, 1);
	moves(t, B);
	after(t, W_S - 1);
	assert_int_equal(base(t), A);
	after(t, 1);
	assert_int_equal(base(t), B);
}

static void a_substitute_that_fails_too_does_not_become_the_base(void **state) /* case 4 */
{
	struct timeline *t = *state;

	t->state[A] = LINGERING;
	moves(t, S);
	t->state[A] = DOWN;
	t->state[S] = LINGERING;
	moves(t, C);
	assert_int_equal(base(t), A);
	t->state[A] = UP;
	moves(t, A);
	assert_int_equal(t->h.kind[SL_FLOW_TCP].open, 0);
}

static void a_base_that_is_removed_hands_over_to_where_starts_went(void **state) /* T6, case 9c */
{
	struct timeline *t = *state;

	moves(t, B);
	t->state[A] = GONE;
	assert_int_equal(row_history_change(&t->h, NULL, &t->in), 0);
	assert_int_equal(base(t), B);
	moves(t, C); /* what started on B untracked since then is at home there */
	assert_int_equal(base(t), B);
	assert_true(row_history_names(&t->h, B));
	assert_false(row_history_names(&t->h, S));
}

static void base_and_current_removed_at_once_make_the_new_one_home(void **state)
{
	struct timeline *t = *state;

	moves(t, B);
	t->state[A] = t->state[B] = GONE;
	moves(t, C);
	assert_int_equal(base(t), C);
	assert_int_equal(t->h.current[0], C);
}

static void a_row_is_held_open_while_its_base_drains(void **state) /* T9 */
{
	struct timeline *t = *state;

	assert_int_equal(row_history_use(&t->h, 7), 0);
	t->state[A] = DRAINING;
	moves(t, B);
	after(t, 2 * W_S);
	assert_int_equal(base_of(t, SL_FLOW_TCP), A);
	assert_int_equal(base_of(t, SL_FLOW_QUIC), A);
	assert_int_equal(base_of(t, SL_FLOW_UDP), B); /* unmarked UDP has no end to wait for */
	assert_true(t->due_ms == ROW_NEVER_MS);
	t->state[A] = UP;
	after(t, 0);
	assert_int_equal(base_of(t, SL_FLOW_TCP), B);
}

static void a_dead_base_settles_after_its_window_like_any_other(void **state)
{
	struct timeline *t = *state;

	t->state[A] = DOWN;
	moves(t, B);
	after(t, W_S - 1);
	assert_int_equal(base(t), A);
	after(t, 1);
	assert_int_equal(base(t), B);
}

static void each_kind_has_its_own_window(void **state)
{
	struct timeline *t = *state;

	assert_int_equal(row_history_use(&t->h, 7), 0);
	moves(t, B);
	after(t, 150);
	assert_int_equal(base_of(t, SL_FLOW_UDP), B);
	assert_null(t->h.kind[SL_FLOW_UDP].base);
	assert_int_equal(base_of(t, SL_FLOW_QUIC), A);
	assert_int_equal(t->due_ms, 1000000 + 600 * 1000);
	after(t, 450);
	assert_int_equal(base_of(t, SL_FLOW_QUIC), B);
	assert_int_equal(base_of(t, SL_FLOW_TCP), A);
	assert_int_equal(t->h.quiet_s[0], ROW_QUIET_OPEN);
}

static void pressure_keeps_rows_open_and_restarts_their_window(void **state) /* T7 */
{
	struct timeline *t = *state;

	moves(t, B);
	t->in.pressure = true;
	after(t, W_S + 1);
	assert_int_equal(base(t), A);
	assert_true(t->due_ms == ROW_NEVER_MS);
	t->in.pressure = false;
	t->in.pressure_ms = t->in.now_ms;
	after(t, W_S - 1);
	assert_int_equal(base(t), A);
	after(t, 1);
	assert_int_equal(base(t), B);
}

static void under_pressure_a_dead_base_gives_up_its_row_at_once(void **state)
{
	struct timeline *t = *state;

	t->state[A] = LINGERING;
	moves(t, B);
	t->in.pressure = true;
	after(t, 1);
	assert_int_equal(base(t), A); /* lingering still serves its connections */
	t->state[A] = DOWN;
	after(t, 1);
	assert_int_equal(base(t), B);
}

static void when_everybody_is_down_the_base_stays_and_coming_home_works(void **state)
{
	struct timeline *t = *state;

	t->state[A] = LINGERING;
	moves(t, SL_SLOT_NONE);
	assert_int_equal(base(t), A);
	t->state[A] = UP;
	moves(t, A);
	assert_int_equal(t->h.kind[SL_FLOW_TCP].open, 0);
	moves(t, SL_SLOT_NONE);
	moves(t, B);
	assert_int_equal(base(t), A);
}

static void a_pool_that_begins_empty_is_home_where_its_first_backend_is(void **state)
{
	struct timeline *t = *state;
	uint16_t row[ROWS];

	fill(row, SL_SLOT_NONE);
	assert_int_equal(row_history_start(&t->h, row, ROWS, &key), 0);
	assert_true(t->h.kind[SL_FLOW_TCP].used);
	fill(row, B);
	assert_int_equal(row_history_change(&t->h, row, &t->in), 0);
	assert_int_equal(base(t), B);
	assert_int_equal(row_history_looks(&t->h), 0);
}

static void a_kind_that_comes_into_use_starts_home(void **state)
{
	struct timeline *t = *state;

	moves(t, B);
	assert_int_equal(row_history_use(&t->h, 1 << SL_FLOW_TCP | 1 << SL_FLOW_UDP), 0);
	assert_int_equal(base_of(t, SL_FLOW_UDP), B);
	moves(t, C);
	assert_int_equal(base_of(t, SL_FLOW_UDP), B);
	assert_int_equal(base_of(t, SL_FLOW_TCP), A);
	t->h.changed = 0;
	assert_int_equal(row_history_use(&t->h, 1 << SL_FLOW_UDP | 1 << SL_FLOW_QUIC), 0);
	assert_int_equal(base_of(t, SL_FLOW_QUIC), B); /* the same packets as unmarked UDP */
	assert_false(t->h.kind[SL_FLOW_TCP].used);
	assert_null(t->h.kind[SL_FLOW_TCP].base);
	assert_true(t->h.changed & ROW_CHANGED_BASE << SL_FLOW_TCP);
	assert_true(t->h.changed & ROW_CHANGED_BASE << SL_FLOW_QUIC);
}

static void a_key_change_keeps_the_old_rows_as_a_lens(void **state) /* T8, case 12 and 13 */
{
	struct timeline *t = *state;
	uint16_t row[11] = { B, B, B, B, B, B, B, B, B, B, B };

	assert_int_equal(row_history_use(&t->h, 1 << SL_FLOW_TCP | 1 << SL_FLOW_UDP), 0);
	moves(t, C); /* base A: the lens is of bases, not of current */
	assert_int_equal(row_history_rekey(&t->h, row, 11, &other_key, &t->in), 0);
	assert_int_equal(t->h.lens.rows, ROWS);
	assert_memory_equal(&t->h.lens.key, &key, sizeof(key));
	assert_int_equal(t->h.lens.base[SL_FLOW_TCP][0], A);
	assert_null(t->h.lens.base[SL_FLOW_QUIC]);
	assert_int_equal(t->h.rows, 11);
	assert_int_equal(base(t), B);
	assert_int_equal(row_history_looks(&t->h), 11);
	assert_int_equal(row_history_rekey(&t->h, row, 11, &key, &t->in), -EBUSY); /* the second waits */
	after(t, 150);
	assert_null(t->h.lens.base[SL_FLOW_UDP]);
	assert_int_equal(t->h.lens.rows, ROWS);
	after(t, W_S - 151);
	assert_non_null(t->h.lens.base[SL_FLOW_TCP]);
	after(t, 1);
	assert_int_equal(t->h.lens.rows, 0);
	assert_int_equal(row_history_looks(&t->h), 11);
	assert_int_equal(row_history_rekey(&t->h, row, 11, &key, &t->in), 0);
}

static void a_lens_outlives_pressure_by_its_window(void **state)
{
	struct timeline *t = *state;
	uint16_t row[ROWS];

	fill(row, B);
	assert_int_equal(row_history_rekey(&t->h, row, ROWS, &other_key, &t->in), 0);
	t->in.pressure = true;
	after(t, 2 * W_S);
	t->in.pressure = false;
	t->in.pressure_ms = t->in.now_ms;
	after(t, W_S - 1);
	assert_int_equal(t->h.lens.rows, ROWS);
	after(t, 1);
	assert_int_equal(t->h.lens.rows, 0);
}

static void a_lens_names_nobody_who_left(void **state)
{
	struct timeline *t = *state;
	uint16_t row[ROWS];

	fill(row, B);
	assert_int_equal(row_history_rekey(&t->h, row, ROWS, &other_key, &t->in), 0);
	assert_true(row_history_names(&t->h, A));
	t->state[A] = GONE;
	t->h.changed = 0;
	assert_int_equal(row_history_change(&t->h, NULL, &t->in), 0);
	assert_int_equal(t->h.lens.base[SL_FLOW_TCP][0], SL_SLOT_NONE);
	assert_true(t->h.changed & ROW_CHANGED_LENS << SL_FLOW_TCP);
	assert_false(row_history_names(&t->h, A));
}

static void look_goes_when_a_later_census_finds_no_entry(void **state)
{
	struct timeline *t = *state;
	uint16_t none[ROWS] = { 0 }, one[ROWS] = { 1 };

	moves(t, B);
	row_history_counted(&t->h, none, ROWS, t->in.now_ms);
	assert_true(look(t)); /* open */
	moves(t, A);
	row_history_counted(&t->h, none, ROWS, t->in.now_ms - 1);
	assert_true(look(t)); /* counted before the row closed */
	row_history_counted(&t->h, one, ROWS, t->in.now_ms);
	assert_true(look(t));
	row_history_counted(&t->h, none, ROWS + 4, t->in.now_ms);
	assert_true(look(t)); /* of another table */
	t->h.changed = 0;
	row_history_counted(&t->h, none, ROWS, t->in.now_ms);
	assert_false(look(t));
	assert_int_equal(t->h.changed, ROW_CHANGED_CURRENT);
	row_history_suspect(&t->h, t->in.now_ms);
	assert_int_equal(row_history_looks(&t->h), ROWS);
}

static void after_a_lens_no_count_is_believed_before_the_old_rows_are_forgotten(void **state)
{
	struct timeline *t = *state;
	uint16_t row[ROWS], none[ROWS] = { 0 };

	fill(row, B);
	assert_int_equal(row_history_rekey(&t->h, row, ROWS, &other_key, &t->in), 0);
	after(t, W_S);
	moves(t, C);
	moves(t, B);
	row_history_counted(&t->h, none, ROWS, t->in.now_ms + W_S / 4 * 1000);
	assert_int_equal(row_history_looks(&t->h), ROWS);
	row_history_counted(&t->h, none, ROWS, t->in.now_ms + (W_S / 4 + 3) * 1000);
	assert_int_equal(row_history_looks(&t->h), 0);
}

static void nothing_changed_says_nothing(void **state)
{
	struct timeline *t = *state;

	moves(t, B);
	t->h.changed = 0;
	moves(t, B);
	after(t, 10);
	assert_int_equal(t->h.changed, 0);
	moves(t, C); /* the base table says the same as before */
	assert_int_equal(t->h.changed, ROW_CHANGED_CURRENT);
}

static void what_is_open_is_told_by_base_with_the_time_it_has_left(void **state)
{
	struct timeline *t = *state;
	struct row_open open[SLOTS] = { { .last_ms = 0 } };
	uint16_t row[ROWS];

	assert_int_equal(row_history_use(&t->h, 1 << SL_FLOW_TCP | 1 << SL_FLOW_UDP), 0);
	moves(t, B);
	after(t, 10);
	fill(row, B);
	assert_int_equal(row_history_change(&t->h, row, &t->in), 0);
	row_history_open(&t->h, &t->in, open);
	assert_int_equal(open[A].rows[SL_FLOW_TCP], ROWS);
	assert_int_equal(open[A].rows[SL_FLOW_UDP], ROWS);
	assert_int_equal(open[A].rows[SL_FLOW_QUIC], 0);
	assert_int_equal(open[A].last_ms, 1010000 + W_S * 1000);
	assert_false(open[A].held);
	assert_int_equal(open[B].rows[SL_FLOW_TCP], 0);
	t->state[A] = DRAINING;
	memset(open, 0, sizeof(open));
	row_history_open(&t->h, &t->in, open);
	assert_true(open[A].held);
	assert_int_equal(open[A].last_ms, 1010000 + 150 * 1000); /* unmarked UDP: nothing holds it */
	t->state[A] = UP;
	assert_int_equal(row_history_rekey(&t->h, row, ROWS, &other_key, &t->in), 0);
	memset(open, 0, sizeof(open));
	row_history_open(&t->h, &t->in, open);
	assert_int_equal(open[A].rows[SL_FLOW_TCP], ROWS); /* by the lens */
	assert_int_equal(open[A].last_ms, 1010000 + W_S * 1000);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_row_that_never_moved_is_home_and_clean),
		CASE(further_changes_do_not_move_the_base),
		CASE(a_row_that_comes_home_is_closed_but_still_looked_at),
		CASE(time_counts_from_leaving_home_not_from_the_last_change),
		CASE(leaving_home_again_starts_a_new_window),
		CASE(a_substitute_that_fails_too_does_not_become_the_base),
		CASE(a_base_that_is_removed_hands_over_to_where_starts_went),
		CASE(base_and_current_removed_at_once_make_the_new_one_home),
		CASE(a_row_is_held_open_while_its_base_drains),
		CASE(what_is_open_is_told_by_base_with_the_time_it_has_left),
		CASE(a_dead_base_settles_after_its_window_like_any_other),
		CASE(each_kind_has_its_own_window),
		CASE(pressure_keeps_rows_open_and_restarts_their_window),
		CASE(under_pressure_a_dead_base_gives_up_its_row_at_once),
		CASE(when_everybody_is_down_the_base_stays_and_coming_home_works),
		CASE(a_pool_that_begins_empty_is_home_where_its_first_backend_is),
		CASE(a_kind_that_comes_into_use_starts_home),
		CASE(a_key_change_keeps_the_old_rows_as_a_lens),
		CASE(a_lens_outlives_pressure_by_its_window),
		CASE(a_lens_names_nobody_who_left),
		CASE(look_goes_when_a_later_census_finds_no_entry),
		CASE(after_a_lens_no_count_is_believed_before_the_old_rows_are_forgotten),
		CASE(nothing_changed_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
