/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sluice-sim's forwarder, packet by packet. Two of them: one does what only workers can (fragments wait, packets
 * leave in parts), the other what BPF does.
 */
#include <stdlib.h>
#include <string.h>

#include "dataplane/flow_table.h"
#include "home.h"
#include "tools/sim/forwarder.h"

struct sim {
	struct forwarder *forwarder; /* made with the first state, which says how many ports there are */
	bool waits;
	struct home_state state;
	struct sl_port ports[SL_PORTS_MAX];
	uint32_t id[1 << 16]; /* by number of the frame */
	struct sl_counter services[HOME_SERVICES_MAX], backends[HOME_BACKENDS_MAX];
	uint64_t frames;
};

static struct sim sims[2]; /* by whether fragments wait */

static int start(void)
{
	return 0;
}

static int begin(struct sim *sim, bool waits)
{
	forwarder_destroy(sim->forwarder);
	memset(sim, 0, sizeof(*sim));
	sim->waits = waits;
	return 0;
}

static void use(struct sim *sim, const struct home_state *state)
{
	if (sim->forwarder == NULL) {
		if (forwarder_create(sim->ports, state->port_count, &sim->forwarder) < 0)
			abort();
		forwarder_let_wait(sim->forwarder, sim->waits);
		forwarder_let_split(sim->forwarder, sim->waits);
		forwarder_count_in(sim->forwarder, sim->services, HOME_SERVICES_MAX, sim->backends, HOME_BACKENDS_MAX);
	}
	sim->state = *state;
	memcpy(sim->ports, state->ports, state->port_count * sizeof(*sim->ports));
	forwarder_use(sim->forwarder, state->snapshot);
}

static void tell(struct sim *sim, uint64_t number, enum sl_verdict verdict, const struct sl_packet *pkt,
		 struct home_log *log)
{
	struct forwarder_frame frame;

	if (verdict == (enum sl_verdict)FORWARDER_WAITS)
		return;
	if (!sim->waits || verdict != SL_VERDICT_DROP_FRAGMENT_EARLY) /* as home_worker.c */
		home_log_verdict(log, sim->id[number % (1 << 16)], verdict);
	if (!forwarder_leaves(pkt, verdict))
		return;
	for (unsigned int i = 0; forwarder_frame(sim->forwarder, i, &frame); i++)
		home_log_frame(log, pkt->out_port, frame.bytes, frame.length);
}

static void pass(struct sim *sim, uint64_t now_ns, struct home_log *log)
{
	const struct sl_packet *pkt;
	enum sl_verdict verdict;
	uint64_t number;

	forwarder_pass(sim->forwarder, now_ns);
	while (forwarder_next(sim->forwarder, now_ns, &number, &verdict, &pkt))
		tell(sim, number, verdict, pkt, log);
}

static void burst(struct sim *sim, const struct home_packet *packets, unsigned int count, uint64_t now_ns,
		  struct home_log *log)
{
	const struct sl_packet *pkt;
	enum sl_verdict verdict;

	for (unsigned int i = 0; i < count; i++) {
		sim->id[++sim->frames % (1 << 16)] = packets[i].id;
		verdict = forwarder_run(sim->forwarder, packets[i].bytes, packets[i].len, packets[i].len,
					sim->state.receive, now_ns, &pkt);
		tell(sim, sim->frames, verdict, pkt, log);
	}
	pass(sim, now_ns, log);
}

static void counts(struct sim *sim, struct home_counts *ret_counts)
{
	const struct sl_worker_stats *stats = forwarder_stats(sim->forwarder);

	memcpy(ret_counts->verdict, stats->verdict, sizeof(ret_counts->verdict));
	memcpy(ret_counts->flow, stats->flow, sizeof(ret_counts->flow));
	memcpy(ret_counts->service, sim->services, sizeof(ret_counts->service));
	memcpy(ret_counts->backend, sim->backends, sizeof(ret_counts->backend));
}

static void remember(const struct sim *sim, uint64_t tag, uint16_t slot, uint8_t flags)
{
	struct flow_table *flows = forwarder_flows(sim->forwarder);

	if (slot == SL_SLOT_NONE)
		flow_table_del(flows, tag);
	else
		flow_table_put(flows, tag, slot, SL_FLOW_TCP, flags);
}

/* One object a kind: the functions with their sim. */
#define HOME_SIM(name_, waits_, title)                                                                              \
	static int begin_##name_(bool brief) { (void)brief; return begin(&sims[waits_], waits_); }                  \
	static void use_##name_(const struct home_state *state) { use(&sims[waits_], state); }                      \
	static void pass_##name_(uint64_t now_ns, struct home_log *log) { pass(&sims[waits_], now_ns, log); }       \
	static void burst_##name_(const struct home_packet *packets, unsigned int count, uint64_t now_ns,           \
				  struct home_log *log)                                                             \
	{                                                                                                           \
		burst(&sims[waits_], packets, count, now_ns, log);                                                  \
	}                                                                                                           \
	static void counts_##name_(struct home_counts *ret_counts) { counts(&sims[waits_], ret_counts); }           \
	static void remember_##name_(uint64_t tag, uint16_t slot, uint8_t flags)                                    \
	{                                                                                                           \
		remember(&sims[waits_], tag, slot, flags);                                                          \
	}                                                                                                           \
	static bool pressure_##name_(void) { return forwarder_pressure(sims[waits_].forwarder); }                   \
	const struct home home_sim_##name_ = {                                                                      \
		title, waits_, HOME_FRAME_MAX, 0, false, false, start, begin_##name_, use_##name_, pass_##name_, burst_##name_, counts_##name_,      \
		remember_##name_, pressure_##name_,                                                                                   \
	}

HOME_SIM(waits, true, "sluice-sim");
HOME_SIM(drops, false, "sluice-sim as XDP");
