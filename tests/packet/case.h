/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One packet case: what goes in, what must come out, and running it through the forwarding core in the
 * configuration of world.h. Reading a file of cases is here too; judging them is test_packet.c's.
 */
#ifndef TESTS_PACKET_CASE_H
#define TESTS_PACKET_CASE_H

#include <stdio.h>

#include "tests/packet/world.h"

enum { CASE_NAME_MAX = 200, CASE_FRAME_MAX = 70000, CASE_WORD_MAX = 40 };

/* Keys of a case file, one a line, `key: value`; an empty line ends the case. */
struct packet_case {
	char name[CASE_NAME_MAX];       /* name: a sentence */
	char verdict[CASE_WORD_MAX];    /* verdict: as sl_verdict_name says it */
	__u8 *in;                       /* in: the frame, in hexadecimal; freed by packet_case_free */
	__u8 *out;                      /* out: the frame that leaves; absent when none does */
	__u32 in_len, out_len;
	__u32 readable;                 /* readable: bytes in the first buffer; all without it */
	__u32 headroom;                 /* headroom: 128 without it */
	__u16 port;                     /* port: 0 without it */
	__u16 out_port;                 /* out-port: 0 without it */
	__u16 flags;                    /* flags: csum-ok */
	__u16 remembered;               /* remembered: a slot; none without it */
	__u32 replies;                  /* replies: answers left; 1 without it */
	int slot;                       /* slot: -1 without it: not compared */
	int tracked;                    /* tracked: yes */
	int looks;                      /* looks: how often flow memory is asked; 0 without it */
};

struct packet_result {
	enum sl_verdict verdict;
	int touched;        /* a frame that does not leave is not as it came */
	__u32 len;          /* bytes at frame */
	__u8 frame[CASE_FRAME_MAX];
	__u16 out_port, slot;
	int tracked, looks;
	__u32 replies;      /* answers that were taken */
};

void packet_case_free(struct packet_case *c); /* what it points at, not the case itself */
/* 1 and the next case of `file`; 0 at its end; -1: line *ret_line is wrong. *ret_case is to
 * be freed in all three. */
int packet_case_read(FILE *file, struct packet_case *ret_case, int *ret_line);
/* Runs the case. Memory around and behind the frame holds `fill`; an exact allocation, so that ASan
 * sees every byte too many. */
void packet_case_run(const struct packet_case *c, __u8 fill, struct packet_result *ret_result);

#endif
