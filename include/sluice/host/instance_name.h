/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an instance may be called. The name becomes a directory, a file prefix of DPDK's and a folder of
 * pinned programs, so daemons and tools accept the same names and say the same of others.
 */
#ifndef SLUICE_HOST_INSTANCE_NAME_H
#define SLUICE_HOST_INSTANCE_NAME_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { SL_INSTANCE_NAME_MAX = 31 };

/* 0, or -EINVAL with one line in `reterr`. Any thread. */
static inline int sl_instance_name_check(const char *name, char *reterr, size_t reterr_size)
{
	const size_t len = strlen(name);

	if (len > 0 && len <= SL_INSTANCE_NAME_MAX &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == len)
		return 0;
	snprintf(reterr, reterr_size, "--instance '%.64s': use 1 to %d of a-z, 0-9, '-' and '_'", name,
		 SL_INSTANCE_NAME_MAX);
	return -EINVAL;
}

#endif
