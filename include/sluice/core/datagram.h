/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One datagram that arrives in fragments: the number it is remembered by, what its first fragment decided for
 * all of them, and which of its bytes were seen. Where that is kept is the home's business (env.h:
 * sl_env_datagram_*); what follows from it is fragment.h's.
 */
#ifndef SLUICE_CORE_DATAGRAM_H
#define SLUICE_CORE_DATAGRAM_H

#include "../tables.h"
#include "hash.h"
#include "packet.h"

enum {
	SL_DATAGRAM_PIECES = 6,       /* separate stretches of one datagram: more wait until gaps close */
	SL_DATAGRAM_LIFE_MS = 2000,   /* from its first fragment on: a path reorders by milliseconds */
};

/* What a first fragment decided. Never changes: in a table that others read, two words that one thread writes. */
struct sl_datagram_answer {
	__u32 pool;
	__be16 sport;
	__be16 dport;
	__u16 slot;   /* where it went, if `verdict` is FORWARD */
	__u16 first;  /* units of eight bytes that the first fragment has */
	__u8 proto;   /* of the transport header */
	__u8 verdict; /* enum sl_verdict of its later fragments: none of them is answered */
	__u16 zero;
};

/* A stretch of the datagram in units of eight bytes, `to` is one past its last; `to` 0: unused. */
struct sl_datagram_piece {
	__u16 from;
	__u16 to;
};

struct sl_datagram {
	struct sl_datagram_answer answer;
	__u8 overlaps; /* seen twice in parts: nothing of it is forwarded any more, RFC 5722 3 */
	__u8 zero;
	__u16 end;     /* units in all, once its last fragment was seen; 0: not yet */
	struct sl_datagram_piece last; /* the fragment that was taken last */
	struct sl_datagram_piece seen[SL_DATAGRAM_PIECES]; /* in no order, touching ones joined */
};

_Static_assert(sizeof(struct sl_datagram_answer) == 16, "two words");
_Static_assert(sizeof(struct sl_datagram) == 48, "with tag and time an entry of a table is 64 bytes");

/* What the tag is made of: 48 bytes, no holes, never equal to a struct sl_flow_name. */
struct sl_datagram_name {
	struct sl_addr src;
	struct sl_addr dst;
	__be32 id;
	__u8 proto; /* IPv4: part of a datagram's name (RFC 791 3.2); IPv6: 0 (RFC 8200 4.5) */
	__u8 zero[7];
	__u32 one;
};

_Static_assert(sizeof(struct sl_datagram_name) == 48, "the hash input has no holes");

/* 64 keyed bits that stand for a datagram; never 0. */
SL_INLINE __u64 sl_datagram_tag(const struct sl_key *flow_key, const struct sl_packet *pkt)
{
	const struct sl_datagram_name name = {
		.src = pkt->key.src,
		.dst = pkt->key.dst,
		.id = pkt->frag_id,
		.proto = pkt->flags & SL_PKT_V6 ? 0 : pkt->proto,
		.one = 1,
	};
	const __u64 tag = sl_siphash13(flow_key, &name, sizeof(name));

	return tag ? tag : 1;
}

/* The packet's part of its datagram. Starts are multiples of eight; only the very end may lie inside a unit. */
SL_INLINE struct sl_datagram_piece sl_datagram_piece(const struct sl_packet *pkt)
{
	const struct sl_datagram_piece piece = {
		.from = pkt->frag_at / 8,
		.to = (__u16)(((__u32)pkt->frag_at + pkt->frag_len + 7) / 8),
	};

	return piece;
}

/* Whole milliseconds of one clock, whose upper bits may be missing. Born later than now, on another CPU, is young. */
SL_INLINE int sl_datagram_is_old(__u32 born_ms, __u32 now_ms)
{
	const __u32 age_ms = now_ms - born_ms;

	return age_ms > SL_DATAGRAM_LIFE_MS && age_ms < 0x80000000u;
}

/* What a first fragment leaves for the others of its datagram: where it went, or why it did not. */
SL_INLINE void sl_datagram_begin(struct sl_datagram *datagram, const struct sl_packet *pkt, enum sl_verdict verdict)
{
	const struct sl_datagram_piece piece = sl_datagram_piece(pkt);

	__builtin_memset(datagram, 0, sizeof(*datagram));
	datagram->answer.pool = pkt->pool ? pkt->pool->id : 0;
	datagram->answer.sport = pkt->key.sport;
	datagram->answer.dport = pkt->key.dport;
	datagram->answer.slot = pkt->slot;
	datagram->answer.first = piece.to;
	datagram->answer.proto = pkt->proto;
	datagram->answer.verdict = (__u8)verdict;
	datagram->last = piece;
	datagram->seen[0] = piece;
}

/* What is known of a datagram whose first fragment another thread saw: what that one decided, and its length. */
SL_INLINE void sl_datagram_adopt(struct sl_datagram *datagram, const struct sl_datagram_answer *answer)
{
	__builtin_memset(datagram, 0, sizeof(*datagram));
	datagram->answer = *answer;
	datagram->last.to = answer->first;
	datagram->seen[0].to = answer->first;
}

/* True when every byte was seen: its name may be another datagram's now. */
SL_INLINE int sl_datagram_is_whole(const struct sl_datagram *datagram)
{
	if (!datagram->end || datagram->overlaps)
		return 0;
	for (int i = 0; i < SL_DATAGRAM_PIECES; i++)
		if (!datagram->seen[i].from && datagram->seen[i].to == datagram->end)
			return 1;
	return 0;
}

/* Of a fragment and what was seen before it. */
enum sl_datagram_fit {
	SL_DATAGRAM_NEW,       /* taken */
	SL_DATAGRAM_AGAIN,     /* the same stretch as the one before: a copy, as networks make them */
	SL_DATAGRAM_OVERLAPS,  /* or it contradicts where the datagram ends */
	SL_DATAGRAM_SCATTERED, /* one stretch more than there is room for; not taken */
};

/* Takes a stretch that touches or overlaps none, one or two of those seen. */
SL_INLINE enum sl_datagram_fit sl_datagram_join(struct sl_datagram *datagram, struct sl_datagram_piece piece)
{
	struct sl_datagram_piece *left = SL_NULL, *right = SL_NULL, *unused = SL_NULL;

	SL_UNROLL
	for (int i = 0; i < SL_DATAGRAM_PIECES; i++) {
		struct sl_datagram_piece *seen = &datagram->seen[i];

		if (!seen->to) {
			unused = seen;
			continue;
		}
		if (piece.from < seen->to && seen->from < piece.to)
			return SL_DATAGRAM_OVERLAPS;
		if (seen->to == piece.from)
			left = seen;
		if (seen->from == piece.to)
			right = seen;
	}
	if (left) {
		left->to = right ? right->to : piece.to;
		if (right)
			right->from = right->to = 0;
	} else if (right) {
		right->from = piece.from;
	} else if (unused) {
		*unused = piece;
	} else {
		return SL_DATAGRAM_SCATTERED;
	}
	return SL_DATAGRAM_NEW;
}

/* True when a stretch lies behind the end that is known, or a last one before something that was seen. */
SL_INLINE int sl_datagram_contradicts(const struct sl_datagram *datagram, struct sl_datagram_piece piece, __u32 more)
{
	if (datagram->end && (piece.to > datagram->end || (!more && piece.to != datagram->end)))
		return 1;
	if (more)
		return 0;
	for (int i = 0; i < SL_DATAGRAM_PIECES; i++)
		if (datagram->seen[i].to > piece.to)
			return 1;
	return 0;
}

/*
 * Takes a stretch [from, to) of a later fragment: notes it, or that the datagram is spoilt. Returns an enum
 * sl_datagram_fit. BPF has it as a global function, which the verifier walks once.
 */
#ifdef __bpf__
__attribute__((noinline)) int sl_datagram_take(struct sl_datagram *datagram, __u32 from, __u32 to, __u32 more);
__attribute__((noinline))
#else
SL_INLINE
#endif
int sl_datagram_take(struct sl_datagram *datagram, __u32 from, __u32 to, __u32 more)
{
	const struct sl_datagram_piece piece = { .from = (__u16)from, .to = (__u16)to };
	enum sl_datagram_fit fit = SL_DATAGRAM_OVERLAPS;

	if (!datagram || datagram->overlaps) /* never NULL; the verifier does not know */
		return SL_DATAGRAM_OVERLAPS;
	if (piece.from == datagram->last.from && piece.to == datagram->last.to)
		return SL_DATAGRAM_AGAIN;
	if (!sl_datagram_contradicts(datagram, piece, more))
		fit = sl_datagram_join(datagram, piece);
	if (fit == SL_DATAGRAM_OVERLAPS)
		datagram->overlaps = 1;
	if (fit == SL_DATAGRAM_NEW) {
		datagram->last = piece;
		if (!more)
			datagram->end = piece.to;
	}
	return fit;
}

#endif
