/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shared-memory file: made whole by sluiced, refused with a reason by sluice-dp when anything about
 * it is wrong, and harmless when it is cut under a running reader.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
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

#include "controlplane/shm_file.h"
#include "dataplane/feed.h"
#include "dataplane/shm.h"
#include "sluice/host/lock.h"
#include "sluice/ring.h"
#include "tests/support/world.h"

static char dir[64];
static int dir_fd;

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/sluice-shm-XXXXXX");
	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return dir_fd < 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlinkat(dir_fd, SL_SHM_FILE, 0);
	unlinkat(dir_fd, SL_LOCK_FILE, 0);
	close(dir_fd);
	return rmdir(dir);
}

static struct sl_boot boot_of_one_port(void)
{
	struct sl_boot boot;

	memset(&boot, 0, sizeof(boot));
	boot.port_count = boot.worker_count = 1;
	boot.port[0].kind = SL_PORT_AF_XDP;
	strcpy(boot.port[0].name, "up0");
	strcpy(boot.port[0].device, "eth1");
	return boot;
}

static struct shm_file *make_file(void)
{
	const struct sl_boot boot = boot_of_one_port();
	const struct shm_capacity capacity = world_capacity();
	struct shm_file *file = NULL;
	char reterr[300] = "";

	assert_int_equal(shm_file_create(dir, &boot, &capacity, &file, reterr, sizeof(reterr)), 0);
	return file;
}

static int open_shm(struct shm **ret_shm, struct shm_error *error)
{
	*ret_shm = NULL;
	return shm_open_at(dir_fd, (uid_t)-1, ret_shm, error);
}

static void a_new_file_is_accepted_as_it_was_meant(void **state)
{
	struct shm_file *file = make_file();
	struct shm_error error;
	struct shm *shm;
	struct stat st;

	(void)state;
	assert_int_equal(open_shm(&shm, &error), 0);
	assert_memory_equal(shm_header(shm), shm_file_header(file), sizeof(struct sl_shm_header));
	assert_string_equal(shm_header(shm)->boot.port[0].device, "eth1");
	assert_int_equal(shm_live(shm)->control_pid, getpid());
	assert_int_equal(fstatat(dir_fd, SL_SHM_FILE, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(st.st_size, shm_header(shm)->total_size);
	assert_true((uint64_t)st.st_blocks * 512 >= shm_header(shm)->total_size); /* all of it is there */
	assert_false(shm_is_replaced(shm, dir_fd));
	shm_close(shm);
	shm_file_destroy(file);
}

static void a_new_file_of_the_same_name_is_noticed(void **state)
{
	struct shm_file *first = make_file(), *second;
	struct shm_error error;
	struct shm *shm, *other;

	(void)state;
	assert_int_equal(open_shm(&shm, &error), 0);
	second = make_file();
	assert_true(shm_is_replaced(shm, dir_fd));
	assert_int_equal(open_shm(&other, &error), 0);
	assert_true(shm_header(shm)->session != shm_header(other)->session);
	assert_false(shm_is_replaced(other, dir_fd));
	unlinkat(dir_fd, SL_SHM_FILE, 0);
	assert_false(shm_is_replaced(other, dir_fd)); /* no successor: go on with what there is */
	shm_close(shm);
	shm_close(other);
	shm_file_destroy(first);
	shm_file_destroy(second);
}

/* ---- refusals ------------------------------------------------------------------------------------------ */

static void expect_refusal(int err, const char *text)
{
	struct shm_error error = { "" };
	struct shm *shm;

	assert_int_equal(open_shm(&shm, &error), err);
	if (strstr(error.text, text) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", error.text, text);
	assert_null(strchr(error.text, '\n'));
}

static void a_file_that_is_not_there_is_waited_for(void **state)
{
	(void)state;
	expect_refusal(-ENOENT, "start sluiced");
}

static void a_symbolic_link_is_refused(void **state)
{
	(void)state;
	assert_int_equal(symlinkat("/etc/passwd", dir_fd, SL_SHM_FILE), 0);
	expect_refusal(-EPERM, "symbolic link");
}

static void a_fifo_is_refused_without_waiting(void **state)
{
	(void)state;
	assert_int_equal(mkfifoat(dir_fd, SL_SHM_FILE, 0600), 0);
	expect_refusal(-EPERM, "not a regular file");
}

static void a_directory_is_refused(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(dir_fd, SL_SHM_FILE, 0700), 0);
	expect_refusal(-EISDIR, "cannot be opened");
	unlinkat(dir_fd, SL_SHM_FILE, AT_REMOVEDIR);
}

static void a_file_of_somebody_else_is_refused_unless_named(void **state)
{
	struct shm_error error;
	struct shm *shm;

	(void)state;
	if (geteuid() != 0)
		skip();
	shm_file_destroy(make_file());
	assert_int_equal(fchownat(dir_fd, SL_SHM_FILE, 54321, (gid_t)-1, 0), 0);
	expect_refusal(-EPERM, "uid 54321");
	assert_int_equal(shm_open_at(dir_fd, 54321, &shm, &error), 0);
	assert_int_equal(shm_owner(shm), 54321);
	shm_close(shm);
}

static void a_file_that_everybody_may_write_is_refused(void **state)
{
	(void)state;
	shm_file_destroy(make_file());
	assert_int_equal(fchmodat(dir_fd, SL_SHM_FILE, 0666, 0), 0);
	expect_refusal(-EPERM, "everybody may write");
}

static void truncate_to(off_t size)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, SL_SHM_FILE);
	assert_int_equal(truncate(path, size), 0);
}

static void a_truncated_file_is_refused(void **state)
{
	struct shm_file *file = make_file();
	const off_t size = (off_t)shm_file_header(file)->total_size;

	(void)state;
	shm_file_destroy(file);
	truncate_to(size - 1);
	expect_refusal(-EBADMSG, "truncated");
	truncate_to(100);
	expect_refusal(-EBADMSG, "100 bytes are too few");
	truncate_to(0);
	expect_refusal(-EBADMSG, "too few");
}

/* Writes `len` bytes at `offset` of the header, and its checksum anew when `seal`. */
static void patch(size_t offset, const void *bytes, size_t len, bool seal)
{
	const int fd = openat(dir_fd, SL_SHM_FILE, O_RDWR);
	struct sl_shm_header header;

	assert_int_equal(pread(fd, &header, sizeof(header), 0), sizeof(header));
	memcpy((uint8_t *)&header + offset, bytes, len);
	if (seal)
		header.checksum = sl_checksum64(&header, offsetof(struct sl_shm_header, checksum));
	assert_int_equal(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
	close(fd);
}

struct patch_case {
	const char *says;
	size_t offset, len;
	uint64_t value;
	int err;
	bool torn; /* the checksum is left as it was */
};

#define FIELD(f) offsetof(struct sl_shm_header, f), sizeof(((struct sl_shm_header *)0)->f)

static void every_header_that_lies_is_refused_with_its_own_reason(void **state)
{
	static const struct patch_case cases[] = {
		{ "magic", FIELD(magic), 1, -EBADMSG, false },
		{ "layout version 3.0", FIELD(abi_major), 3, -EPROTO, false },
		{ "header of 64 bytes", FIELD(header_size), 64, -EBADMSG, false },
		{ "checksum", FIELD(session), 77, -EBADMSG, true },
		{ "session is 0", FIELD(session), 0, -EBADMSG, false },
		{ "the header says", FIELD(total_size), 1 << 20, -EBADMSG, false },
		{ "capacity for 65537 services", FIELD(limits.services), 65537, -EBADMSG, false },
		{ "capacity for 4294967295 pools", FIELD(limits.pools), UINT32_MAX, -EBADMSG, false },
		{ "backends", FIELD(limits.backends), UINT32_MAX, -EBADMSG, false },
		{ "neighbors", FIELD(limits.neighbors), UINT32_MAX, -EBADMSG, false },
		{ "listeners", FIELD(limits.listeners), UINT32_MAX, -EBADMSG, false },
		{ "vips", FIELD(limits.vips), UINT32_MAX, -EBADMSG, false },
		{ "65 workers", FIELD(limits.workers), 65, -EBADMSG, false },
		{ "region stats", FIELD(limits.workers), 64, -EBADMSG, false },
		{ "region to_data", FIELD(to_data.offset), 0, -EBADMSG, false },
		{ "region to_data", FIELD(to_data.offset), 20481, -EBADMSG, false },
		{ "region to_data", FIELD(to_data.size), 64, -EBADMSG, false },
		{ "region arena", FIELD(arena.offset), UINT64_MAX - 4095, -EBADMSG, false },
		{ "region arena", FIELD(arena.size), UINT64_MAX, -EBADMSG, false },
		{ "region to_control", FIELD(to_control.offset), 1ull << 40, -EBADMSG, false },
		{ "regions to_data and to_control overlap", FIELD(to_control.offset), 20480, -EBADMSG, false },
		{ "power of two", FIELD(arena.size), (1 << 20) - 4096, -EBADMSG, false },
		{ "17 interfaces", FIELD(boot.port_count), 17, -EBADMSG, false },
		{ "65 workers", FIELD(boot.worker_count), 65, -EBADMSG, false },
		{ "interface 0", FIELD(boot.port[0].kind), 9, -EBADMSG, false },
		{ "settings for the start", FIELD(boot.poll), 7, -EBADMSG, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		shm_file_destroy(make_file());
		patch(cases[i].offset, &cases[i].value, cases[i].len, !cases[i].torn);
		expect_refusal(cases[i].err, cases[i].says);
	}
}

static void a_newer_minor_version_is_accepted(void **state)
{
	const uint16_t minor = SL_ABI_MINOR + 1;
	const uint32_t size = sizeof(struct sl_shm_header) + 64;
	struct shm_error error;
	struct shm *shm;

	(void)state;
	shm_file_destroy(make_file());
	patch(offsetof(struct sl_shm_header, abi_minor), &minor, sizeof(minor), true);
	patch(offsetof(struct sl_shm_header, header_size), &size, sizeof(size), true);
	assert_int_equal(open_shm(&shm, &error), 0);
	shm_close(shm);
}

/* ---- what can happen to a good file ---------------------------------------------------------------------- */

static void a_file_cut_under_a_running_reader_is_lost_and_kills_nobody(void **state)
{
	struct shm_file *file = make_file();
	struct feed_config config = { .allocator = &dp_allocator_malloc };
	struct shm_error error;
	struct feed *feed;
	struct shm *shm;

	(void)state;
	assert_int_equal(open_shm(&shm, &error), 0);
	config.base = shm_base(shm);
	config.header = shm_header(shm);
	assert_int_equal(feed_create(&config, &feed), 0);
	feed_poll(feed, 1, 100);
	assert_false(shm_is_lost(shm));
	truncate_to(0);
	for (uint64_t ms = 0; ms < 5000; ms++)
		assert_null(feed_poll(feed, ms * 1000000, 100));
	assert_true(shm_is_lost(shm));
	assert_true(shm_is_replaced(shm, dir_fd));
	expect_refusal(-EBADMSG, "too few");
	assert_false(shm_file_is_lost(file));
	shm_file_live(file)->control_beat_ns = 1; /* the other end meets it too */
	assert_true(shm_file_is_lost(file));
	feed_destroy(feed);
	shm_close(shm);
	shm_file_destroy(file);
}

static void a_bus_error_elsewhere_still_ends_the_process(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		signal(SIGBUS, SIG_DFL); /* cmocka has a handler of its own */
		make_file();
		raise(SIGBUS); /* ours sees that it is not its business */
		raise(SIGBUS); /* as the access would do */
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

static void no_room_is_an_error_with_a_remedy(void **state)
{
	const struct sl_boot boot = boot_of_one_port();
	const struct shm_capacity capacity = world_capacity();
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	pid = fork();
	if (pid == 0) { /* a tmpfs of one MiB, in a mount namespace of its own */
		struct shm_file *file = NULL;
		char reterr[300] = "";
		int err;

		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("none", dir, "tmpfs", 0, "size=1m,mode=0700") < 0)
			_exit(77);
		err = shm_file_create(dir, &boot, &capacity, &file, reterr, sizeof(reterr));
		if (err != -ENOSPC || strstr(reterr, "no room for") == NULL || strstr(reterr, "free some") == NULL)
			_exit(1);
		err = access(dir, F_OK);
		_exit(err == 0 && rmdir(dir) < 0 && errno == EBUSY ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_directory_that_others_may_write_is_refused(void **state)
{
	const struct sl_boot boot = boot_of_one_port();
	const struct shm_capacity capacity = world_capacity();
	struct shm_file *file = NULL;
	char reterr[300] = "";

	(void)state;
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(shm_file_create(dir, &boot, &capacity, &file, reterr, sizeof(reterr)), -EPERM);
	assert_non_null(strstr(reterr, "others own it or may write it"));
	assert_int_equal(chmod(dir, 0700), 0);
}

static void a_second_holder_of_a_lock_is_told_who_the_first_is(void **state)
{
	int first = -1, second = -1, looker;
	char reterr[200] = "", expected[32];

	(void)state;
	assert_int_equal(sl_lock_take(dir_fd, SL_LOCK_CONTROL, &first, reterr, sizeof(reterr)), 0);
	assert_int_equal(sl_lock_take(dir_fd, SL_LOCK_CONTROL, &second, reterr, sizeof(reterr)), -EBUSY);
	snprintf(expected, sizeof(expected), "pid %d;", (int)getpid());
	assert_non_null(strstr(reterr, expected));
	assert_non_null(strstr(reterr, "sluiced runs already"));
	assert_int_equal(sl_lock_take(dir_fd, SL_LOCK_DATA, &second, reterr, sizeof(reterr)), 0);
	looker = openat(dir_fd, SL_LOCK_FILE, O_RDWR);
	assert_true(sl_lock_is_held(looker, SL_LOCK_CONTROL));
	close(first);
	assert_false(sl_lock_is_held(looker, SL_LOCK_CONTROL));
	assert_true(sl_lock_is_held(looker, SL_LOCK_DATA));
	assert_int_equal(sl_lock_take(dir_fd, SL_LOCK_CONTROL, &first, reterr, sizeof(reterr)), 0);
	close(first);
	close(second);
	close(looker);
}

#define IN_DIR(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

/* What the file counts for worker 0: a verdict, the last service and the second backend. */
static uint64_t *counted(const struct shm_file *file, unsigned int which)
{
	struct sl_worker_stats *stats = (struct sl_worker_stats *)(uintptr_t)shm_file_stats(file, 0);
	struct sl_counter *services = (struct sl_counter *)(stats + 1);
	const struct sl_shm_limits *limits = &shm_file_header(file)->limits;

	return which == 0 ? (uint64_t *)&stats->verdict[SL_VERDICT_DROP_LOOP] :
	       which == 1 ? (uint64_t *)&services[limits->services - 1].bytes :
			    (uint64_t *)&services[limits->services + 1].packets;
}

static void counters_go_on_over_a_new_file_though_nobody_forwards(void **state)
{
	struct shm_file *first = make_file(), *second;
	const struct sl_boot boot = boot_of_one_port();
	struct shm_capacity capacity = world_capacity();
	char reterr[300];

	(void)state;
	for (unsigned int which = 0; which < 3; which++)
		*counted(first, which) = 1000 + which;
	((struct sl_worker_stats *)(uintptr_t)shm_file_stats(first, 0))->state = 1;
	second = make_file();
	for (unsigned int which = 0; which < 3; which++)
		assert_int_equal(*counted(second, which), 1000 + which);
	assert_int_equal(shm_file_stats(second, 0)->state, 0);
	shm_file_destroy(first);
	shm_file_destroy(second);
	/* positions keep their meaning when capacities grow */
	capacity.limits.services += 5;
	assert_int_equal(shm_file_create(dir, &boot, &capacity, &first, reterr, sizeof(reterr)), 0);
	assert_int_equal(*counted(first, 0), 1000);
	assert_int_equal(*counted(first, 1), 0); /* another service is the last now */
	assert_int_equal(*counted(first, 2), 1002);
	shm_file_destroy(first);
}

static void nothing_is_taken_from_a_file_that_is_not_sound(void **state)
{
	struct shm_file *first = make_file(), *second;

	(void)state;
	*counted(first, 0) = 7;
	((struct sl_shm_header *)shm_file_base(first))->stats.size += SL_SHM_PAGE;
	second = make_file();
	assert_int_equal(*counted(second, 0), 0);
	shm_file_destroy(first);
	truncate_to(8192);
	first = make_file();
	assert_int_equal(*counted(first, 0), 0);
	shm_file_destroy(first);
	shm_file_destroy(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(a_new_file_is_accepted_as_it_was_meant),
		IN_DIR(a_new_file_of_the_same_name_is_noticed),
		IN_DIR(a_file_that_is_not_there_is_waited_for),
		IN_DIR(a_symbolic_link_is_refused),
		IN_DIR(a_fifo_is_refused_without_waiting),
		IN_DIR(a_directory_is_refused),
		IN_DIR(a_file_of_somebody_else_is_refused_unless_named),
		IN_DIR(a_file_that_everybody_may_write_is_refused),
		IN_DIR(a_truncated_file_is_refused),
		IN_DIR(every_header_that_lies_is_refused_with_its_own_reason),
		IN_DIR(a_newer_minor_version_is_accepted),
		IN_DIR(a_file_cut_under_a_running_reader_is_lost_and_kills_nobody),
		IN_DIR(a_bus_error_elsewhere_still_ends_the_process),
		IN_DIR(counters_go_on_over_a_new_file_though_nobody_forwards),
		IN_DIR(nothing_is_taken_from_a_file_that_is_not_sound),
		IN_DIR(no_room_is_an_error_with_a_remedy),
		IN_DIR(a_directory_that_others_may_write_is_refused),
		IN_DIR(a_second_holder_of_a_lock_is_told_who_the_first_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
