/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file of remembered connections: made whole, kept while it can be understood, replaced with a reason
 * when anything about it is wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "controlplane/flow_file.h"

enum { FLOWS = 4096, LIFE_S = 4502, NOW_S = 100000 };

static char dir[64];
static int dir_fd;
static struct sl_boot boot;

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/sluice-flow-XXXXXX");
	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return dir_fd < 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlinkat(dir_fd, SL_FLOWS_FILE, 0);
	unlinkat(dir_fd, SL_FLOWS_FILE, AT_REMOVEDIR);
	close(dir_fd);
	return rmdir(dir);
}

static struct flow_file_want wanted(void)
{
	return (struct flow_file_want){ .flows = FLOWS, .flow_key = { 11, 12 }, .numbering = 77, .boot_id = { 1, 2, 3 },
					.now_s = NOW_S, .wall_ns = 5, .life_s = LIFE_S, .boot = &boot };
}

static struct flow_file *open_with(const struct flow_file_want *want, struct flow_file_report *report)
{
	struct flow_file *file = NULL;
	char reterr[300] = "";
	const int err = flow_file_open(dir, want, &file, report, reterr, sizeof(reterr));

	if (err != 0)
		fail_msg("%d: %s", err, reterr);
	return file;
}

/* Opens and closes; says what became of the file. */
static struct flow_file_report reopen(const struct flow_file_want *want)
{
	struct flow_file_report report;

	flow_file_close(open_with(want, &report));
	return report;
}

static ino_t inode(void)
{
	struct stat st;

	assert_int_equal(fstatat(dir_fd, SL_FLOWS_FILE, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_ino;
}

static void poke(off_t at, const void *bytes, size_t len)
{
	const int fd = openat(dir_fd, SL_FLOWS_FILE, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, at), len);
	close(fd);
}

static void a_missing_file_is_made_whole(void **state)
{
	const struct flow_file_want want = wanted();
	struct flow_file_report report;
	struct flow_file *file = open_with(&want, &report);
	const struct sl_flows_header *header = flow_file_header(file);
	struct stat st;

	(void)state;
	assert_true(report.made);
	assert_false(report.lost);
	assert_string_equal(report.why, "there was none");
	assert_int_equal(fstatat(dir_fd, SL_FLOWS_FILE, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(st.st_size, header->total_size);
	assert_true((uint64_t)st.st_blocks * 512 >= header->total_size); /* all of it is there */
	assert_int_equal(sl_flows_check(header, (uint64_t)st.st_size), SL_FLOWS_SOUND);
	assert_int_equal(header->numbering, 77);
	assert_int_equal(flow_file_live(file)->swept_s, NOW_S);
	assert_int_equal(flow_file_live(file)->capacity, report.capacity);
	assert_int_equal(flow_file_buckets(file)[header->buckets - 1].tag[4], 0);
	assert_int_equal(flow_file_homes(file)[header->buckets - 1].pool[4], 0);
	assert_false(flow_file_is_lost(file));
	flow_file_close(file);
}

static void the_limit_fits_at_80_percent_in_a_power_of_two_of_buckets(void **state)
{
	(void)state;
	for (uint64_t flows = 1024; flows <= SL_FLOWS_MAX; flows = flows * 3 / 2) {
		const uint64_t buckets = sl_flows_buckets(flows), capacity = sl_flows_capacity(buckets);

		assert_int_equal(buckets & (buckets - 1), 0);
		assert_true(flows * 5 <= capacity * 4);
		assert_true(buckets == 64 || flows * 5 > capacity / 2 * 4); /* and not in half of it */
	}
	assert_int_equal(sl_flows_capacity(sl_flows_buckets(1 << 20)) * 4 / 5, 1 << 20);
	assert_true(sl_flows_capacity(sl_flows_buckets(SL_FLOWS_MAX)) * 4 / 5 >= SL_FLOWS_MAX);
}

static void a_sound_file_is_kept_over_restarts_with_its_entries(void **state)
{
	struct flow_file_want want = wanted();
	const uint64_t used = 42, tag = 7;
	struct flow_file_report report = reopen(&want);
	const ino_t before = inode();
	struct flow_file *file;

	(void)state;
	poke(SL_SHM_PAGE + (off_t)offsetof(struct sl_flows_live, used), &used, sizeof(used));
	poke(2 * SL_SHM_PAGE, &tag, sizeof(tag));
	want.now_s += LIFE_S;
	file = open_with(&want, &report);
	assert_false(report.made);
	assert_false(report.small);
	assert_int_equal(report.used, 42);
	assert_int_equal(inode(), before);
	assert_int_equal(flow_file_buckets(file)[0].tag[0], 7);
	flow_file_close(file);
}

/* ---- what cannot be kept ------------------------------------------------------------------------------- */

static void expect_made(const struct flow_file_want *want, const char *why, bool lost)
{
	struct flow_file_report report = reopen(want);

	if (!report.made || strstr(report.why, why) == NULL)
		fail_msg("made %d, \"%s\" does not say \"%s\"", report.made, report.why, why);
	assert_int_equal(report.lost, lost);
	assert_null(strchr(report.why, '\n'));
	report = reopen(want); /* and what was made is kept */
	assert_false(report.made);
}

static void a_file_of_another_key_numbering_or_boot_is_replaced(void **state)
{
	struct flow_file_want want = wanted();

	(void)state;
	reopen(&want);
	want.flow_key.k1++;
	expect_made(&want, "another flow key", true);
	want.numbering++;
	expect_made(&want, "another numbering", true);
	want.boot_id[15]++;
	expect_made(&want, "another boot", true);
}

static void damage_of_any_byte_of_the_header_is_noticed(void **state)
{
	const struct flow_file_want want = wanted();
	struct sl_flows_header header;
	uint8_t *bytes = (uint8_t *)&header;

	(void)state;
	reopen(&want);
	assert_int_equal(flow_file_peek(dir, want.boot_id, &header), 0);
	for (size_t i = 0; i < sizeof(header); i++) {
		bytes[i] ^= 0x40;
		assert_int_not_equal(sl_flows_check(&header, header.total_size), SL_FLOWS_SOUND);
		bytes[i] ^= 0x40;
	}
	bytes[100] ^= 1;
	poke(100, &bytes[100], 1);
	expect_made(&want, "checksum", true);
	poke(0, "x", 1);
	expect_made(&want, "no header", true);
}

/* A header that is changed and sealed again, as another version would write it. */
static void reseal(struct sl_flows_header *header)
{
	header->checksum = sl_flows_checksum(header);
	poke(0, header, sizeof(*header));
}

static void a_file_of_another_layout_is_replaced_and_one_of_a_newer_minor_kept(void **state)
{
	const struct flow_file_want want = wanted();
	struct sl_flows_header header;

	(void)state;
	reopen(&want);
	assert_int_equal(flow_file_peek(dir, want.boot_id, &header), 0);
	header.minor = 3;
	reseal(&header);
	assert_false(reopen(&want).made);
	header.major++;
	reseal(&header);
	expect_made(&want, "another layout", true);
	assert_int_equal(flow_file_peek(dir, want.boot_id, &header), 0);
	header.home.offset += SL_SHM_PAGE;
	reseal(&header);
	expect_made(&want, "regions", true);
	assert_int_equal(flow_file_peek(dir, want.boot_id, &header), 0);
	header.buckets += 1;
	reseal(&header);
	expect_made(&want, "regions", true);
	assert_int_equal(flow_file_peek(dir, want.boot_id, &header), 0);
	header.buckets = (uint64_t)1 << 62;
	reseal(&header);
	expect_made(&want, "regions", true);
}

static void a_cut_or_grown_file_is_replaced(void **state)
{
	const struct flow_file_want want = wanted();
	char path[128];
	struct stat st;

	(void)state;
	snprintf(path, sizeof(path), "%s/%s", dir, SL_FLOWS_FILE);
	reopen(&want);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size - 1), 0);
	expect_made(&want, "another size", true);
	assert_int_equal(truncate(path, st.st_size + 1), 0);
	expect_made(&want, "another size", true);
	assert_int_equal(truncate(path, 0), 0);
	expect_made(&want, "no header", true);
}

static void a_file_with_holes_gets_memory_behind_every_byte(void **state)
{
	const struct flow_file_want want = wanted();
	char path[128];
	struct stat st, after;

	(void)state;
	snprintf(path, sizeof(path), "%s/%s", dir, SL_FLOWS_FILE);
	reopen(&want);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, 2 * SL_SHM_PAGE), 0);
	assert_int_equal(truncate(path, st.st_size), 0);
	assert_false(reopen(&want).made);
	assert_int_equal(stat(path, &after), 0);
	assert_true(after.st_blocks * 512 >= after.st_size);
}

static void what_is_no_file_of_ours_is_replaced(void **state)
{
	const struct flow_file_want want = wanted();
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/%s", dir, SL_FLOWS_FILE);
	assert_int_equal(symlink("/dev/zero", path), 0);
	expect_made(&want, "symbolic link", true);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_made(&want, "not a regular file", true);
	assert_int_equal(chmod(path, 0666), 0);
	expect_made(&want, "everybody may", true);
	assert_int_equal(chmod(path, 0664), 0);
	expect_made(&want, "everybody may", true);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 65534, (gid_t)-1), 0);
		expect_made(&want, "belongs to uid 65534", true);
	}
}

static void a_directory_of_that_name_is_an_error_that_says_so(void **state)
{
	const struct flow_file_want want = wanted();
	struct flow_file_report report;
	struct flow_file *file = NULL;
	char reterr[300] = "";

	(void)state;
	assert_int_equal(mkdirat(dir_fd, SL_FLOWS_FILE, 0700), 0);
	assert_true(flow_file_open(dir, &want, &file, &report, reterr, sizeof(reterr)) < 0);
	assert_null(file);
	assert_non_null(strstr(reterr, "remove"));
	assert_true(faccessat(dir_fd, SL_FLOWS_FILE ".new", F_OK, 0) < 0); /* nothing half made is left */
}

static void a_file_of_a_longer_past_is_replaced_unless_somebody_tends_it(void **state)
{
	struct flow_file_want want = wanted();

	(void)state;
	reopen(&want);
	want.now_s += LIFE_S + 1;
	want.heir = true; /* it runs and is about to say so */
	assert_false(reopen(&want).made);
	want.heir = false;
	expect_made(&want, "not tended for 4503 s", true);
	want.now_s -= 10; /* tended in a time to come: nothing is known of its clock */
	expect_made(&want, "not tended", true);
}

static void a_bigger_limit_makes_a_bigger_file_when_somebody_takes_the_entries_along(void **state)
{
	struct flow_file_want want = wanted();
	struct flow_file_report report = reopen(&want);
	const uint64_t capacity = report.capacity;
	struct flow_file *old = open_with(&want, &report);

	(void)state;
	want.flows *= 2;
	report = reopen(&want);
	assert_false(report.made);
	assert_true(report.small); /* nobody would take them along: better small than empty */
	assert_int_equal(report.capacity, capacity);
	assert_false(flow_file_is_lost(old));
	want.heir = true;
	report = reopen(&want);
	assert_true(report.made);
	assert_false(report.lost);
	assert_non_null(strstr(report.why, "limits: flows"));
	assert_int_equal(report.capacity, 2 * capacity);
	assert_true(flow_file_is_lost(old)); /* whoever has it mapped goes on with it until it looks */
	assert_int_equal(flow_file_buckets(old)[0].tag[0], 0);
	flow_file_close(old);
	want.flows /= 2;
	report = reopen(&want);
	assert_false(report.made); /* a smaller limit empties nothing */
	assert_int_equal(report.capacity, 2 * capacity);
}

static void a_file_that_was_removed_or_cut_is_noticed(void **state)
{
	const struct flow_file_want want = wanted();
	struct flow_file_report report;
	struct flow_file *file = open_with(&want, &report);
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/%s", dir, SL_FLOWS_FILE);
	assert_int_equal(truncate(path, SL_SHM_PAGE), 0);
	assert_int_equal(flow_file_buckets(file)[9].tag[0], 0); /* our own zeroes; no SIGBUS ends us */
	assert_true(flow_file_is_lost(file));
	flow_file_close(file);
	file = open_with(&want, &report);
	assert_true(report.made);
	assert_int_equal(unlink(path), 0);
	assert_true(flow_file_is_lost(file));
	flow_file_close(file);
}

static void a_header_that_somebody_wrote_over_is_noticed(void **state)
{
	const struct flow_file_want want = wanted();
	struct flow_file_report report;
	struct flow_file *file = open_with(&want, &report);
	char path[128];
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/%s", dir, SL_FLOWS_FILE);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_false(flow_file_is_lost(file));
	assert_int_equal(pwrite(fd, "?", 1, 17), 1);
	assert_true(flow_file_is_lost(file));
	close(fd);
	flow_file_close(file);
	file = open_with(&want, &report);
	assert_true(report.made);
	assert_false(flow_file_is_lost(file));
	flow_file_close(file);
}

static void a_full_file_system_is_an_error_with_a_remedy(void **state)
{
	struct flow_file_want want = wanted();
	const pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		struct flow_file_report report;
		struct flow_file *file = NULL;
		char reterr[300] = "";
		int err;

		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("none", dir, "tmpfs", 0, "size=1m,mode=0700") < 0)
			_exit(77);
		want.flows = 1 << 20;
		err = flow_file_open(dir, &want, &file, &report, reterr, sizeof(reterr));
		if (err != -ENOSPC || strstr(reterr, "no room for") == NULL || strstr(reterr, "lower limits: flows") == NULL)
			_exit(1);
		want.flows = 4096; /* 192 KiB: nothing was left behind that takes the room */
		err = flow_file_open(dir, &want, &file, &report, reterr, sizeof(reterr));
		_exit(err == 0 ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void the_header_can_be_read_without_touching_anything(void **state)
{
	const struct flow_file_want want = wanted();
	const uint8_t other[16] = { 9 };
	struct sl_flows_header header;

	(void)state;
	assert_true(flow_file_peek(dir, want.boot_id, &header) < 0);
	reopen(&want);
	assert_int_equal(flow_file_peek(dir, want.boot_id, &header), 0);
	assert_int_equal(header.numbering, 77);
	assert_int_equal(header.flow_key.k0, 11);
	assert_true(flow_file_peek(dir, other, &header) < 0);
	assert_false(reopen(&want).made);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_missing_file_is_made_whole),
		cmocka_unit_test(the_limit_fits_at_80_percent_in_a_power_of_two_of_buckets),
		T(a_sound_file_is_kept_over_restarts_with_its_entries),
		T(a_file_of_another_key_numbering_or_boot_is_replaced),
		T(damage_of_any_byte_of_the_header_is_noticed),
		T(a_file_of_another_layout_is_replaced_and_one_of_a_newer_minor_kept),
		T(a_cut_or_grown_file_is_replaced),
		T(a_file_with_holes_gets_memory_behind_every_byte),
		T(what_is_no_file_of_ours_is_replaced),
		T(a_directory_of_that_name_is_an_error_that_says_so),
		T(a_file_of_a_longer_past_is_replaced_unless_somebody_tends_it),
		T(a_bigger_limit_makes_a_bigger_file_when_somebody_takes_the_entries_along),
		T(a_file_that_was_removed_or_cut_is_noticed),
		T(a_header_that_somebody_wrote_over_is_noticed),
		T(a_full_file_system_is_an_error_with_a_remedy),
		T(the_header_can_be_read_without_touching_anything),
	};

	return cmocka_run_group_tests_name("flow_file", tests, NULL, NULL);
}
