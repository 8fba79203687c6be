/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The forwarding core's way to the maps: the functions that include/sluice/core/env.h demands. Numbers are ids, as in
 * the configuration; a place that the maps do not have is an object that does not exist.
 */
#ifndef BPF_ENV_H
#define BPF_ENV_H

#include "sluice/core/env.h"
#include "sluice/core/reply.h"
#include "sluice/core/reply_rate.h"

#include "maps.bpf.h" /* last: names of maps are names of variables above */

/* Set before loading: 1: time comes from root.clock_ns, and the map `trace` is written. Tests only. */
const volatile __u8 sl_traced = 0;
/* Set before loading, with the flag BPF_F_XDP_HAS_FRAGS: frames may lie in several buffers. */
const volatile __u8 sl_multi_buffer = 0;

struct sl_env {
	struct xdp_md *ctx;
	const struct sl_xdp_root *root;
	const struct sl_xdp_settings *settings; /* of the bank in use */
	struct scratch *scratch;
	const struct sl_addr *asked; /* for last; what is not ours costs one lookup */
	const struct sl_vip *vip;    /* with that address, or NULL */
	__u32 bank;
};

/* What every stage begins with. 0, or not 0: never; the verifier does not know. */
SL_INLINE int env_begin(struct sl_env *env, struct xdp_md *ctx, __u32 bank)
{
	const __u32 only = 0;

	env->ctx = ctx;
	env->bank = bank;
	env->asked = SL_NULL;
	env->vip = SL_NULL;
	env->root = bpf_map_lookup_elem(&root, &only);
	env->settings = bpf_map_lookup_elem(&settings, &bank);
	env->scratch = bpf_map_lookup_elem(&scratch, &only);
	return !env->root || !env->settings || !env->scratch;
}

SL_INLINE const struct sl_service *env_listener(struct sl_env *env, const struct sl_steering_listener *key)
{
	const __u32 *id = bpf_map_lookup_elem(&listeners, key);
	const struct sl_service *service;
	__u32 at;

	if (!id)
		return SL_NULL;
	at = sl_xdp_at(*id, env->bank);
	service = bpf_map_lookup_elem(&services, &at);
	return service && service->id == *id ? service : SL_NULL;
}

SL_INLINE const struct sl_vip *sl_env_vip(struct sl_env *env, const struct sl_addr *dst)
{
	if (env->asked != dst)
		env->vip = bpf_map_lookup_elem(&vips, dst);
	env->asked = dst;
	return env->vip;
}

SL_INLINE const struct sl_service *sl_env_service(struct sl_env *env, const struct sl_addr *dst, __be16 port,
						  __u8 proto)
{
	struct sl_steering_listener key = { .addr = *dst, .port = port, .proto = proto };
	const struct sl_service *service;

	if (!sl_env_vip(env, dst)) /* every listener is at a VIP */
		return SL_NULL;
	service = env_listener(env, &key);
	if (service || !env->settings->any_port)
		return service;
	key.port = 0;
	return env_listener(env, &key);
}

SL_INLINE int sl_env_is_outer_source(struct sl_env *env, const struct sl_addr *src)
{
	(void)env;
	return bpf_map_lookup_elem(&sources, src) != SL_NULL;
}

SL_INLINE const struct sl_pool *sl_env_pool(struct sl_env *env, __u32 pool)
{
	const __u32 at = sl_xdp_at(pool, env->bank), *slot = bpf_map_lookup_elem(&pool_slots, &at);
	const struct sl_xdp_pool *found;

	if (!slot || !*slot)
		return SL_NULL;
	found = bpf_map_lookup_elem(&pools, slot);
	return found && found->pool.id == pool ? &found->pool : SL_NULL;
}

/* `pool` is the first member of what sl_env_pool() found. */
SL_INLINE const struct sl_xdp_pool *env_pool_of(const struct sl_pool *pool)
{
	return (const struct sl_xdp_pool *)pool;
}

/* One row of the table at `place`; `otherwise` where there is none. */
SL_INLINE __u16 env_table_row(__u32 place, __u32 row, __u16 otherwise)
{
	const struct sl_xdp_rows *found;

	if (!place)
		return otherwise;
	place += row / SL_XDP_ROWS;
	found = bpf_map_lookup_elem(&rows, &place);
	return found ? found->row[row % SL_XDP_ROWS] : otherwise;
}

SL_INLINE __u16 sl_env_row(struct sl_env *env, const struct sl_pool *pool, __u32 row)
{
	(void)env;
	return env_table_row(env_pool_of(pool)->table[SL_TABLE_CURRENT], row, SL_SLOT_NONE);
}

SL_INLINE __u16 sl_env_base(struct sl_env *env, const struct sl_pool *pool, __u8 kind, __u32 row, __u16 current)
{
	(void)env;
	if (kind >= SL_FLOW_KIND_COUNT)
		return current;
	return env_table_row(env_pool_of(pool)->table[SL_TABLE_BASE_TCP + kind], row, current);
}

SL_INLINE int sl_env_lens(struct sl_env *env, const struct sl_pool *pool, __u8 kind, __u32 row, __u16 *slot)
{
	(void)env;
	if (kind >= SL_FLOW_KIND_COUNT || !env_pool_of(pool)->table[SL_TABLE_LENS_TCP + kind])
		return 0;
	*slot = env_table_row(env_pool_of(pool)->table[SL_TABLE_LENS_TCP + kind], row, SL_SLOT_NONE);
	return 1;
}

SL_INLINE const struct sl_backend *sl_env_backend(struct sl_env *env, const struct sl_pool *pool, __u16 slot)
{
	const __u32 at = env_pool_of(pool)->backend + slot;
	const struct sl_backend *backend;

	(void)env;
	if (slot >= pool->slots)
		return SL_NULL;
	backend = bpf_map_lookup_elem(&backends, &at);
	return backend && backend->slot == slot && backend->pool == pool->id ? backend : SL_NULL;
}

SL_INLINE const struct sl_neighbor *sl_env_neighbor(struct sl_env *env, __u32 neighbor)
{
	const struct sl_neighbor *found = bpf_map_lookup_elem(&neighbors, &neighbor);

	(void)env;
	return found && found->id == neighbor ? found : SL_NULL;
}

/* A port that is not there has no index of its own, but for number 0, which has a MAC address. */
SL_INLINE const struct sl_port *sl_env_port(struct sl_env *env, __u16 port)
{
	const __u32 at = port;
	const struct sl_port *found = bpf_map_lookup_elem(&ports, &at);

	(void)env;
	return found && found->index == port ? found : SL_NULL;
}

SL_INLINE const struct sl_settings *sl_env_settings(struct sl_env *env)
{
	return &env->settings->settings;
}

SL_INLINE __u64 sl_env_now(struct sl_env *env)
{
	if (sl_traced && env->root->clock_ns)
		return env->root->clock_ns;
	return bpf_ktime_get_boot_ns();
}

SL_INLINE struct sl_datagram *sl_env_datagram_get(struct sl_env *env, const struct sl_packet *pkt, __u64 tag)
{
	struct sl_xdp_datagram *found = bpf_map_lookup_elem(&datagrams, &tag);

	(void)pkt;
	if (!found || found->tag != tag ||
	    sl_datagram_is_old((__u32)(found->born_ns / 1000000), (__u32)(sl_env_now(env) / 1000000)))
		return SL_NULL;
	return &found->datagram;
}

SL_INLINE void sl_env_datagram_put(struct sl_env *env, const struct sl_packet *pkt, __u64 tag, enum sl_verdict verdict)
{
	struct sl_xdp_datagram *made = &env->scratch->datagram;

	made->tag = tag;
	made->born_ns = sl_env_now(env);
	sl_datagram_begin(&made->datagram, pkt, verdict);
	bpf_map_update_elem(&datagrams, &tag, made, BPF_ANY);
}

/* One frame comes in, one goes out. */
SL_INLINE int sl_env_splits(struct sl_env *env)
{
	(void)env;
	return 0;
}

SL_INLINE int sl_env_reply_allowed(struct sl_env *env)
{
	return sl_reply_rate_take(&env->scratch->reply_due_ns, sl_env_now(env), env->settings->reply_cost_ns);
}

/* Where the frame lies now. */
SL_INLINE void env_frame(struct sl_env *env, struct sl_packet *pkt)
{
	pkt->data = (__u8 *)(long)env->ctx->data;
	pkt->end = (__u8 *)(long)env->ctx->data_end;
}

SL_INLINE int sl_env_room(struct sl_env *env, struct sl_packet *pkt)
{
	const int grow = (int)pkt->plan->grow - (int)pkt->plan->cut;
	const int tail = (int)pkt->plan->frame_len - (int)pkt->frame_len - grow;

	if (grow && bpf_xdp_adjust_head(env->ctx, -grow))
		return -1;
	if (tail && bpf_xdp_adjust_tail(env->ctx, tail))
		return -1;
	env_frame(env, pkt);
	pkt->frame_len = pkt->plan->frame_len;
	return 0;
}

/* In a function of its own: verified once. The loop is as long as the longest that an answer can quote. */
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

SL_INLINE void env_add(struct sl_counter *counter, __u32 bytes)
{
	if (!counter)
		return;
	counter->packets++;
	counter->bytes += bytes;
}

/* What sl_env_count is to do: pointers to service and backend did not outlive the stage that found them. */
SL_INLINE void env_count(const struct scratch *left, __u32 verdict)
{
	__u64 *count = bpf_map_lookup_elem(&verdicts, &verdict);

	if (count)
		*count += 1;
	if (left->service != NONE)
		env_add(bpf_map_lookup_elem(&service_counters, &left->service), left->bytes);
	if (left->backend != NONE && verdict == SL_VERDICT_FORWARD)
		env_add(bpf_map_lookup_elem(&backend_counters, &left->backend), left->bytes);
}

SL_INLINE void sl_env_count(struct sl_env *env, const struct sl_packet *pkt, enum sl_verdict verdict)
{
	(void)pkt;
	env_count(env->scratch, verdict);
}

#include "env_flow.bpf.h"

#endif
