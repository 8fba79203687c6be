/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the XDP program adds to the forwarding core, and no packet case sees: when it forwards at all, for whom, by which
 * interface, when it runs out of memory, and that a generation holds for a whole pool at once. Root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/bpf.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "sluice.skel.h"
#include "sluice/core/checksum.h"
#include "sluice/core/wire.h"
#include "tests/support/xdp_lab.h"

enum { ROWS = 7, FLOWS = 100, NOW_S = 5000 };

/* One service at 192.0.2.10:80, two backends behind ports 0 and 1, `always` remembers. */
static struct sl_port ports[] = { { .mac = { 2, 0, 0, 0, 0, 1 }, .mtu = 1500, .index = 0, .kernel_path = 1 },
				  { .mac = { 2, 0, 0, 0, 0, 2 }, .mtu = 1500, .index = 1, .kernel_path = 1 } };
static struct sl_neighbor neighbors[] = { { .id = 0, .port = 0, .mac = { 2, 0, 0, 0, 1, 0 }, .known = 1 },
					  { .id = 1, .port = 1, .mac = { 2, 0, 0, 0, 1, 1 }, .known = 1 } };
static struct sl_backend backends[] = { { .pool = 3, .slot = 0, .state = SL_BACKEND_UP, .stats = 0, .neighbor = 0 },
					{ .pool = 3, .slot = 1, .state = SL_BACKEND_UP, .stats = 1, .neighbor = 1 } };
static struct sl_service service = { .id = 5, .pool = 3, .mode = SL_MODE_L2 };
static struct sl_listener listener = { .port = sl_bswap16(80), .proto = SL_PROTO_TCP, .service = 5 };
static struct sl_vip vip;
static uint16_t rows[ROWS];
static struct xdp_lab_pool pool = { .pool = { .id = 3, .rows = ROWS, .slots = 2, .idle_s = { 3600, 600, 150 } },
				    .table = { rows } };

static int publish(struct xdp_lab *lab)
{
	const struct xdp_lab_world world = {
		.settings = { .hash_key = { 1, 2 }, .flow_key = { 3, 4 } },
		.ports = ports, .neighbors = neighbors, .backends = backends, .pools = &pool, .services = &service,
		.listeners = &listener, .vips = &vip, .port_count = 2, .neighbor_count = 2, .backend_count = 2,
		.pool_count = 1, .service_count = 1, .listener_count = 1, .vip_count = 1,
	};

	return xdp_lab_publish(lab, &world);
}

static int setup(void **state)
{
	const struct xdp_lab_options options = { .flows = FLOWS };
	struct xdp_lab *lab;
	char error[600];

	if (xdp_lab_create(&options, &lab, error, sizeof(error)) < 0) {
		print_error("%s\n", error);
		return -1;
	}
	vip.addr = listener.addr = sl_addr_from_v4((__be32)sl_bswap32(0xc000020au));
	for (int i = 0; i < ROWS; i++)
		rows[i] = 0;
	service.tracking = SL_TRACKING_CHANGED_ROWS;
	xdp_lab_clock(lab, NOW_S * 1000000000ull);
	*state = lab;
	return publish(lab);
}

static int teardown(void **state)
{
	xdp_lab_destroy(*state);
	return 0;
}

/* A segment from port `sport` of 198.51.100.1 to the service, to the first port's MAC address. */
static void segment(uint8_t frame[54], uint16_t sport, uint8_t flags)
{
	struct sl_eth *eth = (struct sl_eth *)frame;
	struct sl_ipv4 *ip = (struct sl_ipv4 *)(frame + 14);
	struct sl_tcp *tcp = (struct sl_tcp *)(frame + 34);

	memset(frame, 0, 54);
	memcpy(eth->dst, ports[0].mac, 6);
	eth->src[5] = 0xc1;
	eth->type = sl_bswap16(SL_ETH_IPV4);
	ip->version_ihl = 0x45;
	ip->len = sl_bswap16(40);
	ip->ttl = 64;
	ip->proto = SL_PROTO_TCP;
	ip->src = (__be32)sl_bswap32(0xc6336401u);
	ip->dst = (__be32)sl_bswap32(0xc000020au);
	ip->csum = (__u16)~sl_csum_fold(sl_csum_words(ip, sizeof(*ip)));
	tcp->sport = sl_bswap16(sport);
	tcp->dport = sl_bswap16(80);
	tcp->offset = 0x50;
	tcp->flags = flags;
}

static struct xdp_lab_result send_from(struct xdp_lab *lab, uint16_t sport, uint8_t flags)
{
	struct xdp_lab_result result;
	uint8_t frame[54];

	segment(frame, sport, flags);
	assert_int_equal(xdp_lab_run(lab, 0, UINT32_MAX, frame, sizeof(frame), &result), 0);
	return result;
}

static void a_program_of_another_layout_redirects(void **state)
{
	struct sl_xdp_root root;
	const uint32_t only = 0;
	const int fd = bpf_map__fd(xdp_lab_object(*state)->maps.root);

	assert_int_equal(send_from(*state, 1, SL_TCP_ACK).verdict, SL_VERDICT_FORWARD);
	assert_int_equal(bpf_map_lookup_elem(fd, &only, &root), 0);
	root.version++;
	assert_int_equal(bpf_map_update_elem(fd, &only, &root, BPF_ANY), 0);
	assert_int_equal(send_from(*state, 1, SL_TCP_ACK).verdict, SL_VERDICT_COUNT); /* the core was not asked */
	assert_int_equal(send_from(*state, 1, SL_TCP_ACK).action, XDP_DROP);          /* no socket polls this queue */
	root.version--;
	root.action = SL_XDP_REDIRECT;
	assert_int_equal(bpf_map_update_elem(fd, &only, &root, BPF_ANY), 0);
	assert_int_equal(send_from(*state, 1, SL_TCP_ACK).verdict, SL_VERDICT_COUNT);
}

static void a_frame_to_another_machine_is_the_kernels(void **state)
{
	struct sl_steering_mac own = { .mac = { 2, 0, 0, 0, 0, 9 } };
	const uint32_t only = 0;
	struct xdp_lab_result result;
	const int fd = bpf_map__fd(xdp_lab_object(*state)->maps.mac);

	assert_int_equal(bpf_map_update_elem(fd, &only, &own, BPF_ANY), 0);
	result = send_from(*state, 1, SL_TCP_ACK);
	assert_int_equal(result.action, XDP_PASS);
	assert_int_equal(result.verdict, SL_VERDICT_TO_KERNEL);
	memcpy(own.mac, ports[0].mac, 6);
	assert_int_equal(bpf_map_update_elem(fd, &only, &own, BPF_ANY), 0);
	assert_int_equal(send_from(*state, 1, SL_TCP_ACK).action, XDP_TX);
}

static void a_frame_leaves_by_another_interface_where_there_is_one(void **state)
{
	const uint32_t port = 1;
	struct xdp_lab_result result;

	for (int i = 0; i < ROWS; i++)
		rows[i] = 1;
	assert_int_equal(publish(*state), 0);
	result = send_from(*state, 1, SL_TCP_ACK);
	assert_int_equal(result.action, XDP_REDIRECT);
	assert_int_equal(result.out_port, 1);
	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(xdp_lab_object(*state)->maps.tx_ports), &port), 0);
	result = send_from(*state, 1, SL_TCP_ACK);
	assert_int_equal(result.action, XDP_DROP);
	assert_int_equal(result.verdict, SL_VERDICT_DROP_TX_FULL);
}

static void a_full_memory_is_pressure_until_it_is_counted(void **state)
{
	struct sl_xdp_live *live = xdp_lab_live(*state);
	struct xdp_lab_counts counts;

	service.tracking = SL_TRACKING_ALWAYS;
	assert_int_equal(publish(*state), 0);
	for (uint16_t sport = 1; sport <= FLOWS; sport++)
		assert_int_equal(send_from(*state, sport, SL_TCP_ACK).verdict, SL_VERDICT_FORWARD);
	assert_int_equal(live->full, 1);
	assert_int_equal(live->used, 81); /* more than 80 of 100: what came then was not stored */
	assert_int_equal(xdp_lab_counts(*state, &counts), 0);
	assert_int_equal(counts.flow[SL_FLOW_COUNT_REFUSED], 0);
	assert_int_equal(live->pressure_s, NOW_S);
}

static void what_expired_is_not_found_and_is_deleted(void **state)
{
	struct sl_xdp_live *live = xdp_lab_live(*state);
	struct xdp_lab_counts counts;

	service.tracking = SL_TRACKING_ALWAYS;
	assert_int_equal(publish(*state), 0);
	send_from(*state, 1, SL_TCP_ACK);
	send_from(*state, 1, SL_TCP_ACK);
	assert_int_equal(xdp_lab_counts(*state, &counts), 0);
	assert_int_equal(counts.flow[SL_FLOW_COUNT_FOUND], 1);
	xdp_lab_clock(*state, (NOW_S + sl_flow_life_s(3600) + 1) * 1000000000ull);
	send_from(*state, 1, SL_TCP_ACK);
	assert_int_equal(xdp_lab_counts(*state, &counts), 0);
	assert_int_equal(counts.flow[SL_FLOW_COUNT_FOUND], 1);
	assert_int_equal(live->used, 1); /* in its own place */
	xdp_lab_clock(*state, (NOW_S + 2 * sl_flow_life_s(3600) + 2) * 1000000000ull);
	assert_int_equal(xdp_lab_age(*state), 0);
	assert_int_equal(live->used, 0);
}

static void a_start_is_confirmed_by_its_second_packet(void **state)
{
	struct sl_xdp_flow flow;
	bool confirmed;
	uint64_t tag;

	for (int i = 0; i < ROWS; i++)
		rows[i] = SL_ROW_LOOK | 1;
	pool.table[SL_TABLE_BASE_TCP] = (const uint16_t[ROWS]){ 0 };
	assert_int_equal(publish(*state), 0);
	tag = send_from(*state, 7, SL_TCP_SYN).trace.tag;
	pool.table[SL_TABLE_BASE_TCP] = NULL;
	assert_true(xdp_lab_flow(*state, tag, &flow, &confirmed));
	assert_false(confirmed);
	assert_int_equal(flow.slot, 1);
	xdp_lab_clock(*state, (NOW_S + 3) * 1000000000ull);
	assert_int_equal(send_from(*state, 7, SL_TCP_ACK).out_port, 1);
	assert_true(xdp_lab_flow(*state, tag, &flow, &confirmed));
	assert_true(confirmed);
	assert_int_equal(flow.born_s, NOW_S); /* of the start */
	assert_int_equal(flow.seen_s, NOW_S + 3);
	assert_int_equal(flow.flags, SL_XDP_FLOW_START);
	assert_int_equal(flow.pool, 3);
	assert_int_equal(flow.row, send_from(*state, 7, SL_TCP_ACK).trace.row);
	assert_int_equal(send_from(*state, 8, SL_TCP_ACK).out_port, 0); /* nobody's: base */
}

static void counters_are_of_verdict_service_and_backend(void **state)
{
	struct sl_counter counter;

	send_from(*state, 1, SL_TCP_ACK);
	send_from(*state, 2, SL_TCP_ACK);
	assert_int_equal(xdp_lab_service_count(*state, 5, &counter), 0);
	assert_int_equal(counter.packets, 2);
	assert_int_equal(counter.bytes, 2 * 54);
	assert_int_equal(xdp_lab_backend_count(*state, 0, &counter), 0);
	assert_int_equal(counter.packets, 2);
	assert_int_equal(xdp_lab_backend_count(*state, 1, &counter), 0);
	assert_int_equal(counter.packets, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_program_of_another_layout_redirects),
		TEST(a_frame_to_another_machine_is_the_kernels),
		TEST(a_frame_leaves_by_another_interface_where_there_is_one),
		TEST(a_full_memory_is_pressure_until_it_is_counted),
		TEST(what_expired_is_not_found_and_is_deleted),
		TEST(a_start_is_confirmed_by_its_second_packet),
		TEST(counters_are_of_verdict_service_and_backend),
	};

	if (geteuid() != 0) {
		fprintf(stderr, "skipped: loading an XDP program needs root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
