/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The BPF maps that all interfaces of an instance share (include/sluice/xdp.h says what is in them): finding them where
 * they are pinned, making them, and making bigger ones that take their place while packets flow. Main thread only.
 */
#ifndef CONTROLPLANE_XDP_MAPS_H
#define CONTROLPLANE_XDP_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error_text.h"
#include "sluice/xdp.h"

struct bpf_object;

/* Up to TX_PORTS they are of one make: a generation lies in all of them. */
enum xdp_map_id {
	XDP_MAP_ROOT = 0, XDP_MAP_SETTINGS, XDP_MAP_SERVICES, XDP_MAP_POOL_SLOTS, XDP_MAP_POOLS, XDP_MAP_BACKENDS,
	XDP_MAP_ROWS, XDP_MAP_NEIGHBORS, XDP_MAP_PORTS, XDP_MAP_TX_PORTS,
	XDP_MAP_VIPS, XDP_MAP_LISTENERS, XDP_MAP_SOURCES, XDP_MAP_FLOWS, XDP_MAP_STARTS, XDP_MAP_DATAGRAMS, XDP_MAP_LIVE,
	XDP_MAP_VERDICTS, XDP_MAP_FLOW_COUNTERS, XDP_MAP_SERVICE_COUNTERS, XDP_MAP_BACKEND_COUNTERS,
	XDP_MAP_COUNT
};

struct xdp_map {
	int fd;           /* -1: not open */
	uint32_t entries;
	uint32_t stride;  /* bytes from one entry to the next, in memory */
	uint8_t *memory;  /* NULL: it cannot be mapped */
	size_t size;      /* of the mapping */
	bool staged;      /* takes the place of what is pinned once xdp_maps_settle() says so */
};

struct xdp_maps {
	char dir[256]; /* of the pins */
	struct xdp_map map[XDP_MAP_COUNT];
};

/* Entries that each map must have at least; 0: as many as a small balancer needs. */
struct xdp_capacity {
	uint32_t entries[XDP_MAP_COUNT];
};

/* What `limits`, `rows` of tables and `flows` remembered connections ask for: a generation and the next one together. */
struct xdp_capacity xdp_maps_capacity(const struct sl_shm_limits *limits, uint64_t rows, uint64_t flows);
/*
 * Opens what is pinned in `dir`, and makes what is missing and pins it. What is pinned but too small (or of another
 * shape) is made anew, staged. NULL `capacity`: any size is enough. 0, or -errno with the remedy.
 */
int xdp_maps_open(struct xdp_maps *maps, const char *dir, const struct xdp_capacity *capacity, struct error_text *reterr);
void xdp_maps_close(struct xdp_maps *maps); /* what is pinned stays. Zeroed or closed ones are fine */
bool xdp_maps_staged(const struct xdp_maps *maps);
/* Copies what was remembered and counted in `from` to maps that are others; and once more what was remembered since. */
void xdp_maps_carry(const struct xdp_maps *maps, const struct xdp_maps *from);
void xdp_maps_carry_late(const struct xdp_maps *maps, const struct xdp_maps *from);
/* Pins what is staged in the place of what was. 0 or -errno. */
int xdp_maps_settle(struct xdp_maps *maps, struct error_text *reterr);
/* Makes an object that is not loaded yet use these maps. 0 or -errno. */
int xdp_maps_use(const struct xdp_maps *maps, struct bpf_object *object, struct error_text *reterr);
void xdp_maps_unlink(const char *dir); /* removes the pins */

/* Entry `i` of a map that is in memory. */
static inline void *xdp_maps_at(const struct xdp_maps *maps, enum xdp_map_id id, uint64_t i)
{
	return maps->map[id].memory + i * maps->map[id].stride;
}

#endif
