/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VIP addresses in the kernel, so that it answers ARP and neighbour solicitations for them and routing
 * daemons see them. While the forwarder holds the TUN device: IPv4 VIPs are /32 on it, IPv6 VIPs /128
 * on it, or, where a port's network contains them, /128 on that port (the kernel does not answer
 * solicitations for another interface's address). No forwarder, no addresses. Main thread only.
 *
 * Found by comparing with what is there, so a restart changes nothing. Everything on the device is
 * ours; on a port, what carries our IFA_PROTO (Linux 5.18): other addresses are never touched.
 */
#ifndef CONTROLPLANE_VIP_ADDRESS_H
#define CONTROLPLANE_VIP_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "sluice/types.h"

#include "error_text.h"
#include "link.h"
#include "netlink.h"

#define VIP_ADDRESS_PROTO 0x53 /* IFA_PROTO of what we put on a port: 'S' */

struct vip_address_events {
	void *ctx;
	void (*appeared)(void *ctx, const struct sl_addr *vip, const char *ifname);
	void (*disappeared)(void *ctx, const struct sl_addr *vip, const char *ifname);
	void (*trouble)(void *ctx, const char *text); /* one line with the remedy; tried again each second */
};

struct vip_address;

/* `device`: name of the TUN device. 0 or -errno; with 0 *reterr is empty, or says what it does without. */
int vip_address_create(struct netlink *nl, struct links *links, uv_loop_t *loop, const char *device,
		       const struct vip_address_events *events, struct vip_address **ret_vip,
		       struct error_text *reterr);
/* Leaves the addresses where they are. Before links and netlink; the loop must run once more. NULL is fine.
 */
void vip_address_destroy(struct vip_address *vip);

/* Names of the ports' interfaces. 0 or -ENOMEM. */
int vip_address_ports(struct vip_address *vip, const char (*ifnames)[16], size_t count);
/* The VIPs that are to be announced, all of them; nothing is removed before the first call. 0 or -ENOMEM. */
int vip_address_set(struct vip_address *vip, const struct sl_addr *vips, size_t count);
/* The forwarder holds the device (true), or no longer: addresses on ports go. Nothing happens before the
 * first call. */
void vip_address_held(struct vip_address *vip, bool held);
/* A clean stop: removes all of ours, now. */
void vip_address_clear(struct vip_address *vip);

#endif
