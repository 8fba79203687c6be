/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a packet went against where its connection lives. */
#include "judge.h"

#include "frame.h"
#include "sluice/flow_counter.h"
#include "sluice/flows.h"

enum { JUDGE_TOLD_MAX = 10, JUDGE_NOTICED_MS = 1000, JUDGE_TOLD_MS = 150 }; /* a change is in force within a second */

static const char *const kinds[TRAFFIC_KIND_COUNT] = { "web", "long", "idle", "quic", "udp" };
static const char *const packets[] = { "start", "second start", "handshake", "data", "end" };

const char *judge_cause_name(enum judge_cause cause)
{
	switch (cause) { /* no default */
	case JUDGE_LOGIC: return "logic";
	case JUDGE_START: return "start";
	case JUDGE_DEAD: return "dead backend";
	case JUDGE_DRAIN_END: return "drain end";
	case JUDGE_BLIP: return "blip longer than linger";
	case JUDGE_IDLE: return "idle longer than connection-idle";
	case JUDGE_HANDSHAKE: return "handshake across a change";
	case JUDGE_MOVED: return "moved to another balancer";
	case JUDGE_KILLED: return "seen last as the process died";
	case JUDGE_PRESSURE: return "full table";
	case JUDGE_CAUSE_COUNT: break;
	}
	return "?";
}

static uint64_t idle_ms(const struct fleet_options *options, uint8_t kind)
{
	const uint32_t idle_s = kind <= TRAFFIC_IDLE	? options->idle_tcp_s
				: kind == TRAFFIC_QUIC ? options->idle_quic_s
						       : options->idle_udp_s;

	return idle_s * 1000ull;
}

static void told(struct judge *judge, enum judge_cause cause, const struct traffic_flow *flow,
		 enum traffic_packet packet, uint16_t went)
{
	judge->broken[cause]++;
	if ((cause != JUDGE_LOGIC && cause != JUDGE_START) || judge->told >= JUDGE_TOLD_MAX)
		return;
	judge->told++;
	fprintf(stderr, "%s: at %.1f s %s %s of %08x:%u, last seen at %.1f s, owner %u, went to %d by balancer %u\n",
		judge_cause_name(cause), (double)judge->now_ms / 1000, kinds[flow->kind], packets[packet], flow->address,
		flow->port, (double)flow->last_ms / 1000, flow->owner, went == TRAFFIC_NOBODY ? -1 : went, flow->balancer);
}

/* What a forwarder had not told the shared table yet went with it: a tenth of a second here, milliseconds in life. */
static bool seen_last_at_a_kill(const struct judge *judge, const struct traffic_flow *flow)
{
	for (unsigned int i = 0; i < JUDGE_KILLS_MAX && i < judge->kills; i++)
		if (flow->last_ms <= judge->killed_ms[i] && flow->last_ms + JUDGE_TOLD_MS > judge->killed_ms[i])
			return true;
	return false;
}

void judge_killed(struct judge *judge, uint64_t now_ms)
{
	judge->killed_ms[judge->kills++ % JUDGE_KILLS_MAX] = now_ms;
}

static enum judge_cause cause_of(const struct judge *judge, const struct traffic_flow *flow,
				 enum traffic_packet packet, const struct fleet_backend *owner)
{
	const uint64_t linger_ms = fleet_options(judge->fleet)->linger_s * 1000ull;

	if (owner->blip_ms != 0 && owner->blip_ms >= flow->last_ms)
		return JUDGE_BLIP;
	if (owner->down_ms != 0 && judge->now_ms - owner->down_ms >= linger_ms)
		return JUDGE_BLIP;
	if (flow->lucky != JUDGE_LOGIC)
		return (enum judge_cause)flow->lucky;
	if (judge->now_ms - flow->last_ms > idle_ms(fleet_options(judge->fleet), flow->kind))
		return JUDGE_IDLE;
	if (seen_last_at_a_kill(judge, flow))
		return JUDGE_KILLED;
	if (flow->moved)
		return JUDGE_MOVED;
	if (flow->kind == TRAFFIC_QUIC && (packet == TRAFFIC_AGAIN || packet == TRAFFIC_SHAKE))
		return JUDGE_HANDSHAKE;
	if (judge->pressure_ms != 0 && judge->pressure_ms >= flow->last_ms)
		return JUDGE_PRESSURE;
	return JUDGE_LOGIC;
}

/*
 * What had been forgotten of it, for a cause, and current was its backend by luck: it is remembered no more than
 * before (selection.md 5, "lost") until something else than luck takes it there.
 */
static void mark_lucky(const struct judge *judge, struct traffic_flow *flow, bool guessed)
{
	if (!guessed)
		flow->lucky = JUDGE_LOGIC;
	else if (judge->now_ms - flow->last_ms > idle_ms(fleet_options(judge->fleet), flow->kind))
		flow->lucky = JUDGE_IDLE;
	else if (seen_last_at_a_kill(judge, flow))
		flow->lucky = JUDGE_KILLED;
}

/* A start within seconds of its broken predecessor is taken for a repetition of that one's (selection.md 3, 8). */
static bool is_repetition(const struct judge *judge, const struct traffic_flow *flow)
{
	return flow->broken_ms != 0 && judge->now_ms - flow->broken_ms < (SL_FLOW_HANDSHAKE_S + 1) * 1000ull;
}

/* The first packet: whoever gets it has the connection, if he lives. */
static bool judge_start(struct judge *judge, struct traffic_flow *flow, uint16_t went)
{
	const struct fleet_backend *backend;

	judge->starts++;
	if (went == TRAFFIC_NOBODY) {
		judge->refused++;
		return false;
	}
	backend = fleet_backend(judge->fleet, went);
	if (!backend->alive) { /* probes have not noticed yet */
		judge->refused++;
		return false;
	}
	if (backend->draining && flow->kind != TRAFFIC_UDP && judge->pressure_ms == 0 && !is_repetition(judge, flow) &&
	    judge->now_ms - backend->draining_ms > JUDGE_NOTICED_MS)
		told(judge, JUDGE_START, flow, TRAFFIC_START, went);
	flow->owner = went;
	flow->life = backend->life;
	return true;
}

bool judge_packet(void *ctx, struct traffic_flow *flow, enum traffic_packet packet, uint64_t now_ms)
{
	struct judge *judge = ctx;
	const uint64_t guesses = fleet_counter(judge->fleet, SL_FLOW_COUNT_GUESS_CURRENT);
	const struct fleet_backend *owner;
	uint8_t frame[FRAME_MAX];
	uint16_t went;

	judge->now_ms = now_ms;
	judge->packets++;
	went = fleet_packet(judge->fleet, flow->balancer, frame, frame_make(frame, FLEET_VIP, flow, packet));
	if (packet == TRAFFIC_START)
		return judge_start(judge, flow, went);
	owner = fleet_backend(judge->fleet, flow->owner);
	if (!owner->alive || owner->life != flow->life) {
		judge->broken[JUDGE_DEAD]++;
		return false;
	}
	if (went == flow->owner) {
		mark_lucky(judge, flow, fleet_counter(judge->fleet, SL_FLOW_COUNT_GUESS_CURRENT) != guesses);
		return true;
	}
	told(judge, owner->left_ms != 0 ? JUDGE_DRAIN_END : cause_of(judge, flow, packet, owner), flow, packet, went);
	return false;
}

void judge_print(const struct judge *judge, FILE *out)
{
	fprintf(out, "%llu connections, %llu packets, %llu starts refused\n", (unsigned long long)judge->starts,
		(unsigned long long)judge->packets, (unsigned long long)judge->refused);
	for (int cause = 0; cause < JUDGE_CAUSE_COUNT; cause++)
		fprintf(out, "%-34s %10llu %12.3f per million packets\n", judge_cause_name((enum judge_cause)cause),
			(unsigned long long)judge->broken[cause],
			1e6 * (double)judge->broken[cause] / (double)(judge->packets ? judge->packets : 1));
}
