/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP: echo to VIPs, errors that quote packets of connections, and errors about our own tunnels.
 */
#include <string.h>

#include "draw.h"

/* From `src` to the address that the message is for. */
static struct ip draw_router(struct draw *draw, const struct sl_addr *dst)
{
	const bool v6 = !sl_addr_is_v4(dst);

	return (struct ip){.v6 = v6,
			   .src = world_address(v6 ? "2001:db8:f::9" : "203.0.113.9"),
			   .dst = *dst,
			   .proto = v6 ? 58 : 1,
			   .ttl = (uint8_t)(1 + dice_below(draw->dice, 255)),
			   .id = (uint32_t)dice_next(draw->dice),
			   .df = dice_percent(draw->dice, 50),
			   .filler = 1,
			   .options = dice_percent(draw->dice, 5) ? 8 : 0};
}

static void draw_message(struct draw *draw, const struct ip *ip, uint8_t type, uint8_t code, uint32_t rest,
			 const struct bytes *payload)
{
	static struct bytes message;
	const uint8_t both[2] = {type, code};

	message.len = 0;
	bytes_add(&message, both, 2);
	bytes_add16(&message, 0);
	bytes_add32(&message, rest);
	bytes_add(&message, payload->b, payload->len);
	bytes_icmp_checksum(&message, ip);
	if (dice_percent(draw->dice, 3))
		message.b[2] ^= 0x10;
	draw->packet.len = 0;
	bytes_ip(&draw->packet, ip, message.b, message.len);
	draw_send(draw, &draw->packet, ip->v6);
}

void draw_echo(struct draw *draw)
{
	const struct draw_flow *flow = draw_flow(draw);
	struct ip ip = draw_ip(draw, flow);
	const uint32_t len = dice_below(draw->dice, dice_percent(draw->dice, 90) ? 100 : 3000);
	uint8_t type = ip.v6 ? 128 : 8;

	ip.proto = ip.v6 ? 58 : 1;
	if (dice_percent(draw->dice, 10))
		type = (uint8_t)dice_below(draw->dice, 256);
	draw->inner.len = 0;
	for (uint32_t i = 0; i < len; i++)
		bytes_add(&draw->inner, &draw->dice->state, 1);
	draw_message(draw, &ip, type, dice_percent(draw->dice, 95) ? 0 : 3, (uint32_t)dice_next(draw->dice), &draw->inner);
}

static uint32_t draw_mtu(struct dice *dice)
{
	static const uint32_t mtus[] = {1280, 1400, 1500, 576, 68, 0, 9000, 1300, 60, 0x10000};

	return dice_percent(dice, 80) ? DICE_PICK(dice, mtus) : dice_below(dice, 2000);
}

/* Type, code and the word behind the checksum of an error. */
static void draw_kind(struct draw *draw, bool v6, uint8_t *type, uint8_t *code, uint32_t *rest)
{
	static const uint8_t types4[] = {3, 3, 3, 11, 12, 5, 4, 13}, types6[] = {2, 2, 1, 3, 4, 100, 135};

	*type = v6 ? DICE_PICK(draw->dice, types6) : DICE_PICK(draw->dice, types4);
	*code = (uint8_t)(*type == 3 && !v6 && dice_percent(draw->dice, 70) ? 4 : dice_below(draw->dice, 5) % (v6 && *type == 2 ? 1 : 5));
	*rest = draw_mtu(draw->dice);
}

/* Cuts what is quoted, as routers do. */
static void draw_quote_end(struct dice *dice, struct bytes *quoted, bool v6)
{
	const uint32_t most = v6 ? 1232 : 548;

	if (quoted->len > most)
		quoted->len = most;
	if (dice_percent(dice, 40) && quoted->len > 28)
		quoted->len = (v6 ? 48 : 28) < quoted->len ? (v6 ? 48u : 28u) : quoted->len;
	if (dice_percent(dice, 5))
		quoted->len = dice_below(dice, quoted->len + 1);
	if (dice_percent(dice, 5) && quoted->len > 0)
		quoted->b[dice_below(dice, quoted->len < 60 ? quoted->len : 60)] ^= (uint8_t)(1 << dice_below(dice, 8));
}

void draw_error(struct draw *draw)
{
	const struct draw_flow *flow = draw_flow(draw);
	struct draw_flow answer = {flow->dst, flow->src, flow->dport, flow->sport, flow->proto};
	struct ip quoted = draw_ip(draw, &answer), ip;
	static struct bytes transport;
	uint8_t type, code;
	uint32_t rest;

	ip = draw_router(draw, dice_percent(draw->dice, 97) ? &flow->dst : &flow->src);
	if (dice_percent(draw->dice, 5)) {
		quoted.at = (uint16_t)(8 * dice_below(draw->dice, 100));
		quoted.more = dice_percent(draw->dice, 50);
	}
	if (dice_percent(draw->dice, 5)) /* about a packet that we never sent */
		quoted = draw_ip(draw, flow);
	transport.len = draw->inner.len = 0;
	draw_transport(draw, &answer, &transport);
	bytes_ip(&draw->inner, &quoted, transport.b, transport.len);
	draw_quote_end(draw->dice, &draw->inner, ip.v6);
	draw_kind(draw, ip.v6, &type, &code, &rest);
	draw_message(draw, &ip, type, code, rest, &draw->inner);
}

/* From a router between us and a backend: quotes an outer header of ours and the beginning of the inner packet. */
void draw_tunnel_error(struct draw *draw)
{
	const struct draw_flow *flow = draw_flow(draw);
	const bool v6 = dice_percent(draw->dice, 50);
	const unsigned int port = dice_below(draw->dice, WORLD_PORTS);
	const struct world_pool *pool = &draw->world->pool[dice_below(draw->dice, draw->world->pools)];
	struct ip inner = draw_ip(draw, flow), ip, outer;
	static struct bytes transport, packet;
	struct sl_addr source = world_outer_source(v6, port);
	uint8_t type, code;
	uint32_t rest;

	ip = draw_router(draw, &source);
	outer = (struct ip){.v6 = v6, .src = source, .dst = world_address(pool->backend[dice_below(draw->dice, WORLD_BACKENDS)].address),
			    .proto = inner.v6 ? 41 : 4, .ttl = 60, .df = true, .filler = 1};
	transport.len = packet.len = draw->inner.len = 0;
	draw_transport(draw, flow, &transport);
	if (dice_percent(draw->dice, 50))
		while (transport.len < 1300)
			bytes_add32(&transport, 0);
	bytes_ip(&packet, &inner, transport.b, transport.len);
	bytes_ip(&draw->inner, &outer, packet.b, packet.len);
	if (dice_percent(draw->dice, 70)) {
		if (draw->inner.len > (v6 ? 1232u : 548u))
			draw->inner.len = v6 ? 1232 : 548;
	} else {
		draw_quote_end(draw->dice, &draw->inner, v6);
	}
	draw_kind(draw, v6, &type, &code, &rest);
	draw_message(draw, &ip, type, code, rest, &draw->inner);
}
