/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flows.shm as sluice-dp sees it: which files it refuses and why, what its one writer makes of what workers tell,
 * how full it says it is, and what remains of a file that somebody cuts.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "controlplane/flow_file.h"
#include "dataplane/flow_shared.h"
#include "dataplane/snapshot_layout.h"

enum { FLOWS = 2000, IDLE_S = 100, LIFE_S = IDLE_S + IDLE_S / 4 + 2, NOW_S = 70000, POOL_IDLE_S = 20 };

static char dir[64];
static int dir_fd;
static struct flow_shared *shared;
static uint64_t now_s, random_state;
static struct flow_shared_lives lives;
static const uint8_t boot_id[16] = { 1, 2, 3 };

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 0x2545f4914f6cdd1dull;
}

static void make_file(uint64_t flows)
{
	static const struct sl_boot boot;
	const struct flow_file_want want = { .flows = flows, .flow_key = { 11, 12 }, .numbering = 77, .boot_id = { 1, 2, 3 },
					     .now_s = now_s, .wall_ns = 5, .life_s = LIFE_S, .boot = &boot };
	struct flow_file_report report;
	struct flow_file *file;
	char reterr[300] = "";

	if (flow_file_open(dir, &want, &file, &report, reterr, sizeof(reterr)) != 0)
		fail_msg("%s", reterr);
	flow_file_close(file);
}

static int open_file(struct flow_shared **ret_shared)
{
	struct shm_error error = { "" };
	const int err = flow_shared_open(dir_fd, (uid_t)-1, boot_id, ret_shared, &error);

	assert_int_equal(err == 0, error.text[0] == '\0');
	return err;
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/sluice-flow-XXXXXX");
	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	now_s = NOW_S;
	random_state = 88172645463325252ull;
	lives = (struct flow_shared_lives){ NULL, { { LIFE_S, LIFE_S, LIFE_S } } };
	make_file(FLOWS);
	assert_int_equal(open_file(&shared), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	flow_shared_close(shared);
	shared = NULL;
	unlinkat(dir_fd, SL_FLOWS_FILE, 0);
	close(dir_fd);
	return rmdir(dir);
}

static int tell(uint64_t tag, uint16_t slot, uint64_t seen_s, bool closing)
{
	const struct flow_export record = { .tag = tag, .pool = 7, .row = (uint32_t)(tag % 1000), .slot = slot,
					    .seen_s = (uint16_t)seen_s, .kind = SL_FLOW_QUIC, .closing = closing };

	return flow_shared_tell(shared, &record, now_s, &lives);
}

/* The word of a worker that saw the start. */
static int tell_start(uint64_t tag, uint16_t slot, uint64_t seen_s)
{
	const struct flow_export record = { .tag = tag, .pool = 7, .slot = slot, .seen_s = (uint16_t)seen_s,
					    .kind = SL_FLOW_QUIC, .start = 1 };

	return flow_shared_tell(shared, &record, now_s, &lives);
}

static bool get(uint64_t tag, struct sl_flow_entry *entry)
{
	const struct flow_view view = flow_shared_view(shared, 0);

	return sl_flow_find(view.bucket, view.buckets, tag, entry) &&
	       sl_flow_entry_lives(entry, (uint16_t)now_s, LIFE_S);
}

static void expect_slot(uint64_t tag, uint16_t slot)
{
	struct sl_flow_entry entry;

	assert_true(get(tag, &entry));
	assert_int_equal(entry.slot, slot);
}

static void expect_nothing(uint64_t tag)
{
	struct sl_flow_entry entry;

	assert_false(get(tag, &entry));
}

/* ---- which files are refused -------------------------------------------------------------------------- */

static void poke(off_t at, const void *bytes, size_t len)
{
	const int fd = openat(dir_fd, SL_FLOWS_FILE, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, at), len);
	close(fd);
}

static int cut_to(off_t size)
{
	const int fd = openat(dir_fd, SL_FLOWS_FILE, O_WRONLY | O_CLOEXEC);
	const int err = ftruncate(fd, size);

	close(fd);
	return err;
}

static void poke_header(const struct sl_flows_header *header, bool checksum)
{
	struct sl_flows_header copy = *header;

	if (checksum)
		copy.checksum = sl_flows_checksum(&copy);
	poke(0, &copy, sizeof(copy));
}

static void a_file_that_is_not_sound_is_refused_with_its_reason(void **state)
{
	const struct sl_flows_header good = *flow_shared_header(shared);
	struct sl_flows_header bad = good;
	struct flow_shared *other = NULL;
	struct stat st;

	(void)state;
	bad.magic++;
	poke_header(&bad, true);
	assert_int_equal(open_file(&other), -EBADMSG);
	bad = good;
	bad.major++;
	poke_header(&bad, true);
	assert_int_equal(open_file(&other), -EPROTO);
	bad = good;
	bad.numbering++;
	poke_header(&bad, false);
	assert_int_equal(open_file(&other), -EBADMSG);
	bad = good;
	bad.home.offset += 4096;
	poke_header(&bad, true);
	assert_int_equal(open_file(&other), -EBADMSG);
	bad = good;
	bad.buckets *= 1024;
	sl_flows_layout(&bad, bad.buckets);
	poke_header(&bad, true);
	assert_int_equal(open_file(&other), -EBADMSG);
	bad = good;
	bad.boot_id[15]++;
	poke_header(&bad, true);
	assert_int_equal(open_file(&other), -ESTALE);
	bad = good;
	bad.minor++;
	poke_header(&bad, true);
	assert_int_equal(open_file(&other), 0); /* another minor version is fine */
	flow_shared_close(other);
	poke_header(&good, true);
	assert_int_equal(fstatat(dir_fd, SL_FLOWS_FILE, &st, 0), 0);
	assert_int_equal(cut_to(st.st_size - 1), 0);
	assert_int_equal(open_file(&other), -EBADMSG);
	assert_int_equal(cut_to(10), 0);
	assert_int_equal(open_file(&other), -EBADMSG);
	assert_int_equal(cut_to(0), 0);
	assert_int_equal(open_file(&other), -EBADMSG);
}

static void links_pipes_and_files_that_everybody_may_write_are_refused(void **state)
{
	struct flow_shared *other = NULL;

	(void)state;
	assert_int_equal(fchmodat(dir_fd, SL_FLOWS_FILE, 0666, 0), 0);
	assert_int_equal(open_file(&other), -EPERM);
	assert_int_equal(fchmodat(dir_fd, SL_FLOWS_FILE, 0660, 0), 0);
	assert_int_equal(renameat(dir_fd, SL_FLOWS_FILE, dir_fd, "real"), 0);
	assert_int_equal(open_file(&other), -ENOENT);
	assert_int_equal(symlinkat("real", dir_fd, SL_FLOWS_FILE), 0);
	assert_int_equal(open_file(&other), -EPERM);
	assert_int_equal(unlinkat(dir_fd, SL_FLOWS_FILE, 0), 0);
	assert_int_equal(mkfifoat(dir_fd, SL_FLOWS_FILE, 0600), 0);
	assert_int_equal(open_file(&other), -EPERM);
	assert_int_equal(unlinkat(dir_fd, "real", 0), 0);
}

/* ---- what is told ------------------------------------------------------------------------------------- */

/* A port begins anew in the tracks of its RST: rings of two workers are emptied in either order. */
static void the_word_of_a_start_stands_against_guesses_of_its_second(void **state)
{
	struct sl_flow_entry entry;

	(void)state;
	for (uint64_t tag = 100; tag < 106; tag++) {
		const uint64_t skew_s = tag % 3; /* the second may have turned between the two */

		if (tag < 103) {
			tell_start(tag, 3, now_s);
			tell(tag, 1, now_s + (skew_s == 1) - (skew_s == 2), false);
			tell(tag, 1, now_s + (skew_s == 1) - (skew_s == 2), true);
		} else {
			tell(tag, 1, now_s + (skew_s == 1) - (skew_s == 2), false);
			tell_start(tag, 3, now_s);
			tell(tag, 1, now_s + (skew_s == 1) - (skew_s == 2), true);
		}
		assert_true(get(tag, &entry));
		assert_int_equal(entry.slot, 3);
		assert_int_equal(entry.closing, 0);
	}
	now_s += 2;
	assert_int_equal(tell(100, 3, now_s, false), 0); /* its own later words do not make it a guess */
	tell(100, 1, now_s, false);
	assert_true(get(100, &entry));
	assert_int_equal(entry.slot, 3);
	now_s += 2;
	tell(100, 1, now_s, false); /* whoever saw it later is right */
	assert_true(get(100, &entry));
	assert_int_equal(entry.slot, 1);
}

static void what_was_told_is_found_with_its_home(void **state)
{
	const struct sl_flow_home *home = (const struct sl_flow_home *)((const char *)flow_shared_live(shared) - SL_SHM_PAGE +
									flow_shared_header(shared)->home.offset);
	const uint64_t tag = 0x123456789abcdefull, buckets = flow_shared_header(shared)->buckets;
	struct sl_flow_entry entry;
	unsigned int homes = 0;

	(void)state;
	expect_nothing(tag);
	assert_int_equal(tell(tag, 5, now_s, false), 0);
	assert_true(get(tag, &entry));
	assert_int_equal(entry.slot, 5);
	assert_int_equal(entry.kind, SL_FLOW_QUIC);
	assert_int_equal(entry.closing, 0);
	assert_int_equal(entry.seen_s, (uint16_t)now_s);
	now_s += 9;
	assert_int_equal(tell(tag, 6, now_s, true), 0);
	assert_true(get(tag, &entry));
	assert_int_equal(entry.slot, 6);
	assert_int_equal(entry.closing, 1);
	for (uint64_t at = 0; at < buckets; at++)
		for (int way = 0; way < SL_FLOW_WAYS; way++)
			if (home[at].pool[way] == 7) {
				homes++;
				assert_int_equal(home[at].row[way], tag % 1000);
				assert_int_equal(home[at].born_s[way], (uint16_t)(now_s - 9));
			}
	assert_int_equal(homes, 1);
	assert_int_equal(flow_shared_used(shared), 1);
}

static void an_older_word_changes_nothing_and_a_forgotten_one_says_so_for_a_while(void **state)
{
	(void)state;
	tell(1, 5, now_s, false);
	tell(1, 6, now_s - 1, false);
	expect_slot(1, 5);
	tell(1, SL_SLOT_NONE, now_s, true);
	expect_slot(1, SL_SLOT_NONE);
	tell(1, 9, now_s - 3, false); /* a worker that did not hear of it */
	expect_slot(1, SL_SLOT_NONE);
	tell(2, SL_SLOT_NONE, now_s, true); /* never known: nothing to say */
	expect_nothing(2);
	now_s += SL_FLOW_CLOSING_S;
	expect_slot(1, SL_SLOT_NONE);
	now_s++;
	expect_nothing(1);
	tell(1, 8, now_s, false);
	expect_slot(1, 8);
	assert_int_equal(flow_shared_used(shared), 1);
}

static void values_that_make_no_sense_are_not_believed(void **state)
{
	struct flow_view view = flow_shared_view(shared, 0);
	struct sl_flow_bucket *bucket = (struct sl_flow_bucket *)(uintptr_t)view.bucket;
	struct sl_flow_entry entry;

	(void)state;
	tell(0x700000003ull, 5, now_s, false);
	for (uint64_t at = 0; at < view.buckets; at++)
		bucket[at].kinds = 0xffffffffu;
	assert_false(get(0x700000003ull, &entry));
	flow_shared_sweep(shared, view.buckets, now_s, &lives); /* the place is free again */
	assert_int_equal(flow_shared_used(shared), 0);
	assert_int_equal(flow_shared_tell(shared, &(struct flow_export){ .tag = 5, .kind = 3 }, now_s, &lives), 0);
	expect_nothing(5);
}

/* ---- how full ----------------------------------------------------------------------------------------- */

static void the_count_is_exact_after_a_round_of_the_sweep_whatever_happens_meanwhile(void **state)
{
	const uint64_t buckets = flow_shared_header(shared)->buckets;
	uint64_t there = 0;

	(void)state;
	flow_shared_live(shared)->used = 12345; /* somebody's idea */
	flow_shared_close(shared);
	assert_int_equal(open_file(&shared), 0);
	for (int round = 0; round < 2; round++)
		for (uint64_t at = 0; at < buckets; at++) {
			assert_int_equal(tell(next_random() | 1, 1, now_s, false), 0);
			there++;
			flow_shared_sweep(shared, 1, now_s, &lives);
		}
	assert_true(flow_shared_is_counted(shared));
	assert_int_equal(flow_shared_used(shared), there);
	now_s += LIFE_S + 1;
	flow_shared_sweep(shared, buckets, now_s, &lives);
	assert_int_equal(flow_shared_used(shared), 0);
}

static void the_life_of_an_entry_is_its_pool_s(void **state)
{
	struct snapshot *snapshot = calloc(1, sizeof(*snapshot) + 8 * sizeof(snapshot->pool[0]));
	const struct snapshot_pool pool = { .pool = { .id = 7, .idle_s = { 1, POOL_IDLE_S, 1 } } };

	(void)state;
	snapshot->pool_count = 8;
	snapshot->pool[7] = &pool;
	lives.snapshot = snapshot;
	tell(1, 5, now_s, false);
	now_s += sl_flow_life_s(POOL_IDLE_S);
	flow_shared_sweep(shared, flow_shared_header(shared)->buckets, now_s, &lives);
	assert_int_equal(flow_shared_used(shared), 1);
	now_s++;
	flow_shared_sweep(shared, flow_shared_header(shared)->buckets, now_s, &lives);
	assert_int_equal(flow_shared_used(shared), 0);
	free(snapshot);
}

static void a_full_table_refuses_and_forgets_nobody(void **state)
{
	const uint64_t capacity = sl_flows_capacity(flow_shared_header(shared)->buckets);
	uint64_t *tags = calloc(capacity, sizeof(*tags)), count = 0;

	(void)state;
	while (flow_shared_refused(shared) < 1000) {
		const uint64_t tag = next_random() | 1;

		assert_int_equal(flow_shared_pressure(shared), count * 100 > capacity * 80);
		if (tell(tag, (uint16_t)(tag >> 20 & 0xfff), now_s, false) == 0)
			tags[count++] = tag;
	}
	for (uint64_t i = 0; i < count; i++)
		expect_slot(tags[i], (uint16_t)(tags[i] >> 20 & 0xfff));
	now_s += LIFE_S + 1;
	flow_shared_sweep(shared, flow_shared_header(shared)->buckets, now_s, &lives);
	assert_false(flow_shared_pressure(shared));
	free(tags);
}

static void entries_are_taken_over_by_a_larger_file(void **state)
{
	struct flow_shared *from = shared;
	uint64_t at = 0;

	(void)state;
	for (uint64_t i = 1; i <= 1500; i++)
		tell(i * 0x9e3779b97f4a7c15ull, (uint16_t)i, i % 2 ? now_s : now_s - LIFE_S, false);
	now_s++;
	assert_int_equal(unlinkat(dir_fd, SL_FLOWS_FILE, 0), 0);
	make_file(FLOWS * 8);
	assert_true(flow_shared_is_replaced(from, dir_fd));
	assert_int_equal(open_file(&shared), 0);
	tell(0x9e3779b97f4a7c15ull, 999, now_s, false); /* what is newer stays */
	while (flow_shared_take(shared, from, at, 10, now_s, &lives))
		at += 10;
	flow_shared_close(from);
	assert_int_equal(flow_shared_used(shared), 750);
	expect_slot(0x9e3779b97f4a7c15ull, 999);
	for (uint64_t i = 2; i <= 1500; i++)
		if (i % 2)
			expect_slot(i * 0x9e3779b97f4a7c15ull, (uint16_t)i);
		else
			expect_nothing(i * 0x9e3779b97f4a7c15ull);
}

/* ---- time and damage ---------------------------------------------------------------------------------- */

static void a_file_of_a_longer_past_or_of_the_future_is_emptied(void **state)
{
	static const struct { int64_t ago; bool kept; } row[] = {
		{ 0, true }, { 1, true }, { 3600, true }, { FLOW_TABLE_GAP_S, true }, { FLOW_TABLE_GAP_S + 1, false },
		{ 65536, false }, { -1, true }, { -2, false }, { -60000, false },
	};
	int64_t idle_s;

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		tell(42, 5, now_s, false);
		flow_shared_live(shared)->swept_s = now_s - (uint64_t)row[i].ago;
		assert_int_equal(flow_shared_adopt(shared, now_s, &idle_s), row[i].kept);
		assert_int_equal(idle_s, row[i].ago);
		if (row[i].kept)
			expect_slot(42, 5);
		else
			expect_nothing(42);
	}
}

static void a_file_that_is_cut_while_it_is_mapped_is_lost_and_nobody_dies(void **state)
{
	(void)state;
	flow_shared_close(shared); /* the test framework has taken the signal meanwhile */
	assert_int_equal(open_file(&shared), 0);
	tell(42, 5, now_s, false);
	assert_false(flow_shared_is_lost(shared));
	assert_int_equal(cut_to(4096), 0);
	expect_nothing(42);
	assert_true(flow_shared_is_lost(shared));
	tell(43, 5, now_s, false); /* pages of our own */
	flow_shared_sweep(shared, 100000, now_s, &lives);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_file_that_is_not_sound_is_refused_with_its_reason, setup, teardown),
		cmocka_unit_test_setup_teardown(links_pipes_and_files_that_everybody_may_write_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_told_is_found_with_its_home, setup, teardown),
		cmocka_unit_test_setup_teardown(the_word_of_a_start_stands_against_guesses_of_its_second, setup, teardown),
		cmocka_unit_test_setup_teardown(an_older_word_changes_nothing_and_a_forgotten_one_says_so_for_a_while, setup,
						teardown),
		cmocka_unit_test_setup_teardown(values_that_make_no_sense_are_not_believed, setup, teardown),
		cmocka_unit_test_setup_teardown(the_count_is_exact_after_a_round_of_the_sweep_whatever_happens_meanwhile, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_life_of_an_entry_is_its_pool_s, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_table_refuses_and_forgets_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(entries_are_taken_over_by_a_larger_file, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_of_a_longer_past_or_of_the_future_is_emptied, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_that_is_cut_while_it_is_mapped_is_lost_and_nobody_dies, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
