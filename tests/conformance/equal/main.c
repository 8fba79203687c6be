/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The comparison's command line. Episode n of a run is drawn from seed + n, so that one that differs is found again
 * by itself: --seed SEED --packets 1.
 */
#include <dirent.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cases.h"
#include "draw.h"
#include "minimise.h"
#include "play.h"
#include "report.h"
#include "sluice/flow_counter.h"
#include "sluice/verdict.h"

enum { EPISODE_PACKETS = 1500, EXIT_DIFFERENT = 1, EXIT_USE = 2, EXIT_BROKEN = 3 };

/* Each home with the sluice-sim that does the same. */
static const struct pair {
	const char *word;
	const struct home *one, *other;
} pairs[] = {
	{"worker", &home_sim_waits, &home_worker},
	{"xdp", &home_sim_drops, &home_xdp},
};

enum { PAIRS = sizeof(pairs) / sizeof(*pairs) };

struct options {
	uint64_t packets, seed;
	const char *home; /* alone; NULL: all */
	bool compares[PAIRS];
	bool cases; /* `folder` are files of packet cases */
	const char *keep; /* folder for differences */
	char **folder;    /* episodes to replay; NULL-terminated */
	bool verbose;
};

struct totals {
	uint64_t packets, episodes;
	uint64_t verdict[SL_VERDICT_SLOTS], flow[SL_FLOW_COUNTERS];
};

static void help(FILE *out)
{
	fputs("Usage: equal [--packets N] [--home worker|xdp] [--seed S] [--keep FOLDER] [--verbose] [EPISODE...]\n"
	      "Plays episodes (folders of an earlier difference) or drawn packets and changes in every home of the forwarding core and demands the same verdicts,\n"
	      "bytes and counters. Exit status 0: equal; 1: a difference, written to FOLDER; 2: wrong use; 3: could\n"
	      "not be compared.\n"
	      "  --packets N    at least so many packets (default 100000)\n"
	      "  --seed S       draws them (default: by the clock; printed)\n"
	      "  --keep FOLDER  for differences: capture, configuration and scenario (default conformance-difference)\n"
	      "  --cases        EPISODEs are files of packet cases (tests/packet/cases) instead\n"
	      "  --home HOME    that one alone: worker, or xdp (which needs root)\n"
	      "  --plant WHAT   one home makes a mistake: byte, memory or count\n"
	      "  --verbose      messages about configurations too\n", out);
}

static bool parse_plant(const char *text)
{
	static const char *const words[] = {"none", "byte", "memory", "count"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(words[i], text) == 0) {
			home_plant = (enum home_plant)i;
			return true;
		}
	fprintf(stderr, "equal: nobody can plant \"%s\"; there are: byte, memory, count\n", text);
	return false;
}

static bool parse(int argc, char **argv, struct options *options)
{
	static const struct option known[] = {{"packets", required_argument, NULL, 'p'},
					      {"seed", required_argument, NULL, 's'},
					      {"keep", required_argument, NULL, 'k'},
					      {"cases", no_argument, NULL, 'c'},
					      {"home", required_argument, NULL, 'o'},
					      {"plant", required_argument, NULL, 'x'},
					      {"verbose", no_argument, NULL, 'v'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	char *end = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'p': options->packets = strtoull(optarg, &end, 10); break;
		case 's': options->seed = strtoull(optarg, &end, 10); break;
		case 'c': options->cases = true; break;
		case 'o': options->home = optarg; break;
		case 'k': options->keep = optarg; break;
		case 'x':
			if (!parse_plant(optarg))
				return false;
			break;
		case 'v': options->verbose = true; break;
		case 'h': help(stdout); exit(0);
		default: return false;
		}
		if ((c == 'p' || c == 's') && (end == optarg || *end != '\0')) {
			fprintf(stderr, "equal: \"%s\" is no number\n", optarg);
			return false;
		}
	}
	options->folder = argv + optind;
	return true;
}

static void add(struct totals *totals, const struct episode *episode, const struct play_result *result)
{
	totals->episodes++;
	totals->packets += episode_packets(episode);
	for (int i = 0; i < SL_VERDICT_SLOTS; i++)
		totals->verdict[i] += result->verdict[i];
	for (int i = 0; i < SL_FLOW_COUNTERS; i++)
		totals->flow[i] += result->flow[i];
}

/* What was met, so that a reader sees what was not. */
static void print_totals(const struct totals *totals)
{
	printf("  ");
	for (int i = 0; i < SL_VERDICT_COUNT; i++)
		printf(" %s %" PRIu64, sl_verdict_name((enum sl_verdict)i), totals->verdict[i]);
	printf("\n  ");
	for (int i = 0; i < SL_FLOW_COUNT_COUNT; i++)
		printf(" %s %" PRIu64, sl_flow_counter_name((enum sl_flow_counter)i), totals->flow[i]);
	printf("\n");
}

static int show_difference(const struct play *play, struct episode *episode, const struct options *options, uint64_t seed,
			   struct play_result *result)
{
	char text[PLAY_TEXT_MAX + 256];
	int err;

	printf("episode of seed %" PRIu64 ", packet %u of %zu: %s\n", seed, result->id, episode_packets(episode), result->text);
	fflush(stdout);
	minimise(play, episode, result);
	snprintf(text, sizeof(text), "seed %" PRIu64 ", packet %u: %s\n", seed, result->id, result->text);
	err = report_write(episode, play->one->waits, options->keep, text);
	printf("smallest sequence that still shows it: %zu packets, %zu changes: %s\n", episode_packets(episode),
	       episode->count - episode_packets(episode), result->text);
	if (err < 0)
		printf("%s: %s\n", options->keep, strerror(-err));
	else
		printf("replay: sluice-sim --config %s/sluice.yaml --scenario %s/scenario.yaml --in %s/in.pcap --verdicts -\n",
		       options->keep, options->keep, options->keep);
	return EXIT_DIFFERENT;
}

/* One episode in all homes. Returns an exit code. */
static int run_episode(const struct options *options, struct play *play, struct episode *episode, uint64_t seed,
		       struct totals *totals)
{
	struct play_result result;
	int code = 0;

	for (int i = 0; i < PAIRS && code == 0; i++) {
		int differs;

		if (!options->compares[i])
			continue;
		play->one = pairs[i].one;
		play->other = pairs[i].other;
		differs = play_episode(play, episode, &result);
		if (differs < 0) {
			printf("episode of seed %" PRIu64 " cannot be played after %zu items: %s\n", seed, result.items,
			       strerror(-differs));
			code = EXIT_BROKEN;
		}
		if (i == 0 || !options->compares[0])
			add(totals, episode, &result);
		if (differs > 0)
			code = show_difference(play, episode, options, seed, &result);
	}
	return code;
}

static int run(const struct options *options, struct play *play)
{
	struct totals totals = {0};
	struct episode episode;
	int code = 0;

	for (uint64_t n = 0; code == 0 && totals.packets < options->packets; n++) {
		draw_episode(options->seed + n, EPISODE_PACKETS, &episode);
		code = run_episode(options, play, &episode, options->seed + n, &totals);
		episode_free(&episode);
	}
	print_totals(&totals);
	printf("%s: %" PRIu64 " packets in %" PRIu64 " episodes", code == 0 ? "equal" : "NOT equal", totals.packets,
	       totals.episodes);
	for (int i = 0; i < PAIRS; i++)
		if (options->compares[i])
			printf(", %s and %s", pairs[i].one->name, pairs[i].other->name);
	printf("\n");
	return code;
}

/* What was found once. */
static int replay(const struct options *options, const char *folder, struct play *play)
{
	struct scenario *scenario;
	struct play_result result;
	struct episode episode;
	int differs = episode_load(folder, &episode, &scenario);

	if (differs < 0)
		return EXIT_BROKEN;
	for (int i = 0; i < PAIRS && differs == 0; i++) {
		if (!options->compares[i])
			continue;
		play->one = pairs[i].one;
		play->other = pairs[i].other;
		differs = play_episode(play, &episode, &result);
		if (differs < 0)
			printf("%s: cannot be played after %zu items: %s\n", folder, result.items, strerror(-differs));
		else if (differs > 0)
			printf("%s: NOT equal, packet %u: %s\n", folder, result.id, result.text);
		else
			printf("%s: equal, %zu packets, %s\n", folder, episode_packets(&episode), play->other->name);
	}
	episode_free(&episode);
	scenario_free(scenario);
	return differs < 0 ? EXIT_BROKEN : differs > 0 ? EXIT_DIFFERENT : 0;
}

/* In every home that can be given a memory: what is compared is the case's own home. */
static int run_cases(const struct options *options)
{
	int differs = 0;

	for (int i = 0; i < PAIRS && differs >= 0; i++) {
		if (!options->compares[i])
			continue;
		differs |= cases_run(pairs[i].one, options->folder);
		if (differs >= 0 && pairs[i].other->remember != NULL)
			differs |= cases_run(pairs[i].other, options->folder);
	}
	return differs < 0 ? EXIT_BROKEN : differs > 0 ? EXIT_DIFFERENT : 0;
}

/* False: a home that is wanted does not start. XDP is left out where nobody could load it. */
static bool start(struct options *options)
{
	bool any = false;

	for (int i = 0; i < PAIRS; i++) {
		if (options->home != NULL && strcmp(options->home, pairs[i].word) != 0)
			continue;
		any = true;
		if (options->home == NULL && pairs[i].other == &home_xdp && geteuid() != 0) {
			printf("left out: XDP, which needs root\n");
			continue;
		}
		if (pairs[i].one->start() < 0 || pairs[i].other->start() < 0)
			return false;
		options->compares[i] = true;
	}
	if (!any)
		fprintf(stderr, "equal: there is no home \"%s\"; there are: worker, xdp\n", options->home);
	return any;
}

static void remove_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir != NULL)
		closedir(dir);
	rmdir(folder);
}

int main(int argc, char **argv)
{
	struct options options = {.packets = 100000, .seed = (uint64_t)time(NULL), .keep = "conformance-difference"};
	char folder[] = "/tmp/sluice-equal.XXXXXX";
	struct play play = {0};
	int code = 0;

	if (!parse(argc, argv, &options)) {
		help(stderr);
		return EXIT_USE;
	}
	play.errors = options.verbose ? stderr : fopen("/dev/null", "w");
	play.folder = mkdtemp(folder);
	if (play.errors == NULL || play.folder == NULL || !start(&options))
		return EXIT_BROKEN;
	if (options.cases)
		code = run_cases(&options);
	for (char **episode = options.folder; !options.cases && *episode != NULL && code == 0; episode++)
		code = replay(&options, *episode, &play);
	if (*options.folder == NULL && !options.cases) {
		printf("seed %" PRIu64 "\n", options.seed);
		fflush(stdout);
		code = run(&options, &play);
	}
	remove_folder(folder);
	return code;
}
