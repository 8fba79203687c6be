/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * checks: and pools:, and the same as they may stand inside a service.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "config_read.h"

/* What only one type of check has. */
static void refuse_foreign_keys(struct config_reader *reader, const struct config_node *map, const struct config_path *path,
				const struct config_check *check)
{
	static const struct {
		const char *key;
		enum config_check_type type;
		const char *name;
	} owners[] = { { "path", CONFIG_CHECK_HTTP, "http" }, { "host", CONFIG_CHECK_HTTP, "http" }, { "status", CONFIG_CHECK_HTTP, "http" },
		       { "body", CONFIG_CHECK_HTTP, "http" }, { "query", CONFIG_CHECK_DNS, "dns" } };

	for (size_t i = 0; i < map->count; i++) {
		const struct config_path here = { .parent = path, .key = map->keys[i]->text };

		for (size_t k = 0; k < sizeof(owners) / sizeof(owners[0]); k++)
			if (strcmp(owners[k].key, map->keys[i]->text) == 0 && owners[k].type != check->type)
				config_errors_add(reader->errors, map->keys[i]->mark, &here, "only checks with type: %s have this key; allowed: leave it out",
						  owners[k].name);
		if (check->type == CONFIG_CHECK_ICMP && strcmp(map->keys[i]->text, "port") == 0)
			config_errors_add(reader->errors, map->keys[i]->mark, &here, "an echo has no port; allowed: leave it out");
	}
}

static bool is_visible(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f)
			return false;
	return true;
}

static bool check_http_path(const char *text, struct config_reason *reason)
{
	if (text[0] == '/' && is_visible(text))
		return true;
	snprintf(reason->text, sizeof(reason->text), "%s", text[0] == '/' ? "has blanks or other characters that need %-escapes" : "does not begin with \"/\"");
	return false;
}

static void check_values(struct config_reader *reader, const struct config_node *map, const struct config_path *path,
			 struct config_check *check)
{
	const struct config_path at_path = { .parent = path, .key = "path" }, at_host = { .parent = path, .key = "host" };
	const struct config_path at_timeout = { .parent = path, .key = "timeout" };
	const struct config_node *timeout = config_node_get(map, "timeout"), *interval = config_node_get(map, "interval");
	struct config_reason reason;
	char time[32], limit[32];

	if (check->path && !check_http_path(check->path, &reason))
		config_read_refuse(reader, config_node_get(map, "path"), "checks.*.path", &at_path, &reason);
	if (check->host && !is_visible(check->host)) {
		snprintf(reason.text, sizeof(reason.text), "has blanks or other characters that no host name has");
		config_read_refuse(reader, config_node_get(map, "host"), "checks.*.host", &at_host, &reason);
	}
	if (check->timeout_ms > check->interval_ms && timeout) {
		config_format_duration(check->timeout_ms, time, sizeof(time));
		config_format_duration(check->interval_ms, limit, sizeof(limit));
		config_errors_add(reader->errors, timeout->mark, &at_timeout, "%s is longer than the interval; allowed: at most %s", time, limit);
	} else if (check->timeout_ms > check->interval_ms && interval) {
		check->timeout_ms = check->interval_ms; /* the default is cut, not an error */
	}
}

static void read_check_map(struct config_reader *reader, const struct config_node *map, const struct config_path *path,
			   struct config_check *check)
{
	const size_t before = config_errors_count(reader->errors);

	check->line = map->mark.line;
	config_read_section(reader, "checks.*", map, path, check);
	if (!config_node_get(map, "type") || config_errors_count(reader->errors) > before)
		return; /* what follows would only repeat it */
	refuse_foreign_keys(reader, map, path, check);
	check_values(reader, map, path, check);
	if (check->type == CONFIG_CHECK_HTTP && !check->path)
		check->path = config_arena_text(reader->config->memory, "/", 1);
}

void config_read_checks(struct config_reader *reader, const struct config_node *map)
{
	const struct config_path path = { .key = "checks" };
	struct config *config = reader->config;
	struct config_reason reason;
	size_t first;

	if (!map || !config_read_expect(reader, map, CONFIG_NODE_MAP, "checks", &path))
		return;
	for (size_t i = 0; i < map->count; i++) {
		const struct config_node *key = map->keys[i], *node = map->items[i];
		const struct config_path here = { .parent = &path, .key = key->text };
		struct config_check *check = &config->checks[config->check_count];

		if (!config_value_name(key->text, key->text_len, &reason)) {
			config_read_refuse(reader, key, "pools[].name", &path, &reason);
			continue;
		}
		memcpy(check->name, key->text, key->text_len);
		if (config_index_put(reader->check_index, check->name, key->text_len, config->check_count, &first) < 0)
			config_errors_no_memory(reader->errors);
		config->check_count++;
		if (config_read_expect(reader, node, CONFIG_NODE_MAP, "checks", &here))
			read_check_map(reader, node, &here, check);
	}
	reader->named_checks = config->check_count;
}

/* "tcp", "tcp 8080", "http", "http /healthz", "icmp". */
static void read_short_check(struct config_reader *reader, const struct config_node *node, const struct config_path *path,
			     struct config_check *check)
{
	const char *rest = node->text + strcspn(node->text, " ");
	struct config_reason reason;
	uint64_t port;

	check->line = node->mark.line;
	config_read_section(reader, "checks.*", NULL, path, check);
	check->type = node->text[0] == 't' ? CONFIG_CHECK_TCP : node->text[0] == 'h' ? CONFIG_CHECK_HTTP : CONFIG_CHECK_ICMP;
	rest += strspn(rest, " ");
	if (check->type == CONFIG_CHECK_HTTP) {
		check->path = config_arena_text(reader->config->memory, *rest ? rest : "/", *rest ? strlen(rest) : 1);
		if (!check->path)
			config_errors_no_memory(reader->errors);
		else if (!check_http_path(check->path, &reason))
			config_errors_add(reader->errors, node->mark, path, "the path \"%.60s\" %s; allowed: \"http /PATH\", or a map with the keys of a check",
					  rest, reason.text);
	} else if (check->type == CONFIG_CHECK_TCP && *rest) {
		if (!config_value_number(rest, &port, &reason) || port < 1 || port > 65535)
			config_errors_add(reader->errors, node->mark, path, "\"%.20s\" is no port; allowed: \"tcp PORT\" with 1 to 65535", rest);
		else
			check->port = (uint16_t)port;
	} else if (*rest) {
		config_errors_add(reader->errors, node->mark, path, "\"%.20s\" means nothing to an echo; allowed: \"icmp\"", rest);
	}
}

static bool is_short_check(const char *text)
{
	const size_t len = strcspn(text, " ");

	return (len == 3 && memcmp(text, "tcp", 3) == 0) || (len == 4 && memcmp(text, "http", 4) == 0) ||
	       (len == 4 && memcmp(text, "icmp", 4) == 0);
}

static int unknown_check(struct config_reader *reader, const struct config_node *node, const struct config_path *path)
{
	struct config_suggestion near = { .wrong = node->text };
	struct config_reason reason = { "is no check" };

	for (size_t i = 0; i < reader->named_checks; i++)
		config_suggest(&near, reader->config->checks[i].name);
	if (near.best)
		snprintf(reason.text, sizeof(reason.text), "is no check, did you mean \"%s\"?", near.best);
	config_read_refuse(reader, node, "pools[].check", path, &reason);
	return -1;
}

int config_read_pool_check(struct config_reader *reader, const struct config_node *node, const struct config_path *path,
			   const char *pool_name)
{
	struct config_check *check = &reader->config->checks[reader->config->check_count];
	size_t known;

	if (node->kind != CONFIG_NODE_MAP && !config_read_expect(reader, node, CONFIG_NODE_TEXT, "pools[].check", path))
		return -1;
	if (node->kind == CONFIG_NODE_TEXT) {
		if (config_index_get(reader->check_index, node->text, node->text_len, &known))
			return (int)known;
		if (!is_short_check(node->text))
			return unknown_check(reader, node, path);
	}
	if (config_index_get(reader->check_index, pool_name, strlen(pool_name), &known))
		config_errors_add(reader->errors, node->mark, path,
				  "a check written here is called \"%s\", like the one in line %u; allowed: the name of that check, or another name for it",
				  pool_name, reader->config->checks[known].line);
	snprintf(check->name, sizeof(check->name), "%s", pool_name);
	reader->config->check_count++;
	if (node->kind == CONFIG_NODE_MAP)
		read_check_map(reader, node, path, check);
	else
		read_short_check(reader, node, path, check);
	return (int)(check - reader->config->checks);
}

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
			return addr->w[3] == (__be32)0xffffffffu ? "is the broadcast address" : "is a reserved address";
		return NULL;
	}
	if (addr->d[0] == 0 && addr->w[2] == 0)
		return addr->w[3] == 0 ? "is no address of a host" : addr->w[3] == sl_bswap32(1) ? "is a loopback address" : NULL;
	if (addr->b[0] == 0xff)
		return "is a multicast address";
	if (addr->b[0] == 0xfe && (addr->b[1] & 0xc0) == 0x80)
		return "is a link-local address";
	return NULL;
}

bool config_read_host_address(struct config_reader *reader, const struct sl_addr *addr, struct config_mark mark,
			      const struct config_path *path)
{
	const char *wrong = refuse_address(addr);
	char text[INET6_ADDRSTRLEN];

	if (!wrong)
		return true;
	config_format_address(addr, text, sizeof(text));
	config_errors_add(reader->errors, mark, path, "%s %s; allowed: a unicast address that other machines can reach", text, wrong);
	return false;
}

/* Returns false when the backend is not usable for further checks. */
static bool read_backend(struct config_reader *reader, const struct config_node *node, const struct config_path *path,
			 struct config_backend *backend)
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
	return config_read_host_address(reader, &backend->address, address->mark, address == node ? path : &key);
}

static void refuse_twins(struct config_reader *reader, const struct config_pool *pool, struct config_index *names,
			 struct config_index *addresses, const struct config_node *node, const struct config_path *path)
{
	const struct config_backend *backend = &pool->backends[pool->backend_count - 1];
	char text[INET6_ADDRSTRLEN];
	size_t first = 0;
	int name, address;

	name = config_index_put(names, backend->name, strlen(backend->name), pool->backend_count - 1, &first);
	if (name == 0)
		config_errors_add(reader->errors, node->mark, path, "the name \"%s\" is taken by the backend in line %u; allowed: different names",
				  backend->name, pool->backends[first].line);
	address = config_index_put(addresses, &backend->address, sizeof(backend->address), pool->backend_count - 1, &first);
	if (address == 0 && name != 0) {
		config_format_address(&backend->address, text, sizeof(text));
		config_errors_add(reader->errors, node->mark, path, "%s is already the address of backend \"%s\" in line %u; allowed: once in a pool",
				  text, pool->backends[first].name, pool->backends[first].line);
	}
	if (name < 0 || address < 0)
		config_errors_no_memory(reader->errors);
}

static void check_shares(struct config_reader *reader, const struct config_pool *pool, const struct config_node *list,
			 const struct config_path *path)
{
	uint64_t weights = 0;
	bool serving = false;

	for (size_t i = 0; i < pool->backend_count; i++) {
		weights += pool->backends[i].weight;
		serving |= pool->backends[i].role == CONFIG_ROLE_PRIMARY;
	}
	if (weights == 0)
		config_errors_add(reader->errors, list->mark, path, "every weight is 0, so nobody would serve; allowed: at least one weight above 0");
	else if (!serving)
		config_errors_add(reader->errors, list->mark, path, "every backend is a backup; allowed: at least one with role: primary");
}

static void read_backends(struct config_reader *reader, const struct config_node *list, const struct config_path *path,
			  struct config_pool *pool, struct config_pool_origin *origin)
{
	struct config_index *names = NULL, *addresses = NULL;
	bool good = true;

	if (!config_read_expect(reader, list, CONFIG_NODE_LIST, "pools[].backends", path))
		return;
	if (list->count == 0 || list->count > SL_SLOT_MAX) {
		config_errors_add(reader->errors, list->mark, path, "%zu backends; allowed: 1 to %d", list->count, SL_SLOT_MAX);
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
		const struct config_path item = { .parent = path, .name = config_read_name(node, "name"), .index = i };

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

static void check_table_size(struct config_reader *reader, const struct config_pool *pool, const struct config_node *map,
			     const struct config_path *path)
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
		config_errors_add(reader->errors, mark, &here, "%u is no prime; allowed: the nearest primes are %ju and %ju",
				  pool->table_size, (uintmax_t)below, (uintmax_t)above);
	} else if (pool->table_size < pool->backend_count) {
		config_errors_add(reader->errors, mark, &here, "%u rows for %zu backends leave some without a row; allowed: at least one row each, better 100",
				  pool->table_size, pool->backend_count);
	} else if (pool->table_size < 100 * pool->backend_count) {
		config_errors_warn(reader->errors, mark, &here, "%u rows for %zu backends make uneven shares; better: 100 rows for each",
				   pool->table_size, pool->backend_count);
	}
}

static void check_pool(struct config_reader *reader, const struct config_pool *pool, const struct config_node *map,
		       const struct config_path *path)
{
	const struct config_path here = { .parent = path, .key = "min-healthy" };
	const struct config_node *node = config_node_get(map, "min-healthy");

	check_table_size(reader, pool, map, path);
	if (node && pool->min_healthy > pool->backend_count)
		config_errors_add(reader->errors, node->mark, &here, "%u is more than the %zu backends, so the VIP would never appear; allowed: at most %zu",
				  pool->min_healthy, pool->backend_count, pool->backend_count);
}

/* The next pool, under its name; NULL after reporting that the name is taken. */
static struct config_pool *new_pool(struct config_reader *reader, const struct config_node *node, const char *name,
				    const struct config_path *path, bool in_service)
{
	struct config *config = reader->config;
	struct config_pool *pool = &config->pools[config->pool_count];
	size_t first = 0;
	int is_new = 1;

	*pool = (struct config_pool){ .check = -1, .line = node->mark.line, .column = node->mark.column };
	snprintf(pool->name, sizeof(pool->name), "%s", name);
	if (name[0])
		is_new = config_index_put(reader->pool_index, pool->name, strlen(pool->name), config->pool_count, &first);
	if (is_new < 0)
		config_errors_no_memory(reader->errors);
	if (is_new == 0)
		config_errors_add(reader->errors, node->mark, path, "%s \"%s\" is taken by the pool in line %u; allowed: different names",
				  in_service ? "its backends make a pool, whose name" : "the name", name, config->pools[first].line);
	reader->pool_origins[config->pool_count].in_service = in_service;
	config->pool_count++;
	return pool;
}

/* `check:` and `backends:`, the same in pools and services. */
static void read_members(struct config_reader *reader, const struct config_node *map, const struct config_path *path,
			 struct config_pool *pool)
{
	const struct config_path check_path = { .parent = path, .key = "check" };
	const struct config_path backends_path = { .parent = path, .key = "backends" };
	struct config_pool_origin *origin = &reader->pool_origins[pool - reader->config->pools];
	const struct config_node *check = config_node_get(map, "check"), *backends = config_node_get(map, "backends");

	if (check) {
		origin->check = check->mark;
		pool->check = config_read_pool_check(reader, check, &check_path, pool->name);
	}
	if (backends)
		read_backends(reader, backends, &backends_path, pool, origin);
}

static void read_idle(struct config_reader *reader, const struct config_node *map, const struct config_path *path,
		      struct config_pool *pool)
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
