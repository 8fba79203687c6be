/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the tree of a scenario file to struct scenario. What its names mean is found out when they are used.
 */
#include "scenario_read.h"

#include <stdio.h>
#include <string.h>

#include "controlplane/config_read.h"

void *scenario_alloc(struct scenario_reader *reader, size_t count, size_t size)
{
	void *memory = config_arena_alloc(reader->memory, count > 0 ? count : 1, size);

	if (memory == NULL)
		config_errors_no_memory(reader->errors);
	return memory;
}

/* ---- lists --------------------------------------------------------------------------------------------- */

void scenario_each(struct scenario_reader *reader, const struct config_node *node,
		   const struct config_path *path, scenario_read_fn read, void *into, size_t size)
{
	if (node->kind != CONFIG_NODE_LIST) {
		read(reader, node, path, into);
		return;
	}
	for (size_t i = 0; i < node->count; i++) {
		const struct config_path here = {.parent = path, .index = i};

		read(reader, node->items[i], &here, (char *)into + i * size);
	}
}

size_t scenario_items(const struct config_node *node)
{
	return node->kind == CONFIG_NODE_LIST ? node->count : 1;
}

/* ---- ports --------------------------------------------------------------------------------------------- */

static void port_name(struct scenario_reader *reader, const struct config_node *node,
		      const struct config_path *path, void *into)
{
	scenario_name(reader, node, path, ((struct scenario_port *)into)->name);
}

static void port_mac(struct scenario_reader *reader, const struct config_node *node,
		     const struct config_path *path, void *into)
{
	struct scenario_port *port = into;

	port->has_mac = scenario_mac(reader, node, path, port->mac);
}

static bool read_mtu(struct scenario_reader *reader, const struct config_node *node,
		     const struct config_path *path, uint16_t *ret_mtu)
{
	uint64_t mtu;

	if (!scenario_number(reader, node, path, 576, 65535, &mtu))
		return false;
	*ret_mtu = (uint16_t)mtu;
	return true;
}

static void port_mtu(struct scenario_reader *reader, const struct config_node *node,
		     const struct config_path *path, void *into)
{
	struct scenario_port *port = into;

	port->has_mtu = read_mtu(reader, node, path, &port->mtu);
}

static void port_kernel_path(struct scenario_reader *reader, const struct config_node *node,
			     const struct config_path *path, void *into)
{
	struct scenario_port *port = into;

	port->has_kernel_path = scenario_bool(reader, node, path, &port->kernel_path);
}

static void port_address(struct scenario_reader *reader, const struct config_node *node,
			 const struct config_path *path, void *into)
{
	scenario_prefix(reader, node, path, into);
}

static void port_addresses(struct scenario_reader *reader, const struct config_node *node,
			   const struct config_path *path, void *into)
{
	struct scenario_port *port = into;

	port->addresses = scenario_alloc(reader, scenario_items(node), sizeof(*port->addresses));
	if (port->addresses == NULL)
		return;
	port->has_addresses = true;
	port->address_count = scenario_items(node);
	scenario_each(reader, node, path, port_address, port->addresses, sizeof(*port->addresses));
}

static void read_ip(struct scenario_reader *reader, const struct config_node *node,
		    const struct config_path *path, void *into)
{
	scenario_ip(reader, node, path, into);
}

static void port_gateway(struct scenario_reader *reader, const struct config_node *node,
			 const struct config_path *path, void *into)
{
	struct scenario_port *port = into;

	port->gateways = scenario_alloc(reader, scenario_items(node), sizeof(*port->gateways));
	if (port->gateways == NULL)
		return;
	port->has_gateways = true;
	port->gateway_count = scenario_items(node);
	scenario_each(reader, node, path, read_ip, port->gateways, sizeof(*port->gateways));
}

void scenario_read_port(struct scenario_reader *reader, const struct config_node *node,
			const struct config_path *path, void *into)
{
	static const struct scenario_key keys[] = {
		{"name", port_name},
		{"mac", port_mac},
		{"mtu", port_mtu},
		{"kernel-path", port_kernel_path},
		{"addresses", port_addresses},
		{"gateway", port_gateway},
		{NULL, NULL},
	};
	struct scenario_port *port = into;

	if (scenario_read_map(reader, node, path, keys, port) && config_node_get(node, "name") == NULL)
		config_errors_add(reader->errors, node->mark, path,
				  "the key \"name\" is missing: which port is it");
}

static void read_ports(struct scenario_reader *reader, const struct config_node *node,
		       const struct config_path *path, void *into)
{
	struct scenario *scenario = into;

	scenario->ports = scenario_alloc(reader, scenario_items(node), sizeof(*scenario->ports));
	if (scenario->ports == NULL)
		return;
	scenario->port_count = scenario_items(node);
	scenario_each(reader, node, path, scenario_read_port, scenario->ports, sizeof(*scenario->ports));
}

/* ---- next hops ----------------------------------------------------------------------------------------- */

static void neighbor_address(struct scenario_reader *reader, const struct config_node *node,
			     const struct config_path *path, void *into)
{
	scenario_ip(reader, node, path, &((struct scenario_neighbor *)into)->address);
}

static void neighbor_mac(struct scenario_reader *reader, const struct config_node *node,
			 const struct config_path *path, void *into)
{
	struct scenario_neighbor *neighbor = into;

	if (node->kind == CONFIG_NODE_TEXT && strcmp(node->text, "none") == 0) {
		neighbor->has_mac = true;
		return;
	}
	neighbor->known = neighbor->has_mac = scenario_mac(reader, node, path, neighbor->mac);
}

static void neighbor_mtu(struct scenario_reader *reader, const struct config_node *node,
			 const struct config_path *path, void *into)
{
	struct scenario_neighbor *neighbor = into;

	neighbor->has_mtu = read_mtu(reader, node, path, &neighbor->mtu);
}

static void neighbor_port(struct scenario_reader *reader, const struct config_node *node,
			  const struct config_path *path, void *into)
{
	scenario_name(reader, node, path, ((struct scenario_neighbor *)into)->port);
}

void scenario_read_neighbor(struct scenario_reader *reader, const struct config_node *node,
			    const struct config_path *path, void *into)
{
	static const struct scenario_key keys[] = {
		{"address", neighbor_address}, {"mac", neighbor_mac}, {"mtu", neighbor_mtu},
		{"port", neighbor_port},       {NULL, NULL},
	};

	if (scenario_read_map(reader, node, path, keys, into) && config_node_get(node, "address") == NULL)
		config_errors_add(reader->errors, node->mark, path,
				  "the key \"address\" is missing: whose is it");
}

static void read_neighbors(struct scenario_reader *reader, const struct config_node *node,
			   const struct config_path *path, void *into)
{
	struct scenario *scenario = into;

	scenario->neighbors = scenario_alloc(reader, scenario_items(node), sizeof(*scenario->neighbors));
	if (scenario->neighbors == NULL)
		return;
	scenario->neighbor_count = scenario_items(node);
	scenario_each(reader, node, path, scenario_read_neighbor, scenario->neighbors,
		      sizeof(*scenario->neighbors));
}

/* ---- the file ------------------------------------------------------------------------------------------ */

static void read_receive(struct scenario_reader *reader, const struct config_node *node,
			 const struct config_path *path, void *into)
{
	scenario_name(reader, node, path, ((struct scenario *)into)->receive);
}

/* `time: capture`, or `time: 1ms` between two packets. */
static void read_time(struct scenario_reader *reader, const struct config_node *node,
		      const struct config_path *path, void *into)
{
	struct scenario *scenario = into;

	if (node->kind == CONFIG_NODE_TEXT && strcmp(node->text, "capture") == 0)
		return;
	scenario->own_time = scenario_duration(reader, node, path, &scenario->step_ns);
}

static void read_early_fragments(struct scenario_reader *reader, const struct config_node *node,
				 const struct config_path *path, void *into)
{
	struct scenario *scenario = into;
	const char *text;

	if (!scenario_text(reader, node, path, "drop or wait", &text))
		return;
	scenario->fragments_wait = strcmp(text, "wait") == 0;
	if (!scenario->fragments_wait && strcmp(text, "drop") != 0)
		config_errors_add(reader->errors, node->mark, path, "\"%.60s\" is neither; allowed: drop or wait", text);
}

static void read_split(struct scenario_reader *reader, const struct config_node *node,
		       const struct config_path *path, void *into)
{
	bool split = true;

	if (scenario_bool(reader, node, path, &split))
		((struct scenario *)into)->never_splits = !split;
}

static void read_outer_source(struct scenario_reader *reader, const struct config_node *node,
			      const struct config_path *path, void *into)
{
	struct scenario *scenario = into;
	unsigned int first[2] = {0, 0}; /* line of the family's address */

	for (size_t i = 0; i < scenario_items(node); i++) {
		const struct config_node *one = node->kind == CONFIG_NODE_LIST ? node->items[i] : node;
		struct sl_addr address;
		int family;

		if (!scenario_ip(reader, one, path, &address))
			continue;
		family = sl_addr_is_v4(&address) ? 0 : 1;
		if (first[family] > 0)
			config_errors_add(reader->errors, one->mark, path,
					  "\"%.60s\" is a second address of its family, after the one in line %u; "
					  "allowed: one IPv4 and one IPv6 address",
					  one->text, first[family]);
		first[family] = one->mark.line;
		scenario->outer_source[family] = address;
	}
}

/* scenario_make_events() has read it: its events come before all others, wherever it stands. */
static void skip(struct scenario_reader *reader, const struct config_node *node,
		 const struct config_path *path, void *into)
{
	(void)reader;
	(void)node;
	(void)path;
	(void)into;
}

void scenario_read(struct scenario_reader *reader, const struct config_node *root, struct scenario *scenario)
{
	static const struct scenario_key keys[] = {
		{"receive", read_receive},
		{"time", read_time},
		{"early-fragments", read_early_fragments},
		{"split", read_split},
		{"outer-source", read_outer_source},
		{"ports", read_ports},
		{"neighbors", read_neighbors},
		{"backends", skip},
		{"events", skip},
		{NULL, NULL},
	};

	if (scenario_make_events(reader, root, scenario))
		scenario_read_map(reader, root, NULL, keys, scenario);
}
