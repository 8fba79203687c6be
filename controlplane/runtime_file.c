/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making files that two daemons share: memory, group and mode, name. What is in them is shm_file.c's and
 * flow_file.c's business.
 */
#include "controlplane/runtime_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_MAX_LEN = 64 };

int runtime_fail(const struct runtime_reason *reason, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason->text, reason->size, format, args);
	va_end(args);
	return err;
}

int runtime_file_open_directory(const char *dir, const struct runtime_reason *reason)
{
	const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return runtime_fail(reason, -errno, "\"%s\": %s: create it, or give --runtime-dir", dir, strerror(errno));
	if (fstat(fd, &st) < 0 || (st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & S_IWOTH) != 0) {
		close(fd);
		return runtime_fail(reason, -EPERM, "\"%s\": others own it or may write it: remove it, or give --runtime-dir", dir);
	}
	return fd;
}

static const char *new_name(const struct runtime_file *file, char name[NAME_MAX_LEN])
{
	snprintf(name, NAME_MAX_LEN, "%s.new", file->name);
	return name;
}

/* Takes all the memory now. */
static int allocate(int fd, const struct runtime_file *file, const struct runtime_reason *reason)
{
	int err = fallocate(fd, 0, 0, (off_t)file->size) == 0 ? 0 : errno;

	if (err == EOPNOTSUPP)
		err = posix_fallocate(fd, 0, (off_t)file->size);
	if (err == ENOSPC || err == ENOMEM || err == EDQUOT || err == EFBIG)
		return runtime_fail(reason, -ENOSPC, "\"%s\": no room for %llu MiB of shared memory: free some, enlarge the file system, or %s",
				    file->dir, (unsigned long long)(file->size >> 20) + 1, file->ask_less);
	if (err != 0)
		return runtime_fail(reason, -err, "\"%s/%s.new\": cannot take %llu bytes: %s", file->dir, file->name,
				    (unsigned long long)file->size, strerror(err));
	return 0;
}

/* File and directory get the group that sluice-dp will have, when its account exists: it opens the next file by it. */
static int share(int fd, const struct runtime_file *file, const struct runtime_reason *reason)
{
	const struct passwd *account = file->boot->user[0] != 0 ? getpwnam(file->boot->user) : NULL;

	if (account != NULL && account->pw_gid != getegid() &&
	    (fchown(fd, (uid_t)-1, account->pw_gid) < 0 || fchown(file->dir_fd, (uid_t)-1, account->pw_gid) < 0))
		return runtime_fail(reason, -errno, "\"%s/%s.new\": cannot be given to the group of \"%s\": %s: run sluiced as root or in that group",
				    file->dir, file->name, file->boot->user, strerror(errno));
	if (fchmod(fd, 0660) < 0)
		return runtime_fail(reason, -errno, "\"%s/%s.new\": cannot change its mode: %s", file->dir, file->name, strerror(errno));
	return 0;
}

int runtime_file_take(int fd, const struct runtime_file *file, const struct runtime_reason *reason)
{
	const int err = allocate(fd, file, reason);

	return err < 0 ? err : share(fd, file, reason);
}

int runtime_file_begin(const struct runtime_file *file, const struct runtime_reason *reason)
{
	char name[NAME_MAX_LEN];
	int err, fd;

	if (unlinkat(file->dir_fd, new_name(file, name), 0) < 0 && errno != ENOENT)
		return runtime_fail(reason, -errno, "\"%s/%s\": cannot be removed: %s", file->dir, name, strerror(errno));
	fd = openat(file->dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return runtime_fail(reason, -errno, "\"%s/%s\": cannot be made: %s", file->dir, name, strerror(errno));
	err = runtime_file_take(fd, file, reason);
	if (err == 0)
		return fd;
	close(fd);
	runtime_file_abandon(file);
	return err;
}

int runtime_file_end(const struct runtime_file *file, const struct runtime_reason *reason)
{
	char name[NAME_MAX_LEN];

	if (renameat(file->dir_fd, new_name(file, name), file->dir_fd, file->name) < 0)
		return runtime_fail(reason, -errno, "\"%s/%s\": cannot get its name: %s: remove what has it", file->dir,
				    file->name, strerror(errno));
	return 0;
}

void runtime_file_abandon(const struct runtime_file *file)
{
	char name[NAME_MAX_LEN];

	unlinkat(file->dir_fd, new_name(file, name), 0);
}
