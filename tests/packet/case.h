/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One packet case: what goes in, what must come out, and running it through the forwarding core in the
 * configuration of world.h. Reading a file of cases is here too; judging them is test_packet.c's.
 */
#ifndef TESTS_PACKET_CASE_H
#define TESTS_PACKET_CASE_H

#include <stdint.h>
#include <stdio.h>

#include "sluice/core/split.h"
#include "tests/packet/world.h"

enum { CASE_NAME_MAX = 200, CASE_FRAME_MAX = 70000, CASE_WORD_MAX = 40, CASE_BEFORE_MAX = 8 };

/* A frame that came before, which is not judged. */
struct packet_before {
	__u8 *frame;
	__u32 len;
};

/* One slot for every row, or one for each: "4", "0,1,2,none". */
struct case_rows {
	__u32 count; /* 0: not given */
	__u16 slot[ENV_ROWS_MAX];
};

/* Keys of a case file, one a line, `key: value`; an empty line ends the case. */
struct packet_case {
	char name[CASE_NAME_MAX];       /* name: a sentence */
	char verdict[CASE_WORD_MAX];    /* verdict: as sl_verdict_name says it */
	struct packet_before before[CASE_BEFORE_MAX]; /* before: in this order; freed by packet_case_free */
	int befores;
	__u8 *in;                       /* in: the frame, in hexadecimal; freed by packet_case_free */
	__u8 *out;                      /* out: the frame that leaves; absent when none does */
	__u32 in_len, out_len;
	__u32 readable;                 /* readable: bytes in the first buffer; all without it */
	__u32 headroom;                 /* headroom: 128 without it */
	__u16 port;                     /* port: 0 without it */
	__u16 out_port;                 /* out-port: 0 without it */
	__u16 flags;                    /* flags: csum-ok */
	__u16 remembered;               /* remembered: a slot; none without it */
	__u8 remembered_flags;          /* remembered-flags: unconfirmed, closing, or both */
	__u32 age_s;                    /* age: of what is remembered; SL_FLOW_HANDSHAKE_S without it */
	int pressure, full;             /* pressure: yes; full: yes: memory takes no more */
	struct case_rows current;       /* current: slots of the pool's rows, where not the world's */
	struct case_rows base[SL_FLOW_KIND_COUNT]; /* base-tcp, base-quic, base-udp: the same; home without it */
	struct case_rows lens[SL_FLOW_KIND_COUNT]; /* lens-tcp, lens-quic, lens-udp: slots of the lens's rows */
	__u8 lens_hash;                 /* lens-hash: source */
	__u32 replies;                  /* replies: answers left; 1 without it */
	int slot;                       /* slot: -1 without it: not compared */
	int tracked;                    /* tracked: yes */
	int splits;                     /* splits: how many frames leave, `out` being all of them; 0 without it: one */
	int looks;                      /* looks: how often flow memory is asked; 0 without it */
	int stored;                     /* stored: the slot that is remembered now; -1 without it: nothing is stored */
	__u8 stored_flags;              /* stored-flags: as remembered-flags */
	int touched;                    /* touched: the flags that what was remembered has now, or "plain" */
	int deleted;                    /* deleted: yes */
	int open;                       /* open: the base of the open row; -1 without it: not open */
	__u64 counts[SL_FLOW_COUNT_COUNT]; /* counts: names of flow counters; all others stay 0 */
	__u64 tag;                      /* tag: sixteen hexadecimal digits; not compared without it */
};

/* What a case says that says nothing. */
#define PACKET_CASE_INIT { .headroom = 128, .remembered = SL_SLOT_NONE, .age_s = SL_FLOW_HANDSHAKE_S, .replies = 1, \
	.slot = -1, .readable = UINT32_MAX, .stored = -1, .touched = -1, .open = -1 }

struct packet_result {
	enum sl_verdict verdict;
	int leaves;         /* a frame leaves: the packet, or an answer to it */
	int touched;        /* a frame that does not leave is not as it came */
	__u32 len;          /* bytes at frame */
	__u8 frame[CASE_FRAME_MAX + SL_SPLIT_PARTS_MAX * SL_SPLIT_FRONT_MAX]; /* of several: one behind the other */
	int splits;         /* frames that leave instead of one */
	__u16 out_port, slot;
	int tracked, looks;
	__u32 pool;         /* id; UINT32_MAX: none was asked for */
	int open;           /* base of the open row, or -1 */
	int stored, refreshed, deleted;
	__u8 stored_flags;
	__u64 counts[SL_FLOW_COUNT_COUNT];
	__u64 tag;
	__u32 replies;      /* answers that were taken */
};

void packet_case_free(struct packet_case *c); /* what it points at, not the case itself */
/* 1 and the next case of `file`; 0 at its end; -1: line *ret_line is wrong. *ret_case is to
 * be freed in all three. */
int packet_case_read(FILE *file, struct packet_case *ret_case, int *ret_line);
/* The world of the case, with what is remembered of its packet. */
void packet_case_configure(const struct packet_case *c, struct sl_env *env);
/* Runs the case. Memory around and behind the frame holds `fill`; an exact allocation, so that ASan
 * sees every byte too many. */
void packet_case_run(const struct packet_case *c, __u8 fill, struct packet_result *ret_result);

#endif
