/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file that sluiced made and sluice-dp maps: opened without following links, believed only when it belongs to
 * somebody who may write it, and watched: who truncates it makes it zeros and "lost", not a SIGBUS. What is in it
 * is its user's business (shm.c, flow_shared.c). Manager thread only.
 */
#ifndef DATAPLANE_SHARED_FILE_H
#define DATAPLANE_SHARED_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sl_guard;

/* One line: what is wrong, where, and what to do about it. */
struct shm_error {
	char text[320];
};

struct shared_file {
	int fd;          /* -1 once mapped */
	void *base;      /* NULL until mapped */
	uint64_t size;   /* of the file when it was opened */
	struct sl_guard *guard;
	dev_t device;
	ino_t inode;
	uid_t owner;
};

/* Writes one line. Returns `err`. */
int shm_refuse(struct shm_error *reterr_error, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/*
 * Opens `name` in the directory `dir_fd` and copies the first `header_size` bytes to ret_header (zeroes behind the
 * end of a shorter file). It must belong to root, to us, or to `owner` ((uid_t)-1: nobody else). Returns 0, -ENOENT,
 * -EPERM (owner, mode, kind of file) or another -errno, with *reterr_error filled and nothing open.
 */
int shared_file_open(int dir_fd, const char *name, uid_t owner, void *ret_header, size_t header_size,
		     struct shared_file *ret_file, struct shm_error *reterr_error);
/* Maps all of it. Returns 0 or -errno; the file is to be closed in either case. */
int shared_file_map(struct shared_file *file, struct shm_error *reterr_error);
void shared_file_close(struct shared_file *file);
bool shared_file_is_lost(const struct shared_file *file);
/* True when the name leads to another file now. No name, no successor: false. One system call. */
bool shared_file_is_replaced(const struct shared_file *file, int dir_fd, const char *name);

#endif
