/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * COMMIT: checks what was stated as a whole (nothing names what does not exist, no row names a slot
 * without a backend) and builds the snapshot. Parts that nobody touched are shared with the last one,
 * so a change of one backend among ten thousand services copies pointers and one pool.
 */
#include <string.h>

#include "dataplane/apply_stage.h"
#include "sluice/core/reply_rate.h"

static bool pool_exists(const struct apply *apply, uint32_t id)
{
	return id < apply->pool_top && apply->pool[id] != NULL && apply->pool[id]->present;
}

/* Every row names a backend of the pool, or none. */
static bool rows_hold(const struct staged_pool *pool, const struct snapshot_rows *rows)
{
	for (uint32_t i = 0; i < rows->rows; i++) {
		const uint32_t slot = rows->row[i] & SL_ROW_SLOT;

		if (slot == SL_SLOT_NONE)
			continue;
		if (slot >= pool->pool.slots || slot >= pool->backend_room || pool->backend[slot].slot != slot)
			return false;
	}
	return true;
}

static enum sl_reject_reason check_pool(const struct apply *apply, struct staged_pool *pool)
{
	if (!pool->present)
		return pool->backend_count == 0 ? SL_REJECT_NONE : SL_REJECT_REFERENCE;
	if (pool->table[SL_TABLE_CURRENT] == NULL)
		return SL_REJECT_TABLE;
	for (uint32_t slot = 0; slot < pool->backend_room; slot++) {
		const struct sl_backend *backend = &pool->backend[slot];

		if (backend->slot != slot)
			continue;
		if (slot >= pool->pool.slots)
			return SL_REJECT_RANGE;
		if (backend->neighbor >= apply->neighbor_top || apply->neighbor[backend->neighbor].id != backend->neighbor)
			return SL_REJECT_REFERENCE;
	}
	for (int kind = 0; pool->check_rows && kind < SL_TABLE_KIND_COUNT; kind++) {
		if (pool->table[kind] != NULL && !rows_hold(pool, pool->table[kind]))
			return SL_REJECT_TABLE;
	}
	pool->check_rows = false;
	return SL_REJECT_NONE;
}

static enum sl_reject_reason check_pools(struct apply *apply)
{
	enum sl_reject_reason reason = SL_REJECT_NONE;

	if (!apply->removed) {
		for (struct staged_pool *pool = apply->dirty; pool != NULL && reason == SL_REJECT_NONE; pool = pool->next_dirty)
			reason = check_pool(apply, pool);
		return reason;
	}
	for (uint32_t id = 0; id < apply->pool_top && reason == SL_REJECT_NONE; id++) {
		if (apply->pool[id] != NULL)
			reason = check_pool(apply, apply->pool[id]);
	}
	return reason;
}

static enum sl_reject_reason check_services(const struct apply *apply)
{
	const struct address_entry *entry;

	if (!apply->services_dirty && !apply->removed)
		return SL_REJECT_NONE;
	for (uint32_t id = 0; id < apply->service_top; id++) {
		if (apply->service[id].id == id && !pool_exists(apply, apply->service[id].pool))
			return SL_REJECT_REFERENCE;
	}
	for (size_t at = 0; (entry = address_map_next(&apply->listeners, &at)) != NULL;) {
		if (entry->value >= apply->service_top || apply->service[entry->value].id != entry->value)
			return SL_REJECT_REFERENCE;
	}
	return SL_REJECT_NONE;
}

/* ---- building ----------------------------------------------------------------------------------------- */

static struct snapshot_pool *build_pool(struct apply *apply, const struct staged_pool *staged)
{
	struct snapshot_pool *pool = snapshot_pool_alloc(apply->allocator, &staged->pool);
	const uint32_t room = staged->backend_room;

	if (pool == NULL)
		return NULL;
	if (room > 0)
		memcpy(pool->backend, staged->backend,
		       (room < pool->pool.slots ? room : pool->pool.slots) * sizeof(pool->backend[0]));
	for (int kind = 0; kind < SL_TABLE_KIND_COUNT; kind++) {
		if (staged->table[kind] != NULL)
			pool->table[kind] = snapshot_part_get(staged->table[kind]);
	}
	pool->current = pool->table[SL_TABLE_CURRENT]->row;
	pool->term = sl_table_term(pool->pool.id, pool->pool.rows, pool->table[SL_TABLE_CURRENT]->checksum);
	return pool;
}

static bool build_dirty_pools(struct apply *apply)
{
	while (apply->dirty != NULL) {
		struct staged_pool *staged = apply->dirty;

		snapshot_pool_put(apply->allocator, staged->built);
		staged->built = NULL;
		if (staged->present) {
			staged->built = build_pool(apply, staged);
			if (staged->built == NULL)
				return false;
		}
		apply->dirty = staged->next_dirty;
		staged->dirty = false;
	}
	return true;
}

static struct snapshot_services *build_services(const struct apply *apply)
{
	struct snapshot_services *part = snapshot_services_alloc(apply->allocator, apply->listeners.count);
	const struct address_entry *entry;

	for (size_t at = 0; part != NULL && (entry = address_map_next(&apply->listeners, &at)) != NULL;) {
		struct snapshot_listener *slot =
			snapshot_services_slot(part, &entry->addr, entry->port, entry->proto);

		slot->addr = entry->addr;
		slot->port = entry->port;
		slot->proto = entry->proto;
		slot->service = apply->service[entry->value];
		part->any_port += entry->port == 0;
	}
	return part;
}

static struct snapshot_vips *build_vips(const struct apply *apply)
{
	struct snapshot_vips *part = snapshot_vips_alloc(apply->allocator, apply->vips.count);
	const struct address_entry *entry;

	for (size_t at = 0; part != NULL && (entry = address_map_next(&apply->vips, &at)) != NULL;)
		*(struct sl_vip *)snapshot_vips_slot(part, &entry->addr) =
			(struct sl_vip){ .addr = entry->addr, .otherwise = (__u8)entry->value };
	return part;
}

static struct snapshot_sources *build_sources(const struct apply *apply)
{
	struct snapshot_sources *part = snapshot_sources_alloc(apply->allocator, apply->sources.count);
	const struct address_entry *entry;

	for (size_t at = 0; part != NULL && (entry = address_map_next(&apply->sources, &at)) != NULL;)
		*(struct sl_addr *)snapshot_sources_slot(part, &entry->addr) = entry->addr;
	return part;
}

static struct snapshot_neighbors *build_neighbors(const struct apply *apply)
{
	struct snapshot_neighbors *part = snapshot_neighbors_alloc(apply->allocator, apply->neighbor_top);

	if (part != NULL && apply->neighbor_top > 0)
		memcpy(part->neighbor, apply->neighbor, apply->neighbor_top * sizeof(part->neighbor[0]));
	return part;
}

/* Puts `fresh` in the place of *held, a part of the last snapshot. False: there was no memory for it. */
static bool replace(const struct apply *apply, void *held, void *fresh)
{
	void *old;

	if (fresh == NULL)
		return false;
	memcpy(&old, held, sizeof(old));
	snapshot_part_put(apply->allocator, old);
	memcpy(held, &fresh, sizeof(fresh));
	return true;
}

static bool build_parts(struct apply *apply)
{
	if ((apply->services_dirty || apply->services == NULL) &&
	    !replace(apply, &apply->services, build_services(apply)))
		return false;
	if ((apply->vips_dirty || apply->vip_index == NULL) && !replace(apply, &apply->vip_index, build_vips(apply)))
		return false;
	if ((apply->sources_dirty || apply->source_index == NULL) &&
	    !replace(apply, &apply->source_index, build_sources(apply)))
		return false;
	if ((apply->neighbors_dirty || apply->neighbors == NULL) &&
	    !replace(apply, &apply->neighbors, build_neighbors(apply)))
		return false;
	apply->services_dirty = apply->vips_dirty = apply->sources_dirty = apply->neighbors_dirty = false;
	return true;
}

/* The root: pointers and counts only. */
static struct snapshot *build_root(struct apply *apply)
{
	struct snapshot *snapshot = apply->allocator->alloc(
		apply->allocator->ctx, sizeof(*snapshot) + apply->pool_top * sizeof(snapshot->pool[0]), 64);

	if (snapshot == NULL)
		return NULL;
	snapshot->allocator = apply->allocator;
	snapshot->settings = apply->settings;
	snapshot->reply_cost_ns = sl_reply_cost_ns(apply->settings.reply_rate);
	snapshot->services = snapshot_part_get(apply->services);
	snapshot->vips = snapshot_part_get(apply->vip_index);
	snapshot->neighbors = snapshot_part_get(apply->neighbors);
	snapshot->sources = snapshot_part_get(apply->source_index);
	snapshot->pool_count = apply->pool_top;
	for (uint32_t id = 0; id < apply->pool_top; id++) {
		struct snapshot_pool *pool = apply->pool[id] != NULL ? apply->pool[id]->built : NULL;

		if (pool == NULL)
			continue;
		pool->refs++;
		snapshot->pool[id] = pool;
		snapshot->tables_checksum += pool->term;
	}
	return snapshot;
}

enum sl_reject_reason apply_commit(struct apply *apply, const struct sl_commit *commit,
				   struct snapshot **ret_snapshot)
{
	enum sl_reject_reason reason;
	struct snapshot *snapshot;

	if (commit->generation == 0 || commit->generation <= apply->generation)
		return SL_REJECT_RANGE;
	if (commit->records != apply->records)
		return SL_REJECT_SEQUENCE;
	if (apply->hold) {
		apply->generation = commit->generation;
		apply->records = 0;
		return SL_REJECT_NONE;
	}
	reason = check_pools(apply);
	if (reason == SL_REJECT_NONE)
		reason = check_services(apply);
	if (reason != SL_REJECT_NONE)
		return reason;
	if (!build_dirty_pools(apply) || !build_parts(apply))
		return SL_REJECT_MEMORY;
	snapshot = build_root(apply);
	if (snapshot == NULL)
		return SL_REJECT_MEMORY;
	snapshot->generation = commit->generation;
	apply->generation = apply->held = commit->generation;
	apply->records = 0;
	apply->removed = false;
	*ret_snapshot = snapshot;
	return SL_REJECT_NONE;
}
