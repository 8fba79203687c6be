/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keeps a pinned BPF map equal to a list of keys, by difference. Knows maps and bytes, not what the
 * keys mean; steering.c does.
 */
#ifndef CONTROLPLANE_STEERING_MAP_H
#define CONTROLPLANE_STEERING_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "error_text.h"

struct bpf_map;

/*
 * The map behind `path` if it has the shape of `definition`, else a new one of that shape, pinned
 * there. Returns a descriptor or -errno.
 */
int steering_map_open(const char *path, const struct bpf_map *definition);
/* Makes `map` of an object that is not loaded yet use what is pinned at `path`, as above. *ret_fd (NULL: not
 * wanted) is the caller's. 0 or -errno. */
int steering_map_use(struct bpf_map *map, const char *path, int *ret_fd, struct error_text *reterr);
/* Removes every key of the map that is not among `count` keys of `key_size` bytes. Sorts `keys`. 0 or -errno.
 */
int steering_map_keep(int fd, void *keys, size_t key_size, size_t count);
/* Puts key → `value_size` bytes (at most 64) of value where they are missing or different. 0 or -errno. */
int steering_map_put(int fd, const void *key, const void *value, size_t value_size);

#endif
