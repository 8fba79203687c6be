/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Internet checksum (RFC 1071) and its incremental update (RFC 1624). Sums are over words as they
 * lie in memory: the result is stored as it is, on any byte order. Pure; any thread, any home.
 */
#ifndef SLUICE_CORE_CHECKSUM_H
#define SLUICE_CORE_CHECKSUM_H

#include "../types.h"

/* Folds a sum to 16 bits; not yet complemented. */
SL_INLINE __u16 sl_csum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

/* The sum of `len` bytes; `len` is a constant, a multiple of four, at most 4 KiB. */
SL_INLINE __u64 sl_csum_words(const void *data, __u32 len)
{
	const __u8 *bytes = (const __u8 *)data;
	__u64 sum = 0;

	SL_UNROLL
	for (__u32 i = 0; i < len; i += 4) {
		__u32 word;

#ifdef __bpf__ /* where clang knows no alignment it reads bytes */
		word = *(const __u32 *)(bytes + i);
#else
		__builtin_memcpy(&word, bytes + i, 4);
#endif
		sum += word;
	}
	return sum;
}

/*
 * The part of a TCP, UDP or ICMPv6 checksum that comes from the pseudo header. A mapped IPv4 address
 * sums to the address itself: its ffff is zero in this arithmetic, so both families share this.
 */
SL_INLINE __u64 sl_csum_pseudo(const struct sl_addr *src, const struct sl_addr *dst, __u8 proto, __u32 len)
{
	return sl_csum_words(src, 16) + sl_csum_words(dst, 16) + sl_bswap16(proto) + sl_bswap32(len);
}

/* `csum` after one 16-bit word of what it covers changed from `from` to `to` (RFC 1624, equation 3). */
SL_INLINE __u16 sl_csum_update(__u16 csum, __u16 from, __u16 to)
{
	return (__u16)~sl_csum_fold((__u64)(__u16)~csum + (__u16)~from + to);
}

#endif
