/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The seam: all state the core reaches, it reaches through these. Each home defines struct sl_env and
 * every function below as SL_INLINE, then includes forward.h. Pointers stay valid for the packet
 * (DPDK: until the worker's next quiescent state; BPF: until the program returns). None blocks,
 * allocates or logs. All are called by the one thread that owns the env.
 */
#ifndef SLUICE_CORE_ENV_H
#define SLUICE_CORE_ENV_H

#include "datagram.h"
#include "flow.h"
#include "packet.h"

struct sl_env;
struct sl_quote;

/* The service that listens at (proto, dst, port): exact first, then all ports (port 0). NULL: none. */
SL_INLINE const struct sl_service *sl_env_service(struct sl_env *env, const struct sl_addr *dst, __be16 port,
						  __u8 proto);
/* The VIP with that address; NULL: the address is not ours. */
SL_INLINE const struct sl_vip *sl_env_vip(struct sl_env *env, const struct sl_addr *dst);
/* True when `src` is the outer source of one of our tunnels. Asked only for tunnel protocols and ICMP errors. */
SL_INLINE int sl_env_is_outer_source(struct sl_env *env, const struct sl_addr *src);
/* NULL: unknown id (the packet then ends as drop_no_backend). */
SL_INLINE const struct sl_pool *sl_env_pool(struct sl_env *env, __u32 pool);
/* The row's 16 bits: slot and SL_ROW_LOOK. `row` < pool->rows. */
SL_INLINE __u16 sl_env_row(struct sl_env *env, const struct sl_pool *pool, __u32 row);
/* NULL: no such slot. */
SL_INLINE const struct sl_backend *sl_env_backend(struct sl_env *env, const struct sl_pool *pool, __u16 slot);
/* NULL: no such next hop. */
SL_INLINE const struct sl_neighbor *sl_env_neighbor(struct sl_env *env, __u32 neighbor);
/* NULL: no such port. */
SL_INLINE const struct sl_port *sl_env_port(struct sl_env *env, __u16 port);
/* Never NULL. */
SL_INLINE const struct sl_settings *sl_env_settings(struct sl_env *env);
/* The base of a row for that kind of traffic: the pool's base table, or `current` where it has none. */
SL_INLINE __u16 sl_env_base(struct sl_env *env, const struct sl_pool *pool, __u8 kind, __u32 row, __u16 current);
/* The same through the pool's lens, whose tables have pool->lens_rows rows; *slot is written and 1 returned, or
 * 0: this kind has no lens any more. */
SL_INLINE int sl_env_lens(struct sl_env *env, const struct sl_pool *pool, __u8 kind, __u32 row, __u16 *slot);
/*
 * The memory of connections, by pkt->tag, pkt->pool, pkt->kind and pkt->row. Asked only in rows with LOOK or
 * when the service tracks always. get: 1 and *flow, or 0: nothing (or too old). put: remembers the connection
 * at `slot`, over what was remembered of it; 0, or not 0: there is no room. touch: it was seen now and is in
 * state `flags` (SL_FLOW_IS_*). Without UNCONFIRMED, put and touch also tell whoever shares the memory.
 */
SL_INLINE int sl_env_flow_get(struct sl_env *env, const struct sl_packet *pkt, struct sl_flow *flow);
SL_INLINE int sl_env_flow_put(struct sl_env *env, const struct sl_packet *pkt, __u16 slot, __u8 flags);
SL_INLINE void sl_env_flow_touch(struct sl_env *env, const struct sl_packet *pkt, const struct sl_flow *flow,
				 __u8 flags);
SL_INLINE void sl_env_flow_del(struct sl_env *env, const struct sl_packet *pkt, const struct sl_flow *flow);
/* True while the memory is so full that nothing new may be stored in open rows (selection.md 5, PRESSURE). */
SL_INLINE int sl_env_flow_pressure(struct sl_env *env);
SL_INLINE void sl_env_flow_count(struct sl_env *env, enum sl_flow_counter counter);
/*
 * The memory of fragmented datagrams, by their tag (datagram.h). get: what is remembered, for this thread to read
 * and to write until the next call of either; NULL: nothing, or older than SL_DATAGRAM_LIFE_MS. put: remembers
 * what `pkt`, a first fragment, came to (sl_datagram_begin), over what was remembered of it.
 */
SL_INLINE struct sl_datagram *sl_env_datagram_get(struct sl_env *env, const struct sl_packet *pkt, __u64 tag);
SL_INLINE void sl_env_datagram_put(struct sl_env *env, const struct sl_packet *pkt, __u64 tag,
				   enum sl_verdict verdict);
/* True when one packet may leave as several frames here (split.h). Else what is too big is dropped. */
SL_INLINE int sl_env_splits(struct sl_env *env);
/* Nanoseconds of a monotonic clock, constant within a burst. */
SL_INLINE __u64 sl_env_now(struct sl_env *env);
/* True when one more answer (RST, unreachable, too big) is within the worker's rate; takes it. */
SL_INLINE int sl_env_reply_allowed(struct sl_env *env);
/*
 * Makes the frame fit pkt->plan: plan.grow more bytes in front, or plan.cut less (one of them is 0, and what
 * is cut was readable), plan.frame_len bytes in all (only ever cuts off: never more than the grown frame), and
 * sets pkt->data, pkt->end and pkt->frame_len anew. The new bytes may hold anything. 0, or not 0 when the buffer has no room; the
 * frame is then as before. Not called when there is nothing to do (sl_room in forward.h).
 */
SL_INLINE int sl_env_room(struct sl_env *env, struct sl_packet *pkt);
#ifdef __bpf__
/*
 * The sum of `len` bytes at `offset` of the frame, as sl_csum_words has it; both may be out of bounds,
 * what lies there is then 0. Only BPF homes define it, in a function of its own: in line, the verifier
 * would walk the loop once for every way that leads to it.
 */
SL_INLINE __u64 sl_env_sum(struct sl_env *env, const struct sl_packet *pkt, __u32 offset, __u32 len);
/* sl_quote_read of quote.h, likewise. */
SL_INLINE int sl_env_quote(struct sl_env *env, const struct sl_packet *pkt, __u32 at, int v6, struct sl_quote *quote);
#endif
/* Counts the packet under its verdict, its service where set, and its backend when it is forwarded. Called
 * once a packet. */
SL_INLINE void sl_env_count(struct sl_env *env, const struct sl_packet *pkt, enum sl_verdict verdict);

#endif
