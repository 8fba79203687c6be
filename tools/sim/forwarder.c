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
#include "sluice/core/split.h"

enum {
	HEADROOM = 256, /* at least SL_OUTER_MAX: more than any plan grows */
	FLOWS = 100000, /* connections it can remember */
	CLOCK_STEP_S = 60, /* the table of connections wants to see time pass, also where no packet comes */
};

struct forwarder {
	struct sl_env env;
	struct sl_worker_stats stats; /* flow counters: of the last packet only */
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

enum sl_verdict forwarder_run(struct forwarder *forwarder, const uint8_t *frame, uint32_t captured,
			      uint32_t frame_len, uint16_t port, uint64_t now_ns,
			      const struct sl_packet **ret_pkt)
{
	struct sl_packet *pkt = &forwarder->pkt;
	enum sl_verdict verdict;

	assert(captured <= FORWARDER_FRAME_MAX);
	memset(pkt, 0, sizeof(*pkt));
	pkt->plan = &forwarder->plan;
	pkt->data = forwarder->buffer + HEADROOM;
	pkt->end = pkt->data + captured;
	pkt->frame_len = frame_len;
	pkt->port = port;
	memcpy(pkt->data, frame, captured);
	forwarder->env.now_ns = now_ns;
	forwarder_tick(forwarder, now_ns);
	memset(forwarder->stats.flow, 0, sizeof(forwarder->stats.flow));
	verdict = sl_forward(&forwarder->env, pkt);
	sl_env_count(&forwarder->env, pkt, verdict);
	*ret_pkt = pkt;
	return verdict;
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
		bits |= (forwarder->stats.flow[i] > 0 ? 1u : 0u) << i;
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
