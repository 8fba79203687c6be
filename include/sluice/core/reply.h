/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers that a VIP gives itself: echo replies, TCP RST, port unreachable, too big. They leave by the port the
 * packet came in by, with MAC addresses swapped, so no route is asked. What must not be answered (a
 * RST, ICMP, a datagram in a frame to a group) ends in the drop verdict that belongs to its reason.
 */
#ifndef SLUICE_CORE_REPLY_H
#define SLUICE_CORE_REPLY_H

#include "env.h"
#include "icmp.h"
#include "plan.h"

enum {
	SL_REPLY_QUOTE_MAX4 = 576,  /* bytes of the whole answer, RFC 1812 4.3.2.3 */
	SL_REPLY_QUOTE_MAX6 = 1280, /* RFC 4443 2.4 (c): the smallest MTU */
	SL_REPLY_TOS4 = 0xc0,       /* RFC 1812 4.3.2.5: precedence 6, internetwork control */
};

/* True when the frame was sent to a group address: RFC 1122 3.2.2 forbids to answer with an ICMP error. */
SL_INLINE int sl_reply_to_group(const struct sl_packet *pkt)
{
	const struct sl_eth *eth = (const struct sl_eth *)sl_cursor(pkt, 0, SL_ETH_LEN);

	return !eth || (eth->dst[0] & 1);
}

/* The frame's Ethernet header, backwards; from the port itself where it was sent to a group. 0: nobody to answer. */
SL_INLINE int sl_reply_ethernet(struct sl_env *env, struct sl_packet *pkt)
{
	const struct sl_eth *eth = (const struct sl_eth *)sl_cursor(pkt, 0, SL_ETH_LEN);
	const struct sl_port *port = sl_env_port(env, pkt->port);

	if (!eth || (eth->src[0] & 1) || !port)
		return 0;
	sl_plan_ethernet(pkt, eth->src, eth->dst[0] & 1 ? port->mac : eth->dst,
			 pkt->flags & SL_PKT_V6 ? SL_ETH_IPV6 : SL_ETH_IPV4);
	pkt->out_port = pkt->port;
	return 1;
}

/*
 * The checksum of an echo reply. Of an ICMP reply that is all zeros it is ffff, which the incremental
 * update cannot tell from zero (RFC 1624 3).
 */
SL_INLINE __u16 sl_reply_echo_csum(struct sl_env *env, const struct sl_packet *pkt, const struct sl_icmp *icmp,
				   __u16 first, __u16 reply)
{
	const __u32 behind = pkt->l4 + SL_ICMP_LEN;
	__u16 csum = sl_csum_update(icmp->csum, first, reply);

	if (sl_unlikely(!csum && !reply && !icmp->rest) &&
	    !sl_icmp_sum(env, pkt, behind, pkt->l3 + (__u32)pkt->ip_len - behind))
		csum = 0xffff;
	return csum;
}

/* The IP header of an echo reply: the request's with addresses swapped and a new TTL. 0: not readable. */
SL_INLINE __u32 sl_reply_echo_ip(struct sl_packet *pkt)
{
	__u8 *outer = pkt->plan->outer + SL_OUTER_IP;

	if (pkt->flags & SL_PKT_V6) {
		const struct sl_ipv6 *from = (const struct sl_ipv6 *)sl_cursor(pkt, pkt->l3, SL_IPV6_LEN);
		struct sl_ipv6 *ip = (struct sl_ipv6 *)outer;

		if (!from)
			return 0;
		__builtin_memcpy(outer, from, SL_IPV6_LEN);
		ip->hop_limit = SL_OUTER_TTL;
		__builtin_memcpy(ip->src, from->dst, 16);
		__builtin_memcpy(ip->dst, from->src, 16);
		return SL_IPV6_LEN;
	} else {
		const struct sl_ipv4 *from = (const struct sl_ipv4 *)sl_cursor(pkt, pkt->l3, SL_IPV4_LEN);
		struct sl_ipv4 *ip = (struct sl_ipv4 *)outer;

		if (!from)
			return 0;
		__builtin_memcpy(outer, from, SL_IPV4_LEN);
		ip->ttl = SL_OUTER_TTL;
		ip->src = from->dst;
		ip->dst = from->src;
		ip->csum = sl_csum_update(from->csum, sl_bswap16(from->ttl << 8 | from->proto),
					  sl_bswap16(SL_OUTER_TTL << 8 | from->proto));
		return SL_IPV4_LEN;
	}
}

/* Echo: type, addresses and TTL change in place; options, identification and padding stay. */
SL_INLINE enum sl_verdict sl_reply_echo(struct sl_env *env, struct sl_packet *pkt)
{
	const struct sl_icmp *icmp = (const struct sl_icmp *)sl_cursor(pkt, pkt->l4, SL_ICMP_LEN);
	__u16 first, reply, csum;
	__u32 header;

	if (!icmp || (pkt->flags & SL_PKT_BOUND) || !sl_reply_ethernet(env, pkt))
		return SL_VERDICT_DROP_NO_SERVICE;
	header = sl_reply_echo_ip(pkt);
	if (!header)
		return SL_VERDICT_DROP_NO_SERVICE;
	first = sl_bswap16(icmp->type << 8 | icmp->code);
	reply = sl_bswap16((pkt->flags & SL_PKT_V6 ? SL_ICMPV6_ECHO_REPLY : SL_ICMP_ECHO_REPLY) << 8 | icmp->code);
	csum = sl_reply_echo_csum(env, pkt, icmp, first, reply);
	__builtin_memcpy(pkt->plan->patch, &reply, 2);
	__builtin_memcpy(pkt->plan->patch + 2, &csum, 2);
	pkt->plan->patch_at = pkt->l4;
	pkt->plan->outer_len = (__u16)(sl_plan_ethernet_len(pkt) + header);
	return SL_VERDICT_ECHO_REPLY;
}

/* The answer's IP header: from the VIP to the client. */
SL_INLINE void sl_reply_ip(struct sl_packet *pkt, __u8 proto, __u8 tos, __u32 payload)
{
	const struct sl_plan_ip ip = {
		.src = &pkt->key.dst, .dst = &pkt->key.src, .payload = payload, .label = 0,
		.proto = proto, .tos = tos, .dont_fragment = 1,
	};

	if (pkt->flags & SL_PKT_V6)
		sl_plan_ipv6(pkt, &ip);
	else
		sl_plan_ipv4(pkt, &ip);
}

/*
 * RFC 9293 3.10.7.1, a segment to a closed port: with ACK <SEQ=SEG.ACK><CTL=RST>, otherwise
 * <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>. `header` is the length of the IP header in front.
 */
SL_INLINE void sl_reply_segment(struct sl_packet *pkt, const struct sl_tcp *from, __u32 header)
{
	struct sl_tcp *tcp = (struct sl_tcp *)(pkt->plan->outer + SL_OUTER_IP + header);
	__u32 segment;

	tcp->sport = from->dport;
	tcp->dport = from->sport;
	tcp->offset = SL_TCP_LEN / 4 << 4;
	tcp->window = 0;
	tcp->urgent = 0;
	tcp->csum = 0;
	if (from->flags & SL_TCP_ACK) {
		tcp->seq = from->ack;
		tcp->ack = 0;
		tcp->flags = SL_TCP_RST;
	} else {
		segment = pkt->l3 + (__u32)pkt->ip_len - pkt->l4 - (from->offset >> 4) * 4u;
		segment += !!(from->flags & SL_TCP_SYN) + !!(from->flags & SL_TCP_FIN);
		tcp->seq = 0;
		tcp->ack = sl_bswap32(sl_bswap32(from->seq) + segment);
		tcp->flags = SL_TCP_RST | SL_TCP_ACK;
	}
	tcp->csum = (__u16)~sl_csum_fold(sl_csum_words(tcp, sizeof(*tcp)) +
					 sl_csum_pseudo(&pkt->key.dst, &pkt->key.src, SL_PROTO_TCP, SL_TCP_LEN));
	sl_reply_ip(pkt, SL_PROTO_TCP, pkt->tos & 0xfc, SL_TCP_LEN); /* the client's DSCP, no ECN */
	pkt->plan->outer_len = (__u16)(sl_plan_ethernet_len(pkt) + header + SL_TCP_LEN);
	pkt->plan->frame_len = pkt->plan->outer_len;
}

/* The RST for a segment without RST. False when it cannot be read. */
SL_INLINE int sl_reply_rst(struct sl_packet *pkt)
{
	const struct sl_tcp *from = (const struct sl_tcp *)sl_cursor(pkt, pkt->l4, SL_TCP_LEN);

	if (!from)
		return 0;
	if (pkt->flags & SL_PKT_V6)
		sl_reply_segment(pkt, from, SL_IPV6_LEN);
	else
		sl_reply_segment(pkt, from, SL_IPV4_LEN);
	return 1;
}

/*
 * An ICMP error from the VIP to the client: `first` is its type and code, `rest` what follows the checksum. As
 * much of the packet at l3 as fits is quoted, without padding behind it.
 */
SL_INLINE void sl_reply_quote(struct sl_env *env, struct sl_packet *pkt, const int v6, __u16 first, __u32 rest)
{
	const __u32 header = v6 ? SL_IPV6_LEN : SL_IPV4_LEN;
	const __u32 most = (v6 ? SL_REPLY_QUOTE_MAX6 : SL_REPLY_QUOTE_MAX4) - header - SL_ICMP_LEN;
	const __u32 front = sl_plan_ethernet_len(pkt) + header + SL_ICMP_LEN;
	struct sl_icmp *icmp = (struct sl_icmp *)(pkt->plan->outer + SL_OUTER_IP + header);
	__u32 quote = sl_readable(pkt) - pkt->l3;
	__u64 sum;

	if (quote > pkt->ip_len)
		quote = pkt->ip_len;
	if (quote > most)
		quote = most;
	icmp->type = (__u8)(first >> 8);
	icmp->code = (__u8)first;
	icmp->csum = 0;
	icmp->rest = sl_bswap32(rest);
	sum = sl_csum_words(icmp, sizeof(*icmp)) + sl_icmp_sum(env, pkt, pkt->l3, quote);
	if (v6)
		sum += sl_csum_pseudo(&pkt->key.dst, &pkt->key.src, SL_PROTO_ICMPV6, SL_ICMP_LEN + quote);
	icmp->csum = (__u16)~sl_csum_fold(sum);
	sl_reply_ip(pkt, v6 ? SL_PROTO_ICMPV6 : SL_PROTO_ICMP, v6 ? 0 : SL_REPLY_TOS4, SL_ICMP_LEN + quote);
	pkt->plan->grow = (__u16)(front > pkt->l3 ? front - pkt->l3 : 0);
	pkt->plan->cut = (__u16)(front < pkt->l3 ? pkt->l3 - front : 0);
	pkt->plan->outer_len = (__u16)front;
	pkt->plan->frame_len = front + quote;
}

/*
 * True when the client of a packet that does not fit is to be told: not about a fragment without ports or an
 * ICMP error (RFC 1122 3.2.2, RFC 4443 2.4 e), in IPv4 only where it asked for it with DF, and not when the
 * packet is already as small as it would have to be. pkt->mtu is never below what every link takes.
 */
SL_INLINE int sl_reply_too_big_is_due(struct sl_packet *pkt)
{
	const struct sl_ipv4 *ip;
	__u32 least = SL_IPV6_MTU_MIN;

	if (pkt->flags & (SL_PKT_ICMP | SL_PKT_FRAGMENT_LATER))
		return 0;
	if (!(pkt->flags & SL_PKT_V6)) {
		ip = (const struct sl_ipv4 *)sl_cursor(pkt, pkt->l3, SL_IPV4_LEN);
		if (!ip || !(ip->frag & sl_bswap16(SL_IPV4_DF)))
			return 0;
		least = SL_IPV4_MTU_MIN;
	}
	if (pkt->mtu < least)
		pkt->mtu = least;
	return pkt->mtu < pkt->ip_len;
}

/* The verdict of a packet that is not answered although `verdict` would be. */
SL_INLINE enum sl_verdict sl_reply_silent(enum sl_verdict verdict)
{
	if (verdict == SL_VERDICT_REJECT_EMPTY)
		return SL_VERDICT_DROP_NO_BACKEND;
	if (verdict == SL_VERDICT_REJECT_NO_SERVICE)
		return SL_VERDICT_DROP_NO_SERVICE;
	return verdict == SL_VERDICT_RELAY_TOO_BIG ? SL_VERDICT_DROP_TUNNEL_ERROR : verdict;
}

/* The ICMP error for `verdict`; one place, for the verifier walks through each. */
SL_INLINE void sl_reply_error(struct sl_env *env, struct sl_packet *pkt, enum sl_verdict verdict)
{
	const int too_big = verdict == SL_VERDICT_DROP_TOO_BIG || verdict == SL_VERDICT_RELAY_TOO_BIG;

	if (pkt->flags & SL_PKT_V6)
		sl_reply_quote(env, pkt, 1, too_big ? SL_ICMPV6_TOO_BIG << 8 : SL_ICMPV6_UNREACHABLE << 8 | SL_ICMPV6_PORT,
			       too_big ? pkt->mtu : 0);
	else
		sl_reply_quote(env, pkt, 0, SL_ICMP_UNREACHABLE << 8 | (too_big ? SL_ICMP_FRAGMENTATION_NEEDED : SL_ICMP_PORT),
			       too_big ? pkt->mtu : 0);
}

/*
 * REJECT_*, DROP_TOO_BIG and RELAY_TOO_BIG (pkt is then the client's packet, icmp_error.h): plans the answer, or
 * says why there is none. DROP_TOO_BIG it is in any case, ANSWERED when there is one.
 */
SL_RARE enum sl_verdict sl_reply(struct sl_env *env, struct sl_packet *pkt, enum sl_verdict verdict)
{
	const int rejects = verdict == SL_VERDICT_REJECT_EMPTY || verdict == SL_VERDICT_REJECT_NO_SERVICE;
	const int rst = rejects && pkt->proto == SL_PROTO_TCP;

	if (verdict == SL_VERDICT_DROP_TOO_BIG && !sl_reply_too_big_is_due(pkt))
		return verdict;
	if (rejects && ((pkt->flags & (SL_PKT_ICMP | SL_PKT_FRAGMENT_LATER)) || (pkt->tcp_flags & SL_TCP_RST)))
		return sl_reply_silent(verdict);
	if ((!rst && sl_reply_to_group(pkt)) || !sl_reply_ethernet(env, pkt))
		return sl_reply_silent(verdict);
	if (!sl_env_reply_allowed(env))
		return verdict == SL_VERDICT_DROP_TOO_BIG ? verdict : SL_VERDICT_DROP_REPLY_LIMITED;
	if (rst)
		return sl_reply_rst(pkt) ? verdict : sl_reply_silent(verdict);
	sl_reply_error(env, pkt, verdict);
	pkt->flags |= SL_PKT_ANSWERED;
	return verdict;
}

#endif
