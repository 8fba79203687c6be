/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * First stage: from bytes to struct sl_packet. Knows frames and nothing about services. What is wrong
 * with the IP header ends the packet here; what is wrong behind it is put in l4_verdict, because a
 * packet that is not for a VIP is the kernel's to judge.
 */
#ifndef SLUICE_CORE_PARSE_H
#define SLUICE_CORE_PARSE_H

#include "checksum.h"
#include "cursor.h"

/* Forgets the packet before it: the home sets its own group only and never clears the rest. */
SL_INLINE void sl_parse_reset(struct sl_packet *pkt)
{
	pkt->flags &= SL_PKT_IP_CSUM_OK;
	pkt->l3 = 0;
	pkt->l4 = 0;
	pkt->ip_len = 0;
	pkt->proto = 0;
	pkt->tcp_flags = 0;
	pkt->tos = 0;
	pkt->icmp_type = 0;
	pkt->icmp_code = 0;
	pkt->l4_verdict = SL_VERDICT_FORWARD;
#ifdef __bpf__ /* sl_packet_keep copies all, and the verifier lets nobody copy what was never written */
	pkt->frag_id = 0;
	pkt->frag_at = 0;
	pkt->frag_len = 0;
	pkt->mtu = 0;
#endif
	__builtin_memset(&pkt->key, 0, sizeof(pkt->key));
	sl_packet_reset(pkt);
	pkt->plan->grow = 0;
	pkt->plan->cut = 0;
	pkt->plan->outer_len = 0;
	pkt->plan->patch_at = 0;
	pkt->plan->piece = 0;
	pkt->plan->frame_len = pkt->frame_len;
}

SL_INLINE enum sl_verdict sl_parse_tcp(struct sl_packet *pkt, __u32 len)
{
	const struct sl_tcp *tcp = (const struct sl_tcp *)sl_cursor(pkt, pkt->l4, SL_TCP_LEN);
	__u32 header;

	if (!tcp || len < SL_TCP_LEN)
		return SL_VERDICT_DROP_TCP_TRUNCATED;
	header = (tcp->offset >> 4) * 4u;
	if (header < SL_TCP_LEN || header > len)
		return SL_VERDICT_DROP_TCP_HEADER_LENGTH;
	pkt->key.sport = tcp->sport;
	pkt->key.dport = tcp->dport;
	pkt->tcp_flags = tcp->flags;
	if ((tcp->flags & (SL_TCP_SYN | SL_TCP_ACK)) == SL_TCP_SYN)
		pkt->flags |= SL_PKT_START;
	if (header < len)
		pkt->flags |= SL_PKT_DATA;
	return SL_VERDICT_FORWARD;
}

SL_INLINE enum sl_verdict sl_parse_udp(struct sl_packet *pkt, __u32 len)
{
	const struct sl_udp *udp = (const struct sl_udp *)sl_cursor(pkt, pkt->l4, SL_UDP_LEN);
	__u32 stated;

	if (!udp || len < SL_UDP_LEN)
		return SL_VERDICT_DROP_UDP_TRUNCATED;
	stated = sl_bswap16(udp->len);
	if (stated < SL_UDP_LEN || (stated > len && !(pkt->flags & SL_PKT_FRAGMENT)))
		return SL_VERDICT_DROP_UDP_LENGTH;
	pkt->key.sport = udp->sport;
	pkt->key.dport = udp->dport;
	return SL_VERDICT_FORWARD;
}

SL_INLINE enum sl_verdict sl_parse_icmp(struct sl_packet *pkt, __u32 len)
{
	const struct sl_icmp *icmp = (const struct sl_icmp *)sl_cursor(pkt, pkt->l4, SL_ICMP_LEN);

	pkt->flags |= SL_PKT_ICMP;
	if (!icmp || len < SL_ICMP_LEN)
		return SL_VERDICT_DROP_ICMP_TRUNCATED;
	pkt->icmp_type = icmp->type;
	pkt->icmp_code = icmp->code;
	return SL_VERDICT_FORWARD;
}

SL_INLINE void sl_parse_mark_fragment(struct sl_packet *pkt, __u32 at, int more)
{
	pkt->flags |= SL_PKT_FRAGMENT;
	if (at)
		pkt->flags |= SL_PKT_FRAGMENT_LATER;
	if (more)
		pkt->flags |= SL_PKT_FRAGMENT_MORE;
	pkt->frag_at = (__u16)at;
}

/* The transport header at `l4`, of a packet that is no later fragment. */
SL_INLINE enum sl_verdict sl_parse_header(struct sl_packet *pkt, __u32 l4)
{
	const __u32 len = pkt->l3 + (__u32)pkt->ip_len - l4; /* the caller made sure that l4 lies inside */

	pkt->l4 = (__u16)l4;
	pkt->key.proto = pkt->proto;
	if (pkt->proto == SL_PROTO_TCP)
		return sl_parse_tcp(pkt, len);
	if (pkt->proto == SL_PROTO_UDP)
		return sl_parse_udp(pkt, len);
	if (pkt->proto == (pkt->flags & SL_PKT_V6 ? SL_PROTO_ICMPV6 : SL_PROTO_ICMP))
		return sl_parse_icmp(pkt, len);
	return SL_VERDICT_FORWARD;
}

/*
 * The same, and what a first fragment must have besides: the whole transport header (RFC 1858 3, RFC 7112 5),
 * so that no filter behind us sees less of it than we did.
 */
SL_INLINE enum sl_verdict sl_parse_transport(struct sl_packet *pkt, __u32 l4)
{
	const enum sl_verdict verdict = sl_parse_header(pkt, l4);

	if (sl_likely(!(pkt->flags & SL_PKT_FRAGMENT)))
		return verdict;
	if (verdict == SL_VERDICT_DROP_TCP_TRUNCATED || verdict == SL_VERDICT_DROP_TCP_HEADER_LENGTH ||
	    verdict == SL_VERDICT_DROP_UDP_TRUNCATED || verdict == SL_VERDICT_DROP_ICMP_TRUNCATED)
		return SL_VERDICT_DROP_FRAGMENT_TINY;
	return verdict;
}

/*
 * A fragment, whose flags and `frag_at` are set. Its part of the datagram begins at `at`; `before` bytes of the
 * reassembled packet's length do not count as such. FORWARD: sound; a first one still has its headers to show.
 */
SL_INLINE enum sl_verdict sl_parse_fragment(struct sl_packet *pkt, __u32 at, __u32 before)
{
	const __u32 len = pkt->l3 + (__u32)pkt->ip_len - at;

	pkt->frag_len = (__u16)len;
	if (!len || ((pkt->flags & SL_PKT_FRAGMENT_MORE) && len % 8) || before + pkt->frag_at + len > SL_IP_LEN_MAX)
		return SL_VERDICT_DROP_FRAGMENT_MALFORMED;
	if (pkt->frag_at == 8) /* would overwrite ports or flags of a first one, RFC 1858 4, RFC 3128 */
		return SL_VERDICT_DROP_FRAGMENT_TINY;
	return SL_VERDICT_FORWARD;
}

/* The sum of an IPv4 header with its options; 0xffff when its checksum is right. */
SL_INLINE __u16 sl_parse_ipv4_sum(const struct sl_packet *pkt, const struct sl_ipv4 *ip, __u32 header)
{
	__u64 sum = sl_csum_words(ip, SL_IPV4_LEN);

	for (__u32 at = SL_IPV4_LEN; at < 60; at += 4) {
		const __u8 *option;

		if (at >= header)
			break;
		option = sl_cursor(pkt, pkt->l3 + at, 4);
		if (!option)
			return 0;
		sum += sl_csum_words(option, 4);
	}
	return sl_csum_fold(sum);
}

SL_INLINE enum sl_verdict sl_parse_ipv4(struct sl_packet *pkt)
{
	const struct sl_ipv4 *ip = (const struct sl_ipv4 *)sl_cursor(pkt, pkt->l3, SL_IPV4_LEN);
	__u32 header, len, frag;

	if (!ip)
		return SL_VERDICT_DROP_IP_TRUNCATED;
	if (ip->version_ihl >> 4 != 4)
		return SL_VERDICT_DROP_IP_VERSION;
	header = (ip->version_ihl & 0x0f) * 4u;
	if (header < SL_IPV4_LEN || pkt->l3 + header > sl_readable(pkt))
		return SL_VERDICT_DROP_IP_HEADER_LENGTH;
	len = sl_bswap16(ip->len);
	if (len < header || pkt->l3 + len > pkt->frame_len)
		return SL_VERDICT_DROP_IP_LENGTH;
	if (!(pkt->flags & SL_PKT_IP_CSUM_OK) && sl_parse_ipv4_sum(pkt, ip, header) != 0xffff)
		return SL_VERDICT_DROP_IP_CHECKSUM;

	pkt->ip_len = (__u16)len;
	pkt->tos = ip->tos;
	pkt->proto = ip->proto;
	pkt->key.src = sl_addr_from_v4(ip->src);
	pkt->key.dst = sl_addr_from_v4(ip->dst);
	frag = sl_bswap16(ip->frag);
	if (frag & (SL_IPV4_MF | SL_IPV4_OFFSET)) {
		sl_parse_mark_fragment(pkt, (frag & SL_IPV4_OFFSET) * 8u, frag & SL_IPV4_MF);
		pkt->frag_id = ip->id;
		pkt->l4_verdict = (__u8)sl_parse_fragment(pkt, pkt->l3 + header, header);
		if ((pkt->flags & SL_PKT_FRAGMENT_LATER) || pkt->l4_verdict)
			return SL_VERDICT_FORWARD;
	}
	pkt->l4_verdict = (__u8)sl_parse_transport(pkt, pkt->l3 + header);
	return SL_VERDICT_FORWARD;
}

/* True for the headers that sl_parse_extensions walks over. */
SL_INLINE int sl_parse_is_extension(__u8 next)
{
	return next == SL_PROTO_HOPOPTS || next == SL_PROTO_ROUTING || next == SL_PROTO_FRAGMENT ||
	       next == SL_PROTO_AH || next == SL_PROTO_DSTOPTS;
}

/* Bytes of an extension header, whose first eight are at `bytes`. */
SL_INLINE __u32 sl_parse_extension_len(const __u8 *bytes, __u8 type)
{
	if (type == SL_PROTO_FRAGMENT)
		return 8;
	return type == SL_PROTO_AH ? (bytes[1] + 2u) * 4 : (bytes[1] + 1u) * 8;
}

/*
 * One extension header, whose first eight bytes are at `bytes`, which is byte `at` of the frame: returns its
 * length, or 0 where the walk ends, with *ret_verdict set or the packet marked a later fragment.
 */
SL_INLINE __u32 sl_parse_extension(struct sl_packet *pkt, const __u8 *bytes, __u32 at, __u8 type,
				   enum sl_verdict *ret_verdict)
{
	__u16 frag;

	switch (type) {
	case SL_PROTO_FRAGMENT:
		frag = (__u16)(bytes[2] << 8 | bytes[3]);
		if (!(frag & 0xfff9)) /* offset 0 and no more to come: whole, RFC 6946 */
			break;
		if (pkt->flags & SL_PKT_FRAGMENT) { /* a fragment in a fragment */
			*ret_verdict = SL_VERDICT_DROP_IP6_EXTENSIONS;
			return 0;
		}
		sl_parse_mark_fragment(pkt, frag & 0xfff8, frag & 1);
		__builtin_memcpy(&pkt->frag_id, bytes + 4, 4);
		*ret_verdict = sl_parse_fragment(pkt, at + 8, at - pkt->l3 - SL_IPV6_LEN);
		return (pkt->flags & SL_PKT_FRAGMENT_LATER) || *ret_verdict ? 0 : 8;
	case SL_PROTO_ROUTING:
		pkt->flags |= SL_PKT_BOUND;
		if (bytes[3]) { /* segments left: the VIP is not where it ends */
			*ret_verdict = SL_VERDICT_DROP_IP6_ROUTING;
			return 0;
		}
		break;
	case SL_PROTO_AH:
		pkt->flags |= SL_PKT_BOUND;
		break;
	default: break;
	}
	return sl_parse_extension_len(bytes, type);
}

/* The packet ends within its extension headers. */
SL_INLINE enum sl_verdict sl_parse_incomplete(const struct sl_packet *pkt)
{
	return pkt->flags & SL_PKT_FRAGMENT ? SL_VERDICT_DROP_FRAGMENT_TINY : SL_VERDICT_DROP_IP6_EXTENSIONS;
}

/* Walks from the fixed IPv6 header to the transport header, within the bounds of limits.h. */
SL_INLINE enum sl_verdict sl_parse_extensions(struct sl_packet *pkt, __u8 next)
{
	const __u32 end = pkt->l3 + (__u32)pkt->ip_len;
	enum sl_verdict verdict = SL_VERDICT_FORWARD;
	__u32 at = pkt->l3 + SL_IPV6_LEN;

	for (int i = 0; i < SL_IPV6_EXTENSIONS_MAX; i++) {
		const __u8 *bytes;
		__u32 len;

		if (!sl_parse_is_extension(next))
			break;
		if (next == SL_PROTO_HOPOPTS && i > 0) /* RFC 8200 4.1: first or not at all */
			return SL_VERDICT_DROP_IP6_EXTENSIONS;
		bytes = sl_cursor(pkt, at, 8);
		if (!bytes || at + 8 > end)
			return sl_parse_incomplete(pkt);
		len = sl_parse_extension(pkt, bytes, at, next, &verdict);
		next = bytes[0];
		if (!len) {
			pkt->proto = next;
			return verdict;
		}
		at += len;
		if (at > SL_HEADERS_MAX)
			return SL_VERDICT_DROP_IP6_EXTENSIONS;
		if (at > end)
			return sl_parse_incomplete(pkt);
		at = sl_forget(pkt, at);
		next = (__u8)sl_forget(pkt, next);
		pkt->flags = (__u16)sl_forget(pkt, pkt->flags);
	}
	if (sl_parse_is_extension(next))
		return SL_VERDICT_DROP_IP6_EXTENSIONS;
	pkt->proto = next;
	return sl_parse_transport(pkt, at);
}

SL_INLINE enum sl_verdict sl_parse_ipv6(struct sl_packet *pkt)
{
	const struct sl_ipv6 *ip = (const struct sl_ipv6 *)sl_cursor(pkt, pkt->l3, SL_IPV6_LEN);
	__u32 first, len;

	if (!ip)
		return SL_VERDICT_DROP_IP_TRUNCATED;
	first = sl_bswap32(ip->version_tc_label);
	if (first >> 28 != 6)
		return SL_VERDICT_DROP_IP_VERSION;
	len = SL_IPV6_LEN + (__u32)sl_bswap16(ip->len);
	if (len > SL_IP_LEN_MAX || pkt->l3 + len > pkt->frame_len)
		return SL_VERDICT_DROP_IP_LENGTH;
	if (!ip->len && ip->next == SL_PROTO_HOPOPTS) /* a jumbogram, RFC 2675 */
		return SL_VERDICT_DROP_IP_LENGTH;

	pkt->flags |= SL_PKT_V6;
	pkt->ip_len = (__u16)len;
	pkt->tos = (__u8)(first >> 20);
	__builtin_memcpy(&pkt->key.src, ip->src, 16);
	__builtin_memcpy(&pkt->key.dst, ip->dst, 16);
	pkt->l4_verdict = (__u8)sl_parse_extensions(pkt, ip->next);
	return SL_VERDICT_FORWARD;
}

/* Sets l3 and the VLAN flag, and *type to what lies at l3. 0, or -1: the frame ends before. */
SL_INLINE int sl_parse_ethernet(struct sl_packet *pkt, __be16 *type)
{
	const struct sl_eth *eth = (const struct sl_eth *)sl_cursor(pkt, 0, SL_ETH_LEN);
	const __u8 *tag;

	if (!eth)
		return -1;
	*type = eth->type;
	pkt->l3 = SL_ETH_LEN;
	if (*type != sl_bswap16(SL_ETH_VLAN) && *type != sl_bswap16(SL_ETH_QINQ))
		return 0;
	tag = sl_cursor(pkt, SL_ETH_LEN, SL_VLAN_LEN);
	if (!tag)
		return -1;
	__builtin_memcpy(type, tag + 2, sizeof(*type));
	pkt->flags |= SL_PKT_VLAN;
	pkt->l3 = SL_ETH_LEN + SL_VLAN_LEN;
	return 0;
}

/* FORWARD: an IP packet, pkt is filled. TO_KERNEL: not IP, or more tags than one. Else why it is dropped. */
SL_INLINE enum sl_verdict sl_parse(struct sl_packet *pkt)
{
	__be16 type;

	sl_parse_reset(pkt);
	if (sl_parse_ethernet(pkt, &type))
		return SL_VERDICT_DROP_ETH_TRUNCATED;
	if (type == sl_bswap16(SL_ETH_IPV4))
		return sl_parse_ipv4(pkt);
	if (type == sl_bswap16(SL_ETH_IPV6))
		return sl_parse_ipv6(pkt);
	return SL_VERDICT_TO_KERNEL;
}

#endif
