/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Third stage: from a service to a backend and its next hop. Three steps, so that the worker can fetch
 * the row, the backend and the neighbor of a whole burst ahead. The rules for open rows
 * (selection.md 5) have one place here: sl_select_start and sl_select_more.
 */
#ifndef SLUICE_CORE_SELECT_H
#define SLUICE_CORE_SELECT_H

#include "../flows.h"
#include "cursor.h"
#include "env.h"
#include "hash.h"

/* Step one, no memory but the pool's: sets pool, hash and row. */
SL_INLINE enum sl_verdict sl_select_row(struct sl_env *env, struct sl_packet *pkt)
{
	const struct sl_settings *settings = sl_env_settings(env);
#ifdef __bpf__
	const struct sl_service *service = pkt->service;

	/* Verifiers before 6.8 forget that a verdict is not 0: they come here without a service. clang may not know. */
	__asm__ volatile("" : "+r"(service));
	if (!service)
		return SL_VERDICT_DROP_NO_SERVICE;
#endif

	pkt->pool = sl_env_pool(env, pkt->service->pool);
	if (sl_unlikely(!pkt->pool || !pkt->pool->rows))
		return SL_VERDICT_DROP_NO_BACKEND;
	if (pkt->service->hash == SL_HASH_SOURCE)
		pkt->hash = sl_row_hash(&settings->hash_key, &pkt->key, 1);
	else
		pkt->hash = sl_row_hash(&settings->hash_key, &pkt->key, 0);
	pkt->row = sl_row_of(pkt->hash, pkt->pool->rows);
	return SL_VERDICT_FORWARD;
}

/* What the rules of one open row work with. */
struct sl_select {
	struct sl_flow flow; /* what is remembered, if `found` */
	__u16 current;
	__u16 base;
	__u8 found;
	__u8 open;           /* base and current differ, or may have at the time of an older table */
	__u8 zero[2];
};

/* The state of the backend in that slot of the packet's pool; GONE where nobody is. */
SL_INLINE __u8 sl_select_state(struct sl_env *env, const struct sl_packet *pkt, __u16 slot)
{
	const struct sl_backend *backend = slot == SL_SLOT_NONE ? SL_NULL : sl_env_backend(env, pkt->pool, slot);

	return backend ? backend->state : (__u8)SL_BACKEND_GONE;
}

/* selection.md 5, old_ok: connections that are there already may stay. */
SL_INLINE int sl_select_may_stay(__u8 state)
{
	return state == SL_BACKEND_UP || state == SL_BACKEND_DRAINING || state == SL_BACKEND_LINGERING;
}

/* True when connections of the packet's service are remembered at all; sets pkt->kind. */
SL_INLINE int sl_select_remembers(struct sl_packet *pkt)
{
	const struct sl_service *service = pkt->service;

	if (service->tracking == SL_TRACKING_NEVER)
		return 0;
	if (pkt->key.proto == SL_PROTO_TCP) {
		pkt->kind = SL_FLOW_TCP;
		return 1;
	}
	pkt->kind = service->udp_flows == SL_UDP_FLOWS_QUIC ? SL_FLOW_QUIC : SL_FLOW_UDP;
	return service->udp_flows != SL_UDP_FLOWS_NONE;
}

/*
 * True for a QUIC packet that starts a connection: a long header of type Initial or 0-RTT. The types are those
 * of versions 1 (RFC 9000 17.2) and 2 (RFC 9369 3.2); of an unknown version every long header counts, for its
 * answer is version negotiation (RFC 8999 6).
 */
SL_INLINE int sl_select_quic_start(const struct sl_packet *pkt)
{
	const struct sl_udp *udp = (const struct sl_udp *)sl_cursor(pkt, pkt->l4, SL_UDP_LEN);
	const __u8 *quic = sl_cursor(pkt, pkt->l4 + SL_UDP_LEN, 5);
	__u32 version, type;

	if (!udp || !quic || sl_bswap16(udp->len) < SL_UDP_LEN + 5 || !(quic[0] & 0x80))
		return 0;
	version = (__u32)quic[1] << 24 | (__u32)quic[2] << 16 | (__u32)quic[3] << 8 | quic[4];
	type = quic[0] >> 4 & 3;
	if (version == 1)
		return type <= 1;
	if (version == 0x6b3343cfu)
		return type == 1 || type == 2;
	return version != 0; /* 0 is version negotiation, which only servers send */
}

/*
 * The base of the packet's connection through the lens: 1 and *base, or 0: its home is where its row says. So it is
 * too where nobody is at home in the older table any more (selection.md 5: who is gone is no base).
 */
SL_INLINE int sl_select_lens(struct sl_env *env, const struct sl_packet *pkt, __u16 *base)
{
	const struct sl_pool *pool = pkt->pool;
	__u32 hash;

	if (!pool->lens_rows)
		return 0;
	hash = sl_row_hash(&pool->lens_key, &pkt->key, pkt->service->lens_hash == SL_HASH_SOURCE);
	return sl_env_lens(env, pool, pkt->kind, sl_row_of(hash, pool->lens_rows), base) &&
	       sl_select_state(env, pkt, *base) != SL_BACKEND_GONE;
}

/* Reads what the rules need: the remembered connection, and base through the lens or the row. */
SL_INLINE void sl_select_read(struct sl_env *env, struct sl_packet *pkt, struct sl_select *s)
{
	const struct sl_pool *pool = pkt->pool;

	pkt->tag = sl_flow_tag(&sl_env_settings(env)->flow_key, &pkt->key, pool->id);
	s->found = (__u8)!!sl_env_flow_get(env, pkt, &s->flow);
	s->open = (__u8)!!sl_select_lens(env, pkt, &s->base);
	if (!s->open) {
		s->base = sl_env_base(env, pool, pkt->kind, pkt->row, s->current);
		s->open = s->base != s->current;
	}
	pkt->base = s->base;
	if (s->open)
		pkt->flags |= SL_PKT_OPEN;
}

/* A packet that starts a connection. Returns the slot it goes to. */
SL_INLINE __u16 sl_select_start(struct sl_env *env, struct sl_packet *pkt, struct sl_select *s)
{
	__u8 state;
	int alive;

	if (s->found && !(s->flow.flags & SL_FLOW_IS_CLOSING)) {
		state = sl_select_state(env, pkt, s->flow.slot);
		if (state == SL_BACKEND_UP || (state == SL_BACKEND_DRAINING && s->flow.age_s < SL_FLOW_HANDSHAKE_S)) {
			sl_env_flow_touch(env, pkt, &s->flow, s->flow.flags);
			sl_env_flow_count(env, SL_FLOW_COUNT_KEPT_START);
			pkt->flags |= SL_PKT_TRACKED;
			return s->flow.slot;
		}
	}
	if (s->found) {
		sl_env_flow_del(env, pkt, &s->flow);
		sl_env_flow_count(env, SL_FLOW_COUNT_REPLACED);
	}
	if (s->current == SL_SLOT_NONE || (!s->open && pkt->service->tracking != SL_TRACKING_ALWAYS))
		return s->current;
	state = sl_select_state(env, pkt, s->base);
	alive = state == SL_BACKEND_UP || state == SL_BACKEND_DRAINING;
	if (!(alive && sl_env_flow_pressure(env)) && !sl_env_flow_put(env, pkt, s->current, SL_FLOW_IS_UNCONFIRMED)) {
		sl_env_flow_count(env, SL_FLOW_COUNT_STORED_START);
		return s->current;
	}
	if (!s->open || !alive)
		return s->current;
	sl_env_flow_count(env, SL_FLOW_COUNT_START_BASE); /* nothing is stored: the change waits */
	return s->base;
}

/* What a remembered connection's state becomes by this packet. */
SL_INLINE __u8 sl_select_flow_flags(const struct sl_packet *pkt, __u8 flags)
{
	flags &= (__u8)~SL_FLOW_IS_UNCONFIRMED;
	if (pkt->key.proto != SL_PROTO_TCP)
		return flags;
	if (pkt->tcp_flags & (SL_TCP_FIN | SL_TCP_RST))
		return flags | SL_FLOW_IS_CLOSING;
	return pkt->flags & SL_PKT_DATA ? flags & (__u8)~SL_FLOW_IS_CLOSING : flags;
}

/* Remembers where a packet that starts nothing goes. 0, or not 0: no room, of which one that is known needs none. */
SL_INLINE int sl_select_learn(struct sl_env *env, struct sl_packet *pkt, const struct sl_select *s, __u16 slot)
{
	if (!s->found && sl_env_flow_pressure(env))
		return -1;
	return sl_env_flow_put(env, pkt, slot, sl_select_flow_flags(pkt, 0));
}

/*
 * The same in a row that is home, where nothing needs to be remembered: whoever tracks always does. Unmarked UDP
 * whose backend died lives on at current, and must not go back to that one when it returns.
 */
SL_INLINE void sl_select_learn_home(struct sl_env *env, struct sl_packet *pkt, const struct sl_select *s)
{
	if (s->current == SL_SLOT_NONE)
		return;
	if (pkt->service->tracking == SL_TRACKING_ALWAYS)
		sl_select_learn(env, pkt, s, s->current);
	else if (s->found && pkt->kind == SL_FLOW_UDP)
		sl_env_flow_del(env, pkt, &s->flow);
}

/* A packet of a connection that exists, or an ICMP error about one. Returns the slot it goes to. */
SL_INLINE __u16 sl_select_more(struct sl_env *env, struct sl_packet *pkt, struct sl_select *s)
{
	const int quoted = pkt->flags & SL_PKT_QUOTED; /* reads only: its sender is not the client */

	if (s->found && sl_select_may_stay(sl_select_state(env, pkt, s->flow.slot))) {
		if (!quoted)
			sl_env_flow_touch(env, pkt, &s->flow, sl_select_flow_flags(pkt, s->flow.flags));
		sl_env_flow_count(env, SL_FLOW_COUNT_FOUND);
		pkt->flags |= SL_PKT_TRACKED;
		return s->flow.slot;
	}
	if (s->found)
		sl_env_flow_count(env, SL_FLOW_COUNT_LOST);
	if (!s->open) {
		if (!quoted)
			sl_select_learn_home(env, pkt, s);
		return s->current;
	}
	if (quoted)
		sl_env_flow_count(env, SL_FLOW_COUNT_GUESS_ICMP);
	if (sl_select_may_stay(sl_select_state(env, pkt, s->base))) {
		if (!quoted)
			sl_env_flow_count(env, sl_select_learn(env, pkt, s, s->base) ? SL_FLOW_COUNT_GUESS_BASE_FULL
										     : SL_FLOW_COUNT_GUESS_BASE);
		return s->base;
	}
	if (!quoted && pkt->kind == SL_FLOW_UDP && s->current != SL_SLOT_NONE)
		sl_env_flow_put(env, pkt, s->current, 0); /* TCP and QUIC are lost: current will reset them */
	if (!quoted)
		sl_env_flow_count(env, SL_FLOW_COUNT_GUESS_CURRENT);
	return s->current;
}

/* The slot of a packet of which something may be remembered. */
SL_RARE __u16 sl_select_by_rules(struct sl_env *env, struct sl_packet *pkt, __u16 current)
{
	struct sl_select s = { .current = current };

	if (!sl_select_remembers(pkt))
		return s.current;
	sl_select_read(env, pkt, &s);
	if (pkt->flags & SL_PKT_QUOTED) /* starts nothing, whatever it quotes */
		return sl_select_more(env, pkt, &s);
	if (pkt->kind == SL_FLOW_QUIC && sl_select_quic_start(pkt))
		pkt->flags |= SL_PKT_START;
	if (pkt->flags & SL_PKT_START)
		return sl_select_start(env, pkt, &s);
	return sl_select_more(env, pkt, &s);
}

/* Where the packet goes: the row's current backend, but where something may be remembered the rules decide. */
SL_INLINE __u16 sl_select_slot(struct sl_env *env, struct sl_packet *pkt, __u16 row)
{
	if (sl_likely(!(row & SL_ROW_LOOK) && pkt->service->tracking != SL_TRACKING_ALWAYS))
		return row & SL_ROW_SLOT;
	return sl_select_by_rules(env, pkt, row & SL_ROW_SLOT);
}

/* True when the backend may have the packet: a row's current one must be up, any other may keep what it has. */
SL_INLINE int sl_select_takes(const struct sl_packet *pkt, const struct sl_backend *backend, __u16 row)
{
	if (sl_likely(backend->state == SL_BACKEND_UP))
		return 1;
	if (backend->slot == (row & SL_ROW_SLOT) && !(pkt->flags & (SL_PKT_TRACKED | SL_PKT_FOLLOWS)))
		return 0;
	return sl_select_may_stay(backend->state);
}

/* Step two: sets slot and backend. REJECT_EMPTY is still to be planned. */
SL_INLINE enum sl_verdict sl_select_backend(struct sl_env *env, struct sl_packet *pkt)
{
	const __u16 row = sl_env_row(env, pkt->pool, pkt->row);
	const __u16 slot = pkt->flags & SL_PKT_FOLLOWS ? pkt->slot : sl_select_slot(env, pkt, row);
	const struct sl_backend *backend;

	if (sl_likely(slot != SL_SLOT_NONE)) {
		backend = sl_env_backend(env, pkt->pool, slot);
		if (sl_likely(backend && sl_select_takes(pkt, backend, row))) {
			pkt->slot = slot;
			pkt->backend = backend;
			return SL_VERDICT_FORWARD;
		}
	}
	pkt->slot = SL_SLOT_NONE;
	if (pkt->pool->otherwise == SL_OTHERWISE_REJECT)
		return SL_VERDICT_REJECT_EMPTY;
	return SL_VERDICT_DROP_NO_BACKEND;
}

/* Step three: sets neighbor and out_port. */
SL_INLINE enum sl_verdict sl_select_neighbor(struct sl_env *env, struct sl_packet *pkt)
{
	const struct sl_neighbor *neighbor = sl_env_neighbor(env, pkt->backend->neighbor);

	if (sl_unlikely(!neighbor || !neighbor->known))
		return SL_VERDICT_DROP_NO_NEIGHBOR;
	pkt->neighbor = neighbor;
	pkt->out_port = neighbor->port;
	return SL_VERDICT_FORWARD;
}

#endif
