/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A build without the XDP program: its home never starts.
 */
#include <errno.h>
#include <stdio.h>

#include "home.h"

static int start(void)
{
	fprintf(stderr, "built without the XDP program\n");
	return -ENOTSUP;
}

const struct home home_xdp = {.name = "XDP", .start = start};
