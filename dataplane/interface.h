/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the kernel knows about an interface that a port will use: queues, driver, MTU, the XDP program
 * on it. Only reads: configuring the kernel is sluiced's business. Main thread only; no DPDK here.
 */
#ifndef DATAPLANE_INTERFACE_H
#define DATAPLANE_INTERFACE_H

#include <stdbool.h>
#include <stdint.h>

#include "sluice/limits.h"

/* libxdp inside DPDK's driver takes an attached program of this name for its own and only adds sockets. */
#define INTERFACE_STEERING_PROGRAM "xsk_def_prog"

struct interface_info {
	int index;
	unsigned int rx_queues;
	unsigned int tx_queues;
	unsigned int mtu;
	bool up;
	bool veth;
	char xdp_program[16]; /* its name; empty: none attached */
};

/* Returns 0, -ENODEV (no such interface) or another -errno. */
int interface_read(const char *name, struct interface_info *ret_info);

/* Its MAC address as it is now. Returns 0, -ENODEV, -EAFNOSUPPORT (no Ethernet) or another -errno. */
int interface_mac(const char *name, uint8_t ret_mac[static 6]);

#endif
