/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The price of probes: 500 a second must cost less than a tenth of a core. The servers run in their
 * own processes, so getrusage() shows what sluiced would pay, the kernel's work in its name included.
 * Run it alone to see the numbers.
 */
#include "controlplane/health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "tests/support/loopback_server.h"

#if defined(__SANITIZE_ADDRESS__) /* gcc */
#define SANITIZED 1
#elif defined(__has_feature) /* clang */
#define SANITIZED __has_feature(address_sanitizer)
#else
#define SANITIZED 0
#endif

enum {
	PROBES_PER_S = 500,
	INTERVAL_MS = 1000,
	MEASURED_S = 2,
	ROUNDS_MAX = 3, /* a neighbour on the core only adds to the price: one quiet round is enough */
	/* A tenth of a core; sanitizers multiply the cost, and are not what is measured. */
	CPU_PERCENT_MAX = SANITIZED ? 100 : 10,
};

static void on_change(void *ctx, const struct health_probe *probe)
{
	(void)ctx;
	(void)probe;
}

static void on_settled(void *ctx)
{
	(void)ctx;
}

static void on_limit(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

static double cpu_s(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 + (double)usage.ru_stime.tv_sec +
	       (double)usage.ru_stime.tv_usec / 1e6;
}

static uint64_t count_sent(const struct health_target *targets)
{
	struct health_view view;
	uint64_t sent = 0;

	for (int i = 0; i < PROBES_PER_S; i++) {
		health_view(targets[i].probe, &view);
		sent += view.sent;
	}
	return sent;
}

static void run_for(uv_loop_t *loop, uv_timer_t *limit, uint64_t ms)
{
	uv_update_time(loop);
	uv_timer_start(limit, on_limit, ms, 0);
	uv_run(loop, UV_RUN_DEFAULT);
}

/* Connections of ours to `port` that linger in TIME_WAIT (06 in /proc/net/tcp). */
static unsigned int count_time_wait(uint16_t port)
{
	unsigned int remote_port, tcp_state;
	unsigned int count = 0;
	FILE *file = fopen("/proc/net/tcp", "r");
	char line[512];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, " %*d: %*8x:%*4x %*8x:%4x %2x", &remote_port, &tcp_state) == 2 && tcp_state == 6 &&
		    remote_port == port)
			count++;
	fclose(file);
	return count;
}

/* Percent of a core while MEASURED_S seconds pass. */
static double measure_round(const struct config_check *check, const struct health_target *targets, uv_loop_t *loop,
			    uv_timer_t *limit)
{
	const uint64_t sent_before = count_sent(targets);
	const double cpu_before = cpu_s();
	uint64_t sent;
	double cpu;

	run_for(loop, limit, MEASURED_S * 1000);
	cpu = cpu_s() - cpu_before;
	sent = count_sent(targets) - sent_before;
	print_message("%s: %.0f probes/s, %.2f %% of a core, %.0f us each\n", check->name, (double)sent / MEASURED_S,
		      cpu * 100 / MEASURED_S, cpu * 1e6 / (double)sent);
	assert_in_range(sent, PROBES_PER_S * MEASURED_S * 9 / 10, PROBES_PER_S * MEASURED_S * 11 / 10);
	return cpu * 100 / MEASURED_S;
}

/* Every probe has an address of its own, as backends have: curl and kernel see many hosts. */
static void measure(const struct config_check *check, uint16_t port)
{
	const struct health_events events = {.change = on_change, .settled = on_settled, .problem = on_change};
	struct health_target *targets = calloc(PROBES_PER_S, sizeof(*targets));
	struct health *health;
	uv_timer_t limit;
	uv_loop_t loop;
	double percent = 100;

	assert_int_equal(uv_loop_init(&loop), 0);
	uv_timer_init(&loop, &limit);
	assert_int_equal(health_create(&loop, &events, &health), 0);
	for (int i = 0; i < PROBES_PER_S; i++) {
		targets[i] = (struct health_target){.address = sl_addr_from_v4(0x0100007f), .port = port, .check = check};
		targets[i].address.b[13] = 1;
		targets[i].address.b[14] = (uint8_t)(i >> 8);
		targets[i].address.b[15] = (uint8_t)(i + 1);
	}
	assert_int_equal(health_set(health, targets, PROBES_PER_S), 0);
	run_for(&loop, &limit, 2 * INTERVAL_MS);
	assert_int_equal(health_pending(health), 0);
	for (int round = 0; round < ROUNDS_MAX && percent >= CPU_PERCENT_MAX; round++)
		percent = measure_round(check, targets, &loop, &limit);
	for (int i = 0; i < PROBES_PER_S; i++)
		assert_int_equal(health_status(targets[i].probe), BACKEND_UP);
	assert_true(percent < CPU_PERCENT_MAX);
	assert_int_equal(count_time_wait(port), 0);
	health_destroy(health);
	uv_close((uv_handle_t *)&limit, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	free(targets);
}

static void tcp_probes_at_500_a_second_cost_less_than_a_tenth_of_a_core(void **unused)
{
	const struct config_check check = {.name = "tcp", .type = CONFIG_CHECK_TCP, .interval_ms = INTERVAL_MS,
					   .timeout_ms = 900, .rise = 1, .fall = 3};
	struct loopback_server *server = loopback_server_start_any();

	(void)unused;
	measure(&check, loopback_server_port(server));
	loopback_server_stop(server);
}

static void http_probes_at_500_a_second_cost_less_than_a_tenth_of_a_core(void **unused)
{
	struct config_check check = {.name = "http", .type = CONFIG_CHECK_HTTP, .interval_ms = INTERVAL_MS,
				     .timeout_ms = 900, .rise = 1, .fall = 3, .status_min = 200, .status_max = 299};
	struct loopback_server *server = loopback_server_start_any();

	(void)unused;
	check.path = strdup("/body");
	check.body = strdup("is well");
	measure(&check, loopback_server_port(server));
	free(check.path);
	free(check.body);
	loopback_server_stop(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_probes_at_500_a_second_cost_less_than_a_tenth_of_a_core),
		cmocka_unit_test(http_probes_at_500_a_second_cost_less_than_a_tenth_of_a_core),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
