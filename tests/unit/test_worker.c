/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One worker's loop: what comes in, what is taken, and that every frame is counted once and given back to its pool.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rte_mbuf.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/worker_lab.h"

/* ---- tests -------------------------------------------------------------------------------------------- */

static void what_the_port_does_not_take_is_drop_tx_full_instead_of_forward(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < 200; i++)
		worker_lab_offer(worker_lab_frame(i));
	worker_lab_run(SL_MODE_L2, SL_BURST_MAX, 150);
	worker_lab_expect_balance(200);
	assert_int_equal(worker_lab_verdict(SL_VERDICT_FORWARD), 150);
	assert_int_equal(worker_lab_verdict(SL_VERDICT_DROP_TX_FULL), 50);
	assert_int_equal(worker_lab.worker->stats.tx_full, 50);
	assert_int_equal(worker_lab.worker->stats.tx_packets, 150);
	assert_int_equal(worker_lab.worker->stats.tx_bytes, 150 * WORKER_LAB_FRAME_LEN);
	assert_int_equal(worker_lab.worker->stats.rx_bytes, 200 * WORKER_LAB_FRAME_LEN);
	assert_int_equal(worker_lab.counters[0].packets, 200);  /* the service's: all that came for it */
	assert_int_equal(worker_lab.counters[8].packets + worker_lab.counters[9].packets + worker_lab.counters[10].packets +
				 worker_lab.counters[11].packets,
			 150); /* the backends': what they were sent */
}

static void a_burst_decides_as_packets_one_by_one_do(void **state)
{
	uint64_t alone[4];

	(void)state;
	for (uint16_t i = 0; i < 300; i++)
		worker_lab_offer(worker_lab_frame(i));
	worker_lab_run(SL_MODE_L2, 1, WORKER_LAB_FRAMES_MAX);
	worker_lab_expect_balance(300);
	for (int b = 0; b < 4; b++)
		alone[b] = worker_lab.counters[8 + b].packets;
	for (uint16_t i = 0; i < 300; i++)
		worker_lab_offer(worker_lab_frame(i));
	worker_lab_run(SL_MODE_L2, SL_BURST_MAX, WORKER_LAB_FRAMES_MAX);
	worker_lab_expect_balance(300);
	for (int b = 0; b < 4; b++)
		assert_int_equal(worker_lab.counters[8 + b].packets, alone[b]);
}

static void a_tunnel_header_takes_headroom_and_its_lack_is_a_verdict(void **state)
{
	struct rte_mbuf *tight = worker_lab_frame(2);
	uint8_t copy[WORKER_LAB_FRAME_LEN];

	(void)state;
	worker_lab_offer(worker_lab_frame(1));
	memcpy(copy, rte_pktmbuf_mtod(tight, void *), WORKER_LAB_FRAME_LEN);
	assert_non_null(rte_pktmbuf_prepend(tight, rte_pktmbuf_headroom(tight) - 8));
	memcpy(rte_pktmbuf_mtod(tight, void *), copy, WORKER_LAB_FRAME_LEN);
	assert_int_equal(rte_pktmbuf_trim(tight, (uint16_t)(rte_pktmbuf_pkt_len(tight) - WORKER_LAB_FRAME_LEN)), 0);
	worker_lab_offer(tight);
	worker_lab_run(SL_MODE_IPIP, SL_BURST_MAX, WORKER_LAB_FRAMES_MAX);
	worker_lab_expect_balance(2);
	assert_int_equal(worker_lab_verdict(SL_VERDICT_FORWARD), 1);
	assert_int_equal(worker_lab_verdict(SL_VERDICT_DROP_NO_ROOM), 1);
	assert_int_equal(worker_driver.taken_len[0], WORKER_LAB_FRAME_LEN + 20);
	assert_int_equal(worker_lab.worker->stats.rx_bytes, 2 * WORKER_LAB_FRAME_LEN);
}

static void a_chained_frame_becomes_one_buffer_for_a_port_that_needs_it(void **state)
{
	struct rte_mbuf *head = worker_lab_frame(3), *tail = rte_pktmbuf_alloc(worker_lab.ports.pool[0]);
	char *bytes;

	(void)state;
	bytes = rte_pktmbuf_append(tail, 10);
	if (!bytes)
		abort();
	memcpy(bytes, rte_pktmbuf_mtod_offset(head, void *, WORKER_LAB_FRAME_LEN - 10), 10);
	assert_int_equal(rte_pktmbuf_trim(head, 10), 0);
	assert_int_equal(rte_pktmbuf_chain(head, tail), 0);
	worker_lab_offer(head);
	worker_lab_run(SL_MODE_L2, SL_BURST_MAX, WORKER_LAB_FRAMES_MAX);
	worker_lab_expect_balance(1);
	assert_int_equal(worker_lab_verdict(SL_VERDICT_FORWARD), 1);
	assert_int_equal(worker_driver.taken_len[0], WORKER_LAB_FRAME_LEN);
}

static void a_tag_that_the_driver_took_off_counts_as_part_of_the_frame(void **state)
{
	struct rte_mbuf *mbuf = worker_lab_frame(4);

	(void)state;
	mbuf->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	mbuf->vlan_tci = 7;
	worker_lab_offer(mbuf);
	worker_lab_run(SL_MODE_L2, SL_BURST_MAX, WORKER_LAB_FRAMES_MAX);
	worker_lab_expect_balance(1);
	assert_int_equal(worker_lab_verdict(SL_VERDICT_FORWARD), 1);
	assert_int_equal(worker_driver.taken_len[0], WORKER_LAB_FRAME_LEN + 4);
}

static void without_room_for_its_tag_a_frame_does_not_leave_untagged(void **state)
{
	struct rte_mbuf *mbuf = worker_lab_frame(4);

	(void)state;
	memmove(mbuf->buf_addr, rte_pktmbuf_mtod(mbuf, void *), WORKER_LAB_FRAME_LEN);
	mbuf->data_off = 0;
	mbuf->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	worker_lab_offer(mbuf);
	worker_lab_offer(worker_lab_frame(5));
	worker_lab_run(SL_MODE_L2, SL_BURST_MAX, WORKER_LAB_FRAMES_MAX);
	worker_lab_expect_balance(2);
	assert_int_equal(worker_lab_verdict(SL_VERDICT_FORWARD), 1);
	assert_int_equal(worker_lab_verdict(SL_VERDICT_DROP_NO_ROOM), 1);
}

static void a_last_segment_that_is_all_padding_does_not_leave_empty(void **state)
{
	struct rte_mbuf *head = worker_lab_frame(5), *tail = rte_pktmbuf_alloc(worker_lab.ports.pool[0]);

	(void)state;
	assert_non_null(rte_pktmbuf_append(tail, 6));
	assert_int_equal(rte_pktmbuf_chain(head, tail), 0);
	worker_lab_offer(head);
	worker_lab.ports.port[0].multi_segment = true;
	worker_lab_run(SL_MODE_IPIP, SL_BURST_MAX, WORKER_LAB_FRAMES_MAX);
	worker_lab.ports.port[0].multi_segment = false;
	worker_lab_expect_balance(1);
	assert_int_equal(worker_lab_verdict(SL_VERDICT_FORWARD), 1);
	assert_int_equal(worker_driver.taken_len[0], WORKER_LAB_FRAME_LEN + 20);
}

/* 3000 bytes from a driver that fills buffers of 2 kB, for a way of 1500: the answer is short, the rest goes. */
static void an_answer_to_a_chained_frame_leaves_without_the_rest_of_it(void **state)
{
	struct rte_mbuf *head = worker_lab_frame(6), *tail = rte_pktmbuf_alloc(worker_lab.ports.pool[0]);
	uint8_t *frame = rte_pktmbuf_mtod(head, uint8_t *);
	const uint16_t first = rte_pktmbuf_tailroom(head);

	(void)state;
	assert_non_null(rte_pktmbuf_append(head, first));
	memset(frame + WORKER_LAB_FRAME_LEN, 0, first);
	assert_non_null(rte_pktmbuf_append(tail, (uint16_t)(3000 - WORKER_LAB_FRAME_LEN - first)));
	assert_int_equal(rte_pktmbuf_chain(head, tail), 0);
	frame[16] = (3000 - 14) >> 8;
	frame[17] = (3000 - 14) & 255;
	frame[20] = 0x40; /* do not fragment */
	frame[38] = (3000 - 34) >> 8;
	frame[39] = (3000 - 34) & 255;
	worker_lab_checksum(frame);
	worker_lab_offer(head);
	worker_lab_run(SL_MODE_L2, SL_BURST_MAX, WORKER_LAB_FRAMES_MAX);
	worker_lab_expect_balance(1);
	assert_int_equal(worker_lab_verdict(SL_VERDICT_DROP_TOO_BIG), 1);
	assert_int_equal(worker_driver.taken, 1); /* in one buffer, which the driver asserts */
	assert_in_range(worker_driver.taken_len[0], 14 + 28 + 28, 14 + 576);
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
	struct rte_mbuf *plain = worker_lab_frame(6), *mbuf = rte_pktmbuf_alloc(worker_lab.ports.pool[0]);
	struct rte_mbuf_ext_shared_info *info;
	uint16_t room = sizeof(bytes);

	(void)state;
	info = rte_pktmbuf_ext_shinfo_init_helper(bytes, &room, external_freed, &freed);
	rte_pktmbuf_attach_extbuf(mbuf, bytes, RTE_BAD_IOVA, room, info);
	rte_pktmbuf_reset_headroom(mbuf);
	memcpy(rte_pktmbuf_append(mbuf, WORKER_LAB_FRAME_LEN), rte_pktmbuf_mtod(plain, void *), WORKER_LAB_FRAME_LEN);
	rte_pktmbuf_free(plain);
	mbuf->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	worker_lab_offer(mbuf);
	worker_lab_run(SL_MODE_IPIP, SL_BURST_MAX, WORKER_LAB_FRAMES_MAX);
	worker_lab_expect_balance(1);
	assert_int_equal(worker_lab_verdict(SL_VERDICT_FORWARD), 1);
	assert_int_equal(freed, 1);
	assert_int_equal(worker_driver.taken_flags & ~(uint64_t)RTE_MBUF_F_EXTERNAL, 0);
}

static void what_does_not_fit_its_tunnel_leaves_as_an_answer(void **state)
{
	struct rte_mbuf *mbuf = worker_lab_frame(7);
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);

	(void)state;
	assert_non_null(rte_pktmbuf_append(mbuf, 1500 - (WORKER_LAB_FRAME_LEN - 14)));
	memcpy(frame + 16, (uint8_t[]){1500 >> 8, 1500 & 0xff}, 2);
	frame[20] = 0x40; /* DF */
	memcpy(frame + 38, (uint8_t[]){1480 >> 8, 1480 & 0xff}, 2);
	worker_lab_checksum(frame);
	worker_lab_offer(mbuf);
	worker_lab_run(SL_MODE_IPIP, SL_BURST_MAX, WORKER_LAB_FRAMES_MAX);
	worker_lab_expect_balance(1);
	assert_int_equal(worker_lab_verdict(SL_VERDICT_DROP_TOO_BIG), 1);
	assert_int_equal(worker_lab.worker->stats.tx_packets, 1);
	assert_int_equal(worker_lab.counters[0].packets, 1);
	assert_int_equal(worker_lab.counters[8].packets + worker_lab.counters[9].packets + worker_lab.counters[10].packets +
				 worker_lab.counters[11].packets, 0); /* no backend got it */
	assert_int_equal(worker_driver.taken_len[0], 14 + 576);
	assert_memory_equal(worker_driver.taken_bytes[0] + 30, ((uint8_t[]){10, 9, 0, 2, 3, 4}), 6);
	assert_memory_equal(worker_driver.taken_bytes[0] + 40, ((uint8_t[]){1480 >> 8, 1480 & 0xff}), 2);
}

/* The answer is shorter in front than the router's error: the buffer's front is cut off. */
static void a_routers_error_about_a_tunnel_leaves_for_the_client(void **state)
{
	static const uint8_t error[] = {3, 4, 0, 0, 0, 0, 1300 >> 8, 1300 & 0xff, 0x45, 0, 1420 >> 8, 1420 & 0xff, 0, 0, 0x40, 0,
					60, IPPROTO_IPIP, 0, 0, 10, 8, 0, 1, 10, 8, 0, 2};
	struct rte_mbuf *mbuf = worker_lab_frame(7);
	uint8_t *frame, *inner;
	uint32_t sum = 0;

	(void)state;
	if (!rte_pktmbuf_prepend(mbuf, 48))
		abort();
	frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	memcpy(frame, frame + 48, 34); /* Ethernet and the IP header: the router's become those of the client's packet */
	inner = frame + 62;
	memcpy(inner + 2, (uint8_t[]){1400 >> 8, 1400 & 0xff}, 2);
	memcpy(frame + 16, (uint8_t[]){0, 94}, 2);
	frame[23] = IPPROTO_ICMP;
	memcpy(frame + 30, (uint8_t[]){10, 8, 0, 1}, 4);
	worker_lab_checksum(frame);
	memcpy(frame + 34, error, sizeof(error));
	for (int i = 34; i < 108; i += 2)
		sum += (uint32_t)(frame[i] << 8 | frame[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	frame[36] = (uint8_t)(sum >> 8);
	frame[37] = (uint8_t)sum;
	worker_lab_offer(mbuf);
	worker_lab_run(SL_MODE_IPIP, SL_BURST_MAX, WORKER_LAB_FRAMES_MAX);
	worker_lab_expect_balance(1);
	assert_int_equal(worker_lab_verdict(SL_VERDICT_RELAY_TOO_BIG), 1);
	assert_int_equal(worker_driver.taken_len[0], 14 + 28 + 46);
	assert_memory_equal(worker_driver.taken_bytes[0] + 26, ((uint8_t[]){10, 9, 9, 9, 10, 9, 0, 2, 3, 4}), 10);
	assert_memory_equal(worker_driver.taken_bytes[0] + 40, ((uint8_t[]){1280 >> 8, 1280 & 0xff, 0x45}), 3);
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
		cmocka_unit_test(an_answer_to_a_chained_frame_leaves_without_the_rest_of_it),
		cmocka_unit_test(a_buffer_that_lies_outside_its_mbuf_goes_back_to_its_owner),
		cmocka_unit_test(what_does_not_fit_its_tunnel_leaves_as_an_answer),
		cmocka_unit_test(a_routers_error_about_a_tunnel_leaves_for_the_client),
		cmocka_unit_test(a_tag_that_the_driver_took_off_counts_as_part_of_the_frame),
	};

	return cmocka_run_group_tests(tests, worker_lab_start, NULL);
}
