/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sluiced killed at any instruction: processes that change a pool all the time, keep its history and publish, each
 * killed after a random moment. What the next one reads is what was published, to the last base, LOOK and lens, or one
 * generation newer, whether the kill came in the middle of a write, before or after the commit.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "controlplane/model.h"
#include "controlplane/row_store.h"
#include "tests/support/pool_fixture.h"
#include "tests/support/recording_publisher.h"

enum { ROWS = 1009, BACKENDS = 5, KILLS = 60, LONGEST_US = 15000 };

/* What a data plane forwards by, as of a commit. */
struct published {
	uint64_t generation; /* 0: nothing */
	struct sl_key key;
	uint32_t lens_rows;
	uint16_t current[ROWS], base[ROWS], lens[ROWS];
};

/* Shared with the process that gets killed: two of them, and which one is whole. */
struct seen {
	struct published published[2];
	uint32_t whole;
	uint64_t now_ms; /* goes on over all of them */
};

static void on_commit(struct publisher *p)
{
	struct seen *seen = p->ctx;
	const uint32_t next = !seen->whole;
	struct published *to = &seen->published[next];
	const struct table *base = p->stated[SL_TABLE_BASE_TCP], *lens = p->stated[SL_TABLE_LENS_TCP];

	to->generation = p->committed;
	to->key = p->settings.hash_key;
	to->lens_rows = p->pool.lens_rows;
	memcpy(to->current, p->stated[SL_TABLE_CURRENT]->row, sizeof(to->current));
	for (uint32_t r = 0; r < ROWS; r++) {
		to->base[r] = base ? base->row[r] : to->current[r] & SL_ROW_SLOT;
		to->lens[r] = lens ? lens->row[r] : SL_SLOT_NONE;
	}
	__atomic_store_n(&seen->whole, next, __ATOMIC_RELEASE);
}

/* ---- the process that is killed ----------------------------------------------------------------------- */

struct process {
	struct row_store *store;
	struct model *model;
	struct publisher publisher;
	struct config config;
	struct config_pool pool;
	struct config_backend backends[BACKENDS];
	struct config_service service;
	struct config_listener listener;
};

static int keep(void *ctx, const struct model_pool *pool)
{
	struct process *p = ctx;
	struct row_file_name names[BACKENDS];
	struct row_file_service service = { .name = "web" };
	struct row_file file = { .numbering = 1, .pool = pool->id, .pool_name = "web", .now_ms = p->model->generation + 1, .names = names,
				 .name_count = BACKENDS, .services = &service, .service_count = 1, .history = pool->rows };
	char reterr[256];

	for (uint16_t i = 0; i < BACKENDS; i++) {
		strcpy(names[i].name, pool->backends[i].conf->name);
		names[i].slot = pool->backends[i].slot;
	}
	if (row_store_write(p->store, &file, reterr, sizeof(reterr)) < 0)
		abort();
	return 0;
}

static struct sl_addr address(unsigned int i)
{
	return sl_addr_from_v4(htonl(0xc0000215u + i));
}

static void process_init(struct process *p, const char *dir, struct seen *seen)
{
	const struct model_events events = { .ctx = p, .rows_changed = keep };
	const struct sl_shm_limits limits = { .pools = 64, .backends = 1024, .services = 64 };
	char reterr[256];

	memset(p, 0, sizeof(*p));
	p->publisher.on_commit = on_commit;
	p->publisher.ctx = seen;
	for (unsigned int i = 0; i < BACKENDS; i++) {
		p->backends[i] = (struct config_backend){ .address = address(i), .weight = 1 };
		snprintf(p->backends[i].name, SL_NAME_MAX, "web%u", i + 1);
	}
	p->pool = (struct config_pool){ .name = "web", .check = 0, .check_port = 80, .table_size = ROWS, .idle_tcp_s = 2,
					.idle_quic_s = 2, .idle_udp_s = 2, .backends = p->backends, .backend_count = BACKENDS };
	p->listener = (struct config_listener){ .proto = IPPROTO_TCP, .port = 80 };
	p->service = (struct config_service){ .name = "web", .listeners = &p->listener, .listener_count = 1 };
	p->config = (struct config){ .pools = &p->pool, .pool_count = 1, .services = &p->service, .service_count = 1 };
	if (row_store_open(dir, &p->store, reterr, sizeof(reterr)) < 0 || model_create(&events, &p->model) < 0)
		abort();
	model_set_keys(p->model, &(struct sl_key){ 1, 2 }, &(struct sl_key){ 3, 4 });
	if (model_configure(p->model, &p->config, 1) < 0)
		abort();
	model_set_publisher(p->model, &p->publisher, &limits);
}

static void on_damaged(void *ctx, const char *line)
{
	(void)ctx;
	fail_msg("%s", line);
}

/* The file, if there is one. */
static bool read_file(const struct process *p, struct row_file *ret_file)
{
	struct row_file *files = NULL;
	size_t count = 0;
	char reterr[256];

	assert_int_equal(row_store_read(p->store, &files, &count, on_damaged, NULL, reterr, sizeof(reterr)), 0);
	assert_in_range(count, 0, 1);
	if (count == 1)
		*ret_file = files[0];
	free(files);
	return count == 1;
}

/* A census that finds nobody: LOOK goes where nothing is open. */
static void count_none(struct process *p, uint64_t now_ms)
{
	static const uint16_t rows[ROWS];
	struct flow_census_slot slots[BACKENDS] = { { 0 } };
	struct flow_census_pool pool = { .want = { .pool = p->model->pools[0].id, .rows = ROWS, .slots = BACKENDS },
					 .slot = slots, .row = (uint16_t *)rows };
	const struct flow_census_result result = { .pools = &pool, .pool_count = 1 };

	model_set_applied(p->model, p->model->generation, now_ms);
	model_census_begin(p->model, now_ms + MODEL_APPLIED_MS);
	model_counted(p->model, &result);
}

/* Goes on from the file and changes something until it is killed. */
static void live(const char *dir, struct seen *seen, uint64_t seed)
{
	struct process p;
	struct row_file file;

	process_init(&p, dir, seen);
	if (read_file(&p, &file))
		model_restore_rows(p.model, &file);
	p.model->generation = seen->published[seen->whole].generation;
	for (;;) {
		const unsigned int backend = (unsigned int)(random_next(&seed) % BACKENDS);
		const struct model_probe probe = { .address = address(backend), .port = 80 };

		model_set_health(p.model, &probe, random_next(&seed) % 3 ? BACKEND_UP : BACKEND_DOWN, "", 1);
		if (random_next(&seed) % 16 == 0) /* some wait for the lens of the one before */
			model_set_keys(p.model, &(struct sl_key){ random_next(&seed), 2 }, &(struct sl_key){ 3, 4 });
		seen->now_ms += 100;
		model_advance(p.model, seen->now_ms);
		if (model_update(p.model) < 0)
			abort();
		count_none(&p, seen->now_ms);
	}
}

/* ---- what is left ------------------------------------------------------------------------------------- */

static void assert_known(const struct row_file *file, const struct published *published)
{
	const struct row_history *h = &file->history;
	const uint16_t *base = h->kind[SL_FLOW_TCP].base ? h->kind[SL_FLOW_TCP].base : h->current;

	assert_true(file->now_ms <= published->generation + 1);
	if (file->now_ms == published->generation + 1)
		return; /* kept, and not committed any more: made from what was published */
	assert_memory_equal(&h->key, &published->key, sizeof(h->key));
	for (uint32_t r = 0; r < ROWS; r++) {
		const uint16_t look = h->quiet_s[r] != ROW_QUIET_CLEAN ? SL_ROW_LOOK : 0;

		assert_int_equal(h->current[r] | look, published->current[r]);
		assert_int_equal(base[r], published->base[r]);
	}
	assert_int_equal(h->lens.rows, published->lens_rows);
	if (published->lens_rows != 0)
		assert_memory_equal(h->lens.base[SL_FLOW_TCP], published->lens, sizeof(published->lens));
}

static void a_kill_at_any_moment_leaves_all_that_was_published(void **unused)
{
	struct seen *seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char dir[] = "/tmp/sluice-test-XXXXXX", command[64];
	uint64_t seed = (uint64_t)getpid(), published = 0;

	(void)unused;
	print_message("seed %llu\n", (unsigned long long)seed);
	assert_true(seen != MAP_FAILED);
	assert_non_null(mkdtemp(dir));
	for (int kill_count = 0; kill_count < KILLS; kill_count++) {
		const uint64_t child_seed = random_next(&seed);
		const pid_t pid = fork();
		struct process next;
		struct row_file file;
		int status;

		if (pid == 0)
			live(dir, seen, child_seed);
		usleep((useconds_t)(random_next(&seed) % LONGEST_US));
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		published = seen->published[seen->whole].generation;
		process_init(&next, dir, seen);
		if (read_file(&next, &file)) {
			if (published > 0)
				assert_known(&file, &seen->published[seen->whole]);
			row_file_clear(&file);
		} else {
			assert_int_equal(published, 0);
		}
		model_destroy(next.model);
		row_store_close(next.store);
	}
	print_message("%llu generations, %d kills\n", (unsigned long long)published, KILLS);
	assert_true(published > KILLS);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
	munmap(seen, sizeof(*seen));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kill_at_any_moment_leaves_all_that_was_published),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
