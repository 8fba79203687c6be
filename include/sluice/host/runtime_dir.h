/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where instances meet when nobody says otherwise: the same rule for daemons and tools. The folder host/
 * holds what both daemons do with the operating system; it uses libc, and BPF programs never see it.
 */
#ifndef SLUICE_HOST_RUNTIME_DIR_H
#define SLUICE_HOST_RUNTIME_DIR_H

#include <linux/magic.h>
#include <sys/vfs.h>

#include "../abi.h"

/* /run/sluice when /run is a tmpfs, so that shared memory is memory; else /dev/shm/sluice. Any thread. */
static inline const char *sl_runtime_dir(void)
{
	struct statfs run;

	if (statfs("/run", &run) == 0 && run.f_type == TMPFS_MAGIC)
		return SL_RUNTIME_DIR;
	return SL_RUNTIME_DIR_SHM;
}

#endif
