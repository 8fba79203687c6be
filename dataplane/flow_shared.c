/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one writer of flows.shm. Every store is such that the process may be killed after it: an entry appears whole
 * or not at all, and what readers see of one that changes is one of its states.
 */
#include "dataplane/flow_shared.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/snapshot_layout.h"

#define FLOW_REMEDY "sluiced replaces it when it starts"

enum {
	FULL_PERCENT = 80,
	ROOMY_PERCENT = 70,
	START_SHIFT = 16, /* bit 16 + way of a bucket's `kinds`: the start of that connection was seen */
};

struct flow_shared {
	struct sl_flows_header header; /* private copy */
	struct shared_file file;
	struct sl_flow_bucket *bucket;
	struct sl_flow_home *home;
	uint64_t used;      /* entries, by our count; exact after the first round of the sweep */
	uint64_t sweep_at;  /* next bucket */
	uint64_t sweep_used; /* entries found so far in this round */
	uint64_t refused;
	bool counted, full;
};

/* One entry's place. */
struct place {
	uint64_t at; /* bucket */
	unsigned int way;
};

/* ---- opening ------------------------------------------------------------------------------------------ */

static int check_header(const struct sl_flows_header *header, uint64_t size, const uint8_t boot_id[16],
			struct shm_error *reterr_error)
{
	const enum sl_flows_fault fault = sl_flows_check(header, size);

	if (fault == SL_FLOWS_LAYOUT)
		return shm_refuse(reterr_error, -EPROTO,
				  "%s (version %u.%u, this sluice-dp speaks %u): run sluiced and sluice-dp of one release",
				  sl_flows_fault_name(fault), header->major, header->minor, SL_FLOWS_MAJOR);
	if (fault != SL_FLOWS_SOUND)
		return shm_refuse(reterr_error, -EBADMSG, "%s: " FLOW_REMEDY, sl_flows_fault_name(fault));
	if (memcmp(header->boot_id, boot_id, sizeof(header->boot_id)) != 0)
		return shm_refuse(reterr_error, -ESTALE, "%s: " FLOW_REMEDY, sl_flows_fault_name(SL_FLOWS_BOOT));
	return 0;
}

int flow_shared_open(int dir_fd, uid_t owner, const uint8_t boot_id[16], struct flow_shared **ret_shared,
		     struct shm_error *reterr_error)
{
	struct flow_shared *shared = calloc(1, sizeof(*shared));
	uint64_t used;
	int err;

	if (shared == NULL)
		return shm_refuse(reterr_error, -ENOMEM, "no memory");
	err = shared_file_open(dir_fd, SL_FLOWS_FILE, owner, &shared->header, sizeof(shared->header), &shared->file,
			       reterr_error);
	if (err < 0) {
		free(shared);
		return err;
	}
	err = check_header(&shared->header, shared->file.size, boot_id, reterr_error);
	if (err == 0)
		err = shared_file_map(&shared->file, reterr_error);
	if (err < 0) {
		shared_file_close(&shared->file);
		free(shared);
		return err;
	}
	shared->bucket = (struct sl_flow_bucket *)((uint8_t *)shared->file.base + shared->header.hot.offset);
	shared->home = (struct sl_flow_home *)((uint8_t *)shared->file.base + shared->header.home.offset);
	used = __atomic_load_n(&flow_shared_live(shared)->used, __ATOMIC_RELAXED);
	shared->used = used <= sl_flows_capacity(shared->header.buckets) ? used : 0;
	*ret_shared = shared;
	return 0;
}

void flow_shared_close(struct flow_shared *shared)
{
	if (shared == NULL)
		return;
	shared_file_close(&shared->file);
	free(shared);
}

bool flow_shared_is_lost(const struct flow_shared *shared)
{
	return shared_file_is_lost(&shared->file);
}

bool flow_shared_is_replaced(const struct flow_shared *shared, int dir_fd)
{
	return shared_file_is_replaced(&shared->file, dir_fd, SL_FLOWS_FILE);
}

const struct sl_flows_header *flow_shared_header(const struct flow_shared *shared)
{
	return &shared->header;
}

struct sl_flows_live *flow_shared_live(const struct flow_shared *shared)
{
	return (struct sl_flows_live *)((uint8_t *)shared->file.base + SL_SHM_PAGE);
}

struct flow_view flow_shared_view(const struct flow_shared *shared, uint64_t since_s)
{
	return (struct flow_view){ shared->bucket, shared->header.buckets, since_s };
}

bool flow_shared_adopt(struct flow_shared *shared, uint64_t now_s, int64_t *ret_idle_s)
{
	struct sl_flows_live *live = flow_shared_live(shared);
	const uint64_t swept_s = __atomic_load_n(&live->swept_s, __ATOMIC_RELAXED);

	*ret_idle_s = swept_s == 0 ? 0 : (int64_t)(now_s - swept_s); /* 0: nobody has written it yet */
	if (*ret_idle_s >= -1 && *ret_idle_s <= FLOW_TABLE_GAP_S)
		return true;
	for (uint64_t at = 0; at < shared->header.buckets; at++)
		for (unsigned int way = 0; way < SL_FLOW_WAYS; way++)
			__atomic_store_n(&shared->bucket[at].tag[way], 0, __ATOMIC_RELAXED);
	shared->used = 0;
	return false;
}

/* ---- one entry ---------------------------------------------------------------------------------------- */

static uint64_t entry_tag(const struct flow_shared *shared, struct place place)
{
	return __atomic_load_n(&shared->bucket[place.at].tag[place.way], __ATOMIC_RELAXED);
}

static void entry_free(struct flow_shared *shared, struct place place)
{
	__atomic_store_n(&shared->bucket[place.at].tag[place.way], 0, __ATOMIC_RELAXED);
	if (shared->used > 0)
		shared->used--;
	if (place.at < shared->sweep_at && shared->sweep_used > 0)
		shared->sweep_used--;
}

/* The life of an entry whose pool is `pool`; the longest of its kind where that is not known. */
static uint32_t life_of(const struct flow_shared_lives *lives, uint32_t pool, uint8_t kind)
{
	const struct snapshot *snapshot = lives->snapshot;

	if (kind >= SL_FLOW_KIND_COUNT)
		return 0;
	if (snapshot != NULL && pool < snapshot->pool_count && snapshot->pool[pool] != NULL)
		return sl_flow_life_s(snapshot->pool[pool]->pool.idle_s[kind]);
	return lives->longest.life_s[kind];
}

/* False: the place may be taken: empty, expired, or of values that make no sense. */
static bool entry_lives(const struct flow_shared *shared, struct place place, uint64_t now_s,
			const struct flow_shared_lives *lives)
{
	const uint64_t tag = entry_tag(shared, place);
	struct sl_flow_entry entry;
	uint32_t pool;

	if (tag == 0 || !sl_flow_entry_read(&shared->bucket[place.at], place.way, tag, &entry))
		return false;
	pool = __atomic_load_n(&shared->home[place.at].pool[place.way], __ATOMIC_RELAXED);
	return sl_flow_entry_lives(&entry, (uint16_t)now_s, life_of(lives, pool, entry.kind));
}

static bool entry_started(const struct flow_shared *shared, struct place place)
{
	return __atomic_load_n(&shared->bucket[place.at].kinds, __ATOMIC_RELAXED) >> (START_SHIFT + place.way) & 1;
}

static bool entry_is_at(const struct flow_shared *shared, struct place place, uint16_t slot)
{
	return (__atomic_load_n(&shared->bucket[place.at].slot[place.way], __ATOMIC_RELAXED) & SL_ROW_SLOT) == slot;
}

/* What may change in an entry that is there: each word by itself, so a reader sees the old or the new one. */
static void entry_update(struct flow_shared *shared, struct place place, const struct flow_export *record, bool started)
{
	struct sl_flow_bucket *bucket = &shared->bucket[place.at];
	const uint32_t shift = 2 * place.way;
	const uint32_t kinds = __atomic_load_n(&bucket->kinds, __ATOMIC_RELAXED) & ~(3u << shift | 1u << (START_SHIFT + place.way));

	/* release, each: none of them is seen before the 0 that entry_write() stores to the tag */
	__atomic_store_n(&bucket->slot[place.way],
			 (uint16_t)((record->slot & SL_ROW_SLOT) | (record->closing ? SL_FLOW_CLOSING : 0)), SL_FLOWS_RELEASE);
	__atomic_store_n(&bucket->seen_s[place.way], record->seen_s, SL_FLOWS_RELEASE);
	__atomic_store_n(&bucket->kinds,
			 kinds | (uint32_t)(record->kind & 3) << shift | (uint32_t)started << (START_SHIFT + place.way),
			 SL_FLOWS_RELEASE);
	__atomic_store_n(&shared->home[place.at].row[place.way], record->row, SL_FLOWS_RELEASE);
}

static void entry_write(struct flow_shared *shared, struct place place, const struct flow_export *record, uint16_t born_s)
{
	struct sl_flow_home *home = &shared->home[place.at];

	if (entry_tag(shared, place) != 0)
		entry_free(shared, place);
	__atomic_store_n(&home->pool[place.way], record->pool, SL_FLOWS_RELEASE);
	__atomic_store_n(&home->born_s[place.way], born_s, SL_FLOWS_RELEASE);
	entry_update(shared, place, record, record->start);
	/* release: whoever sees the tag sees everything else of the entry (pairs with sl_flow_entry_read) */
	__atomic_store_n(&shared->bucket[place.at].tag[place.way], record->tag, SL_FLOWS_RELEASE);
	shared->used++;
	if (place.at < shared->sweep_at)
		shared->sweep_used++;
}

/* ---- places ------------------------------------------------------------------------------------------- */

static bool find(const struct flow_shared *shared, uint64_t tag, struct place *ret_place)
{
	for (int choice = 0; choice < 2; choice++) {
		struct place place = { .at = choice ? sl_flow_bucket_second(tag, shared->header.buckets)
						    : sl_flow_bucket_first(tag, shared->header.buckets) };

		for (place.way = 0; place.way < SL_FLOW_WAYS; place.way++)
			if (entry_tag(shared, place) == tag) {
				*ret_place = place;
				return true;
			}
	}
	return false;
}

/* A free place in that bucket, SL_FLOW_WAYS: none; *ret_taken is how many are not free. */
static struct place room_in(const struct flow_shared *shared, uint64_t at, uint64_t now_s,
			    const struct flow_shared_lives *lives, unsigned int *ret_taken)
{
	struct place place = { .at = at }, room = { .at = at, .way = SL_FLOW_WAYS };

	*ret_taken = 0;
	for (place.way = 0; place.way < SL_FLOW_WAYS; place.way++) {
		if (entry_lives(shared, place, now_s, lives))
			++*ret_taken;
		else
			room = place;
	}
	return room;
}

static int insert(struct flow_shared *shared, const struct flow_export *record, uint16_t born_s, uint64_t now_s,
		  const struct flow_shared_lives *lives)
{
	unsigned int first_taken, second_taken;
	const struct place first =
		room_in(shared, sl_flow_bucket_first(record->tag, shared->header.buckets), now_s, lives, &first_taken);
	const struct place second =
		room_in(shared, sl_flow_bucket_second(record->tag, shared->header.buckets), now_s, lives, &second_taken);
	const struct place place = second_taken < first_taken ? second : first;

	if (place.way == SL_FLOW_WAYS) {
		shared->refused++;
		return -ENOSPC;
	}
	entry_write(shared, place, record, born_s);
	if (shared->used * 100 > sl_flows_capacity(shared->header.buckets) * FULL_PERCENT)
		shared->full = true;
	return 0;
}

/*
 * Whether `record` says something newer of a living entry. Seconds are all there is to tell by, and rings are emptied
 * one after the other. So of two backends within a second the start's word stands against a guess from the row
 * (selection.md 5), and a connection that lives against the end of one that had the same ports.
 */
static bool is_newer(const struct flow_shared *shared, struct place place, const struct flow_export *record, uint64_t now_s)
{
	const struct sl_flow_bucket *bucket = &shared->bucket[place.at];
	const uint16_t slot = __atomic_load_n(&bucket->slot[place.way], __ATOMIC_RELAXED);
	const uint16_t age_s = sl_flow_age_s((uint16_t)now_s, __atomic_load_n(&bucket->seen_s[place.way], __ATOMIC_RELAXED));
	const uint16_t record_age_s = sl_flow_age_s((uint16_t)now_s, record->seen_s);
	const bool another = record->slot != SL_SLOT_NONE && !(slot & SL_FLOW_CLOSING) && record->slot != slot;
	const bool started = entry_started(shared, place);

	if (another && started != record->start && record_age_s <= age_s + 1 && age_s <= record_age_s + 1)
		return record->start;
	if (another && record_age_s == age_s && record->closing)
		return false;
	return record_age_s <= age_s;
}

int flow_shared_tell(struct flow_shared *shared, const struct flow_export *record, uint64_t now_s,
		     const struct flow_shared_lives *lives)
{
	struct place place;
	bool started;

	if (record->tag == 0 || record->kind >= SL_FLOW_KIND_COUNT)
		return 0;
	if (find(shared, record->tag, &place)) {
		started = record->start || (entry_is_at(shared, place, record->slot) && entry_started(shared, place));
		if (!entry_lives(shared, place, now_s, lives))
			entry_write(shared, place, record, record->seen_s);
		else if (is_newer(shared, place, record, now_s))
			entry_update(shared, place, record, started);
		return 0;
	}
	if (record->slot == SL_SLOT_NONE)
		return 0;
	return insert(shared, record, record->seen_s, now_s, lives);
}

/* ---- whole tables ------------------------------------------------------------------------------------- */

static void take_entry(struct flow_shared *shared, const struct flow_shared *from, struct place place, uint64_t now_s,
		       const struct flow_shared_lives *lives)
{
	const struct sl_flow_home *home = &from->home[place.at];
	struct flow_export record = { .tag = entry_tag(from, place) };
	struct sl_flow_entry entry;
	struct place there;

	if (!entry_lives(from, place, now_s, lives) ||
	    !sl_flow_entry_read(&from->bucket[place.at], place.way, record.tag, &entry) || find(shared, record.tag, &there))
		return;
	record.pool = __atomic_load_n(&home->pool[place.way], __ATOMIC_RELAXED);
	record.row = __atomic_load_n(&home->row[place.way], __ATOMIC_RELAXED);
	record.slot = entry.slot;
	record.seen_s = entry.seen_s;
	record.kind = entry.kind;
	record.closing = entry.closing;
	record.start = entry_started(from, place);
	insert(shared, &record, __atomic_load_n(&home->born_s[place.way], __ATOMIC_RELAXED), now_s, lives);
}

bool flow_shared_take(struct flow_shared *shared, const struct flow_shared *from, uint64_t at, uint64_t count,
		      uint64_t now_s, const struct flow_shared_lives *lives)
{
	struct place place = { .at = at };

	for (; place.at < from->header.buckets && place.at < at + count; place.at++)
		for (place.way = 0; place.way < SL_FLOW_WAYS; place.way++)
			take_entry(shared, from, place, now_s, lives);
	return place.at < from->header.buckets;
}

void flow_shared_sweep(struct flow_shared *shared, uint64_t count, uint64_t now_s, const struct flow_shared_lives *lives)
{
	const uint64_t capacity = sl_flows_capacity(shared->header.buckets);

	if (count > shared->header.buckets)
		count = shared->header.buckets;
	for (uint64_t i = 0; i < count; i++) {
		struct place place = { .at = shared->sweep_at };
		unsigned int taken = 0;

		for (place.way = 0; place.way < SL_FLOW_WAYS; place.way++) {
			if (entry_lives(shared, place, now_s, lives))
				taken++;
			else if (entry_tag(shared, place) != 0)
				entry_free(shared, place);
		}
		shared->sweep_used += taken;
		if (++shared->sweep_at < shared->header.buckets)
			continue;
		shared->used = shared->sweep_used;
		shared->sweep_used = shared->sweep_at = 0;
		shared->counted = true;
	}
	shared->full = shared->used * 100 > capacity * (shared->full ? ROOMY_PERCENT : FULL_PERCENT);
}

bool flow_shared_is_counted(const struct flow_shared *shared)
{
	return shared->counted;
}

bool flow_shared_pressure(const struct flow_shared *shared)
{
	return shared->full;
}

uint64_t flow_shared_refused(const struct flow_shared *shared)
{
	return shared->refused;
}

uint64_t flow_shared_used(const struct flow_shared *shared)
{
	return shared->used;
}
