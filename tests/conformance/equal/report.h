/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes an episode to files that sluice-sim replays: a capture, a configuration, a scenario.
 */
#ifndef TESTS_CONFORMANCE_EQUAL_REPORT_H
#define TESTS_CONFORMANCE_EQUAL_REPORT_H

#include "episode.h"

/* Makes `folder`; `waits` as struct home has it. 0 or -errno. */
int report_write(const struct episode *episode, bool waits, const char *folder, const char *text);

#endif
