/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who makes progress. Pure: poll counts and times come in. A worker hangs when its count stood still
 * for a second of the manager's own running time, so that a machine that was stopped as a whole (a
 * paused virtual machine, SIGSTOP) does not make every worker look hung.
 */
#ifndef DATAPLANE_WATCHDOG_H
#define DATAPLANE_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

#include "sluice/limits.h"

struct watchdog {
	unsigned int workers;
	uint64_t last_ns;                    /* of the last tick; 0: none yet */
	uint64_t polls[SL_WORKERS_MAX];      /* seen last */
	uint64_t still_ns[SL_WORKERS_MAX];   /* without progress since */
	bool stuck[SL_WORKERS_MAX];
};

void watchdog_init(struct watchdog *watchdog, unsigned int workers);
/* `polls` is one count a worker. Returns how many workers are well. */
unsigned int watchdog_tick(struct watchdog *watchdog, uint64_t now_ns, const uint64_t *polls);

#endif
