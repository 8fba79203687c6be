/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * churn: days of traffic and changes against the forwarding core, in minutes. Prints broken connections per million
 * packets by cause; exit status 1 when a scenario broke more than it may.
 */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frame.h"
#include "scenarios.h"

enum { STEP_MS = 100, SLICE_MS = 5, FLOWS_OPEN_MAX = 4000000, DRAIN_S = 1800 };

struct churn {
	const char *scenario; /* NULL: all */
	double hours;
	double starts_per_second;
	uint64_t flows;         /* room of the shared table */
	uint64_t seed;
	uint64_t flood_percent; /* of the scenario's packets */
};

static int options(struct churn *churn, int argc, char **argv)
{
	static const struct option names[] = { { "scenario", 1, NULL, 's' }, { "hours", 1, NULL, 'h' },
					       { "starts", 1, NULL, 'f' }, { "seed", 1, NULL, 'r' },
					       { "flood", 1, NULL, 'p' }, { 0 } };
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		switch (option) {
		case 's': churn->scenario = optarg; break;
		case 'h': churn->hours = atof(optarg); break;
		case 'f': churn->starts_per_second = atof(optarg); break;
		case 'p': churn->flood_percent = strtoull(optarg, NULL, 10); break;
		case 'r': churn->seed = strtoull(optarg, NULL, 10); break;
		default: return -1;
		}
	}
	if (optind == argc && churn->hours > 0 && churn->starts_per_second > 0)
		return 0;
	fprintf(stderr, "usage: churn [--scenario NAME] [--hours H] [--starts PER-SECOND] [--flood PERCENT] [--seed N]; scenarios:\n");
	for (unsigned int i = 0; i < churn_scenario_count; i++)
		fprintf(stderr, "  %-12s %s\n", churn_scenarios[i].name, churn_scenarios[i].what);
	return -1;
}

/* Prints what was broken and says whether all of it is within bounds. */
static bool verdict(const struct churn_scenario *scenario, const struct judge *judge)
{
	bool good = true;

	for (int cause = 0; cause < JUDGE_CAUSE_COUNT; cause++) {
		const double most = scenario->per_million[cause], expected = most * (double)judge->packets / 1e6;

		if (most < 0 || (double)judge->broken[cause] <= expected + 3 * sqrt(expected)) /* a short run has few */
			continue;
		printf("too many: %s: %llu, where %.3f per million packets are expected at most\n",
		       judge_cause_name((enum judge_cause)cause), (unsigned long long)judge->broken[cause], most);
		good = false;
	}
	return good;
}

static void print_state(const struct churn_scenario *scenario, const struct fleet *fleet, const struct changes *changes)
{
	printf("%s (%s):", scenario->name, scenario->what);
	for (unsigned int change = 0; change < CHANGE_COUNT; change++)
		if (changes_done(changes, (enum change)change) > 0)
			printf(" %s %llu", changes_name((enum change)change),
			       (unsigned long long)changes_done(changes, (enum change)change));
	printf("\nremembered now %llu, rows open now %llu, with LOOK %llu, guesses %llu\n", (unsigned long long)fleet_entries(fleet),
	       (unsigned long long)fleet_open_rows(fleet), (unsigned long long)fleet_look_rows(fleet), (unsigned long long)fleet_guesses(fleet));
}

/* One simulated run and what it works with. */
struct churn_run {
	const struct churn *churn;
	const struct churn_scenario *scenario;
	struct judge judge;
	struct traffic *traffic;
	struct changes *changes;
	uint64_t end_ms;
	uint64_t flooded, random;
};

static void change_over(void *ctx, struct traffic_flow *flow)
{
	(void)ctx;
	flow->balancer ^= 1;
	flow->moved = 1;
}

/* The flood's part of one step, in slices short enough for what a manager does every few milliseconds. */
static void flood(struct churn_run *run, uint64_t now_ms)
{
	const struct churn_scenario *s = run->scenario;
	const uint64_t most = s->flood_packets * run->churn->flood_percent / 100, slice = s->flood_per_second * SLICE_MS / 1000;
	const enum traffic_packet packet = s->flood == CHURN_FLOOD_SYN ? TRAFFIC_START : TRAFFIC_SHAKE;

	if (s->flood == CHURN_FLOOD_NONE || now_ms < s->flood_from_s * 1000ull)
		return;
	for (uint64_t at = 0; at < STEP_MS && run->flooded < most; at += SLICE_MS) {
		for (uint64_t i = 0; i < slice; i++) {
			const uint64_t tuple = traffic_random(&run->random);
			const struct traffic_flow flow = { .address = 0x0b000000u | (uint32_t)(tuple & 0xffffff),
							   .port = (uint16_t)(tuple >> 32), .kind = TRAFFIC_WEB };
			uint8_t frame[FRAME_MAX];

			fleet_packet(run->judge.fleet, 0, frame, frame_make(frame, FLEET_VIP, &flow, packet));
		}
		run->flooded += slice;
		fleet_advance(run->judge.fleet, now_ms + at);
		if (fleet_pressure(run->judge.fleet))
			run->judge.pressure_ms = now_ms;
	}
}

static void step(struct churn_run *run, uint64_t now_ms)
{
	const uint64_t kills = changes_done(run->changes, CHANGE_RESTART_DATAPLANE);

	traffic_run(run->traffic, now_ms);
	run->judge.now_ms = now_ms;
	changes_run(run->changes, now_ms);
	if (changes_done(run->changes, CHANGE_RESTART_DATAPLANE) != kills)
		judge_killed(&run->judge, now_ms);
	if (run->scenario->two && now_ms % 3600000 == 0)
		traffic_each(run->traffic, change_over, NULL);
	fleet_advance(run->judge.fleet, now_ms);
	flood(run, now_ms);
	if (fleet_pressure(run->judge.fleet))
		run->judge.pressure_ms = now_ms;
}

static int prepare(struct churn_run *run, const char *dir)
{
	const struct churn_scenario *s = run->scenario;
	const struct churn *churn = run->churn;
	const struct fleet_options fleet_options = {
		.balancers = s->two ? 2 : 1, .backends = 50, .table_size = 65537, .idle_tcp_s = 3600, .idle_quic_s = 600,
		.idle_udp_s = 150, .linger_s = 30, .slow_start_s = 60, .flows = churn->flows, .shared = true, .state_dir = dir,
	};
	struct changes_options changes_options = {
		.seed = churn->seed, .drain_s = DRAIN_S, .retire_s = DRAIN_S,
		.until_ms = s->changes_until_s ? s->changes_until_s * 1000ull : run->end_ms,
		.blip_min_s = s->blip_min_s ? s->blip_min_s : 3, .blip_more_s = s->blip_more_s ? s->blip_more_s : 15,
		.blip_most_s = s->blip_most_s,
	};
	const struct traffic_options traffic_options = { .seed = churn->seed, .starts_per_second = churn->starts_per_second,
							 .flows_max = FLOWS_OPEN_MAX, .packet = judge_packet,
							 .ctx = &run->judge };
	int err = fleet_create(&fleet_options, &run->judge.fleet);

	memcpy(changes_options.per_hour, s->per_hour, sizeof(changes_options.per_hour));
	if (err == 0)
		err = traffic_create(&traffic_options, &run->traffic);
	if (err == 0)
		err = changes_create(&changes_options, run->judge.fleet, &run->changes);
	return err;
}

static int run_scenario(const struct churn *churn, const struct churn_scenario *scenario)
{
	const double hours = churn->hours > scenario->hours ? churn->hours : scenario->hours;
	struct churn_run run = { .churn = churn, .scenario = scenario, .end_ms = (uint64_t)(hours * 3600000), .random = churn->seed * 2 + 1 };
	char dir[] = "/tmp/sluice-churn-XXXXXX";
	bool good = false;

	if (!mkdtemp(dir) || prepare(&run, dir) < 0)
		return 2;
	for (uint64_t now_ms = 0; now_ms < run.end_ms; now_ms += STEP_MS)
		step(&run, now_ms);
	print_state(scenario, run.judge.fleet, run.changes);
	if (run.flooded > 0)
		printf("flood of %llu packets\n", (unsigned long long)run.flooded);
	judge_print(&run.judge, stdout);
	good = verdict(scenario, &run.judge);
	if (scenario->two && run.judge.broken[JUDGE_MOVED] > fleet_guesses(run.judge.fleet)) {
		printf("more broke than were guessed\n");
		good = false;
	}
	if (scenario->closes && fleet_open_rows(run.judge.fleet) > 0) {
		printf("rows are open at the end\n");
		good = false;
	}
	if (scenario->nothing && fleet_entries(run.judge.fleet) + fleet_look_rows(run.judge.fleet) + fleet_guesses(run.judge.fleet) > 0) {
		printf("something was remembered or guessed\n");
		good = false;
	}
	printf("%s\n\n", good ? "ok" : "FAILED");
	fflush(stdout);
	changes_destroy(run.changes);
	traffic_destroy(run.traffic);
	fleet_destroy(run.judge.fleet);
	rmdir(dir);
	return good ? 0 : 1;
}

int main(int argc, char **argv)
{
	/* As a test: enough to notice a broken rule; at length: 20 million connections, 50,000 at a time, floods of 100 million packets. */
	struct churn churn = { .hours = 1, .starts_per_second = 60, .flows = 1 << 18, .seed = 1, .flood_percent = 5 };
	int status = 0, ran = 0;

	if (getenv("SLUICE_TEST_LONG")) /* with the room that there is by default */
		churn = (struct churn){ .hours = 7.5, .starts_per_second = 760, .flows = 1 << 20, .seed = 1, .flood_percent = 100 };

	if (options(&churn, argc, argv) < 0)
		return 2;
	printf("seed %llu, %.2f hours, %.0f connections a second\n\n", (unsigned long long)churn.seed, churn.hours,
	       churn.starts_per_second);
	for (unsigned int i = 0; i < churn_scenario_count; i++) {
		if (churn.scenario && strcmp(churn.scenario, churn_scenarios[i].name) != 0)
			continue;
		ran++;
		status |= run_scenario(&churn, &churn_scenarios[i]);
	}
	if (ran == 0)
		fprintf(stderr, "churn: no scenario \"%s\"; churn --help lists them\n", churn.scenario);
	return ran == 0 ? 2 : status;
}
