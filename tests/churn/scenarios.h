/* SPDX-License-Identifier: BSD-3-Clause */
/* The named churn scenarios: which changes come how often, and how many broken connections each may have. */
#ifndef TESTS_CHURN_SCENARIOS_H
#define TESTS_CHURN_SCENARIOS_H

#include "changes.h"
#include "judge.h"

/* Packets of nobody's connections, each from another source. */
enum churn_flood { CHURN_FLOOD_NONE = 0, CHURN_FLOOD_SYN, CHURN_FLOOD_ACK };

struct churn_scenario {
	const char *name;
	const char *what;             /* one line for people */
	double per_hour[CHANGE_COUNT];
	double hours;                 /* at least that long; 0: as asked for */
	uint32_t changes_until_s;     /* no change begins later; 0: till the end */
	bool two;                     /* two balancers that share nothing; every hour all connections change over */
	enum churn_flood flood;
	uint32_t flood_from_s;
	uint64_t flood_packets, flood_per_second;
	bool closes;                  /* at the end no row may be open */
	bool nothing;                 /* no row may ever LOOK, nothing be remembered */
	uint32_t blip_min_s, blip_more_s, blip_most_s; /* 0: 3, 15, no bound */
	double per_million[JUDGE_CAUSE_COUNT]; /* of packets, at most; 0: none at all; below 0: any number */
};

extern const struct churn_scenario churn_scenarios[];
extern const unsigned int churn_scenario_count;

#endif
