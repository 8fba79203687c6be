/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Collects what is wrong with one file: `file:line:col: path: what is wrong and what is allowed`,
 * the source line and a caret. Bounded; sorted when printed. Private to config_*.c (config.h shows
 * the rest of the world how to print and free). One thread.
 */
#ifndef CONTROLPLANE_CONFIG_ERRORS_H
#define CONTROLPLANE_CONFIG_ERRORS_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

enum {
	CONFIG_ERRORS_MAX = 100, /* kept and printed; further ones are only counted */
};

/* A message's own part, without place and path; longer ones are cut. */
struct config_message {
	char text[640];
};

/* A place in the file, both counted from 1, columns in characters. Line 0: the file as a whole. */
struct config_mark {
	unsigned int line;
	unsigned int column;
};

/* Where in the tree: a chain on the stack, from the innermost part out. */
struct config_path {
	const struct config_path *parent; /* NULL: the top of the file */
	const char *key;                  /* a map's key; NULL: an item of a list */
	const char *name;                 /* an item's name; NULL: it has none (yet) */
	size_t index;                     /* an item's position, from 0 */
};

/* `text` is borrowed until config_errors_seal(). NULL: no memory. */
struct config_errors *config_errors_create(const char *file, const char *text, size_t len);
/* Sorts by line and lets go of the text. */
void config_errors_seal(struct config_errors *errors);
/* `path` may be NULL: the message then has no path. */
void config_errors_add(struct config_errors *errors, struct config_mark mark, const struct config_path *path,
		       const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The same, but it refuses nothing: "warning: " stands before the path. */
void config_errors_warn(struct config_errors *errors, struct config_mark mark, const struct config_path *path,
			const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Further ones are only counted: their words need not be found. */
bool config_errors_full(const struct config_errors *errors);
/* No memory was left for something; config_load() then returns -ENOMEM. */
void config_errors_no_memory(struct config_errors *errors);
bool config_errors_out_of_memory(const struct config_errors *errors);

#endif
