/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bpf_link of one interface: finding a pinned one, making one, and saying why that is refused.
 */
#ifndef CONTROLPLANE_STEERING_LINK_H
#define CONTROLPLANE_STEERING_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "sluice/steering.h"

#include "error_text.h"

enum steering_attach_mode { STEERING_NATIVE_ONLY = 0, STEERING_NATIVE_OR_GENERIC, STEERING_GENERIC };

/* The descriptor of the link pinned at `path` if it holds a program on `ifname`; else -ENOENT. */
int steering_link_open(const char *path, const char *ifname);
/* The program on an interface, whosever it is; *ret_id 0: none. 0 or -errno. */
int steering_link_program(const char *ifname, uint32_t *ret_id, bool *ret_generic);
/* 0, or -EBUSY naming the program that is on the interface. */
int steering_link_check_free(const char *ifname, struct error_text *reterr);
/* The MTU whose frames fit one XDP buffer. */
uint32_t steering_link_mtu_max(void);
/* 0, or -ERANGE when the MTU is more than one XDP buffer takes. */
int steering_link_check_mtu(const char *ifname, struct error_text *reterr);
/* The interface's own MAC address; all zero when it is no Ethernet. 0 or -errno. */
int steering_link_mac(const char *ifname, struct sl_steering_mac *ret_mac, struct error_text *reterr);
/* Attaches (STEERING_NATIVE_OR_GENERIC: generic only where needed) and pins the link. Descriptor or
 * -errno. */
int steering_link_attach(const char *ifname, int program_fd, enum steering_attach_mode mode, const char *path,
			 struct error_text *reterr);

#endif
