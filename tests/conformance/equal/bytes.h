/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets put together from the inside out: transport, IP, Ethernet. Checksums are right; what is to be wrong is
 * broken afterwards.
 */
#ifndef TESTS_CONFORMANCE_EQUAL_BYTES_H
#define TESTS_CONFORMANCE_EQUAL_BYTES_H

#include <stdbool.h>
#include <stdint.h>

#include "sluice/types.h"

enum { BYTES_MAX = 66000, BYTES_BEHIND = 46 };

struct bytes {
	uint32_t len;
	uint8_t b[BYTES_MAX];
};

struct ip {
	bool v6;
	struct sl_addr src, dst;
	uint8_t proto; /* of what is inside, behind extension headers */
	uint8_t tos, ttl;
	uint32_t id;
	bool df, more;
	uint16_t at;           /* bytes of the datagram before this fragment */
	bool fragment_header;  /* IPv6, also where nothing was cut */
	uint8_t options;       /* IPv4: bytes, a multiple of 4 */
	uint8_t extension[4];  /* IPv6: next header values, before the fragment header; 0 (hop-by-hop) ends it but as first */
	uint8_t extensions;
	uint8_t filler;        /* what options are full of */
};

void bytes_add(struct bytes *bytes, const void *more, uint32_t len);
void bytes_add16(struct bytes *bytes, uint16_t value); /* network order */
void bytes_add32(struct bytes *bytes, uint32_t value);
/* An IP packet around `payload`. */
void bytes_ip(struct bytes *packet, const struct ip *ip, const uint8_t *payload, uint32_t len);
void bytes_ethernet(struct bytes *frame, const uint8_t dst[6], const uint8_t src[6], const uint16_t *tags,
		    unsigned int tag_count, uint16_t type);
/* Writes the checksum of an ICMP or ICMPv6 message. */
void bytes_icmp_checksum(struct bytes *message, const struct ip *ip);
/* Where an IPv4 header begins at `at`: writes its checksum, whatever the header says. */
void bytes_ipv4_checksum(uint8_t *bytes, uint32_t len, uint32_t at);

#endif
