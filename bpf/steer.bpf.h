/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Steering: packets to a VIP go to the AF_XDP socket of the queue they came in by, all others to the
 * kernel. A VIP packet on a queue without a socket is dropped and counted, never passed: the kernel
 * would reset its connection. A frame to another machine's MAC address is passed, whatever is in it: the
 * kernel drops what a switch flooded here, and the machine that it is for gets it too. What becomes of a
 * packet is the worker's business, not this file's.
 */
#ifndef BPF_STEER_H
#define BPF_STEER_H

#include "maps.bpf.h"

#include "sluice/core/quote.h"

/* sluice.bpf.c: parses the packet into the scratch. */
__attribute__((noinline)) int stage_parse(struct xdp_md *ctx, __u32 bank);

enum {
	ND_FIRST = 133, /* router solicitation, RFC 4861 */
	ND_LAST = 137,  /* redirect */
};

/* True for a neighbour discovery message: the kernel answers for the address. */
SL_INLINE int is_neighbor_discovery(const struct sl_packet *pkt, const struct sl_ipv6 *ip)
{
	const struct sl_icmp *icmp =
		(const struct sl_icmp *)sl_cursor(pkt, pkt->l3 + SL_IPV6_LEN, SL_ICMP_LEN);

	return ip->next == SL_PROTO_ICMPV6 && icmp && icmp->type >= ND_FIRST && icmp->type <= ND_LAST;
}

/*
 * Reads the destination and nothing else: what is wrong with a packet to a VIP, the worker names and
 * counts. Returns 0 when the packet is the kernel's whatever its destination.
 */
SL_INLINE int read_destination(struct sl_packet *pkt, struct sl_addr *dst)
{
	const struct sl_eth *eth = (const struct sl_eth *)sl_cursor(pkt, 0, SL_ETH_LEN);
	__be16 type;

	if (!eth)
		return 0;
	type = eth->type;
	pkt->l3 = SL_ETH_LEN;
	if (type == sl_bswap16(SL_ETH_VLAN) || type == sl_bswap16(SL_ETH_QINQ)) {
		const __u8 *tag = sl_cursor(pkt, SL_ETH_LEN, SL_VLAN_LEN);

		if (!tag)
			return 0;
		__builtin_memcpy(&type, tag + 2, sizeof(type));
		pkt->l3 = SL_ETH_LEN + SL_VLAN_LEN;
	}
	if (type == sl_bswap16(SL_ETH_IPV4)) {
		const struct sl_ipv4 *ip = (const struct sl_ipv4 *)sl_cursor(pkt, pkt->l3, SL_IPV4_LEN);

		if (!ip)
			return 0;
		*dst = sl_addr_from_v4(ip->dst);
		return 1;
	}
	if (type == sl_bswap16(SL_ETH_IPV6)) {
		const struct sl_ipv6 *ip = (const struct sl_ipv6 *)sl_cursor(pkt, pkt->l3, SL_IPV6_LEN);

		if (!ip || is_neighbor_discovery(pkt, ip))
			return 0;
		__builtin_memcpy(dst, ip->dst, sizeof(*dst));
		return 1;
	}
	return 0;
}

SL_INLINE int is_listened_to(const struct sl_packet *pkt)
{
	struct sl_steering_listener key = {};

	key.addr = pkt->key.dst;
	key.port = pkt->key.dport;
	key.proto = pkt->proto;
	if (bpf_map_lookup_elem(&listeners, &key))
		return 1;
	key.port = 0;
	return bpf_map_lookup_elem(&listeners, &key) != SL_NULL;
}

/* A later fragment has no ports and goes where its first one went. One that comes before it is the kernel's. */
SL_INLINE int is_fragment_of_listener(const struct sl_packet *pkt)
{
	struct sl_steering_fragment key = {};
	const __u8 seen = 1;

	key.src = pkt->key.src;
	key.dst = pkt->key.dst;
	key.id = pkt->frag_id;
	key.proto = pkt->flags & SL_PKT_V6 ? 0 : pkt->proto;
	if (pkt->flags & SL_PKT_FRAGMENT_LATER)
		return bpf_map_lookup_elem(&fragments, &key) != SL_NULL;
	if (!is_listened_to(pkt))
		return 0;
	bpf_map_update_elem(&fragments, &key, &seen, BPF_ANY);
	return 1;
}

/* The whole packet is parsed: 0, or not 0 when there is something wrong with it. */
SL_INLINE int parse_all(struct xdp_md *ctx, struct sl_packet *pkt, struct scratch *memory)
{
	if (stage_parse(ctx, 0) != SL_VERDICT_FORWARD)
		return -1;
	sl_packet_resume(pkt, memory->packet);
	pkt->data = (__u8 *)(long)ctx->data;
	pkt->end = (__u8 *)(long)ctx->data_end;
	return 0;
}

/* At a VIP whose other traffic is the kernel's: true for what a service listens to, and ICMP. */
SL_INLINE int is_listener(struct xdp_md *ctx, struct sl_packet *pkt, struct scratch *memory)
{
	if (parse_all(ctx, pkt, memory))
		return 0;
	if (pkt->flags & SL_PKT_ICMP)
		return 1;
	return pkt->flags & SL_PKT_FRAGMENT ? is_fragment_of_listener(pkt) : is_listened_to(pkt);
}

/* True for a frame to one MAC address that is not the port's. Frames to a group are everybody's. */
SL_INLINE int is_of_another(const struct sl_packet *pkt)
{
	const struct sl_eth *eth = (const struct sl_eth *)sl_cursor(pkt, 0, SL_ETH_LEN);
	static const __u8 unknown[6];
	const __u32 only = 0;
	const struct sl_steering_mac *port = bpf_map_lookup_elem(&mac, &only);

	if (!eth || !port || (eth->dst[0] & 1) || sl_mac_equal(port->mac, unknown))
		return 0;
	return !sl_mac_equal(eth->dst, port->mac);
}

/* To an address of the balancer: true for an ICMP error about a packet that a worker sent through a tunnel. */
SL_INLINE int is_tunnel_error(struct xdp_md *ctx, struct sl_packet *pkt, struct scratch *memory, const struct sl_addr *dst)
{
	return bpf_map_lookup_elem(&sources, dst) && !parse_all(ctx, pkt, memory) && sl_quote_is_tunnel(pkt);
}

SL_INLINE int is_ours(struct xdp_md *ctx)
{
	const __u32 only = 0;
	struct scratch *memory = bpf_map_lookup_elem(&scratch, &only);
	struct sl_packet pkt;
	struct sl_addr dst = {};
	const struct sl_vip *vip;

	pkt.data = (__u8 *)(long)ctx->data;
	pkt.end = (__u8 *)(long)ctx->data_end;
	pkt.port = 0;
	if (!memory || !read_destination(&pkt, &dst) || is_of_another(&pkt))
		return 0;
	vip = bpf_map_lookup_elem(&vips, &dst);
	if (!vip)
		return is_tunnel_error(ctx, &pkt, memory, &dst);
	return vip->otherwise == SL_OTHERWISE_KERNEL ? is_listener(ctx, &pkt, memory) : 1;
}

SL_INLINE int counted(__u32 counter, int action)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &counter);

	if (value)
		*value += 1;
	return action;
}

SL_INLINE int steer(struct xdp_md *ctx)
{
	const __u32 only = 0;
	const struct sl_xdp_root *now = bpf_map_lookup_elem(&root, &only);
	long action = XDP_DROP;

	if (!is_ours(ctx))
		return counted(SL_STEERING_PASSED, XDP_PASS);
	if (!now || now->action != SL_XDP_HOLD)
		action = bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_DROP);
	return counted(action == XDP_REDIRECT ? SL_STEERING_REDIRECTED : SL_STEERING_DROPPED_NO_SOCKET,
		       (int)action);
}

#endif
