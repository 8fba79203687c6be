/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An IPv4 packet that may be fragmented and does not fit the tunnel: it is split before encapsulation, so that
 * the backend's IP layer puts it together again and every outer packet is whole (RFC 791 3.2; RFC 2003 5.1).
 * Plans parts and writes their headers; buffers and payload bytes are the home's business.
 */
#ifndef SLUICE_CORE_SPLIT_H
#define SLUICE_CORE_SPLIT_H

#include "plan.h"

enum {
	SL_SPLIT_PARTS_MAX = 64,                                        /* of one packet: 64 KiB over an MTU of 1280 */
	SL_SPLIT_INNER_MAX = 60,                                        /* an IPv4 header with all options */
	SL_SPLIT_FRONT_MAX = SL_ETH_LEN + SL_VLAN_LEN + SL_IPV6_LEN + SL_SPLIT_INNER_MAX,
};

/* One part: `front_len` bytes of headers, then `len` bytes of the frame from `from` on. */
struct sl_split_part {
	__u32 front_len;
	__u32 from;
	__u32 len;
	__u8 front[SL_SPLIT_FRONT_MAX];
};

#ifndef __bpf__
/* Options of the inner header that belong in every fragment: those with the copy bit. Returns their padded length. */
SL_INLINE __u32 sl_split_options(const __u8 *from, __u32 len, __u8 *to)
{
	__u32 used = 0;

	for (__u32 at = 0; at < len && from[at] != 0;) {
		const __u32 size = from[at] == 1 ? 1 : at + 1 < len ? from[at + 1] : 0;

		if (size == 0 || at + size > len || (size == 1 && from[at] != 1))
			break; /* what is no option is not passed on */
		for (__u32 i = 0; (from[at] & 0x80) && i < size; i++)
			to[used++] = from[at + i];
		at += size;
	}
	while (used % 4)
		to[used++] = 0;
	return used;
}

/* The inner header of `len` payload bytes that are `at` bytes into the packet's payload. Returns its length. */
SL_INLINE __u32 sl_split_inner(const struct sl_packet *pkt, __u32 at, __u32 len, int last, __u8 *to)
{
	const __u8 *from = pkt->data + pkt->l3;
	const __u32 header = (from[0] & 0x0f) * 4u;
	struct sl_ipv4 *ip = (struct sl_ipv4 *)to;
	__u32 size = header, frag;
	__u64 sum = 0;

	__builtin_memcpy(to, from, SL_IPV4_LEN);
	if (at)
		size = SL_IPV4_LEN + sl_split_options(from + SL_IPV4_LEN, header - SL_IPV4_LEN, to + SL_IPV4_LEN);
	else
		for (__u32 i = SL_IPV4_LEN; i < header; i++)
			to[i] = from[i];
	frag = sl_bswap16(ip->frag) + at / 8; /* the offset grows below its flags: parse saw that it has room */
	if (!last)
		frag |= SL_IPV4_MF;
	ip->version_ihl = (__u8)(4 << 4 | size / 4);
	ip->len = sl_bswap16(size + len);
	ip->frag = sl_bswap16(frag);
	ip->csum = 0;
	for (__u32 i = 0; i < size; i += 4)
		sum += sl_csum_words(to + i, 4);
	ip->csum = (__u16)~sl_csum_fold(sum);
	return size;
}

/* The planned outer header around `len` bytes; `ip` is where it begins in the part. */
SL_INLINE void sl_split_outer(const struct sl_packet *pkt, __u32 len, __u8 *ip)
{
	if (sl_addr_is_v4(&pkt->backend->addr)) {
		struct sl_ipv4 *outer = (struct sl_ipv4 *)ip;

		outer->len = sl_bswap16(SL_IPV4_LEN + len);
		outer->csum = 0;
		outer->csum = (__u16)~sl_csum_fold(sl_csum_words(outer, sizeof(*outer)));
	} else {
		((struct sl_ipv6 *)ip)->len = sl_bswap16(len);
	}
}

/*
 * Part `index` of a packet whose plan has a `piece`. 1, or 0: there is no such part. The frame's headers must be
 * readable, and it must be as it came.
 */
SL_INLINE int sl_split_part(const struct sl_packet *pkt, __u32 index, struct sl_split_part *part)
{
	const struct sl_plan *plan = pkt->plan;
	const __u32 header = (pkt->data[pkt->l3] & 0x0f) * 4u, payload = pkt->ip_len - header;
	const __u32 ethernet = sl_plan_ethernet_len(pkt), at = index * plan->piece;
	__u32 inner;

	if (at >= payload)
		return 0;
	part->len = payload - at < plan->piece ? payload - at : plan->piece;
	part->from = pkt->l3 + header + at;
	for (__u32 i = 0; i < plan->outer_len; i++)
		part->front[i] = plan->outer[SL_OUTER_IP - ethernet + i];
	inner = sl_split_inner(pkt, at, part->len, at + part->len == payload, part->front + plan->outer_len);
	sl_split_outer(pkt, inner + part->len, part->front + ethernet);
	part->front_len = plan->outer_len + inner;
	return 1;
}
#endif

#endif
