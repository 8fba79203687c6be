/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keeps a pinned BPF map equal to a list of keys, by difference. Knows maps and bytes, not what the
 * keys mean; steering.c does.
 */
#ifndef CONTROLPLANE_STEERING_MAP_H
#define CONTROLPLANE_STEERING_MAP_H

#include <stddef.h>
#include <stdint.h>

struct bpf_map;

/*
 * The map behind `path` if it has the shape of `definition`, else a new one of that shape, pinned
 * there. Returns a descriptor or -errno.
 */
int steering_map_open(const char *path, const struct bpf_map *definition);
/* Removes every key of the map that is not among `count` keys of `key_size` bytes. Sorts `keys`. 0 or -errno.
 */
int steering_map_keep(int fd, void *keys, size_t key_size, size_t count);
/* Puts key → value where it is missing or different. 0 or -errno. */
int steering_map_put(int fd, const void *key, uint32_t value);

#endif
