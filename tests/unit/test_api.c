/* SPDX-License-Identifier: BSD-3-Clause */
/* api: what is answered to whom, first without sockets, then over the real one. */
#include "controlplane/api.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "controlplane/api_route.h"
#include "tests/support/api_fixture.h"

static struct api_response ask(struct api_fixture *f, const char *method, const char *path, const char *body)
{
	const struct api_source source = api_fixture_source(f);
	struct api_response response = api_answer(&source, method, path, body, body != NULL ? strlen(body) : 0, "root");

	assert_non_null(response.body);
	return response;
}

static void expect_status(struct api_fixture *f, const char *method, const char *path, const char *body,
			  unsigned int status)
{
	struct api_response response = ask(f, method, path, body);

	assert_int_equal(response.status, status);
	if (status != 200) {
		assert_true(json_is_string(json_object_get(response.body, "error")));
		assert_true(json_is_string(json_object_get(response.body, "remedy")));
	}
	json_decref(response.body);
}

static void expect_verdict(struct api_fixture *f, const char *verdict, const char *summary)
{
	struct api_response response = ask(f, "GET", "/v1/status", NULL);

	assert_int_equal(response.status, 200);
	assert_string_equal(json_string_value(json_object_get(response.body, "summary")), summary);
	assert_string_equal(json_string_value(json_object_get(response.body, "verdict")), verdict);
	json_decref(response.body);
}

static int setup(void **state)
{
	struct api_fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	api_fixture_init(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void every_thing_that_can_be_shown_is_shown(void **state)
{
	static const char *const nouns[] = {"status", "services", "backends", "stats", "verdicts", "workers", "datapath", "flows"};
	char path[64];

	for (size_t i = 0; i < sizeof(nouns) / sizeof(nouns[0]); i++) {
		snprintf(path, sizeof(path), "/v1/%s", nouns[i]);
		expect_status(*state, "GET", path, NULL, 200);
		expect_status(*state, "POST", path, NULL, 405);
	}
}

static void flows_say_null_for_what_is_not_known(void **state)
{
	struct api_fixture *f = *state;
	struct api_response response = ask(f, "GET", "/v1/flows", NULL);
	const json_t *pool = json_array_get(json_object_get(response.body, "pools"), 0);

	assert_int_equal(json_integer_value(json_object_get(json_object_get(pool, "kinds"), "udp")), 100);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(pool, "open_rows"), "tcp")), 655);
	assert_true(json_is_null(json_object_get(pool, "lens_rows")));
	assert_true(json_is_null(json_object_get(response.body, "pressure_age_s")));
	assert_int_equal(json_integer_value(json_object_get(json_object_get(response.body, "counters"), "guess_base")), 12);
	assert_int_equal(json_object_size(json_object_get(response.body, "counters")), SL_FLOW_COUNT_COUNT);
	json_decref(response.body);
	f->uncounted = 1;
	f->flows.path = NULL;
	response = ask(f, "GET", "/v1/flows", NULL);
	pool = json_array_get(json_object_get(response.body, "pools"), 0);
	assert_true(json_is_null(json_object_get(pool, "kinds")));
	assert_true(json_is_null(json_object_get(response.body, "counted_age_ms")));
	assert_true(json_is_null(json_object_get(response.body, "file")));
	json_decref(response.body);
}

static void open_rows_are_told_by_kind_with_the_time_they_have_left(void **state)
{
	struct api_fixture *f = *state;
	struct api_response response;
	const json_t *backends, *open;

	f->backends[0].open_rows[SL_FLOW_QUIC] = 9;
	f->backends[0].open_s = 42;
	f->backends[1].open_s = UINT64_MAX;
	response = ask(f, "GET", "/v1/backends", NULL);
	backends = json_object_get(response.body, "backends");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(json_array_get(backends, 0), "open_rows"), "quic")), 9);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(backends, 0), "open_s")), 42);
	assert_true(json_is_null(json_object_get(json_array_get(backends, 1), "open_s")));
	assert_int_equal(json_integer_value(json_object_get(json_array_get(backends, 2), "open_s")), 0);
	json_decref(response.body);
	response = ask(f, "GET", "/v1/services", NULL);
	open = json_object_get(json_array_get(json_object_get(response.body, "services"), 0), "open_rows");
	assert_int_equal(json_integer_value(json_object_get(open, "tcp")), 13107);
	json_decref(response.body);
}

static void workers_show_what_they_remember_and_guess(void **state)
{
	struct api_fixture *f = *state;
	struct api_response response;
	const json_t *worker;

	f->workers[1].stats.flow[SL_FLOW_COUNT_KEPT_START] = 5;
	response = ask(f, "GET", "/v1/workers", NULL);
	worker = json_array_get(json_object_get(response.body, "workers"), 1);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(worker, "flows"), "kept_start")), 5);
	json_decref(response.body);
}

static void the_verdict_follows_from_what_forwards(void **state)
{
	struct api_fixture *f = *state;

	expect_verdict(f, "ok", "2 services forward to 5 of 5 backends");
	f->backends[0].admin = "drain";
	f->backends[0].state = "draining";
	expect_verdict(f, "ok", "2 services forward to 4 of 5 backends (1 drained)");
	f->backends[2].state = f->backends[2].health = "down";
	expect_verdict(f, "degraded", "2 services forward to 3 of 5 backends (1 down, 1 drained: web/web3)");
	f->services[1].serving = 0;
	f->backends[3].state = f->backends[3].health = f->backends[4].state = f->backends[4].health = "down";
	expect_verdict(f, "degraded", "1 of 2 services forward; mail has no backend (3 down, 1 drained: web/web3)");
	f->services[0].serving = 0;
	expect_verdict(f, "down", "0 of 2 services forward: no backend of 5 is up");
}

static void the_verdict_knows_a_data_plane_that_does_not_follow(void **state)
{
	struct api_fixture *f = *state;

	f->services[0].announced = false;
	expect_verdict(f, "degraded", "2 services forward to 5 of 5 backends (1 services not announced)");
	f->datapath.workers_alive = 1;
	expect_verdict(f, "degraded", "1 of 2 workers make progress (1 services not announced)");
	f->services[0].announced = true;
	f->status.applied = 8;
	f->status.applied_lag_ms = 100;
	f->datapath.workers_alive = 2;
	expect_verdict(f, "ok", "2 services forward to 5 of 5 backends");
	f->status.applied_lag_ms = 2001;
	expect_verdict(f, "degraded", "generation 9 is not applied, workers forward by 8");
	f->status.applied_lag_ms = 0;
	f->datapath.data_beat_age_ms = 2500;
	expect_verdict(f, "degraded", "sluice-dp (pid 4711) hangs: no heartbeat for 2 s");
	f->datapath.data_beat_age_ms = UINT64_MAX; /* it came this moment */
	expect_verdict(f, "ok", "2 services forward to 5 of 5 backends");
	f->status.datapath_attached = false;
	expect_verdict(f, "down", "sluice-dp (pid 4711) runs and is not attached yet: its log says what it waits for");
	f->datapath.pid = 0;
	expect_verdict(f, "down", "no data plane is attached: is sluice-dp running?");
	f->status.datapath_attached = true;
	f->status.generation = 0;
	f->services[0].serving = f->services[1].serving = 0;
	f->status.pending_probes = 5;
	expect_verdict(f, "down", "waiting for the first results of 5 probes");
}

/* A reload with another number of cores makes a new file; the process that runs goes on with those it has. */
static void the_verdict_knows_a_data_plane_that_has_other_cores_than_configured(void **state)
{
	struct api_fixture *f = *state;

	f->status.datapath_attached = f->datapath.attached = false;
	f->datapath.moving = true;
	f->datapath.workers_alive = 0;
	f->datapath.workers_configured = 1;
	expect_verdict(f, "degraded", "sluice-dp (pid 4711) has not taken over the new shared memory yet; it forwards as before");
	f->status.datapath_attached = f->datapath.attached = true;
	f->datapath.moving = false;
	f->datapath.data_beat_age_ms = UINT64_MAX;
	expect_verdict(f, "ok", "2 services forward to 5 of 5 backends; sluice-dp has 2 workers, 1 is configured: applies "
				"when sluice-dp restarts");
	f->datapath.data_beat_age_ms = 90;
	f->datapath.workers = f->datapath.workers_alive = 1;
	f->datapath.workers_configured = 3;
	expect_verdict(f, "ok", "2 services forward to 5 of 5 backends; sluice-dp has 1 worker, 3 are configured: applies "
				"when sluice-dp restarts");
}

static void drain_and_ready_reach_the_backend_that_was_named(void **state)
{
	struct api_fixture *f = *state;

	expect_status(f, "POST", "/v1/backends/web1/drain", "{\"why\": \"new disk\"}", 200);
	assert_string_equal(f->told, "drain web/web1 by root: new disk");
	expect_status(f, "POST", "/v1/backends/web1/ready", NULL, 200);
	assert_string_equal(f->told, "ready web/web1 by root: ");
	expect_status(f, "POST", "/v1/backends/smtp/shared/drain", "{}", 200);
	assert_string_equal(f->told, "drain smtp/shared by root: ");
	expect_status(f, "POST", "/v1/backends/w%65b1/drain", "", 200);
}

static void retire_and_off_reach_it_too(void **state)
{
	struct api_fixture *f = *state;

	expect_status(f, "POST", "/v1/backends/web1/retire", "{\"why\": \"old\"}", 200);
	assert_string_equal(f->told, "retire web/web1 by root: old");
	expect_status(f, "POST", "/v1/backends/smtp/shared/off", NULL, 200);
	assert_string_equal(f->told, "off smtp/shared by root: ");
}

static void how_far_a_drain_is_can_be_asked(void **state)
{
	struct api_fixture *f = *state;
	struct api_response response;

	expect_status(f, "GET", "/v1/backends/shared/drain", NULL, 409);
	expect_status(f, "GET", "/v1/backends/absent/drain", NULL, 404);
	response = ask(f, "GET", "/v1/backends/smtp/shared/drain", NULL);
	assert_int_equal(response.status, 200);
	assert_true(json_is_null(json_object_get(response.body, "quiet_ms"))); /* it is not drained */
	json_decref(response.body);
	expect_status(f, "POST", "/v1/backends/smtp/shared/drain", NULL, 200);
	response = ask(f, "GET", "/v1/backends/smtp/shared/drain", NULL);
	assert_int_equal(json_integer_value(json_object_get(response.body, "quiet_ms")), 1000);
	assert_int_equal(json_integer_value(json_object_get(response.body, "flows")), 3);
	assert_int_equal(json_integer_value(json_object_get(response.body, "oldest_s")), 7380);
	json_decref(response.body);
	f->drain.flows_known = false;
	response = ask(f, "GET", "/v1/backends/smtp/shared/drain", NULL);
	assert_true(json_is_null(json_object_get(response.body, "flows")));
	json_decref(response.body);
}

static void a_name_of_several_pools_is_refused_naming_them(void **state)
{
	struct api_response response = ask(*state, "POST", "/v1/backends/shared/drain", NULL);

	assert_int_equal(response.status, 409);
	assert_string_equal(json_string_value(json_object_get(response.body, "error")),
			    "backend shared is in several pools: web, smtp");
	json_decref(response.body);
}

#define SIXTEEN "xxxxxxxxxxxxxxxx"

/* Whoever typed the name is told what is wrong with it, and where the right ones are. */
static void what_cannot_be_a_name_is_refused_saying_why(void **state)
{
	static const struct {
		const char *method, *path, *fault;
	} cases[] = {
		{ "POST", "/v1/backends//drain", "it is empty" },
		{ "POST", "/v1/backends//web1/drain", "it is empty" },
		{ "POST", "/v1/backends/web//ready", "it is empty" },
		{ "GET", "/v1/backends//drain", "it is empty" },
		{ "POST", "/v1/backends/%/off", "it is not escaped as a URL is" },
		{ "POST", "/v1/backends/a%2/off", "it is not escaped as a URL is" },
		{ "POST", "/v1/backends/%00/off", "it is not escaped as a URL is" },
		{ "POST", "/v1/backends/%FF/retire", "it is not UTF-8" },
		{ "POST", "/v1/backends/" SIXTEEN SIXTEEN SIXTEEN SIXTEEN "/retire", "it is too long" },
	};
	char expected[128];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct api_response response = ask(*state, cases[i].method, cases[i].path, NULL);

		assert_int_equal(response.status, 404);
		snprintf(expected, sizeof(expected), "no backend or pool has such a name: %s", cases[i].fault);
		assert_string_equal(json_string_value(json_object_get(response.body, "error")), expected);
		assert_string_equal(json_string_value(json_object_get(response.body, "remedy")),
				    "sluicectl show backends lists them");
		json_decref(response.body);
	}
}

static void what_cannot_be_done_is_refused_with_a_fitting_status(void **state)
{
	struct api_fixture *f = *state;
	char path[256] = "/v1/backends/";
	char long_why[256];

	memset(path + strlen(path), 'x', 200);
	strcpy(path + 213, "/drain");
	expect_status(f, "POST", path, NULL, 404); /* longer than any name */
	expect_status(f, "POST", "/v1/backends/absent/drain", NULL, 404);
	expect_status(f, "POST", "/v1/backends/smtp/web1/drain", NULL, 404);
	expect_status(f, "POST", "/v1/backends/web3/drain", NULL, 409);
	expect_status(f, "POST", "/v1/backends/web1/explode", NULL, 404);
	expect_status(f, "POST", "/v1/backends/a b%20%25%C3%BC/drain", NULL, 404); /* odd, but a name: nobody has it */
	expect_status(f, "POST", "/v1/backends/a%2Fb/drain", NULL, 404); /* one name, not two */
	expect_status(f, "POST", "/v1/backends/web1/drain", "[]", 400);
	expect_status(f, "POST", "/v1/backends/web1/drain", "{\"why\": 3}", 400);
	expect_status(f, "POST", "/v1/backends/web1/drain", "{\"why\": ", 400);
	snprintf(long_why, sizeof(long_why), "{\"why\": \"%0128d\"}", 0);
	expect_status(f, "POST", "/v1/backends/web1/drain", long_why, 400);
	expect_status(f, "GET", "/v1/backends/web1/ready", NULL, 405);
	expect_status(f, "DELETE", "/v1/status", NULL, 405);
	expect_status(f, "GET", "/v1/status/", NULL, 404);
	expect_status(f, "GET", "/v1/statu", NULL, 404);
	expect_status(f, "GET", "", NULL, 404);
	expect_status(f, "GET", "/metrics", NULL, 404);
	assert_string_equal(f->told, "");
	f->reload_result = -EINVAL;
	expect_status(f, "POST", "/v1/reload", NULL, 409);
	f->reload_result = 0;
	expect_status(f, "POST", "/v1/reload", NULL, 200);
	assert_int_equal(f->reloads, 2);
}

static void the_sum_of_verdicts_stands_beside_the_packets(void **state)
{
	struct api_response response = ask(*state, "GET", "/v1/stats", NULL);
	const json_t *total = json_object_get(response.body, "total");

	assert_int_equal(json_integer_value(json_object_get(total, "verdicts")), 2014);
	assert_int_equal(json_integer_value(json_object_get(total, "rx_packets")), 2014);
	json_decref(response.body);
}

/* ---- over the socket ----------------------------------------------------------------------------------- */

struct live {
	uv_loop_t loop;
	uv_async_t stop;
	struct api *api;
	char dir[64];
	char path[96];
	pthread_t thread;
};

static void on_stop(uv_async_t *async)
{
	struct live *live = async->data;

	api_destroy(live->api);
	uv_close((uv_handle_t *)async, NULL);
}

static void *run_loop(void *arg)
{
	uv_run(arg, UV_RUN_DEFAULT);
	return NULL;
}

static void live_start(struct live *live, struct api_fixture *f)
{
	const struct api_source source = api_fixture_source(f);

	strcpy(live->dir, "/tmp/sluice-api-XXXXXX");
	assert_non_null(mkdtemp(live->dir));
	snprintf(live->path, sizeof(live->path), "%s/api.sock", live->dir);
	assert_int_equal(uv_loop_init(&live->loop), 0);
	assert_int_equal(uv_async_init(&live->loop, &live->stop, on_stop), 0);
	live->stop.data = live;
	assert_int_equal(api_create(&live->loop, live->path, &source, &live->api), 0);
	assert_int_equal(pthread_create(&live->thread, NULL, run_loop, &live->loop), 0);
}

static void live_stop(struct live *live)
{
	uv_async_send(&live->stop);
	pthread_join(live->thread, NULL);
	assert_int_equal(uv_loop_close(&live->loop), 0);
	assert_int_equal(access(live->path, F_OK), -1); /* the socket went with it */
	rmdir(live->dir);
}

static int live_connect(const struct live *live)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(sa.sun_path, live->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* Sends and reads until the other end closes; returns the status of the first answer, 0 for none. */
static int exchange(const struct live *live, const char *request)
{
	char answer[65536];
	size_t len = 0;
	int status = 0;
	ssize_t n;
	int fd = live_connect(live);

	(void)!send(fd, request, strlen(request), MSG_NOSIGNAL);
	while ((n = recv(fd, answer + len, sizeof(answer) - 1 - len, 0)) > 0)
		len += (size_t)n;
	answer[len] = 0;
	close(fd);
	return sscanf(answer, "HTTP/1.1 %d ", &status) == 1 ? status : 0;
}

static void the_socket_answers_and_keeps_its_limits(void **state)
{
	struct api_fixture *f = *state;
	struct live live;
	struct stat st;
	char *chunked = malloc(16384);

	live_start(&live, f);
	assert_int_equal(stat(live.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_int_equal(exchange(&live, "GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), 200);
	assert_int_equal(exchange(&live, "POST /v1/backends/web1/drain HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
					 "Content-Length: 14\r\n\r\n{\"why\":\"disk\"}"), 200);
	assert_non_null(strstr(f->told, "drain web/web1 by "));
	assert_non_null(strstr(f->told, ": disk"));
	assert_int_equal(exchange(&live, "POST /v1/reload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
					 "Content-Length: 4097\r\n\r\n"), 413);
	sprintf(chunked, "POST /v1/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1800\r\n%06144d\r\n", 0);
	assert_int_equal(exchange(&live, chunked), 0);
	assert_int_equal(exchange(&live, "nonsense\r\n\r\n"), 0); /* closed */
	assert_int_equal(f->reloads, 0);
	assert_int_equal(exchange(&live, "GET /v1/backends HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), 200);
	free(chunked);
	live_stop(&live);
}

static void clients_that_say_nothing_do_not_keep_others_out(void **state)
{
	struct live live;
	int silent[60];

	live_start(&live, *state);
	for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++)
		silent[i] = live_connect(&live);
	assert_int_equal(exchange(&live, "GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), 200);
	for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++)
		close(silent[i]);
	live_stop(&live);
}

static void a_socket_left_behind_is_replaced(void **state)
{
	const struct api_source source = api_fixture_source(*state);
	struct live live;
	struct api *second;
	uv_loop_t loop;

	live_start(&live, *state);
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(api_create(&loop, live.path, &source, &second), 0);
	api_destroy(second);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(api_create(&loop, "/nonexistent/api.sock", &source, &second), -ENOENT);
	live_stop(&live);
}

#define api_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		api_test(every_thing_that_can_be_shown_is_shown),
		api_test(flows_say_null_for_what_is_not_known),
		api_test(open_rows_are_told_by_kind_with_the_time_they_have_left),
		api_test(workers_show_what_they_remember_and_guess),
		api_test(the_verdict_follows_from_what_forwards),
		api_test(the_verdict_knows_a_data_plane_that_does_not_follow),
		api_test(the_verdict_knows_a_data_plane_that_has_other_cores_than_configured),
		api_test(drain_and_ready_reach_the_backend_that_was_named),
		api_test(retire_and_off_reach_it_too),
		api_test(how_far_a_drain_is_can_be_asked),
		api_test(a_name_of_several_pools_is_refused_naming_them),
		api_test(what_cannot_be_a_name_is_refused_saying_why),
		api_test(what_cannot_be_done_is_refused_with_a_fitting_status),
		api_test(the_sum_of_verdicts_stands_beside_the_packets),
		api_test(the_socket_answers_and_keeps_its_limits),
		api_test(clients_that_say_nothing_do_not_keep_others_out),
		api_test(a_socket_left_behind_is_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
