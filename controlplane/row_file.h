/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One pool's row history as bytes of a file, so that a restarted sluiced knows what the data plane forwards by.
 * Complete in itself: it names the pool, its slots and the hashes of its services, so that numbers can be taken back
 * from it when the state file is lost. Pure; where the files are: row_store.h. docs/decisions/0005 says why so.
 */
#ifndef CONTROLPLANE_ROW_FILE_H
#define CONTROLPLANE_ROW_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "controlplane/row_history.h"
#include "sluice/limits.h"

enum { ROW_FILE_VERSION = 1 };

/* A slot that rows, bases or the lens may name, and whose it is. */
struct row_file_name {
	char name[SL_NAME_MAX];
	uint16_t slot;
};

/* How a service's packets choose their rows: part of what a row means, as the key is. */
struct row_file_service {
	char name[SL_NAME_MAX];
	uint8_t hash, lens_hash; /* enum sl_hash */
};

struct row_file {
	uint64_t numbering; /* pool id and slots are of it */
	uint32_t pool;
	char pool_name[SL_NAME_MAX];
	uint8_t boot_id[16]; /* of the boot whose clock the times in it are of */
	uint64_t now_ms;     /* CLOCK_BOOTTIME when it was written */
	struct row_file_name *names; /* ascending by slot */
	size_t name_count;
	struct row_file_service *services;
	size_t service_count;
	struct row_history history;
};

/* Returns 0 and *ret_size bytes (malloc'ed, the caller frees), or -ENOMEM. The arrays of *file are only read. */
int row_file_encode(const struct row_file *file, void **ret_bytes, size_t *ret_size);
/*
 * The reverse. Nothing in the bytes is believed: 0 and a file to row_file_clear(), or -ENOMEM, or -EINVAL with what
 * is wrong, a few words, in *ret_fault.
 */
int row_file_decode(const void *bytes, size_t size, struct row_file *ret_file, const char **ret_fault);
/* Recomputes the checksum of an encoded file that was edited: for tests and tools. `size` at least 8. */
void row_file_seal(void *bytes, size_t size);
void row_file_clear(struct row_file *file); /* all zero is fine */
/*
 * Makes the times those of this boot. No wall clock is asked, so none can jump: after a reboot the moment of writing
 * counts as the moment of booting, and rows stay open for as long as the machine was off too long, never too short.
 */
void row_file_adopt(struct row_file *file, const uint8_t boot_id[16], uint64_t now_ms);

#endif
