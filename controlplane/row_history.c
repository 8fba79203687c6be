/* SPDX-License-Identifier: BSD-3-Clause */
/* The rules of selection.md 5 for rows, line by line. */
#include "controlplane/row_history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sluice/flows.h"

enum { KINDS = SL_FLOW_KIND_COUNT };

static uint8_t state_of(const struct row_inputs *in, uint16_t slot)
{
	return slot < in->slots ? in->state[slot] : (uint8_t)SL_BACKEND_GONE;
}

static bool gone(const struct row_inputs *in, uint16_t slot)
{
	return state_of(in, slot) == SL_BACKEND_GONE;
}

/*
 * True for who cannot be anybody's base: a backend that left the configuration, and under pressure a dead one, which
 * would collect connections that started elsewhere and found no room to be remembered.
 */
static bool homeless(const struct row_inputs *in, uint16_t base)
{
	return gone(in, base) || (in->pressure && state_of(in, base) == SL_BACKEND_DOWN);
}

/* Where a row is at home. */
static uint16_t home_of(const struct row_inputs *in, uint16_t base, uint16_t current, uint16_t next)
{
	if (homeless(in, base))
		return gone(in, current) ? next : current;
	return base;
}

/* ---- memory ------------------------------------------------------------------------------------------- */

static uint16_t *copy_slots(const uint16_t *slot, uint32_t rows)
{
	uint16_t *copy = malloc((size_t)rows * sizeof(*copy));

	if (copy)
		memcpy(copy, slot, (size_t)rows * sizeof(*copy));
	return copy;
}

static void kind_home(struct row_kind *kind)
{
	free(kind->base);
	free(kind->left_s);
	kind->base = NULL;
	kind->left_s = NULL;
	kind->open = 0;
}

static void lens_drop(struct row_history *h, int kind)
{
	if (h->lens.base[kind])
		h->changed |= (unsigned int)ROW_CHANGED_LENS << kind;
	free(h->lens.base[kind]);
	h->lens.base[kind] = NULL;
}

void row_history_clear(struct row_history *h)
{
	for (int k = 0; k < KINDS; k++) {
		kind_home(&h->kind[k]);
		free(h->lens.base[k]);
	}
	free(h->current);
	free(h->quiet_s);
	memset(h, 0, sizeof(*h));
}

static int32_t *quiet_alloc(uint32_t rows, int32_t value)
{
	int32_t *quiet_s = malloc((size_t)rows * sizeof(*quiet_s));

	for (uint32_t r = 0; quiet_s && r < rows; r++)
		quiet_s[r] = value;
	return quiet_s;
}

int row_history_start(struct row_history *h, const uint16_t *row, uint32_t rows, const struct sl_key *key)
{
	struct row_history fresh = { .rows = rows, .key = *key, .changed = ROW_CHANGED_ALL };

	fresh.current = copy_slots(row, rows);
	fresh.quiet_s = quiet_alloc(rows, ROW_QUIET_CLEAN);
	if (!fresh.current || !fresh.quiet_s) {
		row_history_clear(&fresh);
		return -ENOMEM;
	}
	for (int k = 0; k < KINDS; k++)
		fresh.kind[k].used = h->kind[k].used;
	row_history_clear(h);
	*h = fresh;
	return 0;
}

/* Room for bases, filled with `current`: every row is home still. */
static int kind_open(struct row_kind *kind, const uint16_t *current, uint32_t rows)
{
	if (kind->base)
		return 0;
	kind->base = copy_slots(current, rows);
	kind->left_s = calloc(rows, sizeof(*kind->left_s));
	if (kind->base && kind->left_s)
		return 0;
	kind_home(kind);
	return -ENOMEM;
}

/* QUIC and unmarked UDP are the same packets, told apart by the service's configuration alone. */
static int sibling_of(int kind)
{
	return kind == SL_FLOW_QUIC ? SL_FLOW_UDP : kind == SL_FLOW_UDP ? SL_FLOW_QUIC : -1;
}

static int kind_begin(struct row_history *h, int k)
{
	const int sibling = sibling_of(k);
	const struct row_kind *from;
	struct row_kind kind = { .used = true };
	uint16_t *lens = NULL;

	h->changed |= ROW_CHANGED_TIMES;
	if (sibling < 0 || !h->kind[sibling].used) {
		h->kind[k].used = true;
		return 0;
	}
	from = &h->kind[sibling];
	if (from->base) {
		if (kind_open(&kind, from->base, h->rows) < 0)
			return -ENOMEM;
		memcpy(kind.left_s, from->left_s, (size_t)h->rows * sizeof(*kind.left_s));
		kind.open = from->open;
	}
	if (h->lens.base[sibling]) {
		lens = copy_slots(h->lens.base[sibling], h->lens.rows);
		if (!lens) {
			kind_home(&kind);
			return -ENOMEM;
		}
	}
	h->kind[k] = kind;
	h->lens.base[k] = lens;
	h->changed |= (unsigned int)(ROW_CHANGED_BASE | ROW_CHANGED_LENS) << k;
	return 0;
}

static void kind_end(struct row_history *h, int k)
{
	h->changed |= ROW_CHANGED_TIMES | (h->kind[k].base ? (unsigned int)ROW_CHANGED_BASE << k : 0);
	kind_home(&h->kind[k]);
	h->kind[k].used = false;
	lens_drop(h, k);
}

int row_history_use(struct row_history *h, unsigned int kinds)
{
	for (int k = 0; k < KINDS; k++)
		if ((kinds >> k & 1) && !h->kind[k].used && kind_begin(h, k) < 0)
			return -ENOMEM;
	for (int k = 0; k < KINDS; k++)
		if (!(kinds >> k & 1) && h->kind[k].used)
			kind_end(h, k);
	return 0;
}

/* ---- changes ------------------------------------------------------------------------------------------ */

/* True when one of the rows of a kind that is all home leaves it by this change. */
static bool any_leaves(const struct row_history *h, const uint16_t *row, const struct row_inputs *in)
{
	for (uint32_t r = 0; r < h->rows; r++)
		if (row[r] != h->current[r] && row[r] != home_of(in, h->current[r], h->current[r], row[r]))
			return true;
	return false;
}

/* The new rows against the bases of one kind; h->current is still the old one. */
static void kind_change(struct row_history *h, int k, const uint16_t *row, const struct row_inputs *in)
{
	struct row_kind *kind = &h->kind[k];
	const int32_t now_s = row_seconds_up(in->now_ms);
	bool moved = false;

	kind->open = 0;
	for (uint32_t r = 0; r < h->rows; r++) {
		const uint16_t base = home_of(in, kind->base[r], h->current[r], row[r]);

		moved |= base != kind->base[r];
		kind->base[r] = base;
		if (row[r] == base)
			continue;
		if (h->current[r] == base)
			kind->left_s[r] = now_s;
		kind->open++;
	}
	if (kind->open == 0) {
		kind_home(kind);
		moved = true;
	}
	if (moved)
		h->changed |= (unsigned int)ROW_CHANGED_BASE << k;
}

/* Nobody is to be found through the lens where nobody can be at home: the rows of the table now say where instead. */
static void lens_change(struct row_history *h, const struct row_inputs *in)
{
	for (int k = 0; k < KINDS; k++)
		for (uint32_t r = 0; h->lens.base[k] && r < h->lens.rows; r++) {
			uint16_t *base = &h->lens.base[k][r];

			if (*base == SL_SLOT_NONE || !homeless(in, *base))
				continue;
			*base = SL_SLOT_NONE;
			h->changed |= (unsigned int)ROW_CHANGED_LENS << k;
		}
}

static bool row_is_open(const struct row_history *h, uint32_t r)
{
	for (int k = 0; k < KINDS; k++)
		if (h->kind[k].base && h->kind[k].base[r] != h->current[r])
			return true;
	return false;
}

/* What is open is LOOK; what closed since the last call closed now. */
static void mark_rows(struct row_history *h, uint64_t now_ms)
{
	const int32_t now_s = row_seconds_up(now_ms);
	const int32_t quiet_s = now_s > h->stale_until_s ? now_s : h->stale_until_s;

	for (uint32_t r = 0; r < h->rows; r++) {
		int32_t *mark = &h->quiet_s[r];

		if (h->lens.rows != 0 || row_is_open(h, r)) {
			if (*mark == ROW_QUIET_CLEAN)
				h->changed |= ROW_CHANGED_CURRENT;
			*mark = ROW_QUIET_OPEN;
		} else if (*mark == ROW_QUIET_OPEN) {
			*mark = quiet_s;
			h->changed |= ROW_CHANGED_TIMES;
		}
	}
}

int row_history_change(struct row_history *h, const uint16_t *row, const struct row_inputs *in)
{
	bool made[KINDS] = { false };
	bool leaves;

	if (!row)
		row = h->current;
	leaves = any_leaves(h, row, in);
	for (int k = 0; k < KINDS; k++) {
		if (!h->kind[k].used || h->kind[k].base || !leaves)
			continue;
		made[k] = true;
		if (kind_open(&h->kind[k], h->current, h->rows) == 0)
			continue;
		for (int undo = 0; undo < k; undo++)
			if (made[undo])
				kind_home(&h->kind[undo]);
		return -ENOMEM;
	}
	for (int k = 0; k < KINDS; k++) {
		if (made[k])
			h->changed |= (unsigned int)ROW_CHANGED_BASE << k;
		if (h->kind[k].base)
			kind_change(h, k, row, in);
	}
	lens_change(h, in);
	if (memcmp(h->current, row, (size_t)h->rows * sizeof(*row)) != 0) {
		memcpy(h->current, row, (size_t)h->rows * sizeof(*row));
		h->changed |= ROW_CHANGED_CURRENT;
	}
	mark_rows(h, in->now_ms);
	return 0;
}

int row_history_rekey(struct row_history *h, const uint16_t *row, uint32_t rows, const struct sl_key *key,
		      const struct row_inputs *in)
{
	struct row_history fresh = { .rows = rows, .key = *key, .changed = ROW_CHANGED_ALL };

	if (h->lens.rows != 0)
		return -EBUSY;
	fresh.current = copy_slots(row, rows);
	fresh.quiet_s = quiet_alloc(rows, ROW_QUIET_OPEN);
	fresh.lens = (struct row_lens){ .rows = h->rows, .key = h->key, .left_ms = (int64_t)in->now_ms };
	for (int k = 0; k < KINDS; k++) {
		fresh.kind[k].used = h->kind[k].used;
		if (!h->kind[k].used)
			continue;
		fresh.lens.base[k] = copy_slots(h->kind[k].base ? h->kind[k].base : h->current, h->rows);
		if (!fresh.lens.base[k])
			goto no_memory;
	}
	if (!fresh.current || !fresh.quiet_s)
		goto no_memory;
	row_history_clear(h);
	*h = fresh;
	lens_change(h, in);
	return 0;
no_memory:
	row_history_clear(&fresh);
	return -ENOMEM;
}

/* ---- time --------------------------------------------------------------------------------------------- */

/* When what left at `left_ms` is over, were there no more pressure. */
static int64_t over_ms(int64_t left_ms, uint16_t idle_s, const struct row_inputs *in)
{
	const int64_t pressure_ms = in->pressure_ms ? (int64_t)in->pressure_ms : INT64_MIN;

	return (left_ms > pressure_ms ? left_ms : pressure_ms) + (int64_t)idle_s * 1000;
}

static bool is_held(const struct row_inputs *in, int kind, uint16_t base)
{
	return kind != SL_FLOW_UDP && state_of(in, base) == SL_BACKEND_DRAINING;
}

static uint64_t earlier(uint64_t due_ms, int64_t other_ms)
{
	return (uint64_t)other_ms < due_ms ? (uint64_t)other_ms : due_ms;
}

/* Closes rows of one kind; returns when the next is due. */
static uint64_t kind_settle(struct row_history *h, int k, const struct row_inputs *in)
{
	struct row_kind *kind = &h->kind[k];
	uint64_t due_ms = ROW_NEVER_MS;
	bool moved = false;

	kind->open = 0;
	for (uint32_t r = 0; r < h->rows; r++) {
		uint16_t *base = &kind->base[r];
		int64_t at_ms;

		if (*base == h->current[r])
			continue;
		if (home_of(in, *base, h->current[r], h->current[r]) != *base) {
			*base = h->current[r];
			moved = true;
			continue;
		}
		at_ms = over_ms((int64_t)kind->left_s[r] * 1000, in->idle_s[k], in);
		if (!in->pressure && !is_held(in, k, *base)) {
			if (at_ms <= (int64_t)in->now_ms) {
				*base = h->current[r];
				moved = true;
				continue;
			}
			due_ms = earlier(due_ms, at_ms);
		}
		kind->open++;
	}
	if (kind->open == 0)
		kind_home(kind);
	if (moved)
		h->changed |= (unsigned int)ROW_CHANGED_BASE << k;
	return due_ms;
}

/* Ends the lens for kinds whose time is over; returns when the next is due. */
static uint64_t lens_settle(struct row_history *h, const struct row_inputs *in)
{
	uint64_t due_ms = ROW_NEVER_MS;
	bool left = false;

	if (h->lens.rows == 0)
		return due_ms;
	for (int k = 0; k < KINDS; k++) {
		const int64_t at_ms = over_ms(h->lens.left_ms, in->idle_s[k], in);

		if (!h->lens.base[k])
			continue;
		if (!in->pressure && at_ms <= (int64_t)in->now_ms) {
			lens_drop(h, k);
			continue;
		}
		left = true;
		if (!in->pressure)
			due_ms = earlier(due_ms, at_ms);
	}
	if (!left)
		memset(&h->lens, 0, sizeof(h->lens));
	return due_ms;
}

static void add_open(const struct row_inputs *in, int k, uint16_t base, int64_t left_ms, bool held, struct row_open *slot)
{
	const int64_t at_ms = over_ms(left_ms, in->idle_s[k], in);

	if (base >= in->slots)
		return;
	slot[base].rows[k]++;
	if (held || in->pressure)
		slot[base].held = true;
	else if (at_ms > (int64_t)slot[base].last_ms)
		slot[base].last_ms = (uint64_t)at_ms;
}

void row_history_open(const struct row_history *h, const struct row_inputs *in, struct row_open *ret_slot)
{
	for (int k = 0; k < KINDS; k++) {
		const struct row_kind *kind = &h->kind[k];

		for (uint32_t r = 0; kind->base && r < h->rows; r++)
			if (kind->base[r] != h->current[r])
				add_open(in, k, kind->base[r], (int64_t)kind->left_s[r] * 1000, is_held(in, k, kind->base[r]), ret_slot);
		for (uint32_t r = 0; h->lens.base[k] && r < h->lens.rows; r++)
			add_open(in, k, h->lens.base[k][r], h->lens.left_ms, false, ret_slot);
	}
}

/*
 * Entries say their row as it was when they were last told. By the end of a lens one may still say its row in the
 * old table, if it was told before: such a one is forgotten after the rest of its life.
 */
static int32_t rest_of_life_s(const struct row_inputs *in)
{
	uint32_t longest_s = 0;

	for (int k = 0; k < KINDS; k++) {
		const uint32_t rest_s = sl_flow_life_s(in->idle_s[k]) - in->idle_s[k];

		if (rest_s > longest_s)
			longest_s = rest_s;
	}
	return (int32_t)longest_s + 1;
}

uint64_t row_history_settle(struct row_history *h, const struct row_inputs *in)
{
	const bool had_lens = h->lens.rows != 0;
	const unsigned int before = h->changed;
	uint64_t due_ms, kind_ms;

	h->changed = 0;
	due_ms = lens_settle(h, in);
	for (int k = 0; k < KINDS; k++) {
		if (!h->kind[k].base)
			continue;
		kind_ms = kind_settle(h, k, in);
		if (kind_ms < due_ms)
			due_ms = kind_ms;
	}
	if (had_lens && h->lens.rows == 0) {
		h->stale_until_s = row_seconds_up(in->now_ms) + rest_of_life_s(in);
		h->changed |= ROW_CHANGED_TIMES;
	}
	if (h->changed != 0)
		mark_rows(h, in->now_ms);
	h->changed |= before;
	return due_ms;
}
