/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many answers a worker gives a second: virtual scheduling (GCRA), one clock instead of a bucket to refill, no
 * division. Homes keep the clock; pure.
 */
#ifndef SLUICE_CORE_REPLY_RATE_H
#define SLUICE_CORE_REPLY_RATE_H

#include "../types.h"

#define SL_REPLY_BURST_NS 125000000ull /* answers of an eighth of a second may come at once */

/* The time that one answer uses up; 0: no answers. */
SL_INLINE __u64 sl_reply_cost_ns(__u32 rate)
{
	if (!rate)
		return 0;
	return rate < 1000000000u ? 1000000000u / rate : 1;
}

/* True when one more answer is within the rate; takes it. *due_ns is when those given so far are paid for. */
SL_INLINE int sl_reply_rate_take(__u64 *due_ns, __u64 now_ns, __u64 cost_ns)
{
	if (!cost_ns)
		return 0;
	if (*due_ns < now_ns)
		*due_ns = now_ns;
	if (*due_ns - now_ns > SL_REPLY_BURST_NS)
		return 0;
	*due_ns += cost_ns;
	return 1;
}

#endif
