/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every packet ends in exactly one of these; each is a counter, a row of docs/verdicts.md and a word
 * that sluicectl and sluice-sim print. Append-only: a number is a position in the statistics.
 */
#ifndef SLUICE_VERDICT_H
#define SLUICE_VERDICT_H

#include "limits.h"

enum sl_verdict {
	SL_VERDICT_FORWARD = 0,           /* left towards a backend */
	SL_VERDICT_TO_KERNEL,             /* not for a VIP: handed to the kernel */
	SL_VERDICT_ECHO_REPLY,            /* ICMP or ICMPv6 echo to a VIP, answered */
	SL_VERDICT_REJECT_EMPTY,          /* no live backend: answered with RST or port unreachable */
	SL_VERDICT_REJECT_NO_SERVICE,     /* VIP without a service there, set to reject: answered */
	SL_VERDICT_DROP_NO_SERVICE,       /* VIP without a service there */
	SL_VERDICT_DROP_NO_BACKEND,       /* no live backend, set to drop */
	SL_VERDICT_DROP_NO_NEIGHBOR,      /* the next hop's MAC address, or the tunnel's own address, is not known yet */
	SL_VERDICT_DROP_LOOP,             /* our own frame or our own outer source came back */
	SL_VERDICT_DROP_TOO_BIG,          /* longer than the next hop's MTU, after encapsulation */
	SL_VERDICT_DROP_FRAGMENT,         /* a fragment to a VIP, of a protocol without ports */
	SL_VERDICT_DROP_ICMP_ERROR,       /* an ICMP error to a VIP, about no connection of a service */
	SL_VERDICT_DROP_REPLY_LIMITED,    /* an answer was due, but the worker's rate limit is spent */
	SL_VERDICT_DROP_NO_KERNEL_PATH,   /* not for a VIP, on a port that has no way to the kernel */
	SL_VERDICT_DROP_TX_FULL,          /* decided, but the port took no more frames */
	SL_VERDICT_DROP_NO_ROOM,          /* no headroom in the buffer for the outer header */
	SL_VERDICT_DROP_ETH_TRUNCATED,    /* shorter than its Ethernet or VLAN header */
	SL_VERDICT_DROP_IP_TRUNCATED,     /* shorter than a fixed IP header (20 or 40 bytes) */
	SL_VERDICT_DROP_IP_VERSION,       /* EtherType and IP version disagree */
	SL_VERDICT_DROP_IP_HEADER_LENGTH, /* IPv4 header length below 20 or past the packet */
	SL_VERDICT_DROP_IP_LENGTH,        /* IP length below its header or past the frame */
	SL_VERDICT_DROP_IP_CHECKSUM,      /* wrong IPv4 header checksum */
	SL_VERDICT_DROP_IP_SOURCE,        /* source is multicast, broadcast, loopback, unspecified, mapped or the VIP */
	SL_VERDICT_DROP_IP6_EXTENSIONS,   /* extension headers truncated, too many, too long or misplaced */
	SL_VERDICT_DROP_IP6_ROUTING,      /* routing header with segments left */
	SL_VERDICT_DROP_TCP_TRUNCATED,    /* TCP header not complete */
	SL_VERDICT_DROP_TCP_HEADER_LENGTH,/* TCP data offset below 5 or past the packet */
	SL_VERDICT_DROP_UDP_TRUNCATED,    /* UDP header not complete */
	SL_VERDICT_DROP_UDP_LENGTH,       /* UDP length below 8 or past the packet */
	SL_VERDICT_DROP_ICMP_TRUNCATED,   /* ICMP header not complete */
	SL_VERDICT_DROP_FRAGMENT_EARLY,   /* a later fragment whose first one is not known, or not in time */
	SL_VERDICT_DROP_FRAGMENT_OVERLAP, /* bytes of its datagram were seen before */
	SL_VERDICT_DROP_FRAGMENT_TINY,    /* a first fragment without its whole transport header, or one at byte 8 */
	SL_VERDICT_DROP_FRAGMENT_MALFORMED, /* a length no fragment can have, or an end past 65535 */
	SL_VERDICT_DROP_ICMP_CHECKSUM,    /* an ICMP error with a wrong checksum */
	SL_VERDICT_DROP_ICMP_QUOTE,       /* an ICMP error whose quoted packet cannot be read */
	SL_VERDICT_DROP_ICMP_FRAGMENT,    /* an ICMP error about a fragment without ports */
	SL_VERDICT_DROP_ICMP_MTU,         /* an ICMP error with an MTU that cannot be */
	SL_VERDICT_DROP_TUNNEL_ERROR,     /* an ICMP error about a tunnel's outer packet, of no use to the client */
	SL_VERDICT_RELAY_TOO_BIG,         /* the way to a backend is narrow: the client is told so from the VIP */
	SL_VERDICT_COUNT,
};

_Static_assert((int)SL_VERDICT_COUNT <= (int)SL_VERDICT_SLOTS, "raise SL_VERDICT_SLOTS and the ABI minor version");

/* The verdict's word in tools, documentation and metrics. Any thread; never NULL. */
static inline const char *sl_verdict_name(enum sl_verdict verdict)
{
	switch (verdict) { /* no default: the compiler finds the forgotten one */
	case SL_VERDICT_FORWARD: return "forward";
	case SL_VERDICT_TO_KERNEL: return "to_kernel";
	case SL_VERDICT_ECHO_REPLY: return "echo_reply";
	case SL_VERDICT_REJECT_EMPTY: return "reject_empty";
	case SL_VERDICT_REJECT_NO_SERVICE: return "reject_no_service";
	case SL_VERDICT_DROP_NO_SERVICE: return "drop_no_service";
	case SL_VERDICT_DROP_NO_BACKEND: return "drop_no_backend";
	case SL_VERDICT_DROP_NO_NEIGHBOR: return "drop_no_neighbor";
	case SL_VERDICT_DROP_LOOP: return "drop_loop";
	case SL_VERDICT_DROP_TOO_BIG: return "drop_too_big";
	case SL_VERDICT_DROP_FRAGMENT: return "drop_fragment";
	case SL_VERDICT_DROP_ICMP_ERROR: return "drop_icmp_error";
	case SL_VERDICT_DROP_REPLY_LIMITED: return "drop_reply_limited";
	case SL_VERDICT_DROP_NO_KERNEL_PATH: return "drop_no_kernel_path";
	case SL_VERDICT_DROP_TX_FULL: return "drop_tx_full";
	case SL_VERDICT_DROP_NO_ROOM: return "drop_no_room";
	case SL_VERDICT_DROP_ETH_TRUNCATED: return "drop_eth_truncated";
	case SL_VERDICT_DROP_IP_TRUNCATED: return "drop_ip_truncated";
	case SL_VERDICT_DROP_IP_VERSION: return "drop_ip_version";
	case SL_VERDICT_DROP_IP_HEADER_LENGTH: return "drop_ip_header_length";
	case SL_VERDICT_DROP_IP_LENGTH: return "drop_ip_length";
	case SL_VERDICT_DROP_IP_CHECKSUM: return "drop_ip_checksum";
	case SL_VERDICT_DROP_IP_SOURCE: return "drop_ip_source";
	case SL_VERDICT_DROP_IP6_EXTENSIONS: return "drop_ip6_extensions";
	case SL_VERDICT_DROP_IP6_ROUTING: return "drop_ip6_routing";
	case SL_VERDICT_DROP_TCP_TRUNCATED: return "drop_tcp_truncated";
	case SL_VERDICT_DROP_TCP_HEADER_LENGTH: return "drop_tcp_header_length";
	case SL_VERDICT_DROP_UDP_TRUNCATED: return "drop_udp_truncated";
	case SL_VERDICT_DROP_UDP_LENGTH: return "drop_udp_length";
	case SL_VERDICT_DROP_ICMP_TRUNCATED: return "drop_icmp_truncated";
	case SL_VERDICT_DROP_FRAGMENT_EARLY: return "drop_fragment_early";
	case SL_VERDICT_DROP_FRAGMENT_OVERLAP: return "drop_fragment_overlap";
	case SL_VERDICT_DROP_FRAGMENT_TINY: return "drop_fragment_tiny";
	case SL_VERDICT_DROP_FRAGMENT_MALFORMED: return "drop_fragment_malformed";
	case SL_VERDICT_DROP_ICMP_CHECKSUM: return "drop_icmp_checksum";
	case SL_VERDICT_DROP_ICMP_QUOTE: return "drop_icmp_quote";
	case SL_VERDICT_DROP_ICMP_FRAGMENT: return "drop_icmp_fragment";
	case SL_VERDICT_DROP_ICMP_MTU: return "drop_icmp_mtu";
	case SL_VERDICT_DROP_TUNNEL_ERROR: return "drop_tunnel_error";
	case SL_VERDICT_RELAY_TOO_BIG: return "relay_too_big";
	case SL_VERDICT_COUNT: break;
	}
	return "unknown";
}

#endif
