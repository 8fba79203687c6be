/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A sequence of packets and changes, in the order in which they happen: what homes are compared by, what is made
 * smaller when they differ, and what is written to files that sluice-sim replays.
 */
#ifndef TESTS_CONFORMANCE_EQUAL_EPISODE_H
#define TESTS_CONFORMANCE_EQUAL_EPISODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/sim/scenario.h"

enum episode_kind { EPISODE_PACKET, EPISODE_EVENT };

struct episode_item {
	enum episode_kind kind;
	/* packets */
	uint64_t time_ns; /* never less than that of the packet before; the same: they come in one burst */
	uint32_t len;
	uint8_t *bytes;   /* the frame */
	/* changes: take place just before the next packet */
	struct scenario_event event; /* `file`: its name alone, where there is a `text` */
	char *text;                  /* SCENARIO_RELOAD, SCENARIO_KEY: what is in the file */
	char *words;                 /* the event as a scenario has it, without its moment: "down: web1" */
};

struct episode {
	char *config;   /* text of the files */
	char *scenario; /* without its events */
	struct episode_item *item;
	size_t count, room;
};

/*
 * Reads what report_write() wrote, or a person. *ret_scenario is to be freed after the episode. 0, or -errno after a
 * message to stderr.
 */
int episode_load(const char *folder, struct episode *ret_episode, struct scenario **ret_scenario);

/* Returns the new item, zeroed. */
struct episode_item *episode_add(struct episode *episode);
void episode_add_packet(struct episode *episode, uint64_t time_ns, const uint8_t *bytes, uint32_t len);
void episode_free(struct episode *episode);
/* One that has the same items where keep[i]; they stay the original's. To be freed with free(ret->item). */
void episode_select(const struct episode *episode, const bool *keep, struct episode *ret_episode);
/* Packets of it. */
size_t episode_packets(const struct episode *episode);

#endif
