/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The forwarding core: the order of the stages is here and nowhere else. A home defines struct sl_env
 * and the functions of env.h, then includes this file.
 *
 * Packet by packet (simulator, explain):
 *
 *	pkt.data, pkt.end, pkt.frame_len, pkt.port, pkt.flags = ...;      the home's group of sl_packet
 *	verdict = sl_forward(env, &pkt);
 *	if (sl_forward_leaves(&pkt, verdict))
 *		send pkt.frame_len bytes at pkt.data by port pkt.out_port;    or, with a plan.piece, sl_split_part's
 *	else if (verdict == SL_VERDICT_TO_KERNEL)
 *		hand over the frame, which is as it came;
 *	sl_env_count(env, &pkt, verdict);                                 or drop_tx_full, if it was not taken
 *
 * Over a burst (worker), one loop a line, with prefetches between them; v[i] starts as FORWARD and a
 * line skips the packets whose v[i] is anything else:
 *
 *	sl_parse(&p[i])            touches the frame
 *	sl_lookup(env, &p[i])      touches the service table
 *	sl_select_row(env, &p[i])  touches the pool; row = where to prefetch
 *	sl_select_backend(env, &p[i])   touches the row, then the backend
 *	sl_select_neighbor(env, &p[i])  touches the neighbor
 *	sl_plan(env, &p[i], v[i])  for every packet, whatever v[i] is: makes answers, reads no new state
 *	sl_room(env, &p[i])        where sl_forward_leaves(&p[i], v[i]): the home's buffer grows or is cut; not with
 *	                           a plan.piece: then sl_split_part's frames leave, and this one stays
 *	sl_write(&p[i])            where sl_forward_leaves(&p[i], v[i]) still: the bytes
 *
 * In BPF, whose verifier walks a function once and what is in line once for every way that leads there, the stages are
 * functions of their own, with sl_packet_keep and sl_packet_resume (packet.h) between them:
 *
 *	v = sl_parse(&p)
 *	v = sl_decide_way(env, &p, v)
 *	v = sl_plan_rest(env, &p, v)    unless sl_plan_is_done(&p, v)
 *	sl_room, sl_write               where sl_forward_leaves(&p, v)
 *
 * Each returns the packet's verdict so far; sl_decide is the first six in order. A fragment goes through them
 * alone (sl_decide_parsed): a later one needs to know what its first one, in the same burst, was told. Plan and
 * write are two because BPF loses its pointers when it makes room. Nothing is written to a frame before sl_write,
 * so a frame that does not leave is untouched; sl_write fails for no packet that sl_room accepted. No stage
 * counts: who knows the end of the packet calls sl_env_count, once.
 */
#ifndef SLUICE_CORE_FORWARD_H
#define SLUICE_CORE_FORWARD_H

#include "env.h"
#include "lookup.h"
#include "parse.h"
#include "reply.h"
#include "rewrite_ipip.h"
#include "rewrite_l2.h"
#include "select.h"

/* True when the packet, or an answer made of it, leaves by pkt->out_port: pkt->plan is to be carried out. */
SL_INLINE int sl_forward_leaves(const struct sl_packet *pkt, enum sl_verdict verdict)
{
	if (sl_likely(verdict == SL_VERDICT_FORWARD))
		return 1;
	if (verdict == SL_VERDICT_DROP_TOO_BIG)
		return (pkt->flags & SL_PKT_ANSWERED) != 0;
	return verdict == SL_VERDICT_ECHO_REPLY || verdict == SL_VERDICT_REJECT_EMPTY ||
	       verdict == SL_VERDICT_REJECT_NO_SERVICE || verdict == SL_VERDICT_RELAY_TOO_BIG;
}

/* The smaller of both limits, where each knows one. */
SL_INLINE __u32 sl_plan_mtu(const struct sl_neighbor *neighbor, const struct sl_port *port)
{
	__u32 mtu = neighbor->mtu ? neighbor->mtu : SL_IP_LEN_MAX;

	if (port->mtu && port->mtu < mtu)
		mtu = port->mtu;
	return mtu;
}

/* A packet with a backend and a next hop, by its service's mode. */
SL_INLINE enum sl_verdict sl_plan_forward(struct sl_env *env, struct sl_packet *pkt)
{
	const struct sl_port *port = sl_env_port(env, pkt->out_port);
	__u32 mtu;

	if (sl_unlikely(!port))
		return SL_VERDICT_DROP_NO_NEIGHBOR;
	if (sl_unlikely(sl_lookup_own_mac(pkt, port)))
		return SL_VERDICT_DROP_LOOP;
	mtu = sl_plan_mtu(pkt->neighbor, port);
	if (pkt->service->mode == SL_MODE_IPIP)
		return sl_rewrite_ipip(env, pkt, port, mtu);
	return sl_rewrite_l2(pkt, port, mtu);
}

/* The kernel's packet, on a port that can hand it over. */
SL_INLINE enum sl_verdict sl_plan_kernel(struct sl_env *env, const struct sl_packet *pkt)
{
	const struct sl_port *port = sl_env_port(env, pkt->port);

	return port && port->kernel_path ? SL_VERDICT_TO_KERNEL : SL_VERDICT_DROP_NO_KERNEL_PATH;
}

/* True for a packet that is to be answered, if it may be. */
SL_INLINE int sl_plan_answers(enum sl_verdict verdict)
{
	return verdict == SL_VERDICT_REJECT_EMPTY || verdict == SL_VERDICT_REJECT_NO_SERVICE ||
	       verdict == SL_VERDICT_DROP_TOO_BIG || verdict == SL_VERDICT_RELAY_TOO_BIG;
}

/* A packet that goes to no backend, or not as it is. */
SL_INLINE enum sl_verdict sl_plan_other(struct sl_env *env, struct sl_packet *pkt, enum sl_verdict verdict)
{
	if (verdict == SL_VERDICT_ECHO_REPLY)
		return sl_reply_echo(env, pkt);
	if (sl_plan_answers(verdict))
		return sl_reply(env, pkt, verdict);
	return verdict;
}

/* True for a packet of which nothing more is to be planned: most. */
SL_INLINE int sl_plan_is_done(const struct sl_packet *pkt, enum sl_verdict verdict)
{
	if (sl_unlikely(pkt->flags & SL_PKT_LEADS))
		return 0;
	return sl_likely(verdict == SL_VERDICT_FORWARD) || (verdict != SL_VERDICT_ECHO_REPLY && !sl_plan_answers(verdict));
}

/* The second part of the plan: answers, and what a first fragment leaves for the later ones. */
SL_INLINE enum sl_verdict sl_plan_rest(struct sl_env *env, struct sl_packet *pkt, enum sl_verdict verdict)
{
	if (sl_unlikely(verdict != SL_VERDICT_FORWARD))
		verdict = sl_plan_other(env, pkt, verdict);
	if (sl_unlikely(pkt->flags & SL_PKT_LEADS))
		sl_fragment_decided(env, pkt, verdict);
	return verdict;
}

/*
 * Fourth stage: what is to be written for `verdict`, and the verdict that holds in the end. Afterwards
 * pkt->plan and pkt->out_port are final when sl_forward_leaves().
 */
SL_INLINE enum sl_verdict sl_plan(struct sl_env *env, struct sl_packet *pkt, enum sl_verdict verdict)
{
	if (sl_likely(verdict == SL_VERDICT_FORWARD))
		verdict = sl_plan_forward(env, pkt);
	else if (verdict == SL_VERDICT_TO_KERNEL)
		verdict = sl_plan_kernel(env, pkt);
	return sl_plan_is_done(pkt, verdict) ? verdict : sl_plan_rest(env, pkt, verdict);
}

/* The stages from lookup to the plan of a packet that goes to a backend; sl_plan_rest is the other half of sl_plan. */
SL_INLINE enum sl_verdict sl_decide_way(struct sl_env *env, struct sl_packet *pkt, enum sl_verdict verdict)
{
	if (sl_likely(verdict == SL_VERDICT_FORWARD))
		verdict = sl_lookup(env, pkt);
	if (sl_likely(verdict == SL_VERDICT_FORWARD))
		verdict = sl_select_row(env, pkt);
	if (sl_likely(verdict == SL_VERDICT_FORWARD))
		verdict = sl_select_backend(env, pkt);
	if (sl_likely(verdict == SL_VERDICT_FORWARD))
		verdict = sl_select_neighbor(env, pkt);
	if (sl_likely(verdict == SL_VERDICT_FORWARD))
		verdict = sl_plan_forward(env, pkt);
	else if (verdict == SL_VERDICT_TO_KERNEL)
		verdict = sl_plan_kernel(env, pkt);
	return verdict;
}

/* The stages from lookup to plan for a packet that sl_parse says `verdict` of. Nothing is written or counted. */
SL_INLINE enum sl_verdict sl_decide_parsed(struct sl_env *env, struct sl_packet *pkt, enum sl_verdict verdict)
{
	verdict = sl_decide_way(env, pkt, verdict);
	return sl_plan_is_done(pkt, verdict) ? verdict : sl_plan_rest(env, pkt, verdict);
}

/* The stages up to the plan. */
SL_INLINE enum sl_verdict sl_decide(struct sl_env *env, struct sl_packet *pkt)
{
	return sl_decide_parsed(env, pkt, sl_parse(pkt));
}

/* Fifth stage: room for the plan. 0, or not 0: the packet ends as drop_no_room. */
SL_INLINE int sl_room(struct sl_env *env, struct sl_packet *pkt)
{
	if (!pkt->plan->grow && !pkt->plan->cut && pkt->plan->frame_len == pkt->frame_len)
		return 0;
	return sl_env_room(env, pkt);
}

/*
 * Copies `len` (a constant) planned bytes, which begin with an Ethernet header of `ethernet` bytes (l2:
 * its addresses), over the front of the frame. 0, or not 0 when the frame is shorter.
 */
SL_INLINE int sl_write_front(struct sl_packet *pkt, __u32 len, __u32 ethernet)
{
	__u8 *front = sl_cursor(pkt, 0, len);

	if (!front)
		return -1;
	__builtin_memcpy(front, pkt->plan->outer + SL_OUTER_IP - ethernet, len);
	return 0;
}

/* Every length that a plan can have, as a constant: 12 is mode l2; the others are an Ethernet header of
 * 14 or 18 bytes with IPv4 or IPv6, alone or with ICMP (8) or TCP (20) behind it. No two are the same. */
SL_INLINE int sl_write_outer(struct sl_packet *pkt)
{
	switch (pkt->plan->outer_len) {
	case SL_L2_LEN: return sl_write_front(pkt, SL_L2_LEN, 14);
	case 14 + 20: return sl_write_front(pkt, 14 + 20, 14);
	case 14 + 40: return sl_write_front(pkt, 14 + 40, 14); /* IPv6, or IPv4 with TCP */
	case 14 + 28: return sl_write_front(pkt, 14 + 28, 14);
	case 14 + 48: return sl_write_front(pkt, 14 + 48, 14);
	case 14 + 60: return sl_write_front(pkt, 14 + 60, 14);
	case 18 + 20: return sl_write_front(pkt, 18 + 20, 18);
	case 18 + 40: return sl_write_front(pkt, 18 + 40, 18);
	case 18 + 28: return sl_write_front(pkt, 18 + 28, 18);
	case 18 + 48: return sl_write_front(pkt, 18 + 48, 18);
	case 18 + 60: return sl_write_front(pkt, 18 + 60, 18);
	default: return -1;
	}
}

/* Sixth stage: carries out the plan in the frame that now has room. 0, or not 0: drop_no_room. */
SL_INLINE int sl_write(struct sl_packet *pkt)
{
	__u8 *patch;

	if (sl_write_outer(pkt))
		return -1;
	if (!pkt->plan->patch_at)
		return 0;
	patch = sl_cursor(pkt, pkt->plan->patch_at, sizeof(pkt->plan->patch));
	if (!patch)
		return -1;
	__builtin_memcpy(patch, pkt->plan->patch, sizeof(pkt->plan->patch));
	return 0;
}

/* All stages for one packet. The caller counts. */
SL_INLINE enum sl_verdict sl_forward(struct sl_env *env, struct sl_packet *pkt)
{
	const enum sl_verdict verdict = sl_decide(env, pkt);

	if (!sl_forward_leaves(pkt, verdict) || pkt->plan->piece)
		return verdict;
	if (sl_unlikely(sl_room(env, pkt)) || sl_unlikely(sl_write(pkt)))
		return SL_VERDICT_DROP_NO_ROOM;
	return verdict;
}

#endif
