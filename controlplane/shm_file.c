/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making the file: runtime_file.c takes its memory and gives it its name, all of its header is written in
 * between (no reader sees half of one).
 */
#include "controlplane/shm_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/runtime_file.h"
#include "controlplane/shm_inherit.h"
#include "sluice/host/guard.h"
#include "sluice/host/runtime_dir.h"

struct shm_file {
	struct sl_shm_header header;
	void *base;
	struct sl_guard *guard;
};

void shm_file_runtime_dir(const char *runtime_dir, const char *instance, char *ret_dir, size_t size)
{
	snprintf(ret_dir, size, "%s/%s", runtime_dir != NULL ? runtime_dir : sl_runtime_dir(), instance);
}

static int map(int fd, const char *dir, struct shm_file *file, const struct runtime_reason *reason)
{
	struct sl_shm_live *live;

	file->base = mmap(NULL, file->header.total_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (file->base == MAP_FAILED)
		return runtime_fail(reason, -errno, "\"%s/%s.new\": cannot be mapped: %s", dir, SL_SHM_FILE, strerror(errno));
	file->guard = sl_guard_add(file->base, file->header.total_size);
	if (file->guard == NULL) {
		munmap(file->base, file->header.total_size);
		return runtime_fail(reason, -EMFILE, "\"%s\": too many shared-memory files are mapped at once", dir);
	}
	memcpy(file->base, &file->header, sizeof(file->header));
	live = shm_file_live(file);
	live->control_pid = (uint64_t)getpid();
	return 0;
}

static int layout(const struct sl_boot *boot, const struct shm_capacity *capacity, struct shm_file *file,
		  const struct runtime_reason *reason)
{
	uint64_t session = 0;
	struct timespec now;

	while (session == 0) {
		if (getrandom(&session, sizeof(session), 0) != (ssize_t)sizeof(session))
			return runtime_fail(reason, -EIO, "no random numbers: %s", strerror(errno));
	}
	clock_gettime(CLOCK_REALTIME, &now);
	if (shm_layout(capacity, boot, session, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
		       &file->header) < 0)
		return runtime_fail(reason, -ERANGE, "the configuration has more objects than a data plane can hold");
	return 0;
}

static int fill(int dir_fd, const char *dir, const struct sl_boot *boot, struct shm_file *file,
		const struct runtime_reason *reason)
{
	const struct runtime_file made = { .dir_fd = dir_fd, .dir = dir, .name = SL_SHM_FILE, .boot = boot,
					   .size = file->header.total_size, .ask_less = "configure fewer pools" };
	int err, fd = runtime_file_begin(&made, reason);

	if (fd < 0)
		return fd;
	err = map(fd, dir, file, reason);
	close(fd);
	if (err == 0) {
		shm_inherit_counters(dir_fd, file->base, &file->header);
		err = runtime_file_end(&made, reason);
		if (err < 0) {
			sl_guard_remove(file->guard);
			munmap(file->base, file->header.total_size);
		}
	}
	if (err < 0)
		runtime_file_abandon(&made);
	return err;
}

int shm_file_create(const char *dir, const struct sl_boot *boot, const struct shm_capacity *capacity,
		    struct shm_file **ret_file, char *reterr, size_t reterr_size)
{
	const struct runtime_reason reason = { reterr, reterr_size };
	struct shm_file *file = calloc(1, sizeof(*file));
	int dir_fd, err;

	if (file == NULL)
		return runtime_fail(&reason, -ENOMEM, "no memory");
	err = dir_fd = runtime_file_open_directory(dir, &reason);
	if (dir_fd >= 0) {
		err = layout(boot, capacity, file, &reason);
		if (err == 0)
			err = fill(dir_fd, dir, boot, file, &reason);
		close(dir_fd);
	}
	if (err < 0) {
		free(file);
		return err;
	}
	*ret_file = file;
	return 0;
}

void shm_file_destroy(struct shm_file *file)
{
	if (file == NULL)
		return;
	sl_guard_remove(file->guard);
	munmap(file->base, file->header.total_size);
	free(file);
}

bool shm_file_is_lost(const struct shm_file *file)
{
	return sl_guard_lost(file->guard);
}

void *shm_file_base(const struct shm_file *file)
{
	return file->base;
}

const struct sl_shm_header *shm_file_header(const struct shm_file *file)
{
	return &file->header;
}

struct sl_shm_live *shm_file_live(const struct shm_file *file)
{
	return (struct sl_shm_live *)((uint8_t *)file->base + SL_SHM_HEADER_PAGES * SL_SHM_PAGE);
}

const struct sl_worker_stats *shm_file_stats(const struct shm_file *file, uint32_t worker)
{
	return (const void *)((const uint8_t *)file->base + file->header.stats.offset +
			      worker * sl_stats_block_size(&file->header.limits));
}
