/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Owns the XDP program of each interface. Pins, below <bpffs>/sluice/<instance>/:
 *   root, rows, flows, vips …   one for all interfaces (xdp_maps.h)
 *   <interface>/link            keeps the program attached while no sluiced runs
 *   <interface>/xsks_map        the sockets of sluice-dp; survives an update of the program
 *   <interface>/counters
 *   <interface>/mac             its own address, compared with the destination of frames
 * The link is pinned last: an interface with a link has its maps. bpffs allows no dot in a name, so a
 * dot is written as a colon, which no interface name can have.
 */
#include "steering_parts.h"

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
#include "steering_pin.h"

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* ---- the interface ------------------------------------------------------------------------------ */

struct steered *steering_find(struct steering *steering, const char *ifname)
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

/* A program of `port` over `maps` takes the place of the one before. */
static int update(struct steering *steering, const struct xdp_maps *maps, struct steered *port, struct error_text *reterr)
{
	struct sluice_bpf *object;
	int err = steering_load(steering, maps, port, &object, reterr);

	if (err < 0)
		return err;
	err = bpf_link_update(port->link_fd, bpf_program__fd(object->progs.xsk_def_prog), NULL);
	sluice_bpf__destroy(object);
	return err < 0 ? error_text_set(reterr, err, "%s: cannot update the attached XDP program: %s", port->ifname,
					strerror(-err)) : 0;
}

/* Adopts or attaches; `port` gets its descriptors. */
static int steer(struct steering *steering, struct steered *port, enum steering_attach_mode mode,
		 bool *ret_adopted, struct error_text *reterr)
{
	/* while bigger maps are filled, what is attached goes by those before */
	const struct xdp_maps *maps = steering->before ? steering->before : steering->maps;
	struct sluice_bpf *object = NULL;
	char path[PATH_MAX];
	int err;

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
	if (*ret_adopted)
		return update(steering, maps, port, reterr);
	err = steering_load(steering, maps, port, &object, reterr);
	if (err < 0)
		return err;
	steering_pin_path(steering->dir, port->ifname, "link", path);
	port->link_fd = steering_link_attach(port->ifname, bpf_program__fd(object->progs.xsk_def_prog), mode, path, reterr);
	sluice_bpf__destroy(object);
	return port->link_fd < 0 ? port->link_fd : 0;
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

int steering_attach(struct steering *steering, const char *ifname, uint16_t index, enum steering_attach_mode mode,
		    struct steering_port *ret_port, struct error_text *reterr)
{
	struct steering_port result = {0};
	struct steered *port;
	int err;

	if (is_attached(steering, ifname)) {
		result.adopted = true;
		port = steering_find(steering, ifname);
		port->port = index;
		err = steering_tell_mac(port, reterr);
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
	port->port = index;
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
	port->is_new = !result.adopted;
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

static bool is_among(const char *ifname, const char (*names)[IF_NAMESIZE], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], ifname) == 0)
			return true;
	return false;
}

void steering_keep(struct steering *steering, const char (*names)[IF_NAMESIZE], size_t count)
{
	struct steered *next;

	for (struct steered *port = steering->ports; port; port = next) {
		next = port->next;
		if (!is_among(port->ifname, names, count))
			steering_detach(steering, port->ifname);
	}
}

void steering_detach_new(struct steering *steering)
{
	struct steered *next;

	for (struct steered *port = steering->ports; port; port = next) {
		next = port->next;
		if (port->is_new)
			steering_detach(steering, port->ifname);
	}
}

void steering_detach_others(struct steering *steering)
{
	char names[STEERING_PINS_MAX][IF_NAMESIZE], path[PATH_MAX];
	const size_t count = steering_pin_list(steering->dir, names);
	size_t i;
	int fd;

	for (i = 0; i < count; i++) {
		if (steering_find(steering, names[i]))
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
	while (steering->ports)
		steering_detach(steering, steering->ports->ifname);
	steering_detach_others(steering);
	xdp_maps_unlink(steering->dir);
	rmdir(steering->dir);
}

/* ---- bigger maps -------------------------------------------------------------------------------- */

bool steering_is_attached(const struct steering *steering, const char *ifname, uint32_t *ret_id, bool *ret_generic)
{
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);
	const struct steered *port = steering->ports;

	while (port && strcmp(port->ifname, ifname) != 0)
		port = port->next;
	if (!port || bpf_obj_get_info_by_fd(port->link_fd, &info, &len) < 0 || info.xdp.ifindex == 0 ||
	    steering_link_program(ifname, ret_id, ret_generic) < 0)
		return false;
	return *ret_id == info.prog_id;
}

bool steering_is_moving(const struct steering *steering)
{
	return steering->before != NULL;
}

size_t steering_port_count(const struct steering *steering)
{
	size_t count = 0;

	for (const struct steered *port = steering ? steering->ports : NULL; port; port = port->next)
		count++;
	return count;
}

const char *steering_dir(const struct steering *steering)
{
	return steering->dir;
}

const struct xdp_maps *steering_maps(const struct steering *steering)
{
	return steering->maps;
}

/* No program uses the maps, of ours or of a sluiced before us. */
static bool is_unused(const struct steering *steering)
{
	char names[STEERING_PINS_MAX][IF_NAMESIZE];

	return !steering->ports && steering_pin_list(steering->dir, names) == 0;
}

int steering_grow(struct steering *steering, const struct xdp_capacity *capacity, struct error_text *reterr)
{
	struct xdp_maps *maps = calloc(1, sizeof(*maps));
	int err = maps ? xdp_maps_open(maps, steering->dir, capacity, reterr)
		       : error_text_set(reterr, -ENOMEM, "no memory for maps");

	if (err < 0) {
		free(maps);
		return err;
	}
	if (!xdp_maps_staged(maps) && !steering->before) {
		xdp_maps_close(maps);
		free(maps);
		return 0;
	}
	if (steering->before) { /* nothing was attached to those in between */
		xdp_maps_close(steering->maps);
		free(steering->maps);
	} else {
		steering->before = steering->maps;
	}
	steering->maps = maps;
	xdp_maps_carry(maps, steering->before);
	if (is_unused(steering))
		err = steering_move(steering, reterr);
	return err < 0 ? err : 1;
}

int steering_move(struct steering *steering, struct error_text *reterr)
{
	int err = 0;

	if (!steering->before)
		return 0;
	/* Pinned first: who starts after us, whenever we die, finds a whole generation and moves what is not moved. */
	err = xdp_maps_settle(steering->maps, reterr);
	for (struct steered *port = steering->ports; port && err == 0; port = port->next)
		err = update(steering, steering->maps, port, reterr);
	if (err < 0)
		return err;
	xdp_maps_carry_late(steering->maps, steering->before);
	xdp_maps_close(steering->before);
	free(steering->before);
	steering->before = NULL;
	return 0;
}

/* ---- lifetime ----------------------------------------------------------------------------------- */

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
	steering->maps = calloc(1, sizeof(*steering->maps));
	if (err == 0 && !steering->maps)
		err = error_text_set(reterr, -ENOMEM, "no memory for steering");
	if (err == 0)
		err = xdp_maps_open(steering->maps, steering->dir, NULL, reterr);
	if (err == 0) /* what is pinned of another shape is of another version: nothing of it can be used */
		err = xdp_maps_settle(steering->maps, reterr);
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
	if (steering->maps && is_unused(steering)) { /* maps that no program ever had are of no use to the next start */
		xdp_maps_unlink(steering->dir);
		rmdir(steering->dir);
	}
	while ((port = steering->ports) != NULL) {
		steering->ports = port->next;
		close_port(port);
	}
	if (steering->maps)
		xdp_maps_close(steering->maps);
	if (steering->before)
		xdp_maps_close(steering->before);
	free(steering->maps);
	free(steering->before);
	free(steering);
}
