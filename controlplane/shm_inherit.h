/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a new shared-memory file takes over from the one it replaces: the counters, so that they go on
 * even when no sluice-dp runs that could carry them over. Main thread only.
 */
#ifndef CONTROLPLANE_SHM_INHERIT_H
#define CONTROLPLANE_SHM_INHERIT_H

#include "sluice/abi.h"

/*
 * Copies what the file named SL_SHM_FILE in `dir_fd` counted to the mapping `base` of the new one, which
 * has no name yet. No such file, or one that is not sound: nothing is copied.
 */
void shm_inherit_counters(int dir_fd, void *base, const struct sl_shm_header *header);

#endif
