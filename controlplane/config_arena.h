/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that is freed as a whole: one arena for the tree of a file, one for the configuration made
 * of it. Not for many small lifetimes. One thread.
 */
#ifndef CONTROLPLANE_CONFIG_ARENA_H
#define CONTROLPLANE_CONFIG_ARENA_H

#include <stddef.h>

struct config_arena;

struct config_arena *config_arena_create(void);        /* NULL: no memory */
void config_arena_destroy(struct config_arena *arena); /* NULL is fine */
/* Zeroed memory for `count` objects of `size` bytes, aligned for any type; NULL: no memory. */
void *config_arena_alloc(struct config_arena *arena, size_t count, size_t size);
/* A zero-terminated copy of `len` bytes; NULL: no memory. */
char *config_arena_text(struct config_arena *arena, const char *text, size_t len);

#endif
