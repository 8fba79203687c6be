/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shared-memory file as sluiced makes it: a new one at every start and whenever capacities are
 * outgrown, complete before it gets its name, never changed in size. Main thread only.
 */
#ifndef CONTROLPLANE_SHM_FILE_H
#define CONTROLPLANE_SHM_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "controlplane/shm_layout.h"

struct shm_file;

/* The directory of an instance, "<runtime_dir>/<instance>"; `runtime_dir` NULL is the default of this machine. */
void shm_file_runtime_dir(const char *runtime_dir, const char *instance, char *ret_dir, size_t size);
/*
 * Makes the file in `dir`, readable and writable by us and by the group of boot->user. Counters go on
 * where those of the file that it replaces were. Returns 0, or
 * -errno with one line in `reterr` (-ENOSPC: no room; -EPERM: the directory is not ours alone).
 */
int shm_file_create(const char *dir, const struct sl_boot *boot, const struct shm_capacity *capacity,
		    struct shm_file **ret_file, char *reterr, size_t reterr_size);
/* Unmaps; the file keeps its name, so that a data plane goes on. NULL is fine. */
void shm_file_destroy(struct shm_file *file);
/* True when somebody truncated the file: make a new one. */
bool shm_file_is_lost(const struct shm_file *file);
void *shm_file_base(const struct shm_file *file);
const struct sl_shm_header *shm_file_header(const struct shm_file *file); /* private copy */
struct sl_shm_live *shm_file_live(const struct shm_file *file);
/* Counters of one worker; its service and backend counters follow (abi.h). worker < limits.workers. */
const struct sl_worker_stats *shm_file_stats(const struct shm_file *file, uint32_t worker);

#endif
