/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mix (selection.md 1), of connections that are open at one time: 30 % web TCP, 35 % long TCP with heavy-tailed
 * silences of up to two hours, 10 % idle TCP, 20 % QUIC whose second Initial comes 0.1 s after the first, 5 % unmarked
 * UDP; 3 % of ended TCP connections are followed by one of the same ports within 30 s. Those that live for hours are
 * there from the first minute on, or a run of an hour would hardly see one.
 */
#include "traffic.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum {
	WHEEL_MS = 1 << 23, /* 2.3 hours: what is due later goes round again */
	RTT_MS = 40,
	INITIAL_AGAIN_MS = 100,
	REUSE_WITHIN_MS = 30000,
	REUSE_PERCENT = 3,
	FIRST_MS = 60000,    /* in which the connections begin that are there from the start */
	WEB_LEAST_S = 10, WEB_MOST_S = 600,
	LONG_LEAST_S = 300, LONG_MOST_S = 6 * 3600,
	IDLE_MEAN_S = 3 * 3600,
	SHORT_MEAN_S = 60,   /* QUIC and UDP */
	PORT_FIRST = 1024,
	PORTS = 65536 - PORT_FIRST,
};

/* Of the connections that are open at one time. */
static const double share[TRAFFIC_KIND_COUNT] = { 0.30, 0.35, 0.10, 0.20, 0.05 };

struct traffic {
	struct traffic_options options;
	struct traffic_flow *flow; /* entry 0 is nobody */
	uint32_t used, free;       /* entries ever used; first of the freed */
	uint32_t open;
	uint32_t *slot;            /* WHEEL_MS */
	uint64_t now_ms;
	uint64_t random;
	double next_start_ms;
	double turnover; /* starts a second for each connection that is open */
	uint64_t tuples;         /* given out */
	uint64_t started, skipped;
};

static double uniform(struct traffic *t)
{
	return ((double)(traffic_random(&t->random) >> 11) + 0.5) / 9007199254740992.0;
}

static double exponential(struct traffic *t, double mean)
{
	return -mean * log(uniform(t));
}

static double pareto(struct traffic *t, double least, double shape, double most)
{
	const double x = least / pow(uniform(t), 1 / shape);

	return x > most ? most : x;
}

static double log_uniform(struct traffic *t, double least, double most)
{
	return least * pow(most / least, uniform(t));
}

static uint64_t life_ms(struct traffic *t, enum traffic_kind kind)
{
	switch (kind) {
	case TRAFFIC_WEB: return (uint64_t)(1000 * pareto(t, WEB_LEAST_S, 1.5, WEB_MOST_S));
	case TRAFFIC_LONG: return (uint64_t)(1000 * log_uniform(t, LONG_LEAST_S, LONG_MOST_S));
	case TRAFFIC_IDLE: return (uint64_t)(1000 * exponential(t, IDLE_MEAN_S));
	case TRAFFIC_QUIC:
	case TRAFFIC_UDP: return (uint64_t)(1000 * exponential(t, SHORT_MEAN_S));
	case TRAFFIC_KIND_COUNT: break;
	}
	return 0;
}

/* The mean of life_ms(). */
static double mean_life_s(enum traffic_kind kind)
{
	switch (kind) {
	case TRAFFIC_WEB: return 3 * WEB_LEAST_S - 2 * WEB_MOST_S * pow((double)WEB_LEAST_S / WEB_MOST_S, 1.5);
	case TRAFFIC_LONG: return (LONG_MOST_S - LONG_LEAST_S) / log((double)LONG_MOST_S / LONG_LEAST_S);
	case TRAFFIC_IDLE: return IDLE_MEAN_S;
	case TRAFFIC_QUIC:
	case TRAFFIC_UDP: return SHORT_MEAN_S;
	case TRAFFIC_KIND_COUNT: break;
	}
	return 1;
}

/* What is left of the life of a connection that one meets: the longer it lives the likelier one meets it. */
static uint64_t rest_ms(struct traffic *t, enum traffic_kind kind)
{
	if (kind != TRAFFIC_LONG)
		return life_ms(t, kind); /* exponential: what is left does not depend on what was */
	return (uint64_t)(1000 * uniform(t) * (LONG_LEAST_S + uniform(t) * (LONG_MOST_S - LONG_LEAST_S)));
}

/* Until the next packet. */
static uint64_t gap_ms(struct traffic *t, enum traffic_kind kind)
{
	switch (kind) {
	case TRAFFIC_WEB: return 1 + (uint64_t)(1000 * exponential(t, 8));
	case TRAFFIC_LONG: return 1 + (uint64_t)(1000 * pareto(t, 60, 1.1, 7200));
	case TRAFFIC_IDLE: return 1 + (uint64_t)(1000 * log_uniform(t, 60, 3 * 3600));
	case TRAFFIC_QUIC: return 1 + (uint64_t)(1000 * exponential(t, 10));
	case TRAFFIC_UDP: return 1 + (uint64_t)(1000 * exponential(t, 10));
	case TRAFFIC_KIND_COUNT: break;
	}
	return 1;
}

/* Starts a second for each connection that is open. */
static double turnover(void)
{
	double sum = 0;

	for (int kind = 0; kind < TRAFFIC_KIND_COUNT; kind++)
		sum += share[kind] / mean_life_s((enum traffic_kind)kind);
	return sum;
}

static enum traffic_kind draw_kind(struct traffic *t)
{
	double u = uniform(t) * t->turnover;
	int kind = 0;

	while (kind < TRAFFIC_KIND_COUNT - 1 && u >= share[kind] / mean_life_s((enum traffic_kind)kind)) {
		u -= share[kind] / mean_life_s((enum traffic_kind)kind);
		kind++;
	}
	return (enum traffic_kind)kind;
}

static void put_in_wheel(struct traffic *t, uint32_t at)
{
	struct traffic_flow *flow = &t->flow[at];
	uint32_t *slot = &t->slot[flow->due_ms % WHEEL_MS];

	flow->next = *slot;
	*slot = at;
}

/* Client and port of a connection as no other one has them: two at a time would be one to everybody on the way. */
static uint64_t new_tuple(struct traffic *t)
{
	const unsigned __int128 step = 0x9e3779b97f4a7ffull; /* coprime to the number of tuples */

	return (uint64_t)(step * ++t->tuples % ((uint64_t)PORTS << 24));
}

/* One new connection of client and ports `tuple`, whose first packet is due at `due_ms`. NULL: no memory for it. */
static struct traffic_flow *start(struct traffic *t, uint64_t due_ms, enum traffic_kind kind, uint64_t life, uint64_t tuple)
{
	uint32_t at = t->free;

	if (at != 0)
		t->free = t->flow[at].next;
	else if (t->used < t->options.flows_max)
		at = ++t->used;
	if (at == 0) {
		t->skipped++;
		return NULL;
	}
	t->flow[at] = (struct traffic_flow){
		.address = 0x0a000000u | (uint32_t)(tuple & 0xffffff), .port = (uint16_t)(PORT_FIRST + (tuple >> 24)),
		.kind = (uint8_t)kind, .next_packet = TRAFFIC_START, .owner = TRAFFIC_NOBODY,
		.due_ms = due_ms, .last_ms = due_ms, .end_ms = due_ms + life,
	};
	t->started++;
	t->open++;
	put_in_wheel(t, at);
	return &t->flow[at];
}

static void end(struct traffic *t, uint32_t at, bool broken)
{
	const struct traffic_flow old = t->flow[at];
	const enum traffic_kind kind = (enum traffic_kind)old.kind;
	struct traffic_flow *heir;
	uint64_t due_ms;

	t->flow[at].next = t->free;
	t->flow[at].kind = TRAFFIC_KIND_COUNT;
	t->free = at;
	t->open--;
	if (kind > TRAFFIC_IDLE || traffic_random(&t->random) % 100 >= REUSE_PERCENT)
		return;
	due_ms = t->now_ms + 1 + traffic_random(&t->random) % REUSE_WITHIN_MS;
	heir = start(t, due_ms, kind, life_ms(t, kind), (uint64_t)(old.port - PORT_FIRST) << 24 | (old.address & 0xffffff));
	if (heir && broken)
		heir->broken_ms = t->now_ms;
}

/* Those that live for hours, as many as there are at any time. */
static void start_first(struct traffic *t)
{
	const double open = t->options.starts_per_second / t->turnover;

	for (int kind = TRAFFIC_LONG; kind <= TRAFFIC_IDLE; kind++)
		for (double i = 0; i < open * share[kind]; i++)
			start(t, traffic_random(&t->random) % FIRST_MS, (enum traffic_kind)kind, rest_ms(t, (enum traffic_kind)kind),
			      new_tuple(t));
}

static void step(struct traffic *t, uint32_t at)
{
	struct traffic_flow *flow = &t->flow[at];
	const enum traffic_packet packet = (enum traffic_packet)flow->next_packet;
	const enum traffic_kind kind = (enum traffic_kind)flow->kind;
	const bool goes_on = t->options.packet(t->options.ctx, flow, packet, t->now_ms);
	uint64_t due_ms;

	flow->last_ms = t->now_ms;
	if (!goes_on || packet == TRAFFIC_END) {
		end(t, at, !goes_on);
		return;
	}
	if ((packet == TRAFFIC_START && kind != TRAFFIC_UDP) || packet == TRAFFIC_AGAIN) {
		const bool again = packet == TRAFFIC_START && kind == TRAFFIC_QUIC;

		flow->next_packet = again ? TRAFFIC_AGAIN : TRAFFIC_SHAKE;
		flow->due_ms = t->now_ms + (again ? INITIAL_AGAIN_MS : RTT_MS);
		put_in_wheel(t, at);
		return;
	}
	due_ms = t->now_ms + gap_ms(t, kind);
	flow->next_packet = TRAFFIC_DATA;
	if (due_ms >= flow->end_ms) {
		if (kind >= TRAFFIC_QUIC) {
			end(t, at, false);
			return;
		}
		flow->next_packet = TRAFFIC_END;
		due_ms = flow->end_ms > t->now_ms ? flow->end_ms : t->now_ms + 1;
	}
	flow->due_ms = due_ms;
	put_in_wheel(t, at);
}

int traffic_create(const struct traffic_options *options, struct traffic **ret_traffic)
{
	struct traffic *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->options = *options;
	t->random = options->seed * 2 + 1;
	t->flow = calloc(options->flows_max + 1u, sizeof(*t->flow));
	t->slot = calloc(WHEEL_MS, sizeof(*t->slot));
	if (!t->flow || !t->slot) {
		traffic_destroy(t);
		return -ENOMEM;
	}
	t->turnover = turnover();
	start_first(t);
	*ret_traffic = t;
	return 0;
}

void traffic_destroy(struct traffic *t)
{
	if (!t)
		return;
	free(t->flow);
	free(t->slot);
	free(t);
}

void traffic_run(struct traffic *t, uint64_t until_ms)
{
	for (; t->now_ms < until_ms; t->now_ms++) {
		uint32_t *slot = &t->slot[t->now_ms % WHEEL_MS], at;

		while (t->next_start_ms <= (double)t->now_ms) {
			const enum traffic_kind kind = draw_kind(t);

			start(t, t->now_ms, kind, life_ms(t, kind), new_tuple(t));
			t->next_start_ms += exponential(t, 1000 / t->options.starts_per_second);
		}
		at = *slot;
		*slot = 0;
		while (at != 0) {
			const uint32_t next = t->flow[at].next;

			if (t->flow[at].due_ms > t->now_ms)
				put_in_wheel(t, at); /* of a later round */
			else
				step(t, at);
			at = next;
		}
	}
}

uint64_t traffic_started(const struct traffic *t)
{
	return t->started;
}

uint64_t traffic_skipped(const struct traffic *t)
{
	return t->skipped;
}

uint32_t traffic_open(const struct traffic *t)
{
	return t->open;
}

void traffic_each(struct traffic *t, void (*visit)(void *ctx, struct traffic_flow *flow), void *ctx)
{
	for (uint32_t at = 1; at <= t->used; at++)
		if (t->flow[at].kind != TRAFFIC_KIND_COUNT)
			visit(ctx, &t->flow[at]);
}
