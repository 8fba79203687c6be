// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * The wrapper that BPF_PROG_TEST_RUN repeats: puts the frame back as it was before the last run wrote to it, gives it
 * the next flow's source, and goes on with the program that is measured. With the empty one it costs what is not that
 * program's. The programs that it is compared with are reference.bpf.h's.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bench.h"
#include "sluice/core/wire.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct bench_frame);
} frame SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} next_flow SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, BENCH_PROGRAMS);
	__type(key, __u32);
	__type(value, __u32);
} programs SEC(".maps");

#include "reference.bpf.h"

SL_INLINE __u32 take_flow(__u32 *next, __u32 flows)
{
	const __u32 flow = *next < flows ? *next : 0;

	*next = flow + 1;
	return flow;
}

SL_INLINE void set_source4(__u8 *data, __u32 client, __be16 port)
{
	struct sl_ipv4 *ip = (struct sl_ipv4 *)(data + SL_ETH_LEN);
	const __be32 src = sl_bswap32(client);
	__u32 sum = (__u16)~ip->csum;

	sum += (src & 0xffff) + (src >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->csum = (__u16)~sum;
	ip->src = src;
	__builtin_memcpy(data + SL_ETH_LEN + SL_IPV4_LEN, &port, sizeof(port));
}

SL_INLINE void set_source6(__u8 *data, __u32 client, __be16 port)
{
	const __be32 src = sl_bswap32(client);

	__builtin_memcpy(data + SL_ETH_LEN + 8 + 12, &src, sizeof(src));
	__builtin_memcpy(data + SL_ETH_LEN + SL_IPV6_LEN, &port, sizeof(port));
}

SEC("xdp")
int wrap(struct xdp_md *ctx)
{
	const __u32 only = 0;
	const struct bench_frame *from = bpf_map_lookup_elem(&frame, &only);
	__u32 *next = bpf_map_lookup_elem(&next_flow, &only), flow, client;
	__be16 port;
	__u8 *data;

	if (!from || !next)
		return XDP_ABORTED;
	/* always called, so that the empty program's runs have paid for it, too */
	if (bpf_xdp_adjust_head(ctx, (int)(ctx->data_end - ctx->data) - BENCH_FRAME))
		return XDP_ABORTED;
	data = (__u8 *)(long)ctx->data;
	if (data + BENCH_FRAME > (__u8 *)(long)ctx->data_end)
		return XDP_ABORTED;
	__builtin_memcpy(data, from->bytes, BENCH_FRAME);
	flow = take_flow(next, from->flows);
	client = from->client + flow / BENCH_FLOWS_OF_A_CLIENT;
	port = sl_bswap16((__u16)(BENCH_PORT_FIRST + flow % BENCH_FLOWS_OF_A_CLIENT));
	if (from->v6)
		set_source6(data, client, port);
	else
		set_source4(data, client, port);
	bpf_tail_call(ctx, &programs, from->program);
	return XDP_ABORTED;
}

SEC("xdp")
int empty(struct xdp_md *ctx)
{
	return ctx ? XDP_PASS : XDP_ABORTED;
}

char _license[] SEC("license") = "Dual BSD/GPL";
