/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the XDP steering program (bpf/) and its loader (controlplane/steering.c) share: map keys, values
 * and counter positions. The maps are pinned and outlive sluiced, so a change of shape is found at the
 * next start and the map is replaced; xsks_map has the shape that libxdp asks for and never changes.
 */
#ifndef SLUICE_STEERING_H
#define SLUICE_STEERING_H

#include "types.h"

/* Value of the map `vips`, whose key is the VIP's struct sl_addr. */
enum sl_steering_vip_flags {
	SL_STEERING_VIP_KERNEL = 1 << 0, /* only listeners and ICMP are ours here, the rest is the kernel's */
};

/* Key of the map `listeners`: one (protocol, address, port) of a VIP with SL_STEERING_VIP_KERNEL. */
struct sl_steering_listener {
	struct sl_addr addr;
	__be16 port; /* 0: every port */
	__u8 proto;
	__u8 zero[5];
};

/* Key of the map `fragments`: a datagram in fragments, as in core/datagram.h, but not hashed. */
struct sl_steering_fragment {
	struct sl_addr src;
	struct sl_addr dst;
	__be32 id;
	__u8 proto; /* IPv6: 0 */
	__u8 zero[3];
};

/* The one value of the map `mac`: the interface's own address. All zero: not known, nothing is compared. */
struct sl_steering_mac {
	__u8 mac[6] SL_ALIGNED(8);
	__u8 zero[2];
};

/* Positions in the per-CPU map `counters`. Append-only. */
enum sl_steering_counter {
	SL_STEERING_REDIRECTED = 0,    /* given to the queue's AF_XDP socket */
	SL_STEERING_DROPPED_NO_SOCKET, /* for a VIP, but no worker polls this queue */
	SL_STEERING_PASSED,            /* the kernel's */
	SL_STEERING_COUNTER_COUNT
};

enum {
	SL_STEERING_QUEUES_MAX = 128, /* sockets of one interface: xsks_map entries */
	SL_STEERING_FRAGMENTS_MAX = 16384, /* as many datagrams as a worker remembers; the kernel forgets the oldest */
	SL_STEERING_SOURCES_MAX = 4096, /* addresses of the balancer that tunnels begin at */
};

_Static_assert(sizeof(struct sl_steering_listener) == 24, "map keys are compared as bytes: no holes");
_Static_assert(sizeof(struct sl_steering_fragment) == 40, "map keys are compared as bytes: no holes");
_Static_assert(sizeof(struct sl_steering_mac) == 8, "the size of the map's value");

#endif
