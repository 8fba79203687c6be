/* SPDX-License-Identifier: BSD-3-Clause */
/* check_tcp, check_http, check_icmp: each way a probe can end, against real servers on loopback. */
#include "controlplane/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/support/loopback_server.h"

enum { WAIT_MS = 3000 };

struct outcome {
	uv_timer_t limit;
	bool done;
	enum check_result result;
	int detail;
};

/* The run is the test's; this finds the outcome again. */
struct test_run {
	struct check_run run;
	struct outcome outcome;
};

static void on_done(struct check_run *run, enum check_result result, int detail)
{
	struct test_run *test = (struct test_run *)run;

	assert_false(test->outcome.done);
	assert_null(run->impl);
	test->outcome.done = true;
	test->outcome.result = result;
	test->outcome.detail = detail;
	uv_stop(test->outcome.limit.loop);
}

static void on_limit(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

/* Runs one probe to its end; without one within `wait_ms` it is cancelled and counts as a timeout. */
static struct outcome probe_once(const struct check_kind *kind, struct sl_addr address, uint16_t port,
				 const struct config_check *check, unsigned int wait_ms)
{
	struct test_run test = {.run = {.address = address, .port = port, .check = check, .done = on_done}};
	struct check_engine *engine;
	uv_loop_t loop;
	int err;

	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(kind->create(&loop, &engine), 0);
	uv_timer_init(&loop, &test.outcome.limit);
	uv_timer_start(&test.outcome.limit, on_limit, wait_ms, 0);
	err = kind->start(engine, &test.run);
	if (err == 0) {
		assert_false(test.outcome.done); /* never from inside start */
		uv_run(&loop, UV_RUN_DEFAULT);
		if (!test.outcome.done) {
			kind->cancel(engine, &test.run);
			test.outcome.result = CHECK_FAIL_TIMEOUT;
		}
	} else {
		test.outcome.result = check_result_of_errno(err);
		test.outcome.detail = -err;
	}
	kind->destroy(engine);
	uv_close((uv_handle_t *)&test.outcome.limit, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0); /* no handle is left behind */
	return test.outcome;
}

static char *text(const char *literal)
{
	return (char *)(uintptr_t)literal; /* the configuration's strings are its own, hence not const */
}

static struct config_check http_check(const char *path)
{
	return (struct config_check){.type = CONFIG_CHECK_HTTP, .path = text(path), .status_min = 200, .status_max = 299};
}

static void a_listening_port_passes(void **unused)
{
	const struct config_check check = {.type = CONFIG_CHECK_TCP};

	(void)unused;
	for (int v6 = 0; v6 < 2; v6++) {
		struct loopback_server *server = loopback_server_start(v6 == 1);

		assert_non_null(server);
		assert_int_equal(probe_once(&check_tcp, loopback_server_address(server),
					    loopback_server_port(server), &check, WAIT_MS).result,
				 CHECK_PASS);
		loopback_server_stop(server);
	}
}

/* A port that nothing listens on, and that nobody else gets while the socket is held. */
static int closed_port(uint16_t *ret_port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	*ret_port = ntohs(in.sin_port);
	return fd;
}

static void a_closed_port_is_refused(void **unused)
{
	const struct config_check tcp = {.type = CONFIG_CHECK_TCP};
	const struct config_check http = http_check("/");
	const struct sl_addr address = sl_addr_from_v4(htonl(INADDR_LOOPBACK));
	uint16_t port = 0;
	int fd = closed_port(&port);

	(void)unused;
	assert_int_equal(probe_once(&check_tcp, address, port, &tcp, WAIT_MS).result, CHECK_FAIL_REFUSED);
	assert_int_equal(probe_once(&check_http, address, port, &http, WAIT_MS).result, CHECK_FAIL_REFUSED);
	close(fd);
}

/* The accept queue of this listener is full: its SYNs go unanswered. */
static void a_port_that_does_not_answer_can_be_cancelled(void **unused)
{
	const struct config_check check = {.type = CONFIG_CHECK_TCP};
	struct sockaddr_in in = {.sin_family = AF_INET};
	uint16_t port = 0;
	int listener = closed_port(&port);
	int clients[8];

	(void)unused;
	assert_int_equal(listen(listener, 0), 0);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in.sin_port = htons(port);
	for (int i = 0; i < 8; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(clients[i], (struct sockaddr *)&in, sizeof(in));
	}
	assert_int_equal(probe_once(&check_tcp, sl_addr_from_v4(in.sin_addr.s_addr), port, &check, 200).result,
			 CHECK_FAIL_TIMEOUT);
	for (int i = 0; i < 8; i++)
		close(clients[i]);
	close(listener);
}

/* TCP to a group has no route on any machine: the kernel refuses it at once. */
static void a_target_without_a_route_is_unreachable(void **unused)
{
	const struct config_check tcp = {.type = CONFIG_CHECK_TCP};
	const struct config_check http = http_check("/");
	const struct sl_addr group = sl_addr_from_v4(htonl(0xe0000001)); /* 224.0.0.1 */
	struct outcome outcome;

	(void)unused;
	outcome = probe_once(&check_tcp, group, 80, &tcp, WAIT_MS);
	assert_int_equal(outcome.result, CHECK_FAIL_UNREACHABLE);
	assert_int_equal(outcome.detail, ENETUNREACH);
	outcome = probe_once(&check_http, group, 80, &http, WAIT_MS);
	assert_int_equal(outcome.result, CHECK_FAIL_UNREACHABLE);
}

static void every_http_answer_has_its_result(void **unused)
{
	static const struct {
		const char *path, *host, *body;
		uint16_t status_min, status_max;
		enum check_result result;
		int detail;
	} rows[] = {
		{"/status/200", NULL, NULL, 200, 299, CHECK_PASS, 0},
		{"/status/204", NULL, NULL, 200, 299, CHECK_PASS, 0},
		{"/status/299", NULL, NULL, 200, 299, CHECK_PASS, 0},
		{"/status/300", NULL, NULL, 200, 299, CHECK_FAIL_STATUS, 300},
		{"/status/503", NULL, NULL, 200, 299, CHECK_FAIL_STATUS, 503},
		{"/status/404", NULL, NULL, 404, 404, CHECK_PASS, 0},
		{"/status/204", NULL, NULL, 200, 200, CHECK_FAIL_STATUS, 204},
		{"/status/503", NULL, "body", 200, 299, CHECK_FAIL_STATUS, 503},
		{"/redirect", NULL, NULL, 200, 299, CHECK_FAIL_STATUS, 302},
		{"/body", NULL, "is well", 200, 299, CHECK_PASS, 0},
		{"/body", NULL, "is ill", 200, 299, CHECK_FAIL_BODY, 0},
		{"/status/204", NULL, "any", 200, 299, CHECK_FAIL_BODY, 0},
		{"/split", NULL, "needle", 200, 299, CHECK_PASS, 0},
		{"/huge", NULL, NULL, 200, 299, CHECK_PASS, 0},
		{"/huge", NULL, "late", 200, 299, CHECK_FAIL_BODY, 0},
		{"/host", "www.example.net", NULL, 200, 299, CHECK_PASS, 0},
		{"/host", NULL, NULL, 200, 299, CHECK_FAIL_STATUS, 421},
		{"/early", NULL, NULL, 200, 299, CHECK_FAIL_CLOSED, 0},
		{"/partial", NULL, "absent", 200, 299, CHECK_FAIL_CLOSED, 0},
		{"/reset", NULL, NULL, 200, 299, CHECK_FAIL_RESET, -1},
		{"/garbage", NULL, NULL, 200, 299, CHECK_FAIL_RESPONSE, 0},
		{"/headers", NULL, NULL, 200, 299, CHECK_FAIL_RESPONSE, 0},
	};

	(void)unused;
	for (int v6 = 0; v6 < 2; v6++) {
		struct loopback_server *server = loopback_server_start(v6 == 1);

		assert_non_null(server);
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			struct config_check check = http_check(rows[i].path);
			struct outcome outcome;

			check.host = text(rows[i].host);
			check.body = text(rows[i].body);
			check.status_min = rows[i].status_min;
			check.status_max = rows[i].status_max;
			outcome = probe_once(&check_http, loopback_server_address(server),
					     loopback_server_port(server), &check, WAIT_MS);
			if (outcome.result != rows[i].result)
				print_error("%s: %s\n", rows[i].path, check_result_name(outcome.result));
			assert_int_equal(outcome.result, rows[i].result);
			if (rows[i].detail >= 0)
				assert_int_equal(outcome.detail, rows[i].detail);
		}
		loopback_server_stop(server);
	}
}

static void a_slow_http_answer_can_be_cancelled(void **unused)
{
	struct loopback_server *server = loopback_server_start(false);
	const struct config_check check = http_check("/slow");

	(void)unused;
	assert_int_equal(probe_once(&check_http, loopback_server_address(server), loopback_server_port(server), &check,
				    100).result,
			 CHECK_FAIL_TIMEOUT);
	loopback_server_stop(server);
}

static void loopback_answers_echo(void **unused)
{
	const struct config_check check = {.type = CONFIG_CHECK_ICMP};
	const struct sl_addr v6 = {.b = {[15] = 1}};
	struct outcome outcome;

	(void)unused;
	outcome = probe_once(&check_icmp, sl_addr_from_v4(htonl(INADDR_LOOPBACK)), 0, &check, WAIT_MS);
	if (outcome.result == CHECK_ERROR_LOCAL && outcome.detail == EPERM)
		skip(); /* neither CAP_NET_RAW nor ping sockets here */
	assert_int_equal(outcome.result, CHECK_PASS);
	assert_int_equal(probe_once(&check_icmp, v6, 0, &check, WAIT_MS).result, CHECK_PASS);
}

static void every_result_has_a_name_and_a_text(void **unused)
{
	char line[96];

	(void)unused;
	for (enum check_result r = CHECK_NONE; r < CHECK_RESULT_COUNT; r++) {
		check_result_text(r, 0, line, sizeof(line));
		assert_string_not_equal(line, "?");
		assert_string_not_equal(check_result_name(r), "?");
	}
	check_result_text(CHECK_FAIL_STATUS, 503, line, sizeof(line));
	assert_string_equal(line, "HTTP status 503");
	check_result_text(CHECK_ERROR_LOCAL, EMFILE, line, sizeof(line));
	assert_string_equal(line, "probe not sent: Too many open files");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listening_port_passes),
		cmocka_unit_test(a_closed_port_is_refused),
		cmocka_unit_test(a_port_that_does_not_answer_can_be_cancelled),
		cmocka_unit_test(a_target_without_a_route_is_unreachable),
		cmocka_unit_test(every_http_answer_has_its_result),
		cmocka_unit_test(a_slow_http_answer_can_be_cancelled),
		cmocka_unit_test(loopback_answers_echo),
		cmocka_unit_test(every_result_has_a_name_and_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
