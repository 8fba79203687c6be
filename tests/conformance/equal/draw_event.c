/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Changes between packets, and whole episodes.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draw.h"

enum { BRIEF_PAUSE_NS = 60000000 }; /* some 150 of them are less than HOME_BRIEF_S */

static char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *text_of(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	return text;
}

static struct episode_item *add_event(struct draw *draw, enum scenario_event_kind kind)
{
	struct episode_item *item = episode_add(draw->episode);

	item->kind = EPISODE_EVENT;
	item->event.kind = kind;
	return item;
}

/* What a probe or an operator says about one backend. */
static void draw_state(struct draw *draw, unsigned int pool, unsigned int backend)
{
	static const enum scenario_event_kind checked[] = {SCENARIO_UP, SCENARIO_UP, SCENARIO_DOWN, SCENARIO_DOWN,
							   SCENARIO_UNKNOWN, SCENARIO_DRAIN, SCENARIO_READY,
							   SCENARIO_READY, SCENARIO_RETIRE, SCENARIO_OFF};
	const struct world_pool *of = &draw->world->pool[pool];
	const enum scenario_event_kind kind = of->checked ? DICE_PICK(draw->dice, checked)
							  : checked[5 + dice_below(draw->dice, 5)];
	struct episode_item *item = add_event(draw, kind);

	snprintf(item->event.pool, sizeof(item->event.pool), "p%u", pool);
	snprintf(item->event.backend, sizeof(item->event.backend), "p%ub%u", pool, backend);
	item->words = text_of("%s: p%u/p%ub%u", scenario_event_word(kind), pool, pool, backend);
}

static void draw_reload(struct draw *draw)
{
	struct episode_item *item;

	world_change(draw->dice, draw->world);
	if (dice_percent(draw->dice, 30))
		world_change(draw->dice, draw->world);
	item = add_event(draw, SCENARIO_RELOAD);
	item->text = world_config_text(draw->world);
	item->event.file = text_of("reload-%zu.yaml", draw->episode->count);
	item->words = text_of("reload: %s", item->event.file);
}

static void draw_key(struct draw *draw)
{
	struct episode_item *item = add_event(draw, SCENARIO_KEY);

	item->text = text_of("%016llx%016llx\n", (unsigned long long)dice_next(draw->dice),
			     (unsigned long long)dice_next(draw->dice));
	item->event.file = text_of("key-%zu.key", draw->episode->count);
	item->words = text_of("key: %s", item->event.file);
}

static void draw_neighbor(struct draw *draw, const char *address)
{
	struct episode_item *item = add_event(draw, SCENARIO_NEIGHBOR);
	struct scenario_neighbor *neighbor = &item->event.neighbor;

	neighbor->address = world_address(address);
	if (dice_percent(draw->dice, 50)) {
		neighbor->has_mac = true;
		neighbor->known = dice_percent(draw->dice, 70);
		memcpy(neighbor->mac, (const uint8_t[6]){2, 0xee, 0, 0, 0, 5}, 6);
		neighbor->mac[5] = (uint8_t)dice_below(draw->dice, 4);
		item->words = neighbor->known ? text_of("neighbor: {address: \"%s\", mac: \"02:ee:00:00:00:%02x\"}", address,
							neighbor->mac[5])
					      : text_of("neighbor: {address: \"%s\", mac: none}", address);
	} else {
		neighbor->has_mtu = true;
		neighbor->mtu = (uint16_t)(576 + dice_below(draw->dice, 1000));
		item->words = text_of("neighbor: {address: \"%s\", mtu: %u}", address, neighbor->mtu);
	}
}

static void draw_port(struct draw *draw)
{
	struct episode_item *item = add_event(draw, SCENARIO_PORT);
	struct scenario_port *port = &item->event.port;

	snprintf(port->name, sizeof(port->name), "up%u", dice_below(draw->dice, draw->world->ports));
	if (dice_percent(draw->dice, 70)) {
		port->has_mtu = true;
		port->mtu = (uint16_t)(600 + 100 * dice_below(draw->dice, 20));
		item->words = text_of("port: {name: %s, mtu: %u}", port->name, port->mtu);
	} else {
		port->has_kernel_path = true;
		port->kernel_path = dice_percent(draw->dice, 50);
		item->words = text_of("port: {name: %s, kernel-path: %s}", port->name, port->kernel_path ? "true" : "false");
	}
}

void draw_event(struct draw *draw)
{
	const unsigned int pool = dice_below(draw->dice, draw->world->pools), kind = dice_below(draw->dice, 100);
	const struct world_pool *of = &draw->world->pool[pool];
	unsigned int backend = dice_below(draw->dice, WORLD_BACKENDS);

	while (!of->backend[backend].there)
		backend = (backend + 1) % WORLD_BACKENDS;
	if (kind < 25)
		draw_reload(draw);
	else if (kind < 29)
		draw_key(draw);
	else if (kind < 34)
		draw_neighbor(draw, of->backend[backend].address);
	else if (kind < 37)
		draw_port(draw);
	else
		draw_state(draw, pool, backend);
}

/* From one burst to the next. */
static uint64_t draw_pause_ns(struct dice *dice)
{
	/* A fragment waits, a datagram is remembered, a handshake, a closing connection. */
	static const uint64_t ends_ns[] = {200000000, 2000000000, 10000000000, 60000000000};
	const uint32_t kind = dice_below(dice, 100);

	if (kind < 5) /* just before, just after */
		return DICE_PICK(dice, ends_ns) - 2000000 + dice_below(dice, 4000000);
	if (kind < 7)
		return (dice_percent(dice, 50) ? 8500000000 : 58500000000) + dice_below(dice, 3000000000);
	if (kind < 50)
		return dice_below(dice, 100000);
	if (kind < 75)
		return dice_below(dice, 10000000);
	if (kind < 88)
		return dice_below(dice, 1000000000);
	if (kind < 96)
		return dice_next(dice) % 30000000000;
	return dice_next(dice) % 400000000000;
}

void draw_episode(uint64_t seed, unsigned int packets, struct episode *ret_episode)
{
	static struct draw draw;
	static struct world world;
	struct dice dice = {.state = seed};
	uint32_t size;
	bool brief;

	memset(ret_episode, 0, sizeof(*ret_episode));
	draw.dice = &dice;
	draw.world = &world;
	draw.episode = ret_episode;
	draw.now_ns = 0;
	draw.datagram = 0;
	world_draw(&dice, &world);
	ret_episode->config = world_config_text(&world);
	ret_episode->scenario = world_scenario_text(&world);
	for (int i = 0; i < DRAW_FLOWS; i++)
		draw_new_flow(&draw, &draw.flow[i]);
	brief = dice_percent(&dice, 30);
	while (ret_episode->count < packets) {
		const uint64_t pause_ns = draw_pause_ns(&dice);

		draw.now_ns += 1 + (brief ? pause_ns % BRIEF_PAUSE_NS : pause_ns);
		size = dice_percent(&dice, 40) ? 1 : 1 + dice_below(&dice, 24);
		for (uint32_t i = 0; i < size; i++)
			draw_packet(&draw);
		if (dice_percent(&dice, 15))
			for (uint32_t i = 0; i <= dice_below(&dice, 3); i++)
				draw_event(&draw);
	}
}
