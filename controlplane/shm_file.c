/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making the file: all of its memory is taken before it is mapped (no SIGBUS later for want of room),
 * all of its header is written before it is renamed into place (no reader sees half of one).
 */
#include "controlplane/shm_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/shm_inherit.h"
#include "sluice/host/guard.h"
#include "sluice/host/runtime_dir.h"

#define SHM_FILE_NEW SL_SHM_FILE ".new" /* one name: whoever holds the lock may remove a leftover */

struct shm_file {
	struct sl_shm_header header;
	void *base;
	struct sl_guard *guard;
};

struct reason {
	char *text;
	size_t size;
};

static int __attribute__((format(printf, 3, 4))) fail(const struct reason *reason, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason->text, reason->size, format, args);
	va_end(args);
	return err;
}

void shm_file_runtime_dir(const char *runtime_dir, const char *instance, char *ret_dir, size_t size)
{
	snprintf(ret_dir, size, "%s/%s", runtime_dir != NULL ? runtime_dir : sl_runtime_dir(), instance);
}

static int open_directory(const char *dir, const struct reason *reason)
{
	const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return fail(reason, -errno, "\"%s\": %s: create it, or give --runtime-dir", dir, strerror(errno));
	if (fstat(fd, &st) < 0 || (st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & S_IWOTH) != 0) {
		close(fd);
		return fail(reason, -EPERM, "\"%s\": others own it or may write it: remove it, or give --runtime-dir", dir);
	}
	return fd;
}

/* Takes all the memory now. */
static int allocate(int fd, const char *dir, uint64_t size, const struct reason *reason)
{
	int err = fallocate(fd, 0, 0, (off_t)size) == 0 ? 0 : errno;

	if (err == EOPNOTSUPP)
		err = posix_fallocate(fd, 0, (off_t)size);
	if (err == ENOSPC || err == ENOMEM || err == EDQUOT)
		return fail(reason, -ENOSPC, "\"%s\": no room for %llu MiB of shared memory: free some, enlarge the file system, or configure fewer pools",
			    dir, (unsigned long long)(size >> 20) + 1);
	if (err != 0)
		return fail(reason, -err, "\"%s/%s\": cannot take %llu bytes: %s", dir, SHM_FILE_NEW, (unsigned long long)size,
			    strerror(err));
	return 0;
}

/* File and directory get the group that sluice-dp will have, when its account exists: it opens the next file by it. */
static int share(int fd, int dir_fd, const char *dir, const struct sl_boot *boot, const struct reason *reason)
{
	const struct passwd *account = boot->user[0] != 0 ? getpwnam(boot->user) : NULL;

	if (account != NULL && account->pw_gid != getegid() &&
	    (fchown(fd, (uid_t)-1, account->pw_gid) < 0 || fchown(dir_fd, (uid_t)-1, account->pw_gid) < 0))
		return fail(reason, -errno, "\"%s/%s\": cannot be given to the group of \"%s\": %s: run sluiced as root or in that group",
			    dir, SHM_FILE_NEW, boot->user, strerror(errno));
	if (fchmod(fd, 0660) < 0)
		return fail(reason, -errno, "\"%s/%s\": cannot change its mode: %s", dir, SHM_FILE_NEW, strerror(errno));
	return 0;
}

static int map(int fd, const char *dir, struct shm_file *file, const struct reason *reason)
{
	struct sl_shm_live *live;

	file->base = mmap(NULL, file->header.total_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (file->base == MAP_FAILED)
		return fail(reason, -errno, "\"%s/%s\": cannot be mapped: %s", dir, SHM_FILE_NEW, strerror(errno));
	file->guard = sl_guard_add(file->base, file->header.total_size);
	if (file->guard == NULL) {
		munmap(file->base, file->header.total_size);
		return fail(reason, -EMFILE, "\"%s\": too many shared-memory files are mapped at once", dir);
	}
	memcpy(file->base, &file->header, sizeof(file->header));
	live = shm_file_live(file);
	live->control_pid = (uint64_t)getpid();
	return 0;
}

static int layout(const struct sl_boot *boot, const struct shm_capacity *capacity, struct shm_file *file,
		  const struct reason *reason)
{
	uint64_t session = 0;
	struct timespec now;

	while (session == 0) {
		if (getrandom(&session, sizeof(session), 0) != (ssize_t)sizeof(session))
			return fail(reason, -EIO, "no random numbers: %s", strerror(errno));
	}
	clock_gettime(CLOCK_REALTIME, &now);
	if (shm_layout(capacity, boot, session, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
		       &file->header) < 0)
		return fail(reason, -ERANGE, "the configuration has more objects than a data plane can hold");
	return 0;
}

static int fill(int dir_fd, const char *dir, const struct sl_boot *boot, struct shm_file *file,
		const struct reason *reason)
{
	int err, fd;

	if (unlinkat(dir_fd, SHM_FILE_NEW, 0) < 0 && errno != ENOENT)
		return fail(reason, -errno, "\"%s/%s\": cannot be removed: %s", dir, SHM_FILE_NEW, strerror(errno));
	fd = openat(dir_fd, SHM_FILE_NEW, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(reason, -errno, "\"%s/%s\": cannot be made: %s", dir, SHM_FILE_NEW, strerror(errno));
	err = allocate(fd, dir, file->header.total_size, reason);
	if (err == 0)
		err = share(fd, dir_fd, dir, boot, reason);
	if (err == 0)
		err = map(fd, dir, file, reason);
	close(fd);
	if (err == 0)
		shm_inherit_counters(dir_fd, file->base, &file->header);
	if (err == 0 && renameat(dir_fd, SHM_FILE_NEW, dir_fd, SL_SHM_FILE) < 0) {
		err = fail(reason, -errno, "\"%s/%s\": cannot get its name: %s", dir, SL_SHM_FILE, strerror(errno));
		sl_guard_remove(file->guard);
		munmap(file->base, file->header.total_size);
	}
	if (err < 0)
		unlinkat(dir_fd, SHM_FILE_NEW, 0);
	return err;
}

int shm_file_create(const char *dir, const struct sl_boot *boot, const struct shm_capacity *capacity,
		    struct shm_file **ret_file, char *reterr, size_t reterr_size)
{
	const struct reason reason = { reterr, reterr_size };
	struct shm_file *file = calloc(1, sizeof(*file));
	int dir_fd, err;

	if (file == NULL)
		return fail(&reason, -ENOMEM, "no memory");
	err = dir_fd = open_directory(dir, &reason);
	if (dir_fd >= 0) {
		err = layout(boot, capacity, file, &reason);
		if (err == 0)
			err = fill(dir_fd, dir, boot, file, &reason);
		close(dir_fd);
	}
	if (err < 0) {
		free(file);
		return err;
	}
	*ret_file = file;
	return 0;
}

void shm_file_destroy(struct shm_file *file)
{
	if (file == NULL)
		return;
	sl_guard_remove(file->guard);
	munmap(file->base, file->header.total_size);
	free(file);
}

bool shm_file_is_lost(const struct shm_file *file)
{
	return sl_guard_lost(file->guard);
}

void *shm_file_base(const struct shm_file *file)
{
	return file->base;
}

const struct sl_shm_header *shm_file_header(const struct shm_file *file)
{
	return &file->header;
}

struct sl_shm_live *shm_file_live(const struct shm_file *file)
{
	return (struct sl_shm_live *)((uint8_t *)file->base + SL_SHM_HEADER_PAGES * SL_SHM_PAGE);
}

const struct sl_worker_stats *shm_file_stats(const struct shm_file *file, uint32_t worker)
{
	return (const void *)((const uint8_t *)file->base + file->header.stats.offset +
			      worker * sl_stats_block_size(&file->header.limits));
}
