/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The types every contract uses. Fixed widths only, no libc: this file is compiled by gcc, by clang
 * and by clang -target bpf. All multi-byte values are host order unless their type is __be16/__be32.
 */
#ifndef SLUICE_TYPES_H
#define SLUICE_TYPES_H

#include <linux/types.h>

#define SL_INLINE static inline __attribute__((always_inline))
/* What few packets need is a call, so that the others' code stays small; in BPF everything is in line. */
#ifdef __bpf__
#define SL_RARE SL_INLINE
#else
#define SL_RARE static __attribute__((noinline, unused))
#endif
/* A function of the core that BPF calls: the verifier then walks it once, whoever calls it. In line elsewhere. */
#ifdef __bpf__
#define SL_CALL __attribute__((noinline, weak))
#else
#define SL_CALL SL_INLINE
#endif
#define SL_ALIGNED(n) __attribute__((aligned(n)))
#define sl_likely(x) __builtin_expect(!!(x), 1)
#define sl_unlikely(x) __builtin_expect(!!(x), 0)

/* In front of a short loop with a constant count: gcc unrolls none at -O2 by itself, clang does. */
#ifdef __clang__
#define SL_UNROLL
#else
#define SL_UNROLL _Pragma("GCC unroll 8")
#endif

#ifndef SL_NULL
#define SL_NULL ((void *)0)
#endif

/* The other byte order; constant-folds. Every supported host is little endian (abi.h refuses others). */
#define sl_bswap16(x) ((__u16)__builtin_bswap16((__u16)(x)))
#define sl_bswap32(x) ((__u32)__builtin_bswap32((__u32)(x)))

/* An address, always 16 bytes, network order; IPv4 is mapped as ::ffff:a.b.c.d (RFC 4291 2.5.5.2). */
struct sl_addr {
	union {
		__u8 b[16];
		__be32 w[4];
		__u64 d[2];
	};
};

/* A 128-bit SipHash key: k0 and k1 are the key's bytes 0..7 and 8..15, little endian. */
struct sl_key {
	__u64 k0;
	__u64 k1;
};

/*
 * What identifies a flow, and what `hash: 5tuple` hashes: 40 bytes, no holes, `zero` is zero.
 * `hash: source` hashes the first 16 bytes of it.
 */
struct sl_flow_key {
	struct sl_addr src;
	struct sl_addr dst;
	__be16 sport;
	__be16 dport;
	__u8 proto; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 zero[3];
};

_Static_assert(sizeof(struct sl_addr) == 16, "addresses are 16 bytes on the wire and in every table");
_Static_assert(sizeof(struct sl_flow_key) == 40, "the hash input has no holes");

/* True for an IPv4-mapped address. Any thread. */
SL_INLINE int sl_addr_is_v4(const struct sl_addr *a)
{
	return a->d[0] == 0 && a->w[2] == (__be32)0xffff0000u;
}

/* True when both are the same address. Any thread. */
SL_INLINE int sl_addr_equal(const struct sl_addr *a, const struct sl_addr *b)
{
	return a->d[0] == b->d[0] && a->d[1] == b->d[1];
}

/* The mapped form of an IPv4 address in network order. Any thread. */
SL_INLINE struct sl_addr sl_addr_from_v4(__be32 v4)
{
	struct sl_addr a;

	a.d[0] = 0;
#ifdef __bpf__ /* in one store, for it is loaded as one word soon: waiting for two costs more than making one */
	a.d[1] = (__u64)v4 << 32 | 0xffff0000u;
#else
	a.w[2] = (__be32)0xffff0000u;
	a.w[3] = v4;
#endif
	return a;
}

#endif
