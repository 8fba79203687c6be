/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The part of env.h that remembers connections: from a packet to the worker's own table. Called by the thread
 * that owns the env. Included by env.h alone.
 */
#ifndef DATAPLANE_ENV_FLOW_H
#define DATAPLANE_ENV_FLOW_H

#include "dataplane/env.h"

SL_INLINE void sl_env_flow_count(struct sl_env *env, enum sl_flow_counter counter)
{
	if (env->stats != NULL)
		env->stats->flow[counter]++;
}

SL_INLINE int sl_env_flow_get(struct sl_env *env, const struct sl_packet *pkt, struct sl_flow *flow)
{
	return env->flows != NULL &&
	       flow_table_get(env->flows, pkt->tag, sl_flow_life_s(pkt->pool->idle_s[pkt->kind]), flow);
}

SL_INLINE int sl_env_flow_put(struct sl_env *env, const struct sl_packet *pkt, __u16 slot, __u8 flags)
{
	int err;

	if (env->flows == NULL || pkt->flags & SL_PKT_QUOTED)
		return -1;
	err = flow_table_put(env->flows, pkt->tag, slot, pkt->kind, flags);
	if (err > 0)
		sl_env_flow_count(env, SL_FLOW_COUNT_UNCONFIRMED_OUT);
	if (err < 0)
		sl_env_flow_count(env, SL_FLOW_COUNT_REFUSED);
	return err < 0 ? err : 0;
}

SL_INLINE void sl_env_flow_touch(struct sl_env *env, const struct sl_packet *pkt, const struct sl_flow *flow,
				 __u8 flags)
{
	if (flow->age_s > 0 || flow->flags != flags)
		sl_env_flow_put(env, pkt, flow->slot, flags);
}

SL_INLINE void sl_env_flow_del(struct sl_env *env, const struct sl_packet *pkt, const struct sl_flow *flow)
{
	(void)flow;
	if (env->flows != NULL && !(pkt->flags & SL_PKT_QUOTED))
		flow_table_del(env->flows, pkt->tag);
}

SL_INLINE int sl_env_flow_pressure(struct sl_env *env)
{
	return env->flows != NULL && flow_table_pressure(env->flows);
}

#endif
