/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loads the program and runs frames through it. Arrays are mapped, so a frame costs one system call. What the program
 * forwards by is xdp_lab_publish.c's business, what it counted and remembers xdp_lab_memory.c's.
 */
#include "tests/support/xdp_lab_inside.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/bpf.h>

#ifndef BPF_F_XDP_HAS_FRAGS
#define BPF_F_XDP_HAS_FRAGS (1U << 5) /* linux/bpf.h of 5.18 */
#endif

enum {
	LOG_SIZE = 1 << 20,
	KERNEL_HEADROOM = 256,  /* in front of a frame of BPF_PROG_TEST_RUN */
	KERNEL_FRAME = 40,      /* of it the kernel's own: struct xdp_frame */
	XDP_LAB_ROOM = 1 << 17,
	FIRST_HOUR_S = 3600,
};

/* ---- loading ------------------------------------------------------------------------------------------ */

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

static void resize(struct bpf_map *map, uint64_t entries)
{
	if (entries > 0)
		bpf_map__set_max_entries(map, (uint32_t)entries);
}

static void configure(struct sluice_bpf *object, const struct xdp_lab_options *options)
{
	object->rodata->sl_traced = !options->live;
	object->rodata->sl_multi_buffer = options->frags;
	if (options->frags)
		bpf_program__set_flags(object->progs.xsk_def_prog, BPF_F_XDP_HAS_FRAGS);
	resize(object->maps.services, (uint64_t)options->services * SL_XDP_BANKS);
	resize(object->maps.service_counters, options->services);
	resize(object->maps.pool_slots, (uint64_t)options->pools * SL_XDP_BANKS);
	resize(object->maps.pools, options->places);
	resize(object->maps.backends, (uint64_t)options->backends * 2);
	resize(object->maps.backend_counters, options->backends);
	resize(object->maps.rows, options->chunks);
	resize(object->maps.flows, options->flows);
	resize(object->maps.starts, options->starts);
	resize(object->maps.datagrams, options->datagrams);
}

static int map_array(const struct bpf_map *map, struct mapped *ret_mapped)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const size_t stride = (bpf_map__value_size(map) + 7u) & ~7u;
	const size_t size = (stride * bpf_map__max_entries(map) + page - 1) & ~(page - 1);
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (at == MAP_FAILED)
		return -errno;
	*ret_mapped = (struct mapped){ at, size, bpf_map__max_entries(map) };
	return 0;
}

static int map_arrays(struct xdp_lab *lab)
{
	const struct sluice_bpf *object = lab->object;
	const struct bpf_map *const maps[ARRAY_COUNT] = {
		[ROOT] = object->maps.root,         [SETTINGS] = object->maps.settings,
		[SERVICES] = object->maps.services, [POOL_SLOTS] = object->maps.pool_slots,
		[POOLS] = object->maps.pools,       [BACKENDS] = object->maps.backends,
		[ROWS] = object->maps.rows,         [NEIGHBORS] = object->maps.neighbors,
		[PORTS] = object->maps.ports,       [LIVE] = object->maps.live,
		[TRACE] = object->maps.trace,
	};
	int err = 0;

	for (int i = 0; i < ARRAY_COUNT && err == 0; i++)
		err = map_array(maps[i], &lab->array[i]);
	return err;
}

/* Every port leaves by the loopback interface; nothing is really sent. */
static int open_ports(const struct xdp_lab *lab)
{
	const uint32_t loopback = 1;
	int err = 0;

	for (uint32_t port = 0; port < SL_PORTS_MAX && err == 0; port++)
		err = bpf_map_update_elem(bpf_map__fd(lab->object->maps.tx_ports), &port, &loopback, BPF_ANY);
	return err;
}

static int load(struct xdp_lab *lab, const struct xdp_lab_options *options, char *reterr, size_t size)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .kernel_log_size = LOG_SIZE);
	char *verifier_log = calloc(1, LOG_SIZE);
	size_t len;
	int err;

	if (verifier_log == NULL)
		return -ENOMEM;
	opts.kernel_log_buf = verifier_log;
	lab->object = sluice_bpf__open_opts(&opts);
	err = lab->object != NULL ? 0 : -errno;
	if (err == 0) {
		configure(lab->object, options);
		err = sluice_bpf__load(lab->object);
	}
	len = strlen(verifier_log);
	if (err < 0)
		snprintf(reterr, size, "the XDP program cannot be loaded: %s; %s", strerror(-err),
			 verifier_log + (len > 400 ? len - 400 : 0));
	free(verifier_log);
	return err;
}

int xdp_lab_create(const struct xdp_lab_options *options, struct xdp_lab **ret_lab, char *reterr, size_t size)
{
	struct xdp_lab *lab = calloc(1, sizeof(*lab));
	int err = -ENOMEM;

	libbpf_set_print(silent);
	snprintf(reterr, size, "no memory");
	if (lab == NULL)
		return err;
	lab->frags = options->frags;
	lab->vips.key_size = sizeof(struct sl_addr);
	lab->listeners.key_size = sizeof(struct sl_steering_listener);
	lab->sources.key_size = sizeof(struct sl_addr);
	lab->in = calloc(1, XDP_LAB_ROOM);
	lab->out = calloc(1, XDP_LAB_ROOM);
	if (lab->in == NULL || lab->out == NULL)
		goto destroy;
	err = load(lab, options, reterr, size);
	if (err < 0)
		goto destroy;
	err = map_arrays(lab);
	if (err == 0)
		err = open_ports(lab);
	if (err < 0) {
		snprintf(reterr, size, "the XDP program's maps cannot be used: %s", strerror(-err));
		goto destroy;
	}
	xdp_lab_clock(lab, FIRST_HOUR_S * 1000000000ull);
	*ret_lab = lab;
	return 0;

destroy:
	xdp_lab_destroy(lab);
	return err;
}

void xdp_lab_destroy(struct xdp_lab *lab)
{
	if (lab == NULL)
		return;
	for (int i = 0; i < ARRAY_COUNT; i++)
		if (lab->array[i].at != NULL)
			munmap(lab->array[i].at, lab->array[i].size);
	sluice_bpf__destroy(lab->object);
	free(lab->vips.key);
	free(lab->listeners.key);
	free(lab->sources.key);
	free(lab->in);
	free(lab->out);
	free(lab);
}

void xdp_lab_clock(struct xdp_lab *lab, uint64_t now_ns)
{
	root_of(lab)->clock_ns = now_ns;
}

/* ---- running ------------------------------------------------------------------------------------------ */

static int come_in_by(struct xdp_lab *lab, uint16_t port)
{
	const struct sl_steering_mac own = { .port = port };
	const uint32_t only = 0;
	int err;

	if (lab->port == port)
		return 0;
	err = bpf_map_update_elem(bpf_map__fd(lab->object->maps.mac), &only, &own, BPF_ANY);
	if (err == 0)
		lab->port = port;
	return err;
}

/* Bytes that the kernel keeps for itself in front of the frame, so that `headroom` are left; a multiple of four. */
static uint32_t metadata_for(uint32_t headroom)
{
	const uint32_t all = KERNEL_HEADROOM - KERNEL_FRAME;

	return headroom >= all ? 0 : (all - headroom + 3) & ~3u;
}

int xdp_lab_run_buffers(struct xdp_lab *lab, uint16_t port, uint32_t headroom, uint32_t readable, const uint8_t *frame,
			uint32_t len, struct xdp_lab_result *ret_result)
{
	const uint32_t metadata = metadata_for(headroom);
	struct sl_xdp_trace *trace = lab->array[TRACE].at;
	struct xdp_md ctx = { .data = metadata, .data_end = metadata + (readable < len ? readable : len) };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = lab->in, .data_size_in = metadata + len, .data_out = lab->out,
		    .data_size_out = XDP_LAB_ROOM, .repeat = 1);
	int err = come_in_by(lab, port);

	if (err < 0)
		return err;
	if (len < XDP_LAB_FRAME_MIN || metadata + len > (lab->frags ? XDP_LAB_FRAGS_MAX : XDP_LAB_FRAME_MAX))
		return -ERANGE;
	if (metadata > 0 || readable < len) {
		opts.ctx_in = &ctx;
		opts.ctx_size_in = sizeof(ctx);
	}
	memcpy(lab->in + metadata, frame, len);
	trace->verdict = SL_VERDICT_COUNT;
	err = bpf_prog_test_run_opts(bpf_program__fd(lab->object->progs.xsk_def_prog), &opts);
	if (err == -EINVAL && opts.ctx_in != NULL)
		return -EOPNOTSUPP;
	if (err < 0)
		return err;
	*ret_result = (struct xdp_lab_result){
		.action = opts.retval,
		.verdict = (enum sl_verdict)trace->verdict,
		.leaves = opts.retval == XDP_TX || opts.retval == XDP_REDIRECT,
		.out_port = trace->out_port,
		.frame = lab->out + metadata,
		.len = opts.data_size_out - metadata,
		.trace = *trace,
	};
	return 0;
}

int xdp_lab_run(struct xdp_lab *lab, uint16_t port, uint32_t headroom, const uint8_t *frame, uint32_t len,
		struct xdp_lab_result *ret_result)
{
	return xdp_lab_run_buffers(lab, port, headroom, len, frame, len, ret_result);
}
