/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The part of env.h that remembers connections: the worker's own table first, then the shared one, and what goes
 * from the one to the other. Whoever saw the connection later is right. Called by the thread that owns the env.
 * Included by env.h alone.
 */
#ifndef DATAPLANE_ENV_FLOW_H
#define DATAPLANE_ENV_FLOW_H

#include "dataplane/env.h"

enum {
	ENV_FLOW_SHARED = 1 << 0, /* sl_flow.where, beside FLOW_TABLE_DUE: the shared table's word */
	ENV_FLOW_ASK_S = 2,       /* an entry silent for so long may have moved to another worker and back */
	ENV_FLOW_EPOCHS = 8,      /* so often in its life an entry is told to the shared table again */
};

SL_INLINE void sl_env_flow_count(struct sl_env *env, enum sl_flow_counter counter)
{
	if (env->stats != NULL)
		env->stats->flow[counter]++;
}

SL_INLINE uint32_t env_flow_life(const struct sl_packet *pkt)
{
	return sl_flow_life_s(pkt->pool->idle_s[pkt->kind]);
}

/* What the shared table says, if it has a living entry. */
SL_INLINE bool env_flow_shared(const struct sl_env *env, const struct sl_packet *pkt, uint32_t life_s,
			       struct sl_flow *flow)
{
	const uint16_t now_s = (uint16_t)flow_table_now_s(env->flows);
	struct sl_flow_entry entry;

	if (env->shared.bucket == NULL || !sl_flow_find(env->shared.bucket, env->shared.buckets, pkt->tag, &entry) ||
	    !sl_flow_entry_lives(&entry, now_s, life_s))
		return false;
	*flow = (struct sl_flow){
		.slot = entry.slot,
		.flags = entry.closing ? SL_FLOW_IS_CLOSING : 0,
		.where = ENV_FLOW_SHARED,
		.age_s = sl_flow_age_s(now_s, entry.seen_s),
	};
	return true;
}

/* Tells the shared table; `start` as in the record. False: there is one, but it could not be told now. */
SL_INLINE bool env_flow_tell(struct sl_env *env, const struct sl_packet *pkt, uint16_t slot, uint8_t flags, bool start)
{
	const struct flow_export record = {
		.tag = pkt->tag,
		.id = env->flow_id,
		.pool = pkt->pool->id,
		.row = pkt->row,
		.slot = slot,
		.seen_s = (uint16_t)flow_table_now_s(env->flows),
		.kind = pkt->kind,
		.closing = !!(flags & SL_FLOW_IS_CLOSING),
		.start = start,
	};

	if (env->shared.bucket == NULL || env->exports == NULL || flow_export_push(env->exports, &record))
		return true;
	flow_table_late(env->flows);
	sl_env_flow_count(env, SL_FLOW_COUNT_EXPORT_LATE);
	return false;
}

/* Writes the own table; `flags` as flow_table_put(). */
SL_INLINE int env_flow_put_own(struct sl_env *env, const struct sl_packet *pkt, uint16_t slot, uint8_t flags)
{
	const int err = flow_table_put(env->flows, pkt->tag, slot, pkt->kind, flags);

	if (err > 0)
		sl_env_flow_count(env, SL_FLOW_COUNT_UNCONFIRMED_OUT);
	return err < 0 ? err : 0;
}

/*
 * The own entry of a forgotten connection: it says so until the shared table does too, a few milliseconds later,
 * or the old entry would be found there meanwhile.
 */
SL_INLINE void env_flow_forget(struct sl_env *env, const struct sl_packet *pkt)
{
	uint8_t flags = SL_FLOW_IS_UNCONFIRMED | SL_FLOW_IS_CLOSING;

	if (!env_flow_tell(env, pkt, SL_SLOT_NONE, SL_FLOW_IS_CLOSING, false))
		flags |= FLOW_TABLE_DUE;
	env_flow_put_own(env, pkt, SL_SLOT_NONE, flags);
}

/* The worker's own entry, no longer than what was told of it: who asks the shared table must not be misled. */
SL_INLINE bool env_flow_own(const struct sl_env *env, const struct sl_packet *pkt, uint32_t life_s, struct sl_flow *flow)
{
	if (!flow_table_get(env->flows, pkt->tag, life_s, flow))
		return false;
	life_s = sl_flow_life_as(life_s, flow->flags & SL_FLOW_IS_CLOSING);
	return env->shared.bucket == NULL || flow->age_s <= life_s - life_s / ENV_FLOW_EPOCHS;
}

/* An entry last seen `age_s` ago was told to the shared table within that many seconds before. */
SL_INLINE uint32_t env_flow_epoch_s(uint32_t life_s)
{
	return life_s / ENV_FLOW_EPOCHS > 0 ? life_s / ENV_FLOW_EPOCHS : 1;
}

/*
 * An own entry, silent for ENV_FLOW_ASK_S, that the shared table does not have: true when it was told and is gone
 * there. So another worker saw the connection end, or begin anew in a row that remembers nothing, and what says so
 * has expired since. The clock is the manager's: while it tells no worker anything nobody grows older.
 */
SL_INLINE bool env_flow_is_over(const struct sl_env *env, const struct sl_flow *flow, uint32_t life_s)
{
	const uint64_t seen_s = flow_table_now_s(env->flows) - flow->age_s;

	return env->shared.bucket != NULL && env->exports != NULL && !flow->where &&
	       !(flow->flags & SL_FLOW_IS_UNCONFIRMED) && seen_s > env->shared.since_s &&
	       seen_s > env->shared_refused_s + env_flow_epoch_s(life_s);
}

/* What the own table says, which *flow holds, or what the shared one says since. False: nothing. */
SL_INLINE bool env_flow_newest(const struct sl_env *env, const struct sl_packet *pkt, uint32_t life_s, struct sl_flow *flow)
{
	struct sl_flow other;

	if (flow->age_s < ENV_FLOW_ASK_S)
		return true;
	if (env_flow_shared(env, pkt, life_s, &other)) {
		if (other.age_s < flow->age_s)
			*flow = other;
		return true;
	}
	if (flow->slot == SL_SLOT_NONE)
		return true;
	if (env_flow_is_over(env, flow, sl_flow_life_as(life_s, flow->flags & SL_FLOW_IS_CLOSING)))
		return false;
	flow->where |= FLOW_TABLE_DUE; /* there was no room: perhaps there is now */
	return true;
}

SL_INLINE int sl_env_flow_get(struct sl_env *env, const struct sl_packet *pkt, struct sl_flow *flow)
{
	const bool reads_only = pkt->flags & SL_PKT_QUOTED;
	uint32_t life_s;

	if (env->flows == NULL)
		return 0;
	life_s = env_flow_life(pkt);
	if (env_flow_own(env, pkt, life_s, flow)) {
		if (!env_flow_newest(env, pkt, life_s, flow))
			return 0;
		if (flow->slot == SL_SLOT_NONE && flow->where & FLOW_TABLE_DUE && !reads_only)
			env_flow_forget(env, pkt);
	} else if (!env_flow_shared(env, pkt, life_s, flow)) {
		return 0;
	}
	if (flow->slot == SL_SLOT_NONE)
		return 0;
	if (flow->where & ENV_FLOW_SHARED && !reads_only)
		sl_env_flow_count(env, SL_FLOW_COUNT_FOUND_SHARED);
	return 1;
}

/* Both tables. */
SL_INLINE int env_flow_put_both(struct sl_env *env, const struct sl_packet *pkt, uint16_t slot, uint8_t flags, bool start)
{
	const bool told = env_flow_tell(env, pkt, slot, flags, start);
	const int err = env_flow_put_own(env, pkt, slot, told ? flags : flags | FLOW_TABLE_DUE);

	if (err < 0)
		sl_env_flow_count(env, SL_FLOW_COUNT_REFUSED);
	return told && env->shared.bucket != NULL ? 0 : err; /* the shared table may have the room that the own one has not */
}

SL_INLINE int sl_env_flow_put(struct sl_env *env, const struct sl_packet *pkt, __u16 slot, __u8 flags)
{
	if (env->flows == NULL || pkt->flags & SL_PKT_QUOTED)
		return -1;
	if (flags & SL_FLOW_IS_UNCONFIRMED)
		return env_flow_put_own(env, pkt, slot, flags);
	return env_flow_put_both(env, pkt, slot, flags, false);
}

/* True when the shared table's entry of a connection last seen `age_s` ago is to be written again. */
SL_INLINE bool env_flow_is_due(const struct sl_env *env, uint32_t life_s, uint32_t age_s)
{
	const uint64_t now_s = flow_table_now_s(env->flows), seen_s = now_s - age_s;
	const uint32_t epoch_s = env_flow_epoch_s(life_s);

	return seen_s / epoch_s != now_s / epoch_s;
}

SL_INLINE void sl_env_flow_touch(struct sl_env *env, const struct sl_packet *pkt, const struct sl_flow *flow,
				 __u8 flags)
{
	const bool shared = flow->where & ENV_FLOW_SHARED;
	uint32_t life_s;
	bool tell;

	if (pkt->flags & SL_PKT_QUOTED || (flow->age_s == 0 && flow->flags == flags && !flow->where))
		return;
	life_s = sl_flow_life_as(env_flow_life(pkt), flags & SL_FLOW_IS_CLOSING);
	tell = flow->flags != flags || flow->where & FLOW_TABLE_DUE || env_flow_is_due(env, life_s, flow->age_s) ||
	       (!shared && flow_table_now_s(env->flows) - flow->age_s <= env->shared.since_s);
	if (tell && !(flags & SL_FLOW_IS_UNCONFIRMED))
		env_flow_put_both(env, pkt, flow->slot, flags, flow->flags & SL_FLOW_IS_UNCONFIRMED);
	else
		env_flow_put_own(env, pkt, flow->slot, flags);
	if (flow->flags & SL_FLOW_IS_UNCONFIRMED && flow->age_s >= ENV_FLOW_ASK_S) /* refused again, perhaps */
		flow_table_keep(env->flows, pkt->tag);
}

SL_INLINE void sl_env_flow_del(struct sl_env *env, const struct sl_packet *pkt, const struct sl_flow *flow)
{
	if (env->flows == NULL || pkt->flags & SL_PKT_QUOTED)
		return;
	if (env->shared.bucket != NULL && !(flow->flags & SL_FLOW_IS_UNCONFIRMED))
		env_flow_forget(env, pkt);
	else
		flow_table_del(env->flows, pkt->tag);
}

SL_INLINE int sl_env_flow_pressure(struct sl_env *env)
{
	return env->flows != NULL && (env->shared_pressure || flow_table_pressure(env->flows));
}

#endif
