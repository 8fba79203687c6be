/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening, mapping and watching one file. The descriptor lives only until the mapping does.
 */
#include "dataplane/shared_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sluice/host/guard.h"

int shm_refuse(struct shm_error *reterr_error, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reterr_error->text, sizeof(reterr_error->text), format, args);
	va_end(args);
	return err;
}

static int open_name(int dir_fd, const char *name, struct shm_error *reterr_error)
{
	/* O_NONBLOCK: a FIFO of that name must not hold us up before fstat() unmasks it */
	const int fd = openat(dir_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		return fd;
	if (errno == ELOOP)
		return shm_refuse(reterr_error, -EPERM, "a symbolic link, which is not followed: remove it and restart sluiced");
	if (errno == ENOENT)
		return shm_refuse(reterr_error, -ENOENT, "not there: start sluiced");
	if (errno == EACCES)
		return shm_refuse(reterr_error, -EACCES, "permission denied: start sluice-dp as root, or make its group that of the file");
	return shm_refuse(reterr_error, -errno, "cannot be opened: %s", strerror(errno));
}

static int check_stat(const struct stat *st, uid_t owner, struct shm_error *reterr_error)
{
	if (!S_ISREG(st->st_mode))
		return shm_refuse(reterr_error, -EPERM, "not a regular file: remove it and restart sluiced");
	if (st->st_uid != 0 && st->st_uid != geteuid() && st->st_uid != owner)
		return shm_refuse(reterr_error, -EPERM,
				  "belongs to uid %u, which is neither root nor us: name sluiced's account with --owner",
				  (unsigned int)st->st_uid);
	if ((st->st_mode & S_IWOTH) != 0)
		return shm_refuse(reterr_error, -EPERM, "everybody may write it (mode %04o): restart sluiced, and look for who changed it",
				  (unsigned int)(st->st_mode & 07777));
	return 0;
}

int shared_file_open(int dir_fd, const char *name, uid_t owner, void *ret_header, size_t header_size,
		     struct shared_file *ret_file, struct shm_error *reterr_error)
{
	struct shared_file file = { .fd = open_name(dir_fd, name, reterr_error) };
	struct stat st;
	int err = 0;

	if (file.fd < 0)
		return file.fd;
	if (fstat(file.fd, &st) < 0)
		err = shm_refuse(reterr_error, -errno, "cannot be examined: %s", strerror(errno));
	if (err == 0)
		err = check_stat(&st, owner, reterr_error);
	if (err == 0) {
		memset(ret_header, 0, header_size);
		if (pread(file.fd, ret_header, header_size, 0) < 0)
			err = shm_refuse(reterr_error, -errno, "cannot be read: %s", strerror(errno));
	}
	if (err < 0) {
		close(file.fd);
		return err;
	}
	file.size = (uint64_t)st.st_size;
	file.device = st.st_dev;
	file.inode = st.st_ino;
	file.owner = st.st_uid;
	*ret_file = file;
	return 0;
}

int shared_file_map(struct shared_file *file, struct shm_error *reterr_error)
{
	void *base = mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);

	if (base == MAP_FAILED)
		return shm_refuse(reterr_error, -errno, "cannot be mapped (%llu bytes): %s",
				  (unsigned long long)file->size, strerror(errno));
	file->guard = sl_guard_add(base, file->size);
	if (file->guard == NULL) {
		munmap(base, file->size);
		return shm_refuse(reterr_error, -EMFILE, "too many files are mapped at once: close one first");
	}
	file->base = base;
	close(file->fd);
	file->fd = -1;
	return 0;
}

void shared_file_close(struct shared_file *file)
{
	if (file->base != NULL) {
		sl_guard_remove(file->guard);
		munmap(file->base, file->size);
		file->base = NULL;
	}
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

bool shared_file_is_lost(const struct shared_file *file)
{
	return sl_guard_lost(file->guard);
}

bool shared_file_is_replaced(const struct shared_file *file, int dir_fd, const char *name)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	return st.st_ino != file->inode || st.st_dev != file->device;
}
