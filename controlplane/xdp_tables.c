/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Places are taken from what is free, written once, and given back a grace period after the bank that reached them went
 * out of use. Neighbors are written in place, so each has a place of its own as long as this process lives, none of which
 * the generation found at start uses: that one counted them differently.
 */
#include "controlplane/xdp_tables.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "controlplane/xdp_places.h"

enum object_state { OBJECT_NONE = 0, OBJECT_LIVE, OBJECT_LEAVING /* gone, but this generation still names it */ };

struct service {
	enum object_state state;
	struct sl_service fact;
};

struct pool {
	enum object_state state;
	bool changed, backends_changed, table_changed[SL_TABLE_KIND_COUNT];
	struct sl_pool fact;
	struct sl_backend *backend; /* by slot; state GONE: nobody there. `neighbor` as stated */
	uint32_t backend_room;
	struct table *table[SL_TABLE_KIND_COUNT];
	uint64_t term;              /* of its current table */
	struct extent slot, backends, rows[SL_TABLE_KIND_COUNT];
};

struct neighbor {
	uint32_t place; /* 0: none yet */
	bool changed;
	struct sl_neighbor fact;
};

struct xdp_tables {
	const struct xdp_maps *maps;
	struct sl_shm_limits limits;
	struct xdp_places *places;
	struct sl_settings settings;
	struct service *services;
	struct pool *pools;
	struct neighbor *neighbors;
	bool any_port, lingers;
	uint64_t flipped_ns; /* 0: not since the start */
};

static struct sl_xdp_root *root_of(const struct xdp_tables *t)
{
	return xdp_maps_at(t->maps, XDP_MAP_ROOT, 0);
}

/* ---- statements ----------------------------------------------------------------------------------------- */

void xdp_tables_settings(struct xdp_tables *t, const struct sl_settings *settings)
{
	t->settings = *settings;
}

void xdp_tables_any_port(struct xdp_tables *t)
{
	t->any_port = true;
}

void xdp_tables_service(struct xdp_tables *t, const struct sl_service *fact, enum sl_op op)
{
	struct service *service = &t->services[fact->id];

	if (op == SL_OP_PUT)
		*service = (struct service){ .state = OBJECT_LIVE, .fact = *fact };
	else if (service->state == OBJECT_LIVE)
		service->state = OBJECT_LEAVING;
}

/* The place of that next hop; 0: no room. It is known from its first use on, stated or not. */
static uint32_t neighbor_place(struct xdp_tables *t, uint32_t id)
{
	struct neighbor *neighbor = &t->neighbors[id];
	struct extent extent;

	if (neighbor->place == 0 && xdp_places_take(t->places, XDP_PLACE_NEIGHBOR, 1, &extent) == 0)
		neighbor->place = extent.at;
	return neighbor->place;
}

int xdp_tables_neighbor(struct xdp_tables *t, const struct sl_neighbor *fact, enum sl_op op)
{
	struct neighbor *neighbor = &t->neighbors[fact->id];

	if (neighbor_place(t, fact->id) == 0)
		return -ENOMEM;
	memset(&neighbor->fact, 0, sizeof(neighbor->fact)); /* gone: not known */
	if (op == SL_OP_PUT)
		neighbor->fact = *fact;
	neighbor->fact.id = neighbor->place;
	neighbor->changed = true;
	return 0;
}

int xdp_tables_pool(struct xdp_tables *t, const struct sl_pool *fact, enum sl_op op)
{
	struct pool *pool = &t->pools[fact->id];

	if (op == SL_OP_DEL) {
		if (pool->state == OBJECT_LIVE)
			pool->state = OBJECT_LEAVING;
		return 0;
	}
	if (fact->slots > pool->backend_room) {
		struct sl_backend *grown = realloc(pool->backend, fact->slots * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		memset(grown + pool->backend_room, 0, (fact->slots - pool->backend_room) * sizeof(*grown));
		pool->backend = grown;
		pool->backend_room = fact->slots;
	}
	pool->backends_changed |= pool->state == OBJECT_NONE || pool->fact.slots != fact->slots;
	pool->state = OBJECT_LIVE;
	pool->fact = *fact;
	pool->changed = true;
	return 0;
}

/* Backends are stated before their pool. */
int xdp_tables_backend(struct xdp_tables *t, const struct sl_backend *fact, enum sl_op op)
{
	struct pool *pool = &t->pools[fact->pool];

	if (fact->slot >= pool->backend_room) {
		const uint32_t room = fact->slot + 8u;
		struct sl_backend *grown = op == SL_OP_PUT ? realloc(pool->backend, room * sizeof(*grown)) : NULL;

		if (op == SL_OP_DEL)
			return 0;
		if (!grown)
			return -ENOMEM;
		memset(grown + pool->backend_room, 0, (room - pool->backend_room) * sizeof(*grown));
		pool->backend = grown;
		pool->backend_room = room;
	}
	if (op == SL_OP_PUT)
		pool->backend[fact->slot] = *fact;
	else
		memset(&pool->backend[fact->slot], 0, sizeof(*fact));
	pool->backends_changed = pool->changed = true;
	return 0;
}

void xdp_tables_table(struct xdp_tables *t, uint32_t id, enum sl_table_kind kind, struct table *table)
{
	struct pool *pool = &t->pools[id];

	if (table)
		table_get(table);
	table_put(pool->table[kind]);
	pool->table[kind] = table;
	pool->table_changed[kind] = pool->changed = true;
	if (kind == SL_TABLE_CURRENT)
		pool->term = table ? sl_table_term(id, table->rows,
						   sl_checksum64(table->row, (uint64_t)table->rows * sizeof(table->row[0])))
				   : 0;
}

/* ---- writing what nobody reaches yet -------------------------------------------------------------------- */

/* New places for `count` entries instead of *extent, which goes with this generation. */
static int replace(struct xdp_tables *t, enum xdp_place kind, uint32_t count, struct extent *extent)
{
	struct extent taken = { 0, 0 };
	int err = count > 0 ? xdp_places_take(t->places, kind, count, &taken) : 0;

	if (err == 0)
		err = xdp_places_leave(t->places, kind, extent);
	if (err == 0)
		*extent = taken;
	return err;
}

static int write_backends(struct xdp_tables *t, struct pool *pool)
{
	int err = replace(t, XDP_PLACE_BACKEND, pool->fact.slots, &pool->backends);

	for (uint32_t slot = 0; err == 0 && slot < pool->fact.slots; slot++) {
		struct sl_backend *to = xdp_maps_at(t->maps, XDP_MAP_BACKENDS, pool->backends.at + slot);

		*to = pool->backend[slot];
		if (to->state == SL_BACKEND_GONE)
			continue;
		to->neighbor = neighbor_place(t, to->neighbor);
		if (to->neighbor == 0)
			err = -ENOSPC;
	}
	if (err == 0)
		pool->backends_changed = false;
	return err;
}

static int write_rows(struct xdp_tables *t, struct pool *pool, int kind)
{
	const struct table *table = pool->table[kind];
	const uint32_t count = table ? (table->rows + SL_XDP_ROWS - 1) / SL_XDP_ROWS : 0;
	const int err = replace(t, XDP_PLACE_ROWS, count, &pool->rows[kind]);

	if (err < 0)
		return err;
	if (table)
		memcpy(xdp_maps_at(t->maps, XDP_MAP_ROWS, pool->rows[kind].at), table->row,
		       (size_t)table->rows * sizeof(table->row[0]));
	pool->table_changed[kind] = false;
	return 0;
}

static int write_pool(struct xdp_tables *t, struct pool *pool)
{
	struct sl_xdp_pool *to;
	int err = pool->backends_changed ? write_backends(t, pool) : 0;

	for (int kind = 0; err == 0 && kind < SL_TABLE_KIND_COUNT; kind++)
		if (pool->table_changed[kind])
			err = write_rows(t, pool, kind);
	if (err == 0)
		err = replace(t, XDP_PLACE_POOL, 1, &pool->slot);
	if (err < 0)
		return err;
	to = xdp_maps_at(t->maps, XDP_MAP_POOLS, pool->slot.at);
	memset(to, 0, sizeof(*to));
	to->pool = pool->fact;
	to->backend = pool->backends.at;
	for (int kind = 0; kind < SL_TABLE_KIND_COUNT; kind++)
		to->table[kind] = pool->rows[kind].at;
	pool->changed = false;
	return 0;
}

/* What is left of a pool that no generation names: its places go with the one in force. */
static int forget_pool(struct xdp_tables *t, struct pool *pool)
{
	int err = xdp_places_leave(t->places, XDP_PLACE_POOL, &pool->slot);

	if (err == 0)
		err = xdp_places_leave(t->places, XDP_PLACE_BACKEND, &pool->backends);
	for (int kind = 0; kind < SL_TABLE_KIND_COUNT; kind++) {
		if (err == 0)
			err = xdp_places_leave(t->places, XDP_PLACE_ROWS, &pool->rows[kind]);
		table_put(pool->table[kind]);
		pool->table[kind] = NULL;
	}
	free(pool->backend);
	memset(pool, 0, sizeof(*pool));
	return err;
}

static void write_settings(struct xdp_tables *t, uint32_t bank, uint64_t generation)
{
	const uint64_t flows = t->maps->map[XDP_MAP_FLOWS].entries;
	struct sl_xdp_settings *to = xdp_maps_at(t->maps, XDP_MAP_SETTINGS, bank);

	memset(to, 0, sizeof(*to));
	to->settings = t->settings;
	to->generation = generation;
	to->reply_cost_ns = t->settings.reply_rate ? 1000000000u / t->settings.reply_rate : 0;
	to->any_port = t->any_port;
	to->flows_full = (uint32_t)(flows * SL_XDP_FULL_PERCENT / 100);
	to->starts = t->maps->map[XDP_MAP_STARTS].entries;
}

static void write_bank(struct xdp_tables *t, uint32_t bank, uint64_t generation)
{
	const struct sl_service nobody = { .pool = UINT32_MAX };

	write_settings(t, bank, generation);
	for (uint32_t id = 0; id < t->limits.services; id++) {
		struct sl_service *to = xdp_maps_at(t->maps, XDP_MAP_SERVICES, sl_xdp_at(id, bank));

		*to = t->services[id].state == OBJECT_NONE ? nobody : t->services[id].fact;
	}
	for (uint32_t id = 0; id < t->limits.pools; id++)
		*(uint32_t *)xdp_maps_at(t->maps, XDP_MAP_POOL_SLOTS, sl_xdp_at(id, bank)) =
			t->pools[id].state == OBJECT_NONE ? 0 : t->pools[id].slot.at;
}

static void write_neighbors(struct xdp_tables *t)
{
	for (uint32_t id = 0; id < t->limits.neighbors; id++) {
		struct neighbor *neighbor = &t->neighbors[id];

		if (neighbor->changed)
			sl_xdp_neighbor_store(xdp_maps_at(t->maps, XDP_MAP_NEIGHBORS, neighbor->place), &neighbor->fact);
		neighbor->changed = false;
	}
}

/* ---- one generation ------------------------------------------------------------------------------------- */

/* Until no packet is under way that was there at the last flip. -EAGAIN: in a moment. */
static int wait_for_packets(const struct xdp_tables *t, uint64_t now_ns)
{
	if (t->flipped_ns != 0 && now_ns >= t->flipped_ns + SL_XDP_GRACE_MS * 1000000ull)
		return 0; /* a process before us may have turned it a moment ago */
	return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0 ? 0 : -EAGAIN;
}

/* Objects that went before this generation: they go now; those that go with it stay for the next. */
static int forget_objects(struct xdp_tables *t)
{
	int err = 0;

	for (uint32_t id = 0; id < t->limits.services && t->lingers; id++)
		if (t->services[id].state == OBJECT_LEAVING)
			t->services[id].state = OBJECT_NONE;
	for (uint32_t id = 0; id < t->limits.pools && t->lingers && err == 0; id++)
		if (t->pools[id].state == OBJECT_LEAVING)
			err = forget_pool(t, &t->pools[id]);
	return err;
}

static bool any_leaves(const struct xdp_tables *t)
{
	for (uint32_t id = 0; id < t->limits.services; id++)
		if (t->services[id].state == OBJECT_LEAVING)
			return true;
	for (uint32_t id = 0; id < t->limits.pools; id++)
		if (t->pools[id].state == OBJECT_LEAVING)
			return true;
	return false;
}

int xdp_tables_commit(struct xdp_tables *t, uint64_t generation, uint64_t now_ns)
{
	struct sl_xdp_root *root = root_of(t);
	const uint32_t bank = root->version == SL_XDP_VERSION ? (root->bank & 1) ^ 1 : 0;
	int err = wait_for_packets(t, now_ns);

	if (err == 0) {
		xdp_places_settle(t->places);
		if (xdp_tables_generation(t, NULL) != 0 && xdp_tables_generation(t, NULL) == generation)
			err = forget_objects(t); /* nothing new is stated: the second look at what went */
	}
	for (uint32_t id = 0; id < t->limits.pools && err == 0; id++)
		if (t->pools[id].changed && t->pools[id].state == OBJECT_LIVE)
			err = write_pool(t, &t->pools[id]);
	if (err < 0)
		return err;
	write_bank(t, bank, generation);
	write_neighbors(t);
	__atomic_store_n(&root->version, SL_XDP_VERSION, __ATOMIC_RELEASE);
	__atomic_store_n(&root->bank, bank, __ATOMIC_RELEASE); /* all that it reaches is written before */
	t->flipped_ns = now_ns;
	xdp_places_flipped(t->places);
	t->lingers = any_leaves(t);
	return 0;
}

bool xdp_tables_lingers(const struct xdp_tables *t)
{
	return t->lingers;
}

void xdp_tables_act(struct xdp_tables *t, enum sl_xdp_action action)
{
	__atomic_store_n(&root_of(t)->action, action, __ATOMIC_RELEASE);
}

uint64_t xdp_tables_generation(const struct xdp_tables *t, struct sl_settings *ret_settings)
{
	const struct sl_xdp_root *root = root_of(t);
	const struct sl_xdp_settings *settings = xdp_maps_at(t->maps, XDP_MAP_SETTINGS, root->bank & 1);

	if (root->version != SL_XDP_VERSION)
		return 0;
	if (ret_settings)
		*ret_settings = settings->settings;
	return settings->generation;
}

uint64_t xdp_tables_checksum(const struct xdp_tables *t)
{
	uint64_t sum = 0;

	for (uint32_t id = 0; id < t->limits.pools; id++)
		if (t->pools[id].state == OBJECT_LIVE)
			sum += t->pools[id].term;
	return sum;
}

uint16_t xdp_tables_idle_s(const struct xdp_tables *t, uint32_t id, uint8_t kind)
{
	if (id >= t->limits.pools || kind >= SL_FLOW_KIND_COUNT || t->pools[id].state == OBJECT_NONE)
		return 0;
	return t->pools[id].fact.idle_s[kind];
}

/* ---- lifetime ------------------------------------------------------------------------------------------- */

int xdp_tables_create(const struct xdp_maps *maps, const struct sl_shm_limits *limits, struct xdp_tables **ret_tables)
{
	struct xdp_tables *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->maps = maps;
	t->limits = *limits;
	t->services = calloc(limits->services + 1, sizeof(*t->services));
	t->pools = calloc(limits->pools + 1, sizeof(*t->pools));
	t->neighbors = calloc(limits->neighbors + 1, sizeof(*t->neighbors));
	if (!t->services || !t->pools || !t->neighbors || xdp_places_create(maps, &t->places) < 0) {
		xdp_tables_destroy(t);
		return -ENOMEM;
	}
	*ret_tables = t;
	return 0;
}

void xdp_tables_destroy(struct xdp_tables *t)
{
	if (!t)
		return;
	for (uint32_t id = 0; t->pools && id < t->limits.pools; id++) {
		for (int kind = 0; kind < SL_TABLE_KIND_COUNT; kind++)
			table_put(t->pools[id].table[kind]);
		free(t->pools[id].backend);
	}
	xdp_places_destroy(t->places);
	free(t->services);
	free(t->pools);
	free(t->neighbors);
	free(t);
}
