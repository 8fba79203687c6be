/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One pool through time: its rows' history as sluiced keeps it, published to the forwarding core as sluice-dp
 * does, and clients whose packets ask where they go. Both families send the same. Time passes only in
 * timeline_pass(). One thread.
 */
#ifndef TESTS_SUPPORT_TIMELINE_H
#define TESTS_SUPPORT_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "controlplane/row_history.h"
#include "sluice/abi.h"
#include "sluice/flows.h"
#include "tests/support/client_frame.h"

enum {
	TIMELINE_ROWS = 251,
	TIMELINE_ROWS_MAX = 509,
	TIMELINE_SLOTS = 8,
	TIMELINE_WORKERS = 3,
	TIMELINE_FLOWS = 4096,
	TIMELINE_TCP_S = 3600, /* connection-idle of the pool */
	TIMELINE_QUIC_S = 600,
	TIMELINE_UDP_S = 150,
	TIMELINE_NOBODY = SL_SLOT_NONE, /* nobody got the packet */
	A = 0,
	B,
	C,
	D,
	E, /* slots */
};

/* The pool's services: which one a client talks to. All are of one pool. */
enum timeline_service { WEB, AFFINITY, ALWAYS, QUIC, UNMARKED, TIMELINE_SERVICES };

struct timeline;

struct client {
	enum timeline_service service;
	uint16_t host, port;
};

/* Client `number` of a service; all numbers are different connections. */
static inline struct client of(enum timeline_service service, uint16_t number)
{
	return (struct client){.service = service, .host = number % 200, .port = (uint16_t)(1024 + number)};
}

static inline struct client web(uint16_t number)
{
	return of(WEB, number);
}

/* A pool whose rows all lead to A, every backend up. `v6`: clients and VIP have IPv6 addresses. */
struct timeline *timeline_start(bool v6);
void timeline_end(struct timeline *t);

/* ---- what sluiced does; each is in force when it returns */
void timeline_moves(struct timeline *t, uint16_t slot);                /* all rows lead there */
void timeline_rows(struct timeline *t, const uint16_t *row);           /* each where it says */
void timeline_state(struct timeline *t, uint16_t slot, uint8_t state); /* enum sl_backend_state */
/* Both at once: every slot's state, and where all rows lead. */
void timeline_change(struct timeline *t, const uint8_t state[TIMELINE_SLOTS], const uint16_t *row);
/* Another key and table size; slots of the new rows. */
void timeline_rekey(struct timeline *t, const uint16_t *row, uint32_t rows, uint64_t key);
struct row_history *timeline_history(struct timeline *t);
uint32_t timeline_open(const struct timeline *t, enum sl_flow_kind kind); /* open rows */

/* ---- what sluice-dp sees */
/* Where the packet goes that arrives now at that worker. */
uint16_t timeline_at(struct timeline *t, unsigned int worker, struct client client,
		     enum client_packet packet);
uint16_t timeline_goes(struct timeline *t, struct client client, enum client_packet packet); /* at worker 0 */
/* A TCP connection begins: the handshake and a first byte. Where all of it went. */
uint16_t timeline_connects(struct timeline *t, struct client client);
uint32_t timeline_row(const struct timeline *t, struct client client); /* its row in the table of now */
bool timeline_pressure(const struct timeline *t);
uint64_t timeline_count(const struct timeline *t, enum sl_flow_counter counter); /* of all workers */
/* A few milliseconds: the manager takes what workers told it. */
void timeline_soon(struct timeline *t);
/* sluice-dp is killed and comes back: what its workers remembered themselves is gone, and what they were
 * telling. */
void timeline_restart(struct timeline *t, unsigned int workers);

/* ---- time */
/* Seconds go by: rows close, entries expire, pressure comes and goes. */
void timeline_pass(struct timeline *t, uint32_t seconds);
uint64_t timeline_now_s(const struct timeline *t);

/* ---- cmocka: *state is a struct timeline */
int timeline_setup_v4(void **state);
int timeline_setup_v6(void **state);
int timeline_teardown(void **state);
/* One test for each family. */
#define TIMELINE_TEST(test)                                                                                  \
	{#test ", IPv4", test, timeline_setup_v4, timeline_teardown, NULL},                                  \
	{                                                                                                    \
#test ", IPv6", test, timeline_setup_v6, timeline_teardown, NULL                             \
	}

#endif
