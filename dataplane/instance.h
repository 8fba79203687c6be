/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The instance's runtime directory as sluice-dp sees it: opened once, locked against a second
 * sluice-dp. Main thread only.
 */
#ifndef DATAPLANE_INSTANCE_H
#define DATAPLANE_INSTANCE_H

#include <stddef.h>

struct instance {
	char dir[384];
	int dir_fd;
	int lock_fd;
};

/* Opens <runtime_dir>/<name>. Returns 0, -ENOENT (not there yet) or another -errno. */
int instance_open(struct instance *instance, const char *runtime_dir, const char *name);
/* Takes sluice-dp's byte of the lock file. Returns 0, -EBUSY or another -errno with one line in `reterr`. */
int instance_lock(struct instance *instance, char *reterr, size_t size);
void instance_close(struct instance *instance);

#endif
