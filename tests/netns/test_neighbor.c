/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Next hops as the kernel has them: routes, gateways, MACs that change, neighbours that fail, netlink
 * messages that are lost. The peer lives in a namespace of its own at the other end of a veth pair.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/neighbour.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "controlplane/neighbor.h"

#include "netns.h"
#include "tests/support/address.h"

#define HOPS_MAX 64

/* What the model would keep. */
static struct fixture {
	uv_loop_t loop;
	struct netlink *nl;
	struct links *links;
	struct neighbor *neighbor;
	pid_t peer;
	struct sl_neighbor hop[HOPS_MAX];
	bool has_hop[HOPS_MAX];
	unsigned int hop_events;
	unsigned int path_events;
} f;

static void on_hop(void *ctx, const struct sl_neighbor *hop)
{
	(void)ctx;
	assert_true(hop->id < HOPS_MAX);
	f.hop[hop->id] = *hop;
	f.has_hop[hop->id] = true;
	f.hop_events++;
}

static void on_hop_gone(void *ctx, uint32_t id)
{
	(void)ctx;
	assert_true(f.has_hop[id]);
	f.has_hop[id] = false;
}

static void on_path(void *ctx, const struct neighbor_path *path)
{
	(void)ctx;
	assert_true(f.has_hop[path->neighbor]);
	f.path_events++;
}

static int setup(void **state)
{
	const struct neighbor_events events = {.hop = on_hop, .hop_gone = on_hop_gone, .path = on_path};
	const struct neighbor_port port = {.ifname = "v0", .port = 3};
	struct error_text error = {""};

	(void)state;
	memset(&f, 0, sizeof(f));
	f.peer = netns_peer();
	netns_run("ip link add v0 type veth peer name v1 && ip link set v1 netns %d", f.peer);
	netns_run("sysctl -qw net.ipv6.conf.v0.accept_dad=0 net.ipv4.neigh.v0.retrans_time_ms=50 "
		  "net.ipv4.neigh.v0.locktime=0 net.ipv4.neigh.v0.base_reachable_time_ms=300 "
		  "net.ipv4.neigh.v0.delay_first_probe_time=0 net.ipv4.neigh.v0.gc_stale_time=1");
	netns_run(
		"ip link set v0 up; ip addr add 10.0.0.1/24 dev v0; ip addr add 2001:db8::1/64 dev v0 nodad");
	netns_run("nsenter -t %d -n sh -c 'sysctl -qw net.ipv6.conf.v1.accept_dad=0; ip link set v1 address "
		  "02:00:00:00:00:11;"
		  "ip link set v1 up; ip addr add 10.0.0.2/24 dev v1; ip addr add 10.0.0.3/24 dev v1;"
		  "ip addr add 2001:db8::2/64 dev v1 nodad'",
		  f.peer);
	netns_run("ip route add 10.9.0.0/16 via 10.0.0.2; ip route add 10.8.0.0/16 via 10.0.0.2 mtu 1400");
	assert_int_equal(uv_loop_init(&f.loop), 0);
	assert_int_equal(netlink_create(&f.loop, &f.nl, &error), 0);
	assert_int_equal(links_create(f.nl, &f.links, &error), 0);
	assert_int_equal(neighbor_create(f.nl, f.links, &f.loop, &events, &f.neighbor, &error), 0);
	assert_true(f.has_hop[NEIGHBOR_NOWHERE]);
	assert_int_equal(neighbor_ports(f.neighbor, &port, 1), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	neighbor_destroy(f.neighbor);
	links_destroy(f.links);
	netlink_destroy(f.nl);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f.loop), 0);
	kill(f.peer, SIGKILL);
	waitpid(f.peer, NULL, 0);
	netns_try("ip link del v0");
	return 0;
}

static const struct neighbor_path *path_of(const char *text)
{
	const struct sl_addr addr = address(text);
	const struct neighbor_path *path = neighbor_path(f.neighbor, &addr);

	assert_non_null(path);
	return path;
}

static void set(size_t count, const char *const *texts)
{
	struct sl_addr addresses[16];
	size_t i;

	for (i = 0; i < count; i++)
		addresses[i] = address(texts[i]);
	assert_int_equal(neighbor_set(f.neighbor, addresses, count), 0);
}

#define SET(...) set(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__})

/* "10.0.0.2 has MAC ..:last" */
struct expected {
	const char *address;
	uint8_t last;
};

static bool has_mac(void *ctx)
{
	const struct expected *expected = ctx;
	const struct sl_neighbor *hop = &f.hop[path_of(expected->address)->neighbor];

	return hop->known && hop->mac[0] == 2 && hop->mac[5] == expected->last;
}

static void wait_mac(const char *text, uint8_t last)
{
	struct expected expected = {text, last};

	if (!netns_wait(&f.loop, has_mac, &expected, 8000))
		fail_msg("%s does not get the MAC that ends with %02x", text, last);
}

/* An address, and what its reason begins with; "" is none. */
struct reasoned {
	const char *address;
	const char *reason;
};

static bool has_reason(void *ctx)
{
	const struct reasoned *expected = ctx;
	const char *reason = path_of(expected->address)->reason;

	return expected->reason[0] ? strncmp(reason, expected->reason, strlen(expected->reason)) == 0
				   : !reason[0];
}

static void wait_reason(const char *text, const char *reason)
{
	struct reasoned expected = {text, reason};

	if (!netns_wait(&f.loop, has_reason, &expected, 3000))
		fail_msg("%s: reason is \"%s\", not \"%s\"", text, path_of(text)->reason, reason);
}

static bool never(void *ctx)
{
	(void)ctx;
	return false;
}

static uint16_t kernel_state(const char *text)
{
	const struct sl_addr addr = address(text);
	struct netlink_neighbor found;

	if (netlink_neighbor_get(f.nl, link_by_name(f.links, "v0")->ifindex, &addr, &found) < 0)
		return NUD_NONE;
	return found.state;
}

static bool is_failed(void *ctx)
{
	return kernel_state(ctx) == NUD_FAILED;
}

/* ---- tests -------------------------------------------------------------------------------------- */

static void an_on_link_backend_is_resolved_before_any_packet(void **state)
{
	const struct neighbor_path *path;
	const struct sl_addr source4 = address("10.0.0.1"), source6 = address("2001:db8::1");

	(void)state;
	SET("10.0.0.2", "2001:db8::2");
	wait_mac("10.0.0.2", 0x11);
	wait_mac("2001:db8::2", 0x11);
	path = path_of("10.0.0.2");
	assert_true(path->on_link);
	assert_string_equal(path->reason, "");
	assert_string_equal(path->ifname, "v0");
	assert_true(sl_addr_equal(&path->source, &source4));
	assert_int_equal(f.hop[path->neighbor].port, 3);
	assert_int_equal(f.hop[path->neighbor].mtu, 1500);
	path = path_of("2001:db8::2");
	assert_true(path->on_link);
	assert_true(sl_addr_equal(&path->source, &source6));
}

static void backends_behind_one_gateway_share_its_next_hop(void **state)
{
	(void)state;
	SET("10.9.1.1", "10.9.1.2", "10.9.200.3", "10.8.0.1");
	wait_mac("10.9.1.1", 0x11);
	assert_false(path_of("10.9.1.1")->on_link);
	assert_int_equal(path_of("10.9.1.1")->neighbor, path_of("10.9.1.2")->neighbor);
	assert_int_equal(path_of("10.9.1.1")->neighbor, path_of("10.9.200.3")->neighbor);
	assert_int_not_equal(path_of("10.9.1.1")->neighbor,
			     path_of("10.8.0.1")->neighbor); /* its route has an MTU */
	assert_int_equal(f.hop[path_of("10.8.0.1")->neighbor].mtu, 1400);
	wait_mac("10.8.0.1", 0x11);
}

static void a_next_hop_goes_with_its_last_backend_and_its_number_is_used_again(void **state)
{
	uint32_t id;

	(void)state;
	SET("10.9.1.1", "10.9.1.2");
	id = path_of("10.9.1.1")->neighbor;
	SET("10.9.1.2");
	assert_true(f.has_hop[id]);
	SET("10.0.0.3");
	assert_false(f.has_hop[id]);
	SET("10.0.0.3", "10.9.1.1");
	assert_int_equal(path_of("10.9.1.1")->neighbor, id);
}

static void a_new_mac_is_followed(void **state)
{
	(void)state;
	SET("10.0.0.2");
	wait_mac("10.0.0.2", 0x11);
	netns_run("nsenter -t %d -n sh -c 'ip link set v1 down; ip link set v1 address 02:00:00:00:00:22; ip "
		  "link set v1 up'",
		  f.peer);
	netns_try("nsenter -t %d -n ip neigh replace 10.0.0.1 dev v1 use", f.peer);
	wait_mac("10.0.0.2", 0x22);
}

static void a_failed_neighbour_keeps_its_last_mac_and_comes_back(void **state)
{
	char text[] = "10.0.0.2";
	unsigned int events;

	(void)state;
	SET("10.0.0.2");
	wait_mac("10.0.0.2", 0x11);
	events = f.hop_events;
	netns_run("nsenter -t %d -n ip addr flush dev v1", f.peer);
	netns_run("ip neigh flush dev v0");
	assert_true(netns_wait(&f.loop, is_failed, text, 8000));
	assert_true(has_mac(&(struct expected){text, 0x11}));
	assert_int_equal(f.hop_events, events);
	netns_run("nsenter -t %d -n sh -c 'ip link set v1 address 02:00:00:00:00:33; ip addr add 10.0.0.2/24 "
		  "dev v1'",
		  f.peer);
	wait_mac("10.0.0.2", 0x33);
}

static void an_operators_static_entry_stays_static(void **state)
{
	(void)state;
	netns_run("ip neigh replace 10.0.0.77 dev v0 lladdr 02:00:00:00:00:77 nud permanent");
	SET("10.0.0.77");
	wait_mac("10.0.0.77", 0x77);
	netns_wait(&f.loop, never, NULL, 1500); /* past a tick */
	assert_int_equal(kernel_state("10.0.0.77"), NUD_PERMANENT);
}

static void a_route_that_leaves_elsewhere_is_reported(void **state)
{
	(void)state;
	netns_run("ip link add o0 type veth peer name o1; ip link set o0 up; ip link set o1 up; ip addr add "
		  "10.7.0.1/24 dev o0");
	SET("10.7.0.2", "10.0.0.1", "203.0.113.1");
	wait_reason("10.7.0.2", "its route leaves by o0, which is not among interfaces:");
	assert_int_equal(path_of("10.7.0.2")->neighbor, NEIGHBOR_NOWHERE);
	wait_reason("10.0.0.1", "is an address of this machine");
	wait_reason("203.0.113.1", "no route: Network is unreachable");
	netns_run("ip route add 203.0.113.0/24 via 10.0.0.2");
	wait_reason("203.0.113.1", "");
	wait_mac("203.0.113.1", 0x11);
	netns_run("ip link del o0");
}

static void a_lost_route_keeps_the_last_way(void **state)
{
	uint32_t id;

	(void)state;
	SET("10.9.1.1");
	wait_mac("10.9.1.1", 0x11);
	id = path_of("10.9.1.1")->neighbor;
	netns_run("ip route del 10.9.0.0/16");
	wait_reason("10.9.1.1", "no route");
	assert_int_equal(path_of("10.9.1.1")->neighbor, id);
	assert_true(f.hop[id].known);
}

static bool left_first_hop(void *ctx)
{
	return path_of("10.9.1.1")->neighbor != *(uint32_t *)ctx;
}

static void a_new_gateway_is_used_once_its_mac_is_known(void **state)
{
	uint32_t id;

	(void)state;
	SET("10.9.1.1");
	wait_mac("10.9.1.1", 0x11);
	id = path_of("10.9.1.1")->neighbor;
	netns_run("ip route replace 10.9.0.0/16 via 10.0.0.9"); /* nobody there yet */
	assert_false(netns_wait(&f.loop, left_first_hop, &id, 700));
	netns_run("nsenter -t %d -n ip addr add 10.0.0.9/24 dev v1", f.peer);
	assert_true(netns_wait(&f.loop, left_first_hop, &id, 8000));
	wait_mac("10.9.1.1", 0x11);
	assert_false(f.has_hop[id]);
}

/* More changes than the socket holds, the one that matters last. */
static void lost_messages_lead_to_a_resync(void **state)
{
	(void)state;
	netns_run("ip neigh replace 10.0.0.50 dev v0 lladdr 02:00:00:00:00:50 nud permanent");
	SET("10.0.0.50");
	wait_mac("10.0.0.50", 0x50);
	netns_run("for a in $(seq 60); do for b in $(seq 250); do echo neigh replace 10.0.$a.$b dev v0 "
		  "lladdr 02:00:00:00:00:01 "
		  "nud permanent; done; done | ip -batch -");
	netns_run("ip neigh replace 10.0.0.50 dev v0 lladdr 02:00:00:00:00:51 nud permanent");
	wait_mac("10.0.0.50", 0x51);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_on_link_backend_is_resolved_before_any_packet, setup,
						teardown),
		cmocka_unit_test_setup_teardown(backends_behind_one_gateway_share_its_next_hop, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_next_hop_goes_with_its_last_backend_and_its_number_is_used_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_new_mac_is_followed, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failed_neighbour_keeps_its_last_mac_and_comes_back, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_operators_static_entry_stays_static, setup, teardown),
		cmocka_unit_test_setup_teardown(a_route_that_leaves_elsewhere_is_reported, setup, teardown),
		cmocka_unit_test_setup_teardown(a_lost_route_keeps_the_last_way, setup, teardown),
		cmocka_unit_test_setup_teardown(a_new_gateway_is_used_once_its_mac_is_known, setup, teardown),
		cmocka_unit_test_setup_teardown(lost_messages_lead_to_a_resync, setup, teardown),
	};

	netns_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
