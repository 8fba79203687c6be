/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Builds the headers of a plan: Ethernet (the frame's VLAN tag stays), IPv4 and IPv6, each byte of them
 * determined. Used by everything that makes a header; knows no mode.
 */
#ifndef SLUICE_CORE_PLAN_H
#define SLUICE_CORE_PLAN_H

#include "checksum.h"
#include "cursor.h"

/* An IP header to be made. The family is that of dst. */
struct sl_plan_ip {
	const struct sl_addr *src;
	const struct sl_addr *dst;
	__u32 payload; /* bytes behind the header */
	__u32 label;   /* IPv6: 20 bits; IPv4: the identification */
	__u8 proto;
	__u8 tos;
	__u8 dont_fragment; /* IPv4 only */
};

/* Bytes of the frame's Ethernet header, its tag included. */
SL_INLINE __u32 sl_plan_ethernet_len(const struct sl_packet *pkt)
{
	return pkt->flags & SL_PKT_VLAN ? SL_ETH_LEN + SL_VLAN_LEN : SL_ETH_LEN;
}

/* The Ethernet header in front of SL_OUTER_IP: MAC addresses, the frame's own tag, `type`. */
SL_INLINE void sl_plan_ethernet(struct sl_packet *pkt, const __u8 *dst, const __u8 *src, __u16 type)
{
	const __be16 type_be = sl_bswap16(type);
	__u8 *outer = pkt->plan->outer;
	__u8 *macs = outer + SL_OUTER_IP - SL_ETH_LEN;

	__builtin_memcpy(outer + SL_OUTER_IP - 2, &type_be, 2);
	if (pkt->flags & SL_PKT_VLAN) {
		const __u8 *tag = sl_cursor(pkt, 12, SL_VLAN_LEN);

		macs = outer + SL_OUTER_IP - SL_ETH_LEN - SL_VLAN_LEN;
		if (tag) /* always: parse has read it */
			__builtin_memcpy(outer + SL_OUTER_IP - 2 - SL_VLAN_LEN, tag, SL_VLAN_LEN);
		__builtin_memcpy(macs, dst, 6);
		__builtin_memcpy(macs + 6, src, 6);
		return;
	}
	__builtin_memcpy(macs, dst, 6);
	__builtin_memcpy(macs + 6, src, 6);
}

/* Built in its place, here and in reply.h: BPF's stack has no room for a second copy. */
SL_INLINE void sl_plan_ipv4(struct sl_packet *pkt, const struct sl_plan_ip *conf)
{
	struct sl_ipv4 *ip = (struct sl_ipv4 *)(pkt->plan->outer + SL_OUTER_IP);

	ip->version_ihl = 0x45;
	ip->tos = conf->tos;
	ip->len = sl_bswap16(SL_IPV4_LEN + conf->payload);
	ip->id = (__be16)conf->label;
	ip->frag = conf->dont_fragment ? sl_bswap16(SL_IPV4_DF) : 0;
	ip->ttl = SL_OUTER_TTL;
	ip->proto = conf->proto;
	ip->csum = 0;
	ip->src = conf->src->w[3];
	ip->dst = conf->dst->w[3];
	ip->csum = (__u16)~sl_csum_fold(sl_csum_words(ip, sizeof(*ip)));
}

SL_INLINE void sl_plan_ipv6(struct sl_packet *pkt, const struct sl_plan_ip *conf)
{
	struct sl_ipv6 *ip = (struct sl_ipv6 *)(pkt->plan->outer + SL_OUTER_IP);

	ip->version_tc_label = sl_bswap32(6u << 28 | (__u32)conf->tos << 20 | (conf->label & 0xfffff));
	ip->len = sl_bswap16(conf->payload);
	ip->next = conf->proto;
	ip->hop_limit = SL_OUTER_TTL;
	__builtin_memcpy(ip->src, conf->src, 16);
	__builtin_memcpy(ip->dst, conf->dst, 16);
}

#endif
