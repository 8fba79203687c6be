/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which DPDK devices make up a configured port, with their arguments, and whether the machine can give
 * them. Pure: what the kernel says of the interface comes in. port.c creates what is planned here.
 */
#ifndef DATAPLANE_PORT_PLAN_H
#define DATAPLANE_PORT_PLAN_H

#include <stdbool.h>

#include "dataplane/interface.h"
#include "sluice/abi.h"

enum {
	PORT_MTU_DEFAULT = 1500,
	PORT_MTU_MAX = 9600,
	PORT_MTU_AF_XDP_MAX = 3290, /* a frame, its headrooms and its mbuf share one 4 KiB page */
};

struct port_plan_device {
	char name[48];  /* as DPDK will call it; a PCI address for pci ports */
	char args[SL_DEVICE_MAX + 64];
};

struct port_plan {
	unsigned int device_count; /* 1, or one a worker when the driver has one queue a device */
	struct port_plan_device device[SL_WORKERS_MAX];
	const char *bus;           /* "vdev" or "pci" */
	unsigned int mtu;          /* 0: as the device has it */
	bool needs_steering;       /* a program of sluiced must be attached before the device is created */
	bool kernel_path;          /* the kernel sees what is not ours */
	char warning[256];         /* empty: nothing to say */
};

struct port_plan_error {
	char text[512]; /* cause and remedy in one line */
};

struct port_plan_request {
	const struct sl_port_config *config;
	const struct interface_info *interface; /* NULL for pci and vdev */
	unsigned int index;                     /* of the port: makes device names unique */
	unsigned int workers;
	bool root_owned;                        /* the configuration and the shared memory are root's */
};

/* The kernel interface of a port; NULL: pci and vdev have none. */
const char *port_plan_interface(const struct sl_port_config *config);
/* Returns 0, -EPERM (vdev of a configuration that is not root's), -EINVAL or -ENOSPC (too few queues, too long frames). */
int port_plan_build(const struct port_plan_request *request, struct port_plan *ret_plan,
		    struct port_plan_error *reterr_error);

#endif
