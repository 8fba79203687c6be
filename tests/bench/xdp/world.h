/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is measured: a kind of packet, and the configuration that it meets. world.c fills frames and maps of both sides.
 */
#ifndef TESTS_BENCH_XDP_WORLD_H
#define TESTS_BENCH_XDP_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "bench.h"
#include "tests/support/xdp_lab.h"

struct wrap_bpf;

struct bench_case {
	const char *name;
	bool v6;
	uint8_t proto;
	uint8_t tcp_flags;
	bool look;              /* every row has LOOK and another base: connections are remembered */
	bool forgotten;         /* every packet is of a connection that is not known yet */
	bool ours;              /* to a VIP */
	enum bench_program reference;
	double goal;            /* ratio to the reference; 0: none is set */
	const char *what;
};

extern const struct bench_case bench_cases[];
extern const unsigned bench_case_count;

void bench_frame_make(const struct bench_case *one, uint32_t flows, struct bench_frame *ret_frame);
/* The configuration of both. 0 or -errno. */
int bench_publish(const struct bench_case *one, struct xdp_lab *lab, struct wrap_bpf *wrap);

#endif
