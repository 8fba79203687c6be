/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An array in order of arrival: with a hundred entries nothing else is faster.
 */
#include "dataplane/fragment_wait.h"

#include <string.h>

static struct fragment_waiting fragment_wait_remove(struct fragment_wait *wait, unsigned int at)
{
	const struct fragment_waiting waiting = wait->entry[at];

	wait->count--;
	memmove(&wait->entry[at], &wait->entry[at + 1], (wait->count - at) * sizeof(wait->entry[0]));
	return waiting;
}

struct fragment_waiting fragment_wait_add(struct fragment_wait *wait, const struct fragment_waiting *waiting)
{
	struct fragment_waiting gone = {.mbuf = NULL};
	unsigned int own = 0, first = 0, at;

	for (unsigned int i = wait->count; i-- > 0;)
		if (wait->entry[i].source == waiting->source) {
			own++;
			first = i;
		}
	if (own >= FRAGMENT_WAIT_SOURCE)
		gone = fragment_wait_remove(wait, first);
	else if (wait->count == FRAGMENT_WAIT_MAX)
		gone = fragment_wait_remove(wait, 0);
	/* One that waited before and waits on keeps its place. */
	for (at = wait->count; at > 0 && wait->entry[at - 1].since_ns > waiting->since_ns; at--)
		wait->entry[at] = wait->entry[at - 1];
	wait->entry[at] = *waiting;
	wait->count++;
	return gone;
}

bool fragment_wait_take(struct fragment_wait *wait, unsigned int *at, uint64_t before_ns, uint64_t learnt,
			struct fragment_waiting *ret_waiting)
{
	for (; *at < wait->count; (*at)++) {
		const struct fragment_waiting *waiting = &wait->entry[*at];

		if (waiting->since_ns < before_ns || (learnt >> waiting->tag % 64 & 1)) {
			*ret_waiting = fragment_wait_remove(wait, *at);
			return true;
		}
	}
	return false;
}
