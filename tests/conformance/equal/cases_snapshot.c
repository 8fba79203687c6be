/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the arrays of tests/packet/env.h to the parts of a snapshot.
 */
#include "cases_snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/snapshot_layout.h"
#include "sluice/core/reply_rate.h"

static void *there(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

static struct snapshot_rows *rows_of(const __u16 *row, uint32_t count)
{
	struct snapshot_rows *rows = there(snapshot_rows_alloc(&dp_allocator_malloc, count > 0 ? count : 1));

	memcpy(rows->row, row, count * sizeof(*row));
	return rows;
}

static struct snapshot_pool *pool_of(const struct sl_env *env, uint32_t id)
{
	struct sl_pool pool = env->pool[id];
	struct snapshot_pool *part;

	for (uint32_t b = 0; b < env->backends; b++)
		if (env->backend[b].pool == id && env->backend[b].slot >= pool.slots)
			pool.slots = (uint16_t)(env->backend[b].slot + 1);
	for (int kind = 0; kind < SL_FLOW_KIND_COUNT; kind++)
		pool.idle_s[kind] = CASES_IDLE_S;
	part = there(snapshot_pool_alloc(&dp_allocator_malloc, &pool));
	for (uint32_t b = 0; b < env->backends; b++)
		if (env->backend[b].pool == id)
			part->backend[env->backend[b].slot] = env->backend[b];
	part->table[SL_TABLE_CURRENT] = rows_of(env->row[id], pool.rows);
	part->current = part->table[SL_TABLE_CURRENT]->row;
	for (int kind = 0; kind < SL_FLOW_KIND_COUNT; kind++) {
		if (env->base[kind] != NULL)
			part->table[SL_TABLE_BASE_TCP + kind] = rows_of(env->base[kind], pool.rows);
		if (env->lens[kind] != NULL)
			part->table[SL_TABLE_LENS_TCP + kind] = rows_of(env->lens[kind], pool.lens_rows);
	}
	return part;
}

static struct snapshot_services *services_of(const struct sl_env *env)
{
	struct snapshot_services *services = there(snapshot_services_alloc(&dp_allocator_malloc, env->listeners));

	for (uint32_t i = 0; i < env->listeners; i++) {
		const struct sl_listener *from = &env->listener[i];

		*snapshot_services_slot(services, &from->addr, from->port, from->proto) = (struct snapshot_listener){
			.addr = from->addr, .port = from->port, .proto = from->proto, .service = env->service[from->service]};
		services->any_port += from->port == 0;
	}
	return services;
}

static struct snapshot_neighbors *neighbors_of(const struct sl_env *env)
{
	struct snapshot_neighbors *neighbors = there(snapshot_neighbors_alloc(&dp_allocator_malloc, env->neighbors));

	memcpy(neighbors->neighbor, env->neighbor, env->neighbors * sizeof(*env->neighbor));
	return neighbors;
}

struct snapshot *cases_snapshot(const struct packet_case *c)
{
	struct sl_env *env = there(calloc(1, sizeof(*env)));
	struct snapshot_sources *sources;
	struct snapshot_vips *vips;
	struct snapshot *snapshot;

	packet_case_configure(c, env);
	snapshot = there(dp_allocator_malloc.alloc(NULL, sizeof(*snapshot) + env->pools * sizeof(snapshot->pool[0]), 64));
	snapshot->allocator = &dp_allocator_malloc;
	snapshot->settings = env->settings;
	snapshot->settings.reply_rate = c->replies > 0 ? 1000000 : 0;
	for (int kind = 0; kind < SL_FLOW_KIND_COUNT; kind++)
		snapshot->settings.idle_max_s[kind] = CASES_IDLE_S;
	snapshot->reply_cost_ns = sl_reply_cost_ns(snapshot->settings.reply_rate);
	snapshot->generation = 1;
	snapshot->services = services_of(env);
	snapshot->neighbors = neighbors_of(env);
	snapshot->vips = vips = there(snapshot_vips_alloc(&dp_allocator_malloc, env->vips));
	for (uint32_t i = 0; i < env->vips; i++)
		*(struct sl_vip *)snapshot_vips_slot(vips, &env->vip[i].addr) = env->vip[i];
	snapshot->sources = sources = there(snapshot_sources_alloc(&dp_allocator_malloc, env->backends));
	for (uint32_t i = 0; i < env->backends; i++)
		if (!snapshot_addr_is_zero(&env->backend[i].outer_src))
			*(struct sl_addr *)snapshot_sources_slot(sources, &env->backend[i].outer_src) = env->backend[i].outer_src;
	for (uint32_t i = 0; i < env->pools; i++)
		snapshot->pool[snapshot->pool_count++] = pool_of(env, i);
	free(env);
	return snapshot;
}
