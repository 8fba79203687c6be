/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one way to a frame's bytes. Nothing else in the core adds to pkt->data, so nothing else can read
 * past the frame. An offset is bounded by a constant before it is added: the BPF verifier asks for it.
 */
#ifndef SLUICE_CORE_CURSOR_H
#define SLUICE_CORE_CURSOR_H

#include "packet.h"
#include "wire.h"

enum {
	SL_CURSOR_MAX = 2048, /* no header begins later; a quoted packet's last word does not either */
};

_Static_assert((SL_CURSOR_MAX & (SL_CURSOR_MAX - 1)) == 0, "what is at most that much is not changed by the mask below");

/* `size` (a constant) bytes at `offset`, or NULL when the readable part of the frame is shorter. */
SL_INLINE __u8 *sl_cursor(const struct sl_packet *pkt, __u64 offset, __u64 size)
{
	__u8 *bytes = pkt->data, *end = pkt->end;

	if (offset > SL_CURSOR_MAX)
		return SL_NULL;
#ifdef __bpf__
	/* The verifier trusts the very registers that were compared or masked, no copy that was on the stack meanwhile:
	 * so the bound and the sum are one piece, and clang may not add up another `bytes` for the access. */
	__asm__ volatile("%[offset] &= %[mask]\n\t%[bytes] += %[offset]"
			 : [bytes] "+r"(bytes), [offset] "+r"(offset)
			 : [mask] "i"(2 * SL_CURSOR_MAX - 1));
	__asm__ volatile("" : "+r"(bytes), "+r"(end));
#else
	bytes += offset;
#endif
	if (bytes + size > end)
		return SL_NULL;
	return bytes;
}

/* Bytes of the frame that are readable here: all of it, or what its first buffer holds. */
SL_INLINE __u32 sl_readable(const struct sl_packet *pkt)
{
	__u64 bytes = (__u64)pkt->end - (__u64)pkt->data;

#ifdef __bpf__
	__asm__ volatile("" : "+r"(bytes)); /* a pointer in half a register is none */
#endif
	return (__u32)bytes;
}

#endif
