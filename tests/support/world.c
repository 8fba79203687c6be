/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether an object exists and what it is comes from a hash of (seed, object, generation / period): each
 * object changes every few generations, at its own times.
 */
#include "tests/support/world.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

enum { NEIGHBORS = 6, POOLS = 4, SLOTS = 6, SERVICES = 8, LISTENERS = 12, VIPS = 6, ROWS = 251, ROWS_LARGE = 4093, ROWS_LENS = 127 };

enum object { OBJECT_SETTINGS = 1, OBJECT_NEIGHBOR, OBJECT_POOL, OBJECT_BACKEND, OBJECT_SERVICE, OBJECT_LISTENER, OBJECT_VIP, OBJECT_TABLE };

static uint64_t mix(const void *bytes, size_t len, uint64_t salt)
{
	const struct sl_key key = { salt, 0x776f726c64ull };

	return sl_siphash13(&key, bytes, (uint32_t)len);
}

/* What is random about one object at one time. */
static uint64_t dice(uint64_t seed, uint64_t generation, enum object object, uint64_t id)
{
	const uint64_t name[3] = { seed, object, id };
	const uint64_t period = 1 + mix(name, sizeof(name), 1) % 23;
	const uint64_t when[4] = { seed, object, id, generation / period };

	return mix(when, sizeof(when), 2);
}

struct shm_capacity world_capacity(void)
{
	return (struct shm_capacity){
		.limits = { .services = SERVICES, .pools = POOLS, .backends = POOLS * SLOTS, .neighbors = NEIGHBORS,
			    .listeners = LISTENERS, .vips = VIPS, .workers = 1 },
		.rows = (uint64_t)POOLS * ((1 + SL_FLOW_KIND_COUNT) * ROWS_LARGE + SL_FLOW_KIND_COUNT * ROWS_LENS),
		.rows_max = ROWS_LARGE,
	};
}

struct sl_shm_header world_header(uint64_t session)
{
	const struct shm_capacity capacity = world_capacity();
	struct sl_boot boot;
	struct sl_shm_header header;

	memset(&boot, 0, sizeof(boot));
	memset(&header, 0, sizeof(header));
	shm_layout(&capacity, &boot, session, 1, &header);
	return header;
}

static struct sl_addr address(uint32_t host)
{
	return sl_addr_from_v4(htonl(0x0a000000u + host));
}

static bool neighbor_at(uint64_t seed, uint64_t generation, uint32_t id, struct sl_neighbor *neighbor)
{
	const uint64_t d = dice(seed, generation, OBJECT_NEIGHBOR, id);

	*neighbor = (struct sl_neighbor){ .id = id, .port = d % 3, .mtu = (__u16)(1500 + d % 7), .known = d % 2 };
	memcpy(neighbor->mac, &d, sizeof(neighbor->mac));
	return id == 0 || d % 5 != 0;
}

static bool pool_at(uint64_t seed, uint64_t generation, uint32_t id, struct sl_pool *pool)
{
	const uint64_t d = dice(seed, generation, OBJECT_POOL, id);

	*pool = (struct sl_pool){ .id = id, .rows = d % 7 == 0 ? ROWS_LARGE : ROWS, .slots = SLOTS, .otherwise = d % 2,
				  .idle_s = { 60, 60, 60 } };
	if (d % 3 == 0) {
		pool->lens_rows = d % 2 ? ROWS_LENS : ROWS;
		pool->lens_key = (struct sl_key){ d, d + 9 };
	}
	return id == 0 || d % 4 != 0;
}

static bool backend_at(uint64_t seed, uint64_t generation, uint32_t pool, uint16_t slot, struct sl_backend *backend)
{
	const uint64_t d = dice(seed, generation, OBJECT_BACKEND, pool * SLOTS + slot);
	struct sl_neighbor neighbor;
	struct sl_pool of;

	*backend = (struct sl_backend){ .pool = pool, .slot = slot, .state = d % SL_BACKEND_STATE_COUNT,
					.stats = pool * SLOTS + slot, .neighbor = (__u32)(d >> 8) % NEIGHBORS,
					.addr = address(256 * pool + slot) };
	if (!neighbor_at(seed, generation, backend->neighbor, &neighbor))
		backend->neighbor = 0;
	if (d % 3 == 0)
		backend->outer_src = address(0x10000u + (uint32_t)(d >> 16) % 4);
	return pool_at(seed, generation, pool, &of) && d % 6 != 0;
}

/* Current rows are always there; bases come and go, and lens tables where the pool has a lens. NULL: none. */
static struct table *table_at(uint64_t seed, uint64_t generation, const struct sl_pool *pool, uint32_t kind)
{
	const uint64_t d = dice(seed, generation, OBJECT_TABLE, pool->id * SL_TABLE_KIND_COUNT + kind);
	const uint32_t rows = kind >= SL_TABLE_LENS_TCP ? pool->lens_rows : pool->rows;
	struct table *table;
	uint16_t live[SLOTS];
	uint32_t count = 0;

	if (rows == 0 || (kind != SL_TABLE_CURRENT && d % 5 < 2))
		return NULL;
	table = table_alloc(rows);

	for (uint16_t slot = 0; slot < SLOTS; slot++) {
		struct sl_backend backend;

		if (backend_at(seed, generation, pool->id, slot, &backend))
			live[count++] = slot;
	}
	for (uint32_t row = 0; table != NULL && row < rows; row++) {
		table->row[row] = count > 0 ? live[(row * 7 + d) % count] : SL_SLOT_NONE;
		if (kind == SL_TABLE_CURRENT && (row + d) % 3 == 0)
			table->row[row] |= SL_ROW_LOOK;
	}
	return table;
}

static bool service_at(uint64_t seed, uint64_t generation, uint32_t id, struct sl_service *service)
{
	const uint64_t d = dice(seed, generation, OBJECT_SERVICE, id);
	struct sl_pool pool;

	*service = (struct sl_service){ .id = id, .pool = (__u32)(d >> 8) % POOLS, .mode = d % SL_MODE_COUNT,
					.hash = d % SL_HASH_COUNT, .udp_flows = d % SL_UDP_FLOWS_COUNT };
	if (!pool_at(seed, generation, service->pool, &pool))
		service->pool = 0;
	return id == 0 || d % 5 != 0;
}

static bool listener_at(uint64_t seed, uint64_t generation, uint32_t id, struct sl_listener *listener)
{
	const uint64_t d = dice(seed, generation, OBJECT_LISTENER, id);
	struct sl_service service;

	*listener = (struct sl_listener){ .addr = address(0x20000u + id % VIPS), .port = htons((uint16_t)(id / VIPS * 80)),
					  .proto = id % 2 ? IPPROTO_TCP : IPPROTO_UDP, .service = (__u32)(d >> 8) % SERVICES };
	if (!service_at(seed, generation, listener->service, &service))
		listener->service = 0;
	return d % 4 != 0;
}

static bool vip_at(uint64_t seed, uint64_t generation, uint32_t id, struct sl_vip *vip)
{
	const uint64_t d = dice(seed, generation, OBJECT_VIP, id);

	*vip = (struct sl_vip){ .addr = address(0x20000u + id), .otherwise = d % SL_OTHERWISE_COUNT };
	return d % 4 != 0;
}

static struct sl_settings settings_at(uint64_t seed, uint64_t generation)
{
	const uint64_t d = dice(seed, generation, OBJECT_SETTINGS, 0);

	return (struct sl_settings){ .hash_key = { d, d + 1 }, .flow_key = { d + 2, d + 3 }, .reply_rate = d % 1000,
				     .idle_max_s = { 60, 60, 60 }, .numbering = d + 4 };
}

#define STATE(call)             \
	do {                    \
		err = (call);   \
		if (err < 0)    \
			return err; \
	} while (0)

static int state_pools(struct publisher *publisher, uint64_t seed, uint64_t generation)
{
	int err;

	for (uint32_t id = 0; id < POOLS; id++) {
		struct sl_pool pool;
		const bool exists = pool_at(seed, generation, id, &pool);

		STATE(publisher_pool(publisher, &pool, exists ? SL_OP_PUT : SL_OP_DEL));
		for (uint32_t kind = 0; kind < SL_TABLE_KIND_COUNT; kind++) {
			struct table *table = exists ? table_at(seed, generation, &pool, kind) : NULL;

			err = publisher_table(publisher, id, (enum sl_table_kind)kind, table);
			table_put(table);
			if (err < 0)
				return err;
		}
		for (uint16_t slot = 0; slot < SLOTS; slot++) {
			struct sl_backend backend;
			const bool lives = backend_at(seed, generation, id, slot, &backend);

			STATE(publisher_backend(publisher, &backend, lives ? SL_OP_PUT : SL_OP_DEL));
		}
	}
	return 0;
}

int world_state(struct publisher *publisher, uint64_t seed, uint64_t generation)
{
	const struct sl_settings settings = settings_at(seed, generation);
	int err;

	STATE(publisher_settings(publisher, &settings));
	for (uint32_t id = 0; id < NEIGHBORS; id++) {
		struct sl_neighbor neighbor;
		const bool exists = neighbor_at(seed, generation, id, &neighbor);

		STATE(publisher_neighbor(publisher, &neighbor, exists ? SL_OP_PUT : SL_OP_DEL));
	}
	STATE(state_pools(publisher, seed, generation));
	for (uint32_t id = 0; id < SERVICES; id++) {
		struct sl_service service;
		const bool exists = service_at(seed, generation, id, &service);

		STATE(publisher_service(publisher, &service, exists ? SL_OP_PUT : SL_OP_DEL));
	}
	for (uint32_t id = 0; id < LISTENERS; id++) {
		struct sl_listener listener;
		const bool exists = listener_at(seed, generation, id, &listener);

		STATE(publisher_listener(publisher, &listener, exists ? SL_OP_PUT : SL_OP_DEL));
	}
	for (uint32_t id = 0; id < VIPS; id++) {
		struct sl_vip vip;
		const bool exists = vip_at(seed, generation, id, &vip);

		STATE(publisher_vip(publisher, &vip, exists ? SL_OP_PUT : SL_OP_DEL));
	}
	publisher_commit(publisher, generation);
	return 0;
}

/* ---- digests: a sum of hashes, one an object -------------------------------------------------------------- */

static uint64_t digest_listener(const struct sl_addr *addr, __be16 port, uint8_t proto, const struct sl_service *service)
{
	struct sl_listener listener = { .addr = *addr, .port = port, .proto = proto };

	return mix(&listener, sizeof(listener), OBJECT_LISTENER) * 3 + mix(service, sizeof(*service), mix(&listener, sizeof(listener), 9));
}

static uint64_t digest_rows(uint32_t pool, uint32_t kind, const uint16_t *row, uint32_t rows)
{
	return mix(row, rows * sizeof(*row), (pool + 100) * SL_TABLE_KIND_COUNT + kind);
}

static uint64_t digest_tables(uint64_t seed, uint64_t generation, const struct sl_pool *pool)
{
	uint64_t sum = 0;

	for (uint32_t kind = 0; kind < SL_TABLE_KIND_COUNT; kind++) {
		struct table *table = table_at(seed, generation, pool, kind);

		sum += table != NULL ? digest_rows(pool->id, kind, table->row, table->rows) : 0;
		table_put(table);
	}
	return sum;
}

uint64_t world_digest(uint64_t seed, uint64_t generation)
{
	const struct sl_settings settings = settings_at(seed, generation);
	uint64_t sum = mix(&settings, sizeof(settings), OBJECT_SETTINGS);
	struct sl_neighbor neighbor;
	struct sl_listener listener;
	struct sl_service service;
	struct sl_backend backend;
	struct sl_addr sources[POOLS * SLOTS];
	uint32_t source_count = 0;
	struct sl_pool pool;
	struct sl_vip vip;

	for (uint32_t id = 0; id < NEIGHBORS; id++)
		sum += neighbor_at(seed, generation, id, &neighbor) ? mix(&neighbor, sizeof(neighbor), OBJECT_NEIGHBOR) : 0;
	for (uint32_t id = 0; id < POOLS; id++) {
		if (!pool_at(seed, generation, id, &pool))
			continue;
		sum += mix(&pool, sizeof(pool), OBJECT_POOL) + digest_tables(seed, generation, &pool);
		for (uint16_t slot = 0; slot < SLOTS; slot++) {
			uint32_t i = 0;

			if (!backend_at(seed, generation, id, slot, &backend))
				continue;
			sum += mix(&backend, sizeof(backend), OBJECT_BACKEND);
			if (snapshot_addr_is_zero(&backend.outer_src))
				continue;
			while (i < source_count && !sl_addr_equal(&sources[i], &backend.outer_src))
				i++;
			if (i < source_count)
				continue;
			sources[source_count++] = backend.outer_src;
			sum += mix(&backend.outer_src, sizeof(backend.outer_src), 77);
		}
	}
	for (uint32_t id = 0; id < LISTENERS; id++) {
		if (!listener_at(seed, generation, id, &listener))
			continue;
		service_at(seed, generation, listener.service, &service);
		sum += digest_listener(&listener.addr, listener.port, listener.proto, &service);
	}
	for (uint32_t id = 0; id < VIPS; id++)
		sum += vip_at(seed, generation, id, &vip) ? mix(&vip, sizeof(vip), OBJECT_VIP) : 0;
	return sum;
}

uint64_t world_snapshot_digest(const struct snapshot *snapshot)
{
	uint64_t sum = mix(&snapshot->settings, sizeof(snapshot->settings), OBJECT_SETTINGS);

	for (uint32_t id = 0; id < snapshot->neighbors->count; id++) {
		if (snapshot->neighbors->neighbor[id].id == id)
			sum += mix(&snapshot->neighbors->neighbor[id], sizeof(struct sl_neighbor), OBJECT_NEIGHBOR);
	}
	for (uint32_t id = 0; id < snapshot->pool_count; id++) {
		const struct snapshot_pool *pool = snapshot->pool[id];

		if (pool == NULL)
			continue;
		sum += mix(&pool->pool, sizeof(pool->pool), OBJECT_POOL);
		for (uint32_t kind = 0; kind < SL_TABLE_KIND_COUNT; kind++) {
			const struct snapshot_rows *rows = pool->table[kind];

			sum += rows != NULL ? digest_rows(id, kind, rows->row, rows->rows) : 0;
		}
		for (uint16_t slot = 0; slot < pool->pool.slots; slot++) {
			if (pool->backend[slot].slot == slot)
				sum += mix(&pool->backend[slot], sizeof(struct sl_backend), OBJECT_BACKEND);
		}
	}
	for (uint32_t i = 0; i <= snapshot->services->mask; i++) {
		const struct snapshot_listener *slot = &snapshot->services->slot[i];

		if (!snapshot_addr_is_zero(&slot->addr))
			sum += digest_listener(&slot->addr, slot->port, slot->proto, &slot->service);
	}
	for (uint32_t i = 0; i <= snapshot->vips->mask; i++) {
		if (!snapshot_addr_is_zero(&snapshot->vips->slot[i].addr))
			sum += mix(&snapshot->vips->slot[i], sizeof(struct sl_vip), OBJECT_VIP);
	}
	for (uint32_t i = 0; i <= snapshot->sources->mask; i++) {
		if (!snapshot_addr_is_zero(&snapshot->sources->slot[i]))
			sum += mix(&snapshot->sources->slot[i], sizeof(struct sl_addr), 77);
	}
	return sum;
}
