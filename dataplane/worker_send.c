/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a burst that was decided to the ports' rings. Sends each port's frames at once, so that the order of a
 * burst stays the order of its frames.
 */
#include <rte_mbuf.h>

#include "dataplane/split.h"
#include "dataplane/worker_burst.h"
#include "sluice/core/split.h"

enum {
	WORKER_SEND_RETRIES = 4, /* a full ring drains meanwhile or the frames are dropped and counted */
};

/* Hands frames to a port; returns how many it took after some tries. */
static uint16_t worker_hand_over(struct worker *worker, unsigned int p, struct rte_mbuf **mbufs, uint16_t count)
{
	struct sl_worker_stats *stats = &worker->stats;
	uint16_t sent = 0;

	for (int i = 0; i < count; i++) /* before: what was taken is not ours to read any more */
		stats->tx_bytes += rte_pktmbuf_pkt_len(mbufs[i]);
	for (int tries = 0; sent < count && tries <= WORKER_SEND_RETRIES; tries++)
		sent += port_send(&worker->shared->ports->port[p].queue[worker->index], mbufs + sent,
				  (uint16_t)(count - sent));
	stats->tx_packets += sent;
	for (uint16_t i = sent; sl_unlikely(i < count); i++) {
		stats->tx_full++;
		stats->tx_bytes -= rte_pktmbuf_pkt_len(mbufs[i]);
	}
	return sent;
}

static void worker_send_port(struct worker *worker, struct worker_burst *burst, unsigned int p)
{
	struct worker_send *send = &burst->send[p];

	for (uint16_t i = worker_hand_over(worker, p, send->mbuf, send->count); sl_unlikely(i < send->count); i++) {
		burst->verdict[send->packet[i]] = SL_VERDICT_DROP_TX_FULL;
		burst->freed[burst->freed_count++] = send->mbuf[i];
	}
	send->count = 0;
}

void worker_send(struct worker *worker, struct worker_burst *burst)
{
	for (unsigned int p = 0; p < worker->shared->ports->count; p++)
		if (burst->send[p].count > 0)
			worker_send_port(worker, burst, p);
	rte_pktmbuf_free_bulk(burst->freed, burst->freed_count);
	burst->freed_count = 0;
}

void worker_send_split(struct worker *worker, struct worker_burst *burst, uint16_t i)
{
	const struct worker_packet *packet = &burst->packet[i];
	const uint16_t p = packet->pkt.out_port;
	struct rte_mbuf *frames[SL_SPLIT_PARTS_MAX];
	const int count =
		split_frames(&packet->pkt, packet->mbuf, worker->shared->ports->pool[worker->index], frames);
	uint16_t sent;

	burst->freed[burst->freed_count++] = packet->mbuf;
	if (count < 0) {
		burst->verdict[i] = SL_VERDICT_DROP_NO_ROOM;
		return;
	}
	worker_send_port(worker, burst, p);
	sent = worker_hand_over(worker, p, frames, (uint16_t)count);
	if (sent == count)
		return;
	burst->verdict[i] = SL_VERDICT_DROP_TX_FULL;
	rte_pktmbuf_free_bulk(frames + sent, (unsigned int)count - sent);
}
