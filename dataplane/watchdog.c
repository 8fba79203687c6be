/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Adds up the time without progress in steps that a stopped machine cannot make long.
 */
#include "dataplane/watchdog.h"

#include <string.h>

enum {
	WATCHDOG_STUCK_MS = 1000,
	WATCHDOG_STEP_MAX_MS = 250, /* more between two ticks: we did not run either */
};

void watchdog_init(struct watchdog *watchdog, unsigned int workers)
{
	memset(watchdog, 0, sizeof(*watchdog));
	watchdog->workers = workers;
}

unsigned int watchdog_tick(struct watchdog *watchdog, uint64_t now_ns, const uint64_t *polls)
{
	uint64_t step_ns = watchdog->last_ns ? now_ns - watchdog->last_ns : 0;
	unsigned int well = 0;

	if (step_ns > WATCHDOG_STEP_MAX_MS * 1000000ull)
		step_ns = WATCHDOG_STEP_MAX_MS * 1000000ull;
	watchdog->last_ns = now_ns;
	for (unsigned int w = 0; w < watchdog->workers; w++) {
		if (polls[w] != watchdog->polls[w]) {
			watchdog->polls[w] = polls[w];
			watchdog->still_ns[w] = 0;
		} else if (watchdog->still_ns[w] < WATCHDOG_STUCK_MS * 1000000ull) {
			watchdog->still_ns[w] += step_ns;
		}
		watchdog->stuck[w] = watchdog->still_ns[w] >= WATCHDOG_STUCK_MS * 1000000ull;
		well += !watchdog->stuck[w];
	}
	return well;
}
