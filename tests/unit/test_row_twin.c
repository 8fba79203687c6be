/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random changes, moments and pressure: the rules for rows against a twin that follows the pseudo-code of
 * selection.md 5, one row at a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controlplane/row_history.h"
#include "tests/support/pool_fixture.h"

enum { SLOTS = 6 };
enum { UP = SL_BACKEND_UP, DRAINING = SL_BACKEND_DRAINING, LINGERING = SL_BACKEND_LINGERING, DOWN = SL_BACKEND_DOWN,
       GONE = SL_BACKEND_GONE };

static const struct sl_key key = { 1, 2 };

enum { TWIN_ROWS = 31, TWIN_STEPS = 20000 };

struct twin_row {
	uint16_t cur, base[SL_FLOW_KIND_COUNT];
	uint64_t left_ms[SL_FLOW_KIND_COUNT];
};

/* The pseudo-code of selection.md 5, one row at a time. */
static void twin_change(struct twin_row *row, uint16_t c, const struct row_inputs *in)
{
	for (int k = 0; k < SL_FLOW_KIND_COUNT; k++) {
		uint16_t *b = &row->base[k];
		const bool cur_gone = row->cur >= in->slots || in->state[row->cur] == GONE;

		if (*b >= in->slots || in->state[*b] == GONE)
			*b = cur_gone ? c : row->cur;
		else if (in->pressure && in->state[*b] == DOWN)
			*b = cur_gone ? c : row->cur;
		if (c != *b && row->cur == *b)
			row->left_ms[k] = in->now_ms;
	}
	row->cur = c;
}

static void twin_settle(struct twin_row *row, const struct row_inputs *in)
{
	for (int k = 0; k < SL_FLOW_KIND_COUNT; k++) {
		const uint64_t since = row->left_ms[k] > in->pressure_ms ? row->left_ms[k] : in->pressure_ms;
		const uint8_t state = row->base[k] < in->slots ? in->state[row->base[k]] : (uint8_t)GONE;

		if (state == GONE || (in->pressure && state == DOWN))
			row->base[k] = row->cur;
		else if (!in->pressure && in->now_ms - since >= in->idle_s[k] * 1000u &&
			 !(state == DRAINING && k != SL_FLOW_UDP))
			row->base[k] = row->cur;
	}
}

static void compare(const struct row_history *h, const struct twin_row *twin, uint64_t step)
{
	for (uint32_t r = 0; r < TWIN_ROWS; r++) {
		assert_int_equal(h->current[r], twin[r].cur);
		for (int k = 0; k < SL_FLOW_KIND_COUNT; k++) {
			const uint16_t *b = h->kind[k].base;

			if ((b ? b[r] : h->current[r]) != twin[r].base[k])
				fail_msg("step %llu row %u kind %d: base %u, the twin says %u", (unsigned long long)step, r, k,
					 b ? b[r] : h->current[r], twin[r].base[k]);
			if (twin[r].base[k] != twin[r].cur)
				assert_int_equal(h->quiet_s[r], ROW_QUIET_OPEN);
		}
	}
}

static void random_states(uint8_t *states, uint64_t *seed)
{
	static const uint8_t of[] = { UP, UP, UP, UP, DRAINING, LINGERING, DOWN, GONE };

	for (int slot = 0; slot < SLOTS; slot++)
		if (random_next(seed) % 8 == 0)
			states[slot] = of[random_next(seed) % sizeof(of)];
}

/* Some rows move to anybody who is not gone; sometimes all of them, sometimes to nobody. */
static void random_rows(uint16_t *row, const uint8_t *states, uint64_t *seed)
{
	const uint64_t share = random_next(seed) % 4;

	for (uint32_t r = 0; r < TWIN_ROWS; r++) {
		const uint16_t slot = (uint16_t)(random_next(seed) % SLOTS);

		if (row[r] != SL_SLOT_NONE && states[row[r]] == GONE)
			row[r] = SL_SLOT_NONE;
		if (random_next(seed) % 4 <= share && states[slot] != GONE)
			row[r] = slot;
	}
}

static void random_changes_agree_with_the_pseudo_code(void **unused)
{
	struct twin_row twin[TWIN_ROWS] = { { 0 } };
	uint16_t row[TWIN_ROWS] = { 0 };
	uint8_t states[SLOTS];
	struct row_history h = { .rows = 0 };
	struct row_inputs in = { .state = states, .slots = SLOTS, .idle_s = { 50, 20, 9 }, .now_ms = 5000 };
	uint64_t seed = 42;

	(void)unused;
	memset(states, UP, sizeof(states));
	assert_int_equal(row_history_start(&h, row, TWIN_ROWS, &key), 0);
	assert_int_equal(row_history_use(&h, 7), 0);
	for (uint64_t step = 0; step < TWIN_STEPS; step++) {
		if (random_next(&seed) % 40 == 0)
			in.pressure = !in.pressure;
		if (in.pressure)
			in.pressure_ms = in.now_ms;
		if (random_next(&seed) % 3 == 0) {
			random_states(states, &seed);
			random_rows(row, states, &seed);
			assert_int_equal(row_history_change(&h, row, &in), 0);
			for (uint32_t r = 0; r < TWIN_ROWS; r++)
				twin_change(&twin[r], row[r], &in);
			compare(&h, twin, step);
		}
		in.now_ms += random_next(&seed) % 10 * 1000;
		if (in.pressure)
			in.pressure_ms = in.now_ms;
		row_history_settle(&h, &in);
		for (uint32_t r = 0; r < TWIN_ROWS; r++)
			twin_settle(&twin[r], &in);
		compare(&h, twin, step);
	}
	row_history_clear(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_changes_agree_with_the_pseudo_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
