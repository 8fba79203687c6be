/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scenario files of sluice-sim: what is read, what is refused and where, and when events are due.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tools/sim/scenario.h"
#include "tools/sim/timeline.h"

/* Loads `text`; *ret_said (malloc'ed) is what was printed. */
static int load(const char *text, struct scenario **ret_scenario, char **ret_said)
{
	size_t len;
	FILE *out = open_memstream(ret_said, &len);
	int err;

	assert_non_null(out);
	err = scenario_load_text("dir/s.yaml", text, strlen(text), out, ret_scenario);
	fclose(out);
	return err;
}

static struct scenario *load_good(const char *text)
{
	struct scenario *scenario = NULL;
	char *said = NULL;

	if (load(text, &scenario, &said) != 0)
		fail_msg("refused: %s", said);
	assert_string_equal(said, "");
	free(said);
	return scenario;
}

static void an_empty_map_says_nothing(void **state)
{
	struct scenario *s = load_good("{}");

	(void)state;
	assert_int_equal(s->port_count + s->neighbor_count + s->event_count, 0);
	assert_false(s->own_time);
	assert_string_equal(s->receive, "");
	scenario_free(s);
}

static void everything_that_can_be_said_is_read(void **state)
{
	static const uint8_t mac[6] = {0x02, 0, 0, 0, 0xab, 0x01};
	struct scenario *s =
		load_good("receive: up0\n"
			  "time: 2ms\n"
			  "outer-source: [192.0.2.5, \"2001:db8::5\"]\n"
			  "ports:\n"
			  "  - name: up0\n"
			  "    mac: 02:00:00:00:AB:01\n"
			  "    mtu: 9000\n"
			  "    kernel-path: false\n"
			  "    addresses: 192.0.2.5/24\n"
			  "    gateway: [192.0.2.1, \"2001:db8::1\"]\n"
			  "neighbors:\n"
			  "  - {address: 192.0.2.21, mac: 02:00:00:00:ab:01, mtu: 1400, port: up0}\n"
			  "  - {address: \"2001:db8::21\", mac: none}\n");

	(void)state;
	assert_string_equal(s->receive, "up0");
	assert_true(s->own_time);
	assert_int_equal(s->step_ns, 2000000);
	assert_true(sl_addr_is_v4(&s->outer_source[0]));
	assert_int_equal(s->outer_source[1].b[15], 5);
	assert_int_equal(s->port_count, 1);
	assert_memory_equal(s->ports[0].mac, mac, 6);
	assert_int_equal(s->ports[0].mtu, 9000);
	assert_true(s->ports[0].has_kernel_path && !s->ports[0].kernel_path);
	assert_int_equal(s->ports[0].address_count, 1);
	assert_int_equal(s->ports[0].addresses[0].prefix_len, 120);
	assert_int_equal(s->ports[0].gateway_count, 2);
	assert_int_equal(s->neighbor_count, 2);
	assert_true(s->neighbors[0].known);
	assert_int_equal(s->neighbors[0].mtu, 1400);
	assert_string_equal(s->neighbors[0].port, "up0");
	assert_true(s->neighbors[1].has_mac && !s->neighbors[1].known);
	scenario_free(s);
}

static void events_of_several_backends_become_one_each(void **state)
{
	struct scenario *s = load_good("events:\n"
				       "  - {after: 10, down: [web1, web/web2], drain: web3}\n"
				       "  - {at: 1500ms, weight: {web1: 5, dns/ns1: 0}}\n"
				       "  - {after: 3, reload: other.yaml}\n"
				       "  - {after: 3, reload: /etc/other.yaml}\n"
				       "backends: {web9: unknown}\n");

	(void)state;
	assert_int_equal(s->event_count, 8);
	assert_int_equal(s->events[0].kind, SCENARIO_UNKNOWN); /* backends first, wherever they stand */
	assert_int_equal(s->events[0].after, 0);
	assert_int_equal(s->events[1].kind, SCENARIO_DOWN);
	assert_int_equal(s->events[1].after, 10);
	assert_string_equal(s->events[1].pool, "");
	assert_string_equal(s->events[2].pool, "web");
	assert_string_equal(s->events[2].backend, "web2");
	assert_int_equal(s->events[3].kind, SCENARIO_DRAIN);
	assert_int_equal(s->events[3].line, 2);
	assert_true(s->events[4].timed);
	assert_int_equal(s->events[4].at_ns, 1500000000);
	assert_int_equal(s->events[4].weight, 5);
	assert_string_equal(s->events[5].pool, "dns");
	assert_string_equal(s->events[6].file, "dir/other.yaml"); /* relative to the scenario */
	assert_string_equal(s->events[7].file, "/etc/other.yaml");
	scenario_free(s);
}

static void what_is_wrong_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{"port: []", "dir/s.yaml:1:1: port: unknown key; did you mean \"ports\"?"},
		{"zzzzzzzz: 1", "zzzzzzzz: unknown key; allowed: receive, time, "},
		{"[]", "dir/s.yaml:1:1:"},
		{"a: 1\na: 2", "dir/s.yaml:2:1:"},
		{"ports:\n  - {mac: 02:00:00:00:00:01}",
		 "dir/s.yaml:2:5: ports[0]: the key \"name\" is missing"},
		{"ports: [{name: a, mac: 02:00:00:00:00}]", "is no Ethernet address"},
		{"ports: [{name: a, mac: 01:00:5e:00:00:01}]", "is a group's address"},
		{"ports: [{name: a, mac: 00:00:00:00:00:00}]", "is nobody's address"},
		{"neighbors: [{address: 192.0.2.1, mac: 00:00:00:00:00:00}]", "is nobody's address"},
		{"neighbors: [{address: 192.0.2.1, mac: ff:ff:ff:ff:ff:ff}]", "is a group's address"},
		{"outer-source: [192.0.2.5, \"2001:db8::5\", 192.0.2.6]",
		 "dir/s.yaml:1:42: outer-source: \"192.0.2.6\" is a second address of its family, after the one in line 1"},
		{"ports: [{name: a, mac: \"02: 0: 0: 0: 0: 1\"}]", "is no Ethernet address"},
		{"ports: [{name: a, mac: 02:0:0:0:0:11111}]", "is no Ethernet address"},
		{"ports: [{name: a, mtu: 100}]", "allowed: a number from 576 to 65535"},
		{"ports: [{name: a, addresses: [192.0.2.5]}]", "has no /LENGTH"},
		{"ports: [{name: a, addresses: [192.0.2.5/33]}]", "is too long for a network"},
		{"ports: [{name: a, kernel-path: maybe}]", "allowed: true or false"},
		{"ports: a", "this is a single value; allowed: a map"},
		{"neighbors: [{mac: none}]", "the key \"address\" is missing"},
		{"neighbors: [{address: lb1}]", "allowed: an IPv4 or IPv6 address"},
		{"time: 5", "allowed: a duration, like 500ms or 2s, up to 24h"},
		{"backends: {web1: broken}", "dir/s.yaml:1:18: backends.web1: \"broken\" is not known"},
		{"backends: {a/b/c: up}", "allowed: a backend's name, or POOL/BACKEND"},
		{"backends: [web1]", "allowed: a map from backends"},
		{"events: [{down: web1}]", "when is this; allowed: one of after (packets), at (a duration)"},
		{"events: [{after: 1, at: 1s, down: web1}]", "when is this"},
		{"events: [{after: 1}]", "what happens; allowed: up, down"},
		{"events: [{after: 1, dwon: web1}]", "did you mean \"down\"?"},
		{"events: [{after: -1, down: web1}]", "allowed: a number from 0"},
		{"events: [{after: 1, weight: {web1: 70000}}]", "allowed: a number from 0 to 65535"},
		{"events: [{after: 1, weight: web1}]", "allowed: a map from backends to weights"},
		{"events: [{after: 1, reload: []}]", "allowed: a configuration file"},
		{"events: [{after: 1, down: []}]", "what happens"},
		{"events: [{after: 1, down: {a: b}}]", "allowed: a backend's name, POOL/BACKEND, or a list"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scenario *scenario = NULL;
		char *said = NULL;

		if (load(cases[i].text, &scenario, &said) != -EINVAL)
			fail_msg("accepted: %s", cases[i].text);
		if (strstr(said, cases[i].said) == NULL)
			fail_msg("for: %s\nexpected: %s\nsaid: %s", cases[i].text, cases[i].said, said);
		assert_null(scenario);
		free(said);
	}
}

static void every_error_of_a_file_is_reported_at_once(void **state)
{
	struct scenario *scenario = NULL;
	char *said = NULL;

	(void)state;
	assert_int_equal(load("time: 5\nports: [{name: a, mtu: 1}]\nfoo: 1\n", &scenario, &said), -EINVAL);
	assert_non_null(strstr(said, "s.yaml:1:"));
	assert_non_null(strstr(said, "s.yaml:2:"));
	assert_non_null(strstr(said, "s.yaml:3:"));
	free(said);
}

static void events_are_due_by_packets_or_time_and_in_the_order_of_the_file(void **state)
{
	struct scenario *s = load_good("events:\n"
				       "  - {after: 20, down: late}\n"
				       "  - {at: 1s, down: timed}\n"
				       "  - {after: 10, down: first}\n"
				       "  - {after: 10, down: second}\n"
				       "  - {at: 1s, down: timed2}\n");
	struct timeline *t;

	(void)state;
	assert_int_equal(timeline_create(s, &t), 0);
	assert_null(timeline_due(t, 9, 999999999));
	assert_string_equal(timeline_due(t, 10, 0)->backend, "first");
	assert_string_equal(timeline_due(t, 10, 1000000000)->backend, "timed"); /* stands before "second" */
	assert_string_equal(timeline_due(t, 10, 1000000000)->backend, "second");
	assert_string_equal(timeline_due(t, 10, 1000000000)->backend, "timed2");
	assert_null(timeline_due(t, 10, 1000000000));
	assert_int_equal(timeline_left(t), 1);
	assert_string_equal(timeline_due(t, 500, 0)->backend, "late");
	assert_int_equal(timeline_left(t), 0);
	timeline_destroy(t);
	scenario_free(s);
}

static void a_file_that_is_not_there_is_named(void **state)
{
	struct scenario *scenario = NULL;
	char *said = NULL;
	size_t len;
	FILE *out = open_memstream(&said, &len);

	(void)state;
	assert_int_equal(scenario_load("/nonexistent/s.yaml", out, &scenario), -ENOENT);
	fclose(out);
	assert_string_equal(
		said,
		"/nonexistent/s.yaml: the scenario cannot be read: No such file or directory; needed: a "
		"readable file of at most 16777216 bytes\n");
	free(said);
}

/* The example between .nf and .fi after .SH SCENARIO, without roff's backslashes. */
static char *manual_example(void)
{
	FILE *manual = fopen(getenv("SLUICE_SIM_MANUAL"), "r");
	bool section = false, example = false;
	char *text = NULL;
	char line[512];
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(manual);
	while (fgets(line, sizeof(line), manual) != NULL) {
		if (strncmp(line, ".SH", 3) == 0)
			section = strstr(line, "SCENARIO") != NULL;
		else if (section && strcmp(line, ".nf\n") == 0)
			example = true;
		else if (strcmp(line, ".fi\n") == 0)
			example = false;
		else if (example)
			fputs(line, out);
	}
	fclose(manual);
	fclose(out);
	return text;
}

static void the_manuals_example_is_a_scenario(void **state)
{
	char *text = manual_example();
	struct scenario *s = load_good(text);

	(void)state;
	assert_int_equal(s->event_count, 10);
	scenario_free(s);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_map_says_nothing),
		cmocka_unit_test(everything_that_can_be_said_is_read),
		cmocka_unit_test(events_of_several_backends_become_one_each),
		cmocka_unit_test(what_is_wrong_is_refused_with_its_place),
		cmocka_unit_test(every_error_of_a_file_is_reported_at_once),
		cmocka_unit_test(events_are_due_by_packets_or_time_and_in_the_order_of_the_file),
		cmocka_unit_test(a_file_that_is_not_there_is_named),
		cmocka_unit_test(the_manuals_example_is_a_scenario),
	};

	return cmocka_run_group_tests_name("scenario", tests, NULL, NULL);
}
