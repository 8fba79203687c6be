/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One case after the other: its state, what came before, its packet, and what counters and ports say then.
 */
#include "cases.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases_snapshot.h"
#include "sluice/core/flow.h"

enum {
	NOW_S = 50000,            /* more than any age that a case names */
	HEADROOM = SL_OUTER_MAX,  /* that much is there where nobody says otherwise */
};

/* Why a case cannot be asked here. */
enum reason { ASKED, MEMORY_FULL, BUFFERS, TOO_LONG, NO_PORT, REASONS };
static const char *const reasons[REASONS] = {
	[ASKED] = "asked",
	[MEMORY_FULL] = "need a memory of connections that is full",
	[BUFFERS] = "are about buffers, which this home has not",
	[TOO_LONG] = "are longer than frames are here",
	[NO_PORT] = "come in by a port that there is not",
};

struct running {
	const struct home *home;
	struct packet_case c;
	struct packet_result want;
	struct home_log log;
	struct home_counts before, after;
	char text[256]; /* what differs */
};

static enum reason reason_of(const struct home *home, const struct packet_case *c)
{
	if (c->pressure || c->full)
		return MEMORY_FULL;
	if (c->port >= HOME_PORTS_MAX)
		return NO_PORT;
	if (c->in_len > home->longest)
		return TOO_LONG;
	if (!home->has_buffers && (c->readable < c->in_len || c->headroom < HEADROOM || c->flags != 0))
		return BUFFERS;
	return ASKED;
}

static struct sl_port *ports_of(const struct packet_case *c, size_t *ret_count)
{
	static struct sl_port ports[SL_PORTS_MAX];
	struct sl_env *env = calloc(1, sizeof(*env));

	if (env == NULL)
		abort();
	packet_case_configure(c, env);
	memcpy(ports, env->port, sizeof(ports));
	*ret_count = env->ports;
	free(env);
	return ports;
}

static void run_frame(struct running *r, const uint8_t *frame, uint32_t len, uint32_t id, bool judged)
{
	struct home_packet packet = {.bytes = frame, .len = len, .id = id};

	if (judged && r->home->has_buffers) {
		packet.readable = r->c.readable;
		packet.headroom = r->c.headroom + 1;
		packet.checksum_known = r->c.flags & SL_PKT_IP_CSUM_OK;
	}
	r->home->burst(&packet, 1, (uint64_t)NOW_S * 1000000000, &r->log);
}

/* The connection that the case remembers: its packet's, or where that asks nothing, that of a frame before. 0: none. */
static uint64_t tag_of(const struct running *r)
{
	struct packet_result *before;
	struct packet_case c = r->c;
	uint64_t tag = 0;

	if (r->want.looks > 0)
		return r->want.tag;
	before = malloc(sizeof(*before));
	if (before == NULL)
		abort();
	for (int i = 0; i < r->c.befores && tag == 0; i++) {
		c.in = c.before[i].frame;
		c.in_len = c.readable = c.before[i].len;
		c.befores = 0;
		packet_case_run(&c, 0, before);
		tag = before->looks > 0 ? before->tag : 0;
	}
	free(before);
	return tag;
}

static void remember(struct running *r, uint64_t tag)
{
	if (tag == 0)
		return;
	r->home->remember(tag, SL_SLOT_NONE, 0);
	if (r->c.remembered != SL_SLOT_NONE)
		r->home->remember(tag, r->c.remembered, r->c.remembered_flags);
}

static void run(struct running *r)
{
	struct snapshot *snapshot = cases_snapshot(&r->c);
	struct home_state state = {.snapshot = snapshot, .receive = r->c.port};
	const uint64_t tag = tag_of(r);

	state.ports = ports_of(&r->c, &state.port_count);
	if (r->home->begin(false) < 0)
		abort();
	r->home->use(&state);
	home_log_clear(&r->log);
	r->home->pass((uint64_t)(NOW_S - r->c.age_s) * 1000000000, &r->log);
	remember(r, tag);
	r->home->pass((uint64_t)NOW_S * 1000000000, &r->log);
	for (int i = 0; i < r->c.befores; i++)
		run_frame(r, r->c.before[i].frame, r->c.before[i].len, (uint32_t)i, false);
	if (r->c.befores > 0)
		remember(r, tag);
	home_log_clear(&r->log);
	r->home->counts(&r->before);
	run_frame(r, r->c.in, r->c.in_len, (uint32_t)r->c.befores, true);
	r->home->pass((uint64_t)(NOW_S + 1) * 1000000000, &r->log); /* nobody waits any more */
	r->home->counts(&r->after);
	snapshot_free(snapshot);
}

/* ---- judging ---------------------------------------------------------------------------------------------- */

static bool differ(struct running *r, const char *what, uint64_t want, uint64_t got)
{
	snprintf(r->text, sizeof(r->text), "%s: wanted %llu, got %llu", what, (unsigned long long)want,
		 (unsigned long long)got);
	return true;
}

static bool frames_differ(struct running *r)
{
	size_t frames = 0, bytes = 0;

	for (unsigned int port = 0; port < HOME_PORTS_MAX; port++) {
		const struct home_sent *sent = &r->log.sent[port];
		uint32_t len;

		for (size_t at = 0; at < sent->len; at += sizeof(len) + len, frames++) {
			memcpy(&len, sent->bytes + at, sizeof(len));
			if (port != r->want.out_port)
				return differ(r, "port", r->want.out_port, port);
			if (bytes + len > r->want.len || memcmp(r->want.frame + bytes, sent->bytes + at + sizeof(len), len) != 0)
				return differ(r, "other bytes in frame", r->want.splits > 0 ? r->want.splits : 1, frames + 1);
			bytes += len;
		}
	}
	if (frames != (r->want.leaves ? r->want.splits > 0 ? (size_t)r->want.splits : 1 : 0))
		return differ(r, "frames", r->want.leaves ? r->want.splits > 0 ? (uint64_t)r->want.splits : 1 : 0, frames);
	return bytes != (r->want.leaves ? r->want.len : 0) && differ(r, "bytes", r->want.len, bytes);
}

static bool differs(struct running *r)
{
	for (unsigned int v = 0; v < SL_VERDICT_COUNT; v++)
		if (r->after.verdict[v] - r->before.verdict[v] != (v == r->want.verdict))
			return differ(r, sl_verdict_name((enum sl_verdict)v), v == r->want.verdict,
				      r->after.verdict[v] - r->before.verdict[v]);
	for (unsigned int i = 0; i < SL_FLOW_COUNT_COUNT; i++)
		if (r->after.flow[i] - r->before.flow[i] != r->want.counts[i])
			return differ(r, sl_flow_counter_name((enum sl_flow_counter)i), r->want.counts[i],
				      r->after.flow[i] - r->before.flow[i]);
	return frames_differ(r);
}

/* A home that splits is asked what a case's home makes of it that splits, too. */
static void reference(struct running *r)
{
	r->c.splits = r->home->waits;
	packet_case_run(&r->c, 0, &r->want);
}

static int run_file(struct running *r, const char *path, unsigned int count[REASONS])
{
	FILE *file = fopen(path, "r");
	int line = 0, got = file != NULL ? 1 : -1, bad = 0;

	while (got > 0) {
		enum reason reason;

		got = packet_case_read(file, &r->c, &line);
		reason = got > 0 ? reason_of(r->home, &r->c) : ASKED;
		if (got > 0)
			count[reason]++;
		if (got > 0 && reason == ASKED) {
			reference(r);
			run(r);
			if (differs(r)) {
				printf("%s: %s: %s: %s\n", path, r->c.name, r->home->name, r->text);
				bad = 1;
			}
		}
		packet_case_free(&r->c);
	}
	if (got < 0)
		fprintf(stderr, "%s:%d: cannot be read\n", path, line);
	if (file != NULL)
		fclose(file);
	return got < 0 ? -EINVAL : bad;
}

int cases_run(const struct home *home, char **files)
{
	struct running *r = calloc(1, sizeof(*r));
	unsigned int count[REASONS] = {0};
	int bad = 0;

	if (r == NULL)
		return -ENOMEM;
	r->home = home;
	for (; *files != NULL && bad >= 0; files++) {
		const int err = run_file(r, *files, count);

		bad = err != 0 ? err : bad;
	}
	printf("%s:", home->name);
	for (int i = 0; i < REASONS; i++)
		if (count[i] > 0)
			printf("%s %u cases %s", i > 0 ? ";" : "", count[i], reasons[i]);
	printf("\n");
	home_log_free(&r->log);
	free(r);
	return bad;
}
