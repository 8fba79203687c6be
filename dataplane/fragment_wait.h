/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where later fragments wait for their first one: a few buffers of one worker, for a fraction of a second.
 * When there is no room the one that waited longest goes; a source with its share gives up one of its own.
 * One worker's thread alone.
 */
#ifndef DATAPLANE_FRAGMENT_WAIT_H
#define DATAPLANE_FRAGMENT_WAIT_H

#include <stdbool.h>
#include <stdint.h>

enum {
	FRAGMENT_WAIT_MAX = 128,       /* buffers of a worker's pool of thousands */
	FRAGMENT_WAIT_SOURCE = 16,     /* for one source: a datagram of 16 kB that arrives last fragment first */
	FRAGMENT_WAIT_NS = 200000000,  /* a path reorders by less */
};

struct rte_mbuf;

/* A frame as it came. */
struct fragment_waiting {
	struct rte_mbuf *mbuf; /* NULL: none */
	uint64_t tag;          /* sl_datagram_tag */
	uint64_t source;       /* fragment_source */
	uint64_t since_ns;     /* when it arrived */
	uint16_t port;         /* by which */
};

struct fragment_wait {
	unsigned int count;
	struct fragment_waiting entry[FRAGMENT_WAIT_MAX]; /* in order of arrival */
};

/* Keeps `waiting`. Returns who goes for it, with mbuf NULL if nobody has to. */
struct fragment_waiting fragment_wait_add(struct fragment_wait *wait, const struct fragment_waiting *waiting);
/*
 * Takes out the first one that came before `before_ns`, or whose datagram is among `learnt` (bit tag % 64),
 * searching from position *at on, which is moved past it. False: there is none.
 */
bool fragment_wait_take(struct fragment_wait *wait, unsigned int *at, uint64_t before_ns, uint64_t learnt,
			struct fragment_waiting *ret_waiting);

#endif
