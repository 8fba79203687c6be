/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP and ICMPv6 that are addressed to a VIP: which are answered, which are the kernel's, which are
 * errors about our traffic (icmp_error.h).
 */
#ifndef SLUICE_CORE_ICMP_H
#define SLUICE_CORE_ICMP_H

#include "icmp_error.h"

/* Neighbour discovery and MLD: the kernel owns the VIP's address on the link. */
SL_INLINE int sl_icmp_is_link(const struct sl_packet *pkt)
{
	const __u8 type = pkt->icmp_type;

	if (!(pkt->flags & SL_PKT_V6))
		return 0;
	return (type >= SL_ICMPV6_MLD_FIRST && type <= SL_ICMPV6_ND_LAST) || type == SL_ICMPV6_MLD2_REPORT;
}

/*
 * An ICMP packet to a VIP. FORWARD: an error, pkt->service and key are those of the connection it quotes.
 * DROP_NO_SERVICE stands for everything that nobody asked for.
 */
SL_INLINE enum sl_verdict sl_icmp(struct sl_env *env, struct sl_packet *pkt)
{
	if (pkt->icmp_type == (pkt->flags & SL_PKT_V6 ? SL_ICMPV6_ECHO : SL_ICMP_ECHO))
		return SL_VERDICT_ECHO_REPLY;
	if (sl_icmp_is_link(pkt))
		return SL_VERDICT_TO_KERNEL;
	if (sl_icmp_is_error(pkt))
		return sl_icmp_error(env, pkt);
	return SL_VERDICT_DROP_NO_SERVICE;
}

#endif
