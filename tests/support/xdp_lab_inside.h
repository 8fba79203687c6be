/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the XDP lab share: its arrays, mapped, and what it knows of its hashes. Nobody else includes this.
 */
#ifndef TESTS_SUPPORT_XDP_LAB_INSIDE_H
#define TESTS_SUPPORT_XDP_LAB_INSIDE_H

#include "tests/support/xdp_lab.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "sluice.skel.h"

/* One array that the program reads, in our memory. */
struct mapped {
	void *at;
	size_t size;
	uint32_t entries;
};

enum array { ROOT, SETTINGS, SERVICES, POOL_SLOTS, POOLS, BACKENDS, ROWS, NEIGHBORS, PORTS, LIVE, TRACE, ARRAY_COUNT };

/* Keys of one hash, sorted, as they are there now. */
struct keys {
	uint8_t *key;
	size_t key_size, count;
};

struct xdp_lab {
	struct sluice_bpf *object;
	struct mapped array[ARRAY_COUNT];
	struct keys vips, listeners, sources;
	uint16_t port;          /* that the map `mac` says */
	bool frags;
	uint8_t *in, *out;      /* XDP_LAB_ROOM each */
	uint32_t half;          /* of pools, backends and rows: where the next generation goes */
	uint32_t next_pool, next_backend, next_chunk;
};

static inline struct sl_xdp_root *root_of(const struct xdp_lab *lab)
{
	return lab->array[ROOT].at;
}

#endif
