/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One line for a person beside an -errno: place, cause, remedy. The caller owns it and decides
 * whether and where it is printed; library functions only fill it.
 */
#ifndef CONTROLPLANE_ERROR_TEXT_H
#define CONTROLPLANE_ERROR_TEXT_H

struct error_text {
	char text[512];
};

/* Writes the line and returns `err`, so that callers can `return error_text_set(...)`. NULL is fine. */
int error_text_set(struct error_text *error, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
