/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lifetime of snapshots and of their parts, and where a new listener goes. What goes into them is apply_commit.c's
 * business. Manager thread only, but for reading.
 */
#include "dataplane/snapshot_layout.h"

#include <stdlib.h>
#include <string.h>

static void *malloc_alloc(void *ctx, size_t size, size_t align)
{
	void *memory;

	(void)ctx;
	if (posix_memalign(&memory, align < sizeof(void *) ? sizeof(void *) : align, size) != 0)
		return NULL;
	return memset(memory, 0, size);
}

static void malloc_free(void *ctx, void *memory)
{
	(void)ctx;
	free(memory);
}

const struct dp_allocator dp_allocator_malloc = { NULL, malloc_alloc, malloc_free };

static const struct snapshot_services services_empty = { .refs = 1, .slot = { { .port = 0 } } };
static const struct snapshot_vips vips_empty = { .refs = 1, .slot = { { .otherwise = 0 } } };
static const struct snapshot_sources sources_empty = { .refs = 1, .slot = { { .d = { 0, 0 } } } };
static const struct snapshot_neighbors neighbors_empty = { .refs = 1 };

const struct snapshot snapshot_empty = {
	.services = &services_empty,
	.vips = &vips_empty,
	.neighbors = &neighbors_empty,
	.sources = &sources_empty,
};

/* Slots for `entries` at most half full; a power of two. */
static uint32_t index_slots(size_t entries)
{
	uint32_t slots = 8;

	while (slots < entries * 2)
		slots *= 2;
	return slots;
}

/* A part with room for `count` entries of `size` bytes behind its `head`; all but its one reference is 0. */
static void *part_alloc(const struct dp_allocator *allocator, size_t head, size_t count, size_t size)
{
	uint32_t *refs = allocator->alloc(allocator->ctx, head + count * size, 64);

	if (refs != NULL)
		*refs = 1;
	return refs;
}

void *snapshot_part_get(void *part)
{
	uint32_t *refs = part;

	++*refs;
	return part;
}

void snapshot_part_put(const struct dp_allocator *allocator, const void *part)
{
	uint32_t *refs = (uint32_t *)part;

	if (refs != NULL && --*refs == 0)
		allocator->free(allocator->ctx, refs);
}

struct snapshot_rows *snapshot_rows_alloc(const struct dp_allocator *allocator, uint32_t rows)
{
	struct snapshot_rows *part = part_alloc(allocator, sizeof(*part), rows, sizeof(part->row[0]));

	if (part != NULL)
		part->rows = rows;
	return part;
}

struct snapshot_pool *snapshot_pool_alloc(const struct dp_allocator *allocator, const struct sl_pool *pool)
{
	struct snapshot_pool *part = allocator->alloc(
		allocator->ctx, sizeof(*part) + (size_t)pool->slots * sizeof(part->backend[0]), 64);

	if (part == NULL)
		return NULL;
	part->refs = 1;
	part->pool = *pool;
	for (uint32_t slot = 0; slot < pool->slots; slot++)
		part->backend[slot].slot = SL_SLOT_NONE;
	return part;
}

void snapshot_pool_put(const struct dp_allocator *allocator, const struct snapshot_pool *pool)
{
	struct snapshot_pool *part = (struct snapshot_pool *)pool;

	if (part == NULL || --part->refs > 0)
		return;
	for (int kind = 0; kind < SL_TABLE_KIND_COUNT; kind++)
		snapshot_part_put(allocator, part->table[kind]);
	allocator->free(allocator->ctx, part);
}

struct snapshot_services *snapshot_services_alloc(const struct dp_allocator *allocator, size_t listeners)
{
	const uint32_t slots = index_slots(listeners);
	struct snapshot_services *part = part_alloc(allocator, sizeof(*part), slots, sizeof(part->slot[0]));

	if (part != NULL)
		part->mask = slots - 1;
	return part;
}

struct snapshot_vips *snapshot_vips_alloc(const struct dp_allocator *allocator, size_t vips)
{
	const uint32_t slots = index_slots(vips);
	struct snapshot_vips *part = part_alloc(allocator, sizeof(*part), slots, sizeof(part->slot[0]));

	if (part != NULL)
		part->mask = slots - 1;
	return part;
}

struct snapshot_sources *snapshot_sources_alloc(const struct dp_allocator *allocator, size_t sources)
{
	const uint32_t slots = index_slots(sources);
	struct snapshot_sources *part = part_alloc(allocator, sizeof(*part), slots, sizeof(part->slot[0]));

	if (part != NULL)
		part->mask = slots - 1;
	return part;
}

struct snapshot_neighbors *snapshot_neighbors_alloc(const struct dp_allocator *allocator, uint32_t count)
{
	struct snapshot_neighbors *part = part_alloc(allocator, sizeof(*part), count, sizeof(part->neighbor[0]));

	if (part != NULL)
		part->count = count;
	return part;
}

struct snapshot_listener *snapshot_services_slot(struct snapshot_services *services, const struct sl_addr *addr,
						 __be16 port, uint8_t proto)
{
	uint32_t at = snapshot_hash(addr, (uint32_t)port << 8 | proto) & services->mask;

	for (;;) {
		struct snapshot_listener *slot = &services->slot[at];

		if (snapshot_addr_is_zero(&slot->addr) ||
		    (sl_addr_equal(&slot->addr, addr) && slot->port == port && slot->proto == proto))
			return slot;
		at = (at + 1) & services->mask;
	}
}

uint64_t snapshot_generation(const struct snapshot *snapshot)
{
	return snapshot->generation;
}

uint64_t snapshot_tables_checksum(const struct snapshot *snapshot)
{
	return snapshot->tables_checksum;
}

void snapshot_free(struct snapshot *snapshot)
{
	const struct dp_allocator *allocator;

	if (snapshot == NULL || snapshot == &snapshot_empty)
		return;
	allocator = snapshot->allocator;
	for (uint32_t id = 0; id < snapshot->pool_count; id++)
		snapshot_pool_put(allocator, snapshot->pool[id]);
	snapshot_part_put(allocator, snapshot->services);
	snapshot_part_put(allocator, snapshot->vips);
	snapshot_part_put(allocator, snapshot->neighbors);
	snapshot_part_put(allocator, snapshot->sources);
	allocator->free(allocator->ctx, snapshot);
}
