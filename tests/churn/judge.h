/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Judges every packet of the churn simulation: did it reach the backend that has its connection, and if not, why.
 * The causes are those of selection.md 7; what has none of them is a mistake of ours.
 */
#ifndef TESTS_CHURN_JUDGE_H
#define TESTS_CHURN_JUDGE_H

#include <stdio.h>

#include "fleet.h"
#include "traffic.h"

enum judge_cause {
	JUDGE_LOGIC = 0,   /* nothing excuses it */
	JUDGE_START,       /* a connection was started at a backend that takes no new ones */
	JUDGE_DEAD,        /* its backend died */
	JUDGE_DRAIN_END,   /* its backend was removed or switched off before it ended */
	JUDGE_BLIP,        /* probes failed longer than `linger` although its backend lives */
	JUDGE_IDLE,        /* it was silent for longer than connection-idle */
	JUDGE_HANDSHAKE,   /* the second Initial of a QUIC handshake that a change caught */
	JUDGE_MOVED,       /* it came over from a balancer that shares nothing with this one while rows were open */
	JUDGE_KILLED,      /* its last packet came in the moment in which the forwarder was killed */
	JUDGE_PRESSURE,    /* the table was full since its last packet */
	JUDGE_CAUSE_COUNT
};

enum { JUDGE_KILLS_MAX = 256 };

struct judge {
	struct fleet *fleet;
	uint64_t now_ms;
	uint64_t pressure_ms;    /* last time that a table was full */
	uint64_t killed_ms[JUDGE_KILLS_MAX]; /* when a forwarder was killed lately */
	unsigned int kills;
	uint64_t packets, starts, refused;
	uint64_t broken[JUDGE_CAUSE_COUNT];
	unsigned int told;       /* breaks of JUDGE_LOGIC and JUDGE_START printed so far */
};

/* traffic_options.packet; ctx is a struct judge. */
bool judge_packet(void *ctx, struct traffic_flow *flow, enum traffic_packet packet, uint64_t now_ms);
/* A forwarder is killed now. */
void judge_killed(struct judge *judge, uint64_t now_ms);
const char *judge_cause_name(enum judge_cause cause);
/* Broken connections per million packets, by cause, one line each. */
void judge_print(const struct judge *judge, FILE *out);

#endif
