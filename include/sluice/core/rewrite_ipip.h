/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mode ipip: the packet, untouched, behind an outer header (RFC 2003, 2473, 4213). The outer family is
 * the backend's, the inner one the packet's: four combinations, one function.
 *
 *   outer TTL / hop limit 64; TOS / traffic class copied with its ECN bits; padding behind the inner
 *   packet is cut off; what is too long and may be fragmented is split first (split.h); IPv4: DF copied
 *   from IPv4 and set for IPv6, identification 0 with DF, else the inner one XOR bits 0..15 of the flow's
 *   hash; IPv6: flow label = bits 16..35 of the flow's hash.
 *   The flow's hash is SipHash-1-3 of its key under settings.flow_key.
 */
#ifndef SLUICE_CORE_REWRITE_IPIP_H
#define SLUICE_CORE_REWRITE_IPIP_H

#include "env.h"
#include "hash.h"
#include "plan.h"
#include "split.h"

/* True when the tunnel's source is known and of the same family as its destination. */
SL_INLINE int sl_ipip_has_source(const struct sl_backend *backend)
{
	const struct sl_addr *src = &backend->outer_src;

	if (sl_addr_is_v4(&backend->addr))
		return sl_addr_is_v4(src) && src->w[3];
	return !sl_addr_is_v4(src) && (src->d[0] || src->d[1]);
}

/* What the outer header takes from the flow, so that fabric and backend can spread: 64 keyed bits. */
SL_INLINE __u64 sl_ipip_flow_hash(struct sl_env *env, const struct sl_packet *pkt)
{
	return sl_flow_hash(&sl_env_settings(env)->flow_key, &pkt->key, 0);
}

/* DF and identification of an outer IPv4 header. False when the inner header cannot be read. */
SL_INLINE int sl_ipip_identify(struct sl_env *env, const struct sl_packet *pkt, struct sl_plan_ip *ip)
{
	const struct sl_ipv4 *inner;

	ip->dont_fragment = 1;
	ip->label = 0;
	if (pkt->flags & SL_PKT_V6)
		return 1;
	inner = (const struct sl_ipv4 *)sl_cursor(pkt, pkt->l3, SL_IPV4_LEN);
	if (!inner)
		return 0;
	if (inner->frag & sl_bswap16(SL_IPV4_DF))
		return 1;
	ip->dont_fragment = 0;
	ip->label = inner->id ^ sl_bswap16(sl_ipip_flow_hash(env, pkt));
	return 1;
}

/* Payload bytes of each part but the last, when no part may have more than `most` bytes; 0: not to be split. */
SL_INLINE __u16 sl_ipip_piece(struct sl_env *env, const struct sl_packet *pkt, __u32 most)
{
	const struct sl_ipv4 *ip = (const struct sl_ipv4 *)sl_cursor(pkt, pkt->l3, SL_IPV4_LEN);
	__u32 header, size;

	if (!sl_env_splits(env) || (pkt->flags & SL_PKT_V6) || !ip || (ip->frag & sl_bswap16(SL_IPV4_DF)))
		return 0;
	header = (ip->version_ihl & 0x0f) * 4u;
	if (most < header + 8)
		return 0;
	size = (most - header) & ~7u;
	return (pkt->ip_len - header + size - 1) / size <= SL_SPLIT_PARTS_MAX ? (__u16)size : 0;
}

/* `mtu` is what the next hop takes, never more than SL_IP_LEN_MAX; `port` the one the frame leaves by. */
SL_INLINE enum sl_verdict sl_rewrite_ipip(struct sl_env *env, struct sl_packet *pkt, const struct sl_port *port,
					  __u32 mtu)
{
	const struct sl_backend *backend = pkt->backend;
	const int outer_v4 = sl_addr_is_v4(&backend->addr);
	const __u32 grow = outer_v4 ? SL_IPV4_LEN : SL_IPV6_LEN;
	struct sl_plan_ip ip = {
		.src = &backend->outer_src,
		.dst = &backend->addr,
		.payload = pkt->ip_len,
		.proto = pkt->flags & SL_PKT_V6 ? SL_PROTO_IPV6 : SL_PROTO_IPIP,
		.tos = pkt->tos,
	};

	if (sl_unlikely(!sl_ipip_has_source(backend)))
		return SL_VERDICT_DROP_NO_NEIGHBOR;
	if (sl_unlikely(sl_addr_equal(&pkt->key.src, &backend->outer_src)))
		return SL_VERDICT_DROP_LOOP;
	if (pkt->ip_len + grow > mtu) {
		pkt->mtu = mtu > grow ? mtu - grow : 0;
		pkt->plan->piece = mtu > grow ? sl_ipip_piece(env, pkt, mtu - grow) : 0;
		if (!pkt->plan->piece)
			return SL_VERDICT_DROP_TOO_BIG;
	}

	sl_plan_ethernet(pkt, pkt->neighbor->mac, port->mac, outer_v4 ? SL_ETH_IPV4 : SL_ETH_IPV6);
	if (outer_v4) {
		if (!sl_ipip_identify(env, pkt, &ip))
			return SL_VERDICT_DROP_IP_TRUNCATED;
		sl_plan_ipv4(pkt, &ip);
	} else {
		ip.label = (__u32)(sl_ipip_flow_hash(env, pkt) >> 16) & 0xfffff;
		sl_plan_ipv6(pkt, &ip);
	}
	pkt->plan->grow = (__u16)grow;
	pkt->plan->outer_len = (__u16)(sl_plan_ethernet_len(pkt) + grow);
	pkt->plan->frame_len = sl_plan_ethernet_len(pkt) + grow + pkt->ip_len;
	return SL_VERDICT_FORWARD;
}

#endif
