/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets of connections, packets that are none of ours, and what breaks them on the way.
 */
#include <string.h>

#include "draw.h"

/* ---- connections ---------------------------------------------------------------------------------------- */

static struct sl_addr draw_client(struct dice *dice, bool v6)
{
	struct sl_addr src = world_address(v6 ? "2001:db8:c::" : "198.51.100.0");

	src.b[15] = (uint8_t)(1 + dice_below(dice, dice_percent(dice, 50) ? 4 : 250));
	if (v6 && dice_percent(dice, 30))
		src.b[7] = (uint8_t)dice_below(dice, 8);
	return src;
}

void draw_new_flow(struct draw *draw, struct draw_flow *flow)
{
	const struct world_service *service = &draw->world->service[dice_below(draw->dice, draw->world->services)];
	const struct world_listener *listener = &service->listener[dice_below(draw->dice, service->listeners)];

	flow->dst = world_vip(listener->vip);
	flow->proto = listener->proto;
	flow->dport = listener->port != 0 ? listener->port : (uint16_t)dice_below(draw->dice, 65536);
	if (dice_percent(draw->dice, 4)) { /* no service, or somebody else's address */
		flow->dport = (uint16_t)dice_below(draw->dice, 65536);
		flow->proto = dice_percent(draw->dice, 50) ? 6 : 17;
		if (dice_percent(draw->dice, 30))
			flow->dst.b[15] = 200;
	}
	flow->sport = (uint16_t)(1024 + dice_below(draw->dice, 60000));
	flow->src = draw_client(draw->dice, listener->vip % 2 == 1);
}

const struct draw_flow *draw_flow(struct draw *draw)
{
	struct draw_flow *flow = &draw->flow[dice_below(draw->dice, dice_percent(draw->dice, 60) ? 12 : DRAW_FLOWS)];

	if (dice_percent(draw->dice, 6))
		draw_new_flow(draw, flow);
	return flow;
}

struct ip draw_ip(struct draw *draw, const struct draw_flow *flow)
{
	static const uint8_t headers[] = {0, 43, 51, 60, 60, 0};
	struct dice *dice = draw->dice;
	struct ip ip = {.v6 = !sl_addr_is_v4(&flow->dst),
			.src = flow->src,
			.dst = flow->dst,
			.proto = flow->proto,
			.tos = dice_percent(dice, 30) ? (uint8_t)dice_below(dice, 256) : 0,
			.ttl = (uint8_t)(1 + dice_below(dice, 255)),
			.id = (uint32_t)dice_next(dice),
			.df = dice_percent(dice, 60),
			.filler = 1};

	if (!dice_percent(dice, 15))
		return ip;
	ip.filler = (uint8_t)(1 + dice_below(dice, 255));
	ip.options = (uint8_t)(4 * dice_below(dice, 11));
	ip.extensions = (uint8_t)dice_below(dice, 5);
	for (unsigned int i = 0; i < ip.extensions; i++)
		ip.extension[i] = DICE_PICK(dice, headers);
	ip.fragment_header = dice_percent(dice, 20);
	return ip;
}

/* ---- what is in them ------------------------------------------------------------------------------------ */

static uint32_t draw_length(struct dice *dice)
{
	switch (dice_below(dice, 12)) {
	case 0: return dice_below(dice, 9000);
	case 1: return 1380 + dice_below(dice, 120); /* about as much as fits */
	case 2: return 500 + dice_below(dice, 120);
	case 3: return dice_below(dice, 1500);
	default: return dice_below(dice, 64);
	}
}

static void draw_payload(struct dice *dice, struct bytes *into, uint32_t len)
{
	const uint64_t word = dice_next(dice);

	for (uint32_t i = 0; i < len; i += 8)
		bytes_add(into, &word, len - i < 8 ? len - i : 8);
}

static void draw_tcp(struct draw *draw, const struct draw_flow *flow, struct bytes *into)
{
	static const uint8_t flags[] = {0x02, 0x02, 0x02, 0x10, 0x10, 0x18, 0x18, 0x18, 0x18, 0x11, 0x04, 0x14, 0x12};
	struct dice *dice = draw->dice;
	const uint32_t options = dice_percent(dice, 20) ? 4 * dice_below(dice, 11) : 0;
	const uint8_t flag = dice_percent(dice, 95) ? DICE_PICK(dice, flags) : (uint8_t)dice_below(dice, 256);
	uint8_t both[2] = {(uint8_t)((20 + options) / 4 << 4), flag};

	bytes_add16(into, flow->sport);
	bytes_add16(into, flow->dport);
	bytes_add32(into, (uint32_t)dice_next(dice));
	bytes_add32(into, flag & 0x10 ? (uint32_t)dice_next(dice) : 0);
	bytes_add(into, both, 2);
	bytes_add16(into, 0xfaf0);
	bytes_add32(into, (uint32_t)dice_next(dice) & 0xffff0000u);
	draw_payload(dice, into, options);
	if (!(flag & 0x02) && dice_percent(dice, 80))
		draw_payload(dice, into, draw_length(dice));
}

/* The first bytes of QUIC packets of all kinds, RFC 9000 17, RFC 9369 3.2, RFC 8999. */
static void draw_quic(struct dice *dice, struct bytes *into)
{
	static const uint32_t versions[] = {1, 1, 1, 0x6b3343cf, 0x6b3343cf, 0, 0xff00001d, 0x1a2a3a4a};
	const uint8_t type = dice_percent(dice, 60) ? (uint8_t)(0xc0 | dice_below(dice, 4) << 4 | dice_below(dice, 16))
						    : (uint8_t)dice_below(dice, 256);

	bytes_add(into, &type, 1);
	if (!dice_percent(dice, 97))
		return;
	bytes_add32(into, DICE_PICK(dice, versions));
	draw_payload(dice, into, dice_percent(dice, 30) ? 1200 : dice_below(dice, 80));
}

void draw_transport(struct draw *draw, const struct draw_flow *flow, struct bytes *into)
{
	const uint32_t start = into->len;
	uint32_t len;

	if (flow->proto == 6) {
		draw_tcp(draw, flow, into);
		return;
	}
	bytes_add16(into, flow->sport);
	bytes_add16(into, flow->dport);
	bytes_add32(into, 0);
	if (dice_percent(draw->dice, 50))
		draw_quic(draw->dice, into);
	else
		draw_payload(draw->dice, into, draw_length(draw->dice));
	len = into->len - start;
	if (dice_percent(draw->dice, 2))
		len = dice_below(draw->dice, 65536);
	into->b[start + 4] = (uint8_t)(len >> 8);
	into->b[start + 5] = (uint8_t)len;
}

/* ---- frames --------------------------------------------------------------------------------------------- */

static void break_frame(struct dice *dice, struct bytes *frame)
{
	const uint32_t reach = frame->len < 140 ? frame->len : 140;

	switch (dice_below(dice, 6)) {
	case 0:
	case 1:
	case 2:
		for (uint32_t i = 0; i <= dice_below(dice, 3); i++)
			frame->b[dice_below(dice, reach)] ^= (uint8_t)(1 << dice_below(dice, 8));
		break;
	case 3: frame->len = 1 + dice_below(dice, reach); break;
	case 4: frame->b[14 + dice_below(dice, 60) % (reach > 14 ? reach - 14 : 1)] = (uint8_t)dice_below(dice, 256); break;
	default: frame->len -= dice_below(dice, frame->len); break;
	}
	if (dice_percent(dice, 60) && frame->len > 34)
		bytes_ipv4_checksum(frame->b, frame->b[12] == 8 && frame->b[13] == 0 ? frame->len : 0, 14);
}

void draw_send(struct draw *draw, const struct bytes *packet, bool v6)
{
	static const uint16_t tag_types[] = {0x8100, 0x8100, 0x88a8};
	struct dice *dice = draw->dice;
	const uint8_t port = (uint8_t)(0xa0 + draw->world->receive);
	const uint8_t dst[6] = {2, 0, 0, 0, 0, port};
	uint8_t src[6] = {2, 0xcc, 0, 0, 0, 1};
	uint16_t tags[2];
	struct bytes *frame = &draw->frame;

	if (dice_percent(dice, 1))
		memcpy(src, dst, 6);
	for (int i = 0; i < 2; i++)
		tags[i] = DICE_PICK(dice, tag_types);
	frame->len = 0;
	bytes_ethernet(frame, dst, src, tags, dice_percent(dice, 90) ? 0 : 1 + dice_percent(dice, 20), v6 ? 0x86dd : 0x0800);
	bytes_add(frame, packet->b, packet->len);
	if (frame->len < 60 && dice_percent(dice, 70)) /* padding */
		draw_payload(dice, frame, 60 - frame->len);
	else if (dice_percent(dice, 3))
		draw_payload(dice, frame, 1 + dice_below(dice, 20));
	if (dice_percent(dice, 8))
		break_frame(dice, frame);
	if (frame->len <= 9300)
		episode_add_packet(draw->episode, draw->now_ns, frame->b, frame->len);
}

/* ---- everything else ------------------------------------------------------------------------------------ */

/* A packet of ours that came back, or of somebody who says so. */
static void draw_loop(struct draw *draw)
{
	static const uint8_t protocols[] = {4, 41, 4, 41, 47, 50, 132};
	const struct draw_flow *flow = draw_flow(draw);
	struct ip inner = draw_ip(draw, flow), outer = inner;

	draw->inner.len = draw->packet.len = 0;
	draw_transport(draw, flow, &draw->inner);
	if (draw->inner.len > 1400)
		draw->inner.len = 1400;
	bytes_ip(&draw->packet, &inner, draw->inner.b, draw->inner.len);
	draw->inner = draw->packet;
	draw->packet.len = 0;
	outer.proto = DICE_PICK(draw->dice, protocols);
	if (dice_percent(draw->dice, 60))
		outer.src = world_outer_source(outer.v6, dice_below(draw->dice, WORLD_PORTS));
	bytes_ip(&draw->packet, &outer, draw->inner.b, draw->inner.len);
	draw_send(draw, &draw->packet, outer.v6);
}

/* Not IP at all, or IP that is not for us. */
static void draw_stranger(struct draw *draw)
{
	static const uint16_t types[] = {0x0806, 0x88cc, 0x0800, 0x86dd, 0x8847, 0x8863, 0x0001};
	static const uint8_t all[6] = {255, 255, 255, 255, 255, 255}, src[6] = {2, 0xcc, 0, 0, 0, 7};
	struct bytes *frame = &draw->frame;

	frame->len = 0;
	bytes_ethernet(frame, all, src, NULL, 0, DICE_PICK(draw->dice, types));
	draw_payload(draw->dice, frame, dice_below(draw->dice, 80));
	episode_add_packet(draw->episode, draw->now_ns, frame->b, frame->len);
}

/* From an address that nobody has. */
static void draw_bad_source(struct draw *draw, struct ip *ip)
{
	static const char *const four[] = {"0.1.2.3", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"};
	static const char *const six[] = {"ff02::1", "::", "::1", "::ffff:10.0.0.1", "fe80::1"};

	ip->src = dice_percent(draw->dice, 20) ? ip->dst : world_address(ip->v6 ? DICE_PICK(draw->dice, six)
										 : DICE_PICK(draw->dice, four));
}

static void draw_traffic(struct draw *draw)
{
	const struct draw_flow *flow = draw_flow(draw);
	struct ip ip = draw_ip(draw, flow);

	if (dice_percent(draw->dice, 2))
		draw_bad_source(draw, &ip);
	if (dice_percent(draw->dice, 1))
		ip.proto = (uint8_t)dice_below(draw->dice, 256);
	draw->inner.len = draw->packet.len = 0;
	draw_transport(draw, flow, &draw->inner);
	bytes_ip(&draw->packet, &ip, draw->inner.b, draw->inner.len);
	draw_send(draw, &draw->packet, ip.v6);
}

void draw_packet(struct draw *draw)
{
	const uint32_t kind = dice_below(draw->dice, 100);

	if (kind < 72)
		draw_traffic(draw);
	else if (kind < 80)
		draw_fragments(draw);
	else if (kind < 87)
		draw_error(draw);
	else if (kind < 91)
		draw_tunnel_error(draw);
	else if (kind < 94)
		draw_echo(draw);
	else if (kind < 97)
		draw_loop(draw);
	else
		draw_stranger(draw);
}
