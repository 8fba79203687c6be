/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP and ICMPv6 that are addressed to a VIP: which are answered, which are the kernel's, which are
 * errors about our traffic. Delivering errors to the flow they quote comes here later, and only here.
 */
#ifndef SLUICE_CORE_ICMP_H
#define SLUICE_CORE_ICMP_H

#include "env.h"

enum sl_icmp_type {
	SL_ICMP_ECHO_REPLY = 0,
	SL_ICMP_UNREACHABLE = 3,
	SL_ICMP_QUENCH = 4,
	SL_ICMP_REDIRECT = 5,
	SL_ICMP_ECHO = 8,
	SL_ICMP_TIME_EXCEEDED = 11,
	SL_ICMP_PARAMETER = 12,
	SL_ICMPV6_UNREACHABLE = 1,
	SL_ICMPV6_ERROR_LAST = 127, /* RFC 4443 2.1: errors have the high bit clear */
	SL_ICMPV6_ECHO = 128,
	SL_ICMPV6_ECHO_REPLY = 129,
	SL_ICMPV6_MLD_FIRST = 130, /* 130-132 MLD, 133-137 neighbour discovery */
	SL_ICMPV6_ND_LAST = 137,
	SL_ICMPV6_MLD2_REPORT = 143,
};

/* Codes of unreachable: nobody listens at the port. */
enum { SL_ICMP_PORT = 3, SL_ICMPV6_PORT = 4 };

/* An ICMP error to a VIP. FORWARD would mean: key is that of the flow it quotes, go on with select. */
SL_INLINE enum sl_verdict sl_icmp_error(struct sl_env *env, struct sl_packet *pkt)
{
	(void)env;
	(void)pkt;
	return SL_VERDICT_DROP_ICMP_ERROR;
}

SL_INLINE int sl_icmp_is_error(const struct sl_packet *pkt)
{
	const __u8 type = pkt->icmp_type;

	if (pkt->flags & SL_PKT_V6)
		return type <= SL_ICMPV6_ERROR_LAST;
	return type == SL_ICMP_UNREACHABLE || type == SL_ICMP_QUENCH || type == SL_ICMP_REDIRECT ||
	       type == SL_ICMP_TIME_EXCEEDED || type == SL_ICMP_PARAMETER;
}

/* Neighbour discovery and MLD: the kernel owns the VIP's address on the link. */
SL_INLINE int sl_icmp_is_link(const struct sl_packet *pkt)
{
	const __u8 type = pkt->icmp_type;

	if (!(pkt->flags & SL_PKT_V6))
		return 0;
	return (type >= SL_ICMPV6_MLD_FIRST && type <= SL_ICMPV6_ND_LAST) || type == SL_ICMPV6_MLD2_REPORT;
}

/* An ICMP packet to a VIP; DROP_NO_SERVICE stands for everything that nobody asked for. */
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
