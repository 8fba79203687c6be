/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which DPDK devices a configured port becomes, and the one line for what a machine lacks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/port_plan.h"

static const struct interface_info veth = {.rx_queues = 2, .tx_queues = 2, .mtu = 1500, .veth = true};
static const struct interface_info nic = {.rx_queues = 4, .tx_queues = 4, .mtu = 1500};

static struct sl_port_config config_of(enum sl_port_kind kind, const char *device)
{
	struct sl_port_config config = {.name = "up0", .kind = kind};

	snprintf(config.device, sizeof(config.device), "%s", device);
	return config;
}

static int plan(const struct sl_port_config *config, const struct interface_info *interface, unsigned int workers,
		struct port_plan *ret_plan, struct port_plan_error *error)
{
	const struct port_plan_request request = {
		.config = config, .interface = interface, .index = 1, .workers = workers, .root_owned = true};

	memset(error, 0, sizeof(*error));
	return port_plan_build(&request, ret_plan, error);
}

static void on_veth_each_worker_gets_a_device(void **state)
{
	const struct sl_port_config config = config_of(SL_PORT_AF_XDP, "eth1");
	struct port_plan out;
	struct port_plan_error error;

	(void)state;
	assert_int_equal(plan(&config, &veth, 2, &out, &error), 0);
	assert_int_equal(out.device_count, 2);
	assert_string_equal(out.device[0].name, "net_af_xdp64");
	assert_string_equal(out.device[0].args, "iface=eth1,start_queue=0,busy_budget=0");
	assert_string_equal(out.device[1].name, "net_af_xdp65");
	assert_string_equal(out.device[1].args, "iface=eth1,start_queue=1,busy_budget=0");
	assert_true(out.needs_steering);
	assert_false(out.kernel_path);
	assert_string_equal(out.warning, "");
}

static void on_a_nic_one_device_has_all_queues_and_spare_ones_are_mentioned(void **state)
{
	const struct sl_port_config config = config_of(SL_PORT_AF_XDP, "ens1f0");
	struct port_plan out;
	struct port_plan_error error;

	(void)state;
	assert_int_equal(plan(&config, &nic, 2, &out, &error), 0);
	assert_int_equal(out.device_count, 1);
	assert_string_equal(out.device[0].args, "iface=ens1f0,start_queue=0,queue_count=2");
	assert_non_null(strstr(out.warning, "ethtool -L ens1f0 combined 2"));
}

static void af_packet_sizes_its_frames_to_the_mtu(void **state)
{
	const struct sl_port_config config = config_of(SL_PORT_AF_PACKET, "eth1");
	struct interface_info jumbo = nic;
	struct port_plan out;
	struct port_plan_error error;

	(void)state;
	assert_int_equal(plan(&config, &nic, 2, &out, &error), 0);
	assert_string_equal(out.device[0].args, "iface=eth1,qpairs=2,framesz=2048,blocksz=4096,framecnt=512");
	assert_true(out.kernel_path);
	jumbo.mtu = 9000;
	assert_int_equal(plan(&config, &jumbo, 1, &out, &error), 0);
	assert_string_equal(out.device[0].args, "iface=eth1,qpairs=1,framesz=16384,blocksz=16384,framecnt=512");
}

static void a_vdev_is_split_at_its_first_comma(void **state)
{
	const struct sl_port_config config = config_of(SL_PORT_VDEV, "net_pcap0,rx_pcap=/a,tx_pcap=/b");
	struct port_plan out;
	struct port_plan_error error;

	(void)state;
	assert_int_equal(plan(&config, NULL, 1, &out, &error), 0);
	assert_string_equal(out.device[0].name, "net_pcap0");
	assert_string_equal(out.device[0].args, "rx_pcap=/a,tx_pcap=/b");
}

static void what_a_port_lacks_is_said_with_the_remedy(void **state)
{
	static const struct {
		enum sl_port_kind kind;
		const char *device;
		uint32_t queues, mtu;
		unsigned int workers;
		int err;
		const char *text;
	} cases[] = {
		{SL_PORT_AF_XDP, "eth1", 0, 0, 3, -ENOSPC,
		 "interface 'eth1' has 2 queues, 3 workers need one each: ethtool -L eth1 rx 3 tx 3, or create the veth "
		 "with numrxqueues 3 numtxqueues 3, or configure fewer workers"},
		{SL_PORT_AF_XDP, "eth1", 0, 9000, 2, -ENOSPC,
		 "interface 'eth1' has an MTU of 1500, 9000 is configured: ip link set eth1 mtu 9000"},
		{SL_PORT_AF_XDP, "eth1", 1, 0, 2, -ENOSPC,
		 "port 'up0' is set to 1 queues, 2 workers need one each: set queues: auto, or configure fewer workers"},
		{SL_PORT_VDEV, "crypto_null0", 0, 0, 1, -EINVAL,
		 "port 'up0': 'vdev:crypto_null0' names no DPDK network driver: net_ring0, net_pcap0,... are such"},
		{SL_PORT_VDEV, "net_ring0", 0, 65535, 1, -ENOSPC,
		 "port 'up0' is set to an MTU of 65535; 9600 is possible"},
		{SL_PORT_PCI, "vdev:net_pcap0,tx_pcap=/a", 0, 0, 1, -EINVAL,
		 "port 'up0': 'pci:vdev:net_pcap0,tx_pcap=/a' is no PCI address as in pci:0000:3b:00.0"},
		{SL_PORT_PCI, "0000:3b:00.0,mprq_en=1", 0, 0, 1, -EINVAL,
		 "port 'up0': 'pci:0000:3b:00.0,mprq_en=1' is no PCI address as in pci:0000:3b:00.0"},
		{SL_PORT_PCI, "0000:3b:00.9", 0, 0, 1, -EINVAL,
		 "port 'up0': 'pci:0000:3b:00.9' is no PCI address as in pci:0000:3b:00.0"},
		{SL_PORT_AF_XDP, "a,xdp_prog=/b", 0, 0, 1, -EINVAL,
		 "port 'up0': a comma in the name of interface 'a,xdp_prog=/b' would be read as an option of DPDK: "
		 "ip link set dev 'a,xdp_prog=/b' name another"},
		{SL_PORT_KIND_COUNT, "x", 0, 0, 1, -EINVAL, "port 'up0' is of kind 5, which this sluice-dp does not know"},
	};
	struct port_plan out;
	struct port_plan_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_port_config config = config_of(cases[i].kind, cases[i].device);

		config.queues = cases[i].queues;
		config.mtu = cases[i].mtu;
		assert_int_equal(plan(&config, &veth, cases[i].workers, &out, &error), cases[i].err);
		assert_string_equal(error.text, cases[i].text);
	}
}

static void af_xdp_refuses_frames_longer_than_a_page(void **state)
{
	const struct sl_port_config config = config_of(SL_PORT_AF_XDP, "eth1");
	struct interface_info jumbo = veth;
	struct port_plan out;
	struct port_plan_error error;

	(void)state;
	jumbo.mtu = 9000;
	assert_int_equal(plan(&config, &jumbo, 2, &out, &error), -ENOSPC);
	assert_non_null(strstr(error.text, "AF_XDP can carry"));
}

static void a_vdev_of_a_configuration_that_is_not_roots_is_refused(void **state)
{
	const struct sl_port_config config = config_of(SL_PORT_VDEV, "net_null0");
	const struct port_plan_request request = {.config = &config, .workers = 1, .root_owned = false};
	struct port_plan out;
	struct port_plan_error error;

	(void)state;
	assert_int_equal(port_plan_build(&request, &out, &error), -EPERM);
	assert_non_null(strstr(error.text, "only a configuration that root owns"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_veth_each_worker_gets_a_device),
		cmocka_unit_test(on_a_nic_one_device_has_all_queues_and_spare_ones_are_mentioned),
		cmocka_unit_test(af_packet_sizes_its_frames_to_the_mtu),
		cmocka_unit_test(a_vdev_is_split_at_its_first_comma),
		cmocka_unit_test(what_a_port_lacks_is_said_with_the_remedy),
		cmocka_unit_test(af_xdp_refuses_frames_longer_than_a_page),
		cmocka_unit_test(a_vdev_of_a_configuration_that_is_not_roots_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
