/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One worker's working memory, and what it does apart from deciding: sending (worker_send.c) and letting
 * fragments wait (worker_wait.c). Private to worker*.c; all of it is one worker's thread's.
 */
#ifndef DATAPLANE_WORKER_BURST_H
#define DATAPLANE_WORKER_BURST_H

#include "dataplane/fragment_wait.h"
#include "dataplane/worker.h"
#include "sluice/core/packet.h"

enum {
	WORKER_WAITS = SL_VERDICT_COUNT, /* no verdict yet: a fragment waits for its first one */
};

struct worker_packet {
	struct sl_packet pkt;
	struct sl_plan plan;
	struct rte_mbuf *mbuf;
	uint32_t received_len;
	uint64_t since_ns; /* when it arrived */
};

/* Packets of one burst that leave by one port. */
struct worker_send {
	uint16_t count;
	uint16_t packet[SL_BURST_MAX]; /* indexes in the burst */
	struct rte_mbuf *mbuf[SL_BURST_MAX];
};

/* On the worker's stack, so in no other core's cache. */
struct worker_burst {
	struct worker_packet packet[SL_BURST_MAX];
	enum sl_verdict verdict[SL_BURST_MAX];
	uint16_t count;
	struct worker_send send[SL_PORTS_MAX];
	struct rte_mbuf *freed[SL_BURST_MAX]; /* what does not leave; every packet ends there, at a port or in `wait` */
	uint16_t freed_count;
	struct fragment_wait wait;
	uint32_t peer_puts;      /* of the other workers' fragment tables when we last looked, at peers_ns */
	uint64_t peers_ns;
	uint32_t given_up;       /* fragments that waited in vain; not among the burst's packets, and not counted yet */
	uint64_t given_up_bytes;
};

/* Hands the sorted frames over and frees what does not leave. What a port does not take is drop_tx_full. */
void worker_send(struct worker *worker, struct worker_burst *burst);
/* Packet `i`, whose plan has a `piece`, leaves as several frames, after those of the burst that came before it. */
void worker_send_split(struct worker *worker, struct worker_burst *burst, uint16_t i);

/* A later fragment waits for its first one. False: no longer, its verdict stands. */
bool worker_hold(struct worker_burst *burst, const struct worker_packet *packet, const struct sl_key *flow_key,
		 uint64_t now_ns);
/*
 * Takes out those that wait whose first one may be known by now, or whose time is over. `learnt`: bit tag % 64 of
 * datagrams that this worker learnt something about. Returns their number.
 */
unsigned int worker_wait_due(struct worker_burst *burst, const struct fragment_tables *tables, uint64_t learnt,
			     uint64_t now_ns, struct fragment_waiting due[FRAGMENT_WAIT_MAX]);
/* Nothing comes any more: all that wait are given up. */
void worker_wait_end(struct worker_burst *burst);

#endif
