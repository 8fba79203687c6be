/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The free stretches, ascending, none touching the next: a balancer has few of them, however many places.
 */
#include "controlplane/extents.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct extents {
	struct extent *free;
	size_t count, room;
	uint64_t end; /* one past the last place */
};

static int make_room(struct extents *extents)
{
	const size_t room = extents->room ? extents->room * 2 : 16;
	struct extent *grown;

	if (extents->count < extents->room)
		return 0;
	grown = realloc(extents->free, room * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	extents->free = grown;
	extents->room = room;
	return 0;
}

static void remove_free(struct extents *extents, size_t i)
{
	extents->count--;
	memmove(&extents->free[i], &extents->free[i + 1], (extents->count - i) * sizeof(extents->free[0]));
}

static int insert_free(struct extents *extents, size_t i, struct extent extent)
{
	if (make_room(extents) < 0)
		return -ENOMEM;
	memmove(&extents->free[i + 1], &extents->free[i], (extents->count - i) * sizeof(extents->free[0]));
	extents->free[i] = extent;
	extents->count++;
	return 0;
}

int extents_create(uint32_t places, struct extents **ret_extents)
{
	struct extents *extents = calloc(1, sizeof(*extents));

	if (!extents)
		return -ENOMEM;
	extents->end = places;
	if (places > 1 && insert_free(extents, 0, (struct extent){ .at = 1, .count = places - 1 }) < 0) {
		free(extents);
		return -ENOMEM;
	}
	*ret_extents = extents;
	return 0;
}

void extents_destroy(struct extents *extents)
{
	if (!extents)
		return;
	free(extents->free);
	free(extents);
}

int extents_take(struct extents *extents, uint32_t count, struct extent *ret_extent)
{
	for (size_t i = 0; i < extents->count; i++) {
		struct extent *free = &extents->free[i];

		if (free->count < count)
			continue;
		*ret_extent = (struct extent){ .at = free->at, .count = count };
		free->at += count;
		free->count -= count;
		if (free->count == 0)
			remove_free(extents, i);
		return 0;
	}
	return -ENOSPC;
}

int extents_reserve(struct extents *extents, const struct extent *extent)
{
	const uint64_t from = extent->at, to = from + extent->count;

	for (size_t i = 0; i < extents->count;) {
		struct extent *free = &extents->free[i];
		const uint64_t begin = free->at, end = begin + free->count;

		if (to <= begin || from >= end) {
			i++;
			continue;
		}
		if (from > begin && to < end &&
		    insert_free(extents, i + 1, (struct extent){ .at = (uint32_t)to, .count = (uint32_t)(end - to) }) < 0)
			return -ENOMEM;
		free = &extents->free[i];
		if (from > begin) {
			free->count = (uint32_t)(from - begin);
			i++;
		} else if (to < end) {
			*free = (struct extent){ .at = (uint32_t)to, .count = (uint32_t)(end - to) };
			i++;
		} else {
			remove_free(extents, i);
		}
	}
	return 0;
}

int extents_give(struct extents *extents, const struct extent *extent)
{
	struct extent *free = extents->free;
	size_t i = 0;
	bool before, after;

	if (extent->at == 0 || extent->count == 0)
		return 0;
	while (i < extents->count && free[i].at < extent->at)
		i++;
	before = i > 0 && free[i - 1].at + free[i - 1].count == extent->at;
	after = i < extents->count && extent->at + extent->count == free[i].at;
	if (!before && !after)
		return insert_free(extents, i, *extent);
	if (before) {
		free[i - 1].count += extent->count;
		if (after) {
			free[i - 1].count += free[i].count;
			remove_free(extents, i);
		}
	} else {
		free[i].at = extent->at;
		free[i].count += extent->count;
	}
	return 0;
}

uint64_t extents_free(const struct extents *extents)
{
	uint64_t places = 0;

	for (size_t i = 0; i < extents->count; i++)
		places += extents->free[i].count;
	return places;
}
