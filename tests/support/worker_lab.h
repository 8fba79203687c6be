/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One worker on a port whose driver is played: what it receives is offered, what it sends is kept for a look. Needs
 * the EAL, but neither hugepages nor root. One of it in a test program.
 */
#ifndef TESTS_SUPPORT_WORKER_LAB_H
#define TESTS_SUPPORT_WORKER_LAB_H

#include "dataplane/worker.h"

enum { WORKER_LAB_FRAME_LEN = 60, WORKER_LAB_FRAMES_MAX = 1024, WORKER_LAB_BYTES_MAX = 2048 };

/* The driver: hands out `offered` in bursts of at most `burst`, takes at most `takes` frames in all. */
struct worker_driver {
	struct rte_mbuf *offered[WORKER_LAB_FRAMES_MAX];
	unsigned int count, next, burst, takes, taken;
	uint32_t taken_len[WORKER_LAB_FRAMES_MAX];
	uint8_t taken_bytes[WORKER_LAB_FRAMES_MAX][WORKER_LAB_BYTES_MAX];
	uint64_t taken_flags; /* of the last one */
	unsigned int idle;    /* polls without a frame */
	uint64_t idle_ns;     /* how long it plays on without a frame, before the worker is told to stop */
	uint64_t idle_since_ns;
	void (*on_idle)(void); /* called at the first poll without a frame; NULL: not */
	struct worker_shared *shared;
};

struct worker_lab {
	struct port_set ports;
	struct worker_shared *shared;
	struct worker *worker;
	struct fragment_table *fragments[2]; /* the worker's own, and another one's */
	struct worker_root root;
	struct snapshot *snapshot;
	struct sl_counter counters[64];
	uint16_t device;
};

extern struct worker_driver worker_driver;
extern struct worker_lab worker_lab;

int worker_lab_start(void **state); /* a group's setup */
/* The worker forwards what was offered, to UDP port 80 of 10.9.9.9 with four backends, until nothing comes. */
void worker_lab_run(enum sl_mode mode, unsigned int burst, unsigned int takes);
/* A whole datagram from that source port, 60 bytes long. */
struct rte_mbuf *worker_lab_frame(uint16_t sport);
/* Writes the IPv4 header's checksum. */
void worker_lab_checksum(uint8_t *frame);
void worker_lab_offer(struct rte_mbuf *mbuf);
uint64_t worker_lab_verdict(enum sl_verdict which);
/* Every frame under one verdict, every buffer back in its pool. */
void worker_lab_expect_balance(unsigned int frames);

#endif
