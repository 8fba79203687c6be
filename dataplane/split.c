/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Headers come from the core, payload is copied: a frame that is split is rare, and a driver that takes chained
 * buffers rarer.
 */
#include "dataplane/split.h"

#include <errno.h>

#include "sluice/core/split.h"

static struct rte_mbuf *split_frame(const struct sl_split_part *part, const struct rte_mbuf *mbuf,
				    struct rte_mempool *pool)
{
	struct rte_mbuf *frame = rte_pktmbuf_alloc(pool);
	const void *payload;
	char *bytes = NULL;

	if (frame && part->front_len + part->len <= UINT16_MAX)
		bytes = rte_pktmbuf_append(frame, (uint16_t)(part->front_len + part->len));
	if (!bytes) {
		if (frame)
			rte_pktmbuf_free_bulk(&frame, 1);
		return NULL;
	}
	memcpy(bytes, part->front, part->front_len);
	/* Copies only where the bytes lie in several buffers: parse made sure that the frame has them. */
	payload = rte_pktmbuf_read(mbuf, part->from, part->len, bytes + part->front_len);
	if (payload != bytes + part->front_len)
		memcpy(bytes + part->front_len, payload, part->len);
	return frame;
}

int split_frames(const struct sl_packet *pkt, const struct rte_mbuf *mbuf, struct rte_mempool *pool,
		 struct rte_mbuf **frames)
{
	struct sl_split_part part;
	unsigned int count = 0;

	while (count < SL_SPLIT_PARTS_MAX && sl_split_part(pkt, count, &part)) {
		frames[count] = split_frame(&part, mbuf, pool);
		if (!frames[count]) {
			rte_pktmbuf_free_bulk(frames, count);
			return -ENOBUFS;
		}
		count++;
	}
	return (int)count;
}
