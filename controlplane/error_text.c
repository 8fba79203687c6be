/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fills the line that goes with an -errno. No allocation: it is used when there may be no memory.
 */
#include "error_text.h"

#include <stdarg.h>
#include <stdio.h>

int error_text_set(struct error_text *error, int err, const char *format, ...)
{
	va_list args;

	if (!error)
		return err;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return err;
}
