/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Differences between a list and a pinned BPF map. The map is the only memory of what was put there,
 * so a restarted sluiced needs no other.
 */
#include "steering_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf_refusal.h"

static bool same_shape(int fd, const struct bpf_map *definition)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) == 0 &&
	       info.type == (__u32)bpf_map__type(definition) &&
	       info.key_size == bpf_map__key_size(definition) &&
	       info.value_size == bpf_map__value_size(definition) &&
	       info.max_entries == bpf_map__max_entries(definition) &&
	       info.map_flags == bpf_map__map_flags(definition);
}

int steering_map_open(const char *path, const struct bpf_map *definition)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = bpf_map__map_flags(definition));
	int fd, err;

	fd = bpf_obj_get(path);
	if (fd >= 0) {
		if (same_shape(fd, definition))
			return fd;
		close(fd);
		if (unlink(path) < 0)
			return -errno;
	}
	fd = bpf_map_create(bpf_map__type(definition), bpf_map__name(definition),
			    bpf_map__key_size(definition), bpf_map__value_size(definition),
			    bpf_map__max_entries(definition), &opts);
	if (fd < 0)
		return fd;
	err = bpf_obj_pin(fd, path);
	if (err < 0) {
		close(fd);
		return err;
	}
	return fd;
}

int steering_map_use(struct bpf_map *map, const char *path, int *ret_fd, struct error_text *reterr)
{
	int fd, err;

	fd = steering_map_open(path, map);
	if (fd < 0)
		return error_text_set(reterr, fd, "%s: cannot open or make the BPF map%s", path, bpf_refusal_cause(fd).text);
	err = bpf_map__reuse_fd(map, fd);
	if (err < 0) {
		close(fd);
		return error_text_set(reterr, err, "%s: cannot use the BPF map: %s", path, strerror(-err));
	}
	if (ret_fd)
		*ret_fd = fd;
	else
		close(fd);
	return 0;
}

static int compare_keys(const void *a, const void *b, void *key_size)
{
	return memcmp(a, b, *(size_t *)key_size);
}

/* Not bsearch(): it has no argument for the key's size. */
static bool has_key(const uint8_t *sorted, size_t key_size, size_t count, const void *key)
{
	size_t low = 0, high = count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const int order = memcmp(sorted + middle * key_size, key, key_size);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* Removing while walking would restart the walk, so the keys to go are collected first. */
int steering_map_keep(int fd, void *keys, size_t key_size, size_t count)
{
	uint8_t key[64], *gone = NULL, *grown;
	size_t gone_count = 0, gone_room = 0, i;
	const void *last = NULL;
	int err = 0;

	if (key_size > sizeof(key))
		return -EINVAL;
	if (count > 0)
		qsort_r(keys, count, key_size, compare_keys, &key_size);
	while (bpf_map_get_next_key(fd, last, key) == 0) {
		last = key;
		if (has_key(keys, key_size, count, key))
			continue;
		if (gone_count == gone_room) {
			gone_room = gone_room ? gone_room * 2 : 64;
			grown = realloc(gone, gone_room * key_size);
			if (!grown) {
				err = -ENOMEM;
				goto out;
			}
			gone = grown;
		}
		memcpy(gone + gone_count++ * key_size, key, key_size);
	}
	for (i = 0; i < gone_count; i++) {
		err = bpf_map_delete_elem(fd, gone + i * key_size);
		if (err == -ENOENT)
			err = 0;
		if (err < 0)
			goto out;
	}
out:
	free(gone);
	return err;
}

int steering_map_put(int fd, const void *key, const void *value, size_t value_size)
{
	uint8_t present[64];

	if (value_size > sizeof(present))
		return -EINVAL;
	if (bpf_map_lookup_elem(fd, key, present) == 0 && memcmp(present, value, value_size) == 0)
		return 0;
	return bpf_map_update_elem(fd, key, value, BPF_ANY);
}
