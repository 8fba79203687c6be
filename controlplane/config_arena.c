/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blocks in a list, filled from the front; what is larger than a block gets one of its own.
 * Knows nothing of what is stored.
 */
#include "config_arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	BLOCK_SIZE = 16 * 1024, /* a usual configuration fits one or two */
};

struct block {
	struct block *next;
	size_t used;
	size_t size;
	alignas(max_align_t) unsigned char bytes[];
};

struct config_arena {
	struct block *first; /* the one that is being filled */
};

struct config_arena *config_arena_create(void)
{
	return calloc(1, sizeof(struct config_arena));
}

void config_arena_destroy(struct config_arena *arena)
{
	struct block *next;

	if (!arena)
		return;
	for (struct block *block = arena->first; block; block = next) {
		next = block->next;
		free(block);
	}
	free(arena);
}

void *config_arena_alloc(struct config_arena *arena, size_t count, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct block *block = arena->first;
	size_t bytes;
	void *memory;

	if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2)
		return NULL;
	bytes = (bytes + align - 1) & ~(align - 1);
	if (!block || block->size - block->used < bytes) {
		const size_t block_size = bytes > BLOCK_SIZE ? bytes : BLOCK_SIZE;

		block = calloc(1, sizeof(*block) + block_size);
		if (!block)
			return NULL;
		block->size = block_size;
		block->next = arena->first;
		arena->first = block;
	}
	memory = block->bytes + block->used;
	block->used += bytes;
	return memory;
}

char *config_arena_text(struct config_arena *arena, const char *text, size_t len)
{
	char *copy = config_arena_alloc(arena, len + 1, 1);

	if (copy && len)
		memcpy(copy, text, len);
	return copy;
}
