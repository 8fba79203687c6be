/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens to backends and balancers during a churn simulation: each kind of change comes at random times of
 * a given rate, and has its consequences (a drained backend comes back, a retired one is removed, a crashed one is
 * noticed and later recovers). One thread.
 */
#ifndef TESTS_CHURN_CHANGES_H
#define TESTS_CHURN_CHANGES_H

#include <stdint.h>

#include "fleet.h"

enum change {
	CHANGE_ADD = 0,
	CHANGE_DRAIN,       /* and back after a while */
	CHANGE_RETIRE,      /* and removed once nobody is left */
	CHANGE_REMOVE,      /* at once, with its connections */
	CHANGE_CRASH,       /* noticed after some probes, recovers later */
	CHANGE_BLIP,        /* probes fail while it works */
	CHANGE_FLAP,        /* ten blips in a row */
	CHANGE_WEIGHT,
	CHANGE_KEY,
	CHANGE_SIZE,
	CHANGE_RESTART_DATAPLANE,
	CHANGE_RESTART_CONTROLPLANE,
	CHANGE_COUNT
};

struct changes_options {
	uint64_t seed;
	double per_hour[CHANGE_COUNT];
	uint32_t drain_s;     /* how long a drained backend stays so */
	uint32_t retire_s;    /* from retire to removal */
	uint32_t blip_min_s;  /* a blip lasts that and an exponential of the next more */
	uint32_t blip_more_s;
	uint32_t blip_most_s; /* but no longer; 0: no bound */
	uint64_t until_ms;    /* no new change after that; consequences still come */
};

struct changes;

int changes_create(const struct changes_options *options, struct fleet *fleet, struct changes **ret_changes);
void changes_destroy(struct changes *changes); /* NULL is fine */
/* Carries out what is due. Returns when the next thing is due. */
uint64_t changes_run(struct changes *changes, uint64_t now_ms);
uint64_t changes_done(const struct changes *changes, enum change change);
const char *changes_name(enum change change);

#endif
