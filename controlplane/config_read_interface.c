/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * interfaces: and dpdk:, which together are struct sl_boot: what sluice-dp must know before its EAL
 * starts.
 */
#include <stdio.h>
#include <string.h>

#include "config_read.h"

/* The name an interface gets when it has none: its device, without a virtual device's options. */
static void default_name(struct config_interface *interface)
{
	const size_t len = strcspn(interface->port.device, ",");
	struct config_reason unused;

	if (len > 0 && len < sizeof(interface->port.name) && config_value_name(interface->port.device, len, &unused))
		memcpy(interface->port.name, interface->port.device, len);
	else if (len == 0)
		memcpy(interface->port.name, interface->xdp, sizeof(interface->xdp));
}

#define XDP_PREFIX "xdp:"

/* "xdp:eth1", short for {xdp: eth1}. */
static void read_short_xdp(struct config_reader *reader, const struct config_node *node,
			   const struct config_path *path, struct config_interface *interface)
{
	const char *ifname = node->text + strlen(XDP_PREFIX);
	struct config_reason reason;

	if (config_value_ifname(ifname, strlen(ifname), &reason))
		memcpy(interface->xdp, ifname, strlen(ifname) + 1);
	else
		config_read_refuse(reader, node, "interfaces[].xdp", path, &reason);
}

static void read_device(struct config_reader *reader, const struct config_node *node,
			const struct config_path *path, struct config_interface *interface)
{
	struct config_reason reason;

	if (!config_read_expect(reader, node, CONFIG_NODE_TEXT, "interfaces[].dpdk", path))
		return;
	if (!config_value_device(node->text, &interface->port, &reason)) {
		interface->port.kind = SL_PORT_NONE;
		config_read_refuse(reader, node, "interfaces[].dpdk", path, &reason);
		return;
	}
	if (interface->port.kind == SL_PORT_VDEV && !reader->host->file_root_owned)
		config_errors_add(reader->errors, node->mark, path,
				  "vdev: loads code by name, so the file must be safe; allowed: vdev: in a "
				  "file that root owns and nobody else may write (chown root, chmod go-w)");
	if (interface->port.kind == SL_PORT_AF_XDP || interface->port.kind == SL_PORT_AF_PACKET)
		memcpy(interface->ifname, interface->port.device, sizeof(interface->ifname));
}

/*
 * What the datapath cannot do without. `dpdk` and `xdp` say that the file has them: values that were refused have had
 * their message.
 */
static void require_device(struct config_reader *reader, struct config_mark mark, const struct config_path *path,
			   struct config_interface *interface, bool dpdk, bool xdp)
{
	if (!xdp)
		memcpy(interface->xdp, interface->ifname, sizeof(interface->xdp));
	if (reader->config->datapath == CONFIG_DATAPATH_XDP) {
		if (!interface->xdp[0] && !xdp && (interface->port.kind != SL_PORT_NONE || !dpdk))
			config_errors_add(reader->errors, mark, path,
					  "has no interface of the kernel, which datapath: xdp needs; allowed: with xdp: IFNAME");
		memcpy(interface->ifname, interface->xdp, sizeof(interface->ifname));
	} else if (!dpdk) {
		config_errors_add(reader->errors, mark, path,
				  "has no device that sluice-dp can open; allowed: dpdk: \"af_xdp:%s\", or datapath: xdp",
				  interface->xdp[0] ? interface->xdp : "IFNAME");
	}
}

static void read_map(struct config_reader *reader, const struct config_node *map,
		     const struct config_path *path, struct config_interface *interface)
{
	const struct config_path dpdk = { .parent = path, .key = "dpdk" },
				 xdp = { .parent = path, .key = "xdp" };
	const struct config_path name = { .parent = path, .key = "name" };
	const struct config_node *node = config_node_get(map, "name");
	struct config_reason reason;

	/* "af_xdp: eth1" is a map for YAML: say what happened instead of "unknown key" */
	if (map->count == 1 && map->items[0]->kind == CONFIG_NODE_TEXT &&
	    (strcmp(map->keys[0]->text, "af_xdp") == 0 || strcmp(map->keys[0]->text, "af_packet") == 0 ||
	     strcmp(map->keys[0]->text, "pci") == 0 || strcmp(map->keys[0]->text, "vdev") == 0)) {
		config_errors_add(reader->errors, map->keys[0]->mark, path,
				  "a space after the colon makes this a map; allowed: \"%s:%.60s\"",
				  map->keys[0]->text, map->items[0]->text);
		return;
	}
	config_read_section(reader, "interfaces[]", map, path, interface);
	if (node && node->kind == CONFIG_NODE_TEXT) {
		if (config_value_name(node->text, node->text_len, &reason))
			memcpy(interface->port.name, node->text, node->text_len + 1);
		else
			config_read_refuse(reader, node, "interfaces[].name", &name, &reason);
	} else if (node) {
		config_read_expect(reader, node, CONFIG_NODE_TEXT, "interfaces[].name", &name);
	}
	node = config_node_get(map, "dpdk");
	if (node)
		read_device(reader, node, &dpdk, interface);
	node = config_node_get(map, "xdp");
	if (node && interface->ifname[0] && interface->xdp[0] &&
	    strcmp(interface->ifname, interface->xdp) != 0)
		config_errors_add(reader->errors, node->mark, &xdp,
				  "\"%s\" is another interface than \"%s\" of dpdk:; allowed: the same",
				  interface->xdp, interface->ifname);
	require_device(reader, map->mark, path, interface, config_node_get(map, "dpdk"), node);
}

static void read_text(struct config_reader *reader, const struct config_node *node, const struct config_path *path,
		      struct config_interface *interface)
{
	const bool xdp = strncmp(node->text, XDP_PREFIX, strlen(XDP_PREFIX)) == 0;

	if (xdp)
		read_short_xdp(reader, node, path, interface);
	else
		read_device(reader, node, path, interface);
	require_device(reader, node->mark, path, interface, !xdp, xdp);
}

static void refuse_twins(struct config_reader *reader, const struct config_interface *interface,
			 struct config_mark mark, const struct config_path *path)
{
	for (const struct config_interface *other = reader->config->interfaces; other < interface; other++) {
		if (other->port.name[0] && strcmp(other->port.name, interface->port.name) == 0)
			config_errors_add(reader->errors, mark, path,
					  "the name \"%s\" is taken by the interface in line %u; allowed: "
					  "different names",
					  interface->port.name, other->line);
		else if (other->port.kind != SL_PORT_NONE && interface->port.kind != SL_PORT_NONE &&
			 strcmp(other->port.device, interface->port.device) == 0)
			config_errors_add(
				reader->errors, mark, path,
				"\"%s\" is already the device of the interface in line %u; allowed: once",
				interface->port.device, other->line);
		else if (other->xdp[0] && strcmp(other->xdp, interface->xdp) == 0)
			config_errors_add(reader->errors, mark, path,
					  "\"%s\" is already the interface in line %u; allowed: once", interface->xdp,
					  other->line);
		else
			continue;
		return;
	}
}

void config_read_interfaces(struct config_reader *reader, const struct config_node *list)
{
	const struct config_path path = { .key = "interfaces" };
	struct config *config = reader->config;

	if (!list || !config_read_expect(reader, list, CONFIG_NODE_LIST, "interfaces", &path))
		return;
	if (list->count == 0 || list->count > SL_PORTS_MAX) {
		config_errors_add(reader->errors, list->mark, &path, "%zu interfaces; allowed: 1 to %d",
				  list->count, SL_PORTS_MAX);
		return;
	}
	config->interfaces = config_read_alloc(reader, list->count, sizeof(*config->interfaces));
	if (!config->interfaces)
		return;
	for (size_t i = 0; i < list->count; i++) {
		const struct config_node *node = list->items[i];
		const struct config_path item = { .parent = &path,
						  .name = config_read_name(node, "name"),
						  .index = i };
		struct config_interface *interface = &config->interfaces[i];

		interface->line = node->mark.line;
		interface->column = node->mark.column;
		config_read_section(reader, "interfaces[]", NULL, &item, interface);
		if (node->kind == CONFIG_NODE_TEXT)
			read_text(reader, node, &item, interface);
		else if (config_read_expect(reader, node, CONFIG_NODE_MAP, "interfaces", &item))
			read_map(reader, node, &item, interface);
		if (!interface->port.name[0])
			default_name(interface);
		refuse_twins(reader, interface, node->mark, &item);
		config->boot.port[i] = interface->port;
	}
	config->interface_count = list->count;
	config->boot.port_count = config->datapath == CONFIG_DATAPATH_XDP ? 0 : (__u32)list->count;
}

static bool read_cpu(struct config_reader *reader, const struct config_node *node,
		     const struct config_path *path, const char *key, uint64_t *ret_cpu)
{
	struct config_reason reason;

	if (!config_read_expect(reader, node, CONFIG_NODE_TEXT, key, path))
		return false;
	if (!config_value_number(node->text, ret_cpu, &reason)) {
		config_read_refuse(reader, node, key, path, &reason);
		return false;
	}
	if (reader->host->cpu_count > 0 && *ret_cpu >= reader->host->cpu_count) {
		config_errors_add(reader->errors, node->mark, path,
				  "this machine has no CPU %.20s; allowed: 0 to %u", node->text,
				  reader->host->cpu_count - 1);
		return false;
	}
	if (*ret_cpu > 1023) {
		config_errors_add(reader->errors, node->mark, path,
				  "CPU %.20s is past what is supported; allowed: 0 to 1023", node->text);
		return false;
	}
	return true;
}

static void read_workers(struct config_reader *reader, const struct config_node *list)
{
	const struct config_path dpdk = { .key = "dpdk" }, path = { .parent = &dpdk, .key = "workers" };
	struct sl_boot *boot = &reader->config->boot;
	uint64_t cpu;

	if (!config_read_expect(reader, list, CONFIG_NODE_LIST, "dpdk.workers", &path))
		return;
	if (list->count == 0 || list->count > SL_WORKERS_MAX) {
		config_errors_add(reader->errors, list->mark, &path, "%zu workers; allowed: 1 to %d",
				  list->count, SL_WORKERS_MAX);
		return;
	}
	boot->worker_count = 0;
	for (size_t i = 0; i < list->count; i++) {
		const struct config_path item = { .parent = &path, .index = i };
		bool twice = false;

		if (!read_cpu(reader, list->items[i], &item, "dpdk.workers", &cpu))
			continue;
		for (unsigned int k = 0; k < boot->worker_count; k++)
			twice |= boot->worker_cpu[k] == cpu;
		if (twice)
			config_errors_add(reader->errors, list->items[i]->mark, &item,
					  "CPU %ju is here twice; allowed: one worker on each",
					  (uintmax_t)cpu);
		else
			boot->worker_cpu[boot->worker_count++] = (__u32)cpu;
	}
}

void config_read_dpdk(struct config_reader *reader, const struct config_node *map)
{
	const struct config_path path = { .key = "dpdk" }, manager = { .parent = &path, .key = "manager" };
	struct sl_boot *boot = &reader->config->boot;
	const struct config_node *node;
	uint64_t cpu;

	if (map)
		map = config_read_expect(reader, map, CONFIG_NODE_MAP, "dpdk", &path);
	config_read_section(reader, "dpdk", map, &path, reader->config);
	boot->config_root_owned = reader->host->file_root_owned;
	boot->worker_count = 1;
	boot->worker_cpu[0] = reader->host->cpu_count == 1 ? 0 : 1;
	node = config_node_get(map, "workers");
	if (node)
		read_workers(reader, node);
	node = config_node_get(map, "manager");
	if (!node || boot->manager_cpu < 0 || !read_cpu(reader, node, &manager, "dpdk.manager", &cpu))
		return;
	for (unsigned int k = 0; k < boot->worker_count; k++)
		if (boot->worker_cpu[k] == cpu && boot->poll == SL_POLL_BUSY)
			config_errors_add(
				reader->errors, node->mark, &manager,
				"CPU %ju has a worker that never sleeps (poll: busy); allowed: another CPU",
				(uintmax_t)cpu);
}
