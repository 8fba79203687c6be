/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What keeps an interface from working with XDP although a program can be attached, or keeps it from
 * being attached: found before traffic is, each with its remedy. Its own MTU and other programs are
 * steering_link.c's. Main thread only; system calls that do not wait.
 */
#ifndef CONTROLPLANE_XDP_INTERFACE_H
#define CONTROLPLANE_XDP_INTERFACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error_text.h"

enum { XDP_INTERFACE_FINDINGS_MAX = 8 };

/* What the kernel says of an interface. 0 and false: no, or it did not say. */
struct xdp_interface {
	char ifname[16];
	char driver[32];
	bool lro, gro_hw; /* packets are joined before XDP sees them */
	bool strips_vlan; /* tags are beside the frame then */
	uint32_t rx_queues, tx_queues, queues_max;
	bool is_veth;
	char peer[16]; /* a veth's other end; empty: in another namespace */
	uint32_t peer_tx_queues, peer_mtu;
	bool peer_has_program;
};

/* What the program will do there. */
struct xdp_interface_use {
	bool native;   /* in the driver, or refused */
	bool forwards; /* sends packets by itself (XDP_TX), not only to sockets */
	unsigned int cpu_count;
	uint32_t mtu_max; /* of what fits one buffer */
};

/* 0, or -ENODEV; what the driver does not tell stays unknown. */
int xdp_interface_read(const char *ifname, struct xdp_interface *ret_interface);
/* Writes one line a finding, cause and remedy, and returns how many. Pure. */
size_t xdp_interface_judge(const struct xdp_interface *interface, const struct xdp_interface_use *use,
			   struct error_text findings[XDP_INTERFACE_FINDINGS_MAX]);

#endif
