/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * What the wrapper (wrap.bpf.c) and who runs it (xdp_bench.c) share: the frame that is put back before every run, and
 * the programs that it may go on with.
 */
#ifndef TESTS_BENCH_XDP_BENCH_H
#define TESTS_BENCH_XDP_BENCH_H

#include "sluice/types.h"

enum {
	BENCH_FRAME = 80,             /* bytes of every frame: IPv6 and TCP, and six more */
	BENCH_FLOWS_OF_A_CLIENT = 4,  /* flows that have the source address in common */
	BENCH_PORT_FIRST = 1024,      /* of a client's first flow */
};

/* Where the wrapper goes on. */
enum bench_program { BENCH_EMPTY = 0, BENCH_SLUICE = 1, BENCH_FULL = 2, BENCH_SMALL = 3, BENCH_PROGRAMS };

/* The one value of `frame`. */
struct bench_frame {
	__u32 program;    /* enum bench_program */
	__u32 v6;
	__u32 flows;      /* the next run is of the next flow, after the last one of the first again */
	__u32 client;     /* the first flow's source address, its last four bytes, as a number */
	__u8 bytes[BENCH_FRAME]; /* IPv4: its source 0.0.0.0, and the checksum is of that */
};

/* What the reference remembers: the backend of one connection to one service. */
struct bench_flow_key {
	struct sl_addr client;
	__be16 port;
	__u16 service;
	__u32 zero;
};

/* What the reference writes. */
struct bench_backend {
	struct sl_addr from, to; /* of the outer header; both of one family */
	__u8 mac[6], own_mac[6];
	__u32 zero;
};

#endif
