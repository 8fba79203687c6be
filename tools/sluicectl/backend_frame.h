/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The frames of backend-check: questions as sluice-dp would send them, by the core's own rewriting, and
 * what their answers mean. Pure: no sockets, no clock.
 */
#ifndef SLUICECTL_BACKEND_FRAME_H
#define SLUICECTL_BACKEND_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/abi.h"

enum { FRAME_MAX = 65536 };

enum frame_kind {
	FRAME_SYN,
	FRAME_RST,      /* closes what a SYN opened; no answer */
	FRAME_DATAGRAM, /* of UDP, without contents */
	FRAME_ECHO,
	FRAME_NEIGHBOR, /* "who has the VIP?", to the backend's MAC address alone: ARP or a solicitation */
};

/* How packets get to the backend. */
struct frame_way {
	uint8_t own_mac[6], next_mac[6];
	uint16_t mtu; /* bytes of the largest IP packet on the way */
	enum sl_mode mode;
	struct sl_addr outer_src, outer_dst; /* of mode ipip */
};

struct frame_question {
	enum frame_kind kind;
	struct sl_addr from, vip; /* of one family */
	uint16_t sport, dport;    /* host order */
	uint32_t number;          /* of the SYN, its RST, the echo */
	uint32_t len;             /* bytes of the IP packet before the mode changes it; 0: as few as it takes */
};

enum frame_answer {
	FRAME_IS_NOTHING = 0, /* not about the question */
	FRAME_IS_SYN_ACK,
	FRAME_IS_RST,
	FRAME_IS_ECHO,
	FRAME_IS_DATAGRAM,
	FRAME_IS_NEIGHBOR, /* somebody answers for the VIP */
	FRAME_IS_PORT_CLOSED,
	FRAME_IS_NO_TUNNEL, /* the backend knows no tunnel that the packet could be in */
	FRAME_IS_TOO_BIG,
	FRAME_IS_UNREACHABLE, /* any other ICMP error about the question */
};

/* The largest `len` that fits the way. */
uint32_t frame_len_max(const struct frame_way *way);
/* Bytes of the frame, which begins at *ret_frame within `buf`, or -EMSGSIZE: it does not fit the way or FRAME_MAX. */
int frame_build(const struct frame_way *way, const struct frame_question *question, uint8_t buf[FRAME_MAX],
		uint8_t **ret_frame);
/* What a received frame says of the question; *ret_mtu is set with FRAME_IS_TOO_BIG. The frame is not trusted. */
enum frame_answer frame_read(const struct frame_way *way, const struct frame_question *question, uint8_t *frame,
			     size_t len, uint32_t *ret_mtu);

#endif
