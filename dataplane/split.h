/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Turns one received packet that is split before its tunnel (sluice/core/split.h) into the frames that leave.
 * Called by workers; allocates from their own pool of buffers and nowhere else.
 */
#ifndef DATAPLANE_SPLIT_H
#define DATAPLANE_SPLIT_H

#include <rte_mbuf.h>

#include "sluice/core/packet.h"

/*
 * Makes the frames of `pkt`, which is in `mbuf` as it came and stays so. `frames` has room for SL_SPLIT_PARTS_MAX.
 * Returns their number, or -ENOBUFS: there is none, because buffers are short or too small.
 */
int split_frames(const struct sl_packet *pkt, const struct rte_mbuf *mbuf, struct rte_mempool *pool,
		 struct rte_mbuf **frames);

#endif
