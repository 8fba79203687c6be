/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loading the XDP program for one interface, and what the kernel's verifier says when it does not like it.
 */
#include "steering_parts.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "sluice.skel.h"
#include "bpf_refusal.h"
#include "steering_map.h"
#include "steering_pin.h"

/* A smaller log makes the kernel say "no space" instead of what it objects to. Untouched when it loads. */
#define VERIFIER_LOG_SIZE (1 << 20)

static int load(struct sluice_bpf *object, const char *verifier_log, struct error_text *reterr)
{
	const int err = sluice_bpf__load(object);
	struct utsname kernel;

	if (err >= 0)
		return 0;
	return bpf_refusal_of_program(err, uname(&kernel) == 0 ? kernel.release : "?", verifier_log,
				      bpf_refusal_lacks_capability(), reterr);
}

/* Tells the program of `port` the interface's MAC address as it is now. */
int steering_tell_mac(const struct steered *port, struct error_text *reterr)
{
	struct sl_steering_mac mac;
	const uint32_t only = 0;
	int err = steering_link_mac(port->ifname, &mac, reterr);

	if (err < 0)
		return err;
	mac.port = port->port;
	err = bpf_map_update_elem(port->mac_fd, &only, &mac, BPF_ANY);
	return err < 0 ? error_text_set(reterr, err, "%s: cannot tell the steering program the MAC address: %s",
					port->ifname, strerror(-err))
		       : 0;
}

/* Opens a pinned map of the interface for `object`; the descriptor stays port's. */
static int use_pinned(const struct steering *steering, const struct steered *port, const char *name, struct bpf_map *map,
		      int *fd, struct error_text *reterr)
{
	char path[PATH_MAX];
	int opened = -1, err;

	steering_pin_path(steering->dir, port->ifname, name, path);
	err = steering_map_use(map, path, &opened, reterr);
	if (err < 0)
		return err;
	if (*fd >= 0)
		close(*fd);
	*fd = opened;
	return 0;
}

int steering_load(const struct steering *steering, const struct xdp_maps *maps, struct steered *port,
		  struct sluice_bpf **ret_object, struct error_text *reterr)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .kernel_log_size = VERIFIER_LOG_SIZE);
	char *verifier_log = calloc(1, VERIFIER_LOG_SIZE);
	struct sluice_bpf *object;
	int xsks_fd = -1, err = 0;

	if (!verifier_log)
		return error_text_set(reterr, -ENOMEM, "no memory for the verifier's log");
	opts.kernel_log_buf = verifier_log;
	object = sluice_bpf__open_opts(&opts);
	if (!object) {
		err = error_text_set(reterr, -errno, "the steering program cannot be opened: %s",
				     strerror(errno));
		goto free_log;
	}
	err = xdp_maps_use(maps, object->obj, reterr);
	if (err == 0)
		err = use_pinned(steering, port, "xsks_map", object->maps.xsks_map, &xsks_fd, reterr);
	if (err == 0)
		err = use_pinned(steering, port, "counters", object->maps.counters, &port->counters_fd, reterr);
	if (err == 0)
		err = use_pinned(steering, port, "mac", object->maps.mac, &port->mac_fd, reterr);
	if (err == 0)
		err = steering_tell_mac(port, reterr);
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
	if (xsks_fd >= 0)
		close(xsks_fd);
	free(verifier_log);
	return err;
}
