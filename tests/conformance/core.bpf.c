// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/*
 * The forwarding core as an XDP program with the smallest maps: compiled by every build that has clang,
 * and loaded where the kernel lets us, so that a change which the verifier refuses is noticed at once.
 * The real XDP datapath is bpf/'s business.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "sluice/core/env.h"
#include "sluice/core/reply.h"

struct sl_env {
	struct xdp_md *ctx;
	struct sl_settings *settings;
};

struct listener_key {
	struct sl_addr addr;
	__be16 port;
	__u8 proto;
	__u8 zero;
};

#define MAP(name, kind, key_type, value_type)            \
	struct {                                         \
		__uint(type, kind);                      \
		__uint(max_entries, 64);                 \
		__type(key, key_type);                   \
		__type(value, value_type);               \
	} name SEC(".maps")

MAP(settings_map, BPF_MAP_TYPE_ARRAY, __u32, struct sl_settings);
MAP(ports, BPF_MAP_TYPE_ARRAY, __u32, struct sl_port);
MAP(listeners, BPF_MAP_TYPE_HASH, struct listener_key, struct sl_service);
MAP(vips, BPF_MAP_TYPE_HASH, struct sl_addr, struct sl_vip);
MAP(outer_sources, BPF_MAP_TYPE_HASH, struct sl_addr, __u32);
MAP(pools, BPF_MAP_TYPE_ARRAY, __u32, struct sl_pool);
MAP(rows, BPF_MAP_TYPE_ARRAY, __u32, __u32);
MAP(backends, BPF_MAP_TYPE_ARRAY, __u32, struct sl_backend);
MAP(neighbors, BPF_MAP_TYPE_ARRAY, __u32, struct sl_neighbor);
MAP(flows, BPF_MAP_TYPE_HASH, __u64, struct sl_flow);
MAP(datagrams, BPF_MAP_TYPE_LRU_HASH, __u64, struct sl_datagram);
MAP(new_datagram, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct sl_datagram);
MAP(plans, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct sl_plan);
MAP(verdicts, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, __u64);

SL_INLINE const struct sl_service *sl_env_service(struct sl_env *env, const struct sl_addr *dst, __be16 port,
						  __u8 proto)
{
	struct listener_key key = { .addr = *dst, .port = port, .proto = proto };
	const struct sl_service *service = bpf_map_lookup_elem(&listeners, &key);

	(void)env;
	if (service)
		return service;
	key.port = 0;
	return bpf_map_lookup_elem(&listeners, &key);
}

SL_INLINE const struct sl_vip *sl_env_vip(struct sl_env *env, const struct sl_addr *dst)
{
	(void)env;
	return bpf_map_lookup_elem(&vips, dst);
}

SL_INLINE int sl_env_is_outer_source(struct sl_env *env, const struct sl_addr *src)
{
	(void)env;
	return bpf_map_lookup_elem(&outer_sources, src) != SL_NULL;
}

SL_INLINE const struct sl_pool *sl_env_pool(struct sl_env *env, __u32 pool)
{
	(void)env;
	return bpf_map_lookup_elem(&pools, &pool);
}

SL_INLINE __u16 sl_env_row(struct sl_env *env, const struct sl_pool *pool, __u32 row)
{
	const __u32 *value = bpf_map_lookup_elem(&rows, &row);

	(void)env;
	(void)pool;
	return value ? (__u16)*value : SL_SLOT_NONE;
}

SL_INLINE const struct sl_backend *sl_env_backend(struct sl_env *env, const struct sl_pool *pool, __u16 slot)
{
	__u32 key = slot;

	(void)env;
	(void)pool;
	return bpf_map_lookup_elem(&backends, &key);
}

SL_INLINE const struct sl_neighbor *sl_env_neighbor(struct sl_env *env, __u32 neighbor)
{
	(void)env;
	return bpf_map_lookup_elem(&neighbors, &neighbor);
}

SL_INLINE const struct sl_port *sl_env_port(struct sl_env *env, __u16 port)
{
	__u32 key = port;

	(void)env;
	return bpf_map_lookup_elem(&ports, &key);
}

SL_INLINE const struct sl_settings *sl_env_settings(struct sl_env *env)
{
	return env->settings;
}

SL_INLINE __u16 sl_env_base(struct sl_env *env, const struct sl_pool *pool, __u8 kind, __u32 row, __u16 current)
{
	__u32 key = row + kind;
	const __u32 *value = bpf_map_lookup_elem(&rows, &key);

	(void)env;
	(void)pool;
	return value ? (__u16)*value : current;
}

SL_INLINE int sl_env_lens(struct sl_env *env, const struct sl_pool *pool, __u8 kind, __u32 row, __u16 *slot)
{
	*slot = sl_env_base(env, pool, kind, row, SL_SLOT_NONE);
	return *slot != SL_SLOT_NONE;
}

SL_INLINE int sl_env_flow_get(struct sl_env *env, const struct sl_packet *pkt, struct sl_flow *flow)
{
	const struct sl_flow *found = bpf_map_lookup_elem(&flows, &pkt->tag);

	(void)env;
	if (!found)
		return 0;
	*flow = *found;
	return 1;
}

SL_INLINE int sl_env_flow_put(struct sl_env *env, const struct sl_packet *pkt, __u16 slot, __u8 flags)
{
	const struct sl_flow flow = { .slot = slot, .flags = flags };

	(void)env;
	return (int)bpf_map_update_elem(&flows, &pkt->tag, &flow, BPF_ANY);
}

SL_INLINE void sl_env_flow_touch(struct sl_env *env, const struct sl_packet *pkt, const struct sl_flow *flow,
				 __u8 flags)
{
	sl_env_flow_put(env, pkt, flow->slot, flags);
}

SL_INLINE void sl_env_flow_del(struct sl_env *env, const struct sl_packet *pkt, const struct sl_flow *flow)
{
	(void)env;
	(void)flow;
	bpf_map_delete_elem(&flows, &pkt->tag);
}

SL_INLINE int sl_env_flow_pressure(struct sl_env *env)
{
	(void)env;
	return 0;
}

SL_INLINE void sl_env_flow_count(struct sl_env *env, enum sl_flow_counter counter)
{
	(void)env;
	(void)counter;
}

SL_INLINE struct sl_datagram *sl_env_datagram_get(struct sl_env *env, const struct sl_packet *pkt, __u64 tag)
{
	(void)env;
	(void)pkt;
	return bpf_map_lookup_elem(&datagrams, &tag);
}

SL_INLINE void sl_env_datagram_put(struct sl_env *env, const struct sl_packet *pkt, __u64 tag, enum sl_verdict verdict)
{
	__u32 key = 0;
	struct sl_datagram *datagram = bpf_map_lookup_elem(&new_datagram, &key);

	(void)env;
	if (!datagram)
		return;
	sl_datagram_begin(datagram, pkt, verdict);
	bpf_map_update_elem(&datagrams, &tag, datagram, BPF_ANY);
}

SL_INLINE int sl_env_splits(struct sl_env *env)
{
	(void)env;
	return 0;
}

SL_INLINE int sl_env_reply_allowed(struct sl_env *env)
{
	(void)env;
	return 1;
}

SL_INLINE int sl_env_room(struct sl_env *env, struct sl_packet *pkt)
{
	const int grow = (int)pkt->plan->grow - (int)pkt->plan->cut;
	const int tail = (int)pkt->plan->frame_len - (int)pkt->frame_len - grow;

	if (grow && bpf_xdp_adjust_head(env->ctx, -grow))
		return -1;
	if (tail && bpf_xdp_adjust_tail(env->ctx, tail))
		return -1;
	pkt->data = (__u8 *)(long)env->ctx->data;
	pkt->end = (__u8 *)(long)env->ctx->data_end;
	pkt->frame_len = pkt->plan->frame_len;
	return 0;
}

__attribute__((noinline)) __u64 forget(__u64 value);
__attribute__((noinline)) __u64 forget(__u64 value)
{
	__asm__ volatile("" : "+r"(value)); /* nor may clang know */
	return value;
}

SL_INLINE __u64 sl_env_forget(__u64 value)
{
	return forget(value);
}

/* Verified once, by itself: a global function. */
__attribute__((noinline)) __u64 sum_bytes(struct xdp_md *ctx, __u32 offset, __u32 len);
__attribute__((noinline)) __u64 sum_bytes(struct xdp_md *ctx, __u32 offset, __u32 len)
{
	__u64 sum = 0;

	if (offset > SL_HEADERS_MAX)
		return 0;
	for (__u32 i = 0; i < SL_REPLY_QUOTE_MAX6 && i < len; i++) {
		const __u8 *byte = (const __u8 *)(long)ctx->data + offset + i;

		if (byte + 1 > (const __u8 *)(long)ctx->data_end)
			break;
		sum += (__u64)*byte << (i % 2 * 8);
	}
	return sum;
}

SL_INLINE __u64 sl_env_sum(struct sl_env *env, const struct sl_packet *pkt, __u32 offset, __u32 len)
{
	(void)pkt;
	return sum_bytes(env->ctx, offset, len);
}

__attribute__((noinline)) int read_quote(struct xdp_md *ctx, __u32 at, __u32 end, __u32 v6, struct sl_quote *quote);
__attribute__((noinline)) int read_quote(struct xdp_md *ctx, __u32 at, __u32 end, __u32 v6, struct sl_quote *quote)
{
	const struct sl_packet pkt = { .data = (__u8 *)(long)ctx->data, .end = (__u8 *)(long)ctx->data_end,
				       .ip_len = (__u16)end };

	if (!quote || at > SL_QUOTE_HEADERS_MAX)
		return SL_VERDICT_DROP_ICMP_QUOTE;
	return sl_quote_read(&pkt, at, (int)v6, quote);
}

SL_INLINE int sl_env_quote(struct sl_env *env, const struct sl_packet *pkt, __u32 at, int v6, struct sl_quote *quote)
{
	return read_quote(env->ctx, at, pkt->l3 + (__u32)pkt->ip_len, (__u32)v6, quote);
}

#include "sluice/core/forward.h"

SEC("xdp")
int core(struct xdp_md *ctx)
{
	__u32 key = 0;
	struct sl_env env = { .ctx = ctx, .settings = bpf_map_lookup_elem(&settings_map, &key) };
	struct sl_packet pkt;
	__u64 *count;
	__u32 verdict;

	pkt.plan = bpf_map_lookup_elem(&plans, &key);
	if (!env.settings || !pkt.plan)
		return XDP_ABORTED;
	pkt.data = (__u8 *)(long)ctx->data;
	pkt.end = (__u8 *)(long)ctx->data_end;
	pkt.frame_len = (__u32)(ctx->data_end - ctx->data);
	pkt.port = 0;
	pkt.flags = 0;
	verdict = sl_forward(&env, &pkt);
	count = bpf_map_lookup_elem(&verdicts, &verdict);
	if (count)
		*count += 1;
	if (sl_forward_leaves(&pkt, verdict))
		return XDP_TX;
	return verdict == SL_VERDICT_TO_KERNEL ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
