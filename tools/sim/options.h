/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sluice-sim's command line: one table for the parser, --help and the test that compares it with the manual.
 */
#ifndef TOOLS_SIM_OPTIONS_H
#define TOOLS_SIM_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

struct options {
	const char *config;
	const char *in;
	const char *out;      /* NULL: no capture is written */
	const char *verdicts; /* NULL: no lines are written */
	const char *scenario; /* NULL: the manual's defaults */
	const char *key_file;
	bool help, version;
};

/* 0, or -EINVAL after one line on `errors`. Strings point into argv. */
int options_parse(int argc, char **argv, FILE *errors, struct options *ret_options);
void options_help(FILE *out);

#endif
