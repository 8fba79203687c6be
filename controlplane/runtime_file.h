/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * New files in <runtime-dir>/<instance> that are mapped by both daemons: all of their memory is taken first (no
 * SIGBUS later for want of room), and they get their name last (no reader sees half of one). Main thread only.
 */
#ifndef CONTROLPLANE_RUNTIME_FILE_H
#define CONTROLPLANE_RUNTIME_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "sluice/abi.h"

/* Where the one line goes that says place, cause and remedy. */
struct runtime_reason {
	char *text;
	size_t size;
};

/* Writes that line and returns `err`. */
int runtime_fail(const struct runtime_reason *reason, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* What is to be made. Pointers stay the caller's. */
struct runtime_file {
	int dir_fd;
	const char *dir;  /* its path, for messages */
	const char *name; /* the name it gets; until then it is "<name>.new": whoever holds the lock may remove a leftover */
	const char *ask_less; /* what to configure when there is no room: "configure fewer pools" */
	uint64_t size;
	const struct sl_boot *boot; /* boot->user's group may read and write it, when that account exists */
};

/* Opens the directory; -EPERM when others own it or may write it. Returns a descriptor or -errno. */
int runtime_file_open_directory(const char *dir, const struct runtime_reason *reason);
/* Takes memory for all of an open file, and gives it to the group; what is in it stays. 0 or -errno. */
int runtime_file_take(int fd, const struct runtime_file *file, const struct runtime_reason *reason);
/* Makes the file without its name, filled with zeroes and mode 0660. Returns a descriptor or -errno. */
int runtime_file_begin(const struct runtime_file *file, const struct runtime_reason *reason);
/* Gives it its name, over whatever has it. 0 or -errno. */
int runtime_file_end(const struct runtime_file *file, const struct runtime_reason *reason);
/* Removes what was begun. */
void runtime_file_abandon(const struct runtime_file *file);

#endif
