/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One kind of change each, then all at once at the rates of selection.md 1 ("everything"). A death and the end of a
 * drain cost what they cost; silence beyond connection-idle comes from the mix's heavy tails (selection.md 7).
 */
#include "scenarios.h"

/* What no rule can help, in broken connections per million packets: twice what 20 million connections show. */
#define SILENT .per_million = { [JUDGE_IDLE] = 20, [JUDGE_HANDSHAKE] = 1 }
#define SILENT_AND(...) .per_million = { [JUDGE_IDLE] = 20, [JUDGE_HANDSHAKE] = 1, __VA_ARGS__ }

const struct churn_scenario churn_scenarios[] = {
	{ .name = "steady", .what = "no change: nothing is remembered, nothing breaks", .nothing = true },
	{ .name = "add", .what = "backends come", .per_hour = { [CHANGE_ADD] = 6, [CHANGE_RETIRE] = 6 },
	  SILENT_AND([JUDGE_DRAIN_END] = -1) },
	{ .name = "drain", .what = "half an hour of drain, and back", .per_hour = { [CHANGE_DRAIN] = 6 }, SILENT },
	{ .name = "crash", .what = "backends die and recover", .per_hour = { [CHANGE_CRASH] = 8 }, SILENT_AND([JUDGE_DEAD] = -1) },
	{ .name = "blip", .what = "probes fail for less than linger", .per_hour = { [CHANGE_BLIP] = 8 }, .blip_most_s = 25, SILENT },
	{ .name = "flap", .what = "ten blips in a row", .per_hour = { [CHANGE_FLAP] = 3 }, SILENT },
	{ .name = "weight", .what = "weights change", .per_hour = { [CHANGE_WEIGHT] = 8 }, SILENT },
	{ .name = "rows", .what = "key and table size change", .per_hour = { [CHANGE_KEY] = 0.4, [CHANGE_SIZE] = 0.4 },
	  .per_million = { [JUDGE_IDLE] = 110, [JUDGE_HANDSHAKE] = 1 } },
	{ .name = "restart", .what = "both daemons are killed while rows are open",
	  .per_hour = { [CHANGE_DRAIN] = 6, [CHANGE_ADD] = 3, [CHANGE_WEIGHT] = 3, [CHANGE_RESTART_DATAPLANE] = 6,
			[CHANGE_RESTART_CONTROLPLANE] = 6 },
	  .per_million = { [JUDGE_IDLE] = 25, [JUDGE_HANDSHAKE] = 1, [JUDGE_KILLED] = 10 } },
	{ .name = "everything", .what = "all of it",
	  .per_hour = { [CHANGE_ADD] = 6, [CHANGE_DRAIN] = 3, [CHANGE_RETIRE] = 6, [CHANGE_CRASH] = 4, [CHANGE_BLIP] = 8,
			[CHANGE_WEIGHT] = 6, [CHANGE_KEY] = 0.2, [CHANGE_SIZE] = 0.2, [CHANGE_RESTART_DATAPLANE] = 3,
			[CHANGE_RESTART_CONTROLPLANE] = 3 },
	  .per_million = { [JUDGE_IDLE] = 25, [JUDGE_HANDSHAKE] = 2, [JUDGE_DEAD] = -1,
			   [JUDGE_DRAIN_END] = -1, [JUDGE_BLIP] = -1, [JUDGE_KILLED] = 10 } },
	{ .name = "two", .what = "two balancers, connections change over, no change in progress", .two = true, .hours = 3, .nothing = true },
	{ .name = "two-open", .what = "the same while rows are open: what sharing nothing costs", .two = true, .hours = 3,
	  .per_hour = { [CHANGE_ADD] = 4 }, .per_million = { [JUDGE_IDLE] = 15, [JUDGE_HANDSHAKE] = 1, [JUDGE_MOVED] = 20000 } },
	{ .name = "syn-closed", .what = "SYN flood while no row is open", .hours = 1, .flood = CHURN_FLOOD_SYN,
	  .flood_from_s = 1200, .flood_packets = 100000000, .flood_per_second = 1000000, .nothing = true },
	{ .name = "syn-open", .what = "SYN flood while rows are open", .hours = 4, .changes_until_s = 3600,
	  .per_hour = { [CHANGE_WEIGHT] = 8, [CHANGE_ADD] = 4 }, .flood = CHURN_FLOOD_SYN, .flood_from_s = 3700,
	  .flood_packets = 100000000, .flood_per_second = 1000000, .closes = true,
	  .per_million = { [JUDGE_IDLE] = 15, [JUDGE_HANDSHAKE] = 1, [JUDGE_PRESSURE] = 10 } },
	{ .name = "ack-open", .what = "ACK flood from random tuples while rows are open", .hours = 5, .changes_until_s = 3600,
	  .per_hour = { [CHANGE_WEIGHT] = 8, [CHANGE_ADD] = 4 }, .flood = CHURN_FLOOD_ACK, .flood_from_s = 3700,
	  .flood_packets = 100000000, .flood_per_second = 1000000, .closes = true,
	  .per_million = { [JUDGE_IDLE] = 15, [JUDGE_HANDSHAKE] = 1, [JUDGE_PRESSURE] = 10 } },
};

const unsigned int churn_scenario_count = sizeof(churn_scenarios) / sizeof(churn_scenarios[0]);
