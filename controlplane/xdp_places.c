/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Places wait in two lists: those that the generation in force still reaches, and those that only the one before it
 * reached. A place of a generation that another process wrote is believed only where it lies within its map.
 */
#include "controlplane/xdp_places.h"

#include <errno.h>
#include <stdlib.h>

struct leaving {
	enum xdp_place kind;
	struct extent extent;
};

struct list {
	struct leaving *item;
	size_t count, room;
};

struct xdp_places {
	struct extents *extents[XDP_PLACE_COUNT];
	struct list reached; /* by the generation in force */
	struct list left;    /* by the one before */
};

static const enum xdp_map_id map_of[XDP_PLACE_COUNT] = {
	[XDP_PLACE_POOL] = XDP_MAP_POOLS, [XDP_PLACE_BACKEND] = XDP_MAP_BACKENDS, [XDP_PLACE_ROWS] = XDP_MAP_ROWS,
	[XDP_PLACE_NEIGHBOR] = XDP_MAP_NEIGHBORS,
};

static int append(struct list *list, enum xdp_place kind, const struct extent *extent)
{
	if (list->count == list->room) {
		const size_t room = list->room ? list->room * 2 : 64;
		struct leaving *grown = realloc(list->item, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		list->item = grown;
		list->room = room;
	}
	list->item[list->count++] = (struct leaving){ .kind = kind, .extent = *extent };
	return 0;
}

int xdp_places_take(struct xdp_places *places, enum xdp_place kind, uint32_t count, struct extent *ret_extent)
{
	return extents_take(places->extents[kind], count, ret_extent);
}

int xdp_places_leave(struct xdp_places *places, enum xdp_place kind, const struct extent *extent)
{
	return extent->at == 0 ? 0 : append(&places->reached, kind, extent);
}

void xdp_places_settle(struct xdp_places *places)
{
	for (size_t i = 0; i < places->left.count; i++) /* without memory for it a place is lost until the next start */
		extents_give(places->extents[places->left.item[i].kind], &places->left.item[i].extent);
	places->left.count = 0;
}

/* What was left before is free already: a commit settles first. */
void xdp_places_flipped(struct xdp_places *places)
{
	const struct list swap = places->left;

	places->left = places->reached;
	places->reached = swap;
	places->reached.count = 0;
}

/* Takes what another process's generation has there, once; what lies out of bounds, or twice, is nobody's. */
static int adopt(struct xdp_places *places, enum xdp_place kind, uint32_t at, uint32_t count)
{
	const struct extent extent = { .at = at, .count = count };
	struct extents *extents = places->extents[kind];
	const uint64_t before = extents_free(extents);
	int err;

	if (at == 0 || count == 0)
		return 0;
	err = extents_reserve(extents, &extent);
	if (err < 0 || before - extents_free(extents) != count)
		return err;
	return append(&places->reached, kind, &extent);
}

static int adopt_pool(struct xdp_places *places, const struct xdp_maps *maps, const struct sl_xdp_pool *pool)
{
	int err = adopt(places, XDP_PLACE_BACKEND, pool->backend, pool->pool.slots);

	for (uint32_t i = 0; err == 0 && i < pool->pool.slots; i++) {
		const uint64_t at = (uint64_t)pool->backend + i;
		const struct sl_backend *backend;

		if (at >= maps->map[XDP_MAP_BACKENDS].entries)
			break;
		backend = xdp_maps_at(maps, XDP_MAP_BACKENDS, at);
		err = adopt(places, XDP_PLACE_NEIGHBOR, backend->neighbor, 1);
	}
	for (int kind = 0; err == 0 && kind < SL_TABLE_KIND_COUNT; kind++) {
		const uint32_t rows = kind >= SL_TABLE_LENS_TCP ? pool->pool.lens_rows : pool->pool.rows;

		err = adopt(places, XDP_PLACE_ROWS, pool->table[kind], (rows + SL_XDP_ROWS - 1) / SL_XDP_ROWS);
	}
	return err;
}

static int adopt_generation(struct xdp_places *places, const struct xdp_maps *maps)
{
	const struct sl_xdp_root *root = xdp_maps_at(maps, XDP_MAP_ROOT, 0);
	int err = 0;

	if (root->version != SL_XDP_VERSION)
		return 0;
	for (uint32_t id = 0; err == 0 && id < maps->map[XDP_MAP_POOL_SLOTS].entries / SL_XDP_BANKS; id++) {
		const uint32_t *slot = xdp_maps_at(maps, XDP_MAP_POOL_SLOTS, sl_xdp_at(id, root->bank));

		if (*slot == 0 || *slot >= maps->map[XDP_MAP_POOLS].entries)
			continue;
		err = adopt(places, XDP_PLACE_POOL, *slot, 1);
		if (err == 0)
			err = adopt_pool(places, maps, xdp_maps_at(maps, XDP_MAP_POOLS, *slot));
	}
	return err;
}

int xdp_places_create(const struct xdp_maps *maps, struct xdp_places **ret_places)
{
	struct xdp_places *places = calloc(1, sizeof(*places));
	int err = places ? 0 : -ENOMEM;

	for (int kind = 0; err == 0 && kind < XDP_PLACE_COUNT; kind++)
		err = extents_create(maps->map[map_of[kind]].entries, &places->extents[kind]);
	if (err == 0)
		err = adopt_generation(places, maps);
	if (err < 0) {
		xdp_places_destroy(places);
		return err;
	}
	*ret_places = places;
	return 0;
}

void xdp_places_destroy(struct xdp_places *places)
{
	if (!places)
		return;
	for (int kind = 0; kind < XDP_PLACE_COUNT; kind++)
		extents_destroy(places->extents[kind]);
	free(places->reached.item);
	free(places->left.item);
	free(places);
}
