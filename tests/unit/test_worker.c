/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One worker's loop on a port whose driver is played here: what comes in, what is taken, and that every
 * frame is counted once and given back to its pool. Needs the EAL, but neither hugepages nor root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/apply.h"
#include "dataplane/worker.h"

enum { FRAME_LEN = 60, BACKENDS = 4, ROWS = 7, FRAMES_MAX = 512 };

/* The driver: hands out `offered` in bursts of at most `burst`, takes at most `takes` frames in all. */
static struct {
	struct rte_mbuf *offered[FRAMES_MAX];
	unsigned int count, next, burst, takes, taken;
	uint32_t taken_len[FRAMES_MAX];
	uint64_t taken_flags; /* of the last one */
	unsigned int idle;
	struct worker_shared *shared;
} driver;

static struct {
	struct port_set ports;
	struct worker_shared *shared;
	struct worker *worker;
	struct worker_root root;
	struct snapshot *snapshot;
	struct sl_counter counters[64];
	uint16_t device;
} lab;

static uint16_t driver_receive(void *queue, struct rte_mbuf **mbufs, uint16_t count)
{
	uint16_t got = 0;

	(void)queue;
	while (got < count && got < driver.burst && driver.next < driver.count)
		mbufs[got++] = driver.offered[driver.next++];
	if (got == 0 && ++driver.idle > 3)
		atomic_store(&driver.shared->stop, true);
	return got;
}

static uint16_t driver_send(void *queue, struct rte_mbuf **mbufs, uint16_t count)
{
	uint16_t taken = 0;

	(void)queue;
	while (taken < count && driver.taken < driver.takes) {
		assert_int_equal(mbufs[taken]->nb_segs, 1);
		driver.taken_flags = mbufs[taken]->ol_flags;
		driver.taken_len[driver.taken++] = rte_pktmbuf_pkt_len(mbufs[taken]);
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
		lab.snapshot = result.snapshot;
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
	assert_non_null(lab.snapshot);
	apply_destroy(apply);
}

/* ---- the lab ------------------------------------------------------------------------------------------ */

static void nothing(void)
{
}

static void run(enum sl_mode mode, unsigned int burst, unsigned int takes)
{
	make_snapshot(mode);
	memset(lab.counters, 0, sizeof(lab.counters));
	lab.root = (struct worker_root){.snapshot = lab.snapshot,
					.port = {{.mac = {2, 0, 0, 0, 0, 1}, .mtu = 1500}}};
	lab.root.counters[0] =
		(struct worker_counters){8, 32, lab.counters, lab.counters + 8};
	memset(lab.worker, 0, sizeof(*lab.worker));
	lab.worker->shared = lab.shared;
	atomic_store(&lab.shared->root, &lab.root);
	atomic_store(&lab.shared->stop, false);
	driver.burst = burst;
	driver.takes = takes;
	driver.shared = lab.shared;
	driver.next = driver.taken = driver.idle = 0;
	assert_int_equal(worker_run(lab.worker), 0);
	snapshot_free(lab.snapshot);
	lab.snapshot = NULL;
	driver.count = 0;
}

static struct rte_mbuf *frame_make(uint16_t sport)
{
	static const uint8_t start[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, FRAME_LEN - 14,
					0, 0, 0, 0, 64, IPPROTO_UDP, 0, 0, 10, 9, 0, 2, 10, 9, 9, 9};
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(lab.ports.pool[0]);
	uint8_t *frame;
	uint32_t sum = 0;

	assert_non_null(mbuf);
	frame = (uint8_t *)rte_pktmbuf_append(mbuf, FRAME_LEN);
	if (!frame)
		abort();
	memset(frame, 0, FRAME_LEN);
	memcpy(frame, start, sizeof(start));
	for (int i = 14; i < 34; i += 2)
		sum += (uint32_t)(frame[i] << 8 | frame[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	frame[24] = (uint8_t)(~sum >> 8);
	frame[25] = (uint8_t)~sum;
	frame[34] = (uint8_t)(sport >> 8);
	frame[35] = (uint8_t)sport;
	frame[37] = 80;
	frame[39] = FRAME_LEN - 34;
	return mbuf;
}

static void offer(struct rte_mbuf *mbuf)
{
	assert_true(driver.count < FRAMES_MAX);
	driver.offered[driver.count++] = mbuf;
}

static uint64_t verdict(enum sl_verdict which)
{
	return lab.worker->stats.verdict[which];
}

/* Every frame under one verdict, every buffer back in its pool. */
static void expect_balance(unsigned int frames)
{
	uint64_t sum = 0;

	for (int v = 0; v < SL_VERDICT_SLOTS; v++)
		sum += lab.worker->stats.verdict[v];
	assert_int_equal(lab.worker->stats.rx_packets, frames);
	assert_int_equal(sum, frames);
	assert_int_equal(rte_mempool_in_use_count(lab.ports.pool[0]), 0);
}

static int start(void **state)
{
	char *argv[] = {(char[]){"test"}, (char[]){"--no-huge"}, (char[]){"--no-shconf"}, (char[]){"--no-pci"},
			(char[]){"--no-telemetry"}, (char[]){"-m"}, (char[]){"64"}, (char[]){"--lcores=0"},
			(char[]){"--log-level=*:error"}, (char[]){"--vdev=net_null0"}, NULL};

	(void)state;
	if (rte_eal_init(10, argv) < 0 || rte_eth_dev_get_port_by_name("net_null0", &lab.device) < 0)
		return -1;
	lab.ports.count = lab.ports.workers = 1;
	lab.ports.port[0].queue[0] = (struct port_queue){.device = lab.device};
	lab.ports.pool[0] = rte_pktmbuf_pool_create("test", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	lab.shared = rte_zmalloc("shared", sizeof(*lab.shared), 64);
	lab.worker = rte_zmalloc("worker", sizeof(*lab.worker), 64);
	if (!lab.ports.pool[0] || !lab.shared || !lab.worker)
		return -1;
	lab.shared->qsbr = rte_zmalloc("qsbr", rte_rcu_qsbr_get_memsize(1), 64);
	rte_rcu_qsbr_init(lab.shared->qsbr, 1);
	lab.shared->ports = &lab.ports;
	lab.shared->cycles_per_ms = 1000000;
	lab.shared->ns_scale = 1ull << 32;
	lab.shared->on_start = nothing;
	rte_eth_fp_ops[lab.device].rx_pkt_burst = driver_receive;
	rte_eth_fp_ops[lab.device].tx_pkt_burst = driver_send;
	return 0;
}

/* ---- tests -------------------------------------------------------------------------------------------- */

static void what_the_port_does_not_take_is_drop_tx_full_instead_of_forward(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < 200; i++)
		offer(frame_make(i));
	run(SL_MODE_L2, SL_BURST_MAX, 150);
	expect_balance(200);
	assert_int_equal(verdict(SL_VERDICT_FORWARD), 150);
	assert_int_equal(verdict(SL_VERDICT_DROP_TX_FULL), 50);
	assert_int_equal(lab.worker->stats.tx_full, 50);
	assert_int_equal(lab.worker->stats.tx_packets, 150);
	assert_int_equal(lab.worker->stats.tx_bytes, 150 * FRAME_LEN);
	assert_int_equal(lab.worker->stats.rx_bytes, 200 * FRAME_LEN);
	assert_int_equal(lab.counters[0].packets, 200);  /* the service's: all that came for it */
	assert_int_equal(lab.counters[8].packets + lab.counters[9].packets + lab.counters[10].packets +
				 lab.counters[11].packets,
			 150); /* the backends': what they were sent */
}

static void a_burst_decides_as_packets_one_by_one_do(void **state)
{
	uint64_t alone[4];

	(void)state;
	for (uint16_t i = 0; i < 300; i++)
		offer(frame_make(i));
	run(SL_MODE_L2, 1, FRAMES_MAX);
	expect_balance(300);
	for (int b = 0; b < 4; b++)
		alone[b] = lab.counters[8 + b].packets;
	for (uint16_t i = 0; i < 300; i++)
		offer(frame_make(i));
	run(SL_MODE_L2, SL_BURST_MAX, FRAMES_MAX);
	expect_balance(300);
	for (int b = 0; b < 4; b++)
		assert_int_equal(lab.counters[8 + b].packets, alone[b]);
}

static void a_tunnel_header_takes_headroom_and_its_lack_is_a_verdict(void **state)
{
	struct rte_mbuf *tight = frame_make(2);
	uint8_t copy[FRAME_LEN];

	(void)state;
	offer(frame_make(1));
	memcpy(copy, rte_pktmbuf_mtod(tight, void *), FRAME_LEN);
	assert_non_null(rte_pktmbuf_prepend(tight, rte_pktmbuf_headroom(tight) - 8));
	memcpy(rte_pktmbuf_mtod(tight, void *), copy, FRAME_LEN);
	assert_int_equal(rte_pktmbuf_trim(tight, (uint16_t)(rte_pktmbuf_pkt_len(tight) - FRAME_LEN)), 0);
	offer(tight);
	run(SL_MODE_IPIP, SL_BURST_MAX, FRAMES_MAX);
	expect_balance(2);
	assert_int_equal(verdict(SL_VERDICT_FORWARD), 1);
	assert_int_equal(verdict(SL_VERDICT_DROP_NO_ROOM), 1);
	assert_int_equal(driver.taken_len[0], FRAME_LEN + 20);
	assert_int_equal(lab.worker->stats.rx_bytes, 2 * FRAME_LEN);
}

static void a_chained_frame_becomes_one_buffer_for_a_port_that_needs_it(void **state)
{
	struct rte_mbuf *head = frame_make(3), *tail = rte_pktmbuf_alloc(lab.ports.pool[0]);
	char *bytes;

	(void)state;
	bytes = rte_pktmbuf_append(tail, 10);
	if (!bytes)
		abort();
	memcpy(bytes, rte_pktmbuf_mtod_offset(head, void *, FRAME_LEN - 10), 10);
	assert_int_equal(rte_pktmbuf_trim(head, 10), 0);
	assert_int_equal(rte_pktmbuf_chain(head, tail), 0);
	offer(head);
	run(SL_MODE_L2, SL_BURST_MAX, FRAMES_MAX);
	expect_balance(1);
	assert_int_equal(verdict(SL_VERDICT_FORWARD), 1);
	assert_int_equal(driver.taken_len[0], FRAME_LEN);
}

static void a_tag_that_the_driver_took_off_counts_as_part_of_the_frame(void **state)
{
	struct rte_mbuf *mbuf = frame_make(4);

	(void)state;
	mbuf->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	mbuf->vlan_tci = 7;
	offer(mbuf);
	run(SL_MODE_L2, SL_BURST_MAX, FRAMES_MAX);
	expect_balance(1);
	assert_int_equal(verdict(SL_VERDICT_FORWARD), 1);
	assert_int_equal(driver.taken_len[0], FRAME_LEN + 4);
}

static void without_room_for_its_tag_a_frame_does_not_leave_untagged(void **state)
{
	struct rte_mbuf *mbuf = frame_make(4);

	(void)state;
	memmove(mbuf->buf_addr, rte_pktmbuf_mtod(mbuf, void *), FRAME_LEN);
	mbuf->data_off = 0;
	mbuf->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	offer(mbuf);
	offer(frame_make(5));
	run(SL_MODE_L2, SL_BURST_MAX, FRAMES_MAX);
	expect_balance(2);
	assert_int_equal(verdict(SL_VERDICT_FORWARD), 1);
	assert_int_equal(verdict(SL_VERDICT_DROP_NO_ROOM), 1);
}

static void a_last_segment_that_is_all_padding_does_not_leave_empty(void **state)
{
	struct rte_mbuf *head = frame_make(5), *tail = rte_pktmbuf_alloc(lab.ports.pool[0]);

	(void)state;
	assert_non_null(rte_pktmbuf_append(tail, 6));
	assert_int_equal(rte_pktmbuf_chain(head, tail), 0);
	offer(head);
	lab.ports.port[0].multi_segment = true;
	run(SL_MODE_IPIP, SL_BURST_MAX, FRAMES_MAX);
	lab.ports.port[0].multi_segment = false;
	expect_balance(1);
	assert_int_equal(verdict(SL_VERDICT_FORWARD), 1);
	assert_int_equal(driver.taken_len[0], FRAME_LEN + 20);
}

static void external_freed(void *bytes, void *count)
{
	(void)bytes;
	++*(unsigned int *)count;
}

/* As drivers do that receive into buffers of their own. */
static void a_buffer_that_lies_outside_its_mbuf_goes_back_to_its_owner(void **state)
{
	static char bytes[1024];
	static unsigned int freed;
	struct rte_mbuf *plain = frame_make(6), *mbuf = rte_pktmbuf_alloc(lab.ports.pool[0]);
	struct rte_mbuf_ext_shared_info *info;
	uint16_t room = sizeof(bytes);

	(void)state;
	info = rte_pktmbuf_ext_shinfo_init_helper(bytes, &room, external_freed, &freed);
	rte_pktmbuf_attach_extbuf(mbuf, bytes, RTE_BAD_IOVA, room, info);
	rte_pktmbuf_reset_headroom(mbuf);
	memcpy(rte_pktmbuf_append(mbuf, FRAME_LEN), rte_pktmbuf_mtod(plain, void *), FRAME_LEN);
	rte_pktmbuf_free(plain);
	mbuf->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	offer(mbuf);
	run(SL_MODE_IPIP, SL_BURST_MAX, FRAMES_MAX);
	expect_balance(1);
	assert_int_equal(verdict(SL_VERDICT_FORWARD), 1);
	assert_int_equal(freed, 1);
	assert_int_equal(driver.taken_flags & ~(uint64_t)RTE_MBUF_F_EXTERNAL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_port_does_not_take_is_drop_tx_full_instead_of_forward),
		cmocka_unit_test(a_burst_decides_as_packets_one_by_one_do),
		cmocka_unit_test(a_tunnel_header_takes_headroom_and_its_lack_is_a_verdict),
		cmocka_unit_test(a_chained_frame_becomes_one_buffer_for_a_port_that_needs_it),
		cmocka_unit_test(without_room_for_its_tag_a_frame_does_not_leave_untagged),
		cmocka_unit_test(a_last_segment_that_is_all_padding_does_not_leave_empty),
		cmocka_unit_test(a_buffer_that_lies_outside_its_mbuf_goes_back_to_its_owner),
		cmocka_unit_test(a_tag_that_the_driver_took_off_counts_as_part_of_the_frame),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
