/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Headers as they lie in a frame, in network order, and the numbers in them. Layout only: reading them
 * is cursor.h's and parse.h's business.
 */
#ifndef SLUICE_CORE_WIRE_H
#define SLUICE_CORE_WIRE_H

#include "../types.h"

/* gcc and clang must not expect alignment in a frame; BPF may read any packet byte as it is. */
#ifdef __bpf__
#define SL_WIRE
#else
#define SL_WIRE __attribute__((packed))
#endif

enum {
	SL_ETH_LEN = 14,
	SL_VLAN_LEN = 4,
	SL_IPV4_LEN = 20,
	SL_IPV6_LEN = 40,
	SL_TCP_LEN = 20,
	SL_UDP_LEN = 8,
	SL_ICMP_LEN = 8,
	SL_IP_LEN_MAX = 65535,
	SL_IPV4_MTU_MIN = 68,   /* RFC 791: every link takes that much */
	SL_IPV6_MTU_MIN = 1280, /* RFC 8200 5 */
	SL_OUTER_TTL = 64, /* of every header that the core makes */
};

enum sl_ethertype { SL_ETH_IPV4 = 0x0800, SL_ETH_IPV6 = 0x86dd, SL_ETH_VLAN = 0x8100, SL_ETH_QINQ = 0x88a8 };

enum sl_ip_proto {
	SL_PROTO_HOPOPTS = 0,
	SL_PROTO_ICMP = 1,
	SL_PROTO_IPIP = 4,
	SL_PROTO_TCP = 6,
	SL_PROTO_UDP = 17,
	SL_PROTO_IPV6 = 41,
	SL_PROTO_ROUTING = 43,
	SL_PROTO_FRAGMENT = 44,
	SL_PROTO_AH = 51,
	SL_PROTO_ICMPV6 = 58,
	SL_PROTO_DSTOPTS = 60,
};

enum { SL_TCP_FIN = 0x01, SL_TCP_SYN = 0x02, SL_TCP_RST = 0x04, SL_TCP_ACK = 0x10 };
enum { SL_IPV4_DF = 0x4000, SL_IPV4_MF = 0x2000, SL_IPV4_OFFSET = 0x1fff };

enum sl_icmp_type {
	SL_ICMP_ECHO_REPLY = 0,
	SL_ICMP_UNREACHABLE = 3,
	SL_ICMP_QUENCH = 4,
	SL_ICMP_REDIRECT = 5,
	SL_ICMP_ECHO = 8,
	SL_ICMP_TIME_EXCEEDED = 11,
	SL_ICMP_PARAMETER = 12,
	SL_ICMPV6_UNREACHABLE = 1,
	SL_ICMPV6_TOO_BIG = 2,
	SL_ICMPV6_PARAMETER = 4,    /* 3, time exceeded, lies between */
	SL_ICMPV6_ERROR_LAST = 127, /* RFC 4443 2.1: errors have the high bit clear */
	SL_ICMPV6_ECHO = 128,
	SL_ICMPV6_ECHO_REPLY = 129,
	SL_ICMPV6_MLD_FIRST = 130, /* 130-132 MLD, 133-137 neighbour discovery */
	SL_ICMPV6_ND_LAST = 137,
	SL_ICMPV6_MLD2_REPORT = 143,
};

/* Codes of unreachable: nobody listens at the port; a packet with DF does not fit. */
enum { SL_ICMP_PORT = 3, SL_ICMPV6_PORT = 4, SL_ICMP_FRAGMENTATION_NEEDED = 4 };

struct sl_eth {
	__u8 dst[6];
	__u8 src[6];
	__be16 type;
} SL_WIRE;

struct sl_ipv4 {
	__u8 version_ihl;
	__u8 tos;
	__be16 len;
	__be16 id;
	__be16 frag;
	__u8 ttl;
	__u8 proto;
	__u16 csum;
	__be32 src;
	__be32 dst;
} SL_WIRE;

struct sl_ipv6 {
	__be32 version_tc_label;
	__be16 len;
	__u8 next;
	__u8 hop_limit;
	__be32 src[4];
	__be32 dst[4];
} SL_WIRE;

struct sl_tcp {
	__be16 sport;
	__be16 dport;
	__be32 seq;
	__be32 ack;
	__u8 offset; /* upper four bits: header length in words */
	__u8 flags;
	__be16 window;
	__u16 csum;
	__be16 urgent;
} SL_WIRE;

struct sl_udp {
	__be16 sport;
	__be16 dport;
	__be16 len;
	__u16 csum;
} SL_WIRE;

struct sl_icmp {
	__u8 type;
	__u8 code;
	__u16 csum;
	__be32 rest;
} SL_WIRE;

/* True when both are the same MAC address. Any thread. */
SL_INLINE int sl_mac_equal(const __u8 *a, const __u8 *b)
{
#ifdef __bpf__ /* where clang knows no alignment it reads bytes */
	const __u16 *x = (const __u16 *)a, *y = (const __u16 *)b;

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2];
#else
	__u32 first_a, first_b;
	__u16 last_a, last_b;

	__builtin_memcpy(&first_a, a, 4);
	__builtin_memcpy(&first_b, b, 4);
	__builtin_memcpy(&last_a, a + 4, 2);
	__builtin_memcpy(&last_b, b + 4, 2);
	return first_a == first_b && last_a == last_b;
#endif
}

_Static_assert(sizeof(struct sl_eth) == SL_ETH_LEN, "wire format");
_Static_assert(sizeof(struct sl_ipv4) == SL_IPV4_LEN, "wire format");
_Static_assert(sizeof(struct sl_ipv6) == SL_IPV6_LEN, "wire format");
_Static_assert(sizeof(struct sl_tcp) == SL_TCP_LEN, "wire format");
_Static_assert(sizeof(struct sl_udp) == SL_UDP_LEN, "wire format");
_Static_assert(sizeof(struct sl_icmp) == SL_ICMP_LEN, "wire format");

#endif
