/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening, mapping and watching the shared-memory file. What makes a header sound is shm_header.c's.
 */
#include "dataplane/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sluice/host/guard.h"

struct shm {
	struct sl_shm_header header; /* private copy */
	void *base;
	struct sl_guard *guard;
	dev_t device;
	ino_t inode;
	uid_t owner;
};

static int __attribute__((format(printf, 3, 4))) refuse(struct shm_error *reterr_error, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reterr_error->text, sizeof(reterr_error->text), format, args);
	va_end(args);
	return err;
}

static int open_file(int dir_fd, struct shm_error *reterr_error)
{
	/* O_NONBLOCK: a FIFO of that name must not hold us up before fstat() unmasks it */
	const int fd = openat(dir_fd, SL_SHM_FILE, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		return fd;
	if (errno == ELOOP)
		return refuse(reterr_error, -EPERM, "a symbolic link, which is not followed: remove it and restart sluiced");
	if (errno == ENOENT)
		return refuse(reterr_error, -ENOENT, "not there: start sluiced");
	if (errno == EACCES)
		return refuse(reterr_error, -EACCES, "permission denied: start sluice-dp as root, or make its group that of the file");
	return refuse(reterr_error, -errno, "cannot be opened: %s", strerror(errno));
}

static int check_file(const struct stat *st, uid_t owner, struct shm_error *reterr_error)
{
	if (!S_ISREG(st->st_mode))
		return refuse(reterr_error, -EPERM, "not a regular file: remove it and restart sluiced");
	if (st->st_uid != 0 && st->st_uid != geteuid() && st->st_uid != owner)
		return refuse(reterr_error, -EPERM,
			      "belongs to uid %u, which is neither root nor us: name sluiced's account with --owner",
			      (unsigned int)st->st_uid);
	if ((st->st_mode & S_IWOTH) != 0)
		return refuse(reterr_error, -EPERM, "everybody may write it (mode %04o): restart sluiced, and look for who changed it",
			      (unsigned int)(st->st_mode & 07777));
	if ((uint64_t)st->st_size < SL_SHM_HEADER_PAGES * SL_SHM_PAGE)
		return refuse(reterr_error, -EBADMSG, "%lld bytes are too few for a header: restart sluiced, which writes a new file",
			      (long long)st->st_size);
	return 0;
}

/* Copies and checks the header, then maps the file. */
static int map_file(int fd, const struct stat *st, struct shm *shm, struct shm_error *reterr_error)
{
	const ssize_t got = pread(fd, &shm->header, sizeof(shm->header), 0);
	int err;

	if (got < 0)
		return refuse(reterr_error, -errno, "cannot be read: %s", strerror(errno));
	if (got != (ssize_t)sizeof(shm->header))
		return refuse(reterr_error, -EBADMSG, "shorter than its header: restart sluiced, which writes a new file");
	err = shm_header_check(&shm->header, (uint64_t)st->st_size, reterr_error);
	if (err < 0)
		return err;
	shm->base = mmap(NULL, shm->header.total_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shm->base == MAP_FAILED)
		return refuse(reterr_error, -errno, "cannot be mapped (%llu bytes): %s",
			      (unsigned long long)shm->header.total_size, strerror(errno));
	shm->guard = sl_guard_add(shm->base, shm->header.total_size);
	if (shm->guard == NULL) {
		munmap(shm->base, shm->header.total_size);
		return refuse(reterr_error, -EMFILE, "too many files are mapped at once: close one first");
	}
	shm->device = st->st_dev;
	shm->inode = st->st_ino;
	shm->owner = st->st_uid;
	return 0;
}

int shm_open_at(int dir_fd, uid_t owner, struct shm **ret_shm, struct shm_error *reterr_error)
{
	struct shm *shm;
	struct stat st;
	int err, fd = open_file(dir_fd, reterr_error);

	if (fd < 0)
		return fd;
	shm = calloc(1, sizeof(*shm));
	if (shm == NULL)
		err = refuse(reterr_error, -ENOMEM, "no memory");
	else if (fstat(fd, &st) < 0)
		err = refuse(reterr_error, -errno, "cannot be examined: %s", strerror(errno));
	else
		err = check_file(&st, owner, reterr_error);
	if (err == 0)
		err = map_file(fd, &st, shm, reterr_error);
	close(fd);
	if (err < 0) {
		free(shm);
		return err;
	}
	*ret_shm = shm;
	return 0;
}

void shm_close(struct shm *shm)
{
	if (shm == NULL)
		return;
	sl_guard_remove(shm->guard);
	munmap(shm->base, shm->header.total_size);
	free(shm);
}

bool shm_is_lost(const struct shm *shm)
{
	return sl_guard_lost(shm->guard);
}

bool shm_is_replaced(const struct shm *shm, int dir_fd)
{
	struct stat st;

	if (shm == NULL || shm_is_lost(shm))
		return true;
	if (fstatat(dir_fd, SL_SHM_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false; /* no name, no successor: go on */
	return st.st_ino != shm->inode || st.st_dev != shm->device;
}

void *shm_base(const struct shm *shm)
{
	return shm->base;
}

const struct sl_shm_header *shm_header(const struct shm *shm)
{
	return &shm->header;
}

struct sl_shm_live *shm_live(const struct shm *shm)
{
	return (struct sl_shm_live *)((uint8_t *)shm->base + SL_SHM_HEADER_PAGES * SL_SHM_PAGE);
}

uid_t shm_owner(const struct shm *shm)
{
	return shm->owner;
}
