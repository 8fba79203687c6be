/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of sluiced. Pure. */
#ifndef CONTROLPLANE_OPTIONS_H
#define CONTROLPLANE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "log.h"

/* Exit statuses; sluiced(8) lists them. */
enum exit_status {
	EXIT_STOPPED = 0,     /* clean stop, or --check found nothing wrong */
	EXIT_WRONG_USE = 1,   /* command line or configuration */
	EXIT_HELD = 2,        /* another sluiced holds the instance */
	EXIT_ENVIRONMENT = 3, /* a capability, an interface, a directory is missing */
	EXIT_SHM = 4,         /* shared memory cannot be made */
	EXIT_INTERNAL = 5,
};

enum options_action { OPTIONS_RUN = 0, OPTIONS_CHECK, OPTIONS_HELP, OPTIONS_VERSION };

struct options {
	enum options_action action;
	const char *config;
	const char *instance;
	const char *runtime_dir; /* NULL: /run/sluice, or /dev/shm/sluice when /run is no tmpfs */
	const char *state_dir;   /* NULL: /var/lib/sluice/<instance> */
	const char *bpffs;
	int log_format;          /* enum log_format; -1: as the configuration says */
	enum log_level log_level;
};

/* 0, or -EINVAL with one line in reterr. The strings are those of argv. */
int options_parse(int argc, char **argv, struct options *ret_options, char *reterr, size_t reterr_size);
void options_usage(FILE *out);

#endif
