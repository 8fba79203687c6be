/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The simulator's side of the seam; what happens to a packet is in include/sluice/core.
 */
#include "forwarder.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/env.h"
#include "dataplane/fragment_wait.h"
#include "sluice/core/split.h"

enum {
	HEADROOM = 256, /* at least SL_OUTER_MAX: more than any plan grows */
	FLOWS = 100000, /* connections it can remember */
	CLOCK_STEP_S = 60, /* the table of connections wants to see time pass, also where no packet comes */
};

/* A fragment that waits: in fragment_wait's memory it stands for the buffer of a worker. */
struct held {
	uint64_t number;
	uint32_t captured, length;
	uint8_t bytes[];
};

struct turn {
	struct fragment_waiting waiting;
	bool given_up; /* its time has not come, but there is no room */
};

struct forwarder {
	struct sl_env env;
	struct sl_worker_stats stats;
	uint64_t flow_before[SL_FLOW_COUNT_COUNT]; /* flow counters before the last packet */
	uint64_t frames;                           /* that were given to forwarder_run() */
	bool lets_wait;
	struct fragment_wait wait;
	struct turn turn[2 * FRAGMENT_WAIT_MAX]; /* those that are due, from turn_at on */
	unsigned int turns, turn_at;
	unsigned int waited; /* how many did when some were found to be due last */
	bool took_turns;     /* some were, in this round */
	struct fragment_tables fragments;
	struct sl_packet pkt;
	struct sl_plan plan;
	uint8_t buffer[HEADROOM + FORWARDER_FRAME_MAX];
	uint8_t part[SL_SPLIT_FRONT_MAX + SL_IP_LEN_MAX];
};

SL_INLINE int sl_env_room(struct sl_env *env, struct sl_packet *pkt)
{
	const struct forwarder *forwarder =
		(const struct forwarder *)((const char *)env - offsetof(struct forwarder, env));

	if ((size_t)(pkt->data - forwarder->buffer) < pkt->plan->grow)
		return -ENOSPC;
	pkt->data += pkt->plan->cut;
	pkt->data -= pkt->plan->grow;
	pkt->frame_len = pkt->plan->frame_len;
	/* A frame that was captured in part stays so: only what is past its new end is cut off. */
	if (pkt->end - pkt->data > (ptrdiff_t)pkt->frame_len)
		pkt->end = pkt->data + pkt->frame_len;
	return 0;
}

#include "sluice/core/forward.h"

static struct held *held_of(const struct fragment_waiting *waiting)
{
	return (struct held *)(void *)waiting->mbuf;
}

int forwarder_create(const struct sl_port *ports, size_t port_count, struct forwarder **ret_forwarder)
{
	struct forwarder *forwarder = calloc(1, sizeof(*forwarder));

	if (forwarder == NULL)
		return -ENOMEM;
	if (flow_table_create(&dp_allocator_malloc, FLOWS, 0, &forwarder->env.flows) < 0) {
		free(forwarder);
		return -ENOMEM;
	}
	forwarder->fragments.table[0] = aligned_alloc(64, fragment_table_size());
	if (forwarder->fragments.table[0] == NULL) {
		forwarder_destroy(forwarder);
		return -ENOMEM;
	}
	memset(forwarder->fragments.table[0], 0, fragment_table_size());
	forwarder->fragments.count = 1;
	forwarder->env.fragments = &forwarder->fragments;
	forwarder->env.splits = true;
	forwarder->env.snapshot = &snapshot_empty;
	forwarder->env.stats = &forwarder->stats;
	forwarder->env.ports = ports;
	forwarder->env.port_count = (uint32_t)port_count;
	*ret_forwarder = forwarder;
	return 0;
}

void forwarder_destroy(struct forwarder *forwarder)
{
	if (forwarder == NULL)
		return;
	forwarder_give_up(forwarder);
	while (forwarder->turn_at < forwarder->turns)
		free(held_of(&forwarder->turn[forwarder->turn_at++].waiting));
	flow_table_destroy(&dp_allocator_malloc, forwarder->env.flows);
	free(forwarder->fragments.table[0]);
	free(forwarder);
}

void forwarder_use(struct forwarder *forwarder, const struct snapshot *snapshot)
{
	forwarder->env.snapshot = snapshot;
}

static void forwarder_tick(struct forwarder *forwarder, uint64_t now_ns)
{
	struct flow_table *flows = forwarder->env.flows;
	const struct flow_table_lives lives = flow_table_lives(forwarder->env.snapshot->settings.idle_max_s);
	const uint64_t now_s = now_ns / 1000000000;

	for (uint64_t s = flow_table_now_s(flows) + CLOCK_STEP_S; s < now_s; s += CLOCK_STEP_S)
		flow_table_tick(flows, s, s * 1000000000, &lives);
	flow_table_tick(flows, now_s, now_ns, &lives);
}

void forwarder_pass(struct forwarder *forwarder, uint64_t now_ns)
{
	forwarder->env.now_ns = now_ns;
	forwarder_tick(forwarder, now_ns);
}

struct flow_table *forwarder_flows(const struct forwarder *forwarder)
{
	return forwarder->env.flows;
}

void forwarder_let_wait(struct forwarder *forwarder, bool wait)
{
	forwarder->lets_wait = wait;
}

void forwarder_let_split(struct forwarder *forwarder, bool split)
{
	forwarder->env.splits = split;
}

static void forwarder_take(struct forwarder *forwarder, const uint8_t *frame, uint32_t captured, uint32_t frame_len,
			   uint16_t port)
{
	struct sl_packet *pkt = &forwarder->pkt;

	assert(captured <= FORWARDER_FRAME_MAX);
	memset(pkt, 0, sizeof(*pkt));
	pkt->plan = &forwarder->plan;
	pkt->data = forwarder->buffer + HEADROOM;
	pkt->end = pkt->data + captured;
	pkt->frame_len = frame_len;
	pkt->port = port;
	memcpy(pkt->data, frame, captured);
	memcpy(forwarder->flow_before, forwarder->stats.flow, sizeof(forwarder->flow_before));
}

/* As worker_hold: the one that goes for it has its verdict. False: it cannot wait. */
static bool forwarder_hold(struct forwarder *forwarder, uint64_t number, const uint8_t *frame, uint32_t captured,
			   uint32_t frame_len, uint64_t since_ns)
{
	const struct sl_packet *pkt = &forwarder->pkt;
	const struct sl_key *flow_key = &forwarder->env.snapshot->settings.flow_key;
	struct fragment_waiting waiting = {.tag = sl_datagram_tag(flow_key, pkt),
					   .source = fragment_source(flow_key, pkt),
					   .since_ns = since_ns,
					   .port = pkt->port};
	struct held *held;

	if (forwarder->env.now_ns - since_ns >= FRAGMENT_WAIT_NS || forwarder->turns >= 2 * FRAGMENT_WAIT_MAX)
		return false;
	held = malloc(sizeof(*held) + captured);
	if (held == NULL)
		return false;
	*held = (struct held){.number = number, .captured = captured, .length = frame_len};
	memcpy(held->bytes, frame, captured);
	waiting.mbuf = (struct rte_mbuf *)(void *)held;
	waiting = fragment_wait_add(&forwarder->wait, &waiting);
	if (waiting.mbuf != NULL)
		forwarder->turn[forwarder->turns++] = (struct turn){.waiting = waiting, .given_up = true};
	return true;
}

static enum sl_verdict forwarder_judge(struct forwarder *forwarder, uint64_t number, const uint8_t *frame,
				       uint32_t captured, uint32_t frame_len, uint64_t since_ns)
{
	struct sl_packet *pkt = &forwarder->pkt;
	const enum sl_verdict verdict = sl_forward(&forwarder->env, pkt);

	if (verdict == SL_VERDICT_DROP_FRAGMENT_EARLY && forwarder->lets_wait &&
	    forwarder_hold(forwarder, number, frame, captured, frame_len, since_ns))
		return (enum sl_verdict)FORWARDER_WAITS;
	sl_env_count(&forwarder->env, pkt, verdict);
	return verdict;
}

enum sl_verdict forwarder_run(struct forwarder *forwarder, const uint8_t *frame, uint32_t captured,
			      uint32_t frame_len, uint16_t port, uint64_t now_ns,
			      const struct sl_packet **ret_pkt)
{
	forwarder_take(forwarder, frame, captured, frame_len, port);
	forwarder->env.now_ns = now_ns;
	forwarder_tick(forwarder, now_ns);
	*ret_pkt = &forwarder->pkt;
	return forwarder_judge(forwarder, ++forwarder->frames, frame, captured, frame_len, now_ns);
}

/* Whose turn it is: as worker_retry, once for everything that was learnt since. */
static void forwarder_find_due(struct forwarder *forwarder, uint64_t now_ns)
{
	const uint64_t before_ns = now_ns < FRAGMENT_WAIT_NS ? 0 : now_ns - FRAGMENT_WAIT_NS + 1;
	uint64_t learnt = forwarder->env.fragments_learnt;
	unsigned int at = 0;

	if (forwarder->took_turns && forwarder->wait.count == forwarder->waited)
		learnt = 0; /* in the turn before they only learnt that they must wait on */
	forwarder->turns = forwarder->turn_at = 0;
	forwarder->waited = forwarder->wait.count;
	while (fragment_wait_take(&forwarder->wait, &at, before_ns, learnt, &forwarder->turn[forwarder->turns].waiting))
		forwarder->turn[forwarder->turns++].given_up = false;
	forwarder->took_turns = forwarder->turns > 0;
	forwarder->env.fragments_learnt = 0;
}

bool forwarder_next(struct forwarder *forwarder, uint64_t now_ns, uint64_t *ret_number,
		    enum sl_verdict *ret_verdict, const struct sl_packet **ret_pkt)
{
	enum sl_verdict verdict = (enum sl_verdict)FORWARDER_WAITS;

	forwarder->env.now_ns = now_ns;
	while (verdict == (enum sl_verdict)FORWARDER_WAITS) {
		struct turn turn;
		struct held *held;

		if (forwarder->turn_at == forwarder->turns)
			forwarder_find_due(forwarder, now_ns);
		if (forwarder->turns == 0)
			return false;
		turn = forwarder->turn[forwarder->turn_at++];
		held = held_of(&turn.waiting);
		forwarder_take(forwarder, held->bytes, held->captured, held->length, turn.waiting.port);
		if (turn.given_up) {
			sl_parse(&forwarder->pkt);
			verdict = SL_VERDICT_DROP_FRAGMENT_EARLY;
			sl_env_count(&forwarder->env, &forwarder->pkt, verdict);
		} else {
			verdict = forwarder_judge(forwarder, held->number, held->bytes, held->captured, held->length,
						  turn.waiting.since_ns);
		}
		*ret_number = held->number;
		free(held);
	}
	*ret_verdict = verdict;
	*ret_pkt = &forwarder->pkt;
	return true;
}

void forwarder_give_up(struct forwarder *forwarder)
{
	unsigned int at = 0;

	while (forwarder->turns < 2 * FRAGMENT_WAIT_MAX &&
	       fragment_wait_take(&forwarder->wait, &at, UINT64_MAX, 0, &forwarder->turn[forwarder->turns].waiting))
		forwarder->turn[forwarder->turns++].given_up = true;
}

const struct sl_worker_stats *forwarder_stats(const struct forwarder *forwarder)
{
	return &forwarder->stats;
}

void forwarder_count_in(struct forwarder *forwarder, struct sl_counter *services, uint32_t service_count,
			struct sl_counter *backends, uint32_t backend_count)
{
	forwarder->env.services = services;
	forwarder->env.service_count = service_count;
	forwarder->env.backends = backends;
	forwarder->env.backend_count = backend_count;
}

bool forwarder_frame(struct forwarder *forwarder, unsigned int index, struct forwarder_frame *ret_frame)
{
	const struct sl_packet *pkt = &forwarder->pkt;
	const uint32_t there = (uint32_t)(pkt->end - pkt->data);
	struct sl_split_part part;

	if (pkt->plan->piece == 0) {
		*ret_frame = (struct forwarder_frame){.bytes = pkt->data, .captured = there, .length = pkt->frame_len};
		return index == 0;
	}
	if (!sl_split_part(pkt, index, &part))
		return false;
	*ret_frame = (struct forwarder_frame){.bytes = forwarder->part, .length = part.front_len + part.len};
	if (there < part.from + part.len) /* a capture that was cut */
		part.len = there > part.from ? there - part.from : 0;
	memcpy(forwarder->part, part.front, part.front_len);
	memcpy(forwarder->part + part.front_len, pkt->data + part.from, part.len);
	ret_frame->captured = part.front_len + part.len;
	return true;
}

uint32_t forwarder_flow_counts(const struct forwarder *forwarder)
{
	uint32_t bits = 0;

	for (int i = 0; i < SL_FLOW_COUNT_COUNT; i++)
		bits |= (forwarder->stats.flow[i] > forwarder->flow_before[i] ? 1u : 0u) << i;
	return bits;
}

bool forwarder_pressure(const struct forwarder *forwarder)
{
	return flow_table_pressure(forwarder->env.flows);
}

int forwarder_leaves(const struct sl_packet *pkt, enum sl_verdict verdict)
{
	return sl_forward_leaves(pkt, verdict);
}
