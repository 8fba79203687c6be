/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fragments that are addressed to a VIP. The first one has the ports: it is balanced as a whole packet is, and
 * what became of it is remembered for the later ones, which follow it and are never answered. Ports of a later
 * fragment are never read: there are none.
 */
#ifndef SLUICE_CORE_FRAGMENT_H
#define SLUICE_CORE_FRAGMENT_H

#include "env.h"
#include "wire.h"

/* A first fragment with ports. FORWARD: goes on as a whole packet does. */
SL_INLINE enum sl_verdict sl_fragment_first(struct sl_env *env, struct sl_packet *pkt)
{
	struct sl_datagram *datagram = sl_env_datagram_get(env, pkt, sl_datagram_tag(&sl_env_settings(env)->flow_key, pkt));
	struct sl_datagram_piece piece;

	if (datagram && !sl_datagram_is_whole(datagram)) {
		piece = sl_datagram_piece(pkt);
		if (piece.from != datagram->last.from || piece.to != datagram->last.to)
			datagram->overlaps = 1;
		return SL_VERDICT_DROP_FRAGMENT_OVERLAP;
	}
	pkt->flags |= SL_PKT_LEADS;
	return SL_VERDICT_FORWARD;
}

/* A later fragment whose first one went to a backend. */
SL_INLINE enum sl_verdict sl_fragment_follow(struct sl_env *env, struct sl_packet *pkt,
					     const struct sl_datagram_answer *answer)
{
	pkt->key.sport = answer->sport;
	pkt->key.dport = answer->dport;
	pkt->key.proto = answer->proto;
	pkt->proto = answer->proto;
	pkt->service = sl_env_service(env, &pkt->key.dst, answer->dport, answer->proto);
	if (!pkt->service)
		return SL_VERDICT_DROP_NO_SERVICE;
	if (pkt->service->pool != answer->pool) /* the slot is another pool's: its first one is of no use any more */
		return SL_VERDICT_DROP_FRAGMENT_EARLY;
	pkt->slot = answer->slot;
	pkt->flags |= SL_PKT_FOLLOWS;
	return SL_VERDICT_FORWARD;
}

SL_INLINE enum sl_verdict sl_fragment_later(struct sl_env *env, struct sl_packet *pkt)
{
	struct sl_datagram *datagram = sl_env_datagram_get(env, pkt, sl_datagram_tag(&sl_env_settings(env)->flow_key, pkt));
	const struct sl_datagram_piece piece = sl_datagram_piece(pkt);
	int fit;

	if (!datagram)
		return SL_VERDICT_DROP_FRAGMENT_EARLY;
	if (datagram->answer.verdict != SL_VERDICT_FORWARD)
		return (enum sl_verdict)datagram->answer.verdict;
	fit = sl_datagram_take(datagram, piece.from, piece.to, pkt->flags & SL_PKT_FRAGMENT_MORE);
	if (fit == SL_DATAGRAM_NEW)
		return sl_fragment_follow(env, pkt, &datagram->answer);
	return fit == SL_DATAGRAM_SCATTERED ? SL_VERDICT_DROP_FRAGMENT_EARLY : SL_VERDICT_DROP_FRAGMENT_OVERLAP;
}

/*
 * A fragment to a VIP. FORWARD: pkt->service is set or there is none at that port, and what follows is as with
 * a whole packet; a later one has its slot too. Protocols without ports are not balanced, in fragments neither.
 */
SL_INLINE enum sl_verdict sl_fragment(struct sl_env *env, struct sl_packet *pkt)
{
	const int later = pkt->flags & SL_PKT_FRAGMENT_LATER;

	if (pkt->l4_verdict)
		return (enum sl_verdict)pkt->l4_verdict;
	/* An IPv6 one may be of any protocol until its first says which: RFC 8200 4.5 trusts that one alone. */
	if (pkt->proto != SL_PROTO_TCP && pkt->proto != SL_PROTO_UDP && !(later && (pkt->flags & SL_PKT_V6)))
		return SL_VERDICT_DROP_FRAGMENT;
	return later ? sl_fragment_later(env, pkt) : sl_fragment_first(env, pkt);
}

/* A first fragment has its verdict: the later ones end the same way, but without an answer of their own. */
SL_INLINE void sl_fragment_decided(struct sl_env *env, const struct sl_packet *pkt, enum sl_verdict verdict)
{
	if (verdict == SL_VERDICT_REJECT_EMPTY)
		verdict = SL_VERDICT_DROP_NO_BACKEND;
	if (verdict == SL_VERDICT_REJECT_NO_SERVICE || verdict == SL_VERDICT_DROP_REPLY_LIMITED)
		verdict = SL_VERDICT_DROP_NO_SERVICE;
	sl_env_datagram_put(env, pkt, sl_datagram_tag(&sl_env_settings(env)->flow_key, pkt), verdict);
}

#endif
