/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What steering.c, steering_load.c and steering_set.c share; nobody else includes this.
 */
#ifndef CONTROLPLANE_STEERING_PARTS_H
#define CONTROLPLANE_STEERING_PARTS_H

#include <net/if.h>

#include "steering.h"

struct sluice_bpf;

/* One interface with our program. */
struct steered {
	char ifname[IF_NAMESIZE];
	uint16_t port; /* its sl_port.index */
	bool is_new;   /* attached by this process, not found */
	int link_fd;
	int counters_fd;
	int mac_fd;
	struct steered *next;
};

struct steering {
	char dir[256];
	struct xdp_maps *maps;
	struct xdp_maps *before; /* those that the attached programs still use, while `maps` are staged; else NULL */
	struct steered *ports;
};

/* Loads a program for `port` over `maps` and the pinned ones of its interface, whose descriptors `port` gets
 * where it has none. The caller destroys *ret_object. 0 or -errno. */
int steering_load(const struct steering *steering, const struct xdp_maps *maps, struct steered *port,
		  struct sluice_bpf **ret_object, struct error_text *reterr);
/* Tells the program of `port` which it is, and the interface's MAC address as it is now. */
int steering_tell_mac(const struct steered *port, struct error_text *reterr);
struct steered *steering_find(struct steering *steering, const char *ifname); /* NULL: it is not steered */

#endif
