/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which event of a scenario is due. Those due at the same moment come in the order of the file. Pure.
 */
#ifndef TOOLS_SIM_TIMELINE_H
#define TOOLS_SIM_TIMELINE_H

#include "scenario.h"

struct timeline;

int timeline_create(const struct scenario *scenario, struct timeline **ret_timeline); /* 0 or -ENOMEM */
void timeline_destroy(struct timeline *timeline);                                     /* NULL is fine */
/* Takes the next event that is due once `packets` packets are done and `now_ns` is reached; NULL: none. */
const struct scenario_event *timeline_due(struct timeline *timeline, uint64_t packets, uint64_t now_ns);
size_t timeline_left(const struct timeline *timeline); /* events not taken yet */
/* When the next event by time is due; UINT64_MAX: there is none. */
uint64_t timeline_next_ns(const struct timeline *timeline);

#endif
