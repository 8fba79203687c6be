/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The forwarding core's way to a snapshot: the functions that include/sluice/core/env.h demands, used
 * unchanged by the worker, the simulator and `explain`. Only sl_env_room() is left to the home, which
 * knows its buffers: it keeps struct sl_env as the first member of its own. One env a worker, in its private memory. Counts
 * go to arrays that the owner gives (in sluice-dp the worker's own; the manager copies them to the
 * shared file); NULL arrays mean that nobody counts.
 */
#ifndef DATAPLANE_ENV_H
#define DATAPLANE_ENV_H

#include "dataplane/flow_shared.h"
#include "dataplane/fragment_table.h"
#include "dataplane/snapshot_layout.h"
#include "sluice/core/env.h"
#include "sluice/core/reply_rate.h"

struct sl_env {
	const struct snapshot *snapshot; /* never NULL: &snapshot_empty at first; loaded once a burst */
	const struct sl_port *ports;
	uint32_t port_count;
	uint32_t service_count;          /* entries of `services` */
	uint32_t backend_count;          /* entries of `backends` */
	uint64_t now_ns;                 /* set once a burst */
	__u64 reply_due_ns;              /* when the answers given so far are paid for */
	struct flow_table *flows;        /* NULL: no connection is remembered */
	struct flow_view shared;         /* what other workers and an earlier sluice-dp remember; may be none */
	struct flow_export_ring *exports; /* NULL: nobody is told */
	uint64_t flow_id;                /* flow_id() of the snapshot */
	bool shared_pressure;            /* the shared table is too full */
	uint64_t shared_refused_s;       /* what was told till then may not be in it: flow_keeper_refused_s() */
	const struct fragment_tables *fragments; /* NULL: no datagram is remembered, only whole packets are forwarded */
	bool splits;                     /* the owner sends plans with a `piece` as several frames */
	uint64_t fragments_learnt;       /* bit tag % 64 of what was put or found since the owner cleared it */
	struct sl_worker_stats *stats;   /* NULL: not counted; the same for the next two */
	struct sl_counter *services;     /* by sl_service.id */
	struct sl_counter *backends;     /* by sl_backend.stats */
};

SL_INLINE const struct sl_service *env_listener(const struct snapshot_services *services,
						const struct sl_addr *dst, __be16 port, __u8 proto)
{
	uint32_t at = snapshot_hash(dst, (uint32_t)port << 8 | proto) & services->mask;

	for (;;) { /* at most half full: an empty slot ends it */
		const struct snapshot_listener *slot = &services->slot[at];

		if (sl_addr_equal(&slot->addr, dst) && slot->port == port && slot->proto == proto)
			return &slot->service;
		if (snapshot_addr_is_zero(&slot->addr))
			return NULL;
		at = (at + 1) & services->mask;
	}
}

SL_INLINE const struct sl_service *sl_env_service(struct sl_env *env, const struct sl_addr *dst, __be16 port,
						  __u8 proto)
{
	const struct snapshot_services *services = env->snapshot->services;
	const struct sl_service *service;

	if (snapshot_addr_is_zero(dst)) /* would match an empty slot */
		return NULL;
	service = env_listener(services, dst, port, proto);
	if (service == NULL && services->any_port > 0)
		service = env_listener(services, dst, 0, proto);
	return service;
}

SL_INLINE const struct sl_vip *sl_env_vip(struct sl_env *env, const struct sl_addr *dst)
{
	const struct sl_vip *vip = snapshot_vips_slot(env->snapshot->vips, dst);

	return snapshot_addr_is_zero(&vip->addr) ? NULL : vip;
}

SL_INLINE int sl_env_is_outer_source(struct sl_env *env, const struct sl_addr *src)
{
	return !snapshot_addr_is_zero(snapshot_sources_slot(env->snapshot->sources, src));
}

SL_INLINE const struct snapshot_pool *env_pool_of(const struct sl_pool *pool)
{
	return (const struct snapshot_pool *)((const char *)pool - offsetof(struct snapshot_pool, pool));
}

SL_INLINE const struct sl_pool *sl_env_pool(struct sl_env *env, __u32 pool)
{
	const struct snapshot *snapshot = env->snapshot;

	if (sl_unlikely(pool >= snapshot->pool_count) || sl_unlikely(snapshot->pool[pool] == NULL))
		return NULL;
	return &snapshot->pool[pool]->pool;
}

SL_INLINE __u16 sl_env_row(struct sl_env *env, const struct sl_pool *pool, __u32 row)
{
	(void)env;
	return env_pool_of(pool)->current[row];
}

SL_INLINE const struct sl_backend *sl_env_backend(struct sl_env *env, const struct sl_pool *pool, __u16 slot)
{
	const struct sl_backend *backend;

	(void)env;
	if (sl_unlikely(slot >= pool->slots))
		return NULL;
	backend = &env_pool_of(pool)->backend[slot];
	return sl_likely(backend->slot == slot) ? backend : NULL;
}

SL_INLINE const struct sl_neighbor *sl_env_neighbor(struct sl_env *env, __u32 neighbor)
{
	const struct snapshot_neighbors *neighbors = env->snapshot->neighbors;

	if (sl_unlikely(neighbor >= neighbors->count) || sl_unlikely(neighbors->neighbor[neighbor].id != neighbor))
		return NULL;
	return &neighbors->neighbor[neighbor];
}

SL_INLINE const struct sl_port *sl_env_port(struct sl_env *env, __u16 port)
{
	return sl_likely(port < env->port_count) ? &env->ports[port] : NULL;
}

SL_INLINE const struct sl_settings *sl_env_settings(struct sl_env *env)
{
	return &env->snapshot->settings;
}

SL_INLINE __u16 sl_env_base(struct sl_env *env, const struct sl_pool *pool, __u8 kind, __u32 row, __u16 current)
{
	const struct snapshot_rows *rows = env_pool_of(pool)->table[SL_TABLE_BASE_TCP + kind];

	(void)env;
	return rows != NULL ? rows->row[row] : current;
}

SL_INLINE int sl_env_lens(struct sl_env *env, const struct sl_pool *pool, __u8 kind, __u32 row, __u16 *slot)
{
	const struct snapshot_rows *rows = env_pool_of(pool)->table[SL_TABLE_LENS_TCP + kind];

	(void)env;
	if (rows == NULL)
		return 0;
	*slot = rows->row[row];
	return 1;
}

SL_INLINE struct sl_datagram *sl_env_datagram_get(struct sl_env *env, const struct sl_packet *pkt, __u64 tag)
{
	const struct sl_key *flow_key = &env->snapshot->settings.flow_key;
	struct sl_datagram *found = NULL;

	if (env->fragments != NULL)
		found = fragment_tables_find(env->fragments, fragment_source(flow_key, pkt), tag, env->now_ns);
	if (found != NULL)
		env->fragments_learnt |= 1ull << tag % 64;
	return found;
}

SL_INLINE void sl_env_datagram_put(struct sl_env *env, const struct sl_packet *pkt, __u64 tag, enum sl_verdict verdict)
{
	const struct sl_key *flow_key = &env->snapshot->settings.flow_key;
	struct sl_datagram datagram;

	if (env->fragments == NULL)
		return;
	sl_datagram_begin(&datagram, pkt, verdict);
	fragment_table_put(env->fragments->table[env->fragments->own], fragment_source(flow_key, pkt), tag, env->now_ns,
			   &datagram);
	env->fragments_learnt |= 1ull << tag % 64;
}

SL_INLINE int sl_env_splits(struct sl_env *env)
{
	return env->splits;
}

SL_INLINE __u64 sl_env_now(struct sl_env *env)
{
	return env->now_ns;
}

SL_INLINE int sl_env_reply_allowed(struct sl_env *env)
{
	return sl_reply_rate_take(&env->reply_due_ns, env->now_ns, env->snapshot->reply_cost_ns);
}

SL_INLINE void env_add(struct sl_counter *counters, uint32_t count, uint32_t at, uint32_t bytes)
{
	if (counters == NULL || sl_unlikely(at >= count))
		return;
	counters[at].packets++;
	counters[at].bytes += bytes;
}

/* Bytes as received, without padding: the frame may have been rewritten since. */
SL_INLINE void sl_env_count(struct sl_env *env, const struct sl_packet *pkt, enum sl_verdict verdict)
{
	const uint32_t bytes = (uint32_t)pkt->l3 + pkt->ip_len;

	if (env->stats != NULL)
		env->stats->verdict[verdict]++;
	if (pkt->service != NULL)
		env_add(env->services, env->service_count, pkt->service->id, bytes);
	if (pkt->backend != NULL && verdict == SL_VERDICT_FORWARD) /* a backend's packets are those it was sent */
		env_add(env->backends, env->backend_count, pkt->backend->stats, bytes);
}

#include "dataplane/env_flow.h"

#endif
