/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One pin a map, <dir>/<name>. A map that takes another's place is pinned beside it and renamed, so there is one at
 * any moment.
 */
#include "xdp_maps.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "sluice.skel.h"
#include "bpf_refusal.h"

enum {
	CARRY_BATCH = 1024,
	OF_THE_KERNEL = BPF_F_RDONLY_PROG, /* flags that it adds itself, to a devmap */
};

static const char *const names[XDP_MAP_COUNT] = {
	"root", "settings", "services", "pool_slots", "pools", "backends", "rows", "neighbors", "ports", "tx_ports",
	"vips", "listeners", "sources", "flows", "starts", "datagrams", "live",
	"verdicts", "flow_counters", "service_counters", "backend_counters",
};

static void pin_path(const char *dir, enum xdp_map_id id, const char *more, char path[static PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s%s", dir, names[id], more);
}

/* The map that is pinned there, when it can serve; -ENOENT otherwise. */
static int open_pinned(const char *path, const struct bpf_map *definition, uint32_t least)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	const int fd = bpf_obj_get(path);

	if (fd < 0)
		return errno == EPERM || errno == EACCES ? -errno : -ENOENT;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && info.type == (__u32)bpf_map__type(definition) &&
	    info.key_size == bpf_map__key_size(definition) && info.value_size == bpf_map__value_size(definition) &&
	    (info.map_flags & ~OF_THE_KERNEL) == bpf_map__map_flags(definition) && info.max_entries >= least)
		return fd;
	close(fd);
	return -ENOENT;
}

static int make(const struct bpf_map *definition, uint32_t least)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = bpf_map__map_flags(definition));
	const uint32_t usual = bpf_map__max_entries(definition);

	return bpf_map_create(bpf_map__type(definition), bpf_map__name(definition), bpf_map__key_size(definition),
			      bpf_map__value_size(definition), least > usual ? least : usual, &opts);
}

static int failed(const char *path, const char *what, int err, struct error_text *reterr)
{
	return error_text_set(reterr, err, "%s: cannot %s the BPF map%s", path, what, bpf_refusal_cause(err).text);
}

/* Into our memory where its kind allows that. */
static int map_memory(struct xdp_map *map, const struct bpf_map *definition)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(map->fd, &info, &len) < 0)
		return -errno;
	map->entries = info.max_entries;
	map->stride = (info.value_size + 7u) & ~7u;
	if (!(bpf_map__map_flags(definition) & BPF_F_MMAPABLE))
		return 0;
	map->size = ((size_t)map->entries * map->stride + page - 1) & ~(page - 1);
	map->memory = mmap(NULL, map->size, PROT_READ | PROT_WRITE, MAP_SHARED, map->fd, 0);
	if (map->memory != MAP_FAILED)
		return 0;
	map->memory = NULL;
	return -errno;
}

static void close_map(struct xdp_map *map)
{
	if (map->memory)
		munmap(map->memory, map->size);
	if (map->fd >= 0)
		close(map->fd);
	*map = (struct xdp_map){ .fd = -1 };
}

/* `anew`: whatever is pinned. */
static int open_map(struct xdp_maps *maps, enum xdp_map_id id, const struct bpf_map *definition, uint32_t least, bool anew,
		    struct error_text *reterr)
{
	struct xdp_map *map = &maps->map[id];
	char path[PATH_MAX];
	int err;

	pin_path(maps->dir, id, "", path);
	map->fd = anew ? -ENOENT : open_pinned(path, definition, least);
	if (map->fd == -ENOENT) {
		map->fd = make(definition, least);
		map->staged = map->fd >= 0;
	}
	if (map->fd < 0)
		return failed(path, "open or make", map->fd, reterr);
	err = map_memory(map, definition);
	if (err < 0)
		return failed(path, "map", err, reterr);
	if (!map->staged || access(path, F_OK) == 0)
		return 0;
	err = bpf_obj_pin(map->fd, path); /* it takes nobody's place */
	if (err < 0)
		return failed(path, "pin", err, reterr);
	map->staged = false;
	return 0;
}

/* A generation lies in all of these: one that is new makes all of them so. */
static int open_tables(struct xdp_maps *maps, const struct sluice_bpf *object, const struct xdp_capacity *capacity,
		       struct error_text *reterr)
{
	bool anew = false;

	for (int id = 0; id <= XDP_MAP_TX_PORTS; id++) {
		const struct bpf_map *definition = bpf_object__find_map_by_name(object->obj, names[id]);
		char path[PATH_MAX];
		int fd;

		pin_path(maps->dir, (enum xdp_map_id)id, "", path);
		fd = open_pinned(path, definition, capacity ? capacity->entries[id] : 0);
		if (fd >= 0)
			close(fd);
		else
			anew = true;
	}
	for (int id = 0; id <= XDP_MAP_TX_PORTS; id++) {
		const int err = open_map(maps, (enum xdp_map_id)id, bpf_object__find_map_by_name(object->obj, names[id]),
					 capacity ? capacity->entries[id] : 0, anew, reterr);

		if (err < 0)
			return err;
	}
	return 0;
}

int xdp_maps_open(struct xdp_maps *maps, const char *dir, const struct xdp_capacity *capacity, struct error_text *reterr)
{
	struct sluice_bpf *object = sluice_bpf__open();
	int err;

	for (int id = 0; id < XDP_MAP_COUNT; id++)
		maps->map[id] = (struct xdp_map){ .fd = -1 };
	snprintf(maps->dir, sizeof(maps->dir), "%s", dir);
	if (!object)
		return error_text_set(reterr, -errno, "the XDP program cannot be opened: %s", strerror(errno));
	err = open_tables(maps, object, capacity, reterr);
	for (int id = XDP_MAP_TX_PORTS + 1; id < XDP_MAP_COUNT && err == 0; id++)
		err = open_map(maps, (enum xdp_map_id)id, bpf_object__find_map_by_name(object->obj, names[id]),
			       capacity ? capacity->entries[id] : 0, false, reterr);
	sluice_bpf__destroy(object);
	if (err < 0)
		xdp_maps_close(maps);
	return err;
}

void xdp_maps_close(struct xdp_maps *maps)
{
	for (int id = 0; id < XDP_MAP_COUNT && maps->dir[0]; id++)
		close_map(&maps->map[id]);
	maps->dir[0] = '\0';
}

bool xdp_maps_staged(const struct xdp_maps *maps)
{
	for (int id = 0; id < XDP_MAP_COUNT; id++)
		if (maps->map[id].staged)
			return true;
	return false;
}

static void carry_flows(const struct xdp_map *to, const struct xdp_map *from)
{
	uint64_t *tags = calloc(CARRY_BATCH, sizeof(*tags)), batch;
	struct sl_xdp_flow *flows = calloc(CARRY_BATCH, sizeof(*flows));
	void *in = NULL;
	int err = tags && flows ? 0 : -ENOMEM;

	while (err == 0) {
		__u32 count = CARRY_BATCH;

		err = bpf_map_lookup_batch(from->fd, in, &batch, tags, flows, &count, NULL);
		if (err < 0 && err != -ENOENT)
			break;
		for (__u32 i = 0; i < count; i++)
			bpf_map_update_elem(to->fd, &tags[i], &flows[i], BPF_NOEXIST);
		in = &batch;
	}
	free(tags);
	free(flows);
}

static void carry_counters(const struct xdp_map *to, const struct xdp_map *from)
{
	const int cpus = libbpf_num_possible_cpus();
	void *values = cpus > 0 ? calloc((size_t)cpus, from->stride) : NULL;

	for (uint32_t i = 0; values && i < from->entries && i < to->entries; i++)
		if (bpf_map_lookup_elem(from->fd, &i, values) == 0)
			bpf_map_update_elem(to->fd, &i, values, BPF_ANY);
	free(values);
}

static bool same_map(const struct xdp_map *a, const struct xdp_map *b)
{
	struct bpf_map_info first = { 0 }, second = { 0 };
	__u32 len = sizeof(first);

	return bpf_obj_get_info_by_fd(a->fd, &first, &len) == 0 && bpf_obj_get_info_by_fd(b->fd, &second, &len) == 0 &&
	       first.id == second.id;
}

void xdp_maps_carry_late(const struct xdp_maps *maps, const struct xdp_maps *from)
{
	if (!same_map(&maps->map[XDP_MAP_FLOWS], &from->map[XDP_MAP_FLOWS]))
		carry_flows(&maps->map[XDP_MAP_FLOWS], &from->map[XDP_MAP_FLOWS]);
}

/* Who goes by the new maps does what those before said, from its first packet on. */
static void carry_action(const struct xdp_maps *maps, const struct xdp_maps *from)
{
	const struct sl_xdp_root *before = xdp_maps_at(from, XDP_MAP_ROOT, 0);
	struct sl_xdp_root *root = xdp_maps_at(maps, XDP_MAP_ROOT, 0);

	if (before->version == SL_XDP_VERSION)
		root->action = before->action;
}

void xdp_maps_carry(const struct xdp_maps *maps, const struct xdp_maps *from)
{
	carry_action(maps, from);
	xdp_maps_carry_late(maps, from);
	for (int id = XDP_MAP_VERDICTS; id < XDP_MAP_COUNT; id++)
		if (maps->map[id].staged)
			carry_counters(&maps->map[id], &from->map[id]);
}

int xdp_maps_settle(struct xdp_maps *maps, struct error_text *reterr)
{
	char path[PATH_MAX], beside[PATH_MAX];
	int err;

	for (int id = 0; id < XDP_MAP_COUNT; id++) {
		if (!maps->map[id].staged)
			continue;
		pin_path(maps->dir, (enum xdp_map_id)id, "", path);
		pin_path(maps->dir, (enum xdp_map_id)id, ":new", beside);
		unlink(beside);
		err = bpf_obj_pin(maps->map[id].fd, beside);
		if (err == 0 && rename(beside, path) < 0)
			err = -errno;
		if (err < 0)
			return failed(path, "pin", err, reterr);
		maps->map[id].staged = false;
	}
	return 0;
}

int xdp_maps_use(const struct xdp_maps *maps, struct bpf_object *object, struct error_text *reterr)
{
	int err = 0;

	for (int id = 0; id < XDP_MAP_COUNT && err == 0; id++)
		err = bpf_map__reuse_fd(bpf_object__find_map_by_name(object, names[id]), maps->map[id].fd);
	return err < 0 ? error_text_set(reterr, err, "%s: cannot use the BPF maps: %s", maps->dir, strerror(-err)) : 0;
}

void xdp_maps_unlink(const char *dir)
{
	char path[PATH_MAX];

	for (int id = 0; id < XDP_MAP_COUNT; id++) {
		pin_path(dir, (enum xdp_map_id)id, "", path);
		unlink(path);
	}
}
