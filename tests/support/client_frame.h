/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames as clients and routers on their way send them to a VIP, in both families. IPv4 header checksums are
 * left to the NIC (SL_PKT_IP_CSUM_OK). Pure.
 */
#ifndef TESTS_SUPPORT_CLIENT_FRAME_H
#define TESTS_SUPPORT_CLIENT_FRAME_H

#include "sluice/types.h"

enum { CLIENT_FRAME_MAX = 256 };

enum client_packet {
	SYN,
	ACK,
	DATA,
	FIN,
	RST,
	INITIAL, /* QUIC */
	SHORT,
	DATAGRAM,
	TOO_BIG, /* a router's ICMP error that quotes what the VIP sent to the client */
};

/* Writes the frame of the connection `key` and returns its length. */
__u32 client_frame(__u8 frame[CLIENT_FRAME_MAX], const struct sl_flow_key *key, enum client_packet packet);

#endif
