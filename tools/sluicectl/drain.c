/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * drain --wait, retire --wait: asks once a second how far it is, and says so, until no packet of an old
 * connection was seen for long enough. It only looks: whatever ends the wait, the drain stays.
 */
#include "drain.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "client.h"
#include "duration.h"

enum { LINE_EVERY_MS = 10000, LOOK_EVERY_MS = 1000 };

/* What was seen, and when; times are CLOCK_MONOTONIC ms. */
struct look {
	uint64_t at_ms;
	int64_t packets;
	int64_t flows;    /* -1: not counted */
	int64_t oldest_s;
	int64_t quiet_ms, wanted_ms;
	double rate;      /* packets a second since the look before */
	bool attached;
	char admin[16], who[64];
};

struct wait {
	const struct ctl_options *options;
	const char *backend;
	const char *path;
	uint64_t began_ms;
	struct look now;
	bool looked;
	bool lost;            /* sluiced does not answer */
	bool in_place;        /* standard output is a terminal */
	uint64_t said_ms;     /* when a line was printed; 0: none yet */
	struct look said;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void take(struct wait *w, const json_t *answer)
{
	const struct look before = w->now;
	const json_t *flows = json_object_get(answer, "flows");

	w->now = (struct look){
		.at_ms = now_ms(),
		.packets = answer_number(answer, "packets"),
		.flows = json_is_integer(flows) ? json_integer_value(flows) : -1,
		.oldest_s = answer_number(answer, "oldest_s"),
		.quiet_ms = answer_number(answer, "quiet_ms"),
		.wanted_ms = w->options->quiet_ms > 0 ? (int64_t)w->options->quiet_ms : answer_number(answer, "quiet_wanted_ms"),
		.attached = json_is_true(json_object_get(answer, "attached")),
	};
	snprintf(w->now.admin, sizeof(w->now.admin), "%s", answer_text(answer, "admin"));
	snprintf(w->now.who, sizeof(w->now.who), "%s", answer_text(answer, "admin_who"));
	if (w->looked && w->now.at_ms > before.at_ms && w->now.packets >= before.packets) /* a new file may begin anew */
		w->now.rate = (double)(w->now.packets - before.packets) * 1000 / (double)(w->now.at_ms - before.at_ms);
	w->looked = true;
	w->lost = false;
}

/* "12 connections, 340 packets/s, oldest 2h03m" */
static void describe(const struct look *look, char *text, size_t size)
{
	char oldest[32] = "";
	int len;

	if (look->flows < 0)
		len = snprintf(text, size, "connections not counted yet");
	else
		len = snprintf(text, size, "%" PRId64 " connection%s remembered", look->flows, look->flows == 1 ? "" : "s");
	len += snprintf(text + len, size - (size_t)len, ", %.0f packets/s", look->rate);
	if (look->flows > 0) {
		duration_text(look->oldest_s, oldest, sizeof(oldest));
		snprintf(text + len, size - (size_t)len, ", oldest %s", oldest);
	}
}

static void say(struct wait *w)
{
	char what[128], quiet[32], wanted[32];
	const bool changed = w->said.flows != w->now.flows || w->said.attached != w->now.attached;

	if (w->options->json)
		return;
	if (!w->in_place && w->said_ms != 0 && !changed && w->now.at_ms - w->said_ms < LINE_EVERY_MS)
		return;
	describe(&w->now, what, sizeof(what));
	duration_text(w->now.quiet_ms / 1000, quiet, sizeof(quiet));
	duration_text((w->now.wanted_ms + 999) / 1000, wanted, sizeof(wanted));
	printf("%s%s: %s, quiet for %s of %s%s%s", w->in_place ? "\r\033[K" : "", w->backend, what, quiet, wanted,
	       w->now.attached ? "" : "; no sluice-dp forwards, so silence does not count", w->in_place ? "" : "\n");
	fflush(stdout);
	w->said_ms = w->now.at_ms;
	w->said = w->now;
}

static void end_line(const struct wait *w)
{
	if (w->in_place && w->said_ms != 0)
		putchar('\n');
	fflush(stdout);
}

/* The end, for programs. */
static void print_json(const struct wait *w, const char *done)
{
	json_t *answer = json_pack("{s:s, s:s, s:I, s:I, s:f, s:I, s:I}", "backend", w->backend, "done", done, "flows",
				   (json_int_t)(w->now.flows > 0 ? w->now.flows : 0), "oldest_s", (json_int_t)w->now.oldest_s,
				   "packets_per_s", w->now.rate, "quiet_ms", (json_int_t)w->now.quiet_ms, "waited_ms",
				   (json_int_t)(now_ms() - w->began_ms));

	client_print(answer);
	json_decref(answer);
}

static enum ctl_exit end(struct wait *w, enum ctl_exit result, const char *done)
{
	end_line(w);
	if (w->options->json)
		print_json(w, done);
	return result;
}

static enum ctl_exit end_drained(struct wait *w)
{
	enum ctl_exit result = end(w, CTL_DONE, "drained");
	char quiet[32];

	duration_text(w->now.quiet_ms / 1000, quiet, sizeof(quiet));
	if (!w->options->json)
		printf("%s: drained, no packet for %s\n", w->backend, quiet);
	return result;
}

static enum ctl_exit end_timeout(struct wait *w)
{
	enum ctl_exit result = end(w, CTL_REFUSED, "timeout");
	char what[128] = "sluiced did not answer", after[32];

	if (w->looked)
		describe(&w->now, what, sizeof(what));
	duration_text((int64_t)(w->options->timeout_ms / 1000), after, sizeof(after));
	fprintf(stderr, "sluicectl: %s is not drained after %s: %s: it drains on; wait again, or cut what is left off with "
		"'sluicectl off %s'\n", w->backend, after, what, w->backend);
	return result;
}

static enum ctl_exit end_interrupted(struct wait *w)
{
	enum ctl_exit result = end(w, CTL_REFUSED, "interrupted");

	fprintf(stderr, "sluicectl: interrupted: %s drains on; 'sluicectl ready %s' takes it back\n", w->backend, w->backend);
	return result;
}

static enum ctl_exit end_changed(struct wait *w)
{
	enum ctl_exit result = end(w, CTL_REFUSED, w->now.admin);

	fprintf(stderr, "sluicectl: %s is %s now, said %s: not waiting any more\n", w->backend, w->now.admin,
		w->now.who[0] != 0 ? w->now.who : "somebody");
	return result;
}

/* One look. CTL_NOT_REACHED: sluiced is away, try again. */
static enum ctl_exit look(struct wait *w)
{
	struct ctl_options patient = *w->options;
	json_t *answer = NULL;
	enum ctl_exit result;

	patient.silent_absence = true;
	result = client_get(&patient, w->path, &answer);
	if (result == CTL_DONE)
		take(w, answer);
	else if (result == CTL_NOT_REACHED && !w->lost) {
		end_line(w);
		fprintf(stderr, "sluicectl: sluiced does not answer: trying again; the drain stays, and after a restart of "
			"sluiced the quiet time begins anew\n");
		w->lost = true;
	}
	json_decref(answer);
	return result;
}

static enum ctl_exit watch(struct wait *w)
{
	for (;;) {
		const struct timespec second = {.tv_sec = LOOK_EVERY_MS / 1000};
		const enum ctl_exit result = interrupted ? CTL_NOT_REACHED : look(w);

		if (interrupted)
			return end_interrupted(w);
		if (result == CTL_REFUSED) /* the reason was printed: it left the configuration */
			return end(w, CTL_REFUSED, "gone");
		if (result == CTL_DONE && strcmp(w->now.admin, "drain") != 0 && strcmp(w->now.admin, "retire") != 0)
			return end_changed(w);
		if (result == CTL_DONE)
			say(w);
		if (result == CTL_DONE && w->now.attached && w->now.quiet_ms >= w->now.wanted_ms)
			return end_drained(w);
		if (w->options->timeout_ms > 0 && now_ms() - w->began_ms >= w->options->timeout_ms)
			return end_timeout(w);
		nanosleep(&second, NULL); /* a signal ends it early */
	}
}

enum ctl_exit drain_wait(const struct ctl_options *options, const char *backend, const char *path)
{
	const struct sigaction action = {.sa_handler = on_interrupt};
	struct wait w = {.options = options,
			 .backend = backend,
			 .path = path,
			 .began_ms = now_ms(),
			 .in_place = isatty(STDOUT_FILENO) && !options->json};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	return watch(&w);
}
