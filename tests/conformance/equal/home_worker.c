/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sluice-dp's worker: its own source, on ports of DPDK's net_ring. What is played is its loop (one round a call), the
 * clock, and the manager. Each packet's verdict is taken where the worker counts it.
 */
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/env.h"
#include "home.h"
#include "worker_flows.h"

/* sl_env_count() in the worker tells us as well; the name within is the function's. */
static void tap(const struct sl_packet *pkt, enum sl_verdict verdict);
#define sl_env_count(env, pkt, verdict) (tap(pkt, verdict), sl_env_count(env, pkt, verdict))
#include "dataplane/worker.c" /* NOLINT: its static functions are what is compared */
#undef sl_env_count

enum {
	FLOWS = 100000,       /* as sluice-sim */
	RING = 4096,          /* frames: more than a burst and its parts */
	BUFFERS = 4095,
	BUFFER_SIZE = RTE_PKTMBUF_HEADROOM + HOME_FRAME_MAX + 256, /* port.c: the longest frame fits */
	SEGMENT = 2048,       /* how much some drivers put in one buffer */
	IDS_MAX = 1 << 16,    /* packets of an episode */
	BOOT_S = 70000,       /* when episodes begin, by CLOCK_BOOTTIME */
	TICK_S = 60,          /* the worker of a live system sees every second */
	ROUNDS_MAX = 1000,    /* until nothing that waits can go on */
	PART_MAX = 2 * 65536, /* bytes of a frame that leaves */
};

static struct home_worker {
	struct worker_shared shared;
	struct worker worker;
	struct worker_root root;
	struct worker_burst burst;
	struct port_set ports;
	struct rte_ring *in[HOME_PORTS_MAX], *out[HOME_PORTS_MAX];
	struct fragment_table *fragments;
	struct sl_counter services[HOME_SERVICES_MAX], backends[HOME_BACKENDS_MAX];
	struct sl_env env;
	uint16_t receive;
	bool brief;                  /* then flows.shm is there: what it is told late is not missed */
	struct flow_keeper *keeper;  /* NULL: not yet, or none */
	/* First buffers by id: ours as well as the worker's until they have their verdict, to be told by the buffer. */
	struct rte_mbuf *mbuf[IDS_MAX];
	struct home_log *log;
} *w;

static void tap(const struct sl_packet *pkt, enum sl_verdict verdict)
{
	struct rte_mbuf *mbuf = container_of(pkt, struct worker_packet, pkt)->mbuf;
	const uint32_t id = mbuf->hash.usr;

	if (verdict != SL_VERDICT_DROP_FRAGMENT_EARLY) /* of those that give way to others only the counter tells */
		home_log_verdict(w->log, id, verdict);
	if (home_plant == HOME_PLANT_COUNT && verdict == SL_VERDICT_FORWARD && pkt->flags & SL_PKT_FOLLOWS)
		w->worker.stats.flow[SL_FLOW_COUNT_FOUND]++;
	w->mbuf[id % IDS_MAX] = NULL;
	rte_pktmbuf_free_seg(mbuf);
}

/* ---- start ---------------------------------------------------------------------------------------------- */

static int start_port(unsigned int p)
{
	const struct rte_eth_conf config = {0};
	char name[32];
	int device;

	snprintf(name, sizeof(name), "in%u", p);
	w->in[p] = rte_ring_create(name, RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	snprintf(name, sizeof(name), "out%u", p);
	w->out[p] = rte_ring_create(name, RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (w->in[p] == NULL || w->out[p] == NULL)
		return -ENOMEM;
	snprintf(name, sizeof(name), "equal%u", p);
	device = rte_eth_from_rings(name, &w->in[p], 1, &w->out[p], 1, 0);
	if (device < 0)
		return -ENODEV;
	if (rte_eth_dev_configure((uint16_t)device, 1, 1, &config) < 0 ||
	    rte_eth_rx_queue_setup((uint16_t)device, 0, RING, SOCKET_ID_ANY, NULL, w->ports.pool[0]) < 0 ||
	    rte_eth_tx_queue_setup((uint16_t)device, 0, RING, SOCKET_ID_ANY, NULL) < 0 ||
	    rte_eth_dev_start((uint16_t)device) < 0)
		return -EIO;
	w->ports.port[p].queue[0] = (struct port_queue){.device = (uint16_t)device};
	w->ports.port[p].multi_segment = true;
	return 0;
}

static int start(void)
{
	char *argv[] = {(char[]){"equal"}, (char[]){"--no-huge"}, (char[]){"--no-shconf"}, (char[]){"--no-pci"},
			(char[]){"--no-telemetry"}, (char[]){"-m"}, (char[]){"256"}, (char[]){"--lcores=0"},
			(char[]){"--log-level=*:error"}, NULL};
	int err = 0;

	if (rte_eal_init(9, argv) < 0) {
		fprintf(stderr, "the EAL does not start: %s\n", rte_strerror(rte_errno));
		return -EIO;
	}
	w = rte_zmalloc("equal", sizeof(*w), 64);
	if (w == NULL)
		return -ENOMEM;
	w->fragments = rte_zmalloc("fragments", fragment_table_size(), 64);
	w->ports.pool[0] = rte_pktmbuf_pool_create("equal", BUFFERS, 0, 0, BUFFER_SIZE, SOCKET_ID_ANY);
	if (w->fragments == NULL || w->ports.pool[0] == NULL)
		return -ENOMEM;
	for (unsigned int p = 0; err == 0 && p < HOME_PORTS_MAX; p++)
		err = start_port(p);
	if (err < 0)
		fprintf(stderr, "no ports of net_ring: %s\n", strerror(-err));
	w->ports.workers = 1;
	w->shared.ports = &w->ports;
	w->shared.root = &w->root;
	w->worker.shared = &w->shared;
	w->worker.fragments = (struct fragment_tables){.count = 1, .table = {w->fragments}};
	for (int i = 0; i < SL_BURST_MAX; i++)
		w->burst.packet[i].pkt.plan = &w->burst.packet[i].plan;
	return err;
}

static void forget_flows(void)
{
	if (w->keeper == NULL)
		flow_table_destroy(&dp_allocator_malloc, w->worker.flows);
	worker_flows_end();
	w->keeper = NULL;
	w->worker.flows = NULL;
	memset(&w->root, 0, sizeof(w->root));
}

static int begin(bool brief)
{
	worker_wait_end(&w->burst);
	for (uint32_t i = 0; i < IDS_MAX; i++)
		if (w->mbuf[i] != NULL)
			rte_pktmbuf_free_seg(w->mbuf[i]);
	memset(w->mbuf, 0, sizeof(w->mbuf));
	if (rte_mempool_in_use_count(w->ports.pool[0]) > 0) {
		fprintf(stderr, "the worker has lost %u buffers\n", rte_mempool_in_use_count(w->ports.pool[0]));
		return -EPROTO;
	}
	w->burst.given_up = 0;
	w->burst.given_up_bytes = 0;
	w->burst.peers_ns = 0;
	memset(&w->worker.stats, 0, sizeof(w->worker.stats));
	memset(w->services, 0, sizeof(w->services));
	memset(w->backends, 0, sizeof(w->backends));
	memset(w->fragments, 0, fragment_table_size());
	forget_flows();
	w->brief = brief;
	if (!brief && flow_table_create(&dp_allocator_malloc, FLOWS, BOOT_S, &w->worker.flows) < 0)
		return -ENOMEM;
	w->env = (struct sl_env){.snapshot = &snapshot_empty, .flows = w->worker.flows, .fragments = &w->worker.fragments,
				 .splits = true, .stats = &w->worker.stats};
	return 0;
}

/* ---- rounds ---------------------------------------------------------------------------------------------- */

/* As manager_publish(). The simulator's settings name no numbering. */
static void use_keeper(const struct sl_settings *settings)
{
	struct sl_settings numbered = *settings;
	bool release;

	if (w->keeper == NULL) {
		if (worker_flows_begin(settings, FLOWS, BOOT_S, &w->keeper) < 0)
			abort();
		w->worker.flows = w->env.flows = flow_keeper_table(w->keeper, 0);
		w->env.exports = flow_keeper_ring(w->keeper, 0);
	}
	numbered.numbering = WORKER_FLOWS_NUMBERING;
	w->root.flow_id = flow_id(&numbered.flow_key, numbered.numbering);
	w->root.flows = flow_keeper_view(w->keeper, &numbered, BOOT_S, &release);
	if (w->root.flows.bucket == NULL)
		abort(); /* the file is not used */
	if (release)
		flow_keeper_release(w->keeper);
}

static void use(const struct home_state *state)
{
	const struct sl_settings *settings = &state->snapshot->settings;

	w->ports.count = (unsigned int)state->port_count;
	w->env.port_count = w->ports.count;
	w->receive = state->receive;
	w->root = (struct worker_root){.snapshot = state->snapshot,
				       .counters[0] = {HOME_SERVICES_MAX, HOME_BACKENDS_MAX, w->services, w->backends},
				       .lives = flow_table_lives(settings->idle_max_s),
				       .flow_id = flow_id(&settings->flow_key, settings->numbering)};
	memcpy(w->root.port, state->ports, state->port_count * sizeof(*w->root.port));
	if (w->brief)
		use_keeper(settings);
	if (home_plant == HOME_PLANT_MEMORY)
		flow_table_clear(w->worker.flows);
}

/* What the manager does every few milliseconds. */
static void tick_keeper(uint64_t now_ns)
{
	struct snapshot numbered = *w->root.snapshot; /* the keeper reads settings alone while there is room */

	numbered.settings.numbering = WORKER_FLOWS_NUMBERING;
	numbered.pool_count = 0;
	while (flow_keeper_tick(w->keeper, &numbered, BOOT_S + now_ns / 1000000000, now_ns, flow_table_pressure(w->worker.flows)))
		;
	w->shared.flow_pressure = flow_keeper_pressure(w->keeper);
	w->shared.flow_refused_s = flow_keeper_refused_s(w->keeper);
}

/* One round of worker_loop(). */
static void turn(uint64_t now_ns)
{
	atomic_store_explicit(&w->shared.boottime_s, BOOT_S + now_ns / 1000000000, memory_order_relaxed);
	w->env.now_ns = now_ns;
	worker_look_up_root(&w->worker, &w->env, &w->root);
	worker_keep_flows(&w->worker, &w->env, &w->root);
	worker_poll(&w->worker, &w->env, &w->burst);
	if (w->keeper != NULL)
		tick_keeper(now_ns);
}

/* The frame in one piece, at `bytes`. */
static uint8_t *read_frame(const struct rte_mbuf *mbuf, uint32_t len, uint8_t *bytes)
{
	const uint8_t *frame = rte_pktmbuf_read(mbuf, 0, len, bytes);

	if (frame != NULL && frame != bytes)
		memcpy(bytes, frame, len);
	return frame != NULL ? bytes : NULL;
}

static void collect(void)
{
	static uint8_t bytes[PART_MAX];
	struct rte_mbuf *mbuf;

	for (uint16_t p = 0; p < w->ports.count; p++)
		while (rte_ring_dequeue(w->out[p], (void **)&mbuf) == 0) {
			const uint32_t len = rte_pktmbuf_pkt_len(mbuf);
			uint8_t *frame = len <= sizeof(bytes) ? read_frame(mbuf, len, bytes) : NULL;

			if (frame == NULL)
				abort();
			home_plant_byte(frame, len);
			home_log_frame(w->log, p, frame, len);
			rte_pktmbuf_free(mbuf);
		}
}

/* Rounds without packets, as long as they let one that waited go on. */
static void settle(uint64_t now_ns)
{
	for (int i = 0; i < ROUNDS_MAX && w->env.fragments_learnt != 0; i++)
		turn(now_ns);
	collect();
}

static void pass(uint64_t now_ns, struct home_log *log)
{
	const uint64_t now_s = BOOT_S + now_ns / 1000000000;

	w->log = log;
	for (uint64_t s = flow_table_now_s(w->worker.flows) + TICK_S; s < now_s; s += TICK_S)
		turn((s - BOOT_S) * 1000000000);
	turn(now_ns);
	settle(now_ns);
}

/* A frame as drivers hand it over: in one buffer, or every other one in several where it is long. */
static struct rte_mbuf *receive(const struct home_packet *packet)
{
	uint32_t most = packet->id % 2 == 0 ? HOME_FRAME_MAX : SEGMENT;
	struct rte_mbuf *head = NULL;

	most = packet->readable > 0 ? packet->readable : most;
	for (uint32_t at = 0; at < packet->len || head == NULL;) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(w->ports.pool[0]);
		uint16_t len;

		if (mbuf == NULL)
			abort();
		if (packet->headroom > 0 && head == NULL)
			mbuf->data_off = (uint16_t)(packet->headroom - 1);
		len = (uint16_t)RTE_MIN(packet->len - at, most);
		memcpy(rte_pktmbuf_append(mbuf, len), packet->bytes + at, len);
		at += len;
		if (head == NULL)
			head = mbuf;
		else if (rte_pktmbuf_chain(head, mbuf) != 0)
			abort();
	}
	head->hash.usr = packet->id;
	head->ol_flags |= packet->checksum_known ? RTE_MBUF_F_RX_IP_CKSUM_GOOD : 0;
	rte_mbuf_refcnt_update(head, 1); /* what is chained to it is the worker's alone */
	w->mbuf[packet->id % IDS_MAX] = head;
	return head;
}

static void burst(const struct home_packet *packets, unsigned int count, uint64_t now_ns, struct home_log *log)
{
	w->log = log;
	for (unsigned int i = 0; i < count; i++)
		if (rte_ring_enqueue(w->in[w->receive], receive(&packets[i])) != 0)
			abort();
	turn(now_ns);
	settle(now_ns);
}

static void counts(struct home_counts *ret_counts)
{
	memcpy(ret_counts->verdict, w->worker.stats.verdict, sizeof(ret_counts->verdict));
	memcpy(ret_counts->flow, w->worker.stats.flow, sizeof(ret_counts->flow));
	memcpy(ret_counts->service, w->services, sizeof(ret_counts->service));
	memcpy(ret_counts->backend, w->backends, sizeof(ret_counts->backend));
	ret_counts->verdict[SL_VERDICT_DROP_FRAGMENT_EARLY] += w->burst.given_up; /* counted with the next burst */
}

static void remember(uint64_t tag, uint16_t slot, uint8_t flags)
{
	if (slot == SL_SLOT_NONE)
		flow_table_del(w->worker.flows, tag);
	else
		flow_table_put(w->worker.flows, tag, slot, SL_FLOW_TCP, flags);
}

static bool pressure(void)
{
	return flow_table_pressure(w->worker.flows);
}

const struct home home_worker = {"sluice-dp's worker", true, HOME_FRAME_MAX, 0, true, false, start, begin, use, pass, burst, counts, remember, pressure};
