/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which places of the XDP program's arrays are free, which a generation reaches, and which one that went still may.
 * Main thread only.
 */
#ifndef CONTROLPLANE_XDP_PLACES_H
#define CONTROLPLANE_XDP_PLACES_H

#include "controlplane/extents.h"
#include "controlplane/xdp_maps.h"

enum xdp_place { XDP_PLACE_POOL = 0, XDP_PLACE_BACKEND, XDP_PLACE_ROWS, XDP_PLACE_NEIGHBOR, XDP_PLACE_COUNT };

struct xdp_places;

/* What the generation in force reaches is taken, and leaves with it. 0 or -ENOMEM. */
int xdp_places_create(const struct xdp_maps *maps, struct xdp_places **ret_places);
void xdp_places_destroy(struct xdp_places *places); /* NULL is fine */
int xdp_places_take(struct xdp_places *places, enum xdp_place kind, uint32_t count, struct extent *ret_extent);
/* Whoever had it has it no longer; packets may find it until the next flip and a moment after. 0 or -ENOMEM. */
int xdp_places_leave(struct xdp_places *places, enum xdp_place kind, const struct extent *extent);
void xdp_places_flipped(struct xdp_places *places); /* another generation is in force */
void xdp_places_settle(struct xdp_places *places);  /* no packet is under way that knows the one before */

#endif
