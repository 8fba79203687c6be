/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The part of env.h that remembers connections: confirmed ones in `flows`, those that wait for their second packet in
 * `starts`. One memory for all CPUs, so nothing is told to anybody. Confirmed entries only expire: this file finds
 * none that did, and sluiced deletes them. Included by env.bpf.h alone.
 */
#ifndef BPF_ENV_FLOW_H
#define BPF_ENV_FLOW_H

#include "env.bpf.h"

enum { FLOW_IN_STARTS = 1 << 0 }; /* sl_flow.where */

SL_INLINE void sl_env_flow_count(struct sl_env *env, enum sl_flow_counter counter)
{
	const __u32 at = counter;
	__u64 *count = bpf_map_lookup_elem(&flow_counters, &at);

	(void)env;
	if (count)
		*count += 1;
}

SL_INLINE struct sl_xdp_live *flow_live(void)
{
	const __u32 only = 0;

	return bpf_map_lookup_elem(&live, &only);
}

SL_INLINE __u64 flow_now_s(struct sl_env *env)
{
	return sl_env_now(env) / 1000000000u;
}

/* What `entry` says, if it is of that tag and lives. */
SL_INLINE int flow_read(struct sl_env *env, const struct sl_packet *pkt, const struct sl_xdp_flow *entry,
			struct sl_flow *flow)
{
	const __u16 now_s = (__u16)flow_now_s(env);
	struct sl_flow_entry seen = {};

	if (!entry || entry->tag != pkt->tag)
		return 0;
	seen.slot = entry->slot & SL_ROW_SLOT;
	seen.closing = (__u8)!!(entry->slot & SL_FLOW_CLOSING);
	seen.seen_s = entry->seen_s;
	if (!sl_flow_entry_lives(&seen, now_s, sl_flow_life_s(pkt->pool->idle_s[pkt->kind < SL_FLOW_KIND_COUNT ? pkt->kind : 0])))
		return 0;
	flow->slot = seen.slot;
	flow->flags = seen.closing ? SL_FLOW_IS_CLOSING : 0;
	flow->where = 0;
	flow->age_s = sl_flow_age_s(now_s, seen.seen_s);
	return 1;
}

SL_INLINE int sl_env_flow_get(struct sl_env *env, const struct sl_packet *pkt, struct sl_flow *flow)
{
	const struct sl_xdp_flow *entry;

	if (!env->settings->flows_full)
		return 0;
	entry = bpf_map_lookup_elem(&flows, &pkt->tag);
	if (entry)
		return flow_read(env, pkt, entry, flow);
	entry = bpf_map_lookup_elem(&starts, &pkt->tag);
	if (!flow_read(env, pkt, entry, flow))
		return 0;
	flow->flags |= SL_FLOW_IS_UNCONFIRMED;
	flow->where = FLOW_IN_STARTS;
	return 1;
}

/* The entry to be put: of the packet's connection, at `slot`, born now. */
SL_INLINE struct sl_xdp_flow *flow_make(struct sl_env *env, const struct sl_packet *pkt, __u16 slot, __u8 flags)
{
	struct sl_xdp_flow *made = &env->scratch->flow;

	made->tag = pkt->tag;
	made->pool = pkt->pool->id;
	made->row = pkt->row;
	made->slot = (__u16)((slot & SL_ROW_SLOT) | (flags & SL_FLOW_IS_CLOSING ? SL_FLOW_CLOSING : 0));
	made->seen_s = made->born_s = (__u16)flow_now_s(env);
	made->kind = pkt->kind;
	made->flags = flags & SL_FLOW_IS_UNCONFIRMED ? SL_XDP_FLOW_START : 0;
	return made;
}

/* More starts than there are places within SL_XDP_YOUNG_S: the segment turns over (selection.md 5, PRESSURE). */
SL_INLINE void flow_count_start(struct sl_env *env, struct sl_xdp_live *now)
{
	const __u64 now_s = flow_now_s(env);

	if (now_s - now->starts_since_s >= SL_XDP_YOUNG_S) {
		now->starts_since_s = now_s;
		now->starts_count = 0;
	}
	__sync_fetch_and_add(&now->starts_count, 1);
	if (now->starts_count > env->settings->starts)
		now->turning_until_s = now_s + SL_XDP_YOUNG_S;
}

SL_INLINE void flow_del_confirmed(const struct sl_packet *pkt)
{
	struct sl_xdp_live *now = flow_live();

	if (!bpf_map_delete_elem(&flows, &pkt->tag) && now)
		__sync_fetch_and_add(&now->used, (__u64)-1);
}

SL_INLINE int flow_put_start(struct sl_env *env, const struct sl_packet *pkt, __u16 slot, __u8 flags)
{
	const struct sl_xdp_flow *made = flow_make(env, pkt, slot, flags);
	struct sl_xdp_live *now = flow_live();

	if (bpf_map_update_elem(&starts, &pkt->tag, made, BPF_ANY))
		return -1;
	if (now)
		flow_count_start(env, now);
	flow_del_confirmed(pkt);
	return 0;
}

/* Over what was there: born when that was, if it is the same connection that goes on, as `flags` of its start say. */
SL_INLINE void flow_inherit(struct sl_env *env, const struct sl_packet *pkt, struct sl_xdp_flow *made,
			    const struct sl_xdp_flow *before)
{
	struct sl_flow flow;

	if (!flow_read(env, pkt, before, &flow))
		return;
	made->born_s = before->born_s;
	if (flow.slot == (made->slot & SL_ROW_SLOT))
		made->flags = before->flags;
}

SL_INLINE int flow_put_confirmed(struct sl_env *env, const struct sl_packet *pkt, __u16 slot, __u8 flags)
{
	struct sl_xdp_flow *made = flow_make(env, pkt, slot, flags);
	const struct sl_xdp_flow *before = bpf_map_lookup_elem(&flows, &pkt->tag);
	const struct sl_xdp_flow *start = before ? SL_NULL : bpf_map_lookup_elem(&starts, &pkt->tag);
	struct sl_xdp_live *now = flow_live();

	flow_inherit(env, pkt, made, before ? before : start);
	if (before && !bpf_map_update_elem(&flows, &pkt->tag, made, BPF_EXIST))
		return 0;
	if (bpf_map_update_elem(&flows, &pkt->tag, made, BPF_NOEXIST)) {
		if (!bpf_map_update_elem(&flows, &pkt->tag, made, BPF_EXIST)) /* another CPU's packet was first */
			return 0;
		sl_env_flow_count(env, SL_FLOW_COUNT_REFUSED);
		if (now)
			__sync_fetch_and_add(&now->refused, 1);
		return -1;
	}
	if (start)
		bpf_map_delete_elem(&starts, &pkt->tag);
	if (now) {
		__sync_fetch_and_add(&now->used, 1);
		if (now->used > env->settings->flows_full)
			now->full = 1;
	}
	return 0;
}

SL_INLINE int sl_env_flow_put(struct sl_env *env, const struct sl_packet *pkt, __u16 slot, __u8 flags)
{
	if (!env->settings->flows_full || (pkt->flags & SL_PKT_QUOTED))
		return -1;
	if (flags & SL_FLOW_IS_UNCONFIRMED)
		return flow_put_start(env, pkt, slot, flags);
	return flow_put_confirmed(env, pkt, slot, flags);
}

/* It was seen now, and nothing else changes: two bytes, which harm nobody should the entry be another's by now. */
SL_INLINE void flow_see(struct sl_env *env, const struct sl_packet *pkt, __u8 where)
{
	struct sl_xdp_flow *entry = where & FLOW_IN_STARTS ? bpf_map_lookup_elem(&starts, &pkt->tag)
							   : bpf_map_lookup_elem(&flows, &pkt->tag);

	if (entry)
		entry->seen_s = (__u16)flow_now_s(env);
}

SL_INLINE void sl_env_flow_touch(struct sl_env *env, const struct sl_packet *pkt, const struct sl_flow *flow,
				 __u8 flags)
{
	if ((pkt->flags & SL_PKT_QUOTED) || (flow->age_s == 0 && flow->flags == flags))
		return;
	if (flow->flags == flags || flow_put_confirmed(env, pkt, flow->slot, flags))
		flow_see(env, pkt, flow->where);
}

SL_INLINE void sl_env_flow_del(struct sl_env *env, const struct sl_packet *pkt, const struct sl_flow *flow)
{
	(void)env;
	if (pkt->flags & SL_PKT_QUOTED)
		return;
	if (flow->where & FLOW_IN_STARTS)
		bpf_map_delete_elem(&starts, &pkt->tag);
	else
		flow_del_confirmed(pkt);
}

SL_INLINE int sl_env_flow_pressure(struct sl_env *env)
{
	struct sl_xdp_live *now = flow_live();
	__u64 now_s;

	if (!env->settings->flows_full || !now)
		return 0;
	now_s = flow_now_s(env);
	if (!now->full && now_s >= now->turning_until_s)
		return 0;
	if (now->pressure_s != now_s)
		now->pressure_s = now_s;
	return 1;
}

#endif
