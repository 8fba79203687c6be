/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a backend's host must be told so that it receives Sluice's packets, independent of how it is
 * said (backend_shell.c, backend_networkd.c, backend_ansible.c).
 */
#ifndef SLUICECTL_BACKEND_PLAN_H
#define SLUICECTL_BACKEND_PLAN_H

#include <stdio.h>

#include "backend_target.h"
#include "sluice/decap.h"

enum backend_tunnel { BACKEND_TUNNEL_KERNEL, BACKEND_TUNNEL_XDP, BACKEND_TUNNEL_XDP_GENERIC, BACKEND_TUNNEL_TC };

/* A tunnel device of the kernel. One for each pair of own address and balancer. */
struct backend_tunnel_device {
	char name[16];    /* from its kind and addresses: the same in every run */
	const char *kind; /* "ipip", "sit", "ip6tnl": module, and kind of the device */
	const char *mode; /* of iproute2 and, in its spelling, networkd */
	struct sl_addr local;
	struct sl_addr remote; /* all zero: any */
};

/* Addresses of balancers. */
struct backend_network {
	struct sl_addr addr;
	unsigned int prefix_len; /* of the 128 bits: IPv4 /24 is 120; 0: any */
};

struct backend_plan {
	char what[SL_NAME_MAX + 16]; /* for the comment on top */
	struct sl_addr *vips;        /* sorted, each once */
	size_t vip_count;
	bool ipip;                            /* a tunnel's end is needed */
	bool inner_v4, inner_v6;              /* of what comes in tunnels */
	struct sl_addr own[SL_DECAP_OWN_MAX]; /* where tunnels end */
	size_t own_count;
	struct backend_network from[SL_DECAP_SOURCES_MAX]; /* the balancers */
	size_t from_count;
	enum backend_tunnel tunnel;
	char device[16];       /* where packets come in; empty: not said */
	const char *object;    /* decap.bpf.o on the backend */
	const char *state;     /* folder that remembers what was before */
	unsigned int mtu, mss; /* 0: as they are */
};

/* CTL_DONE, or the exit status after a line on stderr. */
enum ctl_exit backend_plan_make(const struct ctl_options *options, const struct backend_target *target,
				struct backend_plan *ret_plan);
void backend_plan_free(struct backend_plan *plan);
/* True when the end of the tunnels is decap.bpf.o. */
bool backend_plan_has_program(const struct backend_plan *plan);
/* The tunnel device number `index`; false: there are no more. */
bool backend_plan_device(const struct backend_plan *plan, size_t index, struct backend_tunnel_device *ret_device);

/* Each writes something that may be run twice; `undo` writes what takes it back. */
void backend_shell_write(const struct backend_plan *plan, bool undo, FILE *out);
void backend_networkd_write(const struct backend_plan *plan, bool undo, FILE *out);
void backend_ansible_write(const struct backend_plan *plan, bool undo, FILE *out);
/* Parts of the shell script for what networkd has no words for; empty() says whether there are any. */
bool backend_shell_rest_is_empty(const struct backend_plan *plan);
void backend_shell_write_rest(const struct backend_plan *plan, bool undo, FILE *out);

#endif
