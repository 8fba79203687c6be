/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Owns the steering program of each AF_XDP port. Pins, below <bpffs>/sluice/<instance>/:
 *   vips, listeners, sources    one for all interfaces
 *   <interface>/link            keeps the program attached while no sluiced runs
 *   <interface>/xsks_map        the sockets of sluice-dp; survives an update of the program
 *   <interface>/counters
 *   <interface>/mac             its own address, compared with the destination of frames
 * The link is pinned last: an interface with a link has its maps. bpffs allows no dot in a name, so a
 * dot is written as a colon, which no interface name can have.
 */
#include "steering.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "sluice.skel.h"
#include "bpffs.h"
#include "steering_link.h"
#include "steering_map.h"
#include "steering_pin.h"

/* A smaller log makes the kernel say "no space" instead of what it objects to. Untouched when it loads. */
#define VERIFIER_LOG_SIZE (1 << 20)

/* The maps of all interfaces together. */
enum shared { SHARED_VIPS, SHARED_LISTENERS, SHARED_SOURCES, SHARED_COUNT };
static const char *const shared_name[] = { "vips", "listeners", "sources" };

struct steered {
	char ifname[IF_NAMESIZE];
	int link_fd;
	int counters_fd;
	int mac_fd;
	struct steered *next;
};

struct steering {
	char dir[256];
	int shared_fd[SHARED_COUNT];
	struct steered *ports;
};

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* ---- loading ------------------------------------------------------------------------------------ */

static int load(struct sluice_bpf *object, const char *verifier_log, struct error_text *reterr)
{
	const size_t shown = 200;
	const size_t len = strlen(verifier_log);
	int err;

	err = sluice_bpf__load(object);
	if (err >= 0)
		return 0;
	if (err == -EPERM)
		return error_text_set(reterr, err,
				      "the steering program: not permitted to load it; sluiced needs "
				      "CAP_BPF, CAP_NET_ADMIN and "
				      "CAP_PERFMON, or root");
	return error_text_set(reterr, err, "the steering program: the kernel refuses it: %s; %s",
			      strerror(-err), len > shown ? verifier_log + len - shown : verifier_log);
}

/* Tells the program of `port` the interface's MAC address as it is now. */
static int tell_mac(const struct steered *port, struct error_text *reterr)
{
	struct sl_steering_mac mac;
	const uint32_t only = 0;
	int err = steering_link_mac(port->ifname, &mac, reterr);

	if (err < 0)
		return err;
	err = bpf_map_update_elem(port->mac_fd, &only, &mac, BPF_ANY);
	return err < 0 ? error_text_set(reterr, err, "%s: cannot tell the steering program the MAC address: %s",
					port->ifname, strerror(-err))
		       : 0;
}

/* Loads a program for `port` over the pinned maps. The caller destroys *ret_object; counters and mac are
 * port's. */
static int load_for(const struct steering *steering, struct steered *port, struct sluice_bpf **ret_object,
		    struct error_text *reterr)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .kernel_log_size = VERIFIER_LOG_SIZE);
	char *verifier_log = calloc(1, VERIFIER_LOG_SIZE), path[PATH_MAX];
	struct sluice_bpf *object;
	int err = 0;

	if (!verifier_log)
		return error_text_set(reterr, -ENOMEM, "no memory for the verifier's log");
	opts.kernel_log_buf = verifier_log;
	object = sluice_bpf__open_opts(&opts);
	if (!object) {
		err = error_text_set(reterr, -errno, "the steering program cannot be opened: %s",
				     strerror(errno));
		goto free_log;
	}
	for (int i = 0; i < SHARED_COUNT && err == 0; i++)
		err = bpf_map__reuse_fd(bpf_object__find_map_by_name(object->obj, shared_name[i]), steering->shared_fd[i]);
	if (err < 0) {
		error_text_set(reterr, err, "%s: cannot use the BPF maps: %s", steering->dir, strerror(-err));
		goto destroy;
	}
	steering_pin_path(steering->dir, port->ifname, "xsks_map", path);
	err = steering_map_use(object->maps.xsks_map, path, NULL, reterr);
	if (err < 0)
		goto destroy;
	steering_pin_path(steering->dir, port->ifname, "counters", path);
	err = steering_map_use(object->maps.counters, path, &port->counters_fd, reterr);
	if (err < 0)
		goto destroy;
	steering_pin_path(steering->dir, port->ifname, "mac", path);
	err = steering_map_use(object->maps.mac, path, &port->mac_fd, reterr);
	if (err == 0)
		err = tell_mac(port, reterr);
	if (err < 0)
		goto destroy;
	err = load(object, verifier_log, reterr);
	if (err < 0)
		goto destroy;
	*ret_object = object;
	goto free_log;
destroy:
	sluice_bpf__destroy(object);
free_log:
	free(verifier_log);
	return err;
}

/* ---- the interface ------------------------------------------------------------------------------ */

static struct steered *find(struct steering *steering, const char *ifname)
{
	struct steered *port;

	for (port = steering->ports; port; port = port->next)
		if (strcmp(port->ifname, ifname) == 0)
			return port;
	return NULL;
}

static void close_port(struct steered *port)
{
	if (port->link_fd >= 0)
		close(port->link_fd);
	if (port->counters_fd >= 0)
		close(port->counters_fd);
	if (port->mac_fd >= 0)
		close(port->mac_fd);
	free(port);
}

/* Adopts or attaches; `port` gets its descriptors. */
static int steer(struct steering *steering, struct steered *port, enum steering_attach_mode mode,
		 bool *ret_adopted, struct error_text *reterr)
{
	struct sluice_bpf *object = NULL;
	char path[PATH_MAX];
	int program_fd, err;

	steering_pin_path(steering->dir, port->ifname, "link", path);
	port->link_fd = steering_link_open(path, port->ifname);
	*ret_adopted = port->link_fd >= 0;
	if (!*ret_adopted) {
		steering_pin_remove(steering->dir, port->ifname);
		err = steering_link_check_free(port->ifname, reterr);
		if (err < 0)
			return err;
		steering_pin_path(steering->dir, port->ifname, "", path);
		err = bpffs_make_dir(path, reterr);
		if (err < 0)
			return err;
	}
	err = load_for(steering, port, &object, reterr);
	if (err < 0)
		return err;
	program_fd = bpf_program__fd(object->progs.xsk_def_prog);
	if (*ret_adopted) {
		err = bpf_link_update(port->link_fd, program_fd, NULL);
		if (err < 0)
			error_text_set(reterr, err, "%s: cannot update the attached XDP program: %s",
				       port->ifname, strerror(-err));
	} else {
		steering_pin_path(steering->dir, port->ifname, "link", path);
		port->link_fd = steering_link_attach(port->ifname, program_fd, mode, path, reterr);
		err = port->link_fd < 0 ? port->link_fd : 0;
	}
	sluice_bpf__destroy(object);
	return err;
}

/* True when `ifname` is steered and still the interface it was; one that was made anew is forgotten. */
static bool is_attached(struct steering *steering, const char *ifname)
{
	struct steered **at, *port;
	char path[PATH_MAX];
	int fd;

	for (at = &steering->ports; (port = *at) != NULL; at = &port->next) {
		if (strcmp(port->ifname, ifname) != 0)
			continue;
		steering_pin_path(steering->dir, ifname, "link", path);
		fd = steering_link_open(path, ifname);
		if (fd >= 0) {
			close(fd);
			return true;
		}
		*at = port->next;
		close_port(port);
		return false;
	}
	return false;
}

int steering_attach(struct steering *steering, const char *ifname, enum steering_attach_mode mode,
		    struct steering_port *ret_port, struct error_text *reterr)
{
	struct steering_port result = {0};
	struct steered *port;
	int err;

	if (is_attached(steering, ifname)) {
		result.adopted = true;
		err = tell_mac(find(steering, ifname), reterr);
		if (err < 0)
			return err;
		goto describe;
	}
	if (if_nametoindex(ifname) == 0 || strlen(ifname) >= IF_NAMESIZE)
		return error_text_set(reterr, -ENODEV, "%s: no such interface; see: ip link", ifname);
	err = steering_link_check_mtu(ifname, reterr);
	if (err < 0)
		return err;
	port = calloc(1, sizeof(*port));
	if (!port)
		return error_text_set(reterr, -ENOMEM, "%s: no memory", ifname);
	snprintf(port->ifname, sizeof(port->ifname), "%s", ifname);
	port->link_fd = -1;
	port->counters_fd = -1;
	port->mac_fd = -1;
	err = steer(steering, port, mode, &result.adopted, reterr);
	if (err < 0) {
		if (!result.adopted) /* an adopted program goes on as it was */
			steering_pin_remove(steering->dir, ifname);
		close_port(port);
		return err;
	}
	port->next = steering->ports;
	steering->ports = port;
describe:
	steering_link_program(ifname, &result.program_id, &result.generic);
	if (ret_port)
		*ret_port = result;
	return 0;
}

int steering_detach(struct steering *steering, const char *ifname)
{
	struct steered **at, *port;

	for (at = &steering->ports; *at; at = &(*at)->next) {
		port = *at;
		if (strcmp(port->ifname, ifname) != 0)
			continue;
		*at = port->next;
		bpf_link_detach(port->link_fd); /* at once, whoever else still holds the link */
		steering_pin_remove(steering->dir, ifname);
		close_port(port);
		return 0;
	}
	return -ENOENT;
}

void steering_detach_others(struct steering *steering)
{
	char names[STEERING_PINS_MAX][IF_NAMESIZE], path[PATH_MAX];
	const size_t count = steering_pin_list(steering->dir, names);
	size_t i;
	int fd;

	for (i = 0; i < count; i++) {
		if (find(steering, names[i]))
			continue;
		steering_pin_path(steering->dir, names[i], "link", path);
		fd = steering_link_open(path, names[i]);
		if (fd >= 0) {
			bpf_link_detach(fd);
			close(fd);
		}
		steering_pin_remove(steering->dir, names[i]);
	}
}

void steering_detach_all(struct steering *steering)
{
	char path[PATH_MAX];

	while (steering->ports)
		steering_detach(steering, steering->ports->ifname);
	steering_detach_others(steering);
	for (int i = 0; i < SHARED_COUNT; i++) {
		snprintf(path, sizeof(path), "%s/%s", steering->dir, shared_name[i]);
		unlink(path);
	}
	rmdir(steering->dir);
}

/* ---- what it steers ----------------------------------------------------------------------------- */

int steering_vips_keep(struct steering *steering, const struct sl_vip *vips, size_t count)
{
	struct sl_addr *keys = calloc(count ? count : 1, sizeof(*keys));
	size_t i;
	int err;

	if (!keys)
		return -ENOMEM;
	for (i = 0; i < count; i++)
		keys[i] = vips[i].addr;
	err = steering_map_keep(steering->shared_fd[SHARED_VIPS], keys, sizeof(*keys), count);
	free(keys);
	return err;
}

int steering_vips_add(struct steering *steering, const struct sl_vip *vips, size_t count)
{
	size_t i;
	int err = 0;

	for (i = 0; i < count && err == 0; i++)
		err = steering_map_put(steering->shared_fd[SHARED_VIPS], &vips[i].addr, &vips[i], sizeof(vips[i]));
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
	err = steering_map_keep(steering->shared_fd[SHARED_LISTENERS], keys, sizeof(*keys), count);
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
		err = steering_map_put(steering->shared_fd[SHARED_LISTENERS], &key, &listeners[i].service,
				       sizeof(listeners[i].service));
	}
	return err;
}

int steering_sources_set(struct steering *steering, struct sl_addr *sources, size_t count)
{
	const int fd = steering->shared_fd[SHARED_SOURCES];
	const uint32_t present = 0;
	int err = steering_map_keep(fd, sources, sizeof(*sources), count);

	for (size_t i = 0; i < count && err == 0; i++)
		err = steering_map_put(fd, &sources[i], &present, sizeof(present));
	return err;
}

int steering_counters(struct steering *steering, const char *ifname,
		      uint64_t ret_counters[SL_STEERING_COUNTER_COUNT])
{
	struct steered *port = find(steering, ifname);
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

/* ---- lifetime ----------------------------------------------------------------------------------- */

static int open_maps(struct steering *steering, struct error_text *reterr)
{
	struct sluice_bpf *object;
	char path[PATH_MAX];
	int err = 0;

	object = sluice_bpf__open();
	if (!object)
		return error_text_set(reterr, -errno, "the steering program cannot be opened: %s",
				      strerror(errno));
	for (int i = 0; i < SHARED_COUNT && err == 0; i++) {
		snprintf(path, sizeof(path), "%s/%s", steering->dir, shared_name[i]);
		err = steering_map_use(bpf_object__find_map_by_name(object->obj, shared_name[i]), path,
				       &steering->shared_fd[i], reterr);
	}
	sluice_bpf__destroy(object);
	return err;
}

int steering_create(const char *bpffs, const char *instance, struct steering **ret_steering,
		    bool *ret_private, struct error_text *reterr)
{
	struct steering *steering;
	char name[128];
	int err;

	libbpf_set_print(silent); /* its lines go to stderr; what matters of them is in *reterr */
	err = bpffs_mount(bpffs, ret_private, reterr);
	if (err < 0)
		return err;
	steering = calloc(1, sizeof(*steering));
	if (!steering)
		return error_text_set(reterr, -ENOMEM, "no memory for steering");
	for (int i = 0; i < SHARED_COUNT; i++)
		steering->shared_fd[i] = -1;
	snprintf(name, sizeof(name), "%s", instance);
	bpffs_pin_name(name);
	err = -ENAMETOOLONG;
	if (snprintf(steering->dir, sizeof(steering->dir), "%s/sluice", bpffs) >= (int)sizeof(steering->dir))
		goto destroy;
	err = bpffs_make_dir(steering->dir, reterr);
	if (err < 0)
		goto destroy;
	if (snprintf(steering->dir, sizeof(steering->dir), "%s/sluice/%s", bpffs, name) >=
	    (int)sizeof(steering->dir)) {
		err = error_text_set(reterr, -ENAMETOOLONG, "%s: the path of the pins is too long", bpffs);
		goto destroy;
	}
	err = bpffs_make_dir(steering->dir, reterr);
	if (err == 0)
		err = open_maps(steering, reterr);
	if (err < 0)
		goto destroy;
	*ret_steering = steering;
	return 0;
destroy:
	steering_destroy(steering);
	return err;
}

void steering_destroy(struct steering *steering)
{
	struct steered *port;

	if (!steering)
		return;
	while ((port = steering->ports) != NULL) {
		steering->ports = port->next;
		close_port(port);
	}
	for (int i = 0; i < SHARED_COUNT; i++)
		if (steering->shared_fd[i] >= 0)
			close(steering->shared_fd[i]);
	free(steering);
}
