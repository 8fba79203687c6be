/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet cases of tests/packet in the homes: each must come to what the case's own small home makes of it.
 */
#ifndef TESTS_CONFORMANCE_EQUAL_CASES_H
#define TESTS_CONFORMANCE_EQUAL_CASES_H

#include "home.h"

/* 0; 1 after a line on stdout for each case that differs; -errno after a message: a file cannot be read. */
int cases_run(const struct home *home, char **files);

#endif
