/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The other end of rewrite_ipip.h: finds the packet inside a tunnel packet of any of the four families
 * and says what is to be cut. Who may send one, and to where, is the caller's to judge; nothing is
 * written here but the congestion mark of RFC 6040.
 */
#ifndef SLUICE_CORE_DECAP_H
#define SLUICE_CORE_DECAP_H

#include "quote.h"

enum sl_decap_kind {
	SL_DECAP_IS_OTHER = 0, /* no tunnel packet */
	SL_DECAP_IS_TUNNEL,    /* what is inside begins at pkt->l4 */
	SL_DECAP_IS_FRAGMENT,  /* a part of a tunnel packet: to be joined before anything else */
};

SL_INLINE int sl_decap_is_tunnel(__u8 proto)
{
	return proto == SL_PROTO_IPIP || proto == SL_PROTO_IPV6;
}

SL_INLINE enum sl_decap_kind sl_decap_ipv4(struct sl_packet *pkt)
{
	const struct sl_ipv4 *ip = (const struct sl_ipv4 *)sl_cursor(pkt, pkt->l3, SL_IPV4_LEN);

	if (!ip || ip->version_ihl != 0x45 || !sl_decap_is_tunnel(ip->proto))
		return SL_DECAP_IS_OTHER;
	if (sl_csum_fold(sl_csum_words(ip, SL_IPV4_LEN)) != 0xffff)
		return SL_DECAP_IS_OTHER;
	pkt->ip_len = sl_bswap16(ip->len);
	pkt->tos = ip->tos;
	pkt->proto = ip->proto;
	pkt->key.src = sl_addr_from_v4(ip->src);
	pkt->key.dst = sl_addr_from_v4(ip->dst);
	pkt->l4 = (__u16)(pkt->l3 + SL_IPV4_LEN);
	return ip->frag & sl_bswap16(SL_IPV4_MF | SL_IPV4_OFFSET) ? SL_DECAP_IS_FRAGMENT : SL_DECAP_IS_TUNNEL;
}

SL_INLINE enum sl_decap_kind sl_decap_ipv6(struct sl_packet *pkt)
{
	const struct sl_ipv6 *ip = (const struct sl_ipv6 *)sl_cursor(pkt, pkt->l3, SL_IPV6_LEN);
	const __u8 *next;
	__u32 first, len;

	if (!ip)
		return SL_DECAP_IS_OTHER;
	first = sl_bswap32(ip->version_tc_label);
	len = SL_IPV6_LEN + (__u32)sl_bswap16(ip->len);
	if (first >> 28 != 6 || len > SL_IP_LEN_MAX)
		return SL_DECAP_IS_OTHER;
	pkt->ip_len = (__u16)len;
	pkt->tos = (__u8)(first >> 20);
	pkt->proto = ip->next;
	__builtin_memcpy(&pkt->key.src, ip->src, 16);
	__builtin_memcpy(&pkt->key.dst, ip->dst, 16);
	pkt->l4 = (__u16)(pkt->l3 + SL_IPV6_LEN);
	if (sl_decap_is_tunnel(ip->next))
		return SL_DECAP_IS_TUNNEL;
	next = ip->next == SL_PROTO_FRAGMENT ? sl_cursor(pkt, pkt->l4, 1) : SL_NULL;
	return next && sl_decap_is_tunnel(*next) ? SL_DECAP_IS_FRAGMENT : SL_DECAP_IS_OTHER;
}

/*
 * Reads the outer packet: flags, l3, ip_len, proto, tos, key's addresses and l4 are then set, unless it is OTHER.
 * rewrite_ipip.h makes no options and no extension headers: what has some is somebody else's tunnel.
 */
SL_INLINE enum sl_decap_kind sl_decap_outer(struct sl_packet *pkt)
{
	enum sl_decap_kind kind = SL_DECAP_IS_OTHER;
	__be16 type;

	if (sl_parse_ethernet(pkt, &type))
		return SL_DECAP_IS_OTHER;
	if (type == sl_bswap16(SL_ETH_IPV4))
		kind = sl_decap_ipv4(pkt);
	else if (type == sl_bswap16(SL_ETH_IPV6))
		kind = sl_decap_ipv6(pkt);
	if (kind && pkt->l3 + (__u32)pkt->ip_len > pkt->frame_len)
		return SL_DECAP_IS_OTHER;
	return kind;
}

/*
 * Reads the headers of the packet inside, at `at`, which is pkt->l4. 0, or not 0: there is no whole packet of the
 * family that the outer header names. The stack that gets it judges the rest; a fragment is a packet like any other.
 */
SL_INLINE int sl_decap_inner(const struct sl_packet *pkt, __u32 at, struct sl_quote *inner)
{
	if (sl_quote_read(pkt, at, pkt->proto == SL_PROTO_IPV6, inner) != SL_VERDICT_FORWARD)
		return -1;
	return inner->at + inner->len > pkt->l3 + (__u32)pkt->ip_len;
}

enum { SL_ECN_MASK = 3, SL_ECN_CE = 3 }; /* the low bits of TOS and traffic class, RFC 3168 5 */

/*
 * Carries the mark that a router left on the outer header into the inner one. 0, or not 0: the inner
 * packet's sender does not know marks, so the packet must be dropped (RFC 6040 4.2).
 */
SL_INLINE int sl_decap_carry_mark(struct sl_packet *pkt, const struct sl_quote *inner)
{
	__u8 *first;
	__u16 before, after;

	if ((pkt->tos & SL_ECN_MASK) != SL_ECN_CE)
		return 0;
	first = sl_cursor(pkt, inner->at, 2); /* both families: the word with TOS or traffic class */
	if (!first)
		return -1;
	if (pkt->proto == SL_PROTO_IPV6) {
		if (!(first[1] & SL_ECN_MASK << 4))
			return -1;
		first[1] |= SL_ECN_CE << 4;
		return 0;
	}
	if (!(first[1] & SL_ECN_MASK))
		return -1;
	__builtin_memcpy(&before, first, 2);
	first[1] |= SL_ECN_CE;
	__builtin_memcpy(&after, first, 2);
	{
		struct sl_ipv4 *ip = (struct sl_ipv4 *)sl_cursor(pkt, inner->at, SL_IPV4_LEN);

		if (!ip)
			return -1;
		ip->csum = sl_csum_update(ip->csum, before, after);
	}
	return 0;
}

/* The EtherType of the inner packet, as it lies in a frame. */
SL_INLINE __be16 sl_decap_ethertype(const struct sl_packet *pkt)
{
	return pkt->proto == SL_PROTO_IPV6 ? sl_bswap16(SL_ETH_IPV6) : sl_bswap16(SL_ETH_IPV4);
}

#endif
