/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When fragments wait, and when they take another turn: as soon as this worker learnt something about a datagram
 * that may be theirs, or another worker about any.
 */
#include <rte_mbuf.h>

#include "dataplane/worker_burst.h"

enum {
	WORKER_PEERS_NS = 500000, /* between two looks at whether other workers learnt something */
};

bool worker_hold(struct worker_burst *burst, const struct worker_packet *packet, const struct sl_key *flow_key,
		 uint64_t now_ns)
{
	const struct fragment_waiting waiting = {
		.mbuf = packet->mbuf,
		.tag = sl_datagram_tag(flow_key, &packet->pkt),
		.source = fragment_source(flow_key, &packet->pkt),
		.since_ns = packet->since_ns,
		.port = packet->pkt.port,
	};
	struct fragment_waiting gone;

	if (now_ns - packet->since_ns >= FRAGMENT_WAIT_NS)
		return false;
	gone = fragment_wait_add(&burst->wait, &waiting);
	if (gone.mbuf != NULL) {
		burst->given_up++;
		burst->given_up_bytes += rte_pktmbuf_pkt_len(gone.mbuf);
		burst->freed[burst->freed_count++] = gone.mbuf; /* in the place of the one that waits now */
	}
	return true;
}

/* Datagrams that something was learnt about, bit tag % 64. Of other workers we only know that there is something. */
static uint64_t worker_learnt(struct worker_burst *burst, const struct fragment_tables *tables, uint64_t learnt,
			      uint64_t now_ns)
{
	uint32_t puts = 0;

	if (now_ns - burst->peers_ns < WORKER_PEERS_NS)
		return learnt;
	burst->peers_ns = now_ns;
	for (unsigned int t = 0; t < tables->count; t++)
		puts += t != tables->own ? fragment_table_puts(tables->table[t]) : 0;
	if (puts == burst->peer_puts)
		return learnt;
	burst->peer_puts = puts;
	return UINT64_MAX;
}

unsigned int worker_wait_due(struct worker_burst *burst, const struct fragment_tables *tables, uint64_t learnt,
			     uint64_t now_ns, struct fragment_waiting due[FRAGMENT_WAIT_MAX])
{
	const uint64_t before_ns = now_ns < FRAGMENT_WAIT_NS ? 0 : now_ns - FRAGMENT_WAIT_NS + 1;
	unsigned int count = 0, at = 0;

	learnt = worker_learnt(burst, tables, learnt, now_ns);

	while (fragment_wait_take(&burst->wait, &at, before_ns, learnt, &due[count]))
		count++;
	return count;
}

void worker_wait_end(struct worker_burst *burst)
{
	struct fragment_waiting waiting;
	unsigned int at = 0;

	while (fragment_wait_take(&burst->wait, &at, UINT64_MAX, 0, &waiting)) {
		burst->given_up++;
		burst->given_up_bytes += rte_pktmbuf_pkt_len(waiting.mbuf);
		rte_pktmbuf_free_bulk(&waiting.mbuf, 1);
	}
}
