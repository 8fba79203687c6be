/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet that an ICMP error quotes: its headers, as far as they are there. Read with the care of
 * parse.h, but whoever quotes cuts it off, so what its length fields state need not be there. What an
 * error means is icmp.h's business.
 */
#ifndef SLUICE_CORE_QUOTE_H
#define SLUICE_CORE_QUOTE_H

#include "parse.h"

enum {
	SL_QUOTE_TRANSPORT = 8,     /* bytes of its transport header that every error quotes (RFC 792) */
	SL_QUOTE_HEADERS_MAX = 512, /* bytes from the frame's start within which that begins */
};

struct sl_quote {
	struct sl_addr src;
	struct sl_addr dst;
	__u32 at;      /* offset of its IP header */
	__u32 l4;      /* offset of what is behind its IP header and extensions */
	__u32 len;     /* bytes of the whole packet, as it says itself */
	__u8 proto;    /* of what is at l4 */
	__u8 is_later; /* a fragment without transport header */
	__u8 zero[2];
};

/* `size` (a constant) bytes at `at`, if the error's IP packet holds them. */
SL_INLINE const __u8 *sl_quote_bytes(const struct sl_packet *pkt, __u32 at, __u32 size)
{
	return at + size > pkt->l3 + (__u32)pkt->ip_len ? SL_NULL : sl_cursor(pkt, at, size);
}

/* Its checksum is not judged: routers change the TTL, some before they quote. */
SL_INLINE enum sl_verdict sl_quote_ipv4(const struct sl_packet *pkt, struct sl_quote *quote)
{
	const struct sl_ipv4 *ip = (const struct sl_ipv4 *)sl_quote_bytes(pkt, quote->at, SL_IPV4_LEN);
	__u32 header;

	if (!ip || ip->version_ihl >> 4 != 4)
		return SL_VERDICT_DROP_ICMP_QUOTE;
	header = (ip->version_ihl & 0x0f) * 4u;
	quote->len = sl_bswap16(ip->len);
	if (header < SL_IPV4_LEN || quote->len < header)
		return SL_VERDICT_DROP_ICMP_QUOTE;
	quote->l4 = quote->at + header;
	quote->proto = ip->proto;
	quote->is_later = (ip->frag & sl_bswap16(SL_IPV4_OFFSET)) != 0;
	quote->src = sl_addr_from_v4(ip->src);
	quote->dst = sl_addr_from_v4(ip->dst);
	return SL_VERDICT_FORWARD;
}

/* From the fixed header to the transport header, or to the fragment header that says there is none. */
SL_INLINE enum sl_verdict sl_quote_extensions(const struct sl_packet *pkt, struct sl_quote *quote, __u8 next)
{
	__u32 at = quote->at + SL_IPV6_LEN;

	for (int i = 0; i < SL_IPV6_EXTENSIONS_MAX; i++) {
		const __u8 *bytes;

		if (!sl_parse_is_extension(next))
			break;
		bytes = sl_quote_bytes(pkt, at, 8);
		if (!bytes || (next == SL_PROTO_HOPOPTS && i > 0) || (next == SL_PROTO_ROUTING && bytes[3]))
			return SL_VERDICT_DROP_ICMP_QUOTE;
		if (next == SL_PROTO_FRAGMENT && (bytes[2] || bytes[3] & 0xf8)) {
			quote->is_later = 1;
			break;
		}
		at += sl_parse_extension_len(bytes, next);
		next = bytes[0];
		if (at > SL_QUOTE_HEADERS_MAX)
			return SL_VERDICT_DROP_ICMP_QUOTE;
	}
	if (sl_parse_is_extension(next) && !quote->is_later)
		return SL_VERDICT_DROP_ICMP_QUOTE;
	quote->l4 = at;
	quote->proto = next;
	return SL_VERDICT_FORWARD;
}

SL_INLINE enum sl_verdict sl_quote_ipv6(const struct sl_packet *pkt, struct sl_quote *quote)
{
	const struct sl_ipv6 *ip = (const struct sl_ipv6 *)sl_quote_bytes(pkt, quote->at, SL_IPV6_LEN);

	if (!ip || sl_bswap32(ip->version_tc_label) >> 28 != 6)
		return SL_VERDICT_DROP_ICMP_QUOTE;
	quote->len = SL_IPV6_LEN + (__u32)sl_bswap16(ip->len);
	quote->is_later = 0;
	__builtin_memcpy(&quote->src, ip->src, 16);
	__builtin_memcpy(&quote->dst, ip->dst, 16);
	if (sl_addr_is_v4(&quote->src) || sl_addr_is_v4(&quote->dst)) /* on the wire it is nobody's */
		return SL_VERDICT_DROP_ICMP_QUOTE;
	return sl_quote_extensions(pkt, quote, ip->next);
}

/* FORWARD: the packet quoted at offset `at` is in *quote. Otherwise DROP_ICMP_QUOTE. */
SL_INLINE enum sl_verdict sl_quote_read(const struct sl_packet *pkt, __u32 at, int v6, struct sl_quote *quote)
{
	quote->at = at;
	return v6 ? sl_quote_ipv6(pkt, quote) : sl_quote_ipv4(pkt, quote);
}

/* The first eight bytes of its TCP or UDP header, which begin alike, or NULL. */
SL_INLINE const struct sl_udp *sl_quote_ports(const struct sl_packet *pkt, const struct sl_quote *quote)
{
	if (quote->proto != SL_PROTO_TCP && quote->proto != SL_PROTO_UDP)
		return SL_NULL;
	if (quote->l4 - quote->at + SL_QUOTE_TRANSPORT > quote->len)
		return SL_NULL;
	return (const struct sl_udp *)sl_quote_bytes(pkt, quote->l4, SL_QUOTE_TRANSPORT);
}

/* True for every type that RFC 1122 3.2.2 and RFC 4443 2.1 call an error: never to be answered. */
SL_INLINE int sl_icmp_is_error(const struct sl_packet *pkt)
{
	const __u8 type = pkt->icmp_type;

	if (pkt->flags & SL_PKT_V6)
		return type <= SL_ICMPV6_ERROR_LAST;
	return type == SL_ICMP_UNREACHABLE || type == SL_ICMP_QUENCH || type == SL_ICMP_REDIRECT ||
	       type == SL_ICMP_TIME_EXCEEDED || type == SL_ICMP_PARAMETER;
}

/*
 * True for an ICMP error that quotes a packet in a tunnel, which the address that the error is for has sent. Reads
 * the fixed header only: the ones that we make have no options and no extensions.
 */
SL_INLINE int sl_quote_is_tunnel(const struct sl_packet *pkt)
{
	const __u32 at = pkt->l4 + SL_ICMP_LEN;
	struct sl_addr src;
	__u8 proto;

	if (!(pkt->flags & SL_PKT_ICMP) || !sl_icmp_is_error(pkt))
		return 0;
	if (pkt->flags & SL_PKT_V6) {
		const struct sl_ipv6 *ip = (const struct sl_ipv6 *)sl_quote_bytes(pkt, at, SL_IPV6_LEN);

		if (!ip)
			return 0;
		proto = ip->next;
		__builtin_memcpy(&src, ip->src, 16);
	} else {
		const struct sl_ipv4 *ip = (const struct sl_ipv4 *)sl_quote_bytes(pkt, at, SL_IPV4_LEN);

		if (!ip)
			return 0;
		proto = ip->proto;
		src = sl_addr_from_v4(ip->src);
	}
	return (proto == SL_PROTO_IPIP || proto == SL_PROTO_IPV6) && sl_addr_equal(&src, &pkt->key.dst);
}

#endif
