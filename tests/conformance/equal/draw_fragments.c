/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Datagrams in fragments: in order and not, ahead of their first, doubled, overlapping, tiny, scattered, missing.
 */
#include <string.h>

#include "draw.h"

enum { PIECES_MAX = 24 };

struct piece {
	uint16_t at, len;
};

/* Cuts `len` bytes; returns the number of pieces. */
static unsigned int cut(struct dice *dice, uint32_t len, struct piece *piece)
{
	const uint32_t size = dice_percent(dice, 30) ? 8 * (1 + dice_below(dice, 4)) : 8 * (8 + dice_below(dice, 180));
	unsigned int count = 0;

	for (uint32_t at = 0; at < len && count < PIECES_MAX; count++) {
		piece[count].at = (uint16_t)at;
		piece[count].len = (uint16_t)(len - at < size ? len - at : size);
		at += size;
	}
	return count;
}

/* Another order, and what senders with bad intentions do. */
static void shuffle(struct dice *dice, struct piece *piece, unsigned int *count)
{
	const unsigned int n = *count;

	switch (dice_below(dice, 6)) {
	case 0: /* backwards */
		for (unsigned int i = 0; i < n / 2; i++) {
			const struct piece other = piece[i];

			piece[i] = piece[n - 1 - i];
			piece[n - 1 - i] = other;
		}
		break;
	case 1: /* anyhow */
		for (unsigned int i = 0; i < n; i++) {
			const unsigned int with = dice_below(dice, n);
			const struct piece other = piece[i];

			piece[i] = piece[with];
			piece[with] = other;
		}
		break;
	case 2: /* one is doubled, or overlaps another */
		piece[dice_below(dice, n)] = piece[dice_below(dice, n)];
		piece[dice_below(dice, n)].at += (uint16_t)(8 * dice_below(dice, 3));
		break;
	case 3: /* one is missing */
		piece[dice_below(dice, n)] = piece[n - 1];
		(*count)--;
		break;
	default: break;
	}
}

void draw_fragments(struct draw *draw)
{
	const struct draw_flow *flow = draw_flow(draw);
	struct ip ip = draw_ip(draw, flow);
	struct piece piece[PIECES_MAX];
	unsigned int count;
	uint32_t len;

	draw->inner.len = 0;
	draw_transport(draw, flow, &draw->inner);
	while (draw->inner.len < 64)
		bytes_add32(&draw->inner, (uint32_t)dice_next(draw->dice));
	if (dice_percent(draw->dice, 80))
		draw->datagram++;
	ip.id = draw->datagram;
	ip.df = dice_percent(draw->dice, 5);
	if (dice_percent(draw->dice, 4))
		ip.proto = (uint8_t)dice_below(draw->dice, 60);
	len = draw->inner.len;
	count = cut(draw->dice, len, piece);
	shuffle(draw->dice, piece, &count);
	for (unsigned int i = 0; i < count; i++) {
		ip.at = piece[i].at;
		ip.more = (uint32_t)piece[i].at + piece[i].len < len;
		if (dice_percent(draw->dice, 1))
			ip.more = !ip.more;
		if (piece[i].at + piece[i].len > len)
			piece[i].at = 0;
		draw->packet.len = 0;
		bytes_ip(&draw->packet, &ip, draw->inner.b + piece[i].at, piece[i].len);
		draw_send(draw, &draw->packet, ip.v6);
	}
}
