/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The BPF file system, where links and maps are pinned so that they outlive sluiced.
 */
#ifndef CONTROLPLANE_BPFFS_H
#define CONTROLPLANE_BPFFS_H

#include <stdbool.h>

#include "error_text.h"

/*
 * Mounts a BPF file system at `path` unless one is there. *ret_private: it was mounted in a mount
 * namespace of our own, so pins last no longer than that. 0 or -errno with the remedy.
 */
int bpffs_mount(const char *path, bool *ret_private, struct error_text *reterr);
/* Makes one folder; one that is there is fine. */
int bpffs_make_dir(const char *path, struct error_text *reterr);
/* bpffs allows no dot in a name: writes it as a colon, which no interface name can have. */
void bpffs_pin_name(char *name);

#endif
