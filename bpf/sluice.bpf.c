// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * The XDP program of a balancer's interfaces. root.action says what becomes of packets to a VIP: a worker gets them
 * (steer.bpf.h), or the forwarding core of include/sluice/core decides here. Its stages are functions of their own,
 * as core/forward.h lists them, for the verifier walks each of these once; between them the packet is in the scratch.
 */
#include "env.bpf.h"
#include "steer.bpf.h"

#include "sluice/core/forward.h"

/* A stage: a global function, of which the verifier assumes nothing but its types. */
#define STAGE __attribute__((noinline))

/* What sl_parse begins with. */
SL_INLINE void packet_begin(struct sl_env *env, struct sl_packet *pkt)
{
	const __u32 only = 0;
	const struct sl_steering_mac *own = bpf_map_lookup_elem(&mac, &only);

	env_frame(env, pkt);
	pkt->plan = &env->scratch->plan;
	pkt->frame_len = sl_multi_buffer ? (__u32)bpf_xdp_get_buff_len(env->ctx) : sl_readable(pkt);
	pkt->port = own ? own->port : 0;
	pkt->flags = 0;
}

/* The packet as the stage before left it. */
SL_INLINE void packet_resume(struct sl_env *env, struct sl_packet *pkt)
{
	sl_packet_resume(pkt, env->scratch->packet);
	env_frame(env, pkt);
	pkt->plan = &env->scratch->plan;
}

STAGE int stage_parse(struct xdp_md *ctx, __u32 bank);
STAGE int stage_parse(struct xdp_md *ctx, __u32 bank)
{
	struct sl_packet pkt;
	struct sl_env env;
	enum sl_verdict verdict;

	if (env_begin(&env, ctx, bank))
		return SL_VERDICT_DROP_NO_ROOM;
	/* To clang the packet is memory: as registers it would be written to the stack again before each thing that may be
	 * wrong with it. */
	__asm__ volatile("" : : "r"(&pkt) : "memory");
	packet_begin(&env, &pkt);
	verdict = sl_parse(&pkt);
	if (is_of_another(&pkt)) /* the kernel drops what a switch flooded here */
		verdict = SL_VERDICT_TO_KERNEL;
	sl_packet_keep(&pkt, env.scratch->packet);
	return verdict;
}

/* Keeps what lookup and select found, by id. */
SL_INLINE void way_keep(struct sl_env *env, const struct sl_packet *pkt)
{
	struct scratch *to = env->scratch;

	sl_packet_keep(pkt, to->packet);
	to->service = pkt->service ? pkt->service->id : NONE;
	to->pool = pkt->pool ? pkt->pool->id : NONE;
	to->backend = pkt->backend ? pkt->backend->stats : NONE;
	to->row = pkt->row;
	to->slot = pkt->slot;
	to->out_port = pkt->out_port;
	if (sl_traced) {
		to->tag = pkt->flags & SL_PKT_OPEN ? pkt->tag : 0;
		to->base = pkt->flags & SL_PKT_OPEN ? pkt->base : SL_SLOT_NONE;
	}
}

/* What is still to be done for it. */
SL_INLINE void decided(struct sl_env *env, const struct sl_packet *pkt, __u32 verdict)
{
	env->scratch->done = (__u8)sl_plan_is_done(pkt, (enum sl_verdict)verdict);
	env->scratch->leaves = (__u8)sl_forward_leaves(pkt, (enum sl_verdict)verdict);
	env->scratch->port = pkt->port;
	env->scratch->bytes = (__u32)pkt->l3 + pkt->ip_len;
	env->scratch->flags = pkt->flags;
}

STAGE int stage_way(struct xdp_md *ctx, __u32 bank, __u32 verdict);
STAGE int stage_way(struct xdp_md *ctx, __u32 bank, __u32 verdict)
{
	struct sl_packet pkt;
	struct sl_env env;

	if (env_begin(&env, ctx, bank))
		return SL_VERDICT_DROP_NO_ROOM;
	packet_resume(&env, &pkt);
	pkt.tag = 0;
	pkt.base = SL_SLOT_NONE;
	verdict = sl_decide_way(&env, &pkt, (enum sl_verdict)verdict);
	way_keep(&env, &pkt);
	decided(&env, &pkt, verdict);
	return (int)verdict;
}

STAGE int stage_rest(struct xdp_md *ctx, __u32 bank, __u32 verdict);
STAGE int stage_rest(struct xdp_md *ctx, __u32 bank, __u32 verdict)
{
	struct sl_packet pkt;
	struct sl_env env;

	if (env_begin(&env, ctx, bank))
		return SL_VERDICT_DROP_NO_ROOM;
	packet_resume(&env, &pkt);
	pkt.pool = sl_env_pool(&env, env.scratch->pool);
	pkt.slot = env.scratch->slot;
	pkt.out_port = env.scratch->out_port;
	verdict = sl_plan_rest(&env, &pkt, (enum sl_verdict)verdict);
	sl_packet_keep(&pkt, env.scratch->packet);
	env.scratch->out_port = pkt.out_port;
	decided(&env, &pkt, verdict);
	return (int)verdict;
}

/* The bytes. Returns the verdict that holds, for the packet may find no room. */
STAGE int stage_write(struct xdp_md *ctx, __u32 bank, __u32 verdict);
STAGE int stage_write(struct xdp_md *ctx, __u32 bank, __u32 verdict)
{
	struct sl_packet pkt;
	struct sl_env env;

	if (env_begin(&env, ctx, bank))
		return SL_VERDICT_DROP_NO_ROOM;
	packet_resume(&env, &pkt);
	if (sl_room(&env, &pkt) || sl_write(&pkt))
		return SL_VERDICT_DROP_NO_ROOM;
	return (int)verdict;
}

SL_INLINE void write_trace(const struct scratch *from, __u32 verdict)
{
	const __u32 only = 0;
	struct sl_xdp_trace *to = bpf_map_lookup_elem(&trace, &only);

	if (!to)
		return;
	to->tag = from->tag;
	to->verdict = verdict;
	to->row = from->row;
	to->slot = from->slot;
	to->base = from->base;
	to->out_port = from->out_port;
	to->flags = from->flags;
	to->service = from->service;
	to->backend = from->backend;
}

STAGE int stage_steer(struct xdp_md *ctx);
STAGE int stage_steer(struct xdp_md *ctx)
{
	return ctx ? steer(ctx) : XDP_DROP;
}

/* What the packet came to: counts it, and in tests tells it. Returns the driver's action. */
SL_INLINE int end(const struct scratch *left, __u32 verdict, __u32 action)
{
	env_count(left, verdict);
	if (sl_traced)
		write_trace(left, verdict);
	if (action == XDP_PASS)
		return counted(SL_STEERING_PASSED, (int)action);
	return counted(action == XDP_DROP ? SL_STEERING_DROPPED : SL_STEERING_FORWARDED, (int)action);
}

/* The frame leaves by `port`: back where it came in, or by another interface. XDP_DROP: that one is not there. */
SL_INLINE __u32 leave(__u32 came_by, __u32 port)
{
	if (port == came_by)
		return XDP_TX;
	return bpf_redirect_map(&tx_ports, port, XDP_DROP) == XDP_REDIRECT ? XDP_REDIRECT : XDP_DROP;
}

SL_INLINE int forward(struct xdp_md *ctx, __u32 bank)
{
	const __u32 only = 0;
	struct scratch *left = bpf_map_lookup_elem(&scratch, &only);
	__u32 verdict = (__u32)stage_parse(ctx, bank), action = XDP_DROP;

	if (!left)
		return XDP_DROP;
	verdict = (__u32)stage_way(ctx, bank, verdict);
	if (!left->done)
		verdict = (__u32)stage_rest(ctx, bank, verdict);
	if (left->leaves) {
		verdict = (__u32)stage_write(ctx, bank, verdict);
		if (verdict != SL_VERDICT_DROP_NO_ROOM) {
			action = leave(left->port, left->out_port);
			verdict = action == XDP_DROP ? SL_VERDICT_DROP_TX_FULL : verdict;
		}
	} else if (verdict == SL_VERDICT_TO_KERNEL) {
		action = XDP_PASS;
	}
	return end(left, verdict, action);
}

SEC("xdp")
int xsk_def_prog(struct xdp_md *ctx)
{
	const __u32 only = 0;
	const struct sl_xdp_root *now = bpf_map_lookup_elem(&root, &only);

	if (!now || now->version != SL_XDP_VERSION || now->action != SL_XDP_FORWARD)
		return stage_steer(ctx);
	return forward(ctx, now->bank & (SL_XDP_BANKS - 1));
}

char _license[] SEC("license") = "Dual BSD/GPL";
