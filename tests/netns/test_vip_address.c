/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VIP addresses and the device that carries them: who answers for a VIP, who hears of it, and what is
 * left when the forwarder or sluiced dies. The forwarder here is a small process that speaks
 * include/sluice/device.h; the neighbour is a kernel in another namespace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "controlplane/announcement.h"
#include "controlplane/dataplane_socket.h"
#include "controlplane/vip_address.h"

#include "forwarder.h"
#include "netns.h"
#include "tests/support/address.h"

#define SOCKET_PATH "/dev/shm/sluice-test-dataplane.sock"

static struct fixture {
	uv_loop_t loop;
	struct netlink *nl;
	struct links *links;
	struct vip_address *vip;
	struct dataplane_socket *socket;
	pid_t peer;
	pid_t forwarder;
	unsigned int held, adopted, lost, appeared, disappeared, trouble;
	enum dataplane_lost why;
} f;

/* ---- a forwarder -------------------------------------------------------------------------------- */

static void start_forwarder(void)
{
	f.forwarder = forwarder_start(SOCKET_PATH);
}

static void kill_forwarder(void)
{
	if (f.forwarder <= 0)
		return;
	kill(f.forwarder, SIGKILL);
	waitpid(f.forwarder, NULL, 0);
	f.forwarder = 0;
}

/* ---- a sluiced ---------------------------------------------------------------------------------- */

static void on_held(void *ctx, const char *device, bool adopted, uint64_t pid)
{
	(void)ctx;
	(void)pid;
	assert_string_equal(device, "sluice0");
	f.held++;
	f.adopted += adopted;
	vip_address_held(f.vip, true);
}

static void on_lost(void *ctx, enum dataplane_lost why)
{
	(void)ctx;
	f.lost++;
	f.why = why;
	vip_address_held(f.vip, false);
}

static void on_trouble(void *ctx, const char *text)
{
	(void)ctx;
	print_message("trouble: %s\n", text);
	f.trouble++;
}

static void on_appeared(void *ctx, const struct sl_addr *vip, const char *ifname)
{
	(void)ctx;
	(void)vip;
	(void)ifname;
	f.appeared++;
}

static void on_disappeared(void *ctx, const struct sl_addr *vip, const char *ifname)
{
	(void)ctx;
	(void)vip;
	(void)ifname;
	f.disappeared++;
}

static void start_sluiced(void)
{
	const struct vip_address_events vip_events = {
		.appeared = on_appeared, .disappeared = on_disappeared, .trouble = on_trouble};
	const struct dataplane_socket_events socket_events = {
		.held = on_held, .lost = on_lost, .trouble = on_trouble};
	const struct dataplane_socket_options options = {
		.path = SOCKET_PATH, .device = "sluice0", .group = (gid_t)-1,
		.lock_fd = -1,
	};
	const char ports[1][16] = {"v0"};
	struct error_text error = {""};

	assert_int_equal(uv_loop_init(&f.loop), 0);
	assert_int_equal(netlink_create(&f.loop, &f.nl, &error), 0);
	assert_int_equal(links_create(f.nl, &f.links, &error), 0);
	assert_int_equal(vip_address_create(f.nl, f.links, &f.loop, "sluice0", &vip_events, &f.vip, &error),
			 0);
	assert_int_equal(vip_address_ports(f.vip, ports, 1), 0);
	assert_int_equal(dataplane_socket_create(&f.loop, f.nl, &options, &socket_events, &f.socket, &error),
			 0);
}

static void stop_sluiced(void)
{
	dataplane_socket_destroy(f.socket);
	vip_address_destroy(f.vip);
	links_destroy(f.links);
	netlink_destroy(f.nl);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f.loop), 0);
}

static void set(size_t count, const char *const *texts)
{
	struct sl_addr vips[8];
	size_t i;

	for (i = 0; i < count; i++)
		vips[i] = address(texts[i]);
	assert_int_equal(vip_address_set(f.vip, vips, count), 0);
}

#define SET(...) set(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__})

static int setup(void **state)
{
	(void)state;
	memset(&f, 0, sizeof(f));
	f.peer = netns_peer();
	netns_run("ip link add v0 type veth peer name v1 && ip link set v1 netns %d", f.peer);
	netns_run(
		"ip link set v0 up; ip addr add 10.0.0.1/24 dev v0; ip addr add 2001:db8::1/64 dev v0 nodad; "
		"ip addr add 2001:db8::7/128 dev v0 nodad");
	netns_run("nsenter -t %d -n sh -c 'sysctl -qw net.ipv6.conf.v1.accept_dad=0; ip link set v1 up; "
		  "ip addr add 10.0.0.2/24 dev v1; ip addr add 2001:db8::2/64 dev v1 nodad'",
		  f.peer);
	start_sluiced();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kill_forwarder();
	stop_sluiced();
	kill(f.peer, SIGKILL);
	waitpid(f.peer, NULL, 0);
	netns_try("ip link del v0");
	return 0;
}

/* ---- what is seen ------------------------------------------------------------------------------- */

static bool count_reached(void *ctx)
{
	const unsigned int *const *pair = ctx; /* counter, value */

	return *pair[0] >= *pair[1];
}

static void wait_count(const unsigned int *counter, unsigned int value)
{
	const unsigned int *pair[2] = {counter, &value};

	if (!netns_wait(&f.loop, count_reached, pair, 6000))
		fail_msg("waited for %u, have %u", value, *counter);
}

static bool never(void *ctx)
{
	(void)ctx;
	return false;
}

static bool is_on(const char *vip, const char *ifname)
{
	return netns_try("ip addr show dev %s to %s | grep -q .", ifname, vip) == 0;
}

/* Asks as a neighbour does; true when the answer is v0's MAC. */
static bool peer_resolves(const char *vip)
{
	int i;

	netns_try("nsenter -t %d -n ip neigh replace %s dev v1 use", f.peer, vip);
	for (i = 0; i < 40; i++) {
		if (netns_try("nsenter -t %d -n ip neigh show %s dev v1 | grep -q $(cat "
			      "/sys/class/net/v0/address)",
			      f.peer, vip) == 0)
			return true;
		netns_wait(&f.loop, never, NULL, 50);
	}
	return false;
}

/* A socket that hears what arrives at the peer's v1. */
static int listen_at_peer(void)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	char path[64];
	int self, there, fd;

	self = open("/proc/self/ns/net", O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", f.peer);
	there = open(path, O_RDONLY);
	assert_int_equal(setns(there, CLONE_NEWNET), 0);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
	at.sll_ifindex = (int)if_nametoindex("v1");
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(setns(self, CLONE_NEWNET), 0);
	close(self);
	close(there);
	return fd;
}

static unsigned int heard(int fd, const char *vip)
{
	const struct sl_addr addr = address(vip);
	uint8_t expected[ANNOUNCEMENT_FRAME_MAX], frame[2048];
	const size_t len = announcement_frame(&addr, link_by_name(f.links, "v0")->mac, expected);
	unsigned int count = 0;
	ssize_t n;

	while ((n = recv(fd, frame, sizeof(frame), 0)) > 0)
		count += (size_t)n >= len && memcmp(frame, expected, len) == 0;
	return count;
}

/* ---- tests -------------------------------------------------------------------------------------- */

static void vips_are_answered_for_once_a_forwarder_holds_the_device(void **state)
{
	(void)state;
	SET("10.0.0.100", "2001:db8::100", "203.0.113.9", "2001:db8:ffff::9");
	start_forwarder();
	netns_wait(&f.loop, never, NULL, 300);
	assert_int_equal(f.held, 0); /* nothing was applied yet, so nothing is offered */
	assert_int_equal(if_nametoindex("sluice0"), 0);

	dataplane_socket_offer(f.socket);
	wait_count(&f.appeared, 4);
	assert_int_equal(f.adopted, 0);
	assert_true(is_on("10.0.0.100", "sluice0"));
	assert_true(is_on("203.0.113.9", "sluice0"));
	assert_true(is_on("2001:db8:ffff::9", "sluice0"));
	assert_true(is_on("2001:db8::100", "v0"));
	assert_false(is_on("2001:db8::100", "sluice0"));
	assert_int_not_equal(netns_try("ip -6 addr show dev sluice0 scope link | grep -q ."), 0);
	assert_true(peer_resolves("10.0.0.100"));
	assert_true(peer_resolves("2001:db8::100"));
	assert_false(peer_resolves("10.0.0.101"));
	assert_int_equal(f.trouble, 0);
}

static void the_kernel_never_takes_a_vip_as_its_own_source(void **state)
{
	(void)state;
	SET("10.0.0.100", "2001:db8::3"); /* ::3 shares a longer prefix with ::2 than ::1 does */
	start_forwarder();
	dataplane_socket_offer(f.socket);
	wait_count(&f.appeared, 2);
	assert_int_equal(netns_try("ip -6 route get 2001:db8::2 | grep -q 'src 2001:db8::3 '"), 1);
	assert_int_equal(netns_try("ip route get 10.0.0.2 | grep -q 'src 10.0.0.1 '"), 0);
}

static void a_forwarder_killed_takes_device_and_addresses_along(void **state)
{
	(void)state;
	SET("10.0.0.100", "2001:db8::100");
	start_forwarder();
	dataplane_socket_offer(f.socket);
	wait_count(&f.appeared, 2);
	kill_forwarder();
	wait_count(&f.lost, 1);
	assert_int_equal(f.why, DATAPLANE_LOST_GONE);
	netns_wait(&f.loop, never, NULL, 50); /* its appearance may still be on the way to us */
	assert_int_equal(if_nametoindex("sluice0"), 0);
	assert_false(is_on("2001:db8::100", "v0"));
	assert_true(is_on("2001:db8::1", "v0"));
	assert_true(is_on("2001:db8::7", "v0"));

	start_forwarder();
	wait_count(&f.appeared, 4);
	assert_true(is_on("10.0.0.100", "sluice0"));
	assert_true(is_on("2001:db8::100", "v0"));
}

static void a_sluiced_that_restarts_finds_everything_in_place(void **state)
{
	unsigned int ifindex;

	(void)state;
	SET("10.0.0.100", "2001:db8::100");
	start_forwarder();
	dataplane_socket_offer(f.socket);
	wait_count(&f.appeared, 2);
	ifindex = if_nametoindex("sluice0");

	stop_sluiced();
	assert_true(is_on("10.0.0.100", "sluice0"));
	assert_true(is_on("2001:db8::100", "v0"));
	f.held = f.appeared = f.disappeared = f.lost = 0;
	start_sluiced();
	wait_count(&f.held, 1); /* before anything was probed, so nothing is known of what is wanted */
	netns_wait(&f.loop, never, NULL, 100);
	assert_true(is_on("10.0.0.100", "sluice0"));
	assert_true(is_on("2001:db8::100", "v0"));
	SET("10.0.0.100", "2001:db8::100");
	assert_int_equal(f.adopted, 1);
	netns_wait(&f.loop, never, NULL, 100);
	assert_int_equal(if_nametoindex("sluice0"), ifindex);
	assert_int_equal(f.appeared, 0);
	assert_int_equal(f.disappeared, 0);
	assert_int_equal(f.lost, 0);
}

static void without_a_forwarder_what_an_earlier_sluiced_left_goes(void **state)
{
	(void)state;
	SET("2001:db8::100");
	start_forwarder();
	dataplane_socket_offer(f.socket);
	wait_count(&f.appeared, 1);
	stop_sluiced();
	kill_forwarder();
	assert_true(is_on("2001:db8::100", "v0"));
	start_sluiced();
	SET("2001:db8::100");
	wait_count(&f.lost, 1);
	assert_int_equal(f.why, DATAPLANE_LOST_ABSENT);
	assert_false(is_on("2001:db8::100", "v0"));
	assert_true(is_on("2001:db8::7", "v0"));
}

static void a_stuck_forwarder_loses_the_addresses(void **state)
{
	(void)state;
	SET("10.0.0.100", "2001:db8::100");
	start_forwarder();
	dataplane_socket_offer(f.socket);
	wait_count(&f.appeared, 2);
	kill(f.forwarder, SIGUSR1);
	wait_count(&f.lost, 1);
	assert_int_equal(f.why, DATAPLANE_LOST_STUCK);
	netns_wait(&f.loop, never, NULL, 50);
	assert_int_equal(if_nametoindex("sluice0"), 0);
	assert_false(is_on("2001:db8::100", "v0"));
}

static void a_release_takes_the_device_and_an_offer_brings_it_back(void **state)
{
	(void)state;
	SET("10.0.0.100");
	start_forwarder();
	dataplane_socket_offer(f.socket);
	wait_count(&f.appeared, 1);
	dataplane_socket_release(f.socket);
	wait_count(&f.lost, 1);
	assert_int_equal(f.why, DATAPLANE_LOST_RELEASED);
	assert_int_equal(if_nametoindex("sluice0"), 0);
	dataplane_socket_offer(f.socket);
	wait_count(&f.appeared, 2);
	assert_true(is_on("10.0.0.100", "sluice0"));
}

static void a_changed_set_changes_what_differs(void **state)
{
	(void)state;
	SET("10.0.0.100", "10.0.0.101", "2001:db8::100");
	start_forwarder();
	dataplane_socket_offer(f.socket);
	wait_count(&f.appeared, 3);
	netns_wait(&f.loop, never, NULL, 50);
	SET("10.0.0.101", "10.0.0.102");
	wait_count(&f.appeared, 4);
	assert_int_equal(f.disappeared, 2);
	assert_false(is_on("10.0.0.100", "sluice0"));
	assert_true(is_on("10.0.0.101", "sluice0"));
	assert_true(is_on("10.0.0.102", "sluice0"));
	assert_false(is_on("2001:db8::100", "v0"));

	netns_run("ip addr del 10.0.0.101/32 dev sluice0"); /* somebody's mistake */
	wait_count(&f.appeared, 5);
	assert_true(is_on("10.0.0.101", "sluice0"));

	vip_address_clear(f.vip);
	assert_false(is_on("10.0.0.101", "sluice0"));
	assert_true(is_on("10.0.0.1", "v0"));
	assert_true(is_on("2001:db8::7", "v0"));
}

static void the_network_hears_of_a_vip_that_appears_and_of_a_port_that_comes_back(void **state)
{
	unsigned int arp = 0, nd = 0;
	int fd, i;

	(void)state;
	fd = listen_at_peer();
	SET("10.0.0.100", "2001:db8::100", "203.0.113.9");
	start_forwarder();
	dataplane_socket_offer(f.socket);
	wait_count(&f.appeared, 3);
	for (i = 0; i < 26; i++) {
		netns_wait(&f.loop, never, NULL, 100);
		arp += heard(fd, "10.0.0.100");
	}
	assert_int_equal(arp, 3);

	netns_run("nsenter -t %d -n ip link set v1 down", f.peer);
	netns_wait(&f.loop, never, NULL, 100);
	heard(fd, "10.0.0.100");
	netns_run("nsenter -t %d -n ip link set v1 up", f.peer);
	for (i = 0; i < 26; i++) {
		netns_wait(&f.loop, never, NULL, 100);
		nd += heard(fd, "2001:db8::100");
	}
	assert_int_equal(nd, 3);
	close(fd);
}

static void a_setting_that_silences_arp_is_reported(void **state)
{
	const char ports[1][16] = {"v0"};

	(void)state;
	netns_run("sysctl -qw net.ipv4.conf.v0.arp_ignore=1");
	assert_int_equal(vip_address_ports(f.vip, ports, 1), 0);
	assert_int_equal(f.trouble, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(vips_are_answered_for_once_a_forwarder_holds_the_device,
						setup, teardown),
		cmocka_unit_test_setup_teardown(the_kernel_never_takes_a_vip_as_its_own_source, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_forwarder_killed_takes_device_and_addresses_along, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_sluiced_that_restarts_finds_everything_in_place, setup,
						teardown),
		cmocka_unit_test_setup_teardown(without_a_forwarder_what_an_earlier_sluiced_left_goes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_stuck_forwarder_loses_the_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(a_release_takes_the_device_and_an_offer_brings_it_back, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_changed_set_changes_what_differs, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_network_hears_of_a_vip_that_appears_and_of_a_port_that_comes_back, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_setting_that_silences_arp_is_reported, setup, teardown),
	};

	netns_enter();
	netns_run("mount -t tmpfs tmpfs /dev/shm"); /* ours alone: another run has the same paths */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
