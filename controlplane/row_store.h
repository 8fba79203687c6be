/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The directory of rows files, <state-dir>/rows/: one file a pool, named by its id, replaced as a whole (written
 * beside, renamed). Main thread only; nothing here logs: what is wrong comes back in words.
 */
#ifndef CONTROLPLANE_ROW_STORE_H
#define CONTROLPLANE_ROW_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "controlplane/row_file.h"

struct row_store;

/* Makes the directory when it is missing (its parent is there). 0, or -errno with one line in reterr. */
int row_store_open(const char *dir, struct row_store **ret_store, char *reterr, size_t reterr_size);
void row_store_close(struct row_store *store); /* NULL is fine */

/*
 * Every file that can be understood, in no order; the caller clears each and frees the array. One that cannot is put
 * aside ("ID.damaged") and `damaged` is called with one line about it. Remains of unfinished writes are removed.
 * 0 or -errno with one line in reterr.
 */
int row_store_read(struct row_store *store, struct row_file **ret_files, size_t *ret_count,
		   void (*damaged)(void *ctx, const char *line), void *ctx, char *reterr, size_t reterr_size);
/*
 * Writes the file of that pool. It survives a kill at any moment, whole or as it was; it is not synced: after a
 * power cut it may be the one before or refused as damaged, and then the connections are gone too. 0, or -errno with
 * one line in reterr.
 */
int row_store_write(struct row_store *store, const struct row_file *file, char *reterr, size_t reterr_size);
/* Removes the file of a pool, if there is one. */
void row_store_remove(struct row_store *store, uint32_t pool);

#endif
