/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The messages on <runtime-dir>/<instance>/dataplane.sock (AF_UNIX, SOCK_SEQPACKET; sluiced listens,
 * sluice-dp connects). They move one thing: the descriptor of the TUN device that carries the VIP
 * addresses. Whoever holds it keeps the device alive, so the addresses go when the forwarder goes.
 *
 *   sluice-dp                          sluiced
 *   WANT  (holds nothing)        ──▶
 *                                ◀──   OFFER + SCM_RIGHTS    once a first generation is APPLIED
 *   HAVE  (holds ifname)         ──▶                         after an OFFER, and first thing on a new
 *                                                            connection when something is held already
 *                                ◀──   KEEP                  an answer to HAVE: go on with it
 *                                ◀──   RELEASE               close what is held
 *   GONE                         ──▶                         closed: released, or the workers hang
 *
 * One struct a message, nothing else. A message of another size, magic or kind ends the connection.
 * sluice-dp reconnects, with a pause, for as long as it runs. After GONE because of hanging workers it
 * says WANT again once all of them make progress. An OFFER replaces what is held.
 */
#ifndef SLUICE_DEVICE_H
#define SLUICE_DEVICE_H

#include "types.h"

#define SL_DEVICE_MAGIC 0x45434956454c5331ull

enum sl_device_kind {
	SL_DEVICE_NONE = 0,
	SL_DEVICE_WANT,    /* data → control */
	SL_DEVICE_HAVE,    /* data → control */
	SL_DEVICE_GONE,    /* data → control */
	SL_DEVICE_OFFER,   /* control → data, with one descriptor */
	SL_DEVICE_KEEP,    /* control → data */
	SL_DEVICE_RELEASE, /* control → data */
	SL_DEVICE_KIND_COUNT,
};

/* sl_device_msg.flags of GONE: why */
enum {
	SL_DEVICE_GONE_STUCK = 1 << 0, /* workers make no progress */
};

enum { SL_DEVICE_NAME_MAX = 16 }; /* IFNAMSIZ, with its zero */

struct sl_device_msg {
	__u64 magic;
	__u32 kind;     /* enum sl_device_kind */
	__u32 flags;
	__u64 session;  /* of the dataplane.shm the sender uses; 0: none yet */
	__u64 pid;      /* of the sender */
	char ifname[SL_DEVICE_NAME_MAX]; /* OFFER, HAVE: the device's name */
};

_Static_assert(sizeof(struct sl_device_msg) == 48, "a message between two programs: no holes");

#endif
