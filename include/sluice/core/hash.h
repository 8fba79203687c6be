/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SipHash-1-3 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012; one compression and
 * three finalisation rounds) and what is derived from it. Keyed, so that outsiders cannot aim at one
 * backend. Pure; any thread, any home. Lengths are compile-time constants where BPF uses it.
 */
#ifndef SLUICE_CORE_HASH_H
#define SLUICE_CORE_HASH_H

#include "../types.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "SipHash here reads words as little endian: add byte swaps before building for this host"
#endif

struct sl_sip_state {
	__u64 v0, v1, v2, v3;
};

SL_INLINE __u64 sl_rotl64(__u64 x, int bits)
{
	return (x << bits) | (x >> (64 - bits));
}

SL_INLINE void sl_sip_round(struct sl_sip_state *s)
{
	s->v0 += s->v1;
	s->v1 = sl_rotl64(s->v1, 13) ^ s->v0;
	s->v0 = sl_rotl64(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = sl_rotl64(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = sl_rotl64(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = sl_rotl64(s->v1, 17) ^ s->v2;
	s->v2 = sl_rotl64(s->v2, 32);
}

SL_INLINE __u64 sl_sip_hash(const struct sl_key *key, const void *data, __u32 len)
{
	const __u8 *bytes = (const __u8 *)data;
	struct sl_sip_state s = {
		key->k0 ^ 0x736f6d6570736575ull, key->k1 ^ 0x646f72616e646f6dull,
		key->k0 ^ 0x6c7967656e657261ull, key->k1 ^ 0x7465646279746573ull,
	};
	__u64 word = (__u64)len << 56;
	__u32 i;

	SL_UNROLL
	for (i = 0; i + 8 <= len; i += 8) {
		__u64 m;

		__builtin_memcpy(&m, bytes + i, 8);
		s.v3 ^= m;
		sl_sip_round(&s);
		s.v0 ^= m;
	}
	for (__u32 tail = 0; i + tail < len; tail++)
		word |= (__u64)bytes[i + tail] << (8 * tail);
	s.v3 ^= word;
	sl_sip_round(&s);
	s.v0 ^= word;
	s.v2 ^= 0xff;
	sl_sip_round(&s);
	sl_sip_round(&s);
	sl_sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

#ifdef __bpf__
/* One global function a length: the verifier walks each once, and not on every way to every call. */
#define SL_SIP_GLOBAL(name, size)                                                               \
	struct name##_input {                                                                   \
		__u8 bytes[size];                                                               \
	} SL_ALIGNED(8);                                                                        \
	__attribute__((noinline)) __u64 name(const struct sl_key *key, const struct name##_input *data); \
	__attribute__((noinline)) __u64 name(const struct sl_key *key, const struct name##_input *data)  \
	{                                                                                       \
		return key && data ? sl_sip_hash(key, data, size) : 0;                          \
	}
SL_SIP_GLOBAL(sl_sip_16, 16)
SL_SIP_GLOBAL(sl_sip_40, 40)
SL_SIP_GLOBAL(sl_sip_48, 48)
#endif

/* 64-bit SipHash-1-3 of `len` bytes at `data` under `key`. Reads nothing past data + len. */
SL_INLINE __u64 sl_siphash13(const struct sl_key *key, const void *data, __u32 len)
{
#ifdef __bpf__
	if (len == 16)
		return sl_sip_16(key, (const struct sl_sip_16_input *)data);
	if (len == 40)
		return sl_sip_40(key, (const struct sl_sip_40_input *)data);
	return sl_sip_48(key, (const struct sl_sip_48_input *)data); /* no other length is in use */
#else
	return sl_sip_hash(key, data, len);
#endif
}

/*
 * 64 keyed bits of the whole flow key, or of its source address when `by_source` (a constant where speed matters).
 * In BPF the verifier walks a function like this one once; in line, once for every way that leads to it.
 */
SL_CALL __u64 sl_flow_hash(const struct sl_key *key, const struct sl_flow_key *flow, int by_source)
{
#ifdef __bpf__
	if (!key || !flow)
		return 0;
#endif
	if (by_source)
		return sl_siphash13(key, flow, sizeof(struct sl_addr));
	return sl_siphash13(key, flow, sizeof(*flow));
}

/* The 32 bits that choose a row: the low half. */
SL_INLINE __u32 sl_row_hash(const struct sl_key *key, const struct sl_flow_key *flow, int by_source)
{
	return (__u32)sl_flow_hash(key, flow, by_source);
}

/* Maps 32 hash bits onto 0 .. rows-1 without a division: monotone, one multiplication. */
SL_INLINE __u32 sl_row_of(__u32 hash32, __u32 rows)
{
	return (__u32)(((__u64)hash32 * rows) >> 32);
}

/* The key of checksums (records, header page): fixed, so that both ends agree without a secret. */
#define SL_CHECKSUM_KEY ((struct sl_key){ 0x736c756963653a31ull, 0x636865636b73756dull })

/* Checksum of `len` bytes in shared memory: finds torn and flipped bytes, is no defence against intent. */
static inline __u64 sl_checksum64(const void *data, __u64 len)
{
	const struct sl_key key = SL_CHECKSUM_KEY;

	return sl_siphash13(&key, data, (__u32)len);
}

#endif
