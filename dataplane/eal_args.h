/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the boot configuration to the EAL's argument vector. Pure: what the machine offers comes in
 * through struct eal_request, what is wrong with it goes out as text. No DPDK here.
 */
#ifndef DATAPLANE_EAL_ARGS_H
#define DATAPLANE_EAL_ARGS_H

#include <sched.h>
#include <stdbool.h>

#include "sluice/abi.h"

enum { EAL_ARGS_MAX = 16 + 2 * SL_PORTS_MAX, EAL_ARGS_TEXT = 8192 };

struct eal_request {
	const struct sl_boot *boot;
	const char *instance;
	cpu_set_t cpus;    /* CPUs that this process may use */
	bool hugepages;    /* false: ordinary memory */
	bool dpdk_log;
	unsigned int memory_mb; /* needed without hugepages; with them 0 leaves the size to the EAL */
};

struct eal_args {
	int argc;
	char *argv[EAL_ARGS_MAX + 1]; /* into text; the last is NULL */
	char text[EAL_ARGS_TEXT];
	char warning[256]; /* empty: nothing to say */
};

struct eal_args_error {
	char text[256]; /* cause and remedy in one line */
};

/* Returns 0 and *ret_args, or -EINVAL with *reterr_error: worker CPUs that are not there. Worker w gets lcore w + 1. */
int eal_args_build(const struct eal_request *request, struct eal_args *ret_args, struct eal_args_error *reterr_error);
/* Megabytes that workers, ports and tables of this boot configuration take without hugepages. */
unsigned int eal_args_memory_mb(const struct sl_boot *boot);

#endif
