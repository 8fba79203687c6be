/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting until a drained backend has no connections left.
 */
#ifndef SLUICECTL_DRAIN_H
#define SLUICECTL_DRAIN_H

#include "command.h"

/*
 * `path` of the API says how far it is. CTL_DONE when options->quiet_ms (0: what the pool says) passed without a
 * packet; else CTL_REFUSED after a line on standard error: options->timeout_ms (0: none) is over, somebody
 * interrupts, or it is drained no more.
 */
enum ctl_exit drain_wait(const struct ctl_options *options, const char *backend, const char *path);

#endif
