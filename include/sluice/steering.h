/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the XDP steering program (bpf/) and its loader (controlplane/steering.c) share: map keys, values
 * and counter positions. The maps are pinned and outlive sluiced, so a change of shape is found at the
 * next start and the map is replaced; xsks_map has the shape that libxdp asks for and never changes.
 */
#ifndef SLUICE_STEERING_H
#define SLUICE_STEERING_H

#include "types.h"

/*
 * Key of the map `listeners`, whose value is the id of the service: one (protocol, address, port). While packets are
 * redirected only those of a VIP with SL_OTHERWISE_KERNEL are asked for; the others are the worker's business.
 */
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

/* The one value of the map `mac`: whose program this is. */
struct sl_steering_mac {
	__u8 mac[6] SL_ALIGNED(8); /* the interface's own address; all zero: not known, nothing is compared */
	__u16 port;                /* the interface's sl_port.index */
};

/* Positions in the per-CPU map `counters`. Append-only. */
enum sl_steering_counter {
	SL_STEERING_REDIRECTED = 0,    /* given to the queue's AF_XDP socket */
	SL_STEERING_DROPPED_NO_SOCKET, /* for a VIP, but no worker polls this queue */
	SL_STEERING_PASSED,            /* the kernel's */
	SL_STEERING_FORWARDED,         /* left again by this program: to a backend, or an answer */
	SL_STEERING_DROPPED,           /* by this program's verdict (map `verdicts`) */
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
