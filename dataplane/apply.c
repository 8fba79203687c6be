/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keeps what ring records state, each checked on its own: enum values, ids against the file's limits,
 * sizes, the bytes of tables. What needs the whole picture is checked at COMMIT (apply_commit.c).
 * Statements are idempotent; a rejected one voids everything until the next RESET.
 */
#include "dataplane/apply_stage.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

int apply_create(const struct sl_shm_limits *limits, const struct dp_allocator *allocator, struct apply **ret_apply)
{
	struct apply *apply = calloc(1, sizeof(*apply));

	if (apply == NULL)
		return -ENOMEM;
	apply->limits = *limits;
	apply->allocator = allocator;
	apply->listeners.max = limits->listeners;
	apply->vips.max = limits->vips;
	apply->sources.max = limits->backends;
	apply->neighbor = malloc((limits->neighbors + 1u) * sizeof(*apply->neighbor));
	apply->service = malloc((limits->services + 1u) * sizeof(*apply->service));
	apply->pool = calloc(limits->pools + 1u, sizeof(struct staged_pool *));
	if (apply->neighbor == NULL || apply->service == NULL || apply->pool == NULL) {
		apply_destroy(apply);
		return -ENOMEM;
	}
	*ret_apply = apply;
	return 0;
}

static void pool_free(struct apply *apply, struct staged_pool *pool)
{
	for (int kind = 0; kind < SL_TABLE_KIND_COUNT; kind++)
		snapshot_part_put(apply->allocator, pool->table[kind]);
	snapshot_pool_put(apply->allocator, pool->built);
	free(pool->backend);
	free(pool);
}

/* Forgets everything stated; snapshots keep what they hold. */
static void void_statements(struct apply *apply)
{
	for (uint32_t id = 0; id < apply->pool_top; id++) {
		if (apply->pool[id] != NULL)
			pool_free(apply, apply->pool[id]);
		apply->pool[id] = NULL;
	}
	snapshot_part_put(apply->allocator, apply->services);
	snapshot_part_put(apply->allocator, apply->vip_index);
	snapshot_part_put(apply->allocator, apply->neighbors);
	snapshot_part_put(apply->allocator, apply->source_index);
	apply->services = NULL;
	apply->vip_index = NULL;
	apply->neighbors = NULL;
	apply->source_index = NULL;
	address_map_clear(&apply->listeners);
	address_map_clear(&apply->vips);
	address_map_clear(&apply->sources);
	apply->settings = (struct sl_settings){ 0 };
	apply->settings_stated = false;
	apply->neighbor_top = apply->service_top = apply->pool_top = 0;
	apply->backend_count = 0;
	apply->dirty = NULL;
	apply->services_dirty = apply->vips_dirty = apply->neighbors_dirty = apply->sources_dirty = false;
	apply->removed = false;
	apply->records = 0;
	apply->generation = 0;
	apply->stated = false;
}

void apply_destroy(struct apply *apply)
{
	if (apply == NULL)
		return;
	void_statements(apply);
	free(apply->neighbor);
	free(apply->service);
	free(apply->pool);
	free(apply);
}

static void mark_dirty(struct apply *apply, struct staged_pool *pool)
{
	if (pool->dirty)
		return;
	pool->dirty = true;
	pool->next_dirty = apply->dirty;
	apply->dirty = pool;
}

/* The staged pool with that id, made when it was never named; NULL: no memory. id < limits.pools. */
static struct staged_pool *pool_named(struct apply *apply, uint32_t id)
{
	if (apply->pool[id] == NULL)
		apply->pool[id] = calloc(1, sizeof(struct staged_pool));
	if (id >= apply->pool_top)
		apply->pool_top = id + 1;
	return apply->pool[id];
}

static enum sl_reject_reason take_neighbor(struct apply *apply, const struct sl_neighbor *neighbor, bool del)
{
	if (neighbor->id >= apply->limits.neighbors || neighbor->port >= SL_PORTS_MAX)
		return SL_REJECT_RANGE;
	if (neighbor->known > 1)
		return SL_REJECT_TYPE;
	if (del && neighbor->id >= apply->neighbor_top)
		return SL_REJECT_NONE;
	for (; apply->neighbor_top <= neighbor->id; apply->neighbor_top++)
		apply->neighbor[apply->neighbor_top].id = UINT32_MAX;
	apply->neighbor[neighbor->id] = *neighbor;
	if (del)
		apply->neighbor[neighbor->id].id = UINT32_MAX;
	apply->neighbors_dirty = true;
	apply->removed |= del;
	return SL_REJECT_NONE;
}

static enum sl_reject_reason take_service(struct apply *apply, const struct sl_service *service, bool del)
{
	if (service->id >= apply->limits.services || service->pool >= apply->limits.pools)
		return SL_REJECT_RANGE;
	if (service->mode >= SL_MODE_COUNT || service->hash >= SL_HASH_COUNT ||
	    service->tracking >= SL_TRACKING_COUNT || service->udp_flows >= SL_UDP_FLOWS_COUNT ||
	    service->lens_hash >= SL_HASH_COUNT)
		return SL_REJECT_TYPE;
	if (del && service->id >= apply->service_top)
		return SL_REJECT_NONE;
	for (; apply->service_top <= service->id; apply->service_top++)
		apply->service[apply->service_top].id = UINT32_MAX;
	apply->service[service->id] = *service;
	if (del)
		apply->service[service->id].id = UINT32_MAX;
	apply->services_dirty = true;
	return SL_REJECT_NONE;
}

/* How many rows a table of that kind has in that pool; 0: it may have none. */
static uint32_t rows_of_kind(const struct sl_pool *pool, uint32_t kind)
{
	return kind >= SL_TABLE_LENS_TCP ? pool->lens_rows : pool->rows;
}

static bool pool_in_range(const struct sl_pool *pool)
{
	for (int kind = 0; kind < SL_FLOW_KIND_COUNT; kind++) {
		if (pool->idle_s[kind] == 0 || pool->idle_s[kind] > SL_IDLE_MAX_S)
			return false;
	}
	if (pool->lens_rows != 0 && (pool->lens_rows < SL_TABLE_ROWS_MIN || pool->lens_rows > SL_TABLE_ROWS_MAX))
		return false;
	return pool->rows >= SL_TABLE_ROWS_MIN && pool->rows <= SL_TABLE_ROWS_MAX && pool->slots <= SL_SLOT_MAX + 1;
}

static enum sl_reject_reason take_pool(struct apply *apply, const struct sl_pool *pool, bool del)
{
	struct staged_pool *staged;

	if (pool->id >= apply->limits.pools)
		return SL_REJECT_RANGE;
	if (!del && !pool_in_range(pool))
		return SL_REJECT_RANGE;
	if (pool->otherwise >= SL_OTHERWISE_COUNT || pool->otherwise == SL_OTHERWISE_KERNEL)
		return SL_REJECT_TYPE;
	staged = pool_named(apply, pool->id);
	if (staged == NULL)
		return SL_REJECT_MEMORY;
	for (int kind = 0; kind < SL_TABLE_KIND_COUNT; kind++) {
		if (staged->table[kind] == NULL || (!del && staged->table[kind]->rows == rows_of_kind(pool, (uint32_t)kind)))
			continue;
		snapshot_part_put(apply->allocator, staged->table[kind]);
		staged->table[kind] = NULL;
	}
	staged->check_rows |= staged->pool.slots != pool->slots;
	staged->pool = *pool;
	staged->present = !del;
	apply->removed |= del;
	mark_dirty(apply, staged);
	return SL_REJECT_NONE;
}

/* One user more or less of an outer source; all zero is none. */
static int count_source(struct apply *apply, const struct sl_addr *source, int change)
{
	struct address_entry *entry;
	uint32_t users;
	int err = 0;

	if (snapshot_addr_is_zero(source))
		return 0;
	entry = address_map_lookup(&apply->sources, source, 0, 0);
	users = entry != NULL ? entry->value : 0;
	if (users == 0 || (int64_t)users + change == 0)
		apply->sources_dirty = true;
	if ((int64_t)users + change > 0)
		err = address_map_insert(&apply->sources, source, 0, 0, users + (uint32_t)change);
	else
		address_map_remove(&apply->sources, source, 0, 0);
	return err;
}

/* Makes room for `slot`, by doubling. */
static int grow_backends(struct staged_pool *pool, uint32_t slot)
{
	uint32_t room = pool->backend_room ? pool->backend_room : 8;
	struct sl_backend *grown;

	if (slot < pool->backend_room)
		return 0;
	while (room <= slot)
		room *= 2;
	grown = realloc(pool->backend, room * sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	for (uint32_t i = pool->backend_room; i < room; i++)
		grown[i] = (struct sl_backend){ .slot = SL_SLOT_NONE };
	pool->backend = grown;
	pool->backend_room = room;
	return 0;
}

static enum sl_reject_reason take_backend(struct apply *apply, const struct sl_backend *backend, bool del)
{
	static const struct sl_addr nowhere = { .d = { 0, 0 } };
	struct staged_pool *pool;
	struct sl_backend *held;
	bool existed;

	if (backend->pool >= apply->limits.pools || backend->slot > SL_SLOT_MAX ||
	    backend->stats >= apply->limits.backends || backend->neighbor >= apply->limits.neighbors)
		return SL_REJECT_RANGE;
	if (backend->state >= SL_BACKEND_STATE_COUNT)
		return SL_REJECT_TYPE;
	pool = pool_named(apply, backend->pool);
	if (pool == NULL || (!del && grow_backends(pool, backend->slot) < 0))
		return SL_REJECT_MEMORY;
	if (backend->slot >= pool->backend_room)
		return SL_REJECT_NONE; /* a removal of what never was */
	held = &pool->backend[backend->slot];
	existed = held->slot == backend->slot;
	if (!del && !existed && apply->backend_count >= apply->limits.backends)
		return SL_REJECT_RANGE;
	if (count_source(apply, del ? &nowhere : &backend->outer_src, 1) < 0)
		return SL_REJECT_MEMORY;
	if (existed)
		count_source(apply, &held->outer_src, -1);
	*held = del ? (struct sl_backend){ .slot = SL_SLOT_NONE } : *backend;
	pool->backend_count += (uint32_t)!del - (uint32_t)existed;
	apply->backend_count += (uint32_t)!del - (uint32_t)existed;
	pool->check_rows |= del;
	mark_dirty(apply, pool);
	return SL_REJECT_NONE;
}

static enum sl_reject_reason take_table(struct apply *apply, const struct sl_table_put *put, const uint16_t *row,
					bool del)
{
	struct staged_pool *pool;
	struct snapshot_rows *rows = NULL;

	if (put->pool >= apply->limits.pools)
		return SL_REJECT_RANGE;
	if (put->kind >= SL_TABLE_KIND_COUNT)
		return SL_REJECT_TYPE;
	pool = apply->pool[put->pool];
	if (pool == NULL || !pool->present)
		return del ? SL_REJECT_NONE : SL_REJECT_REFERENCE;
	if (!del) {
		if (row == NULL || put->rows == 0 || put->rows != rows_of_kind(&pool->pool, put->kind) ||
		    put->length != put->rows * sizeof(*row) || put->checksum != sl_checksum64(row, put->length))
			return SL_REJECT_TABLE;
		rows = snapshot_rows_alloc(apply->allocator, put->rows);
		if (rows == NULL)
			return SL_REJECT_MEMORY;
		memcpy(rows->row, row, put->length);
		rows->checksum = put->checksum;
	}
	snapshot_part_put(apply->allocator, pool->table[put->kind]);
	pool->table[put->kind] = rows;
	pool->check_rows = true;
	mark_dirty(apply, pool);
	return SL_REJECT_NONE;
}

/* `err` of address_map_insert as a reason. */
static enum sl_reject_reason map_reason(int err)
{
	return err == 0 ? SL_REJECT_NONE : err == -ERANGE ? SL_REJECT_RANGE : SL_REJECT_MEMORY;
}

static enum sl_reject_reason take_listener(struct apply *apply, const struct sl_listener *listener, bool del)
{
	if (listener->service >= apply->limits.services || snapshot_addr_is_zero(&listener->addr))
		return SL_REJECT_RANGE;
	if (listener->proto != IPPROTO_TCP && listener->proto != IPPROTO_UDP)
		return SL_REJECT_TYPE;
	apply->services_dirty = true;
	if (!del)
		return map_reason(address_map_insert(&apply->listeners, &listener->addr, listener->port,
						     listener->proto, listener->service));
	address_map_remove(&apply->listeners, &listener->addr, listener->port, listener->proto);
	return SL_REJECT_NONE;
}

static enum sl_reject_reason take_vip(struct apply *apply, const struct sl_vip *vip, bool del)
{
	if (snapshot_addr_is_zero(&vip->addr))
		return SL_REJECT_RANGE;
	if (vip->otherwise >= SL_OTHERWISE_COUNT)
		return SL_REJECT_TYPE;
	apply->vips_dirty = true;
	if (!del)
		return map_reason(address_map_insert(&apply->vips, &vip->addr, 0, 0, vip->otherwise));
	address_map_remove(&apply->vips, &vip->addr, 0, 0);
	return SL_REJECT_NONE;
}

static enum sl_reject_reason take_statement(struct apply *apply, const struct sl_record *record,
					    const uint16_t *table)
{
	const union sl_payload *fact = &record->payload;
	const bool del = record->op == SL_OP_DEL;

	switch (record->type) {
	case SL_RECORD_SETTINGS:
		if (del)
			return SL_REJECT_TYPE;
		apply->settings = fact->settings;
		apply->settings_stated = true;
		return SL_REJECT_NONE;
	case SL_RECORD_NEIGHBOR: return take_neighbor(apply, &fact->neighbor, del);
	case SL_RECORD_POOL: return take_pool(apply, &fact->pool, del);
	case SL_RECORD_BACKEND: return take_backend(apply, &fact->backend, del);
	case SL_RECORD_TABLE: return take_table(apply, &fact->table, table, del);
	case SL_RECORD_SERVICE: return take_service(apply, &fact->service, del);
	case SL_RECORD_LISTENER: return take_listener(apply, &fact->listener, del);
	case SL_RECORD_VIP: return take_vip(apply, &fact->vip, del);
	default: return SL_REJECT_TYPE;
	}
}

void apply_record(struct apply *apply, const struct sl_record *record, const uint16_t *table,
		  struct apply_result *ret_result)
{
	enum sl_reject_reason reason;
	struct apply_result result = { .snapshot = NULL };

	if (record->op > SL_OP_DEL) {
		reason = SL_REJECT_TYPE;
	} else if (record->type == SL_RECORD_RESET) {
		void_statements(apply);
		apply->stated = true;
		reason = SL_REJECT_NONE;
	} else if (!apply->stated) {
		/* What came before the RESET that was asked for. A generation that ends here is lost: ask again. */
		reason = record->type == SL_RECORD_COMMIT ? SL_REJECT_SEQUENCE : SL_REJECT_NONE;
	} else if (record->type == SL_RECORD_COMMIT) {
		reason = apply_commit(apply, &record->payload.commit, &result.snapshot);
	} else {
		apply->records++;
		reason = take_statement(apply, record, table);
	}
	if (reason != SL_REJECT_NONE) {
		result.rejected.generation = apply->held;
		result.rejected.sequence = record->sequence;
		result.rejected.reason = reason;
		result.rejected.type = record->type;
		void_statements(apply);
	}
	*ret_result = result;
}

void apply_hold(struct apply *apply, bool hold)
{
	apply->hold = hold;
}

void apply_void(struct apply *apply)
{
	void_statements(apply);
}

bool apply_waits(const struct apply *apply)
{
	return !apply->stated;
}
