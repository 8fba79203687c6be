/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Plays an episode in two homes at once and looks for the first difference. What changes goes through sluice-sim's
 * balancer: the real configuration, model and tables.
 */
#ifndef TESTS_CONFORMANCE_EQUAL_PLAY_H
#define TESTS_CONFORMANCE_EQUAL_PLAY_H

#include <stdio.h>

#include "episode.h"
#include "home.h"

enum { PLAY_TEXT_MAX = 1024 };

struct play {
	const char *folder;  /* where files of configurations may be written */
	FILE *errors;        /* messages about configurations and events */
	const struct home *one, *other;
};

struct play_result {
	size_t items;              /* of the episode that were played: the last one is where the difference showed */
	uint32_t id;               /* of the packet */
	char text[PLAY_TEXT_MAX];  /* what differs, in a line or two */
	uint64_t verdict[SL_VERDICT_SLOTS], flow[SL_FLOW_COUNTERS]; /* of the first home: how much was covered */
};

/* 0: they are equal; 1: they differ; -errno: it could not be played (a change that cannot be made). */
int play_episode(const struct play *play, const struct episode *episode, struct play_result *ret_result);

#endif
