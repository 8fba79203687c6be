/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sizes of the regions: rings short enough to stay in cache, an arena that always has room for the
 * largest table, an image with two halves for everything that can be stated.
 */
#include "controlplane/shm_layout.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

enum {
	TO_DATA_SLOTS = 4096,         /* 512 KiB: a generation of 4000 changes leaves at once */
	TO_CONTROL_SLOTS = 256,
	ARENA_MIN = 1 << 20,          /* seven tables of 65537 rows are on their way at a time */
	IMAGE_SPARE_MIN = 1 << 20,    /* a half's room for generations before it is compacted */
	IMAGE_SPARE_MAX = 256 << 20,  /* many bases never change at once */
};

static uint64_t pages(uint64_t bytes)
{
	return (bytes + SL_SHM_PAGE - 1) & ~(uint64_t)(SL_SHM_PAGE - 1);
}

static struct sl_region region_at(uint64_t *end, uint64_t bytes)
{
	const struct sl_region region = { .offset = *end, .size = pages(bytes) };

	*end += region.size;
	return region;
}

/* A power of two with room for two of the largest table, so that an empty arena always takes one. */
static uint64_t arena_size(uint32_t rows_max)
{
	uint64_t size = ARENA_MIN;

	while (size < 2 * (uint64_t)rows_max * sizeof(uint16_t))
		size *= 2;
	return size;
}

/* Two halves, each with room for a whole replay and for some generations after it. */
static uint64_t image_size(const struct shm_capacity *capacity)
{
	const struct sl_shm_limits *limits = &capacity->limits;
	/* a pool's record, and every table's with the end of the unit that its last row begins */
	const uint64_t pool = 1 + 2 * SL_TABLE_KIND_COUNT;
	const uint64_t records = 8 + (uint64_t)limits->services + pool * limits->pools + limits->backends +
				 limits->neighbors + limits->listeners + limits->vips;
	const uint64_t whole = records * sizeof(struct sl_record) + capacity->rows * sizeof(uint16_t);

	uint64_t spare = whole / 2;

	if (spare < IMAGE_SPARE_MIN)
		spare = IMAGE_SPARE_MIN;
	if (spare > IMAGE_SPARE_MAX)
		spare = IMAGE_SPARE_MAX;
	return SL_SHM_PAGE + 2 * pages(whole + spare);
}

static int check_capacity(const struct shm_capacity *capacity)
{
	const struct sl_shm_limits *limits = &capacity->limits;

	if (limits->services > SL_SERVICES_MAX || limits->pools > SL_POOLS_MAX || limits->backends > SL_BACKENDS_MAX ||
	    limits->neighbors > SL_NEIGHBORS_MAX || limits->listeners > SL_LISTENERS_MAX ||
	    limits->vips > SL_VIPS_MAX || limits->workers == 0 || limits->workers > SL_WORKERS_MAX ||
	    capacity->rows_max > SL_TABLE_ROWS_MAX)
		return -ERANGE;
	return 0;
}

int shm_layout(const struct shm_capacity *capacity, const struct sl_boot *boot, uint64_t session,
	       uint64_t created_ns, struct sl_shm_header *ret_header)
{
	struct sl_shm_header header;
	uint64_t end = SL_SHM_HEADER_PAGES * SL_SHM_PAGE + pages(sizeof(struct sl_shm_live));
	int err = check_capacity(capacity);

	if (err < 0)
		return err;
	memset(&header, 0, sizeof(header));
	header.magic = SL_SHM_MAGIC;
	header.abi_major = SL_ABI_MAJOR;
	header.abi_minor = SL_ABI_MINOR;
	header.header_size = sizeof(header);
	header.session = session;
	header.created_ns = created_ns;
	header.limits = capacity->limits;
	header.boot = *boot;
	header.to_data = region_at(&end, sizeof(struct sl_ring) + TO_DATA_SLOTS * sizeof(struct sl_record));
	header.arena = region_at(&end, arena_size(capacity->rows_max));
	header.to_control = region_at(&end, sizeof(struct sl_ring) + TO_CONTROL_SLOTS * sizeof(struct sl_record));
	header.stats = region_at(&end, header.limits.workers * sl_stats_block_size(&header.limits));
	header.image = region_at(&end, image_size(capacity));
	header.total_size = end;
	header.checksum = sl_checksum64(&header, offsetof(struct sl_shm_header, checksum));
	*ret_header = header;
	return 0;
}
