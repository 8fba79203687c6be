/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one pool's rows were (selection.md 5): where each row leads now, which backend its older connections belong
 * to (its base, per kind of traffic), since when these differ, and the lens of a key or table size that changed.
 * Pure: states and times are passed in; moments are CLOCK_BOOTTIME. One owner, one thread. Who computes the rows,
 * publishes and persists all this: model_rows.c, row_file.c.
 */
#ifndef CONTROLPLANE_ROW_HISTORY_H
#define CONTROLPLANE_ROW_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/tables.h"

#define ROW_NEVER_MS UINT64_MAX /* no moment is due */

enum {
	ROW_QUIET_CLEAN = INT32_MIN, /* row_history.quiet_s: nothing is remembered of the row, it has no LOOK */
	ROW_QUIET_OPEN = INT32_MAX,  /* some kind is open, or there is a lens */
};

/* Bits of row_history.changed: what a datapath that knew the rows before must be told. */
enum {
	ROW_CHANGED_CURRENT = 1,
	ROW_CHANGED_BASE = 2,  /* << enum sl_flow_kind */
	ROW_CHANGED_LENS = 16, /* << enum sl_flow_kind */
	ROW_CHANGED_TIMES = 128, /* nothing to publish, but to be kept: when rows left home */
	ROW_CHANGED_ALL = 255,
};

/* One kind of traffic. A row is open while its base is not its current slot. */
struct row_kind {
	bool used;       /* by a service of the pool; else nothing of it is kept */
	uint16_t *base;  /* `rows` slots; NULL: every row is home */
	int32_t *left_s; /* with base: when an open row left home, rounded up; below 0: before this boot */
	uint32_t open;   /* rows */
};

/* The rows as they were by another key or table size; every row of the new table is LOOK meanwhile. */
struct row_lens {
	uint32_t rows; /* 0: there is none */
	struct sl_key key;
	uint16_t *base[SL_FLOW_KIND_COUNT]; /* NULL: not of this kind (any more) */
	int64_t left_ms;                    /* when key or size changed; below 0: before this boot */
};

struct row_history {
	uint32_t rows;
	struct sl_key key; /* the one the rows are chosen by */
	uint16_t *current; /* slots, without LOOK */
	/*
	 * Per row: CLEAN, OPEN, or when it closed (seconds, rounded up): its connections may be remembered at another
	 * backend, so it keeps LOOK until a census that began well after that finds none (row_history_counted()).
	 */
	int32_t *quiet_s;
	int32_t stale_until_s; /* till then entries may say a row of the table before: no row is quiet earlier */
	struct row_kind kind[SL_FLOW_KIND_COUNT];
	struct row_lens lens;
	unsigned int changed; /* ROW_CHANGED_*: the owner clears what it has told */
};

/* What surrounds the rows at one moment. */
struct row_inputs {
	const uint8_t *state; /* enum sl_backend_state by slot; GONE: nobody has the slot any more */
	uint32_t slots;       /* of `state`; slots past it are gone, and so is SL_SLOT_NONE */
	uint16_t idle_s[SL_FLOW_KIND_COUNT]; /* W of each kind */
	uint64_t now_ms;
	uint64_t pressure_ms; /* when the memory of connections was under pressure last; 0: never */
	bool pressure;        /* it is now: no row closes, no lens ends */
};

/* Rows that lead older connections to one backend, and new ones no more. */
struct row_open {
	uint32_t rows[SL_FLOW_KIND_COUNT];
	bool held;        /* one of them as long as its base drains, or the memory is under pressure */
	uint64_t last_ms; /* when the last of the others closes; 0: there is none */
};

/* Moments are kept in seconds, rounded up: a row stays open too long rather than too short. */
static inline int32_t row_seconds_up(uint64_t now_ms)
{
	return (int32_t)((now_ms + 999) / 1000);
}

/* All of it zero is a history of no rows. */
void row_history_clear(struct row_history *h);
/* Starts anew: `rows` rows, all home and clean. 0, or -ENOMEM and *h as it was. */
int row_history_start(struct row_history *h, const uint16_t *row, uint32_t rows, const struct sl_key *key);
/*
 * Which kinds are in use, as bits 1 << enum sl_flow_kind. One that comes into use starts home; but QUIC and
 * unmarked UDP take over from each other, for the packets are the same. 0, or -ENOMEM: call it again.
 */
int row_history_use(struct row_history *h, unsigned int kinds);
/*
 * "On any change": the rows are to be `row` now (h->rows of them; NULL: as they are), and backends are in other
 * states. 0, or -ENOMEM and *h as it was.
 */
int row_history_change(struct row_history *h, const uint16_t *row, const struct row_inputs *in);
/*
 * "Key or M change": rows, key or both are others from now on, and what was is kept as the lens. `key` and `rows`
 * the same: what chooses rows changed otherwise (a service's hash). There is one lens at a time: while h->lens.rows
 * is not 0 this is -EBUSY, and the owner goes on with the old key, size and hash, computing `current` by them, until
 * the lens has ended; the second change waits. Every row is home and LOOK. 0, or -ENOMEM and *h as it was.
 */
int row_history_rekey(struct row_history *h, const uint16_t *row, uint32_t rows, const struct sl_key *key,
		      const struct row_inputs *in);
/*
 * "Every second": closes rows whose time is over and ends the lens. Returns when the next one is due (ms), or
 * ROW_NEVER_MS: only an event (a change, the end of a drain or of pressure) can close one. A row is held open past
 * its time while its base drains, but for unmarked UDP, which has no end to wait for.
 */
uint64_t row_history_settle(struct row_history *h, const struct row_inputs *in);
/* To ret_slot[] of in->slots, all zero: what is open by base, the lens's rows too. A pass over all rows that may be. */
void row_history_open(const struct row_history *h, const struct row_inputs *in, struct row_open *ret_slot);
/*
 * A census: count[r] connections are remembered in row r, of a scan that began when everything decided up to
 * `decided_ms` was long (MODEL_APPLIED_MS) in force. Rows that closed before and have none lose LOOK.
 */
void row_history_counted(struct row_history *h, const uint16_t *count, uint32_t rows, uint64_t decided_ms);
/* Connections may be remembered in any row: nothing is known of them (the history was lost). */
void row_history_suspect(struct row_history *h, uint64_t now_ms);

/* True when a row is closed and LOOKs still: a census is due. */
bool row_history_waits(const struct row_history *h);
/* Rows with LOOK. */
uint32_t row_history_looks(const struct row_history *h);
/* True when a base or the lens names the slot: it must not be given to another backend. */
bool row_history_names(const struct row_history *h, uint16_t slot);

#endif
