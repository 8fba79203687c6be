/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The naive lookup table: see the header. Slow on purpose where slow is plain; asserts on no memory.
 */
#include "maglev_twin.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sluice/core/hash.h"
#include "sluice/limits.h"

void maglev_twin_fill(const struct maglev_seat *seats, size_t count, uint32_t rows, uint16_t *ret_owner)
{
	uint64_t *next = calloc(count + 1, sizeof(*next));
	uint64_t heaviest = 0;
	uint32_t taken = 0;

	assert(next != NULL);
	for (uint32_t r = 0; r < rows; r++)
		ret_owner[r] = MAGLEV_NOBODY;
	for (size_t i = 0; i < count; i++)
		if (seats[i].weight > heaviest)
			heaviest = seats[i].weight;
	for (uint64_t round = 1; heaviest > 0 && taken < rows; round++) {
		for (size_t i = 0; i < count && taken < rows; i++) {
			uint64_t c;

			/* Turns due after this round: floor(round * weight / heaviest). */
			if (seats[i].weight != heaviest &&
			    round * seats[i].weight / heaviest == (round - 1) * seats[i].weight / heaviest)
				continue;
			do {
				c = (seats[i].offset + next[i] * seats[i].skip) % rows;
				next[i]++;
			} while (ret_owner[c] != MAGLEV_NOBODY);
			ret_owner[c] = (uint16_t)i;
			taken++;
		}
	}
	free(next);
}

/* ---- the table by its definition ---------------------------------------------------------------------- */

struct twin {
	const struct maglev_pool *pool;
	const struct maglev_backend **sorted;
	bool backup, ignore_health;
	uint32_t highest;
};

static uint64_t name_hash(const struct maglev_pool *pool, const struct maglev_backend *backend)
{
	return sl_siphash13(&pool->key, backend->name, (uint32_t)strlen(backend->name));
}

/* Insertion sort by (hash, name). */
static void sort_backends(struct twin *twin)
{
	const struct maglev_pool *pool = twin->pool;

	for (size_t i = 0; i < pool->count; i++) {
		const struct maglev_backend *backend = &pool->backends[i];
		const uint64_t hash = name_hash(pool, backend);
		size_t at = i;

		for (; at > 0; at--) {
			const uint64_t other = name_hash(pool, twin->sorted[at - 1]);

			if (other < hash ||
			    (other == hash && strcmp(twin->sorted[at - 1]->name, backend->name) < 0))
				break;
			twin->sorted[at] = twin->sorted[at - 1];
		}
		twin->sorted[at] = backend;
	}
}

static bool usable(const struct twin *twin, const struct maglev_backend *b)
{
	return b->backup == twin->backup && b->weight > 0 && b->accept > 0 &&
	       (b->live || twin->ignore_health);
}

static bool whole(const struct twin *twin, const struct maglev_backend *b)
{
	return usable(twin, b) && b->accept == twin->highest;
}

static bool someone(struct twin *twin, bool backup, bool ignore_health)
{
	twin->backup = backup;
	twin->ignore_health = ignore_health;
	twin->highest = 0;
	for (size_t i = 0; i < twin->pool->count; i++) {
		const struct maglev_backend *b = &twin->pool->backends[i];

		if (usable(twin, b) && b->accept > twin->highest)
			twin->highest = b->accept;
	}
	return twin->highest > 0;
}

static enum maglev_source decide(struct twin *twin)
{
	size_t live = 0, all = 0;
	bool panic;

	for (size_t i = 0; i < twin->pool->count; i++) {
		const struct maglev_backend *b = &twin->pool->backends[i];

		if (!b->backup && b->weight > 0 && b->accept > 0) {
			all++;
			live += b->live ? 1 : 0;
		}
	}
	panic = live * 100 < all * twin->pool->panic_percent;
	if (!panic && someone(twin, false, false))
		return MAGLEV_PRIMARIES;
	if (live == 0 && someone(twin, true, false))
		return MAGLEV_BACKUPS;
	if (panic && someone(twin, false, true))
		return MAGLEV_PANIC;
	return MAGLEV_EMPTY;
}

/* Owners but for those that are new, ramp and have rank `without` or a higher one; 0: of all. */
static void fill(const struct twin *twin, uint32_t without, uint16_t *ret_owner)
{
	const struct maglev_pool *pool = twin->pool;
	struct maglev_seat *seats = calloc(pool->count + 1, sizeof(*seats));

	assert(seats != NULL);
	for (size_t i = 0; i < pool->count; i++) {
		const struct maglev_backend *b = twin->sorted[i];
		const uint64_t hash = name_hash(pool, b);

		seats[i].offset = (uint32_t)(((hash & 0xffffffff) * pool->rows) >> 32);
		seats[i].skip = (uint32_t)(((hash >> 32) * (pool->rows - 1)) >> 32) + 1;
		if (b->backup == twin->backup && !(without > 0 && b->added >= without && !whole(twin, b)))
			seats[i].weight = b->weight;
	}
	maglev_twin_fill(seats, pool->count, pool->rows, ret_owner);
	free(seats);
}

static uint32_t second_hash(const struct maglev_pool *pool, uint64_t row, uint64_t what)
{
	const uint64_t input[2] = {row, what};

	return (uint32_t)sl_siphash13(&pool->key, input, sizeof(input));
}

static const struct maglev_backend *place(const struct twin *twin, const uint16_t *owner,
					  uint16_t *const *without, uint32_t row)
{
	const struct maglev_pool *pool = twin->pool;
	uint16_t holder = owner[row];

	while (holder != MAGLEV_NOBODY) {
		const struct maglev_backend *b = twin->sorted[holder];
		const uint64_t accept = usable(twin, b) ? (uint64_t)b->accept * 65536 / twin->highest : 0;

		if ((second_hash(pool, row, name_hash(pool, b)) & 0xffff) < accept)
			return b;
		holder = b->added > 0 && !whole(twin, b) ? without[b->added][row] : MAGLEV_NOBODY;
	}
	for (uint64_t k = 1; k <= 32; k++) {
		const uint32_t at = (uint32_t)(((uint64_t)second_hash(pool, row, k) * pool->rows) >> 32);

		if (whole(twin, twin->sorted[owner[at]]))
			return twin->sorted[owner[at]];
	}
	for (uint32_t step = 1; step < pool->rows; step++)
		if (whole(twin, twin->sorted[owner[(row + step) % pool->rows]]))
			return twin->sorted[owner[(row + step) % pool->rows]];
	abort();
}

/* More backends than rows may leave the whole ones without any: then they share all rows in turn. */
static bool place_crowded(const struct twin *twin, const uint16_t *owner, uint16_t *ret_row)
{
	size_t at = 0;

	for (uint32_t row = 0; row < twin->pool->rows; row++)
		if (whole(twin, twin->sorted[owner[row]]))
			return false;
	for (uint32_t row = 0; row < twin->pool->rows; row++, at++) {
		while (!whole(twin, twin->sorted[at % twin->pool->count]))
			at++;
		ret_row[row] = twin->sorted[at % twin->pool->count]->slot;
	}
	return true;
}

enum maglev_source maglev_twin_table(const struct maglev_pool *pool, uint16_t *ret_row)
{
	struct twin twin = {.pool = pool, .sorted = calloc(pool->count + 1, sizeof(*twin.sorted))};
	uint16_t *owner = calloc(pool->rows, sizeof(*owner)), *without[MAGLEV_ADDED_MAX + 1];
	enum maglev_source source;

	assert(twin.sorted != NULL && owner != NULL);
	for (uint32_t rank = 0; rank <= MAGLEV_ADDED_MAX; rank++) {
		without[rank] = calloc(pool->rows, sizeof(*without[rank]));
		assert(without[rank] != NULL);
	}
	sort_backends(&twin);
	source = decide(&twin);
	if (source != MAGLEV_EMPTY) {
		fill(&twin, 0, owner);
		for (uint32_t rank = 1; rank <= MAGLEV_ADDED_MAX; rank++)
			fill(&twin, rank, without[rank]);
		if (place_crowded(&twin, owner, ret_row))
			goto out;
	}
	for (uint32_t row = 0; row < pool->rows; row++)
		ret_row[row] =
			source == MAGLEV_EMPTY ? SL_SLOT_NONE : place(&twin, owner, without, row)->slot;
out:
	for (uint32_t rank = 0; rank <= MAGLEV_ADDED_MAX; rank++)
		free(without[rank]);
	free(owner);
	free(twin.sorted);
	return source;
}
