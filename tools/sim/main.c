/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sluice-sim: packets and events in their order, verdicts and packets out. What happens to a packet is in
 * include/sluice/core, what a configuration means in controlplane/.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "balancer.h"
#include "capture.h"
#include "options.h"
#include "timeline.h"
#include "verdict_line.h"

enum exit_code { EXIT_USE = 1, EXIT_INPUT = 2, EXIT_OUTPUT = 3, EXIT_INTERNAL = 5 };

enum { WAITING_MAX = 512 }; /* fragments: several times what waits at a time */

/* A fragment that has no verdict yet. */
struct waiting {
	uint64_t number; /* 0: nobody */
	struct capture_packet packet; /* without its bytes */
};

struct sim {
	struct options options;
	struct scenario *scenario;
	struct timeline *timeline;
	struct balancer *balancer;
	struct capture_reader *in;
	struct capture_writer *out;
	FILE *verdicts;
	uint64_t packets, snapped;
	struct waiting waiting[WAITING_MAX];
	int64_t first_ns;
	uint64_t now_ns; /* since the first packet; never goes back */
};

static int complain(enum exit_code code, const char *text)
{
	fprintf(stderr, "sluice-sim: %s\n", text);
	return (int)code;
}

/* Errors of files and names were printed already. */
static int exit_code_of(int err)
{
	return err == -ENOMEM   ? complain(EXIT_INTERNAL, "out of memory")
	       : err == -EPROTO ? EXIT_INTERNAL
				: EXIT_USE;
}

/* ---- packets ------------------------------------------------------------------------------------------- */

/* All events that are due by then, then one new generation if they or the time changed anything. */
static int run_until(struct sim *sim, uint64_t now_ns)
{
	const struct scenario_event *event;
	bool any = balancer_due_ns(sim->balancer) <= now_ns;
	int err = 0;

	while (err == 0 && (event = timeline_due(sim->timeline, sim->packets, now_ns)) != NULL) {
		err = balancer_event(sim->balancer, event);
		any = true;
	}
	if (err == 0 && any)
		err = balancer_settle(sim->balancer, now_ns);
	return err;
}

/* What happens before the next packet, each at its own time. */
static int run_events(struct sim *sim)
{
	int err = 0;

	for (;;) {
		const uint64_t event_ns = timeline_next_ns(sim->timeline), due_ns = balancer_due_ns(sim->balancer);
		const uint64_t next_ns = event_ns < due_ns ? event_ns : due_ns;

		if (err < 0 || next_ns >= sim->now_ns)
			break;
		err = run_until(sim, next_ns);
	}
	if (err == 0)
		err = run_until(sim, sim->now_ns);
	return err < 0 ? exit_code_of(err) : 0;
}

/* Time for rate limits and events: the capture's, or a step a packet. */
static void advance(struct sim *sim, const struct capture_packet *packet)
{
	int64_t now_ns;

	if (sim->scenario->own_time) {
		sim->now_ns = sim->packets * sim->scenario->step_ns;
		return;
	}
	if (sim->packets == 0)
		sim->first_ns = packet->time_ns;
	now_ns = packet->time_ns - sim->first_ns;
	if (now_ns > 0 && (uint64_t)now_ns > sim->now_ns)
		sim->now_ns = (uint64_t)now_ns;
}

/* The line of a packet that has its verdict, and the frames that leave. */
static int write_result(struct sim *sim, uint64_t number, const struct capture_packet *packet,
			const struct balancer_result *result)
{
	char reason[CAPTURE_REASON_MAX];
	struct forwarder_frame frame;

	if (sim->verdicts != NULL) {
		verdict_line_write(sim->verdicts, number, packet, result);
		if (ferror(sim->verdicts)) {
			snprintf(reason, sizeof(reason), "%s: %s", sim->options.verdicts, strerror(errno));
			return complain(EXIT_OUTPUT, reason);
		}
	}
	for (unsigned int i = 0; sim->out != NULL && i < result->out_frames && balancer_frame(sim->balancer, i, &frame); i++) {
		const struct capture_packet leaving = {.bytes = frame.bytes,
						       .captured = frame.captured,
						       .length = frame.length,
						       .time_ns = packet->time_ns};

		if (capture_writer_put(sim->out, &leaving, reason) < 0)
			return complain(EXIT_OUTPUT, reason);
	}
	return 0;
}

static struct waiting *find_waiting(struct sim *sim, uint64_t number)
{
	for (size_t i = 0; i < WAITING_MAX; i++)
		if (sim->waiting[i].number == number)
			return &sim->waiting[i];
	return NULL; /* cannot be: the forwarder lets fewer wait */
}

/* Fragments whose first one came, or did not come in time. */
static int run_waiting(struct sim *sim)
{
	struct balancer_result result;
	struct waiting *waiting;
	uint64_t number;
	int code = 0;

	while (code == 0 && balancer_next(sim->balancer, sim->now_ns, &number, &result)) {
		waiting = find_waiting(sim, number);
		if (waiting == NULL)
			return complain(EXIT_INTERNAL, "a fragment that did not wait; please report it");
		code = write_result(sim, number, &waiting->packet, &result);
		waiting->number = 0;
	}
	return code;
}

static int run_packet(struct sim *sim, const struct capture_packet *packet)
{
	struct balancer_result result;
	struct waiting *waiting;
	int code;

	advance(sim, packet);
	code = run_events(sim);
	if (code == 0)
		code = run_waiting(sim);
	if (code != 0)
		return code;
	balancer_packet(sim->balancer, packet->bytes, packet->captured, packet->length, sim->now_ns, &result);
	sim->packets++;
	sim->snapped += packet->captured < packet->length;
	waiting = result.verdict == (enum sl_verdict)FORWARDER_WAITS ? find_waiting(sim, 0) : NULL;
	if (waiting != NULL)
		*waiting = (struct waiting){.number = sim->packets, .packet = *packet};
	else
		code = write_result(sim, sim->packets, packet, &result);
	return code == 0 ? run_waiting(sim) : code;
}

static int run_capture(struct sim *sim)
{
	char reason[CAPTURE_REASON_MAX];
	struct capture_packet packet;
	int got, code = 0;

	while ((got = capture_reader_next(sim->in, &packet, reason)) == 1 && code == 0)
		code = run_packet(sim, &packet);
	balancer_give_up(sim->balancer);
	if (code == 0)
		code = run_waiting(sim);
	if (code != 0)
		return code;
	if (got < 0)
		code = complain(EXIT_INPUT, reason);
	if (code == 0 && sim->packets == 0) /* an empty capture: what comes before a first packet is no less so */
		code = run_events(sim);
	if (sim->snapped > 0)
		fprintf(stderr,
			"sluice-sim: warning: %llu packets were captured in part (\"snapped\": true); what "
			"the core could not "
			"read of them counts as missing; capture with -s 0\n",
			(unsigned long long)sim->snapped);
	if (code == 0 && timeline_left(sim->timeline) > 0)
		fprintf(stderr,
			"sluice-sim: warning: %zu event%s of the scenario %s due after the last packet\n",
			timeline_left(sim->timeline), timeline_left(sim->timeline) == 1 ? "" : "s",
			timeline_left(sim->timeline) == 1 ? "was" : "were");
	return code;
}

/* ---- files --------------------------------------------------------------------------------------------- */

/* Opening the output would empty the input before it is read. */
static bool same_file(const char *a, const char *b)
{
	struct stat first, second;

	return b != NULL && stat(a, &first) == 0 && stat(b, &second) == 0 && S_ISREG(first.st_mode) &&
	       first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

static int open_files(struct sim *sim)
{
	const struct options *options = &sim->options;
	char reason[CAPTURE_REASON_MAX];

	if (same_file(options->in, options->out) || same_file(options->in, options->verdicts))
		return complain(EXIT_USE, "an output is the input file; name another");
	if (options->out != NULL && options->verdicts != NULL && strcmp(options->out, options->verdicts) == 0)
		return complain(EXIT_USE, "--out and --verdicts are the same file; name two");
	if (capture_reader_open(options->in, &sim->in, reason) < 0)
		return complain(EXIT_INPUT, reason);
	if (options->out != NULL && capture_writer_open(options->out, &sim->out, reason) < 0)
		return complain(EXIT_OUTPUT, reason);
	if (options->verdicts == NULL)
		return 0;
	sim->verdicts = strcmp(options->verdicts, "-") == 0 ? stdout : fopen(options->verdicts, "we");
	if (sim->verdicts != NULL)
		return 0;
	snprintf(reason, sizeof(reason), "%s: %s", options->verdicts, strerror(errno));
	return complain(EXIT_OUTPUT, reason);
}

static int close_files(struct sim *sim, int code)
{
	char reason[CAPTURE_REASON_MAX];

	capture_reader_close(sim->in);
	if (capture_writer_close(sim->out, reason) < 0 && code == 0)
		code = complain(EXIT_OUTPUT, reason);
	if (sim->verdicts != NULL && fclose(sim->verdicts) != 0 && code == 0) {
		snprintf(reason, sizeof(reason), "%s: %s", sim->options.verdicts, strerror(errno));
		code = complain(EXIT_OUTPUT, reason);
	}
	return code;
}

static int run(struct sim *sim)
{
	struct balancer_options balancer = {
		.config = sim->options.config, .key_file = sim->options.key_file, .errors = stderr};
	int err, code;

	if (sim->options.scenario != NULL)
		err = scenario_load(sim->options.scenario, stderr, &sim->scenario);
	else
		err = scenario_load_text("no scenario", "{}", 2, stderr, &sim->scenario);
	if (err == 0)
		err = timeline_create(sim->scenario, &sim->timeline);
	balancer.scenario = sim->scenario;
	if (err == 0)
		err = balancer_create(&balancer, &sim->balancer);
	if (err < 0)
		return exit_code_of(err);
	code = open_files(sim);
	if (code == 0)
		code = run_capture(sim);
	return close_files(sim, code);
}

int main(int argc, char **argv)
{
	struct sim sim = {0};
	int code;

	if (options_parse(argc, argv, stderr, &sim.options) < 0)
		return EXIT_USE;
	if (sim.options.help) {
		options_help(stdout);
		return 0;
	}
	if (sim.options.version) {
		printf("sluice-sim %s\n", SLUICE_VERSION);
		return 0;
	}
	code = run(&sim);
	balancer_destroy(sim.balancer);
	timeline_destroy(sim.timeline);
	scenario_free(sim.scenario);
	return code;
}
