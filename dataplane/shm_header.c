/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether a header can be believed: every number that later code uses as a size, a count or an offset
 * is within its bounds here. Pure.
 */
#include "dataplane/shm.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "sluice/ring.h"

#define SHM_REMEDY "restart sluiced, which writes a new file"

static int check_kind(const struct sl_shm_header *header, uint64_t size, struct shm_error *reterr_error)
{
	if (header->magic != SL_SHM_MAGIC)
		return shm_refuse(reterr_error, -EBADMSG, "not a file of sluice (magic %#llx): " SHM_REMEDY,
				  (unsigned long long)header->magic);
	if (header->abi_major != SL_ABI_MAJOR)
		return shm_refuse(reterr_error, -EPROTO,
				  "layout version %u.%u, this sluice-dp speaks %u: run sluiced and sluice-dp of one release",
				  header->abi_major, header->abi_minor, SL_ABI_MAJOR);
	if (header->header_size < sizeof(*header))
		return shm_refuse(reterr_error, -EBADMSG, "header of %u bytes, %zu expected: " SHM_REMEDY, header->header_size,
				  sizeof(*header));
	if (header->checksum != sl_checksum64(header, offsetof(struct sl_shm_header, checksum)))
		return shm_refuse(reterr_error, -EBADMSG, "header checksum is wrong, the file is corrupt: " SHM_REMEDY);
	if (header->total_size != size)
		return shm_refuse(reterr_error, -EBADMSG, "%llu bytes long, the header says %llu, it was truncated: " SHM_REMEDY,
				  (unsigned long long)size, (unsigned long long)header->total_size);
	if (header->session == 0)
		return shm_refuse(reterr_error, -EBADMSG, "session is 0: " SHM_REMEDY);
	return 0;
}

static int check_limits(const struct sl_shm_limits *limits, struct shm_error *reterr_error)
{
	const struct {
		const char *what;
		uint32_t value, max;
	} row[] = {
		{ "services", limits->services, SL_SERVICES_MAX },    { "pools", limits->pools, SL_POOLS_MAX },
		{ "backends", limits->backends, SL_BACKENDS_MAX },    { "neighbors", limits->neighbors, SL_NEIGHBORS_MAX },
		{ "listeners", limits->listeners, SL_LISTENERS_MAX }, { "vips", limits->vips, SL_VIPS_MAX },
		{ "workers", limits->workers, SL_WORKERS_MAX },
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		if (row[i].value > row[i].max)
			return shm_refuse(reterr_error, -EBADMSG, "capacity for %u %s, at most %u are possible: " SHM_REMEDY,
					  row[i].value, row[i].what, row[i].max);
	}
	return 0;
}

struct region_row {
	const char *name;
	const struct sl_region *region;
	uint64_t least; /* bytes */
};

static int check_regions(const struct sl_shm_header *header, struct shm_error *reterr_error)
{
	const uint64_t begin = SL_SHM_HEADER_PAGES * SL_SHM_PAGE + SL_SHM_PAGE;
	const uint64_t ring = sizeof(struct sl_ring) + sizeof(struct sl_record);
	const struct region_row row[] = {
		{ "to_data", &header->to_data, ring },
		{ "arena", &header->arena, SL_SHM_PAGE },
		{ "to_control", &header->to_control, ring },
		{ "stats", &header->stats, header->limits.workers * sl_stats_block_size(&header->limits) },
		{ "image", &header->image, 0 },
	};
	const size_t count = sizeof(row) / sizeof(row[0]);

	for (size_t i = 0; i < count; i++) {
		const struct sl_region *region = row[i].region;

		if (region->offset % SL_SHM_PAGE != 0 || region->offset < begin || region->offset > header->total_size ||
		    region->size > header->total_size - region->offset || region->size < row[i].least)
			return shm_refuse(reterr_error, -EBADMSG, "region %s (offset %llu, size %llu) does not fit the file: " SHM_REMEDY,
					  row[i].name, (unsigned long long)region->offset, (unsigned long long)region->size);
		for (size_t k = 0; k < i; k++) {
			const struct sl_region *other = row[k].region;

			if (region->offset < other->offset + other->size && other->offset < region->offset + region->size)
				return shm_refuse(reterr_error, -EBADMSG, "regions %s and %s overlap: " SHM_REMEDY, row[k].name,
						  row[i].name);
		}
	}
	if ((header->arena.size & (header->arena.size - 1)) != 0)
		return shm_refuse(reterr_error, -EBADMSG, "arena of %llu bytes is no power of two: " SHM_REMEDY,
				  (unsigned long long)header->arena.size);
	return 0;
}

static bool is_terminated(const char *text, size_t size)
{
	return memchr(text, 0, size) != NULL;
}

static int check_boot(const struct sl_boot *boot, struct shm_error *reterr_error)
{
	if (boot->port_count > SL_PORTS_MAX || boot->worker_count > SL_WORKERS_MAX)
		return shm_refuse(reterr_error, -EBADMSG, "%u interfaces and %u workers, at most %u and %u are possible: " SHM_REMEDY,
				  boot->port_count, boot->worker_count, SL_PORTS_MAX, SL_WORKERS_MAX);
	if (boot->poll >= SL_POLL_COUNT || !is_terminated(boot->user, sizeof(boot->user)))
		return shm_refuse(reterr_error, -EBADMSG, "settings for the start make no sense: " SHM_REMEDY);
	for (uint32_t i = 0; i < boot->port_count; i++) {
		const struct sl_port_config *port = &boot->port[i];

		if (port->kind == SL_PORT_NONE || port->kind >= SL_PORT_KIND_COUNT ||
		    !is_terminated(port->name, sizeof(port->name)) || !is_terminated(port->device, sizeof(port->device)))
			return shm_refuse(reterr_error, -EBADMSG, "interface %u makes no sense: " SHM_REMEDY, i);
	}
	return 0;
}

int shm_header_check(const struct sl_shm_header *header, uint64_t size, struct shm_error *reterr_error)
{
	int err = check_kind(header, size, reterr_error);

	if (err == 0)
		err = check_limits(&header->limits, reterr_error);
	if (err == 0)
		err = check_regions(header, reterr_error);
	if (err == 0)
		err = check_boot(&header->boot, reterr_error);
	return err;
}
