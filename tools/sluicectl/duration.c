/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Durations for people: as short as they can be and still say what matters.
 */
#include "duration.h"

#include <inttypes.h>
#include <stdio.h>

void duration_text(int64_t seconds, char *text, size_t size)
{
	if (seconds < 0)
		seconds = 0;
	if (seconds < 60)
		snprintf(text, size, "%" PRId64 "s", seconds);
	else if (seconds < 3600)
		snprintf(text, size, "%" PRId64 "m%02" PRId64 "s", seconds / 60, seconds % 60);
	else if (seconds < 86400)
		snprintf(text, size, "%" PRId64 "h%02" PRId64 "m", seconds / 3600, seconds / 60 % 60);
	else
		snprintf(text, size, "%" PRId64 "d%" PRId64 "h", seconds / 86400, seconds / 3600 % 24);
}
