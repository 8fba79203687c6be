/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One worker's fragmented datagrams: what their first fragments decided, for two seconds. Fixed memory; one
 * source fills at most half of one set, and the oldest gives way. The worker alone writes; other workers read
 * without a lock (a first fragment may arrive on another queue than the later ones) and see only the answer.
 */
#ifndef DATAPLANE_FRAGMENT_TABLE_H
#define DATAPLANE_FRAGMENT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/core/datagram.h"

enum {
	FRAGMENT_SETS = 1024,     /* a power of two; docs/decisions/0009-fragments.md has the sizes' reasons */
	FRAGMENT_WAYS = 16,
	FRAGMENT_WAYS_SOURCE = 8, /* of one set for one source */
};

struct fragment_table;

/* The tables of all workers as worker `own` sees them. Written before the workers start. */
struct fragment_tables {
	unsigned int count;
	unsigned int own;
	struct fragment_table *table[SL_WORKERS_MAX];
};

size_t fragment_table_size(void); /* bytes, to be aligned at 64; memory of zeros is an empty table */

/* A keyed number that stands for the packet's source: an IPv4 address, or the /64 that one IPv6 sender owns. */
uint64_t fragment_source(const struct sl_key *flow_key, const struct sl_packet *pkt);

/* What is remembered at `tag`; NULL: nothing, or it is too old. The owner's thread, until its next put. */
struct sl_datagram *fragment_table_find(struct fragment_table *table, uint64_t source, uint64_t tag, uint64_t now_ns);
/* The same for another thread than the owner. False: nothing, or it went meanwhile. */
bool fragment_table_peek(const struct fragment_table *table, uint64_t source, uint64_t tag, uint64_t now_ns,
			 struct sl_datagram_answer *ret_answer, uint32_t *ret_born_ms);
/* Remembers a copy of `datagram`, over what was remembered at `tag`. The owner's thread. */
void fragment_table_put(struct fragment_table *table, uint64_t source, uint64_t tag, uint64_t now_ns,
			const struct sl_datagram *datagram);
/* How often the owner put something: tells other threads that there is something new. Any thread. */
uint32_t fragment_table_puts(const struct fragment_table *table);

/* The own table first, then the others': what another worker decided is taken over into the own table. */
struct sl_datagram *fragment_tables_find(const struct fragment_tables *tables, uint64_t source, uint64_t tag,
					 uint64_t now_ns);

#endif
