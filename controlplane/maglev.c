/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Maglev (Eisenbud et al., NSDI 2016) with a credit rule for weights, and the overlay for backends that
 * are down, drain or ramp: their rows, and only theirs, are probed again by a second hash. Everything
 * is decided by names and rows; slots are looked up last. When a table is due is model.c's business.
 */
#include "maglev.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "maglev_fill.h"
#include "sluice/core/hash.h"
#include "sluice/limits.h"

static_assert(SL_SLOT_MAX < MAGLEV_NOBODY, "an owner's index must differ from MAGLEV_NOBODY");

/* One backend in canonical order. */
struct member {
	uint64_t hash;  /* of its name under the fleet's key */
	uint32_t index; /* in maglev_pool.backends */
	uint32_t weight;
	bool backup;
	uint8_t group; /* 0, or that of its rank among the new: left out of without[group - 1] and those below */
	char name[SL_NAME_MAX];
};

/* Owners of all rows among one choice of members. */
struct owners {
	uint16_t *row; /* position in members, or MAGLEV_NOBODY; NULL: not built */
};

struct maglev {
	struct member *members; /* sorted by hash, ties by name: never by the order they came in */
	size_t count;
	uint32_t rows;
	struct sl_key key;
	struct owners primaries;
	struct owners backups; /* built when first needed: most pools have none */
	struct owners without[MAGLEV_ADDED_MAX]; /* of the role in use, without the new ones of this group and above */
	unsigned int groups;
	bool without_backups;
};

/* What the overlay knows about a member. */
struct standing {
	uint16_t slot;
	bool whole;  /* live, takes all it owns: others' rows may come to it */
	bool usable; /* live, takes at least a part */
	uint8_t group;   /* of the new that ramp; 0: it is none */
	uint32_t added;
	uint32_t accept; /* relative to the highest of the live */
	uint64_t hash;
};

/* ---- owners ------------------------------------------------------------------------------------------- */

static int member_compare(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* Owners among the members of one role, but for the new ones of group `without` and above; 0: nobody is left out. */
static int owners_build(const struct maglev *maglev, bool backup, unsigned int without, struct owners *owners)
{
	struct maglev_seat *seats = calloc(maglev->count + 1, sizeof(*seats));
	int err;

	if (owners->row == NULL)
		owners->row = malloc(maglev->rows * sizeof(*owners->row));
	if (seats == NULL || owners->row == NULL) {
		err = -ENOMEM;
		goto out;
	}
	for (size_t i = 0; i < maglev->count; i++) {
		const struct member *member = &maglev->members[i];
		const bool seated = member->backup == backup && (without == 0 || member->group < without);

		seats[i].offset = sl_row_of((uint32_t)member->hash, maglev->rows);
		seats[i].skip = 1 + sl_row_of((uint32_t)(member->hash >> 32), maglev->rows - 1);
		seats[i].weight = seated ? member->weight : 0;
	}
	err = maglev_fill(seats, maglev->count, maglev->rows, owners->row);
out:
	if (err < 0) {
		free(owners->row);
		owners->row = NULL;
	}
	free(seats);
	return err;
}

static void owners_drop(struct owners *owners)
{
	free(owners->row);
	owners->row = NULL;
}

static void without_drop(struct maglev *maglev)
{
	for (size_t i = 0; i < MAGLEV_ADDED_MAX; i++)
		owners_drop(&maglev->without[i]);
	maglev->groups = 0;
}

static void maglev_clear(struct maglev *maglev)
{
	owners_drop(&maglev->primaries);
	owners_drop(&maglev->backups);
	without_drop(maglev);
	free(maglev->members);
	maglev->members = NULL;
	maglev->count = 0;
	maglev->rows = 0;
}

int maglev_create(struct maglev **ret_maglev)
{
	struct maglev *maglev = calloc(1, sizeof(*maglev));

	if (maglev == NULL)
		return -ENOMEM;
	*ret_maglev = maglev;
	return 0;
}

void maglev_destroy(struct maglev *maglev)
{
	if (maglev == NULL)
		return;
	maglev_clear(maglev);
	free(maglev);
}

/* True when the cached owners are those of `members`. */
static bool maglev_is_of(const struct maglev *maglev, const struct maglev_pool *pool,
			 const struct member *members)
{
	if (maglev->members == NULL || maglev->count != pool->count || maglev->rows != pool->rows ||
	    maglev->key.k0 != pool->key.k0 || maglev->key.k1 != pool->key.k1)
		return false;
	for (size_t i = 0; i < pool->count; i++)
		if (maglev->members[i].weight != members[i].weight ||
		    maglev->members[i].backup != members[i].backup ||
		    strcmp(maglev->members[i].name, members[i].name) != 0)
			return false;
	return true;
}

/* The pool's backends in canonical order; the caller frees. */
static int members_sorted(const struct maglev_pool *pool, struct member **ret_members)
{
	struct member *members = calloc(pool->count + 1, sizeof(*members));

	if (members == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < pool->count; i++) {
		const struct maglev_backend *backend = &pool->backends[i];
		const size_t len = strnlen(backend->name, sizeof(members[i].name));

		if (len == sizeof(members[i].name)) {
			free(members);
			return -EINVAL;
		}
		memcpy(members[i].name, backend->name, len);
		members[i].hash = sl_siphash13(&pool->key, backend->name, (uint32_t)len);
		members[i].index = (uint32_t)i;
		members[i].weight = backend->weight;
		members[i].backup = backend->backup;
	}
	qsort(members, pool->count, sizeof(*members), member_compare);
	*ret_members = members;
	return 0;
}

/* A composite size would leave rows that a permutation never reaches. At most 2048 divisions. */
static bool is_prime(uint32_t n)
{
	if (n < 2 || (n % 2 == 0 && n != 2))
		return false;
	for (uint32_t d = 3; d <= n / d; d += 2)
		if (n % d == 0)
			return false;
	return true;
}

int maglev_owners(struct maglev *maglev, const struct maglev_pool *pool)
{
	struct member *members;
	int err;

	if (pool->rows < 3 || pool->rows > SL_TABLE_ROWS_MAX || !is_prime(pool->rows) ||
	    pool->count > SL_SLOT_MAX + 1)
		return -EINVAL;
	err = members_sorted(pool, &members);
	if (err < 0)
		return err;
	if (maglev_is_of(maglev, pool, members)) {
		for (size_t i = 0; i < pool->count; i++)
			maglev->members[i].index = members[i].index; /* the caller's order may differ */
		free(members);
		return 0;
	}
	maglev_clear(maglev);
	maglev->members = members;
	maglev->count = pool->count;
	maglev->rows = pool->rows;
	maglev->key = pool->key;
	err = owners_build(maglev, false, 0, &maglev->primaries);
	if (err < 0)
		maglev_clear(maglev);
	return err;
}

/* ---- overlay ------------------------------------------------------------------------------------------ */

/* Sets what each member of a role may take. Returns how many may take anything. */
static size_t standings_fill(const struct maglev *maglev, const struct maglev_pool *pool, bool backup,
			     bool ignore_health, struct standing *standings)
{
	uint32_t highest = 0;
	size_t usable = 0;

	for (size_t i = 0; i < maglev->count; i++) {
		const struct maglev_backend *backend = &pool->backends[maglev->members[i].index];
		struct standing *standing = &standings[i];

		assert(backend->accept <= MAGLEV_ACCEPT_ALL);
		*standing = (struct standing){.slot = backend->slot,
					      .added = backend->added,
					      .accept = backend->accept,
					      .hash = maglev->members[i].hash};
		standing->usable = backend->backup == backup && backend->weight > 0 && backend->accept > 0 &&
				   (backend->live || ignore_health);
		if (!standing->usable)
			continue;
		usable++;
		if (backend->accept > highest)
			highest = backend->accept;
	}
	/* Ramps are relative: where everybody ramps, nobody is there to take what they leave. */
	for (size_t i = 0; i < maglev->count; i++) {
		if (!standings[i].usable)
			continue;
		standings[i].whole = standings[i].accept == highest;
		standings[i].accept = (uint32_t)((uint64_t)standings[i].accept * MAGLEV_ACCEPT_ALL / highest);
	}
	return usable;
}

/* Healthy share of those primaries that would serve if they were healthy, against the threshold. */
static bool pool_panics(const struct maglev_pool *pool)
{
	size_t live = 0, all = 0;

	for (size_t i = 0; i < pool->count; i++) {
		const struct maglev_backend *backend = &pool->backends[i];

		if (backend->backup || backend->weight == 0 || backend->accept == 0)
			continue;
		all++;
		live += backend->live;
	}
	return live * 100 < all * pool->panic_percent;
}

static enum maglev_source choose_source(const struct maglev *maglev, const struct maglev_pool *pool,
					struct standing *standings)
{
	const bool panics = pool_panics(pool);

	if (standings_fill(maglev, pool, false, false, standings) > 0) {
		if (!panics)
			return MAGLEV_PRIMARIES;
		(void)standings_fill(maglev, pool, false, true, standings);
		return MAGLEV_PANIC;
	}
	if (standings_fill(maglev, pool, true, false, standings) > 0)
		return MAGLEV_BACKUPS;
	if (panics && standings_fill(maglev, pool, false, true, standings) > 0)
		return MAGLEV_PANIC;
	return MAGLEV_EMPTY;
}

/* The lowest rank above `last` among the new that ramp; 0: none. */
static uint32_t next_rank(const struct standing *standings, size_t count, uint32_t last)
{
	uint32_t rank = 0;

	for (size_t i = 0; i < count; i++)
		if (!standings[i].whole && standings[i].added > last && (rank == 0 || standings[i].added < rank))
			rank = standings[i].added;
	return rank;
}

/* Ranks become groups 1, 2 …; what is past the last one shares it. Returns how many there are. */
static unsigned int groups_fill(const struct maglev *maglev, struct standing *standings)
{
	unsigned int groups = 0;

	for (uint32_t rank = next_rank(standings, maglev->count, 0); rank != 0 && groups < MAGLEV_ADDED_MAX;
	     rank = next_rank(standings, maglev->count, rank)) {
		groups++;
		for (size_t i = 0; i < maglev->count; i++)
			if (!standings[i].whole && standings[i].added >= rank)
				standings[i].group = (uint8_t)groups;
	}
	return groups;
}

/* Rows that new backends do not take yet go to their owners in the tables without these: builds them when due. */
static int without_update(struct maglev *maglev, struct standing *standings, bool backup)
{
	const unsigned int groups = groups_fill(maglev, standings);
	bool same = maglev->groups == groups && maglev->without_backups == backup;

	for (size_t i = 0; i < maglev->count; i++) {
		same = same && maglev->members[i].group == standings[i].group;
		maglev->members[i].group = standings[i].group;
	}
	if (same)
		return 0;
	without_drop(maglev);
	for (unsigned int group = 1; group <= groups; group++) {
		int err = owners_build(maglev, backup, group, &maglev->without[group - 1]);

		if (err < 0) {
			without_drop(maglev);
			return err;
		}
	}
	maglev->groups = groups;
	maglev->without_backups = backup;
	return 0;
}

static uint32_t hash_row(const struct sl_key *key, uint32_t row, uint64_t second)
{
	const uint64_t input[2] = {row, second};

	return (uint32_t)sl_siphash13(key, input, sizeof(input));
}

/* A new home for `row`: the first whole owner among its probes, else `above`, that of the next such row. */
static uint16_t probe_again(const struct maglev *maglev, const struct standing *standings,
			    const uint16_t *owner, uint32_t row, uint16_t above)
{
	for (uint32_t k = 1; k <= MAGLEV_PROBES; k++) {
		const uint16_t at = owner[sl_row_of(hash_row(&maglev->key, row, k), maglev->rows)];

		if (standings[at].whole)
			return at;
	}
	return above;
}

static bool keeps_row(const struct maglev *maglev, const struct standing *standing, uint32_t row)
{
	if (!standing->usable)
		return false;
	if (standing->whole)
		return true;
	return (uint16_t)hash_row(&maglev->key, row, standing->hash) < standing->accept;
}

/* The owner, or whoever would be it without the new ones that do not take the row yet; MAGLEV_NOBODY: probe again. */
static uint16_t taker(const struct maglev *maglev, const struct standing *standings, uint16_t at, uint32_t row)
{
	while (at != MAGLEV_NOBODY && !keeps_row(maglev, &standings[at], row)) /* groups fall: it ends */
		at = standings[at].group > 0 ? maglev->without[standings[at].group - 1].row[row] : MAGLEV_NOBODY;
	return at;
}

static void overlay_rows(const struct maglev *maglev, const struct standing *standings, const uint16_t *owner,
			 uint16_t *ret_row)
{
	uint16_t above = MAGLEV_NOBODY, at;
	uint32_t row = 0;

	/* Downwards, so that the next whole row above is always at hand; above the last one is the first. */
	while (row < maglev->rows && !standings[owner[row]].whole)
		row++;
	assert(row < maglev->rows); /* someone whole owns a row: assured by rows_owned() */
	above = owner[row];
	for (row = maglev->rows; row-- > 0;) {
		if (standings[owner[row]].whole)
			above = owner[row];
		at = taker(maglev, standings, owner[row], row);
		if (at == MAGLEV_NOBODY)
			at = probe_again(maglev, standings, owner, row, above);
		ret_row[row] = standings[at].slot;
	}
}

/* True when a whole member owns a row: not so where a small table has no row left for it. */
static bool rows_owned(const struct maglev *maglev, const struct standing *standings, const uint16_t *owner)
{
	for (uint32_t row = 0; row < maglev->rows; row++)
		if (owner[row] != MAGLEV_NOBODY && standings[owner[row]].whole)
			return true;
	return false;
}

/* Every row to the whole members in turn: what is left when none of them owns a row. */
static void spread_rows(const struct maglev *maglev, const struct standing *standings, uint16_t *ret_row)
{
	size_t at = 0;

	for (uint32_t row = 0; row < maglev->rows; row++) {
		while (!standings[at % maglev->count].whole)
			at++;
		ret_row[row] = standings[at++ % maglev->count].slot;
	}
}

int maglev_overlay(struct maglev *maglev, const struct maglev_pool *pool, uint16_t *ret_row,
		   enum maglev_source *ret_source)
{
	struct standing *standings = calloc(maglev->count + 1, sizeof(*standings));
	struct owners *owners;
	enum maglev_source source;
	int err = 0;

	if (standings == NULL)
		return -ENOMEM;
	assert(maglev->members != NULL && pool->count == maglev->count && pool->rows == maglev->rows);
	source = choose_source(maglev, pool, standings);
	if (source == MAGLEV_EMPTY) {
		for (uint32_t row = 0; row < maglev->rows; row++)
			ret_row[row] = SL_SLOT_NONE;
		goto out;
	}
	owners = source == MAGLEV_BACKUPS ? &maglev->backups : &maglev->primaries;
	if (owners->row == NULL)
		err = owners_build(maglev, source == MAGLEV_BACKUPS, 0, owners);
	if (err == 0)
		err = without_update(maglev, standings, source == MAGLEV_BACKUPS);
	if (err < 0)
		goto out;
	if (rows_owned(maglev, standings, owners->row))
		overlay_rows(maglev, standings, owners->row, ret_row);
	else
		spread_rows(maglev, standings, ret_row);
out:
	if (err == 0)
		*ret_source = source;
	free(standings);
	return err;
}
