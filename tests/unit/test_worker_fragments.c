/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a worker does with fragments: those that wait, those that are given up, and packets that leave in parts. Every
 * frame has one verdict and every buffer returns, however it ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/fragment_wait.h"
#include "tests/support/worker_lab.h"

enum { IP_AT = 14, DATA_AT = 34 };

static uint32_t source = 2; /* last byte of the sender's address, and more */

/* A fragment with `len` bytes from byte `at` on of datagram `id`. */
static struct rte_mbuf *fragment(uint16_t id, uint16_t at, uint16_t len, bool more)
{
	struct rte_mbuf *mbuf = worker_lab_frame(40000);
	const uint16_t frag = (uint16_t)(at / 8 | (more ? 0x2000 : 0));
	uint8_t *frame;

	assert_non_null(rte_pktmbuf_append(mbuf, (uint16_t)(DATA_AT + len - WORKER_LAB_FRAME_LEN)));
	frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	frame[IP_AT + 2] = (uint8_t)((20 + len) >> 8);
	frame[IP_AT + 3] = (uint8_t)(20 + len);
	frame[IP_AT + 4] = (uint8_t)(id >> 8);
	frame[IP_AT + 5] = (uint8_t)id;
	frame[IP_AT + 6] = (uint8_t)(frag >> 8);
	frame[IP_AT + 7] = (uint8_t)frag;
	frame[IP_AT + 14] = (uint8_t)(source >> 8);
	frame[IP_AT + 15] = (uint8_t)source;
	for (uint16_t i = at ? 0 : 8; i < len; i++)
		frame[DATA_AT + i] = (uint8_t)((at + i) * 7);
	worker_lab_checksum(frame);
	return mbuf;
}

/* ---- waiting ------------------------------------------------------------------------------------------ */

static void fragments_that_come_first_follow_when_theirs_comes(void **state)
{
	uint8_t mac[6];

	(void)state;
	worker_lab_offer(fragment(1, 2000, 400, false));
	worker_lab_offer(fragment(1, 1000, 1000, true));
	worker_lab_offer(fragment(1, 0, 1000, true));
	for (unsigned int burst = 1; burst <= SL_BURST_MAX; burst += SL_BURST_MAX - 1) { /* one by one, and at once */
		worker_lab_run(SL_MODE_L2, burst, WORKER_LAB_FRAMES_MAX);
		worker_lab_expect_balance(3);
		assert_int_equal(worker_lab_verdict(SL_VERDICT_FORWARD), 3);
		memcpy(mac, worker_driver.taken_bytes[0], sizeof(mac));
		for (int i = 1; i < 3; i++)
			assert_memory_equal(worker_driver.taken_bytes[i], mac, sizeof(mac));
		worker_lab_offer(fragment(1, 2000, 400, false));
		worker_lab_offer(fragment(1, 1000, 1000, true));
		worker_lab_offer(fragment(1, 0, 1000, true));
	}
	for (unsigned int i = 0; i < worker_driver.count; i++)
		rte_pktmbuf_free(worker_driver.offered[i]);
	worker_driver.count = 0;
}

static void a_stop_gives_back_what_waits(void **state)
{
	(void)state;
	worker_lab_offer(fragment(1, 1000, 400, false));
	worker_lab_offer(fragment(2, 1000, 400, false));
	worker_lab_run(SL_MODE_L2, SL_BURST_MAX, WORKER_LAB_FRAMES_MAX);
	worker_lab_expect_balance(2);
	assert_int_equal(worker_lab_verdict(SL_VERDICT_DROP_FRAGMENT_EARLY), 2);
	assert_int_equal(worker_lab.worker->stats.rx_bytes, 2 * (DATA_AT + 400));
}

static void who_waits_in_vain_is_dropped_in_time(void **state)
{
	const uint64_t begin = rte_rdtsc();

	(void)state;
	worker_lab_offer(fragment(1, 1000, 400, false));
	worker_driver.idle_ns = FRAGMENT_WAIT_NS + FRAGMENT_WAIT_NS / 4; /* a nanosecond is a cycle here */
	worker_lab_run(SL_MODE_L2, SL_BURST_MAX, WORKER_LAB_FRAMES_MAX);
	worker_driver.idle_ns = 0;
	worker_lab_expect_balance(1);
	assert_int_equal(worker_lab_verdict(SL_VERDICT_DROP_FRAGMENT_EARLY), 1);
	assert_true(rte_rdtsc() - begin >= FRAGMENT_WAIT_NS);
}

/* The other worker sees the first fragment of datagram 1. */
static void other_worker_learns(void)
{
	const struct sl_key flow_key = {3, 4};
	struct sl_packet pkt = {.flags = SL_PKT_FRAGMENT | SL_PKT_FRAGMENT_MORE, .proto = IPPROTO_UDP, .frag_len = 1000,
				.frag_id = htons(1), .slot = 2};
	struct sl_datagram datagram;

	pkt.key.src = sl_addr_from_v4(inet_addr("10.9.0.2"));
	pkt.key.dst = sl_addr_from_v4(inet_addr("10.9.9.9"));
	pkt.key.sport = htons(40000);
	pkt.key.dport = htons(80);
	sl_datagram_begin(&datagram, &pkt, SL_VERDICT_FORWARD);
	fragment_table_put(worker_lab.fragments[1], fragment_source(&flow_key, &pkt), sl_datagram_tag(&flow_key, &pkt),
			   rte_rdtsc(), &datagram);
}

static void what_another_worker_learns_lets_them_go(void **state)
{
	(void)state;
	source = 2;
	worker_lab_offer(fragment(1, 1000, 400, false));
	worker_driver.on_idle = other_worker_learns;
	worker_driver.idle_ns = 5000000;
	worker_lab_run(SL_MODE_L2, SL_BURST_MAX, WORKER_LAB_FRAMES_MAX);
	worker_driver.on_idle = NULL;
	worker_driver.idle_ns = 0;
	memset(worker_lab.fragments[1], 0, fragment_table_size());
	worker_lab_expect_balance(1);
	assert_int_equal(worker_lab_verdict(SL_VERDICT_FORWARD), 1);
	assert_int_equal(worker_driver.taken_bytes[0][5], 2); /* the slot's MAC address */
}

static void a_flood_leaves_room_for_others_to_wait(void **state)
{
	(void)state;
	source = 2;
	worker_lab_offer(fragment(1, 1000, 400, false));
	source = 3;
	for (uint16_t id = 0; id < 500; id++)
		worker_lab_offer(fragment(id, 1000, 400, false));
	source = 2;
	worker_lab_offer(fragment(1, 0, 1000, true));
	worker_lab_run(SL_MODE_L2, SL_BURST_MAX, WORKER_LAB_FRAMES_MAX);
	worker_lab_expect_balance(502);
	assert_int_equal(worker_lab_verdict(SL_VERDICT_FORWARD), 2);
	assert_int_equal(worker_lab_verdict(SL_VERDICT_DROP_FRAGMENT_EARLY), 500);
}

/* ---- parts -------------------------------------------------------------------------------------------- */

static void a_packet_that_outgrows_its_tunnel_leaves_in_parts(void **state)
{
	uint8_t payload[1480] = {0};
	unsigned int covered = 0;

	(void)state;
	source = 2;
	worker_lab_offer(worker_lab_frame(1));
	worker_lab_offer(fragment(1, 0, 1480, true));
	worker_lab_offer(worker_lab_frame(2));
	worker_lab_run(SL_MODE_IPIP, SL_BURST_MAX, WORKER_LAB_FRAMES_MAX);
	worker_lab_expect_balance(3);
	assert_int_equal(worker_lab_verdict(SL_VERDICT_FORWARD), 3);
	assert_int_equal(worker_lab.worker->stats.tx_packets, 4);
	assert_int_equal(worker_driver.taken_len[0], WORKER_LAB_FRAME_LEN + 20); /* in the order of the burst */
	assert_int_equal(worker_driver.taken_len[3], WORKER_LAB_FRAME_LEN + 20);
	for (int i = 1; i <= 2; i++) {
		const uint8_t *inner = worker_driver.taken_bytes[i] + DATA_AT;
		const unsigned int at = (unsigned int)((inner[6] & 0x1f) << 8 | inner[7]) * 8;
		const unsigned int len = (unsigned int)(inner[2] << 8 | inner[3]) - 20;

		assert_true(worker_driver.taken_len[i] <= 14 + 1500);
		assert_int_equal(worker_driver.taken_len[i], DATA_AT + 20 + len);
		memcpy(payload + at, inner + 20, len);
		covered += len;
	}
	assert_int_equal(covered, 1480);
	for (unsigned int i = 8; i < sizeof(payload); i++)
		assert_int_equal(payload[i], (uint8_t)(i * 7));
}

static void parts_that_a_port_does_not_take_are_one_drop_tx_full(void **state)
{
	(void)state;
	worker_lab_offer(fragment(1, 0, 1480, true));
	worker_lab_run(SL_MODE_IPIP, SL_BURST_MAX, 1);
	worker_lab_expect_balance(1);
	assert_int_equal(worker_lab_verdict(SL_VERDICT_DROP_TX_FULL), 1);
	assert_int_equal(worker_lab.worker->stats.tx_packets, 1);
	assert_int_equal(worker_lab.worker->stats.tx_bytes, worker_driver.taken_len[0]);
}

static void parts_of_a_chained_frame_are_read_across_its_buffers(void **state)
{
	struct rte_mbuf *head = fragment(1, 0, 1480, true), *tail = rte_pktmbuf_alloc(worker_lab.ports.pool[0]);
	char *bytes;

	(void)state;
	bytes = rte_pktmbuf_append(tail, 700);
	if (!bytes)
		abort();
	memcpy(bytes, rte_pktmbuf_mtod_offset(head, void *, DATA_AT + 780), 700);
	assert_int_equal(rte_pktmbuf_trim(head, 700), 0);
	assert_int_equal(rte_pktmbuf_chain(head, tail), 0);
	worker_lab_offer(head);
	worker_lab_run(SL_MODE_IPIP, SL_BURST_MAX, WORKER_LAB_FRAMES_MAX);
	worker_lab_expect_balance(1);
	assert_int_equal(worker_lab_verdict(SL_VERDICT_FORWARD), 1);
	for (unsigned int i = 8; i < 1456; i++) /* the first part's payload */
		assert_int_equal(worker_driver.taken_bytes[0][DATA_AT + 20 + i], (uint8_t)(i * 7));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fragments_that_come_first_follow_when_theirs_comes),
		cmocka_unit_test(a_stop_gives_back_what_waits),
		cmocka_unit_test(who_waits_in_vain_is_dropped_in_time),
		cmocka_unit_test(what_another_worker_learns_lets_them_go),
		cmocka_unit_test(a_flood_leaves_room_for_others_to_wait),
		cmocka_unit_test(a_packet_that_outgrows_its_tunnel_leaves_in_parts),
		cmocka_unit_test(parts_that_a_port_does_not_take_are_one_drop_tx_full),
		cmocka_unit_test(parts_of_a_chained_frame_are_read_across_its_buffers),
	};

	return cmocka_run_group_tests(tests, worker_lab_start, NULL);
}
