/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fleet's hash key: a file with 32 hexadecimal digits (128 bits) and a line end, mode 0600. Main
 * thread only; never logged, only its fingerprint is shown.
 */
#ifndef CONTROLPLANE_KEY_FILE_H
#define CONTROLPLANE_KEY_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "sluice/types.h"

enum { KEY_TEXT_LEN = 32, KEY_FINGERPRINT_LEN = 16 };

/*
 * Reads the key of `path`. 0, or -errno with one line in reterr (place, cause, remedy): -ENOENT when there
 * is no file, -EINVAL when it holds no key, -EPERM when others may read it.
 */
int key_file_read(const char *path, struct sl_key *ret_key, char *reterr, size_t reterr_size);
/* Makes a random key and a file for it; -EEXIST when the file exists (nothing is overwritten). */
int key_file_create(const char *path, struct sl_key *ret_key, char *reterr, size_t reterr_size);
/* A one-way value of the key, and its 16 hexadecimal digits: they tell two keys apart and say nothing about them. */
uint64_t key_fingerprint_bits(const struct sl_key *key);
void key_fingerprint(const struct sl_key *key, char ret_text[KEY_FINGERPRINT_LEN + 1]);
/* The key of flow tags that belongs to a fleet key when nothing else is remembered: equal on all balancers. */
struct sl_key key_derive_flow(const struct sl_key *key);
/* 32 digits, and back: 0 or -EINVAL. */
void key_format(const struct sl_key *key, char ret_text[KEY_TEXT_LEN + 1]);
int key_parse(const char *text, struct sl_key *ret_key);

#endif
