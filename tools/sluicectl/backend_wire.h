/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * backend-check's way to a backend: the next hop as the kernel knows it, and a packet socket that sends
 * frames and waits for their answers. Needs CAP_NET_RAW, and CAP_NET_ADMIN where the kernel does not know the next hop
 * yet.
 */
#ifndef SLUICECTL_BACKEND_WIRE_H
#define SLUICECTL_BACKEND_WIRE_H

#include "backend_frame.h"
#include "controlplane/error_text.h"

struct backend_wire;

/* What the kernel says of the way to a backend. */
struct backend_hop {
	int ifindex;
	char ifname[16];
	bool on_link;
	uint8_t own_mac[6], next_mac[6];
	uint16_t mtu;          /* of the route, or else of the interface */
	struct sl_addr source; /* what the kernel would send from */
};

/* 0 or -errno with one line. */
int backend_wire_open(struct backend_wire **ret_wire, struct error_text *reterr);
void backend_wire_close(struct backend_wire *wire); /* NULL is fine */
/* Asks for the next hop for at most `timeout_ms`. -ENETUNREACH, -EHOSTUNREACH: nobody answers. */
int backend_wire_find(struct backend_wire *wire, const struct sl_addr *to, unsigned int timeout_ms,
		      struct backend_hop *ret_hop, struct error_text *reterr);
/* An address of the interface that a backend can answer to, of the family of `like`; VIPs are none. 0 or -ENOENT. */
int backend_wire_address(const struct backend_hop *hop, const struct sl_addr *like, struct sl_addr *ret_address);
/*
 * Sends the question up to three times within `timeout_ms` until there is an answer. 0 and *ret_answer, which is
 * FRAME_IS_NOTHING after the time, or -errno: it could not be sent (-EMSGSIZE: too large for the way).
 */
int backend_wire_ask(struct backend_wire *wire, const struct backend_hop *hop, const struct frame_way *way,
		     const struct frame_question *question, unsigned int timeout_ms, enum frame_answer *ret_answer,
		     uint32_t *ret_mtu);

#endif
