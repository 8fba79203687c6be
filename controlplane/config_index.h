/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finds the second of two equal keys in a large file without comparing all with all: byte strings
 * to the number under which they came first. Keys are borrowed, not copied. One thread.
 */
#ifndef CONTROLPLANE_CONFIG_INDEX_H
#define CONTROLPLANE_CONFIG_INDEX_H

#include <stddef.h>

struct config_index;

struct config_index *config_index_create(size_t expected); /* NULL: no memory */
void config_index_destroy(struct config_index *index);     /* NULL is fine */
/* Returns 1 when the key was new; 0 when it was known, *ret_first is then its number; -ENOMEM. */
int config_index_put(struct config_index *index, const void *key, size_t len, size_t number,
		     size_t *ret_first);
/* Returns 1 and the number of the key, or 0. */
int config_index_get(const struct config_index *index, const void *key, size_t len, size_t *ret_number);

#endif
