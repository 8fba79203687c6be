/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pools: and their backends, and the same as they may stand inside a service.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "config_read.h"

/* ---- backends */

static const char *refuse_address(const struct sl_addr *addr)
{
	if (sl_addr_is_v4(addr)) {
		if (addr->b[12] == 0)
			return "is no address of a host";
		if (addr->b[12] == 127)
			return "is a loopback address";
		if (addr->b[12] >= 224 && addr->b[12] < 240)
			return "is a multicast address";
		if (addr->b[12] >= 240)
			return addr->w[3] == (__be32)0xffffffffu ? "is the broadcast address"
								 : "is a reserved address";
		return NULL;
	}
	if (addr->d[0] == 0 && addr->w[2] == 0)
		return addr->w[3] == 0               ? "is no address of a host"
		       : addr->w[3] == sl_bswap32(1) ? "is a loopback address"
						     : NULL;
	if (addr->b[0] == 0xff)
		return "is a multicast address";
	if (addr->b[0] == 0xfe && (addr->b[1] & 0xc0) == 0x80)
		return "is a link-local address";
	return NULL;
}

bool config_read_host_address(struct config_reader *reader, const struct sl_addr *addr,
			      struct config_mark mark, const struct config_path *path)
{
	const char *wrong = refuse_address(addr);
	char text[INET6_ADDRSTRLEN];

	if (!wrong)
		return true;
	config_format_address(addr, text, sizeof(text));
	config_errors_add(reader->errors, mark, path,
			  "%s %s; allowed: a unicast address that other machines can reach", text, wrong);
	return false;
}

/* Returns false when the backend is not usable for further checks. */
static bool read_backend(struct config_reader *reader, const struct config_node *node,
			 const struct config_path *path, struct config_backend *backend)
{
	const struct config_path key = { .parent = path, .key = "address" };
	const struct config_node *address = node;
	struct config_reason reason;

	config_read_section(reader, "pools[].backends[]", NULL, path, backend);
	backend->line = node->mark.line;
	backend->column = node->mark.column;
	if (node->kind == CONFIG_NODE_TEXT) {
		if (!config_value_address(node->text, &backend->address, &reason)) {
			config_read_refuse(reader, node, "pools[].backends[].address", path, &reason);
			return false;
		}
	} else {
		const size_t before = config_errors_count(reader->errors);

		if (!config_read_expect(reader, node, CONFIG_NODE_MAP, "pools[].backends", path))
			return false;
		config_read_section(reader, "pools[].backends[]", node, path, backend);
		address = config_node_get(node, "address");
		if (!address || config_errors_count(reader->errors) > before)
			return false;
		backend->line = address->mark.line;
		backend->column = address->mark.column;
	}
	if (!backend->name[0])
		config_format_address(&backend->address, backend->name, sizeof(backend->name));
	return config_read_host_address(reader, &backend->address, address->mark,
					address == node ? path : &key);
}

static void refuse_twins(struct config_reader *reader, const struct config_pool *pool,
			 struct config_index *names, struct config_index *addresses,
			 const struct config_node *node, const struct config_path *path)
{
	const struct config_backend *backend = &pool->backends[pool->backend_count - 1];
	char text[INET6_ADDRSTRLEN];
	size_t first = 0;
	int name, address;

	name = config_index_put(names, backend->name, strlen(backend->name), pool->backend_count - 1, &first);
	if (name == 0)
		config_errors_add(
			reader->errors, node->mark, path,
			"the name \"%s\" is taken by the backend in line %u; allowed: different names",
			backend->name, pool->backends[first].line);
	address = config_index_put(addresses, &backend->address, sizeof(backend->address),
				   pool->backend_count - 1, &first);
	if (address == 0 && name != 0) {
		config_format_address(&backend->address, text, sizeof(text));
		config_errors_add(
			reader->errors, node->mark, path,
			"%s is already the address of backend \"%s\" in line %u; allowed: once in a pool",
			text, pool->backends[first].name, pool->backends[first].line);
	}
	if (name < 0 || address < 0)
		config_errors_no_memory(reader->errors);
}

static void check_shares(struct config_reader *reader, const struct config_pool *pool,
			 const struct config_node *list, const struct config_path *path)
{
	uint64_t weights = 0;
	bool serving = false;

	for (size_t i = 0; i < pool->backend_count; i++) {
		weights += pool->backends[i].weight;
		serving |= pool->backends[i].role == CONFIG_ROLE_PRIMARY;
	}
	if (weights == 0)
		config_errors_add(
			reader->errors, list->mark, path,
			"every weight is 0, so nobody would serve; allowed: at least one weight above 0");
	else if (!serving)
		config_errors_add(reader->errors, list->mark, path,
				  "every backend is a backup; allowed: at least one with role: primary");
}

static void read_backends(struct config_reader *reader, const struct config_node *list,
			  const struct config_path *path, struct config_pool *pool,
			  struct config_pool_origin *origin)
{
	struct config_index *names = NULL, *addresses = NULL;
	bool good = true;

	if (!config_read_expect(reader, list, CONFIG_NODE_LIST, "pools[].backends", path))
		return;
	if (list->count == 0 || list->count > SL_SLOT_MAX) {
		config_errors_add(reader->errors, list->mark, path, "%zu backends; allowed: 1 to %d",
				  list->count, SL_SLOT_MAX);
		return;
	}
	pool->backends = config_read_alloc(reader, list->count, sizeof(*pool->backends));
	names = config_index_create(list->count);
	addresses = config_index_create(list->count);
	if (!pool->backends || !names || !addresses) {
		config_errors_no_memory(reader->errors);
		goto out;
	}
	for (size_t i = 0; i < list->count; i++) {
		const struct config_node *node = list->items[i];
		const struct config_path item = { .parent = path,
						  .name = config_read_name(node, "name"),
						  .index = i };

		if (read_backend(reader, node, &item, &pool->backends[pool->backend_count])) {
			pool->backend_count++;
			refuse_twins(reader, pool, names, addresses, node, &item);
		} else {
			memset(&pool->backends[pool->backend_count], 0, sizeof(pool->backends[0]));
			good = false;
		}
	}
	if (good)
		check_shares(reader, pool, list, path);
	origin->complete = good;
out:
	config_index_destroy(names);
	config_index_destroy(addresses);
}

/* ---- pools */

static void check_table_size(struct config_reader *reader, const struct config_pool *pool,
			     const struct config_node *map, const struct config_path *path)
{
	const struct config_path here = { .parent = path, .key = "table-size" };
	const struct config_node *node = config_node_get(map, "table-size");
	const struct config_mark mark = node ? node->mark : (struct config_mark){ pool->line, pool->column };
	uint64_t below = pool->table_size, above = pool->table_size;

	if (pool->table_size == 0)
		return;
	if (!config_is_prime(pool->table_size)) {
		while (!config_is_prime(below))
			below--;
		while (!config_is_prime(above))
			above++;
		config_errors_add(reader->errors, mark, &here,
				  "%u is no prime; allowed: the nearest primes are %ju and %ju",
				  pool->table_size, (uintmax_t)below, (uintmax_t)above);
	} else if (pool->table_size < pool->backend_count) {
		config_errors_add(reader->errors, mark, &here,
				  "%u rows for %zu backends leave some without a row; allowed: at least one "
				  "row each, better 100",
				  pool->table_size, pool->backend_count);
	} else if (pool->table_size < 100 * pool->backend_count) {
		config_errors_warn(reader->errors, mark, &here,
				   "%u rows for %zu backends make uneven shares; better: 100 rows for each",
				   pool->table_size, pool->backend_count);
	}
}

static void check_pool(struct config_reader *reader, const struct config_pool *pool,
		       const struct config_node *map, const struct config_path *path)
{
	const struct config_path here = { .parent = path, .key = "min-healthy" };
	const struct config_path linger = { .parent = path, .key = "linger" };
	const struct config_node *node = config_node_get(map, "min-healthy");

	check_table_size(reader, pool, map, path);
	if (config_node_get(map, "linger") && pool->on_down_reset && pool->linger_ms > 0)
		config_errors_warn(reader->errors, config_node_get(map, "linger")->mark, &linger,
				   "counts for nothing with on-down: reset; better: leave out one of the two");
	if (node && pool->min_healthy > pool->backend_count)
		config_errors_add(reader->errors, node->mark, &here,
				  "%u is more than the %zu backends, so the VIP would never appear; allowed: "
				  "at most %zu",
				  pool->min_healthy, pool->backend_count, pool->backend_count);
}

/* The next pool, under its name. A name that is taken is reported. */
static struct config_pool *new_pool(struct config_reader *reader, const struct config_node *node,
				    const char *name, const struct config_path *path, bool in_service)
{
	struct config *config = reader->config;
	struct config_pool *pool = &config->pools[config->pool_count];
	size_t first = 0;
	int is_new = 1;

	*pool = (struct config_pool){ .check = -1, .line = node->mark.line, .column = node->mark.column };
	snprintf(pool->name, sizeof(pool->name), "%s", name);
	if (name[0])
		is_new = config_index_put(reader->pool_index, pool->name, strlen(pool->name),
					  config->pool_count, &first);
	if (is_new < 0)
		config_errors_no_memory(reader->errors);
	if (is_new == 0)
		config_errors_add(reader->errors, node->mark, path,
				  "%s \"%s\" is taken by the pool in line %u; allowed: different names",
				  in_service ? "its backends make a pool, whose name" : "the name", name,
				  config->pools[first].line);
	reader->pool_origins[config->pool_count].in_service = in_service;
	config->pool_count++;
	return pool;
}

/* `check:` and `backends:`, the same in pools and services. */
static void read_members(struct config_reader *reader, const struct config_node *map,
			 const struct config_path *path, struct config_pool *pool)
{
	const struct config_path check_path = { .parent = path, .key = "check" };
	const struct config_path backends_path = { .parent = path, .key = "backends" };
	struct config_pool_origin *origin = &reader->pool_origins[pool - reader->config->pools];
	const struct config_node *check = config_node_get(map, "check"),
				 *backends = config_node_get(map, "backends");

	if (check) {
		origin->check = check->mark;
		pool->check = config_read_pool_check(reader, check, &check_path, pool->name);
	}
	if (backends)
		read_backends(reader, backends, &backends_path, pool, origin);
}

static void read_idle(struct config_reader *reader, const struct config_node *map,
		      const struct config_path *path, struct config_pool *pool)
{
	const struct config_path here = { .parent = path, .key = "connection-idle" };
	const struct config_node *node = config_node_get(map, "connection-idle");

	if (node)
		node = config_read_expect(reader, node, CONFIG_NODE_MAP, "pools[].connection-idle", &here);
	config_read_section(reader, "pools[].connection-idle", node, &here, pool);
}

void config_read_pools(struct config_reader *reader, const struct config_node *list)
{
	const struct config_path path = { .key = "pools" };

	if (!list || !config_read_expect(reader, list, CONFIG_NODE_LIST, "pools", &path))
		return;
	for (size_t i = 0; i < list->count; i++) {
		const struct config_node *node = list->items[i];
		const char *name = config_read_name(node, "name");
		const struct config_path item = { .parent = &path, .name = name, .index = i };
		struct config_pool *pool;

		if (!config_read_expect(reader, node, CONFIG_NODE_MAP, "pools", &item))
			continue;
		pool = new_pool(reader, node, name ? name : "", &item, false);
		config_read_section(reader, "pools[]", node, &item, pool);
		read_idle(reader, node, &item, pool);
		read_members(reader, node, &item, pool);
		if (reader->pool_origins[pool - reader->config->pools].complete)
			check_pool(reader, pool, node, &item);
	}
}

int config_read_service_pool(struct config_reader *reader, const struct config_node *service,
			     const struct config_path *path, const char *name)
{
	struct config_pool *pool = new_pool(reader, service, name, path, true);
	const size_t index = (size_t)(pool - reader->config->pools);

	config_read_section(reader, "pools[]", NULL, path, pool);
	read_idle(reader, NULL, path, pool);
	read_members(reader, service, path, pool);
	if (reader->pool_origins[index].complete)
		check_pool(reader, pool, NULL, path);
	return (int)index;
}
