/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who has which number: services, pools and backends are known by name; the datapath knows them by
 * id, slot and statistics position. A number is given once, kept over restarts (state_file.c writes
 * it), and given again only when nothing names its object any more: those of pools and backends when
 * their owner says so (identities_release(): no row, base, lens or remembered connection does), those
 * of services, which only statistics name, after IDENTITY_REST_S. Main thread only; pure.
 */
#ifndef CONTROLPLANE_IDENTITY_H
#define CONTROLPLANE_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "sluice/abi.h"

enum { IDENTITY_REST_S = 4 * 3600 };

/* One name with its number(s). `freed_s` 0: in use; else the wall-clock second it left the configuration. */
struct identity {
	char name[SL_NAME_MAX];
	uint32_t id;    /* service id, pool id, or slot */
	uint32_t stats; /* backends: position in the statistics */
	uint64_t freed_s;
	uint64_t freed_ms; /* CLOCK_BOOTTIME of the commit that named it no more; 0: none yet in this process */
	bool seen;      /* since identity_begin() */
	struct identity *children; /* a pool's backends */
	UT_hash_handle hh;
};

struct identities {
	struct identity *services;
	struct identity *pools;
	uint32_t stats_next; /* positions are taken in rising order; a rested one only when none is left */
};

void identities_clear(struct identities *ids);
/* Before a configuration is read into the model: services that have rested are forgotten, nothing has been seen yet. */
void identities_begin(struct identities *ids, uint64_t now_s);
/*
 * The number of `name`, given now if it has none. 0, or -ENOSPC: every number below `max` is in use or
 * resting. `pool` is what identities_pool() returned.
 */
int identities_service(struct identities *ids, const char *name, uint32_t max, struct identity **ret);
int identities_pool(struct identities *ids, const char *name, uint32_t max, struct identity **ret);
int identities_backend(struct identities *ids, struct identity *pool, const char *name, uint32_t stats_max,
		       struct identity **ret);
/* True while the name is configured: given a number and not freed since. */
bool identity_in_use(const struct identity *table, const char *name);
/* True when it left the configuration and still holds its number. */
bool identity_rests(const struct identity *table, const char *name);
/* True when one of a pool or backend rests. Looks at all of them. */
bool identities_any_rests(const struct identities *ids);
/* A commit at `now_ms` named nothing any more that is freed. */
void identities_committed(struct identities *ids, uint64_t now_ms);
/* Its number, and those of its children, are free again. */
void identities_release(struct identity **table, struct identity *entry);
/* After it: what was not seen is freed now. */
void identities_end(struct identities *ids, uint64_t now_s);
/* Reads one back from the state file; the numbers must be free. 0 or -EINVAL / -ENOMEM. */
int identities_restore(struct identity **table, const char *name, uint32_t id, uint32_t stats, uint64_t freed_s,
		       struct identity **ret);

#endif
