/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What takes more than one object to be wrong: overlapping listeners, backends that are VIPs or out
 * of reach, probes without a port. Runs on what could be read, so that one run shows every error.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "config_read.h"

/* The three parts of a path to an item of an item's list: services[www].listen[2]. */
struct place {
	struct config_path list, item, key, sub;
};

static const struct config_path *place_of(struct place *place, const char *list, const char *name,
					  size_t index, const char *key)
{
	place->list = (struct config_path){ .key = list };
	place->item = (struct config_path){ .parent = &place->list,
					    .name = name && name[0] ? name : NULL,
					    .index = index };
	place->key = (struct config_path){ .parent = &place->item, .key = key };
	return key ? &place->key : &place->item;
}

static const struct config_path *pool_place(struct place *place, const struct config_reader *reader,
					    size_t pool, const char *key)
{
	const bool in_service = reader->pool_origins[pool].in_service;

	return place_of(place, in_service ? "services" : "pools", reader->config->pools[pool].name, pool,
			key);
}

static const struct config_path *backend_place(struct place *place, const struct config_reader *reader,
					       size_t pool, size_t backend)
{
	place->sub = (struct config_path){ .parent = pool_place(place, reader, pool, "backends"),
					   .name = reader->config->pools[pool].backends[backend].name };
	return &place->sub;
}

static const char *proto_name(uint8_t proto)
{
	return proto == IPPROTO_TCP ? "tcp" : "udp";
}

/* The same protocol, address and port twice. A `*` beside a port is no overlap: the exact one wins. */
static void check_listeners(struct config_reader *reader)
{
	const struct config *config = reader->config;
	struct {
		struct sl_addr address;
		uint16_t port;
		uint16_t proto;
	} * keys;
	const struct config_listener **firsts;
	struct config_index *index;
	size_t total = 0, n = 0, first = 0;

	for (size_t i = 0; i < config->service_count; i++)
		total += config->services[i].listener_count;
	keys = config_read_alloc(reader, total, sizeof(*keys));
	firsts = config_read_alloc(reader, total, sizeof(*firsts));
	index = config_index_create(total);
	if (!keys || !firsts || !index) {
		config_errors_no_memory(reader->errors);
		goto out;
	}
	for (size_t i = 0; i < config->service_count; i++) {
		const struct config_service *service = &config->services[i];

		for (size_t k = 0; k < service->listener_count; k++, n++) {
			const struct config_listener *listener = &service->listeners[k];
			char text[INET6_ADDRSTRLEN], port[8] = "*";
			struct place place;
			int is_new;

			keys[n].address = listener->address;
			keys[n].port = listener->port;
			keys[n].proto = listener->proto;
			firsts[n] = listener;
			is_new = config_index_put(index, &keys[n], sizeof(keys[n]), n, &first);
			if (is_new < 0)
				config_errors_no_memory(reader->errors);
			if (is_new != 0)
				continue;
			config_format_address(&listener->address, text, sizeof(text));
			if (listener->port)
				snprintf(port, sizeof(port), "%u", listener->port);
			config_errors_add(
				reader->errors, (struct config_mark){ listener->line, listener->column },
				place_of(&place, "services", service->name, i, "listen"),
				"%s %s port %s is already listened on in line %u; allowed: each once",
				proto_name(listener->proto), text, port, firsts[first]->line);
		}
	}
out:
	config_index_destroy(index);
}

/* Tunnel packets come from an address of the balancer itself, which others can answer with ICMP errors. */
static void check_outer_source(struct config_reader *reader, const struct config_index *vips)
{
	const struct config_path path = { .key = "outer-source" };
	const struct config_node *node = config_node_get(reader->root, path.key);
	struct sl_addr address;
	struct config_reason unused;
	char text[INET6_ADDRSTRLEN];
	size_t known;

	if (!node || node->kind != CONFIG_NODE_TEXT || !config_value_address(node->text, &address, &unused) ||
	    !config_read_host_address(reader, &address, node->mark, &path) ||
	    !config_index_get(vips, &address, sizeof(address), &known))
		return;
	config_format_address(&address, text, sizeof(text));
	config_errors_add(reader->errors, node->mark, &path,
			  "%s is a VIP; allowed: an address of this balancer alone, or auto", text);
}

/* A VIP is the balancer's: a backend with that address would get its own packets back. */
static void check_vip_addresses(struct config_reader *reader)
{
	const struct config *config = reader->config;
	struct config_index *vips = config_index_create(config->vip_count);
	char text[INET6_ADDRSTRLEN];
	struct place place;
	size_t known;

	for (size_t i = 0; i < config->vip_count && vips; i++)
		if (config_index_put(vips, &config->vips[i].address, sizeof(struct sl_addr), i, &known) < 0)
			config_errors_no_memory(reader->errors);
	if (vips)
		check_outer_source(reader, vips);
	for (size_t i = 0; i < config->pool_count && vips; i++) {
		for (size_t k = 0; k < config->pools[i].backend_count; k++) {
			const struct config_backend *backend = &config->pools[i].backends[k];

			if (!config_index_get(vips, &backend->address, sizeof(backend->address), &known))
				continue;
			config_format_address(&backend->address, text, sizeof(text));
			config_errors_add(reader->errors,
					  (struct config_mark){ backend->line, backend->column },
					  backend_place(&place, reader, i, k),
					  "%s is a VIP; allowed: the backend's own address", text);
		}
	}
	if (!vips)
		config_errors_no_memory(reader->errors);
	config_index_destroy(vips);
}

/* ---- who uses a pool */

/* The services of each pool as lists: a large file is not searched once for every pool. */
struct users {
	int *first; /* by pool: index of a service, -1: none */
	int *next;  /* by service: the next one with the same pool, -1: none */
};

static bool find_users(struct config_reader *reader, struct users *users)
{
	const struct config *config = reader->config;

	users->first = config_read_alloc(reader, config->pool_count, sizeof(int));
	users->next = config_read_alloc(reader, config->service_count, sizeof(int));
	if (!users->first || !users->next)
		return false;
	for (size_t i = 0; i < config->pool_count; i++)
		users->first[i] = -1;
	for (size_t i = config->service_count; i > 0; i--) { /* backwards: lists in the file's order */
		const int pool = config->services[i - 1].pool;

		if (pool < 0)
			continue;
		users->next[i - 1] = users->first[pool];
		users->first[pool] = (int)i - 1;
	}
	return true;
}

/* ---- the port that probes go to */

/* Finds the only port of all services that use the pool; otherwise says in `ports` which there are. */
static uint16_t only_port(const struct config *config, const struct users *users, size_t pool, char *ports,
			  size_t size)
{
	uint16_t seen[8];
	size_t used = 0, different = 0;
	bool every = false;

	ports[0] = 0;
	for (int i = users->first[pool]; i >= 0; i = users->next[i]) {
		const struct config_service *service = &config->services[i];

		for (size_t k = 0; k < service->listener_count; k++) {
			const uint16_t port = service->listeners[k].port;
			bool known = port == 0 || different == sizeof(seen) / sizeof(seen[0]);

			every |= port == 0;
			for (size_t n = 0; n < different && !known; n++)
				known = seen[n] == port;
			if (known)
				continue;
			seen[different++] = port;
			used += (size_t)snprintf(ports + used, size - used, "%s%u", used ? ", " : "", port);
		}
	}
	if (every)
		snprintf(ports + used, size - used, "%s*", used ? ", " : "");
	return different == 1 && !every ? seen[0] : 0;
}

static void check_port(struct config_reader *reader, const struct users *users, size_t pool_index)
{
	struct config *config = reader->config;
	struct config_pool *pool = &config->pools[pool_index];
	const struct config_check *check = pool->check >= 0 ? &config->checks[pool->check] : NULL;
	const struct config_mark mark = reader->pool_origins[pool_index].check;
	struct place place;
	char ports[80]; /* eight ports and a star */

	if (!check)
		return;
	if (check->type == CONFIG_CHECK_DNS) {
		config_errors_add(reader->errors, mark, pool_place(&place, reader, pool_index, "check"),
				  "check type dns is not available in this build; allowed: a check of type "
				  "tcp, http or icmp");
		return;
	}
	if (check->type == CONFIG_CHECK_ICMP)
		return;
	pool->check_port = check->port;
	if (check->port)
		return;
	pool->check_port = only_port(config, users, pool_index, ports, sizeof(ports));
	if (pool->check_port)
		return;
	if (users->first[pool_index] < 0)
		config_errors_add(
			reader->errors, mark, pool_place(&place, reader, pool_index, "check"),
			"no service uses the pool, so the check has no port; allowed: a check with a port");
	else if (ports[0])
		config_errors_add(reader->errors, mark, pool_place(&place, reader, pool_index, "check"),
				  "the pool is used by the ports %s, so the check must say which to probe; "
				  "allowed: a check with a port",
				  ports);
}

/* ---- reach of mode l2 */

static bool in_network(const struct sl_addr *addr, const struct config_network *network)
{
	const unsigned int bytes = network->prefix_len / 8, bits = network->prefix_len % 8;

	if (bytes > 16 || memcmp(addr->b, network->prefix.b, bytes) != 0)
		return false;
	return bits == 0 || (bytes < 16 && ((addr->b[bytes] ^ network->prefix.b[bytes]) >> (8 - bits)) == 0);
}

static bool is_ours(const struct config *config, const char *ifname)
{
	for (size_t i = 0; i < config->interface_count; i++)
		if (strcmp(config->interfaces[i].ifname, ifname) == 0)
			return true;
	return false;
}

/* Networks of the configured interfaces as a text; 0 when they are unknown or one has no kernel interface. */
static size_t our_networks(const struct config_reader *reader, char *text, size_t size)
{
	const struct config_host *host = reader->host;
	size_t count = 0, used = 0;

	text[0] = 0;
	for (size_t i = 0; i < reader->config->interface_count; i++)
		if (!reader->config->interfaces[i].ifname[0])
			return 0;
	for (size_t i = 0; i < host->network_count; i++) {
		const struct config_network *network = &host->networks[i];
		const bool v4 = sl_addr_is_v4(&network->prefix);
		char address[INET6_ADDRSTRLEN];

		if (!is_ours(reader->config, network->ifname))
			continue;
		config_format_address(&network->prefix, address, sizeof(address));
		if (used + 80 < size)
			used += (size_t)snprintf(text + used, size - used, "%s%s/%u of %s", count ? ", " : "",
						 address, network->prefix_len - (v4 ? 96 : 0),
						 network->ifname);
		count++;
	}
	return count;
}

static bool is_reachable(const struct config_reader *reader, const struct sl_addr *addr)
{
	for (size_t i = 0; i < reader->host->network_count; i++)
		if (is_ours(reader->config, reader->host->networks[i].ifname) &&
		    in_network(addr, &reader->host->networks[i]))
			return true;
	return false;
}

/* Only addresses of a network of ours have a MAC address that l2 can send to. */
static void check_reach(struct config_reader *reader, const struct users *users)
{
	const struct config *config = reader->config;
	char networks[300], text[INET6_ADDRSTRLEN];
	struct place place;

	if (our_networks(reader, networks, sizeof(networks)) == 0)
		return;
	for (size_t i = 0; i < config->pool_count; i++) {
		const struct config_service *service = NULL;

		for (int k = users->first[i]; k >= 0 && !service; k = users->next[k])
			if (config->services[k].mode == SL_MODE_L2)
				service = &config->services[k];
		for (size_t k = 0; k < config->pools[i].backend_count && service; k++) {
			const struct config_backend *backend = &config->pools[i].backends[k];

			if (is_reachable(reader, &backend->address))
				continue;
			config_format_address(&backend->address, text, sizeof(text));
			config_errors_add(reader->errors,
					  (struct config_mark){ backend->line, backend->column },
					  backend_place(&place, reader, i, k),
					  "%s is on no network of the interfaces, so mode l2 of service "
					  "\"%s\" cannot reach it; allowed: %s; or mode ipip",
					  text, service->name, networks);
		}
	}
}

/* Too many of something in all of a section: the place is the section's key. */
static void check_total(struct config_reader *reader, const char *section, size_t count, size_t most,
			const char *what)
{
	const struct config_path path = { .key = section };
	struct config_mark mark = { 0 };

	if (count <= most)
		return;
	for (size_t i = 0; i < reader->root->count; i++)
		if (strcmp(reader->root->keys[i]->text, section) == 0)
			mark = reader->root->keys[i]->mark;
	config_errors_add(reader->errors, mark, &path, "%zu %s; allowed: at most %zu", count, what, most);
}

static void check_totals(struct config_reader *reader)
{
	const struct config *config = reader->config;
	const char *pools = config_node_get(reader->root, "pools") ? "pools" : "services"; /* or made of their backends */
	size_t backends = 0, listeners = 0;

	for (size_t i = 0; i < config->pool_count; i++)
		backends += config->pools[i].backend_count;
	for (size_t i = 0; i < config->service_count; i++)
		listeners += config->services[i].listener_count;
	check_total(reader, pools, backends, SL_BACKENDS_MAX, "backends in all pools");
	check_total(reader, "services", listeners, SL_LISTENERS_MAX, "listeners in all services");
	check_total(reader, "services", config->vip_count, SL_VIPS_MAX, "VIP addresses");
	check_total(reader, pools, config->pool_count, SL_POOLS_MAX, "pools");
}

/* What a start would refuse, but what may be made before that, on another machine. */
static void check_key_file(struct config_reader *reader)
{
	const struct config_path path = { .key = "hash-key-file" };
	const struct config_node *node = config_node_get(reader->root, path.key);
	char reason[400];

	if (!node || !reader->config->hash_key_file || !reader->host->try_key ||
	    reader->host->try_key(reader->config->hash_key_file, reason, sizeof(reason)) == 0)
		return;
	config_errors_warn(reader->errors, node->mark, &path, "sluiced would not start here: %s", reason);
}

void config_check(struct config_reader *reader)
{
	struct users users;

	check_listeners(reader);
	check_vip_addresses(reader);
	check_totals(reader);
	check_key_file(reader);
	if (!find_users(reader, &users))
		return;
	check_reach(reader, &users);
	for (size_t i = 0; i < reader->config->pool_count; i++)
		check_port(reader, &users, i);
}
