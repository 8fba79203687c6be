/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Open addressing with linear probing, at most half full, FNV-1a. The keys are an operator's own
 * file: nobody aims at this hash.
 */
#include "config_index.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	const void *key; /* NULL: free */
	size_t len;
	size_t number;
};

struct config_index {
	struct entry *entries;
	size_t slots; /* a power of two */
	size_t used;
};

static struct entry *find(struct entry *entries, size_t slots, const void *key, size_t len)
{
	const unsigned char *bytes = key;
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3u;
	for (size_t slot = (hash ^ hash >> 32) & (slots - 1);; slot = (slot + 1) & (slots - 1)) {
		struct entry *entry = &entries[slot];

		if (!entry->key || (entry->len == len && memcmp(entry->key, key, len) == 0))
			return entry;
	}
}

struct config_index *config_index_create(size_t expected)
{
	struct config_index *index = calloc(1, sizeof(*index));
	size_t slots = 16;

	if (!index)
		return NULL;
	while (slots < expected * 2)
		slots *= 2;
	index->entries = calloc(slots, sizeof(*index->entries));
	if (!index->entries) {
		free(index);
		return NULL;
	}
	index->slots = slots;
	return index;
}

void config_index_destroy(struct config_index *index)
{
	if (!index)
		return;
	free(index->entries);
	free(index);
}

static bool grow(struct config_index *index)
{
	const size_t slots = index->slots * 2;
	struct entry *entries = calloc(slots, sizeof(*entries));

	if (!entries)
		return false;
	for (size_t i = 0; i < index->slots; i++) {
		const struct entry *old = &index->entries[i];

		if (old->key)
			*find(entries, slots, old->key, old->len) = *old;
	}
	free(index->entries);
	index->entries = entries;
	index->slots = slots;
	return true;
}

int config_index_put(struct config_index *index, const void *key, size_t len, size_t number,
		     size_t *ret_first)
{
	struct entry *entry = find(index->entries, index->slots, key, len);

	if (entry->key) {
		*ret_first = entry->number;
		return 0;
	}
	if ((index->used + 1) * 2 > index->slots) {
		if (!grow(index))
			return -ENOMEM;
		entry = find(index->entries, index->slots, key, len);
	}
	*entry = (struct entry){ .key = key, .len = len, .number = number };
	index->used++;
	return 1;
}

int config_index_get(const struct config_index *index, const void *key, size_t len, size_t *ret_number)
{
	const struct entry *entry = find(index->entries, index->slots, key, len);

	if (!entry->key)
		return 0;
	*ret_number = entry->number;
	return 1;
}
