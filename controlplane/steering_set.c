/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which packets the program takes: VIPs, listeners and the sources of tunnels, by difference with the maps themselves; and
 * what it counted of them.
 */
#include "steering_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "steering_map.h"

int steering_vips_keep(struct steering *steering, const struct sl_vip *vips, size_t count)
{
	struct sl_addr *keys = calloc(count ? count : 1, sizeof(*keys));
	size_t i;
	int err;

	if (!keys)
		return -ENOMEM;
	for (i = 0; i < count; i++)
		keys[i] = vips[i].addr;
	err = steering_map_keep(steering->maps->map[XDP_MAP_VIPS].fd, keys, sizeof(*keys), count);
	free(keys);
	return err;
}

int steering_vips_add(struct steering *steering, const struct sl_vip *vips, size_t count)
{
	size_t i;
	int err = 0;

	for (i = 0; i < count && err == 0; i++)
		err = steering_map_put(steering->maps->map[XDP_MAP_VIPS].fd, &vips[i].addr, &vips[i], sizeof(vips[i]));
	return err;
}

static struct sl_steering_listener listener_key(const struct sl_listener *listener)
{
	return (struct sl_steering_listener){
		.addr = listener->addr, .port = listener->port, .proto = listener->proto};
}

int steering_listeners_keep(struct steering *steering, const struct sl_listener *listeners, size_t count)
{
	struct sl_steering_listener *keys = calloc(count ? count : 1, sizeof(*keys));
	size_t i;
	int err;

	if (!keys)
		return -ENOMEM;
	for (i = 0; i < count; i++)
		keys[i] = listener_key(&listeners[i]);
	err = steering_map_keep(steering->maps->map[XDP_MAP_LISTENERS].fd, keys, sizeof(*keys), count);
	free(keys);
	return err;
}

int steering_listeners_add(struct steering *steering, const struct sl_listener *listeners, size_t count)
{
	struct sl_steering_listener key;
	size_t i;
	int err = 0;

	for (i = 0; i < count && err == 0; i++) {
		key = listener_key(&listeners[i]);
		err = steering_map_put(steering->maps->map[XDP_MAP_LISTENERS].fd, &key, &listeners[i].service,
				       sizeof(listeners[i].service));
	}
	return err;
}

int steering_sources_set(struct steering *steering, struct sl_addr *sources, size_t count)
{
	const int fd = steering->maps->map[XDP_MAP_SOURCES].fd;
	const uint32_t present = 0;
	int err = steering_map_keep(fd, sources, sizeof(*sources), count);

	for (size_t i = 0; i < count && err == 0; i++)
		err = steering_map_put(fd, &sources[i], &present, sizeof(present));
	return err;
}

int steering_counters(struct steering *steering, const char *ifname,
		      uint64_t ret_counters[SL_STEERING_COUNTER_COUNT])
{
	struct steered *port = steering_find(steering, ifname);
	const int cpus = libbpf_num_possible_cpus();
	uint64_t *values;
	uint32_t i;
	int cpu, err = 0;

	if (!port)
		return -ENOENT;
	if (cpus < 0)
		return cpus;
	values = calloc((size_t)cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (i = 0; i < SL_STEERING_COUNTER_COUNT && err == 0; i++) {
		err = bpf_map_lookup_elem(port->counters_fd, &i, values);
		ret_counters[i] = 0;
		for (cpu = 0; cpu < cpus; cpu++)
			ret_counters[i] += values[cpu];
	}
	free(values);
	return err;
}
