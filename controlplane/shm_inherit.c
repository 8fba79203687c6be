/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads a file that another process may be writing, or may have spoiled: its header is copied and
 * checked, every word is loaded whole. A sluice-dp that still counts there brings its higher numbers
 * along when it goes over to the new file.
 */
#include "controlplane/shm_inherit.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sluice/host/guard.h"

static bool is_sound(const struct sl_shm_header *header, const struct stat *st)
{
	const struct sl_shm_limits *limits = &header->limits;
	const struct sl_region *stats = &header->stats;

	if (!S_ISREG(st->st_mode) || (st->st_uid != geteuid() && st->st_uid != 0))
		return false;
	if (header->magic != SL_SHM_MAGIC || header->abi_major != SL_ABI_MAJOR || header->header_size < sizeof(*header) ||
	    header->checksum != sl_checksum64(header, offsetof(struct sl_shm_header, checksum)))
		return false;
	if (header->total_size != (uint64_t)st->st_size || limits->workers > SL_WORKERS_MAX ||
	    limits->services > SL_SERVICES_MAX || limits->backends > SL_BACKENDS_MAX)
		return false;
	return stats->offset % SL_SHM_PAGE == 0 && stats->offset <= header->total_size &&
	       stats->size <= header->total_size - stats->offset &&
	       stats->size >= limits->workers * sl_stats_block_size(limits);
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static void copy_words(uint64_t *to, const uint64_t *from, uint64_t words)
{
	for (uint64_t i = 0; i < words; i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

static void copy_block(uint8_t *to, const struct sl_shm_limits *to_limits, const uint8_t *from,
		       const struct sl_shm_limits *from_limits)
{
	const uint64_t counter = sizeof(struct sl_counter), words = counter / sizeof(uint64_t);
	const uint64_t head = sizeof(struct sl_worker_stats);

	/* What follows those words says how a worker is, not what it counted. */
	copy_words((uint64_t *)to, (const uint64_t *)from,
		   offsetof(struct sl_worker_stats, snapshot_generation) / sizeof(uint64_t));
	copy_words((uint64_t *)(to + head), (const uint64_t *)(from + head),
		   words * smaller(to_limits->services, from_limits->services));
	copy_words((uint64_t *)(to + head + counter * to_limits->services),
		   (const uint64_t *)(from + head + counter * from_limits->services),
		   words * smaller(to_limits->backends, from_limits->backends));
}

static void copy_counters(uint8_t *to, const struct sl_shm_header *to_header, const uint8_t *from,
			  const struct sl_shm_header *from_header)
{
	const struct sl_shm_limits *to_limits = &to_header->limits, *from_limits = &from_header->limits;

	to += to_header->stats.offset;
	from += from_header->stats.offset;
	for (uint32_t w = 0; w < smaller(to_limits->workers, from_limits->workers); w++)
		copy_block(to + w * sl_stats_block_size(to_limits), to_limits, from + w * sl_stats_block_size(from_limits),
			   from_limits);
}

void shm_inherit_counters(int dir_fd, void *base, const struct sl_shm_header *header)
{
	const int fd = openat(dir_fd, SL_SHM_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct sl_guard *guard;
	struct sl_shm_header old;
	struct stat st;
	void *mapping = MAP_FAILED;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && pread(fd, &old, sizeof(old), 0) == (ssize_t)sizeof(old) && is_sound(&old, &st))
		mapping = mmap(NULL, old.total_size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (mapping == MAP_FAILED)
		return;
	guard = sl_guard_add(mapping, old.total_size); /* cut meanwhile: the rest counts as zero */
	if (guard != NULL)
		copy_counters(base, header, mapping, &old);
	sl_guard_remove(guard);
	munmap(mapping, old.total_size);
}
