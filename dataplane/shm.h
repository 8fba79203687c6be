/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shared-memory file as sluice-dp opens it: nothing of it is mapped before its header, copied to
 * private memory, has been checked, and nothing is believed afterwards but that copy. Manager thread
 * only. A file that its peer truncates becomes zeros and "lost", not a SIGBUS.
 */
#ifndef DATAPLANE_SHM_H
#define DATAPLANE_SHM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "dataplane/shared_file.h"
#include "sluice/abi.h"

struct shm;

/*
 * Opens the file in the directory `dir_fd`. It must belong to root, to us, or to `owner` ((uid_t)-1:
 * nobody else). Returns 0, -ENOENT (not there: sluiced has not started), -EPERM (owner, mode, kind of
 * file), -EPROTO (another ABI), -EBADMSG (corrupt) or another -errno, with *reterr_error filled.
 */
int shm_open_at(int dir_fd, uid_t owner, struct shm **ret_shm, struct shm_error *reterr_error);
void shm_close(struct shm *shm); /* NULL is fine */
/* True when the name leads to another file now, or this one is lost: open again. Cheap: one system call. */
bool shm_is_replaced(const struct shm *shm, int dir_fd);
bool shm_is_lost(const struct shm *shm);
void *shm_base(const struct shm *shm);
const struct sl_shm_header *shm_header(const struct shm *shm); /* the private copy */
struct sl_shm_live *shm_live(const struct shm *shm);
uid_t shm_owner(const struct shm *shm);
/* The checks of a header, for a file of `size` bytes. Pure. Returns as shm_open_at(). */
int shm_header_check(const struct sl_shm_header *header, uint64_t size, struct shm_error *reterr_error);

#endif
