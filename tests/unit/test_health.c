/* SPDX-License-Identifier: BSD-3-Clause */
/* health: when probes are sent, who shares them, and what a reload, a hang or a stall leaves alone. */
#include "controlplane/health.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/support/loopback_server.h"

struct fixture {
	uv_loop_t loop;
	uv_timer_t limit;
	struct health *health;
	struct loopback_server *server;
	unsigned int changes, settled, problems;
	bool remove_on_change;
};

static void on_change(void *ctx, const struct health_probe *probe)
{
	struct fixture *f = ctx;

	(void)probe;
	f->changes++;
	if (f->remove_on_change)
		assert_int_equal(health_set(f->health, NULL, 0), 0);
}

static void on_settled(void *ctx)
{
	struct fixture *f = ctx;

	assert_int_equal(health_pending(f->health), 0);
	f->settled++;
}

static void on_problem(void *ctx, const struct health_probe *probe)
{
	struct fixture *f = ctx;

	(void)probe;
	f->problems++;
}

static void on_limit(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

static void run_for(struct fixture *f, uint64_t ms)
{
	uv_update_time(&f->loop);
	uv_timer_start(&f->limit, on_limit, ms, 0);
	uv_run(&f->loop, UV_RUN_DEFAULT);
}

/* At most 5 s; the caller asserts what it waited for. */
static void run_until_settled(struct fixture *f)
{
	for (int i = 0; i < 500 && health_pending(f->health) > 0; i++)
		run_for(f, 10);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct health_events events = {.ctx = f, .change = on_change, .settled = on_settled, .problem = on_problem};

	if (f == NULL || uv_loop_init(&f->loop) != 0)
		return -1;
	uv_timer_init(&f->loop, &f->limit);
	f->server = loopback_server_start(false);
	*state = f;
	return f->server == NULL ? -1 : health_create(&f->loop, &events, &f->health);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int err;

	health_destroy(f->health);
	uv_close((uv_handle_t *)&f->limit, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	err = uv_loop_close(&f->loop);
	loopback_server_stop(f->server);
	free(f);
	return err;
}

static struct config_check tcp_check(void)
{
	return (struct config_check){
		.name = "tcp", .type = CONFIG_CHECK_TCP, .interval_ms = 100, .timeout_ms = 50, .rise = 2, .fall = 3};
}

static struct health_target target(const struct fixture *f, const struct config_check *check)
{
	return (struct health_target){
		.address = loopback_server_address(f->server), .port = loopback_server_port(f->server), .check = check};
}

static void the_first_result_decides_and_settles(void **state)
{
	struct fixture *f = *state;
	const struct config_check check = tcp_check();
	struct health_target targets[2] = {target(f, &check), target(f, &check)};
	struct health_view view;

	targets[1].port = 1; /* tcpmux: nothing listens */
	assert_int_equal(health_set(f->health, targets, 2), 0);
	assert_int_equal(health_pending(f->health), 2);
	assert_int_equal(health_status(targets[0].probe), BACKEND_UNKNOWN);
	health_view(targets[0].probe, &view);
	assert_true(view.age_ms == UINT64_MAX);
	run_until_settled(f);
	assert_int_equal(f->settled, 1);
	assert_int_equal(f->changes, 2);
	assert_int_equal(health_status(targets[0].probe), BACKEND_UP);
	assert_int_equal(health_status(targets[1].probe), BACKEND_DOWN);
	health_view(targets[1].probe, &view);
	assert_string_equal(view.reason, "connection refused");
	assert_int_equal(view.result, CHECK_FAIL_REFUSED);
	assert_int_equal(view.failures, 1);
	health_view(targets[0].probe, &view);
	assert_int_equal(view.passes, 1);
	assert_true(view.latency_us > 0);
}

static void equal_checks_of_many_pools_are_one_probe(void **state)
{
	struct fixture *f = *state;
	struct config_check one = tcp_check();
	struct config_check other = tcp_check();
	struct health_target targets[3];
	struct health_view view;

	strcpy(other.name, "same-by-another-name");
	targets[0] = target(f, &one);
	targets[1] = target(f, &other);
	targets[2] = target(f, &one);
	assert_int_equal(health_set(f->health, targets, 3), 0);
	assert_int_equal(health_count(f->health), 1);
	assert_ptr_equal(targets[0].probe, targets[1].probe);
	run_for(f, 30);
	assert_int_equal(loopback_server_accepted(f->server), 1);
	health_view(targets[2].probe, &view);
	assert_int_equal(view.users, 3);
	assert_int_equal(health_set(f->health, targets, 1), 0);
	health_view(targets[0].probe, &view);
	assert_int_equal(view.users, 1);
	assert_int_equal(health_status(targets[0].probe), BACKEND_UP); /* it is the same probe still */
}

static void a_reload_keeps_what_did_not_change(void **state)
{
	struct fixture *f = *state;
	struct config_check before = tcp_check();
	struct config_check after = tcp_check();
	struct health_target targets[2] = {target(f, &before), target(f, &before)};
	struct health_probe *kept;
	struct health_view view;

	assert_int_equal(health_set(f->health, targets, 1), 0);
	run_until_settled(f);
	kept = targets[0].probe;
	targets[0].check = &after; /* equal, but another configuration's */
	targets[1].port = 1;
	assert_int_equal(health_set(f->health, targets, 2), 0);
	assert_ptr_equal(targets[0].probe, kept);
	assert_int_equal(health_status(kept), BACKEND_UP);
	assert_int_equal(health_pending(f->health), 1);
	health_view(kept, &view);
	assert_int_equal(view.sent, 1);
}

static void a_changed_check_keeps_the_status_until_its_results_contradict(void **state)
{
	struct fixture *f = *state;
	struct config_check before = tcp_check();
	struct config_check after = tcp_check();
	struct health_target targets[1] = {target(f, &before)};

	assert_int_equal(health_set(f->health, targets, 1), 0);
	run_until_settled(f);
	after.fall = 2;
	after.interval_ms = 50;
	targets[0].check = &after;
	targets[0].port = 1; /* where nothing listens */
	assert_int_equal(health_set(f->health, targets, 1), 0);
	assert_int_equal(health_status(targets[0].probe), BACKEND_UP);
	assert_int_equal(health_pending(f->health), 0);
	run_for(f, 20);
	assert_int_equal(health_status(targets[0].probe), BACKEND_UP); /* one failure */
	run_for(f, 200);
	assert_int_equal(health_status(targets[0].probe), BACKEND_DOWN);
}

static void an_adopted_status_counts_as_the_first_result(void **state)
{
	struct fixture *f = *state;
	const struct config_check check = tcp_check();
	struct health_target targets[1] = {target(f, &check)};
	struct health_view view;

	targets[0].port = 1;
	assert_int_equal(health_set(f->health, targets, 1), 0);
	health_adopt(f->health, targets[0].probe, BACKEND_UP, 5000);
	assert_int_equal(health_pending(f->health), 0);
	health_view(targets[0].probe, &view);
	assert_int_equal(view.status, BACKEND_UP);
	assert_in_range(view.since_ms, 5000, 5100);
	run_for(f, 50);
	assert_int_equal(health_status(targets[0].probe), BACKEND_UP); /* one failure of three */
	assert_int_equal(f->changes, 0);
	run_for(f, 500);
	assert_int_equal(health_status(targets[0].probe), BACKEND_DOWN);
	assert_int_equal(f->changes, 1);
}

static void a_hanging_probe_times_out_and_delays_no_other(void **state)
{
	struct fixture *f = *state;
	struct config_check slow = {.name = "slow", .type = CONFIG_CHECK_HTTP, .interval_ms = 300, .timeout_ms = 250,
				    .rise = 1, .fall = 1, .status_min = 200, .status_max = 299};
	const struct config_check quick = tcp_check();
	struct health_target targets[2] = {target(f, &slow), target(f, &quick)};
	struct health_view view;

	slow.path = strdup("/slow");
	assert_int_equal(health_set(f->health, targets, 2), 0);
	free(slow.path); /* the check was copied */
	run_for(f, 150);
	assert_int_equal(health_status(targets[1].probe), BACKEND_UP);
	assert_int_equal(health_status(targets[0].probe), BACKEND_UNKNOWN);
	run_for(f, 200);
	assert_int_equal(health_status(targets[0].probe), BACKEND_DOWN);
	health_view(targets[0].probe, &view);
	assert_string_equal(view.reason, "timeout");
	assert_int_equal(view.latency_us, 0); /* how long it did not answer is no latency */
}

static void on_check(uv_check_t *check)
{
	(void)check;
	usleep(130000); /* longer than the limit of a probe */
}

/* Each turn sleeps after its look at the sockets: the answer comes meanwhile, and so does the limit. */
static void a_stall_of_the_loop_is_not_held_against_backends(void **state)
{
	struct fixture *f = *state;
	struct config_check check = tcp_check();
	struct health_target targets[1] = {target(f, &check)};
	struct health_view view;
	uv_check_t stall;

	check.type = CONFIG_CHECK_HTTP;
	check.status_min = check.status_max = 200;
	check.path = strdup("/status/200");
	check.fall = 1;
	assert_int_equal(health_set(f->health, targets, 1), 0);
	free(check.path);
	uv_check_init(&f->loop, &stall);
	uv_check_start(&stall, on_check);
	run_for(f, 2000);
	uv_close((uv_handle_t *)&stall, NULL);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	health_view(targets[0].probe, &view);
	assert_true(view.sent >= 3);
	assert_int_equal(view.status, BACKEND_UP);
	assert_int_equal(f->changes, 1);
}

static void the_receiver_of_an_event_may_remove_its_probe(void **state)
{
	struct fixture *f = *state;
	const struct config_check check = tcp_check();
	struct health_target targets[2] = {target(f, &check), target(f, &check)};

	targets[1].port = 1;
	f->remove_on_change = true;
	assert_int_equal(health_set(f->health, targets, 2), 0);
	run_for(f, 100);
	assert_int_equal(health_count(f->health), 0);
	assert_int_equal(f->changes, 1);
}

static void an_error_of_this_machine_takes_no_backend_out(void **state)
{
	struct fixture *f = *state;
	const struct config_check check = tcp_check();
	struct health_target targets[1] = {target(f, &check)};
	struct rlimit limit, none;
	struct health_view view;

	assert_int_equal(health_set(f->health, targets, 1), 0);
	run_until_settled(f);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	run_for(f, 500);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	health_view(targets[0].probe, &view);
	assert_int_equal(view.status, BACKEND_UP);
	assert_string_equal(view.reason, "probe not sent: Too many open files");
	assert_int_equal(f->problems, 1); /* told once, not five times */
	run_for(f, 250);
	health_view(targets[0].probe, &view);
	assert_int_equal(view.result, CHECK_PASS);
}

/* 1000 probes of addresses in 127/8, counted in steps of a tenth of their interval. */
static void probes_are_even_over_their_interval(void **state)
{
	enum { PROBES = 1000, INTERVAL_MS = 2000, STEPS = 10 };
	struct fixture *f = *state;
	struct config_check check = tcp_check();
	struct health_target *targets = calloc(PROBES, sizeof(*targets));
	uint64_t before, sent;
	struct health_view view;

	check.interval_ms = INTERVAL_MS;
	check.timeout_ms = 1000;
	for (int i = 0; i < PROBES; i++) {
		targets[i] = target(f, &check);
		targets[i].address.b[14] = (uint8_t)(i >> 8);
		targets[i].address.b[15] = (uint8_t)i;
		targets[i].address.b[13] = 1; /* 127.1.x.y: refused, which is an answer too */
	}
	assert_int_equal(health_set(f->health, targets, PROBES), 0);
	run_for(f, INTERVAL_MS); /* the first probes: 1000 in the first second */
	for (int step = 0; step < STEPS; step++) {
		before = sent = 0;
		for (int i = 0; i < PROBES; i++) {
			health_view(targets[i].probe, &view);
			before += view.sent;
		}
		run_for(f, INTERVAL_MS / STEPS);
		for (int i = 0; i < PROBES; i++) {
			health_view(targets[i].probe, &view);
			sent += view.sent;
		}
		assert_in_range(sent - before, PROBES / STEPS * 8 / 10, PROBES / STEPS * 12 / 10);
	}
	assert_int_equal(health_pending(f->health), 0);
	free(targets);
}

#define health_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		health_test(the_first_result_decides_and_settles),
		health_test(equal_checks_of_many_pools_are_one_probe),
		health_test(a_reload_keeps_what_did_not_change),
		health_test(a_changed_check_keeps_the_status_until_its_results_contradict),
		health_test(an_adopted_status_counts_as_the_first_result),
		health_test(a_hanging_probe_times_out_and_delays_no_other),
		health_test(a_stall_of_the_loop_is_not_held_against_backends),
		health_test(the_receiver_of_an_event_may_remove_its_probe),
		health_test(an_error_of_this_machine_takes_no_backend_out),
		health_test(probes_are_even_over_their_interval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
