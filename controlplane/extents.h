/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who has which places of an array: stretches of places, first fit. Place 0 is never given, so that 0 can say "none".
 * Pure; one thread.
 */
#ifndef CONTROLPLANE_EXTENTS_H
#define CONTROLPLANE_EXTENTS_H

#include <stddef.h>
#include <stdint.h>

struct extent {
	uint32_t at;    /* 0: none */
	uint32_t count;
};

struct extents;

int extents_create(uint32_t places, struct extents **ret_extents); /* 0 or -ENOMEM */
void extents_destroy(struct extents *extents);                     /* NULL is fine */
/* `count` > 0 places that follow each other. 0, -ENOSPC or -ENOMEM. */
int extents_take(struct extents *extents, uint32_t count, struct extent *ret_extent);
/* Takes these very places, or what is free of them (an earlier owner's). Nothing that is out of bounds. 0 or -ENOMEM. */
int extents_reserve(struct extents *extents, const struct extent *extent);
/* Gives back what extents_take() gave; `at` 0 is fine. -ENOMEM: it stays taken. */
int extents_give(struct extents *extents, const struct extent *extent);
uint64_t extents_free(const struct extents *extents); /* places, together */

#endif
