/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A map from (address, port, protocol) to a number, for what apply.c was told about listeners, VIPs and
 * outer sources. Grows up to a given number of entries. Manager thread only; libc memory.
 */
#ifndef DATAPLANE_ADDRESS_MAP_H
#define DATAPLANE_ADDRESS_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "sluice/types.h"

struct address_entry {
	struct sl_addr addr; /* all zero: empty */
	__be16 port;
	uint8_t proto;
	uint8_t zero;
	uint32_t value;
};

/* All zero (but for max) is an empty map. */
struct address_map {
	struct address_entry *slot;
	size_t slots; /* 0 or a power of two, at most half full */
	size_t count;
	size_t max;
};

/* The entry, or NULL. `addr` is not all zero, in all functions. */
struct address_entry *address_map_lookup(const struct address_map *map, const struct sl_addr *addr, __be16 port,
					 uint8_t proto);
/* Inserts or replaces. Returns 0, -ERANGE (full) or -ENOMEM. */
int address_map_insert(struct address_map *map, const struct sl_addr *addr, __be16 port, uint8_t proto,
		       uint32_t value);
/* Removes; absent is fine. */
void address_map_remove(struct address_map *map, const struct sl_addr *addr, __be16 port, uint8_t proto);
/* Entries in no order: the next one after `*at` (start with 0), or NULL at the end. */
const struct address_entry *address_map_next(const struct address_map *map, size_t *at);
void address_map_clear(struct address_map *map); /* frees the memory, keeps max */

#endif
