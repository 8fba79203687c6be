/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two ends of a ring and of the arena beside it (layout: abi.h). One producer, one consumer, each
 * in a process that may die at any instruction. Each end trusts its own position, kept in private
 * memory, and believes the peer's only as far as it makes sense; it writes its own position back when
 * somebody else changed it, so a flipped bit heals. No call blocks, loops without bound or touches a
 * byte outside the regions, whatever the peer writes.
 */
#ifndef SLUICE_RING_H
#define SLUICE_RING_H

#include "abi.h"
#include "core/hash.h"

/* How a producer publishes. tests/conformance/ring_threads.c plants a weaker one and must be caught. */
#ifndef SL_RING_RELEASE
#define SL_RING_RELEASE __ATOMIC_RELEASE
#endif

/* One end, in the private memory of the process that owns it. */
struct sl_ring_end {
	struct sl_ring *ring;     /* shared */
	struct sl_record *slots;  /* shared */
	__u8 *arena;              /* shared; NULL: this ring has none */
	__u64 slot_count;         /* a power of two */
	__u64 arena_size;         /* a power of two, or 0 */
	__u64 session;
	__u64 position;           /* producer: next to write; consumer: next to read */
	__u64 arena_position;     /* producer: bytes written; consumer: bytes done with */
};

/* Slots of a ring region of `size` bytes: the largest power of two that fits; 0: none does. */
SL_INLINE __u64 sl_ring_slots(__u64 size)
{
	__u64 slots = 1;

	if (size < sizeof(struct sl_ring) + sizeof(struct sl_record))
		return 0;
	size = (size - sizeof(struct sl_ring)) / sizeof(struct sl_record);
	while (slots <= size / 2)
		slots *= 2;
	return slots;
}

/* Finds the shared parts. Regions are as the checked header says; `arena` may be NULL. */
SL_INLINE void sl_ring_attach(struct sl_ring_end *end, void *base, const struct sl_region *ring,
			      const struct sl_region *arena, __u64 session)
{
	__u8 *bytes = (__u8 *)base;

	end->ring = (struct sl_ring *)(bytes + ring->offset);
	end->slots = (struct sl_record *)(bytes + ring->offset + sizeof(struct sl_ring));
	end->slot_count = sl_ring_slots(ring->size);
	end->arena = arena ? bytes + arena->offset : (__u8 *)SL_NULL;
	end->arena_size = arena ? arena->size : 0;
	end->session = session;
	end->position = 0;
	end->arena_position = 0;
}

/* Goes on where an earlier producer of this file stopped (or at 0). */
SL_INLINE void sl_ring_begin_producer(struct sl_ring_end *end)
{
	const __u64 tail = __atomic_load_n(&end->ring->tail, __ATOMIC_ACQUIRE);

	end->position = __atomic_load_n(&end->ring->head, __ATOMIC_RELAXED);
	if (end->position - tail > end->slot_count)
		end->position = tail;
	end->arena_position = __atomic_load_n(&end->ring->arena_head, __ATOMIC_RELAXED);
}

/* Goes on where an earlier consumer of this file stopped (or at 0). */
SL_INLINE void sl_ring_begin_consumer(struct sl_ring_end *end)
{
	const __u64 head = __atomic_load_n(&end->ring->head, __ATOMIC_ACQUIRE);

	end->position = __atomic_load_n(&end->ring->tail, __ATOMIC_RELAXED);
	if (head - end->position > end->slot_count)
		end->position = head;
	end->arena_position = __atomic_load_n(&end->ring->arena_tail, __ATOMIC_RELAXED);
}

/* ---- producer ----------------------------------------------------------------------------------------- */

/* Records that can be pushed now. A tail that makes no sense means none. */
SL_INLINE __u64 sl_ring_room(struct sl_ring_end *end)
{
	/* acquire: the consumer's copies are finished before we overwrite (pairs with sl_ring_take) */
	const __u64 tail = __atomic_load_n(&end->ring->tail, __ATOMIC_ACQUIRE);
	const __u64 used = end->position - tail;

	if (sl_unlikely(__atomic_load_n(&end->ring->head, __ATOMIC_RELAXED) != end->position))
		__atomic_store_n(&end->ring->head, end->position, SL_RING_RELEASE);
	return used > end->slot_count ? 0 : end->slot_count - used;
}

/* Appends one record. Returns 1, or 0 when the ring is full. `len` <= sizeof(union sl_payload). */
SL_INLINE int sl_ring_push(struct sl_ring_end *end, __u16 type, __u8 op, const void *payload, __u32 len)
{
	struct sl_record record = { 0 };

	if (sl_ring_room(end) == 0)
		return 0;
	record.session = end->session;
	record.sequence = end->position;
	record.type = type;
	record.op = op;
	if (len > 0)
		__builtin_memcpy(&record.payload, payload, len);
	record.checksum = sl_checksum64(&record, __builtin_offsetof(struct sl_record, checksum));
	end->slots[end->position & (end->slot_count - 1)] = record;
	end->position++;
	/* release: the record's bytes and its table's are there before its number is (pairs with sl_ring_take) */
	__atomic_store_n(&end->ring->head, end->position, SL_RING_RELEASE);
	return 1;
}

/*
 * Copies `len` table bytes into the arena, contiguously (what is left at the arena's end is skipped),
 * and says in *put where they are. Returns 1, or 0 when there is no room now. `len` <= arena_size / 2,
 * so that an empty arena always has room. Call sl_ring_room() first: the bytes count as written.
 */
SL_INLINE int sl_arena_write(struct sl_ring_end *end, const void *bytes, __u64 len, struct sl_table_put *put)
{
	/* acquire: pairs with the consumer's release in sl_arena_release */
	const __u64 tail = __atomic_load_n(&end->ring->arena_tail, __ATOMIC_ACQUIRE);
	const __u64 used = end->arena_position - tail;
	__u64 at = end->arena_position & (end->arena_size - 1);
	__u64 skip = at + len > end->arena_size ? end->arena_size - at : 0;

	if (len > end->arena_size / 2 || used > end->arena_size || skip + len > end->arena_size - used)
		return 0;
	at = (at + skip) & (end->arena_size - 1);
	__builtin_memcpy(end->arena + at, bytes, len);
	put->position = end->arena_position + skip;
	put->length = len;
	put->release = put->position + len;
	put->checksum = sl_checksum64(bytes, len);
	end->arena_position = put->release;
	__atomic_store_n(&end->ring->arena_head, end->arena_position, __ATOMIC_RELAXED); /* for people to look at */
	return 1;
}

/* ---- consumer ----------------------------------------------------------------------------------------- */

/*
 * Takes the next record: copies it to private memory, gives its slot back, then checks the copy.
 * Returns 1 (sound), 0 (nothing there), or the negative sl_reject_reason of an unsound one, whose
 * `type` is then not to be believed. Any return but 0 made progress.
 */
SL_INLINE int sl_ring_take(struct sl_ring_end *end, struct sl_record *copy)
{
	/* acquire: pairs with the producer's release in sl_ring_push */
	const __u64 head = __atomic_load_n(&end->ring->head, __ATOMIC_ACQUIRE);
	const __u64 position = end->position;

	if (sl_unlikely(__atomic_load_n(&end->ring->tail, __ATOMIC_RELAXED) != position))
		__atomic_store_n(&end->ring->tail, position, __ATOMIC_RELEASE);
	if (head == position)
		return 0;
	if (head - position > end->slot_count) { /* the producer's number makes no sense: start over there */
		end->position = head;
		__atomic_store_n(&end->ring->tail, head, __ATOMIC_RELEASE);
		copy->type = SL_RECORD_NONE;
		copy->sequence = position;
		return -SL_REJECT_SEQUENCE;
	}
	*copy = end->slots[position & (end->slot_count - 1)];
	__asm__ volatile("" ::: "memory"); /* the checks below read the copy, never the shared bytes again */
	end->position = position + 1;
	/* release: our copy is complete before the slot may be overwritten (pairs with sl_ring_room) */
	__atomic_store_n(&end->ring->tail, end->position, __ATOMIC_RELEASE);
	if (copy->checksum != sl_checksum64(copy, __builtin_offsetof(struct sl_record, checksum)))
		return -SL_REJECT_CHECKSUM;
	if (copy->session != end->session)
		return -SL_REJECT_SESSION;
	if (copy->sequence != position)
		return -SL_REJECT_SEQUENCE;
	return 1;
}

/* Where a TABLE's bytes lie in the arena, or NULL when its numbers point outside what can be there. */
SL_INLINE const __u8 *sl_arena_bytes(const struct sl_ring_end *end, const struct sl_table_put *put)
{
	const __u64 at = put->position & (end->arena_size - 1);

	if (end->arena_size == 0 || put->length > end->arena_size / 2 || at + put->length > end->arena_size)
		return (const __u8 *)SL_NULL;
	if (put->release != put->position + put->length ||
	    put->release - end->arena_position > end->arena_size)
		return (const __u8 *)SL_NULL;
	return end->arena + at;
}

/* Gives back every arena byte before `position`, once they are copied (or at RESET: given up). */
SL_INLINE void sl_arena_release(struct sl_ring_end *end, __u64 position)
{
	end->arena_position = position;
	/* release: our copy is complete before the bytes may be overwritten (pairs with sl_arena_write) */
	__atomic_store_n(&end->ring->arena_tail, position, __ATOMIC_RELEASE);
}

/* Undoes what somebody else did to our arena tail. */
SL_INLINE void sl_arena_heal(struct sl_ring_end *end)
{
	if (sl_unlikely(__atomic_load_n(&end->ring->arena_tail, __ATOMIC_RELAXED) != end->arena_position))
		__atomic_store_n(&end->ring->arena_tail, end->arena_position, __ATOMIC_RELEASE);
}

#endif
