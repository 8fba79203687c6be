/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker, its shared memory and its one port, and the functions that DPDK calls of a driver.
 */
#include "tests/support/worker_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/apply.h"

enum { BACKENDS = 4, ROWS = 7 };

struct worker_driver worker_driver;
struct worker_lab worker_lab;

static uint16_t driver_receive(void *queue, struct rte_mbuf **mbufs, uint16_t count)
{
	uint16_t got = 0;

	(void)queue;
	while (got < count && got < worker_driver.burst && worker_driver.next < worker_driver.count)
		mbufs[got++] = worker_driver.offered[worker_driver.next++];
	if (got > 0)
		worker_driver.idle_since_ns = rte_rdtsc();
	if (got == 0 && worker_driver.idle == 0 && worker_driver.on_idle)
		worker_driver.on_idle();
	if (got == 0 && ++worker_driver.idle > 3 && rte_rdtsc() - worker_driver.idle_since_ns >= worker_driver.idle_ns)
		atomic_store(&worker_driver.shared->stop, true);
	return got;
}

static uint16_t driver_send(void *queue, struct rte_mbuf **mbufs, uint16_t count)
{
	uint16_t taken = 0;

	(void)queue;
	while (taken < count && worker_driver.taken < worker_driver.takes) {
		assert_int_equal(mbufs[taken]->nb_segs, 1);
		worker_driver.taken_flags = mbufs[taken]->ol_flags;
		memcpy(worker_driver.taken_bytes[worker_driver.taken], rte_pktmbuf_mtod(mbufs[taken], void *),
		       RTE_MIN(rte_pktmbuf_pkt_len(mbufs[taken]), (uint32_t)WORKER_LAB_BYTES_MAX));
		worker_driver.taken_len[worker_driver.taken++] = rte_pktmbuf_pkt_len(mbufs[taken]);
		rte_pktmbuf_free(mbufs[taken++]);
	}
	return taken;
}

/* ---- what is stated ----------------------------------------------------------------------------------- */

static void state_record(struct apply *apply, enum sl_record_type type, const void *payload, size_t len,
			 const uint16_t *table)
{
	struct sl_record record = {.type = (__u16)type};
	struct apply_result result;

	if (len > 0)
		memcpy(&record.payload, payload, len);
	apply_record(apply, &record, table, &result);
	assert_int_equal(result.rejected.reason, SL_REJECT_NONE);
	if (result.snapshot)
		worker_lab.snapshot = result.snapshot;
}

static void make_snapshot(enum sl_mode mode)
{
	const struct sl_shm_limits limits = {8, 8, 32, 32, 8, 8, 1, 0};
	const struct sl_settings settings = {.hash_key = {1, 2}, .flow_key = {3, 4}, .reply_rate = 100};
	const struct sl_pool pool = {.rows = ROWS, .slots = BACKENDS, .idle_s = {60, 60, 60}};
	const struct sl_service service = {.mode = (__u8)mode};
	const struct sl_addr vip_addr = sl_addr_from_v4(inet_addr("10.9.9.9"));
	const struct sl_listener listener = {.addr = vip_addr, .port = htons(80), .proto = IPPROTO_UDP};
	const struct sl_vip vip = {.addr = vip_addr};
	uint16_t rows[ROWS];
	struct sl_table_put put = {.rows = ROWS, .length = sizeof(rows)};
	struct sl_commit commit = {.generation = 1, .records = 2 + 2 * BACKENDS + 4};
	struct apply *apply;

	assert_int_equal(apply_create(&limits, &dp_allocator_malloc, &apply), 0);
	state_record(apply, SL_RECORD_RESET, NULL, 0, NULL);
	state_record(apply, SL_RECORD_SETTINGS, &settings, sizeof(settings), NULL);
	state_record(apply, SL_RECORD_POOL, &pool, sizeof(pool), NULL);
	for (unsigned int b = 0; b < BACKENDS; b++) {
		const struct sl_neighbor neighbor = {.id = b, .mtu = 1500, .mac = {2, 0, 0, 0, 1, (__u8)b}, .known = 1};
		const struct sl_backend backend = {.slot = (__u16)b,
						   .state = SL_BACKEND_UP,
						   .stats = b,
						   .neighbor = b,
						   .addr = sl_addr_from_v4(inet_addr("10.8.0.2")),
						   .outer_src = sl_addr_from_v4(inet_addr("10.8.0.1"))};

		state_record(apply, SL_RECORD_NEIGHBOR, &neighbor, sizeof(neighbor), NULL);
		state_record(apply, SL_RECORD_BACKEND, &backend, sizeof(backend), NULL);
	}
	for (unsigned int row = 0; row < ROWS; row++)
		rows[row] = (uint16_t)(row % BACKENDS);
	put.checksum = sl_checksum64(rows, sizeof(rows));
	state_record(apply, SL_RECORD_TABLE, &put, sizeof(put), rows);
	state_record(apply, SL_RECORD_SERVICE, &service, sizeof(service), NULL);
	state_record(apply, SL_RECORD_LISTENER, &listener, sizeof(listener), NULL);
	state_record(apply, SL_RECORD_VIP, &vip, sizeof(vip), NULL);
	state_record(apply, SL_RECORD_COMMIT, &commit, sizeof(commit), NULL);
	assert_non_null(worker_lab.snapshot);
	apply_destroy(apply);
}

/* ---- the lab ------------------------------------------------------------------------------------------ */

static void nothing(void)
{
}

void worker_lab_run(enum sl_mode mode, unsigned int burst, unsigned int takes)
{
	make_snapshot(mode);
	memset(worker_lab.counters, 0, sizeof(worker_lab.counters));
	memset(worker_lab.fragments[0], 0, fragment_table_size());
	worker_lab.root = (struct worker_root){.snapshot = worker_lab.snapshot,
					.port = {{.mac = {2, 0, 0, 0, 0, 1}, .mtu = 1500}}};
	worker_lab.root.counters[0] =
		(struct worker_counters){8, 32, worker_lab.counters, worker_lab.counters + 8};
	memset(worker_lab.worker, 0, sizeof(*worker_lab.worker));
	worker_lab.worker->shared = worker_lab.shared;
	worker_lab.worker->fragments = (struct fragment_tables){
		.count = 2, .own = 0, .table = {worker_lab.fragments[0], worker_lab.fragments[1]}};
	atomic_store(&worker_lab.shared->root, &worker_lab.root);
	atomic_store(&worker_lab.shared->stop, false);
	worker_driver.burst = burst;
	worker_driver.takes = takes;
	worker_driver.shared = worker_lab.shared;
	worker_driver.next = worker_driver.taken = worker_driver.idle = 0;
	assert_int_equal(worker_run(worker_lab.worker), 0);
	snapshot_free(worker_lab.snapshot);
	worker_lab.snapshot = NULL;
	worker_driver.count = 0;
}

void worker_lab_checksum(uint8_t *frame)
{
	uint32_t sum = 0;

	frame[24] = frame[25] = 0;
	for (int i = 14; i < 34; i += 2)
		sum += (uint32_t)(frame[i] << 8 | frame[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	frame[24] = (uint8_t)(~sum >> 8);
	frame[25] = (uint8_t)~sum;
}

struct rte_mbuf *worker_lab_frame(uint16_t sport)
{
	static const uint8_t start[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, WORKER_LAB_FRAME_LEN - 14,
					0, 0, 0, 0, 64, IPPROTO_UDP, 0, 0, 10, 9, 0, 2, 10, 9, 9, 9};
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(worker_lab.ports.pool[0]);
	uint8_t *frame;

	assert_non_null(mbuf);
	frame = (uint8_t *)rte_pktmbuf_append(mbuf, WORKER_LAB_FRAME_LEN);
	if (!frame)
		abort();
	memset(frame, 0, WORKER_LAB_FRAME_LEN);
	memcpy(frame, start, sizeof(start));
	worker_lab_checksum(frame);
	frame[34] = (uint8_t)(sport >> 8);
	frame[35] = (uint8_t)sport;
	frame[37] = 80;
	frame[39] = WORKER_LAB_FRAME_LEN - 34;
	return mbuf;
}

void worker_lab_offer(struct rte_mbuf *mbuf)
{
	assert_true(worker_driver.count < WORKER_LAB_FRAMES_MAX);
	worker_driver.offered[worker_driver.count++] = mbuf;
}

uint64_t worker_lab_verdict(enum sl_verdict which)
{
	return worker_lab.worker->stats.verdict[which];
}

void worker_lab_expect_balance(unsigned int frames)
{
	uint64_t sum = 0;

	for (int v = 0; v < SL_VERDICT_SLOTS; v++)
		sum += worker_lab.worker->stats.verdict[v];
	assert_int_equal(worker_lab.worker->stats.rx_packets, frames);
	assert_int_equal(sum, frames);
	assert_int_equal(rte_mempool_in_use_count(worker_lab.ports.pool[0]), 0);
}

int worker_lab_start(void **state)
{
	char *argv[] = {(char[]){"test"}, (char[]){"--no-huge"}, (char[]){"--no-shconf"}, (char[]){"--no-pci"},
			(char[]){"--no-telemetry"}, (char[]){"-m"}, (char[]){"64"}, (char[]){"--lcores=0"},
			(char[]){"--log-level=*:error"}, (char[]){"--vdev=net_null0"}, NULL};

	(void)state;
	if (rte_eal_init(10, argv) < 0 || rte_eth_dev_get_port_by_name("net_null0", &worker_lab.device) < 0)
		return -1;
	worker_lab.ports.count = worker_lab.ports.workers = 1;
	worker_lab.ports.port[0].queue[0] = (struct port_queue){.device = worker_lab.device};
	worker_lab.ports.pool[0] = rte_pktmbuf_pool_create("test", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	worker_lab.shared = rte_zmalloc("shared", sizeof(*worker_lab.shared), 64);
	worker_lab.worker = rte_zmalloc("worker", sizeof(*worker_lab.worker), 64);
	for (int t = 0; t < 2; t++) {
		worker_lab.fragments[t] = rte_zmalloc("fragments", fragment_table_size(), 64);
		if (!worker_lab.fragments[t])
			return -1;
	}
	if (!worker_lab.ports.pool[0] || !worker_lab.shared || !worker_lab.worker)
		return -1;
	worker_lab.shared->qsbr = rte_zmalloc("qsbr", rte_rcu_qsbr_get_memsize(1), 64);
	rte_rcu_qsbr_init(worker_lab.shared->qsbr, 1);
	worker_lab.shared->ports = &worker_lab.ports;
	worker_lab.shared->cycles_per_ms = 1000000;
	worker_lab.shared->ns_scale = 1ull << 32;
	worker_lab.shared->on_start = nothing;
	rte_eth_fp_ops[worker_lab.device].rx_pkt_burst = driver_receive;
	rte_eth_fp_ops[worker_lab.device].tx_pkt_burst = driver_send;
	return 0;
}
