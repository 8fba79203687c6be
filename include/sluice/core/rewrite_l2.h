/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mode l2: the frame goes to the backend's MAC address from the port's. Nothing else changes, not the
 * TTL, not the padding.
 */
#ifndef SLUICE_CORE_REWRITE_L2_H
#define SLUICE_CORE_REWRITE_L2_H

#include "plan.h"

enum { SL_L2_LEN = 12 };

/* `mtu` is what the next hop takes; `port` the one the frame leaves by. */
SL_INLINE enum sl_verdict sl_rewrite_l2(struct sl_packet *pkt, const struct sl_port *port, __u32 mtu)
{
	__u8 *macs = pkt->plan->outer + SL_OUTER_IP - SL_ETH_LEN;

	if (pkt->ip_len > mtu) {
		pkt->mtu = mtu;
		return SL_VERDICT_DROP_TOO_BIG;
	}
	__builtin_memcpy(macs, pkt->neighbor->mac, 6);
	__builtin_memcpy(macs + 6, port->mac, 6);
	pkt->plan->outer_len = SL_L2_LEN;
	return SL_VERDICT_FORWARD;
}

#endif
