/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is said to have changed between two configurations, as the lines that people read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controlplane/config_diff.h"

static const char base[] = "interfaces: [\"af_xdp:eth1\"]\n"
			   "checks: {alive: {type: http, path: /a}}\n"
			   "pools:\n"
			   "  - name: web\n"
			   "    check: alive\n"
			   "    backends: [{name: a, address: 10.0.0.1}, {name: b, address: 10.0.0.2}]\n"
			   "services:\n"
			   "  - {name: www, listen: tcp 10.9.0.1:80, pool: web}\n";

static struct config *load(const char *text)
{
	struct config_errors *errors = NULL;
	struct config *config = NULL;

	if (config_load_text("diff.yaml", text, strlen(text), NULL, &config, &errors) != 0)
		config_errors_print(errors, stderr);
	config_errors_free(errors);
	assert_non_null(config);
	return config;
}

/* The base with the first `from` replaced by `to`. */
static struct config *load_changed(const char *from, const char *to)
{
	const char *at = strstr(base, from);
	char text[sizeof(base) + 512];

	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - base), base, to, at + strlen(from));
	return load(text);
}

static void expect(struct config *new, const char *lines, bool restart, size_t removed)
{
	struct config *old = load(base);
	struct config_diff *diff = NULL;
	char *printed = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&printed, &len);

	assert_int_equal(config_diff(old, new, &diff), 0);
	config_free(old);
	config_free(new);
	config_diff_print(diff, out);
	fclose(out);
	assert_string_equal(printed, lines);
	assert_int_equal(diff->restart, restart);
	assert_int_equal(diff->backends_before, 2);
	assert_int_equal(diff->backends_removed, removed);
	free(printed);
	config_diff_free(diff);
}

static void the_same_file_changes_nothing(void **state)
{
	(void)state;
	expect(load(base), "", false, 0);
}

static void a_comment_and_a_default_written_out_change_nothing(void **state)
{
	(void)state;
	expect(load_changed("pools:", "# more\nlimits: {flows: 1M}\npools:"), "", false, 0);
}

static void backends_come_go_and_change_by_name(void **state)
{
	(void)state;
	expect(load_changed("{name: b, address: 10.0.0.2}", "{name: c, address: 10.0.0.2}"),
	       "- pools[web].backends[b]\n+ pools[web].backends[c]\n", false, 1);
	expect(load_changed("{name: b, address: 10.0.0.2}", "{name: b, address: 10.0.0.3, weight: 2}"),
	       "~ pools[web].backends[b]: address, weight\n", false, 0);
}

static void a_pool_that_goes_takes_its_backends_along(void **state)
{
	(void)state;
	expect(load("interfaces: [\"af_xdp:eth1\"]\nchecks: {alive: {type: http, path: /a}}\n"
		    "pools: [{name: new, check: alive, backends: [10.0.0.1]}]\n"
		    "services: [{name: www, listen: tcp 10.9.0.1:80, pool: new}]\n"),
	       "- pools[web]\n+ pools[new]\n~ services[www]: pool\n", false, 2);
}

static void keys_of_checks_pools_and_services_are_named(void **state)
{
	(void)state;
	expect(load_changed("path: /a", "path: /b, interval: 5s"), "~ checks[alive]: interval, path\n", false,
	       0);
	expect(load_changed("    check: alive\n", "    connection-idle: {udp: 60s}\n    linger: 5s\n"),
	       "~ pools[web]: linger, connection-idle.udp, check\n", false, 0);
	expect(load_changed("pool: web}", "pool: web, mode: ipip}"), "~ services[www]: mode\n", false, 0);
}

static void listeners_change_services_and_vips(void **state)
{
	(void)state;
	expect(load_changed("listen: tcp 10.9.0.1:80", "listen: tcp 10.9.0.2:80"),
	       "~ services[www]: listen\n- vips[10.9.0.1]\n+ vips[10.9.0.2]\n", false, 0);
}

static void what_the_data_plane_reads_at_start_asks_for_a_restart(void **state)
{
	(void)state;
	expect(load_changed("interfaces: [\"af_xdp:eth1\"]",
			    "dpdk: {workers: [0, 1], poll: busy}\ninterfaces: [\"af_xdp:eth2\"]"),
	       "~ dpdk: poll, workers (applies when sluice-dp restarts)\n"
	       "- interfaces[eth1] (applies when sluice-dp restarts)\n"
	       "+ interfaces[eth2] (applies when sluice-dp restarts)\n",
	       true, 0);
	expect(load_changed("interfaces: [\"af_xdp:eth1\"]",
			    "interfaces: [{name: eth1, dpdk: \"af_packet:eth1\", xdp: eth1}]"),
	       "~ interfaces[eth1]: dpdk (applies when sluice-dp restarts)\n", true, 0);
	expect(load_changed("interfaces: [\"af_xdp:eth1\"]",
			    "log: {format: json}\ninterfaces: [\"af_xdp:eth1\"]"),
	       "~ log: format\n", false, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_file_changes_nothing),
		cmocka_unit_test(a_comment_and_a_default_written_out_change_nothing),
		cmocka_unit_test(backends_come_go_and_change_by_name),
		cmocka_unit_test(a_pool_that_goes_takes_its_backends_along),
		cmocka_unit_test(keys_of_checks_pools_and_services_are_named),
		cmocka_unit_test(listeners_change_services_and_vips),
		cmocka_unit_test(what_the_data_plane_reads_at_start_asks_for_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
