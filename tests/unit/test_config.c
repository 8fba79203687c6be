/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a configuration file becomes: both example files of the documentation, defaults, short forms.
 * Wrong files are data: tests/conformance/config.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controlplane/config.h"
#include "tests/support/address.h"

/* The configuration of `text`, which must be right. */
static struct config *load_text(const char *text)
{
	struct config *config = NULL;
	struct config_errors *errors = NULL;
	int err = config_load_text("test.yaml", text, strlen(text), NULL, &config, &errors);

	if (err)
		config_errors_print(errors, stderr);
	assert_int_equal(err, 0);
	config_errors_free(errors);
	return config;
}

static struct config *load_example(const char *name)
{
	struct config *config = NULL;
	struct config_errors *errors = NULL;
	char path[4096];

	snprintf(path, sizeof(path), "%s/docs/examples/%s", getenv("SLUICE_SOURCE"), name);
	assert_int_equal(config_load(path, NULL, &config, &errors), 0);
	assert_int_equal(config_errors_count(errors), 0);
	config_errors_free(errors);
	return config;
}

static void the_short_example_makes_a_pool_named_like_the_service(void **state)
{
	struct config *config = load_example("short.yaml");
	const struct sl_addr vip = address("192.0.2.10"), third = address("192.0.2.23");

	(void)state;
	assert_int_equal(config->interface_count, 1);
	assert_int_equal(config->boot.port_count, 1);
	assert_int_equal(config->boot.port[0].kind, SL_PORT_AF_XDP);
	assert_string_equal(config->boot.port[0].name, "eth1");
	assert_string_equal(config->interfaces[0].ifname, "eth1");
	assert_int_equal(config->service_count, 1);
	assert_int_equal(config->services[0].mode, SL_MODE_L2);
	assert_int_equal(config->services[0].listener_count, 1);
	assert_int_equal(config->services[0].listeners[0].port, 80);
	assert_int_equal(config->services[0].listeners[0].proto, IPPROTO_TCP);
	assert_true(sl_addr_equal(&config->services[0].listeners[0].address, &vip));
	assert_int_equal(config->vip_count, 1);
	assert_int_equal(config->pool_count, 1);
	assert_string_equal(config->pools[0].name, "web");
	assert_int_equal(config->pools[0].backend_count, 3);
	assert_string_equal(config->pools[0].backends[0].name, "192.0.2.21");
	assert_int_equal(config->pools[0].backends[0].weight, 1);
	assert_int_equal(config->pools[0].backends[2].weight, 2);
	assert_true(sl_addr_equal(&config->pools[0].backends[2].address, &third));
	assert_int_equal(config->datapath, CONFIG_DATAPATH_DPDK);
	assert_int_equal(config->attach_timeout_ms, 5000);
	assert_int_equal(config->check_count, 1);
	assert_int_equal(config->checks[0].type, CONFIG_CHECK_HTTP);
	assert_string_equal(config->checks[0].path, "/healthz");
	assert_int_equal(config->checks[0].interval_ms, 2000);
	assert_int_equal(config->checks[0].fall, 3);
	assert_int_equal(config->checks[0].rise, 2);
	assert_int_equal(config->pools[0].check_port, 80);
	config_free(config);
}

static void the_full_example_fills_every_field(void **state)
{
	struct config *config = load_example("full.yaml");
	const struct config_pool *pool = &config->pools[0];
	const struct config_service *service = &config->services[0];
	const struct sl_addr v6 = address("2001:db8:10::10");

	(void)state;
	assert_string_equal(config->node, "lb1");
	assert_string_equal(config->hash_key_file, "/etc/sluice/hash.key");
	assert_int_equal(config->datapath, CONFIG_DATAPATH_AUTO);
	assert_string_equal(config->boot.port[0].name, "up0");
	assert_int_equal(config->boot.port[0].kind, SL_PORT_PCI);
	assert_string_equal(config->boot.port[0].device, "0000:3b:00.0");
	assert_int_equal(config->boot.port[0].queues, 0);
	assert_int_equal(config->boot.port[0].mtu, 9000);
	assert_string_equal(config->interfaces[0].xdp, "ens1f0");
	assert_string_equal(config->interfaces[0].ifname, "");
	assert_int_equal(config->boot.worker_count, 4);
	assert_int_equal(config->boot.worker_cpu[3], 10);
	assert_int_equal(config->boot.manager_cpu, 2);
	assert_int_equal(config->boot.memory_mb, 4096);
	assert_int_equal(config->boot.poll, SL_POLL_BUSY);
	assert_int_equal(config->boot.hugepages, 1);
	assert_int_equal(config->attach_timeout_ms, 10000);
	assert_string_equal(config->announce_device, "sluice0");
	assert_int_equal(config->withdraw_when, 7);
	assert_int_equal(config->mass_removal_percent, 30);
	assert_int_equal(config->flow_limit, 1 << 20);
	assert_int_equal(config->check_count, 2);
	assert_string_equal(config->checks[0].host, "www.example.net");
	assert_int_equal(config->checks[0].status_min, 200);
	assert_int_equal(config->checks[0].status_max, 299);
	assert_int_equal(config->checks[1].type, CONFIG_CHECK_DNS);
	assert_string_equal(config->checks[1].query, "health.example.net A");
	assert_int_equal(config->checks[1].timeout_ms, 500);
	assert_int_equal(pool->check, 0);
	assert_int_equal(pool->check_port, 80);
	assert_int_equal(pool->panic_threshold_percent, 50);
	assert_int_equal(pool->slow_start_ms, 60000);
	assert_int_equal(pool->min_healthy, 1);
	assert_int_equal(pool->when_empty, SL_OTHERWISE_REJECT);
	assert_int_equal(pool->table_size, 65537);
	assert_int_equal(pool->idle_tcp_s, 3600);
	assert_int_equal(pool->idle_quic_s, 600);
	assert_int_equal(pool->idle_udp_s, 150);
	assert_false(pool->on_down_reset);
	assert_int_equal(pool->linger_ms, 30000);
	assert_int_equal(pool->drain_quiet_ms, 3600000);
	assert_int_equal(pool->backends[2].role, CONFIG_ROLE_BACKUP);
	assert_int_equal(service->pool, 0);
	assert_int_equal(service->mode, SL_MODE_IPIP);
	assert_int_equal(service->hash, SL_HASH_SOURCE);
	assert_int_equal(service->tracking, SL_TRACKING_CHANGED_ROWS);
	assert_int_equal(service->udp_flows, SL_UDP_FLOWS_QUIC);
	assert_int_equal(service->listener_count, 4);
	assert_int_equal(service->listeners[2].proto, IPPROTO_UDP);
	assert_true(sl_addr_equal(&service->listeners[3].address, &v6));
	assert_int_equal(config->vip_count, 2);
	config_free(config);
}

static void an_alias_stands_for_the_value_it_names(void **state)
{
	struct config *config = load_text("interfaces: [\"af_xdp:eth1\"]\n"
					  "pools:\n"
					  "  - {name: a, backends: &who [10.0.0.1, 10.0.0.2]}\n"
					  "  - {name: b, backends: *who}\n"
					  "services:\n"
					  "  - {name: s, listen: tcp 192.0.2.1:80, pool: b}\n");

	(void)state;
	assert_int_equal(config->pools[1].backend_count, 2);
	assert_int_equal(config->services[0].pool, 1);
	config_free(config);
}

static void the_first_error_stands_alone_in_one_line(void **state)
{
	static const char text[] = "vips: [{address: ff02::1}]\nservices: \xe2\x82\xac\n";
	struct config_errors *errors = NULL;
	struct config *config = NULL;
	char line[512], cut[90];

	(void)state;
	assert_true(config_load_text("a.yaml", text, strlen(text), NULL, &config, &errors) < 0);
	config_errors_first(errors, line, sizeof(line));
	assert_non_null(strstr(line, "a.yaml:1:1: interfaces: this key is missing"));
	assert_non_null(strstr(line, " more errors)"));
	assert_null(strchr(line, '\n'));
	config_errors_first(errors, cut, sizeof(cut));
	assert_true(strlen(cut) < sizeof(cut));
	assert_memory_equal(cut, line, 60);
	assert_string_equal(strrchr(cut, '('), strrchr(line, '('));
	config_errors_free(errors);
}

/* A file with `count` services of two listeners each, every one another VIP. */
static char *many_services(unsigned int count)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fputs("interfaces: [\"af_xdp:eth1\"]\npools:\n  - {name: p, backends: [192.0.2.1]}\nservices:\n", out);
	for (unsigned int i = 0; i < count; i++)
		fprintf(out, "- {name: s%u, listen: [tcp 10.1.%u.%u:80, tcp 10.2.%u.%u:80], pool: p}\n", i, i >> 8,
			i & 255, i >> 8, i & 255);
	fclose(out);
	return text;
}

static void too_many_of_a_section_is_said_at_its_key(void **state)
{
	struct config_errors *errors = NULL;
	struct config *config = NULL;
	char *text = many_services(SL_VIPS_MAX / 2 + 1);
	char line[512];

	(void)state;
	assert_true(config_load_text("a.yaml", text, strlen(text), NULL, &config, &errors) < 0);
	config_errors_first(errors, line, sizeof(line));
	assert_string_equal(line, "a.yaml:4:1: services: 65538 VIP addresses; allowed: at most 65536");
	config_errors_free(errors);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_short_example_makes_a_pool_named_like_the_service),
		cmocka_unit_test(the_full_example_fills_every_field),
		cmocka_unit_test(an_alias_stands_for_the_value_it_names),
		cmocka_unit_test(the_first_error_stands_alone_in_one_line),
		cmocka_unit_test(too_many_of_a_section_is_said_at_its_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
