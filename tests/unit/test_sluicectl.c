/* SPDX-License-Identifier: BSD-3-Clause */
/* sluicectl: the real program against the real API of an invented balancer. */
#include "tests/support/ctl_fixture.h"

static void the_first_line_of_status_is_the_verdict(void **state)
{
	struct live *live = *state;

	assert_int_equal(ctl(live, "status", NULL), 0);
	expect_first_line(live->out, "ok: 2 services forward to 5 of 5 backends");
	live->fixture.services[0].serving = live->fixture.services[1].serving = 0;
	assert_int_equal(ctl(live, "status", NULL), 0);
	expect_first_line(live->out, "down: 0 of 2 services forward: no backend of 5 is up");
}

static void tables_are_aligned_and_keep_their_columns(void **state)
{
	static const struct {
		const char *noun, *table;
	} rows[] = {
		{"services", "SERVICE  LISTEN             POOL  MODE  HASH    SERVING   OPEN  ANNOUNCED  PACKETS  BYTES\n"
			     "www      tcp/192.0.2.10:80  web   l2    5tuple      3/3  13107  yes           1000  64000\n"
			     "mail     tcp/192.0.2.11:80  smtp  ipip  5tuple      2/2      0  yes           1000  64000\n"},
		{"workers", "WORKER  CPU  STATE    BUSY%  RECEIVED  SENT  MISSED  NO-MBUF  TX-FULL  GENERATION\n"
			    "     0    1  polling   25.0      1007  1000       0        0        0           9\n"
			    "     1    2  polling   25.0      1007  1000       0        0        0           9\n"},
	};
	struct live *live = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(ctl(live, "show", rows[i].noun, NULL), 0);
		assert_string_equal(live->out, rows[i].table);
	}
	for (int i = 0; i < FIXTURE_BACKENDS; i++)
		live->fixture.backends[i].since_s = 0; /* else the column's width would depend on the clock */
	assert_int_equal(ctl(live, "show", "backends", NULL), 0);
	expect_first_line(live->out, "POOL  BACKEND  ADDRESS   WEIGHT  STATE  HEALTH  SINCE  CHECK-MS  SHARE%  OPEN"
				     "  PACKETS  BYTES  REASON");
	assert_int_equal(ctl(live, "show", "stats", NULL), 0);
	assert_non_null(strstr(live->out, "total    received        2014  128896\n"));
	assert_non_null(strstr(live->out, "backend  smtp/shared      333   21312\n"));
	assert_int_equal(ctl(live, "show", "datapath", NULL), 0);
	assert_non_null(strstr(live->out, "key fingerprint  0000000000001234\n"));
	assert_non_null(strstr(live->out, "sluice-dp        pid 4711, started 2023-11-14T22:13:20Z\n"));
	assert_non_null(strstr(live->out, "datapath         dpdk: sluice-dp is there\n"));
	assert_non_null(strstr(live->out, "up0   af_xdp  eth1         2\n"));
	assert_non_null(strstr(live->out, "eth1       native       23\n"));
	assert_non_null(strstr(live->out, "web   65537      3/3  000000000000feed\n"));
}

static void the_xdp_datapath_is_shown_without_a_sluice_dp(void **state)
{
	struct live *live = *state;
	struct api_datapath *datapath = &live->fixture.datapath;

	datapath->kind = "xdp";
	datapath->why = "the configuration says so";
	datapath->pid = datapath->port_count = 0;
	live->fixture.xdp.mode = NULL;
	live->fixture.xdp.program = 0;
	assert_int_equal(ctl(live, "show", "datapath", NULL), 0);
	assert_non_null(strstr(live->out, "datapath         xdp: the configuration says so\n"));
	assert_non_null(strstr(live->out, "sluice-dp        not needed\n"));
	assert_null(strstr(live->out, "PORT"));
	assert_null(strstr(live->out, "workers"));
	assert_non_null(strstr(live->out, "eth1       no         0\n"));
	live->fixture.status.datapath_attached = false;
	assert_int_equal(ctl(live, "status", NULL), 0);
	assert_non_null(strstr(live->out, "down: no interface carries the XDP program yet"));
}

static void flows_are_shown_once_they_are_counted(void **state)
{
	struct live *live = *state;

	live->fixture.uncounted = 2;
	assert_int_equal(ctl(live, "show", "flows", NULL), 0);
	assert_non_null(strstr(live->out, "used      512 of 5120 (10.0 %), full from 80 % on; limits: flows is 4096\n"));
	assert_non_null(strstr(live->out, "\nweb   300     0  100  65537       655          0         2   700  -\n"));
	assert_non_null(strstr(live->out, "\nguess_base          12\n"));
}

static void moving_verdicts_are_those_that_count_now(void **state)
{
	struct live *live = *state;
	int packets, per_second;

	assert_int_equal(ctl(live, "show", "verdicts", NULL), 0);
	assert_non_null(strstr(live->out, "\nto_kernel"));
	assert_int_equal(sscanf(strstr(live->out, "\nto_kernel"), " to_kernel %d\n", &packets), 1);
	assert_int_equal(packets, 14);
	live->fixture.moving = true;
	assert_int_equal(ctl(live, "show", "verdicts", "--moving", NULL), 0);
	assert_null(strstr(live->out, "to_kernel"));
	assert_int_equal(sscanf(live->out, "VERDICT PACKETS/S PACKETS forward %d %d", &per_second, &packets), 2);
	assert_in_range(per_second, 500, 1000); /* 1000 between two looks that are a second or more apart */
	assert_int_equal(packets, 3000);
}

static void json_is_what_the_api_says(void **state)
{
	static const char *const nouns[] = {"services", "backends", "stats", "verdicts", "workers", "datapath", "flows"};
	struct live *live = *state;

	for (size_t i = 0; i < sizeof(nouns) / sizeof(nouns[0]); i++) {
		json_t *answer;

		assert_int_equal(ctl(live, "show", nouns[i], "--json", NULL), 0);
		answer = json_loads(live->out, 0, NULL);
		assert_true(json_is_object(answer));
		json_decref(answer);
	}
	assert_int_equal(ctl(live, "drain", "absent", "--json", NULL), 1);
	assert_non_null(strstr(live->out, "\"remedy\""));
}

static void drain_and_ready_act_on_one_backend(void **state)
{
	struct live *live = *state;

	assert_int_equal(ctl(live, "drain", "web1", "--why", "new disk", NULL), 0);
	assert_string_equal(live->out, "web1: drain\n");
	assert_non_null(strstr(live->fixture.told, "drain web/web1 by "));
	assert_non_null(strstr(live->fixture.told, ": new disk"));
	assert_int_equal(ctl(live, "drain", "--pool", "smtp", "shared", NULL), 0);
	assert_non_null(strstr(live->fixture.told, "drain smtp/shared by "));
	assert_int_equal(ctl(live, "undrain", "web1", NULL), 0);
	assert_non_null(strstr(live->fixture.told, "ready web/web1 by "));
	assert_int_equal(ctl(live, "ready", "shared", NULL), 1);
	assert_string_equal(live->err, "sluicectl: backend shared is in several pools: web, smtp: name one of them: "
				       "--pool POOL\n");
	assert_int_equal(ctl(live, "drain", "a/b c", NULL), 1);
	assert_string_equal(live->err, "sluicectl: no backend a/b c: sluicectl show backends lists them\n");
	assert_int_equal(ctl(live, "drain", "50%\xc3\xbc", NULL), 1);
	assert_string_equal(live->err, "sluicectl: no backend 50%\xc3\xbc: sluicectl show backends lists them\n");
	assert_int_equal(ctl(live, "drain", "", NULL), 1);
	assert_string_equal(live->err, "sluicectl: no backend or pool has such a name: it is empty: sluicectl show backends "
				       "lists them\n");
	assert_int_equal(ctl(live, "retire", "web1", "--pool", "", NULL), 1);
	assert_non_null(strstr(live->err, "it is empty"));
	assert_int_equal(ctl(live, "ready", "\xff", NULL), 1);
	assert_non_null(strstr(live->err, "it is not UTF-8"));
}

static void retire_and_off_act_too(void **state)
{
	struct live *live = *state;

	assert_int_equal(ctl(live, "retire", "web1", "--why", "old", NULL), 0);
	assert_string_equal(live->out, "web1: retire\n");
	assert_non_null(strstr(live->fixture.told, "retire web/web1 by "));
	assert_int_equal(ctl(live, "off", "web1", "--pool", "web", NULL), 0);
	assert_non_null(strstr(live->fixture.told, "off web/web1 by "));
}

static void a_ramp_is_shown_in_percent(void **state)
{
	struct live *live = *state;

	live->fixture.backends[0].state = "ramping";
	live->fixture.backends[0].ramp_percent = 35;
	assert_int_equal(ctl(live, "show", "backends", NULL), 0);
	assert_non_null(strstr(live->out, "  ramping 35%  "));
}

/* For how long rows still lead older connections to a backend that has no new ones. */
static void open_rows_are_shown_with_the_time_they_have_left(void **state)
{
	struct live *live = *state;
	struct api_backend *backends = live->fixture.backends;

	backends[0].open_rows[SL_FLOW_TCP] = 13107;
	backends[0].open_rows[SL_FLOW_UDP] = 40;
	backends[0].open_s = 2520;
	backends[1].open_rows[SL_FLOW_QUIC] = 9;
	backends[1].open_s = UINT64_MAX; /* it drains */
	assert_int_equal(ctl(live, "show", "backends", NULL), 0);
	assert_non_null(strstr(live->out, "  13107 42m00s      333  "));
	assert_non_null(strstr(live->out, "        9 held      333  "));
	assert_non_null(strstr(live->out, "             -      333  "));
}

static void drain_wait_returns_when_it_was_quiet_for_long_enough(void **state)
{
	struct live *live = *state;

	live->fixture.drain_busy = 2;
	assert_int_equal(ctl(live, "drain", "web1", "--wait", NULL), 0);
	assert_ptr_equal(strstr(live->out, "web1: drain\nweb1: 3 connections remembered, 0 packets/s, oldest 2h03m, "
					   "quiet for 0s of 2s\n"), live->out);
	assert_non_null(strstr(live->out, "web1: drained, no packet for 2s\n"));
	assert_int_equal(live->fixture.looks, 5);
	assert_int_equal(ctl(live, "retire", "shared", "--pool", "smtp", "--wait", "--json", "--quiet", "1s", NULL), 0);
	assert_non_null(strstr(live->out, "\"done\": \"drained\""));
	assert_null(strstr(live->out, "remembered"));
}

static void drain_wait_that_times_out_says_what_is_left(void **state)
{
	struct live *live = *state;

	live->fixture.drain_busy = 100;
	assert_int_equal(ctl(live, "drain", "web1", "--wait", "--timeout", "2s", NULL), 1);
	assert_non_null(strstr(live->err, "sluicectl: web1 is not drained after 2s: 3 connections remembered, "));
	assert_non_null(strstr(live->err, ", oldest 2h03m: it drains on; wait again, or cut what is left off with "
					  "'sluicectl off web1'\n"));
	live->fixture.drain.attached = false; /* silence of a data plane that is not there says nothing */
	live->fixture.drain_busy = 0;
	assert_int_equal(ctl(live, "drain", "web1", "--wait", "--timeout", "1s", NULL), 1);
	assert_non_null(strstr(live->out, "; no sluice-dp forwards, so silence does not count\n"));
}

static void drain_wait_ends_when_somebody_takes_the_backend_back(void **state)
{
	struct live *live = *state;

	live->fixture.drain_busy = 100;
	live->fixture.ready_at_look = 2;
	assert_int_equal(ctl(live, "drain", "web1", "--wait", NULL), 1);
	assert_string_equal(live->err, "sluicectl: web1 is ready now, said alice: not waiting any more\n");
}

static void drain_wait_that_is_interrupted_leaves_the_drain(void **state)
{
	struct live *live = *state;

	live->fixture.drain_busy = 100;
	live->interrupt_ms = 1500;
	assert_int_equal(ctl(live, "drain", "web1", "--wait", NULL), 1);
	live->interrupt_ms = 0;
	assert_string_equal(live->err, "sluicectl: interrupted: web1 drains on; 'sluicectl ready web1' takes it back\n");
	assert_string_equal(live->fixture.backends[0].admin, "drain");
}

static void times_of_a_wait_are_durations_and_need_the_wait(void **state)
{
	struct live *live = *state;

	assert_int_equal(ctl(live, "drain", "web1", "--timeout", "5m", NULL), 1);
	assert_string_equal(live->err, "sluicectl: only with --wait: '--timeout'; see sluicectl --help\n");
	assert_int_equal(ctl(live, "drain", "web1", "--wait", "--quiet", "30", NULL), 1);
	assert_string_equal(live->err, "sluicectl: --quiet '30' has no unit: write \"30s\" or \"30ms\"; allowed: a duration "
				       "such as 90s, 30m or 2h\n");
	assert_int_equal(ctl(live, "drain", "web1", "--wait", "--timeout", "0s", NULL), 1);
	assert_int_equal(ctl(live, "ready", "web1", "--wait", NULL), 1);
	assert_string_equal(live->err, "sluicectl: this command does not take '--wait'; see sluicectl --help\n");
	assert_string_equal(live->fixture.told, "");
}

static void a_refused_reload_shows_why(void **state)
{
	struct live *live = *state;

	assert_int_equal(ctl(live, "reload", NULL), 0);
	assert_string_equal(live->out, "reloaded: generation 9\n");
	live->fixture.reload_result = -EINVAL;
	assert_int_equal(ctl(live, "reload", NULL), 1);
	assert_non_null(strstr(live->err, "sluice.yaml:3:1: unknown key"));
}

static void sluice_dp_is_made_to_forward_or_it_is_said_why_not(void **state)
{
	static const struct {
		int result, status;
		const char *out, *err;
	} cases[] = {
		{ 0, 0, "sluice-dp forwards\n", "" },
		{ 1, 0, "sluice-dp takes over: sluicectl show datapath\n", "" },
		{ -ENODEV, 1, "", "no sluice-dp lives that could forward: start it; its log and sluicectl status say what" },
		{ -EAGAIN, 1, "", "sluice-dp has not applied the last generation yet: ask again in a moment" },
		{ -EINVAL, 1, "", "the datapath is xdp, not auto: there is nothing to choose from: set datapath: auto" },
	};
	struct live *live = *state;

	live->fixture.datapath.configured = "xdp";
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		live->fixture.to_dpdk_result = cases[i].result;
		live->fixture.told[0] = 0;
		assert_int_equal(ctl(live, "datapath", "dpdk", NULL), cases[i].status);
		assert_string_equal(live->out, cases[i].out);
		assert_non_null(strstr(live->err, cases[i].err));
		assert_non_null(strstr(live->fixture.told, "dpdk by "));
	}
	live->fixture.to_dpdk_result = 1;
	assert_int_equal(ctl(live, "--json", "datapath", "dpdk", NULL), 0);
	assert_non_null(strstr(live->out, "\"forwards\": false"));
	assert_int_equal(ctl(live, "datapath", "xdp", NULL), 1);
	assert_string_equal(live->err, "sluicectl: datapath does not take 'xdp'; it takes: dpdk\n");
}

static void wrong_use_is_refused_in_one_line(void **state)
{
	static const char *const lines[][3] = {
		{"frobnicate", NULL, NULL}, {"show", NULL, NULL},  {"show", "nothing", NULL}, {"drain", NULL, NULL},
		{"status", "now", NULL},    {"drain", "a", "b"},   {"status", "--pool", "web"}, {"show", "stats", "--moving"},
		{"--nonsense", NULL, NULL}, {NULL, NULL, NULL},
	};
	struct live *live = *state;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_int_equal(ctl(live, lines[i][0], lines[i][1], lines[i][2], NULL), 1);
		assert_string_equal(live->out, "");
		assert_ptr_equal(strchr(live->err, '\n'), live->err + strlen(live->err) - 1);
		assert_int_equal(strncmp(live->err, "sluicectl: ", 11), 0);
	}
}

static void a_command_of_two_words_says_which_second_words_there_are(void **state)
{
	struct live *live = *state;

	assert_int_equal(ctl(live, "show", "nothing", NULL), 1);
	assert_string_equal(live->err, "sluicectl: show does not take 'nothing'; it takes: services, backends, stats, "
				       "verdicts, workers, datapath, flows\n");
	assert_int_equal(ctl(live, "show", NULL), 1);
	assert_non_null(strstr(live->err, "show what? it takes: services, "));
	assert_int_equal(ctl(live, "key", "old", NULL), 1);
	assert_non_null(strstr(live->err, "key does not take 'old'; it takes: new\n"));
	assert_int_equal(ctl(live, "drain", "web1", "--why", NULL), 1);
	assert_string_equal(live->err, "sluicectl: a value is missing after '--why'; see sluicectl --help\n");
}

static void a_sluiced_that_is_not_there_is_not_reached(void **state)
{
	struct live *live = *state;

	assert_int_equal(ctl(live, "--instance", "absent", "status", NULL), 2);
	assert_string_equal(live->out, "");
	assert_non_null(strstr(live->err, "no sluiced at "));
	assert_non_null(strstr(live->err, "start it, or name its instance"));
	assert_int_equal(ctl(live, "--instance", "../test", "status", NULL), 1);
	assert_non_null(strstr(live->err, "--instance '../test': use 1 to 31 of a-z, 0-9, '-' and '_'"));
	assert_int_equal(ctl(live, "--instance", "Test", "key", "new", NULL), 1);
}

static void a_new_key_is_never_written_over_another(void **state)
{
	struct live *live = *state;
	struct stat st;
	char path[128];
	char first[64], second[64];

	snprintf(path, sizeof(path), "%s/hash.key", live->dir);
	assert_int_equal(ctl(live, "--instance", "absent", "key", "new", path, NULL), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_size, 33);
	assert_int_equal(ctl(live, "key", "new", path, NULL), 1);
	assert_non_null(strstr(live->err, "not overwritten"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ctl(live, "key", "new", NULL), 0);
	snprintf(first, sizeof(first), "%.40s", live->out);
	assert_int_equal(strspn(first, "0123456789abcdef"), 32);
	assert_int_equal(ctl(live, "key", "new", "-", NULL), 0);
	snprintf(second, sizeof(second), "%.40s", live->out);
	assert_string_not_equal(first, second);
}

/* "  show verdicts [--moving]" and ".B show verdicts \fR[…" name the same command. */
static size_t collect_commands(const char *text, const char *begin, const char *end, const char *mark, char names[][64])
{
	const char *line = strstr(text, begin);
	const char *stop = line != NULL ? strstr(line + 1, end) : NULL;
	size_t count = 0;

	assert_non_null(line);
	assert_non_null(stop);
	for (; line != NULL && line < stop && count < 64; line = strchr(line + 1, '\n')) {
		size_t len = 0;

		if (strncmp(line + 1, mark, strlen(mark)) != 0)
			continue;
		line += 1 + strlen(mark);
		if (*line == ' ')
			continue; /* a text on its own line */
		while ((line[len] >= 'a' && line[len] <= 'z') ||
		       (line[len] == ' ' && line[len + 1] >= 'a' && line[len + 1] <= 'z'))
			len++;
		if (len == 0)
			continue; /* an option */
		assert_true(len < 64);
		memcpy(names[count], line, len);
		names[count++][len] = 0;
	}
	return count;
}

static void help_and_manual_list_the_same_commands(void **state)
{
	static char manual[OUTPUT_MAX];
	struct live *live = *state;
	char help_names[64][64], manual_names[64][64];
	size_t helped, documented;
	FILE *file = fopen(getenv("SLUICECTL_MANUAL"), "r");

	assert_non_null(file);
	assert_true(fread(manual, 1, sizeof(manual) - 1, file) > 0);
	fclose(file);
	assert_int_equal(ctl(live, "--help", NULL), 0);
	helped = collect_commands(live->out, "\ncommands:", "\noptions:", "  ", help_names);
	documented = collect_commands(manual, "\n.SH COMMANDS", "\n.SH OPTIONS", ".B ", manual_names);
	assert_int_equal(helped, 18);
	for (size_t i = 0; i < helped; i++) {
		size_t k = 0;

		while (k < documented && strcmp(help_names[i], manual_names[k]) != 0)
			k++;
		if (k == documented)
			fail_msg("'%s' is not in sluicectl(8)", help_names[i]);
	}
}

#define ctl_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ctl_test(the_first_line_of_status_is_the_verdict),
		ctl_test(tables_are_aligned_and_keep_their_columns),
		ctl_test(flows_are_shown_once_they_are_counted),
		ctl_test(the_xdp_datapath_is_shown_without_a_sluice_dp),
		ctl_test(moving_verdicts_are_those_that_count_now),
		ctl_test(json_is_what_the_api_says),
		ctl_test(drain_and_ready_act_on_one_backend),
		ctl_test(retire_and_off_act_too),
		ctl_test(a_ramp_is_shown_in_percent),
		ctl_test(open_rows_are_shown_with_the_time_they_have_left),
		ctl_test(drain_wait_returns_when_it_was_quiet_for_long_enough),
		ctl_test(drain_wait_that_times_out_says_what_is_left),
		ctl_test(drain_wait_ends_when_somebody_takes_the_backend_back),
		ctl_test(drain_wait_that_is_interrupted_leaves_the_drain),
		ctl_test(times_of_a_wait_are_durations_and_need_the_wait),
		ctl_test(a_refused_reload_shows_why),
		ctl_test(sluice_dp_is_made_to_forward_or_it_is_said_why_not),
		ctl_test(wrong_use_is_refused_in_one_line),
		ctl_test(a_command_of_two_words_says_which_second_words_there_are),
		ctl_test(a_sluiced_that_is_not_there_is_not_reached),
		ctl_test(a_new_key_is_never_written_over_another),
		ctl_test(help_and_manual_list_the_same_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
