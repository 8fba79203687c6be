/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The polling loop and the forwarding core's stages over a burst. No lock, no allocation, no log line,
 * and no system call but the sleep of adaptive polling (drivers make their own).
 */
#include "dataplane/worker.h"

#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <sys/prctl.h>
#include <time.h>

#include "dataplane/env.h"
#include "dataplane/worker_burst.h"

enum {
	WORKER_PREFETCH_AHEAD = 4,
	WORKER_SLEEP_MIN_NS = 25000,
	WORKER_SLEEP_MAX_NS = 200000,
	WORKER_IDLE_MS = 1,          /* polls without a packet for so long: sleep */
};

enum worker_state { WORKER_STATE_ABSENT = 0, WORKER_STATE_POLLING = 1, WORKER_STATE_SLEEPING = 2 };

/* Cuts the frame off behind `len` bytes. Buffers that are left without any go: a driver may choke on them. */
static void worker_cut_end(struct rte_mbuf *mbuf, uint32_t len)
{
	struct rte_mbuf *last = mbuf;
	uint32_t left = len;
	uint16_t segments = 1;

	for (; left > last->data_len; segments++) {
		left -= last->data_len;
		last = last->next;
	}
	last->data_len = (uint16_t)left;
	rte_pktmbuf_free_bulk(&last->next, 1); /* of NULL: nothing */
	last->next = NULL;
	mbuf->nb_segs = segments;
	mbuf->pkt_len = len;
}

/* The seam's buffer function (env.h of the core): grows into the mbuf's headroom, cuts at its end. */
SL_INLINE int sl_env_room(struct sl_env *env, struct sl_packet *pkt)
{
	struct rte_mbuf *mbuf = container_of(pkt, struct worker_packet, pkt)->mbuf;

	(void)env;
	if (pkt->plan->grow > 0 && rte_pktmbuf_prepend(mbuf, pkt->plan->grow) == NULL)
		return -1;
	if (pkt->plan->cut > 0 && rte_pktmbuf_adj(mbuf, pkt->plan->cut) == NULL)
		return -1;
	if (rte_pktmbuf_pkt_len(mbuf) > pkt->plan->frame_len)
		worker_cut_end(mbuf, pkt->plan->frame_len);
	pkt->data = rte_pktmbuf_mtod(mbuf, uint8_t *);
	pkt->end = pkt->data + rte_pktmbuf_data_len(mbuf);
	pkt->frame_len = rte_pktmbuf_pkt_len(mbuf);
	return 0;
}

#include "sluice/core/forward.h"

/* A frame becomes packet `i`: where it is, and what the NIC already found out. */
static inline void worker_fill(struct worker_burst *burst, uint16_t i, struct rte_mbuf *mbuf, uint16_t port,
			       uint64_t since_ns)
{
	struct worker_packet *packet = &burst->packet[i];

	packet->mbuf = mbuf;
	packet->since_ns = since_ns;
	packet->received_len = rte_pktmbuf_pkt_len(mbuf);
	packet->pkt.data = rte_pktmbuf_mtod(mbuf, uint8_t *);
	packet->pkt.end = packet->pkt.data + rte_pktmbuf_data_len(mbuf);
	packet->pkt.frame_len = packet->received_len;
	packet->pkt.port = port;
	packet->pkt.flags = (mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD
				    ? SL_PKT_IP_CSUM_OK
				    : 0;
	/* What was received asks for nothing when it is sent; where its bytes lie is not ours to forget. */
	mbuf->ol_flags &= RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT;
}

/* Takes the received frames in. */
static inline void worker_take(const struct sl_env *env, struct worker_burst *burst, struct rte_mbuf **mbufs,
			       uint16_t count, uint16_t port)
{
	burst->count = count;
	for (uint16_t i = 0; i < count; i++) {
		struct rte_mbuf *mbuf = mbufs[i];

		if (i + WORKER_PREFETCH_AHEAD < count)
			rte_prefetch0(rte_pktmbuf_mtod(mbufs[i + WORKER_PREFETCH_AHEAD], void *));
		burst->verdict[i] = SL_VERDICT_FORWARD;
		/* A tag the driver took off belongs to the frame: put it back (af_packet does that), or it would
		 * leave into another network. */
		if (unlikely(mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) && rte_vlan_insert(&mbuf) != 0)
			burst->verdict[i] = SL_VERDICT_DROP_NO_ROOM;
		worker_fill(burst, i, mbuf, port, env->now_ns);
	}
}

/* The stages from the row on for packets `from` to `to` - 1, one loop a stage that waits for memory. */
static inline void worker_decide_rows(struct sl_env *env, struct worker_burst *burst, uint16_t from, uint16_t to)
{
	enum sl_verdict *verdict = burst->verdict;

	for (uint16_t i = from; i < to; i++)
		if (sl_likely(verdict[i] == SL_VERDICT_FORWARD)) {
			verdict[i] = sl_select_backend(env, &burst->packet[i].pkt);
			if (sl_likely(verdict[i] == SL_VERDICT_FORWARD))
				rte_prefetch0(burst->packet[i].pkt.backend);
		}
	for (uint16_t i = from; i < to; i++) {
		struct sl_packet *pkt = &burst->packet[i].pkt;

		if (sl_likely(verdict[i] == SL_VERDICT_FORWARD))
			verdict[i] = sl_select_neighbor(env, pkt);
		verdict[i] = sl_plan(env, pkt, verdict[i]);
	}
}

/*
 * Out of line, for a fragment is rare. It takes all stages at once, after the packets from `from` on that came before
 * it: one of them may have begun its connection.
 */
static __attribute__((noinline)) void worker_decide_fragment(struct sl_env *env, struct worker_burst *burst,
							      uint16_t from, uint16_t i)
{
	worker_decide_rows(env, burst, from, i);
	burst->verdict[i] = sl_decide_parsed(env, &burst->packet[i].pkt, burst->verdict[i]);
}

/* The stages of forward.h up to the plan, one loop a stage that waits for memory. */
static inline void worker_decide(struct sl_env *env, struct worker_burst *burst)
{
	enum sl_verdict *verdict = burst->verdict;
	uint16_t from = 0; /* packets before it are decided */

	for (uint16_t i = 0; i < burst->count; i++) {
		struct sl_packet *pkt = &burst->packet[i].pkt;
		const enum sl_verdict parsed = sl_parse(pkt);

		if (sl_likely(verdict[i] == SL_VERDICT_FORWARD))
			verdict[i] = parsed;
		if (sl_unlikely(pkt->flags & SL_PKT_FRAGMENT)) {
			worker_decide_fragment(env, burst, from, i);
			from = i + 1;
			continue;
		}
		if (sl_likely(verdict[i] == SL_VERDICT_FORWARD))
			verdict[i] = sl_lookup(env, pkt);
		if (sl_likely(verdict[i] == SL_VERDICT_FORWARD))
			verdict[i] = sl_select_row(env, pkt);
		if (sl_likely(verdict[i] == SL_VERDICT_FORWARD))
			rte_prefetch0(&env_pool_of(pkt->pool)->current[pkt->row]);
	}
	worker_decide_rows(env, burst, from, burst->count);
}

/* Carries the plans out and sorts the frames by the port they leave by; the others are to be freed. */
static inline void worker_write(struct worker *worker, struct sl_env *env, struct worker_burst *burst)
{
	const struct port_set *ports = worker->shared->ports;

	for (uint16_t i = 0; i < burst->count; i++) {
		struct worker_packet *packet = &burst->packet[i];
		struct sl_packet *pkt = &packet->pkt;
		struct worker_send *send;

		if (sl_likely(sl_forward_leaves(pkt, burst->verdict[i]))) {
			if (sl_unlikely(pkt->plan->piece > 0)) {
				worker_send_split(worker, burst, i);
				continue;
			}
			if (sl_unlikely(sl_room(env, pkt)) || sl_unlikely(sl_write(pkt)) ||
			    (sl_unlikely(packet->mbuf->nb_segs > 1) && !ports->port[pkt->out_port].multi_segment &&
			     rte_pktmbuf_linearize(packet->mbuf) != 0))
				burst->verdict[i] = SL_VERDICT_DROP_NO_ROOM;
		}
		if (sl_unlikely(!sl_forward_leaves(pkt, burst->verdict[i]))) {
			if (burst->verdict[i] == SL_VERDICT_DROP_FRAGMENT_EARLY && env->fragments != NULL &&
			    worker_hold(burst, packet, &env->snapshot->settings.flow_key, env->now_ns)) {
				burst->verdict[i] = (enum sl_verdict)WORKER_WAITS;
				continue;
			}
			/* to_kernel too: the port has shown the kernel its own copy (af_packet) */
			burst->freed[burst->freed_count++] = packet->mbuf;
			continue;
		}
		send = &burst->send[pkt->out_port];
		send->packet[send->count] = i;
		send->mbuf[send->count++] = packet->mbuf;
	}
}

static inline void worker_count(struct worker *worker, struct sl_env *env, struct worker_burst *burst)
{
	struct sl_worker_stats *stats = env->stats;
	const uint64_t counted = atomic_load_explicit(&worker->counted, memory_order_relaxed);

	atomic_store_explicit(&worker->counted, counted + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release); /* nothing below is seen before that (pairs with stats_read) */
	stats->rx_packets += burst->count + burst->given_up;
	stats->rx_bytes += burst->given_up_bytes;
	stats->verdict[SL_VERDICT_DROP_FRAGMENT_EARLY] += burst->given_up;
	burst->given_up = 0;
	burst->given_up_bytes = 0;
	for (uint16_t i = 0; i < burst->count; i++) {
		struct worker_packet *packet = &burst->packet[i];

		if (sl_unlikely(burst->verdict[i] == (enum sl_verdict)WORKER_WAITS)) {
			stats->rx_packets--; /* counts when it has a verdict */
			continue;
		}
		stats->rx_bytes += packet->received_len;
		packet->pkt.frame_len = packet->received_len; /* counters are of the frames as they came */
		sl_env_count(env, &packet->pkt, burst->verdict[i]);
	}
	/* release: the whole burst is counted before it is said to be (pairs with stats_read) */
	atomic_store_explicit(&worker->counted, counted + 2, memory_order_release);
}

/* Points the env at what is published now. */
static inline void worker_look_up_root(struct worker *worker, struct sl_env *env, const struct worker_root *root)
{
	const struct worker_counters *counters = &root->counters[worker->index];

	env->snapshot = root->snapshot;
	env->ports = root->port;
	env->service_count = counters->service_count;
	env->backend_count = counters->backend_count;
	env->services = counters->services;
	env->backends = counters->backends;
	env->shared = root->flows;
	if (sl_unlikely(env->flow_id != root->flow_id)) { /* tags, pools and slots mean something else now */
		env->flow_id = root->flow_id;
		if (env->flows != NULL)
			flow_table_clear(env->flows);
	}
	if (worker->stats.snapshot_generation != root->snapshot->generation)
		worker->stats.snapshot_generation = root->snapshot->generation;
}

/* All stages for the packets of a burst. */
static inline void worker_forward(struct worker *worker, struct sl_env *env, struct worker_burst *burst)
{
	worker_decide(env, burst);
	worker_write(worker, env, burst);
	worker_send(worker, burst);
	worker_count(worker, env, burst);
}

/* Fragments that waited take another turn. */
static __attribute__((noinline)) void worker_retry(struct worker *worker, struct sl_env *env, struct worker_burst *burst)
{
	struct fragment_waiting due[FRAGMENT_WAIT_MAX];
	const unsigned int waited = burst->wait.count;
	const unsigned int count = worker_wait_due(burst, env->fragments, env->fragments_learnt, env->now_ns, due);

	env->fragments_learnt = 0;
	for (unsigned int done = 0; done < count; done += burst->count) {
		burst->count = (uint16_t)RTE_MIN(count - done, (unsigned int)SL_BURST_MAX);
		for (uint16_t i = 0; i < burst->count; i++) {
			burst->verdict[i] = SL_VERDICT_FORWARD;
			worker_fill(burst, i, due[done + i].mbuf, due[done + i].port, due[done + i].since_ns);
		}
		worker_forward(worker, env, burst);
	}
	if (burst->wait.count == waited) /* they only learnt that they must wait on */
		env->fragments_learnt = 0;
}

/* One round over all ports; returns the packets found. */
static inline unsigned int worker_poll(struct worker *worker, struct sl_env *env, struct worker_burst *burst)
{
	const struct port_set *ports = worker->shared->ports;
	struct rte_mbuf *mbufs[SL_BURST_MAX];
	unsigned int found = 0;

	for (unsigned int p = 0; p < ports->count; p++) {
		const uint16_t count = port_receive(&ports->port[p].queue[worker->index], mbufs, SL_BURST_MAX);

		if (count == 0)
			continue;
		found += count;
		worker_take(env, burst, mbufs, count, (uint16_t)p);
		worker_forward(worker, env, burst);
	}
	if (sl_unlikely(burst->wait.count > 0))
		worker_retry(worker, env, burst);
	else
		env->fragments_learnt = 0;
	return found;
}

/* Once a round: what time it is, how full both tables are. */
static inline void worker_keep_flows(struct worker *worker, struct sl_env *env, const struct worker_root *root)
{
	const struct worker_shared *shared = worker->shared;
	bool pressure;

	if (env->flows == NULL)
		return;
	env->shared_pressure = atomic_load_explicit(&shared->flow_pressure, memory_order_relaxed);
	env->shared_refused_s = atomic_load_explicit(&shared->flow_refused_s, memory_order_relaxed);
	flow_table_tick(env->flows, atomic_load_explicit(&shared->boottime_s, memory_order_relaxed), env->now_ns,
			&root->lives);
	pressure = flow_table_pressure(env->flows);
	if (sl_unlikely(atomic_load_explicit(&worker->flow_pressure, memory_order_relaxed) != pressure))
		atomic_store_explicit(&worker->flow_pressure, pressure, memory_order_relaxed);
}

/* Sleeps outside the read-side section, so that the manager need not wait for this worker. */
static void worker_sleep(struct worker *worker, long *sleep_ns)
{
	struct rte_rcu_qsbr *qsbr = worker->shared->qsbr;
	const struct timespec pause = {.tv_nsec = *sleep_ns};

	rte_rcu_qsbr_thread_offline(qsbr, worker->index);
	worker->stats.state = WORKER_STATE_SLEEPING;
	nanosleep(&pause, NULL);
	worker->stats.state = WORKER_STATE_POLLING;
	rte_rcu_qsbr_thread_online(qsbr, worker->index);
	if (*sleep_ns < WORKER_SLEEP_MAX_NS)
		*sleep_ns *= 2;
}

static void worker_loop(struct worker *worker, struct sl_env *env, struct worker_burst *burst)
{
	struct worker_shared *shared = worker->shared;
	struct sl_worker_stats *stats = &worker->stats;
	uint64_t last = rte_rdtsc(), busy_until = last;
	long sleep_ns = WORKER_SLEEP_MIN_NS;

	while (!atomic_load_explicit(&shared->stop, memory_order_relaxed)) {
		/* acquire: the snapshot's bytes are visible before its pointer (pairs with manager_publish) */
		const struct worker_root *root = atomic_load_explicit(&shared->root, memory_order_acquire);
		unsigned int found;
		uint64_t now;

		/* Every time: a new root may lie where the old one was. */
		worker_look_up_root(worker, env, root);
		worker_keep_flows(worker, env, root);
		found = worker_poll(worker, env, burst);
		now = rte_rdtsc();
		env->now_ns = (uint64_t)(((unsigned __int128)now * shared->ns_scale) >> 32);
		stats->polls++;
		stats->total_cycles += now - last;
		if (found > 0) {
			stats->busy_cycles += now - last;
			busy_until = now;
			sleep_ns = WORKER_SLEEP_MIN_NS;
		} else {
			stats->empty_polls++;
		}
		last = now;
		/* Nothing of this round is referred to any more. */
		rte_rcu_qsbr_quiescent(shared->qsbr, worker->index);
		if (shared->adaptive && found == 0 && now - busy_until > WORKER_IDLE_MS * shared->cycles_per_ms)
			worker_sleep(worker, &sleep_ns);
	}
}

int worker_run(void *arg)
{
	struct worker *worker = arg;
	struct worker_shared *shared = worker->shared;
	struct worker_burst burst;
	struct sl_env env = {
		.snapshot = &snapshot_empty,
		.port_count = shared->ports->count,
		.flows = worker->flows,
		.exports = worker->exports,
		.fragments = worker->fragments.count > 0 ? &worker->fragments : NULL,
		.splits = true,
		.stats = &worker->stats,
	};

	memset(&burst, 0, sizeof(burst));
	for (int i = 0; i < SL_BURST_MAX; i++)
		burst.packet[i].pkt.plan = &burst.packet[i].plan;
	shared->on_start();
	prctl(PR_SET_TIMERSLACK, 1UL); /* sleeps as long as asked, not 50 us more */
	env.now_ns = (uint64_t)(((unsigned __int128)rte_rdtsc() * shared->ns_scale) >> 32);
	rte_rcu_qsbr_thread_register(shared->qsbr, worker->index);
	rte_rcu_qsbr_thread_online(shared->qsbr, worker->index);
	worker->stats.cpu = rte_lcore_to_cpu_id((int)rte_lcore_id()) < 0
				    ? 0
				    : (uint32_t)rte_lcore_to_cpu_id((int)rte_lcore_id());
	worker->stats.state = WORKER_STATE_POLLING;
	worker_loop(worker, &env, &burst);
	worker_wait_end(&burst);
	burst.count = 0;
	worker_count(worker, &env, &burst);
	rte_rcu_qsbr_thread_offline(shared->qsbr, worker->index);
	rte_rcu_qsbr_thread_unregister(shared->qsbr, worker->index);
	worker->stats.state = WORKER_STATE_ABSENT;
	return 0;
}
