/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What decap.bpf.c and whoever fills its maps agree on: keys, limits and counters. The maps are
 * decap_own and decap_vips (keys: struct sl_addr), decap_sources and decap_counters.
 */
#ifndef SLUICE_DECAP_H
#define SLUICE_DECAP_H

#include "types.h"

enum {
	SL_DECAP_OWN_MAX = 64,      /* addresses of one backend that tunnels end at */
	SL_DECAP_SOURCES_MAX = 256, /* networks that balancers send tunnels from */
	SL_DECAP_VIPS_MAX = 4096,   /* VIPs of one backend */
};

/* A key of decap_sources: a longest-prefix trie over the 16 bytes of an address. IPv4 /24 is 120. */
struct sl_decap_source {
	__u32 prefix_len;
	struct sl_addr addr SL_ALIGNED(4);
} __attribute__((packed));

_Static_assert(sizeof(struct sl_decap_source) == 20, "the trie compares the bytes behind prefix_len");

/* Positions in decap_counters, one value a CPU. A packet that is in no tunnel of ours is not counted. */
enum sl_decap_counter {
	SL_DECAP_UNWRAPPED = 0, /* handed to the stack without its outer header */
	SL_DECAP_OTHER_SOURCE,  /* left as it came: the outer source is no balancer's */
	SL_DECAP_OTHER_VIP,     /* left as it came: the inner destination is no VIP of ours */
	SL_DECAP_FRAGMENT,      /* left as it came: a fragment of a tunnel packet */
	SL_DECAP_MALFORMED,     /* dropped: the inner packet is no whole packet of its family */
	SL_DECAP_CONGESTED,     /* dropped: marked on the way, and its sender does not know marks (RFC 6040 4.2) */
	SL_DECAP_NO_ROOM,       /* dropped: the kernel could not move the frame's beginning */
	SL_DECAP_COUNTER_COUNT,
};

#endif
