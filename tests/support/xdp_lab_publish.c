/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Publishes a whole configuration to the program's maps, in the order of sluice/xdp.h: generations take turns between
 * the two halves of what is written once.
 */
#include "tests/support/xdp_lab_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sluice/core/reply_rate.h"

/* Chunks for a table of that many rows, filled; 0: no room. */
static uint32_t put_table(struct xdp_lab *lab, const uint16_t *rows, uint32_t count)
{
	const uint32_t place = lab->next_chunk, chunks = (count + SL_XDP_ROWS - 1) / SL_XDP_ROWS;
	struct sl_xdp_rows *to = lab->array[ROWS].at;

	if (chunks > lab->array[ROWS].entries / 2 * (lab->half + 1) - place)
		return 0;
	memcpy(to + place, rows, count * sizeof(*rows));
	lab->next_chunk += chunks;
	return place;
}

static int put_pool(struct xdp_lab *lab, const struct xdp_lab_world *world, const struct xdp_lab_pool *pool, uint32_t bank)
{
	struct sl_xdp_pool *to = (struct sl_xdp_pool *)lab->array[POOLS].at + lab->next_pool;
	struct sl_backend *backends = (struct sl_backend *)lab->array[BACKENDS].at + lab->next_backend;
	uint64_t *slots = lab->array[POOL_SLOTS].at;

	if (sl_xdp_at(pool->pool.id, bank) >= lab->array[POOL_SLOTS].entries ||
	    lab->next_pool >= lab->array[POOLS].entries / 2 * (lab->half + 1) ||
	    lab->next_backend + pool->pool.slots > lab->array[BACKENDS].entries / 2 * (lab->half + 1))
		return -ENOSPC;
	*to = (struct sl_xdp_pool){ .pool = pool->pool, .backend = lab->next_backend };
	for (uint32_t slot = 0; slot < pool->pool.slots; slot++)
		backends[slot] = (struct sl_backend){ .slot = SL_SLOT_NONE };
	for (size_t i = 0; i < world->backend_count; i++)
		if (world->backends[i].pool == pool->pool.id && world->backends[i].slot < pool->pool.slots)
			backends[world->backends[i].slot] = world->backends[i];
	for (int kind = 0; kind < SL_TABLE_KIND_COUNT; kind++) {
		if (pool->table[kind] == NULL)
			continue;
		to->table[kind] = put_table(lab, pool->table[kind],
					    kind >= SL_TABLE_LENS_TCP ? pool->pool.lens_rows : pool->pool.rows);
		if (to->table[kind] == 0)
			return -ENOSPC;
	}
	slots[sl_xdp_at(pool->pool.id, bank)] = lab->next_pool++;
	lab->next_backend += pool->pool.slots;
	return 0;
}

static int put_bank(struct xdp_lab *lab, const struct xdp_lab_world *world, uint32_t bank)
{
	struct sl_xdp_settings *to = (struct sl_xdp_settings *)lab->array[SETTINGS].at + bank;
	struct sl_service *services = lab->array[SERVICES].at;
	uint64_t *slots = lab->array[POOL_SLOTS].at;
	int err = 0;

	*to = (struct sl_xdp_settings){
		.settings = world->settings,
		.generation = to->generation + SL_XDP_BANKS,
		.reply_cost_ns = sl_reply_cost_ns(world->settings.reply_rate),
		.flows_full = bpf_map__max_entries(lab->object->maps.flows) / 100 * SL_XDP_FULL_PERCENT,
		.starts = bpf_map__max_entries(lab->object->maps.starts),
	};
	for (size_t i = 0; i < world->listener_count; i++)
		to->any_port += world->listeners[i].port == 0;
	for (uint32_t at = bank; at < lab->array[SERVICES].entries; at += SL_XDP_BANKS)
		services[at] = (struct sl_service){ .id = UINT32_MAX };
	for (uint32_t at = bank; at < lab->array[POOL_SLOTS].entries; at += SL_XDP_BANKS)
		slots[at] = 0;
	for (size_t i = 0; i < world->service_count; i++) {
		if (sl_xdp_at(world->services[i].id, bank) >= lab->array[SERVICES].entries)
			return -ENOSPC;
		services[sl_xdp_at(world->services[i].id, bank)] = world->services[i];
	}
	for (size_t i = 0; i < world->pool_count && err == 0; i++)
		err = put_pool(lab, world, &world->pools[i], bank);
	return err;
}

static int compare(const void *a, const void *b, void *size)
{
	return memcmp(a, b, *(size_t *)size);
}

static bool has(const struct keys *keys, const void *key)
{
	size_t low = 0, high = keys->count;

	while (low < high) {
		const size_t middle = (low + high) / 2;
		const int order = memcmp(keys->key + middle * keys->key_size, key, keys->key_size);

		if (order == 0)
			return true;
		low = order < 0 ? middle + 1 : low;
		high = order < 0 ? high : middle;
	}
	return false;
}

/* `next` takes the place of `keys`; the keys that are gone leave the map. */
static int keep_keys(int fd, struct keys *keys, struct keys *next)
{
	int err = 0;

	qsort_r(next->key, next->count, next->key_size, compare, &next->key_size);
	for (size_t i = 0; i < keys->count && err == 0; i++) {
		const uint8_t *key = keys->key + i * keys->key_size;

		err = has(next, key) ? 0 : bpf_map_delete_elem(fd, key);
		err = err == -ENOENT ? 0 : err; /* named twice */
	}
	free(keys->key);
	*keys = *next;
	return err;
}

static struct sl_steering_listener listener_key(const struct sl_listener *listener)
{
	return (struct sl_steering_listener){ .addr = listener->addr, .port = listener->port, .proto = listener->proto };
}

/* What goes: vips, listeners, sources. */
static int remove_keys(struct xdp_lab *lab, const struct xdp_lab_world *world)
{
	struct keys vips = { calloc(world->vip_count + 1, sizeof(struct sl_addr)), sizeof(struct sl_addr), 0 };
	struct keys sources = { calloc(world->backend_count + 1, sizeof(struct sl_addr)), sizeof(struct sl_addr), 0 };
	struct keys listeners = { calloc(world->listener_count + 1, sizeof(struct sl_steering_listener)),
				  sizeof(struct sl_steering_listener), 0 };
	int err = 0;

	if (vips.key == NULL || sources.key == NULL || listeners.key == NULL) {
		free(vips.key);
		free(sources.key);
		free(listeners.key);
		return -ENOMEM;
	}
	for (; vips.count < world->vip_count; vips.count++)
		((struct sl_addr *)vips.key)[vips.count] = world->vips[vips.count].addr;
	for (; listeners.count < world->listener_count; listeners.count++)
		((struct sl_steering_listener *)listeners.key)[listeners.count] =
			listener_key(&world->listeners[listeners.count]);
	for (size_t i = 0; i < world->backend_count; i++)
		if (world->backends[i].outer_src.d[0] != 0 || world->backends[i].outer_src.d[1] != 0)
			((struct sl_addr *)sources.key)[sources.count++] = world->backends[i].outer_src;
	err = keep_keys(bpf_map__fd(lab->object->maps.vips), &lab->vips, &vips);
	if (err == 0)
		err = keep_keys(bpf_map__fd(lab->object->maps.listeners), &lab->listeners, &listeners);
	else
		free(listeners.key);
	if (err == 0)
		err = keep_keys(bpf_map__fd(lab->object->maps.sources), &lab->sources, &sources);
	else
		free(sources.key);
	return err;
}

/* What comes. */
static int add_keys(struct xdp_lab *lab, const struct xdp_lab_world *world)
{
	const uint32_t present = 0;
	int err = 0;

	for (size_t i = 0; i < lab->sources.count && err == 0; i++)
		err = bpf_map_update_elem(bpf_map__fd(lab->object->maps.sources),
					  lab->sources.key + i * lab->sources.key_size, &present, BPF_ANY);
	for (size_t i = 0; i < world->listener_count && err == 0; i++) {
		const struct sl_steering_listener key = listener_key(&world->listeners[i]);

		err = bpf_map_update_elem(bpf_map__fd(lab->object->maps.listeners), &key, &world->listeners[i].service,
					  BPF_ANY);
	}
	for (size_t i = 0; i < world->vip_count && err == 0; i++)
		err = bpf_map_update_elem(bpf_map__fd(lab->object->maps.vips), &world->vips[i].addr, &world->vips[i],
					  BPF_ANY);
	return err;
}

/* Ports and next hops lie at their numbers. What is not there any more is known by no number of its own. */
static int put_numbered(struct xdp_lab *lab, const struct xdp_lab_world *world)
{
	struct sl_neighbor *neighbors = lab->array[NEIGHBORS].at;
	struct sl_port *ports = lab->array[PORTS].at;

	for (uint32_t i = 0; i < lab->array[PORTS].entries; i++)
		ports[i] = (struct sl_port){ .index = UINT16_MAX };
	for (uint32_t i = 0; i < lab->array[NEIGHBORS].entries; i++)
		neighbors[i] = (struct sl_neighbor){ .id = UINT32_MAX };
	for (size_t i = 0; i < world->port_count; i++) {
		if (world->ports[i].index >= lab->array[PORTS].entries)
			return -ENOSPC;
		ports[world->ports[i].index] = world->ports[i];
	}
	for (size_t i = 0; i < world->neighbor_count; i++) {
		if (world->neighbors[i].id >= lab->array[NEIGHBORS].entries)
			return -ENOSPC;
		sl_xdp_neighbor_store(&neighbors[world->neighbors[i].id], &world->neighbors[i]);
	}
	return 0;
}

int xdp_lab_publish(struct xdp_lab *lab, const struct xdp_lab_world *world)
{
	struct sl_xdp_root *root = root_of(lab);
	const uint32_t bank = !root->bank;
	int err;

	lab->half = bank;
	lab->next_pool = bank ? lab->array[POOLS].entries / 2 : 1;
	lab->next_backend = bank ? lab->array[BACKENDS].entries / 2 : 0;
	lab->next_chunk = bank ? lab->array[ROWS].entries / 2 : 1;
	err = put_numbered(lab, world);
	if (err == 0)
		err = put_bank(lab, world, bank);
	if (err == 0)
		err = remove_keys(lab, world);
	if (err < 0)
		return err;
	root->version = SL_XDP_VERSION;
	root->action = SL_XDP_FORWARD;
	__atomic_store_n(&root->bank, bank, __ATOMIC_RELEASE);
	return add_keys(lab, world);
}
