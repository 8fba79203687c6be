/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames for the steering program, and what the program attached to an interface does with them
 * (BPF_PROG_TEST_RUN). Asserts instead of failing.
 */
#ifndef TESTS_NETNS_STEERING_PACKET_H
#define TESTS_NETNS_STEERING_PACKET_H

#include <stddef.h>
#include <stdint.h>

#include "sluice/types.h"

/* The frame's destination, seen from the interface. */
enum packet_mac {
	PACKET_TO_PORT = 0,
	PACKET_TO_NEXT,    /* unicast, the last byte differs */
	PACKET_TO_ANOTHER, /* unicast, the first byte differs */
	PACKET_TO_GROUP,   /* multicast */
	PACKET_TO_ALL,     /* broadcast */
};

struct packet_case {
	const char *name;
	const char *dst;
	unsigned int vlan_tags;
	enum packet_mac mac;
	uint16_t ethertype; /* 0: that of dst */
	uint8_t proto;
	uint16_t dport;
	uint8_t icmp_type;
	uint8_t quoted_proto;   /* not 0: an ICMP error that quotes a packet of it */
	const char *quoted_src; /* who sent that; NULL: dst */
	size_t cut; /* bytes that are left; 0: all */
	int action; /* without a socket on the queue */
};

/* An IPv4 or IPv6 address, in text. */
struct sl_addr packet_address(const char *text);
/* What the program attached to `ifname` does with the frame. */
int packet_action(const char *ifname, const struct packet_case *test);

#endif
