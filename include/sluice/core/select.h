/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Third stage: from a service to a backend and its next hop. Three steps, so that the worker can fetch
 * the row, the backend and the neighbor of a whole burst ahead. The rules for open rows
 * (selection.md 5) have one place here: sl_select_remembered.
 */
#ifndef SLUICE_CORE_SELECT_H
#define SLUICE_CORE_SELECT_H

#include "env.h"
#include "hash.h"

/* Step one, no memory but the pool's: sets pool, hash and row. */
SL_INLINE enum sl_verdict sl_select_row(struct sl_env *env, struct sl_packet *pkt)
{
	const struct sl_settings *settings = sl_env_settings(env);

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

/* True when a connection that is remembered at a backend in `state` may stay there. */
SL_INLINE int sl_select_may_stay(const struct sl_packet *pkt, __u8 state)
{
	if (state == SL_BACKEND_UP)
		return 1;
	return !(pkt->flags & SL_PKT_START) && (state == SL_BACKEND_DRAINING || state == SL_BACKEND_LINGERING);
}

/* The backend that is remembered for the packet's connection, if it may still have it; else NULL. */
SL_INLINE const struct sl_backend *sl_select_remembered(struct sl_env *env, struct sl_packet *pkt, __u16 row)
{
	const struct sl_backend *backend;
	__u16 slot;

	if (pkt->service->tracking == SL_TRACKING_NEVER)
		return SL_NULL;
	if (!(row & SL_ROW_LOOK) && pkt->service->tracking != SL_TRACKING_ALWAYS)
		return SL_NULL;
	slot = sl_env_flow_get(env, pkt);
	if (slot == SL_SLOT_NONE)
		return SL_NULL;
	backend = sl_env_backend(env, pkt->pool, slot);
	if (!backend || !sl_select_may_stay(pkt, backend->state))
		return SL_NULL;
	pkt->slot = slot;
	pkt->flags |= SL_PKT_TRACKED;
	return backend;
}

/* Step two: sets slot and backend. REJECT_EMPTY is still to be planned. */
SL_INLINE enum sl_verdict sl_select_backend(struct sl_env *env, struct sl_packet *pkt)
{
	const __u16 row = sl_env_row(env, pkt->pool, pkt->row);
	const __u16 slot = row & SL_ROW_SLOT;
	const struct sl_backend *backend;

	pkt->backend = sl_select_remembered(env, pkt, row);
	if (pkt->backend)
		return SL_VERDICT_FORWARD;
	if (sl_likely(slot != SL_SLOT_NONE)) {
		backend = sl_env_backend(env, pkt->pool, slot);
		if (sl_likely(backend && backend->state == SL_BACKEND_UP)) {
			pkt->slot = slot;
			pkt->backend = backend;
			return SL_VERDICT_FORWARD;
		}
	}
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
