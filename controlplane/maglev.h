/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A pool's lookup table as a pure function of (names, weights, roles, table size, live and accepting
 * backends, key): every balancer with the same inputs gets the same table, without history. What is
 * cached here is who *owns* each row; a failure recomputes only the overlay. No clock, no I/O.
 */
#ifndef CONTROLPLANE_MAGLEV_H
#define CONTROLPLANE_MAGLEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/types.h"

enum maglev_limit {
	MAGLEV_ACCEPT_ALL = 65536, /* a backend that takes every row it owns */
	MAGLEV_PROBES = 32,        /* re-probes of a row before it falls to the next live row upwards */
	MAGLEV_ADDED_MAX = 8,      /* ranks of new backends told apart: each costs a table of owners */
};

struct maglev_backend {
	const char *name; /* its identity: unique in the pool, shorter than SL_NAME_MAX */
	uint32_t weight;  /* 0: retired, owns no row */
	uint16_t slot;    /* what the table says for it; of no influence on who gets which row */
	bool backup;      /* serves only while no primary can */
	bool live;        /* its health is up; panic may overrule this */
	/*
	 * 0, or its rank among those that ramp because they are new: what it does not take yet goes where it would
	 * go without it and those that came after it (higher ranks), so that each of them moves a row once.
	 */
	uint32_t added;
	uint32_t accept; /* share of its own rows, of 65536; 0: none whatever its health (drain, off, unknown) */
};

struct maglev_pool {
	const struct maglev_backend *backends; /* any order: the table depends on names, not on order */
	size_t count;
	uint32_t rows;          /* a prime */
	uint32_t panic_percent; /* fewer of the accepting primaries live: ignore health; 0: never */
	struct sl_key key;      /* the fleet's */
};

/* Whom the table leads to. */
enum maglev_source {
	MAGLEV_EMPTY = 0, /* nobody: every row is SL_SLOT_NONE */
	MAGLEV_PRIMARIES,
	MAGLEV_BACKUPS, /* no primary is live and accepting */
	MAGLEV_PANIC,   /* primaries, whatever their health */
	MAGLEV_SOURCE_COUNT
};

struct maglev; /* the owners of one pool's rows */

int maglev_create(struct maglev **ret_maglev); /* 0 or -ENOMEM */
void maglev_destroy(struct maglev *maglev);    /* NULL is fine */

/*
 * Makes the cached owners follow names, weights, roles, size and key of `pool`; costs nothing worth
 * mentioning when they do. Returns 0, -EINVAL (table size, number of
 * backends or a name's length out of their limits) or -ENOMEM; after an error call it again before
 * maglev_overlay().
 */
int maglev_owners(struct maglev *maglev, const struct maglev_pool *pool);

/*
 * Writes pool->rows slots to ret_row: the owners, with the rows of those that are not live, drain or
 * ramp given to others. `pool` is that of the last successful maglev_owners(); only slot, live, accept,
 * added and panic_percent may differ. Returns 0 or -ENOMEM; *ret_source is set on success.
 */
int maglev_overlay(struct maglev *maglev, const struct maglev_pool *pool, uint16_t *ret_row,
		   enum maglev_source *ret_source);

#endif
