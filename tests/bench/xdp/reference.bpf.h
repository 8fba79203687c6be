/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * What the balancer is compared with: the least that any balancer in XDP does. `full` parses, looks the service up in a
 * hash and the connection in an LRU hash, and encapsulates; `small` parses and does one hash lookup. They count
 * nothing, judge nothing and answer nothing.
 */
#ifndef TESTS_BENCH_XDP_REFERENCE_BPF_H
#define TESTS_BENCH_XDP_REFERENCE_BPF_H

#include "sluice/steering.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sl_steering_listener);
	__type(value, __u32);
} reference_services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sl_addr);
	__type(value, __u32);
} reference_vips SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, struct bench_flow_key);
	__type(value, __u32);
} reference_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct bench_backend);
} reference_backends SEC(".maps");

struct parsed {
	struct sl_addr src, dst;
	__be16 ports[2];
	__u16 ip_len;
	__u8 proto;
	__u8 v6;
};

/* 0, or -1: no TCP or UDP over IPv4 or IPv6, or a fragment. */
SL_INLINE int parse(const struct xdp_md *ctx, struct parsed *pkt)
{
	const __u8 *data = (const __u8 *)(long)ctx->data, *end = (const __u8 *)(long)ctx->data_end, *l4;
	const struct sl_eth *eth = (const struct sl_eth *)data;

	if (data + SL_ETH_LEN + SL_IPV4_LEN + 4 > end)
		return -1;
	if (eth->type == sl_bswap16(SL_ETH_IPV4)) {
		const struct sl_ipv4 *ip = (const struct sl_ipv4 *)(data + SL_ETH_LEN);

		if (ip->version_ihl != 0x45 || (ip->frag & sl_bswap16(SL_IPV4_MF | SL_IPV4_OFFSET)))
			return -1;
		pkt->src = sl_addr_from_v4(ip->src);
		pkt->dst = sl_addr_from_v4(ip->dst);
		pkt->proto = ip->proto;
		pkt->ip_len = sl_bswap16(ip->len);
		pkt->v6 = 0;
		l4 = data + SL_ETH_LEN + SL_IPV4_LEN;
	} else if (eth->type == sl_bswap16(SL_ETH_IPV6) && data + SL_ETH_LEN + SL_IPV6_LEN + 4 <= end) {
		const struct sl_ipv6 *ip = (const struct sl_ipv6 *)(data + SL_ETH_LEN);

		__builtin_memcpy(&pkt->src, ip->src, 16);
		__builtin_memcpy(&pkt->dst, ip->dst, 16);
		pkt->proto = ip->next;
		pkt->ip_len = (__u16)(sl_bswap16(ip->len) + SL_IPV6_LEN);
		pkt->v6 = 1;
		l4 = data + SL_ETH_LEN + SL_IPV6_LEN;
	} else {
		return -1;
	}
	if (pkt->proto != SL_PROTO_TCP && pkt->proto != SL_PROTO_UDP)
		return -1;
	__builtin_memcpy(pkt->ports, l4, sizeof(pkt->ports));
	return 0;
}

SL_INLINE __u16 ipv4_sum(const struct sl_ipv4 *ip)
{
	const __u16 *word = (const __u16 *)ip;
	__u32 sum = 0;

	for (int i = 0; i < SL_IPV4_LEN / 2; i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~(sum + (sum >> 16));
}

SL_INLINE int encapsulate4(struct xdp_md *ctx, const struct parsed *pkt, const struct bench_backend *to)
{
	struct sl_eth *eth;
	struct sl_ipv4 *ip;

	if (bpf_xdp_adjust_head(ctx, -SL_IPV4_LEN))
		return XDP_DROP;
	eth = (struct sl_eth *)(long)ctx->data;
	ip = (struct sl_ipv4 *)(eth + 1);
	if ((void *)(ip + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	__builtin_memcpy(eth->dst, to->mac, 6);
	__builtin_memcpy(eth->src, to->own_mac, 6);
	eth->type = sl_bswap16(SL_ETH_IPV4);
	__builtin_memset(ip, 0, sizeof(*ip));
	ip->version_ihl = 0x45;
	ip->len = sl_bswap16((__u16)(pkt->ip_len + SL_IPV4_LEN));
	ip->ttl = 64;
	ip->proto = SL_PROTO_IPIP;
	ip->src = to->from.w[3];
	ip->dst = to->to.w[3];
	ip->csum = ipv4_sum(ip);
	return XDP_TX;
}

SL_INLINE int encapsulate6(struct xdp_md *ctx, const struct parsed *pkt, const struct bench_backend *to)
{
	struct sl_eth *eth;
	struct sl_ipv6 *ip;

	if (bpf_xdp_adjust_head(ctx, -SL_IPV6_LEN))
		return XDP_DROP;
	eth = (struct sl_eth *)(long)ctx->data;
	ip = (struct sl_ipv6 *)(eth + 1);
	if ((void *)(ip + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	__builtin_memcpy(eth->dst, to->mac, 6);
	__builtin_memcpy(eth->src, to->own_mac, 6);
	eth->type = sl_bswap16(SL_ETH_IPV6);
	ip->version_tc_label = sl_bswap32(6u << 28);
	ip->len = sl_bswap16(pkt->ip_len);
	ip->next = SL_PROTO_IPV6;
	ip->hop_limit = 64;
	__builtin_memcpy(ip->src, &to->from, 16);
	__builtin_memcpy(ip->dst, &to->to, 16);
	return XDP_TX;
}

/* The backend that the connection is at: remembered, or chosen now. */
SL_INLINE __u32 backend_of(const struct parsed *pkt, __u32 service)
{
	const struct bench_flow_key key = { .client = pkt->src, .port = pkt->ports[0], .service = (__u16)service };
	const __u32 *known = bpf_map_lookup_elem(&reference_flows, &key);
	__u32 backend;

	if (known)
		return *known;
	backend = (pkt->src.w[3] ^ pkt->ports[0]) % 64;
	bpf_map_update_elem(&reference_flows, &key, &backend, BPF_ANY);
	return backend;
}

SEC("xdp")
int full(struct xdp_md *ctx)
{
	struct parsed pkt;
	struct sl_steering_listener key = {};
	const struct bench_backend *to;
	const __u32 *service;
	__u32 backend;

	if (parse(ctx, &pkt))
		return XDP_PASS;
	key.addr = pkt.dst;
	key.port = pkt.ports[1];
	key.proto = pkt.proto;
	service = bpf_map_lookup_elem(&reference_services, &key);
	if (!service)
		return XDP_PASS;
	backend = backend_of(&pkt, *service);
	to = bpf_map_lookup_elem(&reference_backends, &backend);
	if (!to)
		return XDP_DROP;
	return pkt.v6 ? encapsulate6(ctx, &pkt, to) : encapsulate4(ctx, &pkt, to);
}

SEC("xdp")
int small(struct xdp_md *ctx)
{
	struct parsed pkt;

	if (parse(ctx, &pkt))
		return XDP_PASS;
	return bpf_map_lookup_elem(&reference_vips, &pkt.dst) ? XDP_DROP : XDP_PASS;
}

#endif
