/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The smallest home of the forwarding core: arrays, linear search, one buffer with headroom. What the
 * arrays hold is world.h's business. Used by packet cases, the fuzz target and the BPF compile test.
 */
#ifndef TESTS_PACKET_ENV_H
#define TESTS_PACKET_ENV_H

#include "sluice/core/env.h"
#include "sluice/flows.h"

enum { ENV_MAX = 64, ENV_BACKENDS_MAX = 128, ENV_LISTENERS_MAX = 256, ENV_ROWS_MAX = 16,
       ENV_DATAGRAMS_MAX = 8 };

struct sl_env {
	struct sl_settings settings;
	struct sl_vip vip[ENV_MAX];
	struct sl_listener listener[ENV_LISTENERS_MAX];
	struct sl_service service[ENV_MAX];
	struct sl_pool pool[ENV_MAX];
	__u16 row[ENV_MAX][ENV_ROWS_MAX];
	struct sl_backend backend[ENV_BACKENDS_MAX];
	struct sl_neighbor neighbor[ENV_MAX];
	struct sl_port port[SL_PORTS_MAX];
	__u32 vips, listeners, services, pools, backends, neighbors, ports;

	/* fragmented datagrams; the oldest gives way */
	struct {
		__u64 tag;
		struct sl_datagram datagram;
	} datagram[ENV_DATAGRAMS_MAX];
	__u32 datagrams; /* put so far */

	/* set for each packet */
	int remembers;        /* the packet's connection is remembered, as flow says */
	struct sl_flow flow;
	int splits;           /* parts are looked at, nothing is sent */
	int pressure, full;   /* full: nothing more can be put */
	const __u16 *base[SL_FLOW_KIND_COUNT]; /* of every pool; NULL: all rows are home */
	const __u16 *lens[SL_FLOW_KIND_COUNT];
	__u32 replies;        /* answers left */
	__u8 *buffer;         /* lowest address that a frame may grow to */

	/* seen */
	__u32 flow_gets, flow_puts, flow_touches, flow_dels;
	__u64 flow_counted[SL_FLOW_COUNT_COUNT];
	__u64 counted[SL_VERDICT_COUNT];
};

SL_INLINE const struct sl_service *env_listener(struct sl_env *env, const struct sl_addr *dst, __be16 port, __u8 proto)
{
	for (__u32 i = 0; i < ENV_LISTENERS_MAX && i < env->listeners; i++) {
		const struct sl_listener *l = &env->listener[i];

		if (l->proto == proto && l->port == port && sl_addr_equal(&l->addr, dst) && l->service < ENV_MAX)
			return &env->service[l->service];
	}
	return SL_NULL;
}

SL_INLINE const struct sl_service *sl_env_service(struct sl_env *env, const struct sl_addr *dst, __be16 port,
						  __u8 proto)
{
	const struct sl_service *service = env_listener(env, dst, port, proto);

	return service ? service : env_listener(env, dst, 0, proto);
}

SL_INLINE const struct sl_vip *sl_env_vip(struct sl_env *env, const struct sl_addr *dst)
{
	for (__u32 i = 0; i < ENV_MAX && i < env->vips; i++)
		if (sl_addr_equal(&env->vip[i].addr, dst))
			return &env->vip[i];
	return SL_NULL;
}

SL_INLINE int sl_env_is_outer_source(struct sl_env *env, const struct sl_addr *src)
{
	for (__u32 i = 0; i < ENV_BACKENDS_MAX && i < env->backends; i++)
		if (env->backend[i].outer_src.d[1] && sl_addr_equal(&env->backend[i].outer_src, src))
			return 1;
	return 0;
}

SL_INLINE const struct sl_pool *sl_env_pool(struct sl_env *env, __u32 pool)
{
	return pool < ENV_MAX && pool < env->pools ? &env->pool[pool] : SL_NULL;
}

SL_INLINE __u16 sl_env_row(struct sl_env *env, const struct sl_pool *pool, __u32 row)
{
	return pool->id < ENV_MAX && row < ENV_ROWS_MAX ? env->row[pool->id][row] : SL_SLOT_NONE;
}

SL_INLINE const struct sl_backend *sl_env_backend(struct sl_env *env, const struct sl_pool *pool, __u16 slot)
{
	for (__u32 i = 0; i < ENV_BACKENDS_MAX && i < env->backends; i++)
		if (env->backend[i].pool == pool->id && env->backend[i].slot == slot)
			return &env->backend[i];
	return SL_NULL;
}

SL_INLINE const struct sl_neighbor *sl_env_neighbor(struct sl_env *env, __u32 neighbor)
{
	return neighbor < ENV_MAX && neighbor < env->neighbors ? &env->neighbor[neighbor] : SL_NULL;
}

SL_INLINE const struct sl_port *sl_env_port(struct sl_env *env, __u16 port)
{
	return port < SL_PORTS_MAX && port < env->ports ? &env->port[port] : SL_NULL;
}

SL_INLINE const struct sl_settings *sl_env_settings(struct sl_env *env)
{
	return &env->settings;
}

SL_INLINE __u16 sl_env_base(struct sl_env *env, const struct sl_pool *pool, __u8 kind, __u32 row, __u16 current)
{
	(void)pool;
	return kind < SL_FLOW_KIND_COUNT && env->base[kind] ? env->base[kind][row] : current;
}

SL_INLINE int sl_env_lens(struct sl_env *env, const struct sl_pool *pool, __u8 kind, __u32 row, __u16 *slot)
{
	(void)pool;
	if (kind >= SL_FLOW_KIND_COUNT || !env->lens[kind])
		return 0;
	*slot = env->lens[kind][row];
	return 1;
}

SL_INLINE int sl_env_flow_get(struct sl_env *env, const struct sl_packet *pkt, struct sl_flow *flow)
{
	(void)pkt;
	env->flow_gets++;
	*flow = env->flow;
	return env->remembers;
}

SL_INLINE int sl_env_flow_put(struct sl_env *env, const struct sl_packet *pkt, __u16 slot, __u8 flags)
{
	(void)pkt;
	if (env->full)
		return -1;
	env->flow_puts++;
	env->remembers = 1;
	env->flow = (struct sl_flow){ .slot = slot, .flags = flags };
	return 0;
}

SL_INLINE void sl_env_flow_touch(struct sl_env *env, const struct sl_packet *pkt, const struct sl_flow *flow,
				 __u8 flags)
{
	(void)pkt;
	env->flow_touches++;
	env->flow = (struct sl_flow){ .slot = flow->slot, .flags = flags };
}

SL_INLINE void sl_env_flow_del(struct sl_env *env, const struct sl_packet *pkt, const struct sl_flow *flow)
{
	(void)pkt;
	(void)flow;
	env->flow_dels++;
	env->remembers = 0;
}

SL_INLINE int sl_env_flow_pressure(struct sl_env *env)
{
	return env->pressure;
}

SL_INLINE void sl_env_flow_count(struct sl_env *env, enum sl_flow_counter counter)
{
	env->flow_counted[counter]++;
}

SL_INLINE struct sl_datagram *sl_env_datagram_get(struct sl_env *env, const struct sl_packet *pkt, __u64 tag)
{
	(void)pkt;
	for (__u32 i = 0; i < ENV_DATAGRAMS_MAX && i < env->datagrams; i++)
		if (env->datagram[i].tag == tag)
			return &env->datagram[i].datagram;
	return SL_NULL;
}

SL_INLINE void sl_env_datagram_put(struct sl_env *env, const struct sl_packet *pkt, __u64 tag, enum sl_verdict verdict)
{
	struct sl_datagram *datagram = sl_env_datagram_get(env, pkt, tag);

	if (!datagram) {
		env->datagram[env->datagrams % ENV_DATAGRAMS_MAX].tag = tag;
		datagram = &env->datagram[env->datagrams++ % ENV_DATAGRAMS_MAX].datagram;
	}
	sl_datagram_begin(datagram, pkt, verdict);
}

SL_INLINE int sl_env_splits(struct sl_env *env)
{
	return env->splits;
}

SL_INLINE __u64 sl_env_now(struct sl_env *env)
{
	(void)env;
	return 0;
}

SL_INLINE int sl_env_reply_allowed(struct sl_env *env)
{
	if (!env->replies)
		return 0;
	env->replies--;
	return 1;
}

SL_INLINE int sl_env_room(struct sl_env *env, struct sl_packet *pkt)
{
	if ((__u64)(pkt->data - env->buffer) < pkt->plan->grow)
		return -1;
	pkt->data += pkt->plan->cut;
	pkt->data -= pkt->plan->grow;
	pkt->frame_len = pkt->plan->frame_len;
	if (pkt->end > pkt->data + pkt->frame_len)
		pkt->end = pkt->data + pkt->frame_len;
	return 0;
}

SL_INLINE void sl_env_count(struct sl_env *env, const struct sl_packet *pkt, enum sl_verdict verdict)
{
	(void)pkt;
	env->counted[verdict]++;
}

#endif
