/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Remembered connections and numbers over restarts of sluiced: what is kept, what is made anew, and what a start
 * goes on with when one of the things that hold numbers is lost. sluice-dp is played by stores into its page.
 */
#include "controlplane/daemon.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "controlplane/flow_file.h"
#include "daemon_fixture.h"
#include "netns.h"
#include "sluice/flows_file.h"
#include "sluice/host/boot_id.h"
#include "sluice/host/lock.h"

/* The file as sluice-dp's manager has it. */
struct mapping {
	uint8_t *base;
	size_t size;
};

static struct mapping map(const struct fixture *f)
{
	struct mapping m;
	char path[128];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/run/test/%s", f->directory, SL_FLOWS_FILE);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	m.size = (size_t)st.st_size;
	m.base = mmap(NULL, m.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(m.base != MAP_FAILED);
	close(fd);
	return m;
}

static void unmap(const struct mapping *m)
{
	munmap(m->base, m->size);
}

static struct sl_flows_header header_of(const struct fixture *f)
{
	const struct mapping m = map(f);
	struct sl_flows_header header;

	memcpy(&header, m.base, sizeof(header));
	unmap(&m);
	return header;
}

/* One connection of pool 0 at `slot`, seen now. */
static void remember(const struct fixture *f, uint16_t slot, uint32_t row)
{
	const struct mapping m = map(f);
	const struct sl_flows_header *header = (const void *)m.base;
	struct sl_flows_live *live = (void *)(m.base + SL_SHM_PAGE);
	struct sl_flow_bucket *bucket = (void *)(m.base + header->hot.offset);
	struct sl_flow_home *home = (void *)(m.base + header->home.offset);

	bucket->slot[2] = slot;
	bucket->seen_s[2] = (uint16_t)daemon_boottime_s();
	home->row[2] = row;
	home->born_s[2] = bucket->seen_s[2];
	bucket->tag[2] = 42;
	live->used = 1;
	live->swept_s = daemon_boottime_s();
	unmap(&m);
}

static uint64_t used_entry(const struct fixture *f)
{
	const struct mapping m = map(f);
	const struct sl_flows_header *header = (const void *)m.base;
	const uint64_t tag = ((const struct sl_flow_bucket *)(m.base + header->hot.offset))->tag[2];

	unmap(&m);
	return tag;
}

/* The end without a farewell: nothing is saved that was not. */
static void kill_daemon(struct fixture *f)
{
	daemon_destroy(f->daemon);
	f->daemon = NULL;
}

static void numbers_and_remembered_connections_outlive_sluiced(void **state)
{
	struct fixture *f = *state;
	struct sl_flows_header first, second;
	struct sl_settings settings;

	start(f);
	run_until_published(f);
	settings = f->daemon->model->settings;
	first = header_of(f);
	assert_true(first.numbering != 0);
	assert_int_equal(first.numbering, settings.numbering);
	assert_memory_equal(&first.flow_key, &settings.flow_key, sizeof(first.flow_key));
	remember(f, 1, 7);
	kill_daemon(f);
	start(f);
	second = header_of(f);
	assert_memory_equal(&first, &second, sizeof(first));
	assert_int_equal(used_entry(f), 42);
	assert_int_equal(f->daemon->model->settings.numbering, first.numbering);
}

static void a_lost_state_with_nothing_that_names_numbers_makes_all_new(void **state)
{
	struct fixture *f = *state;
	uint64_t numbering;

	start(f);
	run_until_published(f);
	numbering = header_of(f).numbering;
	remember(f, 1, 7);
	kill_daemon(f);
	netns_run("rm -r %s/state/state.json %s/state/rows", f->directory, f->directory);
	start(f);
	assert_true(header_of(f).numbering != numbering);
	assert_int_equal(used_entry(f), 0); /* whose numbers it had is not known any more */
}

/* What model_rows.c writes of one pool; here with other numbers than a first start would give. */
static void write_rows(const struct fixture *f, uint64_t numbering)
{
	struct row_file_name names[2] = { { .name = "192.0.2.22", .slot = 3 }, { .name = "192.0.2.21", .slot = 5 } };
	struct row_file file = { .numbering = numbering, .pool = 2, .pool_name = "web", .names = names, .name_count = 2 };
	const struct sl_key key = { 1, 2 };
	uint16_t rows[7] = { 3, 3, 5, 5, 3, 3, 5 };
	char path[96], reterr[256];
	struct row_store *store;

	assert_int_equal(row_history_start(&file.history, rows, 7, &key), 0);
	sl_boot_id(file.boot_id);
	snprintf(path, sizeof(path), "%s/state/rows", f->directory);
	assert_int_equal(row_store_open(path, &store, reterr, sizeof(reterr)), 0);
	assert_int_equal(row_store_write(store, &file, reterr, sizeof(reterr)), 0);
	row_store_close(store);
	row_history_clear(&file.history);
}

static void a_lost_state_takes_names_and_numbers_back_from_the_rows_files(void **state)
{
	struct fixture *f = *state;
	struct sl_flows_header before;

	start(f);
	run_until_published(f);
	before = header_of(f);
	remember(f, 5, 2);
	kill_daemon(f);
	netns_run("rm -rf %s/state/state.json %s/state/rows", f->directory, f->directory);
	netns_run("rm %s/state/hash.key", f->directory);
	write_rows(f, before.numbering);
	start(f);
	assert_int_equal(f->daemon->model->settings.numbering, before.numbering);
	/* the key of flow tags is flows.shm's: another fleet key would have made another one */
	assert_memory_equal(&f->daemon->model->settings.flow_key, &before.flow_key, sizeof(before.flow_key));
	assert_int_equal(used_entry(f), 42);
	assert_int_equal(f->daemon->model->pools[0].id, 2);
	assert_int_equal(f->daemon->model->pools[0].backends[0].slot, 5);
	assert_int_equal(f->daemon->model->pools[0].backends[1].slot, 3);
	run_until_published(f);
	kill_daemon(f);
	start(f); /* and the state that was saved since agrees */
	assert_int_equal(f->daemon->model->pools[0].backends[0].slot, 5);
	assert_int_equal(used_entry(f), 42);
}

static void rows_of_another_numbering_are_discarded(void **state)
{
	struct fixture *f = *state;
	uint64_t numbering;

	start(f);
	run_until_published(f);
	numbering = header_of(f).numbering;
	remember(f, 1, 7);
	kill_daemon(f);
	write_rows(f, numbering + 1);
	start(f);
	assert_int_equal(f->daemon->model->settings.numbering, numbering);
	assert_int_equal(f->daemon->model->pools[0].id, 0);
	assert_int_equal(used_entry(f), 42);
	assert_int_equal(netns_try("test -e %s/state/rows/2", f->directory) != 0, 1);
}

static bool has_new_file(void *ctx)
{
	struct fixture *f = ctx;
	char path[128];

	snprintf(path, sizeof(path), "%s/run/test/%s", f->directory, SL_FLOWS_FILE);
	return access(path, F_OK) == 0;
}

static void a_file_that_somebody_removes_is_made_again(void **state)
{
	struct fixture *f = *state;

	start(f);
	run_until_published(f);
	netns_run("rm %s/run/test/" SL_FLOWS_FILE, f->directory);
	assert_true(netns_wait(&f->daemon->loop, has_new_file, f, 3000));
}

static void a_bigger_limit_waits_for_sluice_dp_and_then_makes_a_bigger_file(void **state)
{
	struct fixture *f = *state;
	uint64_t buckets;
	char text[512], reterr[512];
	int lock = -1;

	start(f);
	run_until_published(f);
	buckets = header_of(f).buckets;
	assert_int_equal(buckets, sl_flows_buckets(1 << 20));
	snprintf(text, sizeof(text), "limits: {flows: 2M}\n%s", one_service);
	write_config(f, text);
	assert_int_equal(daemon_reload(f->daemon, reterr, sizeof(reterr)), 0);
	assert_int_equal(header_of(f).buckets, buckets); /* nobody would take the entries along */
	assert_int_equal(sl_lock_take(f->daemon->dir_fd, SL_LOCK_DATA, &lock, reterr, sizeof(reterr)), 0);
	assert_int_equal(daemon_reload(f->daemon, reterr, sizeof(reterr)), 0);
	assert_int_equal(header_of(f).buckets, 2 * buckets);
	close(lock);
}

static bool has_census(void *ctx)
{
	return daemon_flows_census(ctx) != NULL;
}

static void who_asks_gets_a_census(void **state)
{
	struct fixture *f = *state;
	const struct flow_census_result *census;

	start(f);
	run_until_published(f);
	remember(f, 1, 7);
	assert_null(daemon_flows_census(f->daemon)); /* none yet, but one begins */
	assert_true(netns_wait(&f->daemon->loop, has_census, f->daemon, 3000));
	census = daemon_flows_census(f->daemon);
	assert_int_equal(census->flows, 1);
	assert_int_equal(flow_census_find(census, 0)->slot[1].flows, 1);
	assert_int_equal(flow_census_find(census, 0)->slot[0].flows, 0);
}

/* A start that finds no history of a pool it knew: rows LOOK. What it publishes counts as long in force. */
static void start_without_rows(struct fixture *f)
{
	netns_run("rm -r %s/state/rows", f->directory);
	start(f);
	run_until_published(f);
	model_set_applied(f->daemon->model, f->daemon->model->generation, daemon_boottime_ms() - MODEL_APPLIED_MS);
}

/* As if workers had told the file all that they remember, for so many seconds. */
static void make_whole(const struct fixture *f, uint64_t seconds)
{
	const struct mapping m = map(f);

	((struct sl_flows_live *)(m.base + SL_SHM_PAGE))->whole_s = daemon_boottime_s() - seconds;
	unmap(&m);
}

static uint32_t looks(const struct daemon *d)
{
	return row_history_looks(&d->model->pools[0].rows);
}

/* Of after all rows closed: a history keeps whole seconds, rounded up. */
static bool has_whole_census(void *ctx)
{
	const struct daemon *d = ctx;
	const struct flow_census_result *census = daemon_flows_census(ctx);

	return census != NULL && census->began_ms > d->model->pools[0].rows.quiet_s[0] * UINT64_C(1000) + 1;
}

static bool has_no_looks(void *ctx)
{
	return looks(ctx) == 0;
}

/* A worker may know connections that it told the file before this one: a life of 30 s + 9 s. */
static void a_young_file_takes_no_look_away(void **state)
{
	struct fixture *f = *state;

	write_config(f, "pools: [{name: web, backends: [192.0.2.21], connection-idle: {tcp: 30s, quic: 30s, udp: 30s}}]\n"
			"services: [{name: web, listen: tcp 192.0.2.10:80, mode: l2, pool: web}]\n");
	start(f);
	run_until_published(f);
	make_whole(f, 0);
	kill_daemon(f);
	start_without_rows(f);
	assert_true(netns_wait(&f->daemon->loop, has_whole_census, f->daemon, 5000));
	assert_int_equal(looks(f->daemon), f->daemon->model->pools[0].rows.rows);
	kill_daemon(f);
	make_whole(f, 60);
	start_without_rows(f);
	assert_true(netns_wait(&f->daemon->loop, has_no_looks, f->daemon, 5000));
}

static bool has_pressure(void *ctx)
{
	return ((struct daemon *)ctx)->model->pressure;
}

static bool has_no_pressure(void *ctx)
{
	return !((struct daemon *)ctx)->model->pressure;
}

static void pressure_reaches_the_model_and_ends_with_the_process_that_said_it(void **state)
{
	struct fixture *f = *state;
	struct sl_flows_live *live;
	struct mapping m;

	start(f);
	run_until_published(f);
	m = map(f);
	live = (void *)(m.base + SL_SHM_PAGE);
	live->swept_s = daemon_boottime_s();
	live->pressure_s = daemon_boottime_s();
	live->pressure = 1;
	assert_true(netns_wait(&f->daemon->loop, has_pressure, f->daemon, 3000));
	live->swept_s = daemon_boottime_s() - 60; /* it died with the flag up */
	assert_true(netns_wait(&f->daemon->loop, has_no_pressure, f->daemon, 3000));
	assert_true(f->daemon->model->pressure_ms >= live->pressure_s * 1000);
	unmap(&m);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(numbers_and_remembered_connections_outlive_sluiced),
		T(a_lost_state_with_nothing_that_names_numbers_makes_all_new),
		T(a_lost_state_takes_names_and_numbers_back_from_the_rows_files),
		T(rows_of_another_numbering_are_discarded),
		T(a_file_that_somebody_removes_is_made_again),
		T(a_bigger_limit_waits_for_sluice_dp_and_then_makes_a_bigger_file),
		T(who_asks_gets_a_census),
		T(a_young_file_takes_no_look_away),
		T(pressure_reaches_the_model_and_ends_with_the_process_that_said_it),
	};

	netns_enter();
	wire_up0();
	return cmocka_run_group_tests_name("daemon_flows", tests, NULL, NULL);
}
