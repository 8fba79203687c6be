/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Durations for people.
 */
#ifndef SLUICECTL_DURATION_H
#define SLUICECTL_DURATION_H

#include <stddef.h>
#include <stdint.h>

/* "42s", "3m12s", "5h03m", "12d4h": two units at most. */
void duration_text(int64_t seconds, char *text, size_t size);

#endif
