/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lock file of an instance: one byte a daemon, each an open-file-description lock, which the kernel
 * drops when the process is gone, however it went. The lock is liveness; the text beside it only names
 * the holder. The file is never replaced or removed. Main thread only.
 */
#ifndef SLUICE_HOST_LOCK_H
#define SLUICE_HOST_LOCK_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../abi.h"

enum sl_lock_byte { SL_LOCK_CONTROL = 0, SL_LOCK_DATA = 1, SL_LOCK_DEVICE = 2 /* sluice-device */ };
enum { SL_LOCK_TEXT_SIZE = 64 }; /* byte n's text lies at (1 + n) times this */

/* Who holds the lock, as "pid 42", or "unknown process". */
static inline void sl_lock_holder(int fd, enum sl_lock_byte byte, char *ret_text, size_t size)
{
	char text[SL_LOCK_TEXT_SIZE] = { 0 };

	if (pread(fd, text, sizeof(text) - 1, (1 + (off_t)byte) * SL_LOCK_TEXT_SIZE) <= 0 || text[0] == 0)
		strcpy(text, "unknown process");
	text[strcspn(text, "\n")] = 0;
	snprintf(ret_text, size, "%s", text);
}

/*
 * Takes the lock of one daemon in the directory `dir_fd`. Returns 0 and the descriptor that holds it (close
 * it to let go), -EBUSY, or another -errno, with one line in `reterr`.
 */
static inline int sl_lock_take(int dir_fd, enum sl_lock_byte byte, int *ret_fd, char *reterr, size_t reterr_size)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
	static const char *const programs[] = { [SL_LOCK_CONTROL] = "sluiced", [SL_LOCK_DATA] = "sluice-dp",
						[SL_LOCK_DEVICE] = "sluice-device" };
	char text[SL_LOCK_TEXT_SIZE] = { 0 };
	const int fd = openat(dir_fd, SL_LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0660);
	int err = 0;

	if (fd < 0) {
		err = -errno;
		snprintf(reterr, reterr_size, "cannot open the lock file \"%s\": %s", SL_LOCK_FILE, strerror(-err));
		return err;
	}
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		err = errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
		sl_lock_holder(fd, byte, text, sizeof(text));
		if (err == -EBUSY)
			snprintf(reterr, reterr_size, "%s runs already: %s; stop it, or choose another --instance",
				 programs[byte], text);
		else
			snprintf(reterr, reterr_size, "cannot lock \"%s\": %s", SL_LOCK_FILE, strerror(-err));
		close(fd);
		return err;
	}
	snprintf(text, sizeof(text), "pid %d\n", (int)getpid());
	if (pwrite(fd, text, sizeof(text), (1 + (off_t)byte) * SL_LOCK_TEXT_SIZE) != (ssize_t)sizeof(text))
		err = errno > 0 ? -errno : -EIO;
	if (err < 0) {
		snprintf(reterr, reterr_size, "cannot write the lock file \"%s\": %s", SL_LOCK_FILE, strerror(-err));
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

/* True when that daemon is alive: somebody holds its byte. `fd` is any descriptor of the lock file but the holder's. */
static inline int sl_lock_is_held(int fd, enum sl_lock_byte byte)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

#endif
