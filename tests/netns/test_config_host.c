/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is learnt of a machine for the checks of a configuration: networks of addresses and of routes
 * without a gateway, and who owns the file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controlplane/config_host.h"

#include "netns.h"

/* True when the network `prefix`/`len` of that interface is known. */
static bool knows(const struct config_host *host, const char *ifname, const char *prefix, unsigned int len)
{
	struct sl_addr addr;
	struct in_addr v4;

	if (inet_pton(AF_INET, prefix, &v4) == 1) {
		addr = sl_addr_from_v4(v4.s_addr);
		len += 96;
	} else {
		assert_int_equal(inet_pton(AF_INET6, prefix, addr.b), 1);
	}
	for (size_t i = 0; i < host->network_count; i++)
		if (strcmp(host->networks[i].ifname, ifname) == 0 && host->networks[i].prefix_len == len &&
		    sl_addr_equal(&host->networks[i].prefix, &addr))
			return true;
	return false;
}

static void networks_are_those_of_addresses_and_of_routes_without_a_gateway(void **state)
{
	struct config_host *host = NULL;

	(void)state;
	netns_run("ip link add eth1 type veth peer name far && ip link set eth1 up && ip link set far up");
	netns_run("ip addr add 192.0.2.9/24 dev eth1 && ip addr add 198.51.100.1/32 dev eth1");
	netns_run("ip -6 addr add 2001:db8:1::9/64 dev eth1 nodad");
	netns_run("ip route add 10.20.0.0/16 dev eth1 && ip route add 10.30.0.0/16 via 192.0.2.1");
	netns_run("ip -6 route add 2001:db8:2::/48 dev eth1 && ip -6 route add 2001:db8:3::/48 via "
		  "2001:db8:1::1");
	assert_int_equal(config_host_read("/dev/null", &host), 0);
	assert_true(knows(host, "eth1", "192.0.2.0", 24));
	assert_true(knows(host, "eth1", "10.20.0.0", 16));
	assert_true(knows(host, "eth1", "2001:db8:1::", 64));
	assert_true(knows(host, "eth1", "2001:db8:2::", 48));
	assert_false(knows(host, "eth1", "10.30.0.0", 16));
	assert_false(knows(host, "eth1", "2001:db8:3::", 48));
	for (size_t i = 0; i < host->network_count; i++) {
		assert_string_equal(host->networks[i].ifname, "eth1"); /* far has only a link-local address */
		assert_true(host->networks[i].prefix_len < 128);
	}
	assert_int_equal(host->network_count, 4);
	assert_true(host->cpu_count >= 1);
	config_host_free(host);
}

static bool is_root_owned(const char *path)
{
	struct config_host *host = NULL;
	bool owned;

	assert_int_equal(config_host_read(path, &host), 0);
	owned = host->file_root_owned;
	config_host_free(host);
	return owned;
}

static void a_file_that_others_may_write_is_not_roots(void **state)
{
	char path[] = "/tmp/sluice-config-host-XXXXXX";
	const int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0644), 0);
	assert_true(is_root_owned(path));
	assert_int_equal(fchmod(fd, 0664), 0);
	assert_false(is_root_owned(path));
	assert_int_equal(fchmod(fd, 0646), 0);
	assert_false(is_root_owned(path));
	assert_int_equal(fchmod(fd, 0644), 0);
	assert_int_equal(fchown(fd, 65534, 0), 0);
	assert_false(is_root_owned(path));
	close(fd);
	unlink(path);
	assert_false(is_root_owned(path));
	assert_false(is_root_owned("/dev/null"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(networks_are_those_of_addresses_and_of_routes_without_a_gateway),
		cmocka_unit_test(a_file_that_others_may_write_is_not_roots),
	};

	netns_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
