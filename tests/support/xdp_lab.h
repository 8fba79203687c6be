/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The XDP program without an interface: loads the very object that sluiced loads, fills its maps with a
 * configuration, and runs frames through it with BPF_PROG_TEST_RUN. Time is an input. Needs root (or CAP_BPF,
 * CAP_NET_ADMIN and CAP_PERFMON). One thread owns a lab; labs share nothing.
 */
#ifndef TESTS_SUPPORT_XDP_LAB_H
#define TESTS_SUPPORT_XDP_LAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/xdp.h"

struct sluice_bpf; /* the skeleton */
struct xdp_lab;

/* How large the maps are; 0: as maps.bpf.h says. */
struct xdp_lab_options {
	uint32_t services, pools, backends; /* ids below these; `backends` is also the positions in the statistics */
	uint32_t places;   /* entries of `pools`, for two generations */
	uint32_t chunks;   /* entries of `rows`, for two generations */
	uint32_t flows, starts, datagrams;
	bool frags;        /* the multi-buffer variant (kernel 5.18): frames longer than one buffer, too */
	bool live;         /* as sluiced loads it: the kernel's time, and no trace, so that results have no verdict */
};

/* One pool with its tables: `pool.rows` (lens: `pool.lens_rows`) rows each; NULL: none of that kind. */
struct xdp_lab_pool {
	struct sl_pool pool;
	const uint16_t *table[SL_TABLE_KIND_COUNT];
};

/* A configuration, as the ring would tell it. Outer sources are those of the backends. All arrays stay the caller's. */
struct xdp_lab_world {
	struct sl_settings settings; /* reply_rate 0: no answers; UINT32_MAX: no limit */
	const struct sl_port *ports;
	const struct sl_neighbor *neighbors;
	const struct sl_backend *backends;
	const struct xdp_lab_pool *pools;
	const struct sl_service *services;
	const struct sl_listener *listeners;
	const struct sl_vip *vips;
	size_t port_count, neighbor_count, backend_count, pool_count, service_count, listener_count, vip_count;
};

/* What became of one frame. */
struct xdp_lab_result {
	uint32_t action;      /* enum xdp_action, as the driver gets it */
	enum sl_verdict verdict;
	bool leaves;          /* `frame` leaves by out_port: XDP_TX or XDP_REDIRECT */
	uint16_t out_port;
	const uint8_t *frame; /* the lab's, until the next call; for XDP_PASS the frame as the kernel gets it */
	uint32_t len;
	struct sl_xdp_trace trace;
};

/* What BPF_PROG_TEST_RUN takes: in one buffer, and with options.frags. */
enum { XDP_LAB_FRAME_MIN = 14, XDP_LAB_FRAME_MAX = 3520, XDP_LAB_FRAGS_MAX = 3520 + 17 * 4096 };

/* Counts of all CPUs since the lab began. Positions past what the map has are 0. */
struct xdp_lab_counts {
	uint64_t verdict[SL_VERDICT_SLOTS];
	uint64_t flow[SL_FLOW_COUNTERS];
};

/* 0, or -errno: *reterr (`size` bytes) says why, with the end of the verifier's log when that was it. */
int xdp_lab_create(const struct xdp_lab_options *options, struct xdp_lab **ret_lab, char *reterr, size_t size);
void xdp_lab_destroy(struct xdp_lab *lab); /* NULL is fine */

/* Publishes a whole generation, in the order that xdp.h prescribes. 0 or -errno (-ENOSPC: a map is too small). */
int xdp_lab_publish(struct xdp_lab *lab, const struct xdp_lab_world *world);
/* CLOCK_BOOTTIME from now on, for the program. At first it is one hour. */
void xdp_lab_clock(struct xdp_lab *lab, uint64_t now_ns);

/*
 * Runs a frame that came in by `port`. 0, -ERANGE (the kernel takes no frame so short or so long) or -errno.
 * `headroom`: bytes in front that the program may use, at most what the kernel gives; UINT32_MAX: all of it.
 */
int xdp_lab_run(struct xdp_lab *lab, uint16_t port, uint32_t headroom, const uint8_t *frame, uint32_t len,
		struct xdp_lab_result *ret_result);
/* The same with `readable` bytes in its first buffer, the rest in others: with options.frags only. -EOPNOTSUPP, here
 * and with a small headroom above: the kernel is too old for that (before 6.18). */
int xdp_lab_run_buffers(struct xdp_lab *lab, uint16_t port, uint32_t headroom, uint32_t readable, const uint8_t *frame,
			uint32_t len, struct xdp_lab_result *ret_result);

/* What was counted. 0 or -errno. */
int xdp_lab_counts(const struct xdp_lab *lab, struct xdp_lab_counts *ret_counts);
int xdp_lab_service_count(const struct xdp_lab *lab, uint32_t id, struct sl_counter *ret_counter);
int xdp_lab_backend_count(const struct xdp_lab *lab, uint32_t stats, struct sl_counter *ret_counter);

/* What is remembered: *ret_flow of `tag`, confirmed or not. False: nothing. Expired entries are there until aged. */
bool xdp_lab_flow(const struct xdp_lab *lab, uint64_t tag, struct sl_xdp_flow *ret_flow, bool *ret_confirmed);
int xdp_lab_flow_put(struct xdp_lab *lab, const struct sl_xdp_flow *flow, bool confirmed);
/* Forgets connections, datagrams, and answers given; counters go on. */
int xdp_lab_forget(struct xdp_lab *lab);
/* As sluiced does: deletes what expired. 0 or -errno. */
int xdp_lab_age(struct xdp_lab *lab);

/* The skeleton, for what is not here: descriptors of maps and programs. The lab's. */
struct sluice_bpf *xdp_lab_object(struct xdp_lab *lab);
struct sl_xdp_live *xdp_lab_live(struct xdp_lab *lab); /* mapped */

#endif
