/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Directory descriptor and lock; how the lock works is sluice/host/lock.h's business.
 */
#include "dataplane/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "sluice/host/lock.h"

int instance_open(struct instance *instance, const char *runtime_dir, const char *name)
{
	instance->lock_fd = -1;
	snprintf(instance->dir, sizeof(instance->dir), "%s/%s", runtime_dir, name);
	instance->dir_fd = open(instance->dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return instance->dir_fd < 0 ? -errno : 0;
}

int instance_lock(struct instance *instance, char *reterr, size_t size)
{
	return sl_lock_take(instance->dir_fd, SL_LOCK_DATA, &instance->lock_fd, reterr, size);
}

void instance_close(struct instance *instance)
{
	if (instance->lock_fd >= 0)
		close(instance->lock_fd);
	if (instance->dir_fd >= 0)
		close(instance->dir_fd);
	instance->lock_fd = instance->dir_fd = -1;
}
