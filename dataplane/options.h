/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sluice-dp's command line. Pure: arguments in, struct out; main.c prints and exits. One table holds
 * the options, their help and (a test) what docs/man/sluice-dp.8 must mention.
 */
#ifndef DATAPLANE_OPTIONS_H
#define DATAPLANE_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "dataplane/log.h"
#include "sluice/host/instance_name.h"

/* Both daemons; documented in the man pages. */
enum exit_code {
	EXIT_CODE_OK = 0,
	EXIT_CODE_USAGE = 1,       /* wrong use or configuration */
	EXIT_CODE_LOCKED = 2,      /* another sluice-dp serves the instance */
	EXIT_CODE_ENVIRONMENT = 3, /* hugepages, capability, interface, queues, or nobody to wait for */
	EXIT_CODE_SHM = 4,         /* the shared memory was refused */
	EXIT_CODE_INTERNAL = 5,
};

struct options {
	char instance[SL_INSTANCE_NAME_MAX + 1];
	char runtime_dir[256]; /* holds <instance>/dataplane.shm */
	char owner[64];        /* account whose dataplane.shm is accepted besides root's and our own; empty: none */
	int wait_s;            /* -1: for ever */
	enum log_format log_format;
	enum log_level log_level;
	bool no_huge;
	bool dpdk_log; /* DPDK's own lines at their usual level */
	bool help;
	bool version;
};

struct options_error {
	char text[256]; /* what is wrong and what is allowed */
};

/* Returns 0, or -EINVAL with the reason in *reterr_error. `runtime_dir` is the default for --runtime-dir. */
int options_parse(int argc, char *const *argv, const char *runtime_dir, struct options *ret_options,
		  struct options_error *reterr_error);
void options_print_help(FILE *out);

#endif
