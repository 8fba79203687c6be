/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The simulator as a home of the forwarding core: one frame at a time in a buffer of its own, state
 * through the same env.h as sluice-dp's workers.
 */
#ifndef TOOLS_SIM_FORWARDER_H
#define TOOLS_SIM_FORWARDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/snapshot.h"
#include "sluice/core/packet.h"

enum {
	FORWARDER_FRAME_MAX = 256 * 1024
}; /* captured bytes of a frame: what libpcap's writers keep at most */

/* No verdict yet: a fragment waits for its first one; forwarder_next() has it later. */
enum { FORWARDER_WAITS = SL_VERDICT_COUNT };

struct forwarder;

/* `ports` stay and may change between packets. 0 or -ENOMEM. */
int forwarder_create(const struct sl_port *ports, size_t port_count, struct forwarder **ret_forwarder);
void forwarder_destroy(struct forwarder *forwarder); /* NULL is fine */
/* What the next packets are forwarded by; stays until replaced. */
void forwarder_use(struct forwarder *forwarder, const struct snapshot *snapshot);
/*
 * Whether a later fragment waits for its first one as long as a worker lets it, or is drop_fragment_early at once
 * (as it is at first, and as the XDP datapath does it).
 */
void forwarder_let_wait(struct forwarder *forwarder, bool wait);
/* Whether a packet may leave in parts, as at first; else what is too big is dropped (XDP). */
void forwarder_let_split(struct forwarder *forwarder, bool split);
/*
 * Forwards a frame of `frame_len` bytes of which `captured` (at most FORWARDER_FRAME_MAX) are there. *ret_pkt
 * is the packet afterwards, valid until the next call: pkt->data to pkt->end of its pkt->frame_len bytes.
 */
enum sl_verdict forwarder_run(struct forwarder *forwarder, const uint8_t *frame, uint32_t captured,
			      uint32_t frame_len, uint16_t port, uint64_t now_ns,
			      const struct sl_packet **ret_pkt);
/*
 * Fragments that waited, as a worker lets them take another turn: after each burst and whenever time went on, call
 * until it returns false. *ret_number counts the frames that forwarder_run() was given, from 1.
 */
bool forwarder_next(struct forwarder *forwarder, uint64_t now_ns, uint64_t *ret_number,
		    enum sl_verdict *ret_verdict, const struct sl_packet **ret_pkt);
/* Time goes on without a packet. */
void forwarder_pass(struct forwarder *forwarder, uint64_t now_ns);
/* The connections that are remembered. */
struct flow_table *forwarder_flows(const struct forwarder *forwarder);
/* Nothing comes any more: forwarder_next() returns all that wait, as drop_fragment_early. */
void forwarder_give_up(struct forwarder *forwarder);
/* By verdict and by flow counter, of all packets so far. */
const struct sl_worker_stats *forwarder_stats(const struct forwarder *forwarder);
/* Where packets are counted by sl_service.id and by sl_backend.stats; at first nowhere. */
void forwarder_count_in(struct forwarder *forwarder, struct sl_counter *services, uint32_t service_count,
			struct sl_counter *backends, uint32_t backend_count);
/* The flow counters that the last packet moved, as bits 1 << enum sl_flow_counter. */
uint32_t forwarder_flow_counts(const struct forwarder *forwarder);
/* The memory of connections is full (selection.md 5). */
bool forwarder_pressure(const struct forwarder *forwarder);
/* A frame that leaves. */
struct forwarder_frame {
	const uint8_t *bytes;
	uint32_t captured; /* of them that are there */
	uint32_t length;
};

/*
 * Frame `index` of a packet that leaves: one, or the parts of a packet that was split. False: there is no such
 * frame. Valid until the next call for the same forwarder.
 */
bool forwarder_frame(struct forwarder *forwarder, unsigned int index, struct forwarder_frame *ret_frame);
/* True when the packet leaves by pkt->out_port. */
int forwarder_leaves(const struct sl_packet *pkt, enum sl_verdict verdict);

#endif
