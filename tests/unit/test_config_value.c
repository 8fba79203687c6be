/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Single values: what is read, what is refused, and that what is printed is read again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "controlplane/config_value.h"

static void durations_need_a_unit(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} good[] = { { "0s", 0 }, { "500ms", 500 }, { "2s", 2000 }, { "10m", 600000 }, { "1h", 3600000 } };
	static const char *const bad[] = { "",    "2",   "s",    "2 s",  "2S",  "1h30m",
					   "-1s", "+1s", "1.5s", "0x2s", "2min" };
	struct config_reason reason;
	char text[32];
	uint64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(config_value_duration(good[i].text, &ms, &reason));
		assert_int_equal(ms, good[i].ms);
		config_format_duration(ms, text, sizeof(text));
		assert_string_equal(text, good[i].text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(config_value_duration(bad[i], &ms, &reason));
	assert_false(config_value_duration("1.5s", &ms, &reason));
	assert_string_equal(reason.text, "is no whole number with a unit");
}

static void numbers_that_do_not_fit_are_larger_than_any_limit(void **state)
{
	static const char *const huge[] = { "18446744073709551616", "99999999999999999999999999999999",
					    "999999999999999999" };
	struct config_reason reason;
	uint64_t number;
	char text[64];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_true(config_value_number(huge[i], &number, &reason));
		assert_true(number > 1ull << 40);
		snprintf(text, sizeof(text), "%sG", huge[i]);
		assert_true(config_value_size(text, true, &number, &reason));
		assert_true(number > 1ull << 40);
		snprintf(text, sizeof(text), "%sh", huge[i]);
		assert_true(config_value_duration(text, &number, &reason));
		assert_true(number > 1ull << 40);
	}
}

static void sizes_count_in_1024(void **state)
{
	struct config_reason reason;
	uint64_t size;
	char text[32];

	(void)state;
	assert_true(config_value_size("4G", true, &size, &reason));
	assert_true(size == 4ull << 30);
	config_format_size(size, text, sizeof(text));
	assert_string_equal(text, "4G");
	assert_true(config_value_size("1000", false, &size, &reason));
	assert_int_equal(size, 1000);
	assert_false(config_value_size("1000", true, &size, &reason));
	assert_string_equal(reason.text, "has no unit: write \"1000M\" or \"1000G\"");
	assert_false(config_value_size("1k", false, &size, &reason));
	assert_false(config_value_size("M", false, &size, &reason));
}

static void names_are_safe_in_paths_and_shells(void **state)
{
	static const char *const good[] = { "a", "web-1", "10.0.0.1", "2001:db8::1", "A_b.c:d-9" };
	static const char *const bad[] = { "",     "-a",  ".a",       "a/b", "a b", "a\nb",
					   "a\"b", "a$b", "\xc3\xa4", "_a",  "a*" };
	struct config_reason reason;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(config_value_name(good[i], strlen(good[i]), &reason));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(config_value_name(bad[i], strlen(bad[i]), &reason));
	assert_false(config_value_name("a\0b", 3, &reason));
}

static void listeners_are_protocol_address_and_port(void **state)
{
	static const char *const bad[] = { "",
					   "tcp",
					   "tcp ",
					   "tcp :80",
					   "tcp 10.0.0.1",
					   "tcp 10.0.0.1:",
					   "tcp 10.0.0.1:0",
					   "tcp 10.0.0.1:65536",
					   "tcp 10.0.0.1:8o",
					   "tcp [::1",
					   "tcp []:80",
					   "tcp [2001:db8::1]80",
					   "tcp 2001:db8::1:80",
					   "icmp 10.0.0.1:80",
					   "TCP 10.0.0.1:80",
					   "tcp 10.0.0.1:80 ",
					   "tcp 10.0.0.1/32:80",
					   "tcp [10.0.0.1.2]:80" };
	struct config_reason reason;
	struct sl_addr addr;
	uint16_t port;
	uint8_t proto;
	char text[64];

	(void)state;
	assert_true(config_value_listener("udp  [2001:db8::1]:53", &proto, &addr, &port, &reason));
	assert_int_equal(proto, 17);
	assert_int_equal(port, 53);
	config_format_address(&addr, text, sizeof(text));
	assert_string_equal(text, "2001:db8::1");
	assert_true(config_value_listener("tcp 10.0.0.1:*", &proto, &addr, &port, &reason));
	assert_int_equal(proto, 6);
	assert_int_equal(port, 0);
	config_format_address(&addr, text, sizeof(text));
	assert_string_equal(text, "10.0.0.1");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(config_value_listener(bad[i], &proto, &addr, &port, &reason));
}

static void devices_are_kind_and_name(void **state)
{
	static const char *const bad[] = { "",
					   "eth1",
					   "0000:03:00.0",
					   "03:00.0",
					   "net_ring0",
					   "af_xdp:",
					   "af_xdp:a b",
					   "pci:",
					   "pci:03:00",
					   "pci:0000:03:00.0.1",
					   "pci:000g:03:00.0",
					   "pci:0000:03:00.9",
					   "pci:0000:03:00.8",
					   "pci:0000:03:20.0",
					   "pci:03:00.a",
					   "vdev:ring",
					   "vdev:",
					   "AF_XDP:eth1",
					   "af_xdp:..",
					   "af_packet:a/b" };
	struct config_reason reason;
	struct sl_port_config port = { 0 };

	(void)state;
	assert_true(config_value_device("af_xdp:eth1", &port, &reason));
	assert_int_equal(port.kind, SL_PORT_AF_XDP);
	assert_string_equal(port.device, "eth1");
	assert_true(config_value_device("pci:0000:3b:00.0", &port, &reason));
	assert_int_equal(port.kind, SL_PORT_PCI);
	assert_string_equal(port.device, "0000:3b:00.0");
	assert_true(config_value_device("pci:3B:1f.7", &port, &reason));
	assert_string_equal(port.device, "0000:3b:1f.7");
	assert_true(config_value_device("vdev:net_ring0,nodeaction=r0:0:CREATE", &port, &reason));
	assert_int_equal(port.kind, SL_PORT_VDEV);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(config_value_device(bad[i], &port, &reason));
	assert_false(config_value_device("0000:03:00.0", &port, &reason));
	assert_string_equal(reason.text, "is a PCI address without its kind: write \"pci:0000:03:00.0\"");
}

static void primes_are_told_from_products(void **state)
{
	static const uint64_t primes[] = { 2, 3, 5, 7, 101, 251, 65521, 65537, 16777213 };
	static const uint64_t products[] = { 0, 1, 4, 9, 49, 65535, 65536, 16777215, 4093ull * 4093 };

	(void)state;
	for (size_t i = 0; i < sizeof(primes) / sizeof(primes[0]); i++)
		assert_true(config_is_prime(primes[i]));
	for (size_t i = 0; i < sizeof(products) / sizeof(products[0]); i++)
		assert_false(config_is_prime(products[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_need_a_unit),
		cmocka_unit_test(numbers_that_do_not_fit_are_larger_than_any_limit),
		cmocka_unit_test(sizes_count_in_1024),
		cmocka_unit_test(names_are_safe_in_paths_and_shells),
		cmocka_unit_test(listeners_are_protocol_address_and_port),
		cmocka_unit_test(devices_are_kind_and_name),
		cmocka_unit_test(primes_are_told_from_products),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
