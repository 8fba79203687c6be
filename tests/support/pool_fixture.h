/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pools for table tests: numbered backends and a small reproducible random source. Tests only; every
 * function asserts instead of failing.
 */
#ifndef TESTS_SUPPORT_POOL_FIXTURE_H
#define TESTS_SUPPORT_POOL_FIXTURE_H

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "controlplane/maglev.h"
#include "sluice/limits.h"

/* SplitMix64 (Steele, Lea, Flood 2014): the same numbers everywhere. */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

struct pool_fixture {
	struct maglev_pool pool;
	struct maglev_backend *backends; /* pool.backends, writable */
	char (*names)[SL_NAME_MAX];
};

/* `count` live primaries b0, b1 … of weight 1 in slots 0, 1 …, all accepting. */
static inline void pool_fixture_init(struct pool_fixture *f, size_t count, uint32_t rows)
{
	f->backends = calloc(count + 1, sizeof(*f->backends));
	f->names = calloc(count + 1, sizeof(*f->names));
	assert(f->backends != NULL && f->names != NULL);
	for (size_t i = 0; i < count; i++) {
		snprintf(f->names[i], sizeof(f->names[i]), "b%zu", i);
		f->backends[i] = (struct maglev_backend){.name = f->names[i],
							 .weight = 1,
							 .slot = (uint16_t)i,
							 .live = true,
							 .accept = MAGLEV_ACCEPT_ALL};
	}
	f->pool = (struct maglev_pool){.backends = f->backends,
				       .count = count,
				       .rows = rows,
				       .key = {0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull}};
}

static inline void pool_fixture_fini(struct pool_fixture *f)
{
	free(f->backends);
	free(f->names);
}

/* The pool's table through `maglev`; the caller frees. */
static inline uint16_t *pool_fixture_table(struct pool_fixture *f, struct maglev *maglev,
					   enum maglev_source *ret_source)
{
	uint16_t *row = calloc(f->pool.rows, sizeof(*row));
	enum maglev_source source;
	int err;

	assert(row != NULL);
	err = maglev_owners(maglev, &f->pool);
	assert(err == 0);
	err = maglev_overlay(maglev, &f->pool, row, &source);
	assert(err == 0);
	(void)err;
	if (ret_source != NULL)
		*ret_source = source;
	return row;
}

#endif
