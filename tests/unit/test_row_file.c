/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rows files: what is written is read back; what was cut, flipped or is of another version is refused and put aside;
 * clocks and reboots make rows stay open too long, never too short.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "controlplane/row_store.h"

enum { ROWS = 11, SLOTS = 3, OFFSET_VERSION = 8 };

static const uint8_t boot[16] = { 1, 2, 3 }, other_boot[16] = { 9 }, no_boot[16];

struct fixture {
	char dir[64], path[96];
	struct row_store *store;
	uint8_t state[SLOTS];
	struct row_inputs in;
	struct row_file_name names[SLOTS];
	struct row_file_service service;
	struct row_file file;
	unsigned int damaged;
	char line[512];
};

/* A pool with open rows of two kinds, closed rows that still LOOK, and a lens. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct sl_key key = { 1, 2 }, new_key = { 3, 4 };
	uint16_t row[ROWS] = { 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0 };
	char reterr[256];

	strcpy(f->dir, "/tmp/sluice-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/7.rows", f->dir);
	assert_int_equal(row_store_open(f->dir, &f->store, reterr, sizeof(reterr)), 0);
	memset(f->state, SL_BACKEND_UP, sizeof(f->state));
	f->in = (struct row_inputs){ .state = f->state, .slots = SLOTS, .idle_s = { 3600, 600, 150 }, .now_ms = 50000 };
	f->service = (struct row_file_service){ .name = "www", .hash = SL_HASH_SOURCE, .lens_hash = SL_HASH_5TUPLE };
	f->file = (struct row_file){ .numbering = 99, .pool = 7, .pool_name = "web", .now_ms = 60000, .names = f->names,
				     .name_count = SLOTS, .services = &f->service, .service_count = 1 };
	memcpy(f->file.boot_id, boot, sizeof(boot));
	for (uint16_t slot = 0; slot < SLOTS; slot++) {
		snprintf(f->names[slot].name, SL_NAME_MAX, "web%u", slot + 1u);
		f->names[slot].slot = slot;
	}
	assert_int_equal(row_history_start(&f->file.history, row, ROWS, &key), 0);
	assert_int_equal(row_history_use(&f->file.history, 1 << SL_FLOW_TCP | 1 << SL_FLOW_UDP), 0);
	assert_int_equal(row_history_rekey(&f->file.history, row, ROWS, &new_key, &f->in), 0);
	row[0] = 2;
	assert_int_equal(row_history_change(&f->file.history, row, &f->in), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	row_history_clear(&f->file.history);
	row_store_close(f->store);
	snprintf(command, sizeof(command), "rm -r %s", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void on_damaged(void *ctx, const char *line)
{
	struct fixture *f = ctx;

	f->damaged++;
	snprintf(f->line, sizeof(f->line), "%s", line);
}

static void write_one(struct fixture *f)
{
	char reterr[256];

	assert_int_equal(row_store_write(f->store, &f->file, reterr, sizeof(reterr)), 0);
}

/* The directory's only file, if it can be understood. */
static bool read_one(struct fixture *f, struct row_file *ret_file)
{
	struct row_file *files = NULL;
	size_t count = 0;
	char reterr[256];

	assert_int_equal(row_store_read(f->store, &files, &count, on_damaged, f, reterr, sizeof(reterr)), 0);
	assert_in_range(count, 0, 1);
	if (count == 1)
		*ret_file = files[0];
	free(files);
	return count == 1;
}

static void compare(const struct row_history *a, const struct row_history *b)
{
	assert_int_equal(a->rows, b->rows);
	assert_memory_equal(&a->key, &b->key, sizeof(a->key));
	assert_memory_equal(a->current, b->current, a->rows * sizeof(*a->current));
	assert_memory_equal(a->quiet_s, b->quiet_s, a->rows * sizeof(*a->quiet_s));
	assert_int_equal(a->lens.rows, b->lens.rows);
	assert_int_equal(a->lens.left_ms, b->lens.left_ms);
	assert_int_equal(a->stale_until_s, b->stale_until_s);
	for (int k = 0; k < SL_FLOW_KIND_COUNT; k++) {
		assert_int_equal(a->kind[k].used, b->kind[k].used);
		assert_int_equal(a->kind[k].open, b->kind[k].open);
		assert_int_equal(a->kind[k].base != NULL, b->kind[k].base != NULL);
		if (a->kind[k].base)
			assert_memory_equal(a->kind[k].base, b->kind[k].base, a->rows * sizeof(*a->current));
		assert_int_equal(a->lens.base[k] != NULL, b->lens.base[k] != NULL);
		if (a->lens.base[k])
			assert_memory_equal(a->lens.base[k], b->lens.base[k], a->lens.rows * sizeof(*a->current));
	}
}

static void what_is_written_is_read_back(void **state)
{
	struct fixture *f = *state;
	struct row_file in;

	write_one(f);
	assert_true(read_one(f, &in));
	compare(&in.history, &f->file.history);
	assert_int_equal(in.history.kind[SL_FLOW_TCP].left_s[0], 50);
	assert_int_equal(in.numbering, 99);
	assert_int_equal(in.pool, 7);
	assert_string_equal(in.pool_name, "web");
	assert_int_equal(in.name_count, SLOTS);
	assert_string_equal(in.names[2].name, "web3");
	assert_string_equal(in.services[0].name, "www");
	assert_int_equal(in.services[0].hash, SL_HASH_SOURCE);
	assert_int_equal(in.services[0].lens_hash, SL_HASH_5TUPLE);
	assert_int_equal(f->damaged, 0);
	row_file_clear(&in);
}

static void closed_rows_that_still_look_are_kept(void **state)
{
	struct fixture *f = *state;
	const struct sl_key key = { 1, 2 };
	uint16_t row[ROWS] = { 0 };
	struct row_file in;

	assert_int_equal(row_history_start(&f->file.history, row, ROWS, &key), 0);
	row[4] = 1;
	assert_int_equal(row_history_change(&f->file.history, row, &f->in), 0);
	row[4] = 0;
	assert_int_equal(row_history_change(&f->file.history, row, &f->in), 0);
	write_one(f);
	assert_true(read_one(f, &in));
	assert_int_equal(in.history.quiet_s[4], 50);
	assert_int_equal(row_history_looks(&in.history), 1);
	row_file_clear(&in);
}

static void every_cut_and_every_flipped_bit_is_refused(void **state)
{
	struct fixture *f = *state;
	struct row_file in;
	const char *fault;
	void *bytes;
	size_t size;

	assert_int_equal(row_file_encode(&f->file, &bytes, &size), 0);
	for (size_t cut = 0; cut < size; cut++) {
		void *exact = malloc(cut + 1); /* so that a sanitizer sees a read past it */

		memcpy(exact, bytes, cut);
		assert_int_equal(row_file_decode(exact, cut, &in, &fault), -EINVAL);
		free(exact);
	}
	for (size_t bit = 0; bit < size * 8; bit++) {
		((uint8_t *)bytes)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(row_file_decode(bytes, size, &in, &fault), -EINVAL);
		((uint8_t *)bytes)[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(row_file_decode(bytes, size, &in, &fault), 0);
	row_file_clear(&in);
	free(bytes);
}

static void another_version_says_so(void **state)
{
	struct fixture *f = *state;
	struct row_file in;
	const char *fault = NULL;
	void *bytes;
	size_t size;

	assert_int_equal(row_file_encode(&f->file, &bytes, &size), 0);
	((uint8_t *)bytes)[OFFSET_VERSION]++;
	row_file_seal(bytes, size);
	assert_int_equal(row_file_decode(bytes, size, &in, &fault), -EINVAL);
	assert_string_equal(fault, "of another version");
	free(bytes);
}

static void a_damaged_file_is_put_aside_with_a_word(void **state)
{
	struct fixture *f = *state;
	struct row_file in;
	char aside[96];

	write_one(f);
	assert_int_equal(truncate(f->path, 300), 0);
	assert_false(read_one(f, &in));
	assert_int_equal(f->damaged, 1);
	assert_non_null(strstr(f->line, "7.rows': cut or grown; kept as '7.damaged'"));
	snprintf(aside, sizeof(aside), "%s/7.damaged", f->dir);
	assert_int_equal(access(aside, F_OK), 0);
	assert_int_equal(access(f->path, F_OK), -1);
	assert_false(read_one(f, &in)); /* and not read again */
	assert_int_equal(f->damaged, 1);
}

static void a_file_under_another_pools_name_is_refused(void **state)
{
	struct fixture *f = *state;
	struct row_file in;
	char other[96];

	write_one(f);
	snprintf(other, sizeof(other), "%s/8.rows", f->dir);
	assert_int_equal(rename(f->path, other), 0);
	assert_false(read_one(f, &in));
	assert_non_null(strstr(f->line, "of another pool"));
}

static void remains_of_a_killed_write_are_removed_and_strangers_left(void **state)
{
	struct fixture *f = *state;
	struct row_file in;
	char remains[96], stranger[96];

	write_one(f);
	snprintf(remains, sizeof(remains), "%s/7.rows.new", f->dir);
	snprintf(stranger, sizeof(stranger), "%s/07.rows", f->dir);
	close(open(remains, O_CREAT | O_WRONLY, 0600));
	close(open(stranger, O_CREAT | O_WRONLY, 0600));
	assert_true(read_one(f, &in));
	assert_int_equal(access(remains, F_OK), -1);
	assert_int_equal(access(stranger, F_OK), 0);
	assert_int_equal(f->damaged, 0);
	row_file_clear(&in);
}

static void a_failed_write_leaves_the_old_file(void **state)
{
	struct fixture *f = *state;
	char beside[96], reterr[256];
	struct row_file in;

	write_one(f);
	snprintf(beside, sizeof(beside), "%s/7.rows.new", f->dir);
	assert_int_equal(mkdir(beside, 0700), 0);
	f->file.now_ms++;
	assert_true(row_store_write(f->store, &f->file, reterr, sizeof(reterr)) < 0);
	assert_non_null(strstr(reterr, "7.rows': "));
	assert_int_equal(rmdir(beside), 0);
	assert_true(read_one(f, &in));
	assert_int_equal(in.now_ms, 60000);
	row_file_clear(&in);
}

/* ---- clocks ------------------------------------------------------------------------------------------- */

/* How long row 0 is open still for TCP after a restart at `now_ms` of that boot. */
static int64_t left_ms(struct fixture *f, const uint8_t id[16], uint64_t now_ms)
{
	struct row_file in;
	int64_t left;

	write_one(f);
	assert_true(read_one(f, &in));
	row_file_adopt(&in, id, now_ms);
	left = (int64_t)in.history.kind[SL_FLOW_TCP].left_s[0] * 1000 + 3600 * 1000 - (int64_t)now_ms;
	assert_int_equal(in.history.lens.left_ms, (int64_t)in.history.kind[SL_FLOW_TCP].left_s[0] * 1000);
	row_file_clear(&in);
	return left;
}

static void within_a_boot_times_go_on(void **state)
{
	assert_int_equal(left_ms(*state, boot, 60000), 3590 * 1000);
	assert_int_equal(left_ms(*state, boot, 50000 + 3600 * 1000), 0);
}

static void after_a_reboot_the_time_that_the_machine_was_off_does_not_count(void **state)
{
	/* 10 s had passed when it was written, 20 s since the boot */
	assert_int_equal(left_ms(*state, other_boot, 20000), 3570 * 1000);
}

static void a_clock_that_went_back_or_cannot_be_known_counts_from_now(void **state)
{
	assert_int_equal(left_ms(*state, boot, 55000), 3590 * 1000);
	memcpy(((struct fixture *)*state)->file.boot_id, no_boot, 16);
	assert_int_equal(left_ms(*state, no_boot, 999000000), 3590 * 1000);
}

static void times_in_the_future_become_now(void **state)
{
	struct fixture *f = *state;

	f->file.history.kind[SL_FLOW_TCP].left_s[0] = 1000000;
	f->file.history.lens.left_ms = 1000000000;
	assert_int_equal(left_ms(f, boot, 60000), 3600 * 1000);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_is_written_is_read_back),
		CASE(closed_rows_that_still_look_are_kept),
		CASE(every_cut_and_every_flipped_bit_is_refused),
		CASE(another_version_says_so),
		CASE(a_damaged_file_is_put_aside_with_a_word),
		CASE(a_file_under_another_pools_name_is_refused),
		CASE(remains_of_a_killed_write_are_removed_and_strangers_left),
		CASE(a_failed_write_leaves_the_old_file),
		CASE(within_a_boot_times_go_on),
		CASE(after_a_reboot_the_time_that_the_machine_was_off_does_not_count),
		CASE(a_clock_that_went_back_or_cannot_be_known_counts_from_now),
		CASE(times_in_the_future_become_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
