/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Draws what happens: packets of some connections that come back again and again, so that memory matters, packets
 * that are broken in every way, and changes between them.
 */
#ifndef TESTS_CONFORMANCE_EQUAL_DRAW_H
#define TESTS_CONFORMANCE_EQUAL_DRAW_H

#include "bytes.h"
#include "episode.h"
#include "world.h"

enum { DRAW_FLOWS = 48 };

/* One client's connection. */
struct draw_flow {
	struct sl_addr src, dst;
	uint16_t sport, dport;
	uint8_t proto;
};

struct draw {
	struct dice *dice;
	struct world *world;
	struct episode *episode;
	struct draw_flow flow[DRAW_FLOWS];
	uint64_t now_ns;
	uint32_t datagram; /* identification of the last fragmented one */
	struct bytes packet, frame, inner; /* scratch */
};

/* draw_packet.c */
void draw_packet(struct draw *draw);
void draw_new_flow(struct draw *draw, struct draw_flow *flow);
const struct draw_flow *draw_flow(struct draw *draw);
/* Header fields of a packet from the flow's client, as most are; sometimes with options or extension headers. */
struct ip draw_ip(struct draw *draw, const struct draw_flow *flow);
/* A TCP or UDP header and some payload behind it. */
void draw_transport(struct draw *draw, const struct draw_flow *flow, struct bytes *into);
/* Puts an IP packet in a frame, breaks it now and then, and adds it to the episode. */
void draw_send(struct draw *draw, const struct bytes *packet, bool v6);
/* draw_fragments.c: some or all fragments of a datagram, in some order. */
void draw_fragments(struct draw *draw);
/* draw_icmp.c: echo, errors about connections, errors about tunnels. */
void draw_echo(struct draw *draw);
void draw_error(struct draw *draw);
void draw_tunnel_error(struct draw *draw);
/* draw_event.c */
void draw_event(struct draw *draw);

/* A whole episode of about `packets`. */
void draw_episode(uint64_t seed, unsigned int packets, struct episode *ret_episode);

#endif
