/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The steering program, packet by packet through BPF_PROG_TEST_RUN, and its loader: attaching, adopting
 * after a crash, refusing, cleaning up, and libxdp finding its way to xsks_map.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <xdp/xsk.h>

#include "controlplane/steering.h"

#include "netns.h"
#include "steering_packet.h"

#define BPFFS    "/sys/fs/bpf"
#define INSTANCE "test.1"

/* ---- frames ------------------------------------------------------------------------------------- */

/* clang-format off */
static const struct packet_case cases[] = {
	{ "TCP to an IPv4 VIP", "192.0.2.10", .proto = IPPROTO_TCP, .dport = 80, .action = XDP_DROP },
	{ "TCP to the VIP's ssh", "192.0.2.10", .proto = IPPROTO_TCP, .dport = 22, .action = XDP_DROP },
	{ "UDP behind a VLAN tag", "192.0.2.10", 1, .proto = IPPROTO_UDP, .dport = 53, .action = XDP_DROP },
	{ "two VLAN tags are the kernel's", "192.0.2.10", 2, .proto = IPPROTO_UDP, .dport = 53, .action = XDP_PASS },
	{ "echo to a VIP", "192.0.2.10", .proto = IPPROTO_ICMP, .icmp_type = 8, .action = XDP_DROP },
	{ "another address of the network", "192.0.2.11", .proto = IPPROTO_TCP, .dport = 80, .action = XDP_PASS },
	{ "TCP to an IPv6 VIP", "2001:db8::10", .proto = IPPROTO_TCP, .dport = 443, .action = XDP_DROP },
	{ "IPv6 with extension headers", "2001:db8::10", .proto = IPPROTO_DSTOPTS, .action = XDP_DROP },
	{ "an IPv6 VIP behind a VLAN tag", "2001:db8::10", 1, .proto = IPPROTO_TCP, .action = XDP_DROP },
	{ "echo to an IPv6 VIP", "2001:db8::10", .proto = IPPROTO_ICMPV6, .icmp_type = 128, .action = XDP_DROP },
	{ "packet too big to an IPv6 VIP", "2001:db8::10", .proto = IPPROTO_ICMPV6, .icmp_type = 2, .action = XDP_DROP },
	{ "router solicitation", "2001:db8::10", .proto = IPPROTO_ICMPV6, .icmp_type = 133, .action = XDP_PASS },
	{ "neighbour solicitation", "2001:db8::10", .proto = IPPROTO_ICMPV6, .icmp_type = 135, .action = XDP_PASS },
	{ "neighbour advertisement", "2001:db8::10", .proto = IPPROTO_ICMPV6, .icmp_type = 136, .action = XDP_PASS },
	{ "redirect", "2001:db8::10", .proto = IPPROTO_ICMPV6, .icmp_type = 137, .action = XDP_PASS },
	{ "multicast", "ff02::1", .proto = IPPROTO_ICMPV6, .icmp_type = 135, .action = XDP_PASS },
	{ "an ARP frame with a VIP where IPv4 has its destination", "192.0.2.10", .ethertype = 0x0806, .action = XDP_PASS },
	{ "half an Ethernet header", "192.0.2.10", .proto = IPPROTO_TCP, .cut = 14, .action = XDP_PASS },
	{ "an IPv4 header one byte short", "192.0.2.10", .proto = IPPROTO_TCP, .cut = 33, .action = XDP_PASS },
	{ "an IPv4 header and no more", "192.0.2.10", .proto = IPPROTO_TCP, .cut = 34, .action = XDP_DROP },
	{ "an IPv6 header one byte short", "2001:db8::10", .proto = IPPROTO_TCP, .cut = 53, .action = XDP_PASS },
	{ "an IPv6 header and no more", "2001:db8::10", .proto = IPPROTO_TCP, .cut = 54, .action = XDP_DROP },
	{ "a tag and no more", "192.0.2.10", 1, .proto = IPPROTO_TCP, .cut = 18, .action = XDP_PASS },
	{ "kernel VIP, a listener", "192.0.2.20", .proto = IPPROTO_TCP, .dport = 80, .action = XDP_DROP },
	{ "kernel VIP, the same port of UDP", "192.0.2.20", .proto = IPPROTO_UDP, .dport = 80, .action = XDP_PASS },
	{ "kernel VIP, ssh", "192.0.2.20", .proto = IPPROTO_TCP, .dport = 22, .action = XDP_PASS },
	{ "kernel VIP, echo", "192.0.2.20", .proto = IPPROTO_ICMP, .icmp_type = 8, .action = XDP_DROP },
	{ "kernel VIP, a listener on all ports", "2001:db8::20", .proto = IPPROTO_UDP, .dport = 999, .action = XDP_DROP },
	{ "kernel VIP, nonsense behind the IP header", "192.0.2.20", .proto = IPPROTO_TCP, .cut = 36, .action = XDP_PASS },
	{ "kernel VIP, another protocol", "2001:db8::20", .proto = IPPROTO_TCP, .dport = 999, .action = XDP_PASS },
	{ "kernel VIP, solicitation", "2001:db8::20", .proto = IPPROTO_ICMPV6, .icmp_type = 135, .action = XDP_PASS },
	{ "broadcast frame to a VIP", "192.0.2.10", 0, PACKET_TO_ALL, .proto = IPPROTO_TCP, .dport = 80, .action = XDP_DROP },
	{ "multicast frame to a VIP", "2001:db8::10", 0, PACKET_TO_GROUP, .proto = IPPROTO_UDP, .action = XDP_DROP },
	{ "another machine's frame", "192.0.2.10", 0, PACKET_TO_NEXT, .proto = IPPROTO_TCP, .action = XDP_PASS },
	{ "another machine's, with a tag", "2001:db8::10", 1, PACKET_TO_ANOTHER, .proto = IPPROTO_TCP, .action = XDP_PASS },
	{ "another machine's echo", "192.0.2.10", 0, PACKET_TO_NEXT, .proto = IPPROTO_ICMP, .icmp_type = 8, .action = XDP_PASS },
	{ "too big about a tunnel", "192.0.2.254", .proto = IPPROTO_ICMP, .icmp_type = 3, .quoted_proto = IPPROTO_IPIP, .action = XDP_DROP },
	{ "the same behind a VLAN tag", "192.0.2.254", 1, .proto = IPPROTO_ICMP, .icmp_type = 3, .quoted_proto = IPPROTO_IPV6, .action = XDP_DROP },
	{ "too big about an IPv6 tunnel", "2001:db8::fe", .proto = IPPROTO_ICMPV6, .icmp_type = 2, .quoted_proto = IPPROTO_IPV6, .action = XDP_DROP },
	{ "too big about four in six", "2001:db8::fe", .proto = IPPROTO_ICMPV6, .icmp_type = 2, .quoted_proto = IPPROTO_IPIP, .action = XDP_DROP },
	{ "unreachable about a tunnel", "2001:db8::fe", .proto = IPPROTO_ICMPV6, .icmp_type = 1, .quoted_proto = IPPROTO_IPV6, .action = XDP_DROP },
	{ "unreachable about ssh", "192.0.2.254", .proto = IPPROTO_ICMP, .icmp_type = 3, .quoted_proto = IPPROTO_TCP, .action = XDP_PASS },
	{ "too big about an own IPv6 packet", "2001:db8::fe", .proto = IPPROTO_ICMPV6, .icmp_type = 2, .quoted_proto = IPPROTO_UDP, .action = XDP_PASS },
	{ "about another's tunnel", "192.0.2.254", .proto = IPPROTO_ICMP, .icmp_type = 3, .quoted_proto = IPPROTO_IPIP, .quoted_src = "192.0.2.253", .action = XDP_PASS },
	{ "about a tunnel, to no source of ours", "192.0.2.253", .proto = IPPROTO_ICMP, .icmp_type = 3, .quoted_proto = IPPROTO_IPIP, .action = XDP_PASS },
	{ "about a tunnel, another machine's frame", "192.0.2.254", 0, PACKET_TO_NEXT, .proto = IPPROTO_ICMP, .icmp_type = 3, .quoted_proto = IPPROTO_IPIP, .action = XDP_PASS },
	{ "about a tunnel, the quote cut off", "192.0.2.254", .proto = IPPROTO_ICMP, .icmp_type = 3, .quoted_proto = IPPROTO_IPIP, .cut = 61, .action = XDP_PASS },
	{ "a source of tunnels answers echo itself", "192.0.2.254", .proto = IPPROTO_ICMP, .icmp_type = 8, .action = XDP_PASS },
	{ "a source of tunnels solicited", "2001:db8::fe", .proto = IPPROTO_ICMPV6, .icmp_type = 135, .action = XDP_PASS },
	{ "a source of tunnels has ssh", "192.0.2.254", .proto = IPPROTO_TCP, .dport = 22, .action = XDP_PASS },
	{ "kernel VIP, another machine's frame", "2001:db8::20", 0, PACKET_TO_NEXT, .proto = IPPROTO_UDP, .action = XDP_PASS },
};
/* clang-format on */
static const struct packet_case for_another = {"another machine's", "192.0.2.10", 0, PACKET_TO_NEXT,
					       .proto = IPPROTO_TCP, .dport = 80};

/* ---- fixture ------------------------------------------------------------------------------------ */

static void add_vips(struct steering *steering)
{
	const struct sl_vip vips[] = {
		{.addr = packet_address("192.0.2.10")},
		{.addr = packet_address("2001:db8::10"), .otherwise = SL_OTHERWISE_REJECT},
		{.addr = packet_address("192.0.2.20"), .otherwise = SL_OTHERWISE_KERNEL},
		{.addr = packet_address("2001:db8::20"), .otherwise = SL_OTHERWISE_KERNEL},
	};
	const struct sl_listener listeners[] = {
		{.addr = packet_address("192.0.2.20"), .port = htons(80), .proto = IPPROTO_TCP, .service = 7},
		{.addr = packet_address("2001:db8::20"), .port = 0, .proto = IPPROTO_UDP, .service = 8},
	};

	struct sl_addr sources[] = {packet_address("2001:db8::fe"), packet_address("192.0.2.254"), packet_address("2001:db8::fe")};

	assert_int_equal(steering_vips_keep(steering, vips, 4), 0);
	assert_int_equal(steering_listeners_keep(steering, listeners, 2), 0);
	assert_int_equal(steering_vips_add(steering, vips, 4), 0);
	assert_int_equal(steering_listeners_add(steering, listeners, 2), 0);
	assert_int_equal(steering_sources_set(steering, sources, 3), 0);
}

static struct steering *create(void)
{
	struct error_text error = {""};
	struct steering *steering = NULL;
	bool private;

	if (steering_create(BPFFS, INSTANCE, &steering, &private, &error) < 0)
		fail_msg("%s", error.text);
	return steering;
}

static struct steering_port attach(struct steering *steering, const char *ifname)
{
	struct error_text error = {""};
	struct steering_port port;

	if (steering_attach(steering, ifname, 0, STEERING_NATIVE_ONLY, &port, &error) < 0)
		fail_msg("%s", error.text);
	return port;
}

static int setup(void **state)
{
	(void)state;
	netns_run("ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up");
	netns_run("ip link add w.100 numrxqueues 2 numtxqueues 2 type veth peer name w1");
	netns_run("ip link set w.100 up && ip link set w1 up");
	return 0;
}

static int teardown(void **state)
{
	struct steering *steering = create();

	(void)state;
	steering_detach_all(steering);
	steering_destroy(steering);
	netns_run("ip link del v0; ip link del w.100");
	return 0;
}

/* ---- tests -------------------------------------------------------------------------------------- */

static void each_packet_goes_where_the_table_says(void **state)
{
	struct steering *steering = create();
	uint64_t counters[SL_STEERING_COUNTER_COUNT], dropped = 0, passed = 0;
	size_t i;

	(void)state;
	attach(steering, "v0");
	add_vips(steering);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (packet_action("v0", &cases[i]) != cases[i].action)
			fail_msg("%s: action is not %d", cases[i].name, cases[i].action);
		dropped += cases[i].action == XDP_DROP;
		passed += cases[i].action == XDP_PASS;
	}
	assert_int_equal(steering_counters(steering, "v0", counters), 0);
	assert_true(counters[SL_STEERING_PASSED] >= passed); /* the kernel's own chatter passes too */
	assert_int_equal(counters[SL_STEERING_DROPPED_NO_SOCKET], dropped);
	assert_int_equal(counters[SL_STEERING_REDIRECTED], 0);
	steering_destroy(steering);
}

static void a_vip_that_is_no_longer_listed_is_the_kernels(void **state)
{
	const struct sl_vip left = {.addr = packet_address("2001:db8::10")};
	struct steering *steering = create();

	(void)state;
	attach(steering, "v0");
	add_vips(steering);
	assert_int_equal(packet_action("v0", &cases[0]), XDP_DROP);
	assert_int_equal(steering_vips_keep(steering, &left, 1), 0);
	assert_int_equal(packet_action("v0", &cases[0]), XDP_PASS);
	assert_int_equal(packet_action("v0", &cases[6]), XDP_DROP);
	assert_int_equal(steering_vips_keep(steering, NULL, 0), 0);
	assert_int_equal(packet_action("v0", &cases[6]), XDP_PASS);
	steering_destroy(steering);
}

static void a_source_without_tunnels_has_its_errors_back(void **state)
{
	const struct packet_case error = {"too big", "192.0.2.254", .proto = IPPROTO_ICMP, .icmp_type = 3,
					  .quoted_proto = IPPROTO_IPIP};
	struct sl_addr other = packet_address("2001:db8::fe");
	struct steering *steering = create();

	(void)state;
	attach(steering, "v0");
	add_vips(steering);
	assert_int_equal(packet_action("v0", &error), XDP_DROP);
	assert_int_equal(steering_sources_set(steering, &other, 1), 0);
	assert_int_equal(packet_action("v0", &error), XDP_PASS);
	assert_int_equal(steering_sources_set(steering, NULL, 0), 0);
	steering_destroy(steering);
}

static void a_restart_adopts_what_a_crash_left(void **state)
{
	struct steering *steering;
	struct steering_port port;
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) { /* the sluiced that dies: no clean-up runs */
		steering = create();
		attach(steering, "v0");
		attach(steering, "w.100");
		add_vips(steering);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(packet_action("v0", &cases[0]), XDP_DROP);

	steering = create();
	assert_int_equal(packet_action("v0", &cases[0]), XDP_DROP);
	port = attach(steering, "v0");
	assert_true(port.adopted);
	assert_false(port.generic);
	assert_int_equal(packet_action("v0", &cases[0]),
			 XDP_DROP); /* VIPs are still there before anybody says so */
	add_vips(steering);

	assert_int_equal(packet_action("w.100", &cases[0]), XDP_DROP);
	steering_detach_others(steering); /* w.100 is not configured any more */
	assert_int_equal(bpf_xdp_query_id((int)if_nametoindex("w.100"), 0, &port.program_id), 0);
	assert_int_equal(port.program_id, 0);
	assert_int_equal(packet_action("v0", &cases[0]), XDP_DROP);
	steering_destroy(steering);
}

static void a_clean_stop_leaves_nothing(void **state)
{
	struct steering *steering = create();
	uint32_t id = 1;

	(void)state;
	attach(steering, "v0");
	add_vips(steering);
	steering_detach_all(steering);
	steering_destroy(steering);
	assert_int_equal(bpf_xdp_query_id((int)if_nametoindex("v0"), 0, &id), 0);
	assert_int_equal(id, 0);
	assert_int_equal(access(BPFFS "/sluice/test:1", F_OK), -1);
}

static void an_interface_made_anew_is_attached_anew(void **state)
{
	struct steering *steering = create();

	(void)state;
	attach(steering, "v0");
	steering_destroy(steering);
	netns_run("ip link del v0; ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 "
		  "up");
	steering = create();
	assert_false(attach(steering, "v0").adopted);
	add_vips(steering);
	assert_int_equal(packet_action("v0", &cases[0]), XDP_DROP);
	steering_destroy(steering);
}

static void attaching_again_follows_the_interface(void **state)
{
	struct steering *steering = create();
	uint32_t id;

	(void)state;
	id = attach(steering, "v0").program_id;
	add_vips(steering);
	assert_true(attach(steering, "v0").adopted);
	assert_int_equal(attach(steering, "v0").program_id, id);
	netns_run("ip link del v0; ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 "
		  "up");
	assert_false(attach(steering, "v0").adopted);
	assert_int_equal(packet_action("v0", &cases[0]), XDP_DROP);
	steering_destroy(steering);
}

/* The frames' MAC addresses are the interface's at each time. */
static void a_changed_mac_is_followed(void **state)
{
	struct steering *steering = create();
	uint64_t before[SL_STEERING_COUNTER_COUNT], after[SL_STEERING_COUNTER_COUNT];

	(void)state;
	netns_run("ip link set v0 address 02:00:00:00:00:10");
	attach(steering, "v0");
	add_vips(steering);
	assert_int_equal(steering_counters(steering, "v0", before), 0);
	assert_int_equal(packet_action("v0", &for_another), XDP_PASS);
	assert_int_equal(steering_counters(steering, "v0", after), 0);
	assert_true(after[SL_STEERING_PASSED] > before[SL_STEERING_PASSED]);
	assert_int_equal(after[SL_STEERING_DROPPED_NO_SOCKET], before[SL_STEERING_DROPPED_NO_SOCKET]);
	netns_run("ip link set v0 address 02:00:00:00:00:11"); /* what for_another had */
	assert_true(attach(steering, "v0").adopted);
	assert_int_equal(packet_action("v0", &cases[0]), XDP_DROP);
	assert_int_equal(packet_action("v0", &for_another), XDP_PASS); /* to 10 now */
	steering_destroy(steering);

	netns_run("ip link set v0 address 02:00:00:00:00:12"); /* while no sluiced runs */
	steering = create();
	assert_true(attach(steering, "v0").adopted);
	assert_int_equal(packet_action("v0", &cases[0]), XDP_DROP);
	assert_int_equal(packet_action("v0", &for_another), XDP_PASS);
	steering_destroy(steering);
}

static void pins_without_a_mac_are_adopted_and_get_one(void **state)
{
	struct steering *steering = create();

	(void)state;
	attach(steering, "v0");
	add_vips(steering);
	steering_destroy(steering);
	assert_int_equal(unlink(BPFFS "/sluice/test:1/v0/mac"), 0); /* as an older sluiced would have left them */
	steering = create();
	assert_true(attach(steering, "v0").adopted);
	assert_int_equal(access(BPFFS "/sluice/test:1/v0/mac", F_OK), 0);
	assert_int_equal(packet_action("v0", &cases[0]), XDP_DROP);
	assert_int_equal(packet_action("v0", &for_another), XDP_PASS);
	steering_destroy(steering);
}

static void an_interface_without_a_mac_takes_every_frame(void **state)
{
	struct steering *steering = create();
	struct error_text error;

	(void)state;
	netns_run("ip link set lo mtu 1500");
	assert_int_equal(steering_attach(steering, "lo", 0, STEERING_GENERIC, NULL, &error), 0);
	add_vips(steering);
	assert_int_equal(packet_action("lo", &for_another), XDP_DROP);
	assert_int_equal(steering_detach(steering, "lo"), 0);
	netns_run("ip link set lo mtu 65536");
	steering_destroy(steering);
}

static void refusals_name_cause_and_remedy(void **state)
{
	struct steering *steering = create();
	struct error_text error = {""};
	struct steering_port port;

	(void)state;
	assert_int_equal(steering_attach(steering, "nope0", 0, STEERING_NATIVE_ONLY, &port, &error), -ENODEV);
	assert_non_null(strstr(error.text, "no such interface"));

	netns_run("ip link set v0 mtu 9000");
	assert_int_equal(steering_attach(steering, "v0", 0, STEERING_NATIVE_ONLY, &port, &error), -ERANGE);
	assert_non_null(strstr(error.text, "ip link set dev v0 mtu 3498"));
	netns_run("ip link set v0 mtu 1500 && ip link set v1 mtu 9000");
	assert_int_equal(steering_attach(steering, "v0", 0, STEERING_NATIVE_ONLY, &port, &error), -ERANGE);
	assert_non_null(strstr(error.text, "peer"));
	netns_run("ip link set v1 mtu 1500");

	netns_run("ip link add q0 numrxqueues 1 numtxqueues 2 type veth peer name q1 numtxqueues 2 "
		  "numrxqueues 2; ip link set q0 up; ip link set q1 up");
	assert_int_equal(steering_attach(steering, "q0", 0, STEERING_NATIVE_ONLY, &port, &error), -ENOSPC);
	assert_non_null(strstr(error.text, "ethtool -L q0"));
	netns_run("ip link del q0");

	assert_int_equal(steering_attach(steering, "lo", 0, STEERING_NATIVE_ONLY, &port, &error),
			 -ERANGE); /* 65536 */
	netns_run("ip link set lo mtu 1500");
	assert_int_equal(steering_attach(steering, "lo", 0, STEERING_NATIVE_ONLY, &port, &error), -EOPNOTSUPP);
	assert_int_equal(steering_attach(steering, "lo", 0, STEERING_NATIVE_OR_GENERIC, &port, &error), 0);
	assert_true(port.generic);
	assert_int_equal(steering_detach(steering, "lo"), 0);
	netns_run("ip link set lo mtu 65536");
	steering_destroy(steering);
}

static void another_program_is_left_alone_and_named(void **state)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	const int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "somebody_elses", "GPL", pass, 2, NULL);
	struct steering *steering = create();
	struct error_text error = {""};
	const int ifindex = (int)if_nametoindex("v0");
	uint32_t before, after;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(bpf_xdp_attach(ifindex, fd, 0, NULL), 0);
	assert_int_equal(bpf_xdp_query_id(ifindex, 0, &before), 0);
	assert_int_equal(steering_attach(steering, "v0", 0, STEERING_NATIVE_ONLY, NULL, &error), -EBUSY);
	assert_non_null(strstr(error.text, "\"somebody_elses\""));
	assert_int_equal(bpf_xdp_query_id(ifindex, 0, &after), 0);
	assert_int_equal(before, after);
	assert_int_equal(bpf_xdp_detach(ifindex, 0, NULL), 0);
	close(fd);
	steering_destroy(steering);
}

/* The way that DPDK's net_af_xdp takes: no flag that inhibits the program. */
static void libxdp_adds_its_socket_to_our_program(void **state)
{
	const struct xsk_socket_config config = {
		.rx_size = 64,
		.tx_size = 64,
		.bind_flags = XDP_COPY,
		.xdp_flags = 0,
		.libbpf_flags = 0,
	};
	struct steering *steering = create();
	const uint64_t size = 256 * 4096;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons completion, rx;
	struct xsk_socket *xsk;
	struct xsk_umem *umem;
	struct steering_port port;
	uint32_t id = 0;
	void *area;

	(void)state;
	port = attach(steering, "v0");
	add_vips(steering);
	area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(xsk_umem__create(&umem, area, size, &fill, &completion, NULL), 0);
	assert_int_equal(xsk_socket__create(&xsk, "v0", 0, umem, &rx, &tx, &config), 0);

	assert_int_equal(bpf_xdp_query_id((int)if_nametoindex("v0"), 0, &id), 0);
	assert_int_equal(id, port.program_id);
	assert_int_equal(packet_action("v0", &cases[0]), XDP_REDIRECT);
	assert_int_equal(packet_action("v0", &cases[5]), XDP_PASS);

	steering_destroy(steering); /* sluiced restarts: the socket stays where it is */
	steering = create();
	assert_true(attach(steering, "v0").adopted);
	assert_int_equal(packet_action("v0", &cases[0]), XDP_REDIRECT);

	xsk_socket__delete(xsk); /* sluice-dp goes: dropped, and the program stays */
	xsk_umem__delete(umem);
	munmap(area, size);
	assert_int_equal(packet_action("v0", &cases[0]), XDP_DROP);
	steering_destroy(steering);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_packet_goes_where_the_table_says, setup, teardown),
		cmocka_unit_test_setup_teardown(a_vip_that_is_no_longer_listed_is_the_kernels, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_source_without_tunnels_has_its_errors_back, setup, teardown),
		cmocka_unit_test_setup_teardown(a_restart_adopts_what_a_crash_left, setup, teardown),
		cmocka_unit_test_setup_teardown(a_clean_stop_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(an_interface_made_anew_is_attached_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(attaching_again_follows_the_interface, setup, teardown),
		cmocka_unit_test_setup_teardown(a_changed_mac_is_followed, setup, teardown),
		cmocka_unit_test_setup_teardown(pins_without_a_mac_are_adopted_and_get_one, setup, teardown),
		cmocka_unit_test_setup_teardown(an_interface_without_a_mac_takes_every_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(refusals_name_cause_and_remedy, setup, teardown),
		cmocka_unit_test_setup_teardown(another_program_is_left_alone_and_named, setup, teardown),
		cmocka_unit_test_setup_teardown(libxdp_adds_its_socket_to_our_program, setup, teardown),
	};

	netns_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
