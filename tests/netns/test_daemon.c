/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The parts of sluiced together, in a namespace and directory of their own: reloads, what operators say,
 * what survives, and an orderly end. The data plane is played by a few records in its ring.
 */
#include "controlplane/daemon.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <net/if.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "daemon_fixture.h"
#include "netns.h"
#include "sluice/host/lock.h"
#include "sluice/ring.h"

static void an_end_with_overdue_timers_touches_nothing_that_is_gone(void **state)
{
	struct fixture *f = *state;

	start(f);
	run_until_published(f);
	daemon_publish(f->daemon); /* due, and the loop is not turned for it any more */
	usleep(2 * DAEMON_TICK_IDLE_MS * 1000);
	daemon_destroy(f->daemon);
	f->daemon = NULL;
}

static void directories_are_passable_whatever_the_umask(void **state)
{
	struct fixture *f = *state;
	const mode_t before = umask(0077);
	char path[128];
	struct stat st;

	start(f);
	umask(before);
	snprintf(path, sizeof(path), "%s/run", f->directory);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0755);
	snprintf(path, sizeof(path), "%s/run/test", f->directory);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0750);
}

/* 127 bytes are kept of a reason; the 127th and 128th of this one are one character. */
static void a_drain_with_a_long_reason_survives_a_restart(void **state)
{
	struct fixture *f = *state;
	const struct model_backend *backend;
	char why[200];
	char reterr[API_ERROR_MAX];

	start(f);
	run_until_published(f);
	memset(why, 'a', sizeof(why));
	strcpy(why + 126, "\xc3\xa9, and more");
	assert_int_equal(daemon_set_admin(f->daemon, NULL, "192.0.2.21", BACKEND_DRAIN, "root", why, reterr), 0);
	daemon_destroy(f->daemon);
	start(f);
	backend = &f->daemon->model->pools[0].backends[0];
	assert_int_equal(backend->override.admin, BACKEND_DRAIN);
	assert_int_equal(strlen(backend->override.why), 126);
}

static void a_damaged_state_is_kept_beside(void **state)
{
	struct fixture *f = *state;
	char path[128];

	start(f);
	daemon_state_save(f->daemon);
	daemon_destroy(f->daemon);
	snprintf(path, sizeof(path), "%s/state/state.json", f->directory);
	assert_int_equal(truncate(path, 20), 0);
	start(f);
	daemon_state_save(f->daemon);
	assert_int_equal(access(path, F_OK), 0);
	strcat(path, ".damaged");
	assert_int_equal(access(path, F_OK), 0);
}

static void a_state_that_is_slow_to_write_is_written_less_often(void **state)
{
	struct fixture *f = *state;

	start(f);
	daemon_state_save(f->daemon);
	f->daemon->state_dirty = true;
	f->daemon->state_saved_ms = uv_now(&f->daemon->loop) - 1000;
	f->daemon->state_cost_ms = 5;
	assert_true(daemon_state_is_due(f->daemon));
	f->daemon->state_cost_ms = 500;
	assert_false(daemon_state_is_due(f->daemon));
	f->daemon->state_saved_ms -= 2000;
	assert_true(daemon_state_is_due(f->daemon));
	f->daemon->state_dirty = false;
	assert_false(daemon_state_is_due(f->daemon));
}

static void a_reload_refused_for_its_key_says_why(void **state)
{
	struct fixture *f = *state;
	char text[512], reterr[512] = "";

	start(f);
	snprintf(text, sizeof(text), "hash-key-file: %s/no.key\n%s", f->directory, one_service);
	write_config(f, text);
	assert_true(daemon_reload(f->daemon, reterr, sizeof(reterr)) < 0);
	assert_non_null(strstr(reterr, "no.key"));
	assert_null(f->daemon->config->hash_key_file);
}

static void a_reload_changes_the_format_of_the_log(void **state)
{
	struct fixture *f = *state;
	char text[512], reterr[512];

	start(f);
	assert_int_equal(f->daemon->log.format, LOG_FORMAT_TEXT);
	snprintf(text, sizeof(text), "log: {format: json}\n%s", one_service);
	write_config(f, text);
	assert_int_equal(daemon_reload(f->daemon, reterr, sizeof(reterr)), 0);
	assert_int_equal(f->daemon->log.format, LOG_FORMAT_JSON);
}

/* What `f->daemon` logs from now on; the file has no name and goes with the caller. */
static FILE *catch_log(struct fixture *f)
{
	FILE *file = tmpfile();

	assert_non_null(file);
	f->daemon->log.fd = fileno(file);
	f->daemon->log.level = LOG_LEVEL_INFO;
	return file;
}

/* The first line with that text, or an empty one. */
static const char *logged(FILE *file, const char *text, char line[1024])
{
	rewind(file);
	while (fgets(line, 1024, file))
		if (strstr(line, text))
			return line;
	return "";
}

/* The address is this machine's and nobody listens: refused at once. One probe for two pools. */
static void a_backend_that_goes_down_is_named_with_its_pool(void **state)
{
	struct fixture *f = *state;
	char line[1024];
	FILE *file;

	write_config(f, "checks: {connect: {type: tcp, port: 8080}}\n"
			"pools:\n"
			"  - {name: www, check: connect, backends: [{address: 192.0.2.1, name: web1}, 192.0.2.22]}\n"
			"  - {name: static, check: connect, backends: [192.0.2.1]}\n"
			"services:\n"
			"  - {name: a, listen: \"tcp 192.0.2.10:80\", mode: l2, pool: www}\n"
			"  - {name: b, listen: \"tcp 192.0.2.10:81\", mode: l2, pool: static}\n");
	start(f);
	file = catch_log(f);
	run_until_published(f);
	assert_non_null(strstr(logged(file, "address=192.0.2.1 ", line),
			       "warning \"backend is down\" pool=www backend=web1 more_backends=1 address=192.0.2.1 port=8080 "));
	f->daemon->log.fd = STDERR_FILENO;
	fclose(file);
}

static bool is_attached(void *ctx)
{
	return ((struct daemon *)ctx)->attached;
}

static bool is_past_500(void *ctx)
{
	return ((struct daemon *)ctx)->model->generation > 500;
}

static void say_hello(struct fixture *f, uint64_t pid, uint64_t generation)
{
	const struct sl_hello hello = { .pid = pid, .generation = generation, .workers = 1 };
	const struct sl_shm_header *header = shm_file_header(f->daemon->shm);
	struct sl_ring_end end;

	sl_ring_attach(&end, shm_file_base(f->daemon->shm), &header->to_control, NULL, header->session);
	sl_ring_begin_producer(&end);
	assert_int_equal(sl_ring_push(&end, SL_RECORD_HELLO, SL_OP_PUT, &hello, sizeof(hello)), 1);
	assert_true(netns_wait(&f->daemon->loop, is_attached, f->daemon, 1000));
}

static void generations_go_on_from_what_the_data_plane_forwards_by(void **state)
{
	struct fixture *f = *state;

	start(f);
	run_until_published(f);
	assert_true(f->daemon->model->generation < 500); /* the state file was lost */
	say_hello(f, 4711, 500);
	assert_true(netns_wait(&f->daemon->loop, is_past_500, f->daemon, 1000));
}

static bool never(void *ctx)
{
	(void)ctx;
	return false;
}

/* Nobody answers the probe; sluice-dp runs and can have nothing yet. Three seconds are what a start may take. */
static void a_first_boot_says_what_the_vips_wait_for(void **state)
{
	struct fixture *f = *state;
	char reterr[512], line[1024];
	int lock = -1;
	FILE *file = fopen(f->config, "w");

	fputs("interfaces: [\"af_packet:up1\"]\nannounce: {device: vips}\n"
	      "services: [{name: web, listen: \"tcp 192.0.2.10:80\", mode: l2, backends: [198.51.100.21],\n"
	      "  check: {type: tcp, interval: 20s, timeout: 10s}}]\n", file);
	fclose(file);
	start(f);
	file = catch_log(f);
	assert_int_equal(sl_lock_take(f->daemon->dir_fd, SL_LOCK_DATA, &lock, reterr, sizeof(reterr)), 0);
	netns_wait(&f->daemon->loop, never, NULL, 3300);
	assert_string_equal(logged(file, "withdrawn", line), "");
	assert_non_null(strstr(logged(file, "no VIP is up yet", line), "waits_for=\"the first results of probes\" probes=1"));
	close(lock);
	f->daemon->log.fd = STDERR_FILENO;
	fclose(file);
}

static bool leaves_by(const struct fixture *f, uint16_t port)
{
	const struct model *model = f->daemon->model;
	const uint32_t id = model->pools[0].backends[0].hop.neighbor;

	return id > 0 && model->neighbors[id].known && model->neighbors[id].port == port;
}

static bool leaves_by_0(void *f)
{
	return leaves_by(f, 0);
}

static bool leaves_by_1(void *f)
{
	return leaves_by(f, 1);
}

static bool leaves_by_another(void *f)
{
	return !leaves_by(f, 1);
}

/* up1 becomes the first interface of the configuration, and is the second of the process that runs. */
static void ports_are_counted_as_the_running_data_plane_does_until_it_restarts(void **state)
{
	static const char service[] = "services: [{name: web, listen: \"tcp 192.0.2.10:80\", mode: l2, "
				      "backends: [198.51.100.21]}]\n";
	struct fixture *f = *state;
	char reterr[512];
	int lock = -1;

	write_interfaces(f, "\"af_packet:up0\", \"af_packet:up1\"", service);
	start(f);
	run_until_published(f);
	assert_int_equal(sl_lock_take(f->daemon->dir_fd, SL_LOCK_DATA, &lock, reterr, sizeof(reterr)), 0);
	say_hello(f, 4711, 0);
	assert_true(netns_wait(&f->daemon->loop, leaves_by_1, f, 1000));
	write_interfaces(f, "\"af_packet:up1\"", service);
	assert_int_equal(daemon_reload(f->daemon, reterr, sizeof(reterr)), 0);
	assert_false(netns_wait(&f->daemon->loop, leaves_by_another, f, 300));
	say_hello(f, 4711, 0); /* the same process, to the new file */
	assert_false(netns_wait(&f->daemon->loop, leaves_by_another, f, 300));
	say_hello(f, 4712, 0);
	assert_true(netns_wait(&f->daemon->loop, leaves_by_0, f, 1000));
	close(lock);
}

static void more_services_than_the_file_holds_make_a_new_file(void **state)
{
	struct fixture *f = *state;
	char reterr[512], *text = NULL;
	uint64_t session;
	size_t size;
	FILE *out;

	start(f);
	run_until_published(f);
	session = shm_file_header(f->daemon->shm)->session;
	out = open_memstream(&text, &size);
	fprintf(out, "services:\n");
	for (int i = 0; i < 200; i++)
		fprintf(out, "  - {name: s%d, listen: \"tcp 192.0.2.10:%d\", mode: l2, backends: [192.0.2.21]}\n", i, 1000 + i);
	fclose(out);
	write_config(f, text);
	free(text);
	assert_int_equal(daemon_reload(f->daemon, reterr, sizeof(reterr)), 0);
	assert_true(shm_file_header(f->daemon->shm)->session != session);
	assert_true(shm_file_header(f->daemon->shm)->limits.services >= 200);
	assert_false(f->daemon->publish_failed);
}

static bool steering_knows(const uint8_t mac[6])
{
	const int fd = bpf_obj_get("/sys/fs/bpf/sluice/test/x0/mac");
	struct sl_steering_mac known = { .mac = { 0 } };
	const uint32_t only = 0;
	bool same = fd >= 0 && bpf_map_lookup_elem(fd, &only, &known) == 0;

	same = same && memcmp(known.mac, mac, 6) == 0;
	if (fd >= 0)
		close(fd);
	return same;
}

static bool has_first_mac(void *ctx)
{
	(void)ctx;
	return steering_knows((const uint8_t[]){ 2, 0, 0, 0, 0, 1 });
}

static bool has_second_mac(void *ctx)
{
	(void)ctx;
	return steering_knows((const uint8_t[]){ 2, 0, 0, 0, 0, 2 });
}

static bool is_steered(void *ctx)
{
	const int ifindex = (int)if_nametoindex("x0");
	uint32_t id = 0;

	(void)ctx;
	return ifindex != 0 && bpf_xdp_query_id(ifindex, 0, &id) == 0 && id != 0;
}

static const char steered_service[] = "xdp: {on-stop: detach}\n"
				      "services: [{name: web, listen: tcp 192.0.2.10:80, mode: l2, backends: [192.0.2.21]}]\n";

static void steering_follows_the_interface(void **state)
{
	struct fixture *f = *state;

	netns_run("ip link add x0 address 02:00:00:00:00:01 type veth peer name x1 && ip link set x0 up && ip link set x1 up");
	write_interfaces(f, "\"af_xdp:x0\"", steered_service);
	start(f);
	run_until_published(f);
	assert_true(is_steered(NULL));
	assert_true(has_first_mac(NULL));
	netns_run("ip link set x0 address 02:00:00:00:00:02");
	assert_true(netns_wait(&f->daemon->loop, has_second_mac, f->daemon, 1000));
	/* made anew; while it is gone, nothing but a line in the log happens */
	netns_run("ip link del x0");
	netns_wait(&f->daemon->loop, has_first_mac, f->daemon, 100);
	netns_run("ip link add x0 address 02:00:00:00:00:01 type veth peer name x1 && ip link set x0 up && ip link set x1 up");
	assert_true(netns_wait(&f->daemon->loop, is_steered, f->daemon, 1000));
	assert_true(has_first_mac(NULL));
	daemon_network_stop(f->daemon);
	assert_false(is_steered(NULL));
	netns_run("ip link del x0");
}

/* What the kernel refuses at first is tried again when the interface is another way. */
static void what_could_not_be_steered_is_tried_again_when_it_changes(void **state)
{
	struct fixture *f = *state;
	char reterr[512];

	start(f);
	run_until_published(f);
	netns_run("ip link add x0 mtu 9000 type veth peer name x1 mtu 9000 && ip link set x0 up && ip link set x1 up");
	write_interfaces(f, "\"af_xdp:x0\"", steered_service);
	assert_int_equal(daemon_reload(f->daemon, reterr, sizeof(reterr)), 0);
	assert_false(is_steered(NULL));
	netns_run("ip link set x1 mtu 1500 && ip link set x0 mtu 1500");
	assert_true(netns_wait(&f->daemon->loop, is_steered, f->daemon, 1000));
	daemon_network_stop(f->daemon);
	netns_run("ip link del x0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_end_with_overdue_timers_touches_nothing_that_is_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(directories_are_passable_whatever_the_umask, setup, teardown),
		cmocka_unit_test_setup_teardown(a_drain_with_a_long_reason_survives_a_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(a_damaged_state_is_kept_beside, setup, teardown),
		cmocka_unit_test_setup_teardown(a_state_that_is_slow_to_write_is_written_less_often, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reload_refused_for_its_key_says_why, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reload_changes_the_format_of_the_log, setup, teardown),
		cmocka_unit_test_setup_teardown(a_backend_that_goes_down_is_named_with_its_pool, setup, teardown),
		cmocka_unit_test_setup_teardown(generations_go_on_from_what_the_data_plane_forwards_by, setup, teardown),
		cmocka_unit_test_setup_teardown(ports_are_counted_as_the_running_data_plane_does_until_it_restarts, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_first_boot_says_what_the_vips_wait_for, setup, teardown),
		cmocka_unit_test_setup_teardown(more_services_than_the_file_holds_make_a_new_file, setup, teardown),
		cmocka_unit_test_setup_teardown(steering_follows_the_interface, setup, teardown),
		cmocka_unit_test_setup_teardown(what_could_not_be_steered_is_tried_again_when_it_changes, setup, teardown),
	};

	netns_enter();
	wire_up0();
	netns_run("ip link add up1 type veth peer name other1 && ip addr add 198.51.100.1/24 dev up1 && "
		  "ip link set up1 up && ip link set other1 up && "
		  "ip neigh add 198.51.100.21 lladdr 02:00:00:00:00:21 dev up1");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
