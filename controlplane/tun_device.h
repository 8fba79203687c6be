/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The TUN device that carries VIP addresses. It lives as long as somebody holds its descriptor, which
 * is the forwarder's part; nothing is ever sent through it.
 */
#ifndef CONTROLPLANE_TUN_DEVICE_H
#define CONTROLPLANE_TUN_DEVICE_H

#include "error_text.h"
#include "netlink.h"

/*
 * Makes the device `name` and sets it up; *ret_fd is the caller's, close-on-exec and non-blocking.
 * -EBUSY: somebody holds a device of that name; -ENOENT: the kernel has no TUN; -EPERM: capabilities.
 */
int tun_device_create(struct netlink *nl, const char *name, int *ret_fd, struct error_text *reterr);

#endif
