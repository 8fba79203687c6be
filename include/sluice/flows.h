/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of remembered connections that outlives processes: <runtime-dir>/<instance>/flows.shm. sluiced
 * makes it when there is none it can use; sluice-dp's manager alone writes entries; every worker reads it
 * after a miss of its own table; sluiced reads it for its census (which rows and slots are still named).
 *
 *   page 0     struct sl_flows_header   sluiced writes it once, before the file gets its name
 *   page 1     struct sl_flows_live     the manager writes, sluiced reads
 *   region     buckets x struct sl_flow_bucket
 *   region     buckets x struct sl_flow_home
 *
 * An entry is valid when its tag is not 0. The writer fills everything else first and stores the tag last
 * with release; to remove, it stores 0 to the tag first. A reader loads the tag with acquire, reads, and
 * loads the tag again: another tag than before means the entry went meanwhile. No reader waits for a writer,
 * so a writer killed at any instruction harms nobody. Slots and flags are one 16-bit word. An entry whose slot
 * is SL_SLOT_NONE says that its connection is forgotten, for SL_FLOW_CLOSING_S: a worker that still has an older
 * entry of it then believes the file, for the later word of two tables holds. A file whose flow_key
 * or numbering is not that of the settings one forwards by (tables.h) is neither read nor written: it belongs
 * to a generation that is still to come, or to one that is over. A bigger file that takes this one's place
 * gets its entries from whoever writes them. What makes a header sound: flows_file.h.
 */
#ifndef SLUICE_FLOWS_H
#define SLUICE_FLOWS_H

#include "abi.h"

#define SL_FLOWS_MAGIC 0x53574f4c46434c53ull /* "SLCFLOWS", read as bytes */
#define SL_FLOWS_FILE "flows.shm"

enum {
	SL_FLOWS_MAJOR = 1, /* of the layout; another: the file is not used */
	SL_FLOWS_MINOR = 0, /* newer: fields past the reader's struct are unknown to it and stay unread */
	SL_FLOWS_WHOLE = 1, /* sl_flows_live.whole_s */
	SL_FLOW_WAYS = 5,   /* entries of one cache line */
	SL_FLOW_CLOSING = 0x8000, /* bit 15 of an entry's slot word: both ends said goodbye, or a reset was seen */
	SL_FLOW_CLOSING_S = 60,   /* how long such an entry stays */
	SL_FLOW_HANDSHAKE_S = 10, /* a start on an entry younger than this is the same handshake again */
};

struct sl_flows_header {
	__u64 magic;
	__u16 major;
	__u16 minor;
	__u32 header_size;
	__u64 total_size;
	__u64 buckets;         /* a power of two */
	__u64 created_ns;      /* CLOCK_REALTIME */
	__u8 boot_id[16];      /* of the boot whose clock the entries' seconds are of */
	struct sl_key flow_key; /* tags are made with it; a table of another key is of no use */
	__u64 numbering;       /* of the ids and slots in it: the state file's; another one: of no use */
	struct sl_region hot;
	struct sl_region home;
	__u64 zero[8];
	__u64 checksum;        /* sl_checksum64 of all bytes before it */
};

struct sl_flows_live {
	__u64 swept_s SL_ALIGNED(64); /* CLOCK_BOOTTIME seconds when the manager last went on: older than the longest
				       * life means that no entry's age is known any more */
	__u64 pressure_s;      /* CLOCK_BOOTTIME seconds when there was pressure last; 0: never. selection.md 5 */
	__u64 pressure;        /* 1: now */
	__u64 used;            /* entries, by the manager's count */
	__u64 capacity;        /* entries that fit */
	__u64 writer_pid;
	__u64 whole_s;         /* CLOCK_BOOTTIME seconds: what workers remember since then is in the file, what they did
				* before only where it was told again. SL_FLOWS_WHOLE: all is. 0: nobody has written it yet */
	__u64 zero[1];
};

/* One cache line. `seen_s` is the low half of CLOCK_BOOTTIME's seconds. `kinds` has 2 bits an entry. */
struct sl_flow_bucket {
	__u64 tag[SL_FLOW_WAYS];   /* sl_flow_tag(); 0: free */
	__u16 slot[SL_FLOW_WAYS];  /* slot | SL_FLOW_CLOSING */
	__u16 seen_s[SL_FLOW_WAYS];
	__u32 kinds;               /* enum sl_flow_kind of entry i: bits 2i, 2i+1; the rest belongs to the table's owner */
};

/* What an entry belongs to, beside its bucket; written before the tag. */
struct sl_flow_home {
	__u32 pool[SL_FLOW_WAYS];
	__u32 row[SL_FLOW_WAYS];   /* of the pool's table when it was last told */
	__u16 born_s[SL_FLOW_WAYS]; /* low half of the seconds when it was first remembered */
	__u16 zero[7];
};

_Static_assert(sizeof(struct sl_flow_bucket) == 64, "one lookup, one cache line");
_Static_assert(sizeof(struct sl_flow_home) == 64, "ABI");
_Static_assert(sizeof(struct sl_flows_header) <= SL_SHM_PAGE, "the header is page 0");

/* How long an entry is kept without a packet, in seconds: longer than a row stays open (selection.md 5: E >= W). */
SL_INLINE __u32 sl_flow_life_s(__u32 idle_s)
{
	return idle_s + idle_s / 4 + 2;
}

/* The life of an entry that is closing (not 0) or not, of such a life: closing never makes it longer. */
SL_INLINE __u32 sl_flow_life_as(__u32 life_s, int closing)
{
	return closing && life_s > SL_FLOW_CLOSING_S ? SL_FLOW_CLOSING_S : life_s;
}

/* Seconds between `seen_s` and `now_s`; a moment in the future (clocks of two cores) counts as now. */
SL_INLINE __u16 sl_flow_age_s(__u16 now_s, __u16 seen_s)
{
	const __u16 age = (__u16)(now_s - seen_s);

	return age > 0xff00 ? 0 : age;
}

/* The two buckets in which an entry may be, of `buckets` (a power of two): the same one only where there is but one. */
SL_INLINE __u64 sl_flow_bucket_first(__u64 tag, __u64 buckets)
{
	return tag & (buckets - 1);
}

SL_INLINE __u64 sl_flow_bucket_second(__u64 tag, __u64 buckets)
{
	const __u64 second = tag >> 32 & (buckets - 1);

	return second == sl_flow_bucket_first(tag, buckets) ? (second ^ 1) & (buckets - 1) : second;
}

/* How a writer shows an entry. tests/conformance/flow_threads.c plants a weaker one and must be caught. */
#ifndef SL_FLOWS_RELEASE
#define SL_FLOWS_RELEASE __ATOMIC_RELEASE
#endif

/* One entry as a reader copied it. */
struct sl_flow_entry {
	__u16 slot;   /* SL_SLOT_NONE: known to be forgotten */
	__u16 seen_s;
	__u8 kind;    /* < SL_FLOW_KIND_COUNT */
	__u8 closing;
	__u8 zero[2];
};

/*
 * Copies entry `way` of a bucket that somebody else may be writing: 1 and *entry when it is of `tag` (not 0), else 0.
 * Any thread; never waits. Values are those of one moment or the next; a kind that makes no sense is not found.
 */
SL_INLINE int sl_flow_entry_read(const struct sl_flow_bucket *bucket, unsigned int way, __u64 tag,
				 struct sl_flow_entry *entry)
{
	__u16 slot;

	if (__atomic_load_n(&bucket->tag[way], __ATOMIC_ACQUIRE) != tag) /* pairs with the writer's SL_FLOWS_RELEASE */
		return 0;
	/* acquire, each: the tag is loaded again after them, and finds the 0 that goes before every other entry's bytes */
	slot = __atomic_load_n(&bucket->slot[way], __ATOMIC_ACQUIRE);
	entry->seen_s = __atomic_load_n(&bucket->seen_s[way], __ATOMIC_ACQUIRE);
	entry->kind = (__u8)(__atomic_load_n(&bucket->kinds, __ATOMIC_ACQUIRE) >> 2 * way & 3);
	entry->slot = slot & SL_ROW_SLOT;
	entry->closing = (__u8)!!(slot & SL_FLOW_CLOSING);
	return __atomic_load_n(&bucket->tag[way], __ATOMIC_RELAXED) == tag && entry->kind < SL_FLOW_KIND_COUNT;
}

/* The entry of `tag` in a table of `buckets` buckets (a power of two): 1 and *entry, or 0. Whatever its age. */
SL_INLINE int sl_flow_find(const struct sl_flow_bucket *bucket, __u64 buckets, __u64 tag, struct sl_flow_entry *entry)
{
	const struct sl_flow_bucket *first = &bucket[sl_flow_bucket_first(tag, buckets)];
	const struct sl_flow_bucket *second = &bucket[sl_flow_bucket_second(tag, buckets)];
	unsigned int way;

	for (way = 0; way < SL_FLOW_WAYS; way++)
		if (sl_flow_entry_read(first, way, tag, entry))
			return 1;
	for (way = 0; way < SL_FLOW_WAYS; way++)
		if (sl_flow_entry_read(second, way, tag, entry))
			return 1;
	return 0;
}

/* False: so old that it counts as free. `life_s` is sl_flow_life_s() of its pool and kind. */
SL_INLINE int sl_flow_entry_lives(const struct sl_flow_entry *entry, __u16 now_s, __u32 life_s)
{
	return sl_flow_age_s(now_s, entry->seen_s) <= sl_flow_life_as(life_s, entry->closing);
}

#endif
