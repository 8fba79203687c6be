/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interfaces that break XDP: read from real veths, judged also for hardware that is not here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "controlplane/xdp_interface.h"

#include "netns.h"

static const struct xdp_interface_use forwards = {.native = true, .forwards = true, .cpu_count = 4, .mtu_max = 3498};

/* True when exactly one finding says `part`, and `remedy` with it. */
static bool found(const struct xdp_interface *interface, const struct xdp_interface_use *use, const char *part,
		  const char *remedy)
{
	struct error_text findings[XDP_INTERFACE_FINDINGS_MAX];
	const size_t count = xdp_interface_judge(interface, use, findings);
	size_t holds = 0;

	for (size_t i = 0; i < count; i++)
		holds += strstr(findings[i].text, part) != NULL && strstr(findings[i].text, remedy) != NULL &&
			 strncmp(findings[i].text, interface->ifname, strlen(interface->ifname)) == 0;
	return holds == 1;
}

static size_t count_of(const struct xdp_interface *interface, const struct xdp_interface_use *use)
{
	struct error_text findings[XDP_INTERFACE_FINDINGS_MAX];

	return xdp_interface_judge(interface, use, findings);
}

static int attach_pass(const char *ifname)
{
	const struct bpf_insn pass[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 2},
					{.code = BPF_JMP | BPF_EXIT}};
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = 1U << 2); /* XDP_FLAGS_DRV_MODE */
	const int program = bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", pass, 2, NULL);

	assert_true(program >= 0);
	return bpf_link_create(program, (int)if_nametoindex(ifname), BPF_XDP, &opts);
}

static void offloads_that_join_packets_are_found(void **state)
{
	struct xdp_interface card = {.ifname = "eth1", .driver = "ixgbe", .lro = true};

	(void)state;
	assert_true(found(&card, &forwards, "large receive offload", "ethtool -K eth1 lro off"));
	card.lro = false;
	assert_int_equal(count_of(&card, &forwards), 0);
	card.gro_hw = true;
	card.strips_vlan = true;
	assert_true(found(&card, &forwards, "hardware joins", "ethtool -K eth1 rx-gro-hw off"));
	assert_true(found(&card, &forwards, "VLAN tags", "ethtool -K eth1 rxvlan off"));
	assert_int_equal(count_of(&card, &forwards), 2);
}

static void a_card_without_queues_for_xdp_is_found(void **state)
{
	struct xdp_interface card = {
		.ifname = "eth1", .driver = "virtio_net", .rx_queues = 8, .tx_queues = 8, .queues_max = 8};
	struct xdp_interface_use use = forwards;

	(void)state;
	assert_true(found(&card, &use, "at most 8, and 4 CPUs", "ethtool -L eth1 combined 4"));
	card.tx_queues = 4;
	assert_int_equal(count_of(&card, &use), 0);
	card.tx_queues = 8;
	use.forwards = false;
	assert_int_equal(count_of(&card, &use), 0);
}

static void a_veth_without_napi_at_its_other_end_is_found(void **state)
{
	struct xdp_interface_use use = forwards;
	struct xdp_interface veth;
	int link;

	(void)state;
	netns_run("ip link add a0 type veth peer name b0 && ip link set a0 up && ip link set b0 up");
	assert_int_equal(xdp_interface_read("a0", &veth), 0);
	assert_true(veth.is_veth);
	assert_string_equal(veth.peer, "b0");
	assert_true(found(&veth, &use, "b0, has no NAPI", "ip link set dev b0 xdpdrv"));
	use.forwards = false;
	assert_int_equal(count_of(&veth, &use), 0);
	link = attach_pass("b0");
	assert_true(link >= 0);
	assert_int_equal(xdp_interface_read("a0", &veth), 0);
	assert_int_equal(count_of(&veth, &forwards), 0);
}

static void a_veth_into_another_namespace_is_named_as_unknown(void **state)
{
	const pid_t peer = netns_peer();
	struct xdp_interface veth;

	(void)state;
	netns_run("ip link add a1 type veth peer name b1 netns %d && ip link set a1 up", (int)peer);
	assert_int_equal(xdp_interface_read("a1", &veth), 0);
	assert_true(veth.is_veth);
	assert_string_equal(veth.peer, "");
	assert_true(found(&veth, &forwards, "in another namespace", "attached natively to that end"));
}

static void queues_and_mtu_of_a_veths_other_end_are_found(void **state)
{
	struct xdp_interface veth;

	(void)state;
	netns_run("ip link add a2 type veth peer name b2 numtxqueues 4 numrxqueues 4 && ip link set a2 up && ip link "
		  "set b2 up");
	netns_run("ethtool -L b2 tx 4 && ip link set b2 mtu 9000");
	assert_int_equal(xdp_interface_read("a2", &veth), 0);
	assert_int_equal(veth.rx_queues, 1);
	assert_int_equal(veth.peer_tx_queues, 4);
	assert_true(found(&veth, &forwards, "1 receive queues, fewer than the 4", "ethtool -L b2 tx 1"));
	assert_true(found(&veth, &forwards, "MTU 9000 of its other end b2", "ip link set dev b2 mtu 3498"));
	assert_true(attach_pass("a2") < 0);                             /* the kernel refuses what was found */
	netns_run("ethtool -L b2 tx 1 && ip link set dev b2 mtu 3498"); /* the remedies */
	assert_int_equal(xdp_interface_read("a2", &veth), 0);
	assert_int_equal(count_of(&veth, &forwards), 1); /* NAPI */
	assert_true(attach_pass("a2") >= 0);
}

static void no_interface_is_no_finding(void **state)
{
	struct xdp_interface interface;

	(void)state;
	assert_int_equal(xdp_interface_read("nowhere0", &interface), -ENODEV);
	assert_int_equal(xdp_interface_read("lo", &interface), 0);
	assert_int_equal(count_of(&interface, &forwards), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offloads_that_join_packets_are_found),
		cmocka_unit_test(a_card_without_queues_for_xdp_is_found),
		cmocka_unit_test(a_veth_without_napi_at_its_other_end_is_found),
		cmocka_unit_test(a_veth_into_another_namespace_is_named_as_unknown),
		cmocka_unit_test(queues_and_mtu_of_a_veths_other_end_are_found),
		cmocka_unit_test(no_interface_is_no_finding),
	};

	netns_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
