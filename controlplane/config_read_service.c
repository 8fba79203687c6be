/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * services: and vips:. A service names a pool, or makes one of its own from `backends:`.
 */
#include <stdio.h>
#include <string.h>

#include "config_read.h"

static void read_listener(struct config_reader *reader, const struct config_node *node,
			  const struct config_path *path, struct config_service *service)
{
	struct config_listener *listener = &service->listeners[service->listener_count];
	struct config_reason reason;

	if (!config_read_expect(reader, node, CONFIG_NODE_TEXT, "services[].listen", path))
		return;
	if (!config_value_listener(node->text, &listener->proto, &listener->address, &listener->port,
				   &reason)) {
		config_read_refuse(reader, node, "services[].listen", path, &reason);
		return;
	}
	if (!config_read_host_address(reader, &listener->address, node->mark, path))
		return;
	listener->line = node->mark.line;
	listener->column = node->mark.column;
	service->listener_count++;
}

static void read_listeners(struct config_reader *reader, const struct config_node *node,
			   const struct config_path *path, struct config_service *service)
{
	const struct config_path here = { .parent = path, .key = "listen" };

	service->listeners = config_read_alloc(reader, node->kind == CONFIG_NODE_LIST ? node->count : 1,
					       sizeof(*service->listeners));
	if (!service->listeners)
		return;
	if (node->kind != CONFIG_NODE_LIST) {
		read_listener(reader, node, &here, service);
		return;
	}
	if (node->count == 0)
		config_errors_add(reader->errors, node->mark, &here,
				  "the list is empty, so nothing would reach the service; allowed: at least "
				  "one listener");
	for (size_t i = 0; i < node->count; i++) {
		const struct config_path item = { .parent = &here, .index = i };

		read_listener(reader, node->items[i], &item, service);
	}
}

static int find_pool(struct config_reader *reader, const struct config_node *node,
		     const struct config_path *path)
{
	struct config_suggestion near = { .wrong = node->text };
	struct config_reason reason = { "is no pool" };
	size_t known;

	if (!config_read_expect(reader, node, CONFIG_NODE_TEXT, "services[].pool", path))
		return -1;
	if (config_index_get(reader->pool_index, node->text, node->text_len, &known) &&
	    !reader->pool_origins[known].in_service)
		return (int)known;
	for (size_t i = 0; i < reader->config->pool_count && !config_errors_full(reader->errors); i++)
		if (!reader->pool_origins[i].in_service)
			config_suggest(&near, reader->config->pools[i].name);
	if (near.best)
		snprintf(reason.text, sizeof(reason.text), "is no pool (did you mean \"%s\"?)", near.best);
	config_read_refuse(reader, node, "services[].pool", path, &reason);
	return -1;
}

static void read_pool(struct config_reader *reader, const struct config_node *map,
		      const struct config_path *path, struct config_service *service)
{
	const struct config_path pool_path = { .parent = path, .key = "pool" },
				 check_path = { .parent = path, .key = "check" };
	const struct config_path backends_path = { .parent = path, .key = "backends" };
	const struct config_node *pool = config_node_get(map, "pool"), *check = config_node_get(map, "check");
	const struct config_node *backends = config_node_get(map, "backends");

	if (pool && backends) {
		config_errors_add(reader->errors, backends->mark, &backends_path,
				  "there is also pool: in line %u; allowed: one of the two", pool->mark.line);
		return;
	}
	if (pool && check)
		config_errors_add(reader->errors, check->mark, &check_path,
				  "the pool has the check; allowed: check: in the pool, or beside backends:");
	if (pool)
		service->pool = find_pool(reader, pool, &pool_path);
	else if (backends)
		service->pool = config_read_service_pool(reader, map, path, service->name);
	else
		config_errors_add(reader->errors, map->mark, path,
				  "nobody serves it; needed: pool: with the name of a pool, or backends:");
}

void config_read_services(struct config_reader *reader, const struct config_node *list)
{
	const struct config_path path = { .key = "services" };
	struct config *config = reader->config;
	struct config_index *names;
	size_t first = 0;

	if (!list || !config_read_expect(reader, list, CONFIG_NODE_LIST, "services", &path))
		return;
	if (list->count == 0 || list->count > SL_SERVICES_MAX)
		config_errors_add(reader->errors, list->mark, &path, "%zu services; allowed: 1 to %d",
				  list->count, SL_SERVICES_MAX);
	names = config_index_create(list->count);
	if (!names)
		config_errors_no_memory(reader->errors);
	for (size_t i = 0; i < list->count && names; i++) {
		const struct config_node *node = list->items[i];
		const char *name = config_read_name(node, "name");
		const struct config_path item = { .parent = &path, .name = name, .index = i };
		struct config_service *service = &config->services[config->service_count];

		if (!config_read_expect(reader, node, CONFIG_NODE_MAP, "services", &item))
			continue;
		*service = (struct config_service){ .pool = -1,
						    .line = node->mark.line,
						    .column = node->mark.column };
		config->service_count++;
		config_read_section(reader, "services[]", node, &item, service);
		if (name && config_index_put(names, name, strlen(name), i, &first) == 0)
			config_errors_add(reader->errors, node->mark, &item,
					  "the name \"%s\" is taken by the service in line %u; allowed: "
					  "different names",
					  name, list->items[first]->mark.line);
		if (config_node_get(node, "listen"))
			read_listeners(reader, config_node_get(node, "listen"), &item, service);
		read_pool(reader, node, &item, service);
	}
	config_index_destroy(names);
}

/* One for every address that something listens on, in order of appearance. */
static struct config_index *collect_vips(struct config_reader *reader)
{
	struct config *config = reader->config;
	size_t count = 0, first = 0;
	struct config_index *index;

	for (size_t i = 0; i < config->service_count; i++)
		count += config->services[i].listener_count;
	config->vips = config_read_alloc(reader, count, sizeof(*config->vips));
	index = config_index_create(count);
	if (!config->vips || !index) {
		config_errors_no_memory(reader->errors);
		return index;
	}
	for (size_t i = 0; i < config->service_count; i++) {
		const struct config_service *service = &config->services[i];

		for (size_t k = 0; k < service->listener_count; k++) {
			struct config_vip *vip = &config->vips[config->vip_count];
			int is_new;

			vip->address = service->listeners[k].address;
			vip->no_service = SL_OTHERWISE_DROP;
			is_new = config_index_put(index, &vip->address, sizeof(vip->address),
						  config->vip_count, &first);
			if (is_new < 0)
				config_errors_no_memory(reader->errors);
			config->vip_count += is_new > 0;
		}
	}
	return index;
}

static void read_vip(struct config_reader *reader, const struct config_node *map,
		     const struct config_path *path, struct config_index *index, unsigned int *lines)
{
	const struct config_path here = { .parent = path, .key = "address" };
	const struct config_node *address = config_node_get(map, "address");
	const size_t before = config_errors_count(reader->errors);
	struct config_vip vip = { 0 };
	size_t known;

	config_read_section(reader, "vips[]", map, path, &vip);
	if (!address || config_errors_count(reader->errors) > before)
		return;
	if (!config_index_get(index, &vip.address, sizeof(vip.address), &known))
		config_errors_add(reader->errors, address->mark, &here,
				  "no service listens on %.60s; allowed: the address of a listener",
				  address->text);
	else if (lines[known])
		config_errors_add(reader->errors, address->mark, &here,
				  "%.60s is here twice, first in line %u; allowed: once", address->text,
				  lines[known]);
	else {
		reader->config->vips[known].no_service = vip.no_service;
		lines[known] = address->mark.line;
	}
}

void config_read_vips(struct config_reader *reader, const struct config_node *list)
{
	const struct config_path path = { .key = "vips" };
	struct config_index *index = collect_vips(reader);
	unsigned int *lines;

	if (!index || !list || !config_read_expect(reader, list, CONFIG_NODE_LIST, "vips", &path))
		goto out;
	lines = config_read_alloc(reader, reader->config->vip_count, sizeof(*lines));
	for (size_t i = 0; i < list->count && lines; i++) {
		const struct config_path item = { .parent = &path, .index = i };

		if (config_read_expect(reader, list->items[i], CONFIG_NODE_MAP, "vips", &item))
			read_vip(reader, list->items[i], &item, index, lines);
	}
out:
	config_index_destroy(index);
}
