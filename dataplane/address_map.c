/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Open addressing with linear probing; removal shifts the entries behind the gap back, so there are no
 * tombstones and lookups of absent keys stay short however long the process lives.
 */
#include "dataplane/address_map.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "dataplane/snapshot_layout.h"

static size_t home(const struct address_map *map, const struct sl_addr *addr, __be16 port, uint8_t proto)
{
	return snapshot_hash(addr, (uint32_t)port << 8 | proto) & (map->slots - 1);
}

/* The slot of the key, or the empty one where it belongs. The map has slots. */
static struct address_entry *find(const struct address_map *map, const struct sl_addr *addr, __be16 port,
				  uint8_t proto)
{
	size_t at = home(map, addr, port, proto);

	for (;;) {
		struct address_entry *entry = &map->slot[at];

		if (snapshot_addr_is_zero(&entry->addr) ||
		    (sl_addr_equal(&entry->addr, addr) && entry->port == port && entry->proto == proto))
			return entry;
		at = (at + 1) & (map->slots - 1);
	}
}

static int grow(struct address_map *map)
{
	struct address_map bigger = { .slots = map->slots ? map->slots * 2 : 16, .max = map->max, .count = map->count };

	bigger.slot = calloc(bigger.slots, sizeof(*bigger.slot));
	if (bigger.slot == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < map->slots; i++) {
		const struct address_entry *entry = &map->slot[i];

		if (!snapshot_addr_is_zero(&entry->addr))
			*find(&bigger, &entry->addr, entry->port, entry->proto) = *entry;
	}
	free(map->slot);
	*map = bigger;
	return 0;
}

struct address_entry *address_map_lookup(const struct address_map *map, const struct sl_addr *addr, __be16 port,
					 uint8_t proto)
{
	struct address_entry *entry;

	if (map->count == 0)
		return NULL;
	entry = find(map, addr, port, proto);
	return snapshot_addr_is_zero(&entry->addr) ? NULL : entry;
}

int address_map_insert(struct address_map *map, const struct sl_addr *addr, __be16 port, uint8_t proto,
		       uint32_t value)
{
	struct address_entry *entry = address_map_lookup(map, addr, port, proto);
	int err;

	if (entry != NULL) {
		entry->value = value;
		return 0;
	}
	if (map->count >= map->max)
		return -ERANGE;
	if ((map->count + 1) * 2 > map->slots && (err = grow(map)) < 0)
		return err;
	entry = find(map, addr, port, proto);
	*entry = (struct address_entry){ .addr = *addr, .port = port, .proto = proto, .value = value };
	map->count++;
	return 0;
}

void address_map_remove(struct address_map *map, const struct sl_addr *addr, __be16 port, uint8_t proto)
{
	struct address_entry *gap = address_map_lookup(map, addr, port, proto);
	const size_t mask = map->slots - 1;
	size_t at;

	if (gap == NULL)
		return;
	map->count--;
	at = (size_t)(gap - map->slot);
	for (size_t next = (at + 1) & mask;; next = (next + 1) & mask) {
		const struct address_entry *entry = &map->slot[next];
		size_t from;

		if (snapshot_addr_is_zero(&entry->addr))
			break;
		from = home(map, &entry->addr, entry->port, entry->proto);
		if (((next - from) & mask) < ((next - at) & mask))
			continue; /* its home lies behind the gap: it would not be found there */
		map->slot[at] = *entry;
		at = next;
	}
	map->slot[at] = (struct address_entry){ .value = 0 };
}

const struct address_entry *address_map_next(const struct address_map *map, size_t *at)
{
	while (*at < map->slots) {
		const struct address_entry *entry = &map->slot[(*at)++];

		if (!snapshot_addr_is_zero(&entry->addr))
			return entry;
	}
	return NULL;
}

void address_map_clear(struct address_map *map)
{
	free(map->slot);
	*map = (struct address_map){ .max = map->max };
}
