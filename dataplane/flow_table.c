/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buckets of the layout of flows.h, twice: the confirmed ones, then an eighth as many for those that wait for
 * their second packet. The spare bits of a bucket's `kinds` hold what the layout leaves to the table's owner.
 */
#include "dataplane/flow_table.h"

#include <errno.h>
#include <string.h>

enum {
	KIND_BITS = 2,
	DUE_SHIFT = 10,        /* one bit an entry: FLOW_TABLE_DUE */
	NEXT_SHIFT = 16,       /* three bits: unconfirmed buckets, the way that is replaced next among equals */
	NEXT_MASK = 7,
	UNCONFIRMED_PART = 8,  /* buckets of confirmed entries for each bucket of unconfirmed ones */
	SWEEP_MAX = 256,       /* buckets a tick */
	FULL_PERCENT = 80,
	ROOMY_PERCENT = 70,
	TURNING_PART = 20,     /* so many times as many places as were taken from young entries within a second */
	LATE_S = 1,
	FLOWS_PER_5_WAYS = 4,  /* 80 % */
};

_Static_assert(SL_IDLE_MAX_S + SL_IDLE_MAX_S / 4 + 2 + FLOW_TABLE_GAP_S + 2 * FLOW_TABLE_SWEEP_S < 0xff00,
	       "an entry is swept, or a gap noticed, before its 16 bits of seconds come round");

/* One segment of the table. */
struct segment {
	struct sl_flow_bucket *bucket;
	uint64_t buckets; /* a power of two */
	uint64_t used;    /* entries with a tag */
};

struct flow_table {
	struct segment confirmed, unconfirmed; /* one block of memory, in this order */
	struct flow_table_lives lives;
	uint64_t now_s;
	uint64_t sweep_at;      /* next bucket of both segments */
	uint64_t sweep_ns;      /* when the last bucket was due; 0: not started */
	uint64_t sweep_step_ns; /* from one bucket's turn to the next one's: all have theirs in FLOW_TABLE_SWEEP_S */
	uint64_t young_out;     /* unconfirmed ones pushed out young within this second */
	uint64_t turning_until_s, late_until_s;
	bool full;
};

/* Where one entry is. */
struct place {
	struct segment *segment;
	struct sl_flow_bucket *bucket;
	unsigned int way;
};

/* ---- one entry ---------------------------------------------------------------------------------------- */

static unsigned int entry_kind(const struct sl_flow_bucket *bucket, unsigned int way)
{
	const unsigned int kind = bucket->kinds >> (way * KIND_BITS) & 3;

	return kind < SL_FLOW_KIND_COUNT ? kind : SL_FLOW_TCP;
}

static bool entry_lives(const struct sl_flow_bucket *bucket, unsigned int way, uint16_t now_s, uint32_t life_s)
{
	return sl_flow_age_s(now_s, bucket->seen_s[way]) <= sl_flow_life_as(life_s, bucket->slot[way] & SL_FLOW_CLOSING);
}

/* False: the place may be taken. Whose pool it is nobody knows, so the longest life of its kind counts. */
static bool entry_taken(const struct flow_table *table, const struct sl_flow_bucket *bucket, unsigned int way)
{
	return bucket->tag[way] != 0 &&
	       entry_lives(bucket, way, (uint16_t)table->now_s, table->lives.life_s[entry_kind(bucket, way)]);
}

static void entry_free(struct segment *segment, struct sl_flow_bucket *bucket, unsigned int way)
{
	bucket->tag[way] = 0;
	segment->used--;
}

static void entry_write(const struct flow_table *table, const struct place *place, uint64_t tag, uint16_t slot,
			uint8_t kind, uint8_t flags)
{
	struct sl_flow_bucket *bucket = place->bucket;
	const unsigned int way = place->way;

	if (bucket->tag[way] == 0)
		place->segment->used++;
	bucket->tag[way] = tag;
	bucket->slot[way] = (uint16_t)((slot & SL_ROW_SLOT) | (flags & SL_FLOW_IS_CLOSING ? SL_FLOW_CLOSING : 0));
	bucket->seen_s[way] = (uint16_t)table->now_s;
	bucket->kinds &= ~(3u << (way * KIND_BITS) | 1u << (DUE_SHIFT + way));
	bucket->kinds |= (uint32_t)(kind & 3) << (way * KIND_BITS);
	if (flags & FLOW_TABLE_DUE)
		bucket->kinds |= 1u << (DUE_SHIFT + way);
}

/* ---- places ------------------------------------------------------------------------------------------- */

static struct sl_flow_bucket *segment_bucket(const struct segment *segment, uint64_t tag, bool second)
{
	return &segment->bucket[second ? sl_flow_bucket_second(tag, segment->buckets)
				       : sl_flow_bucket_first(tag, segment->buckets)];
}

static bool segment_find(const struct segment *segment, uint64_t tag, struct sl_flow_bucket **ret_bucket,
			 unsigned int *ret_way)
{
	for (int choice = 0; choice < 2; choice++) {
		struct sl_flow_bucket *bucket = segment_bucket(segment, tag, choice == 1);

		for (unsigned int way = 0; way < SL_FLOW_WAYS; way++)
			if (bucket->tag[way] == tag) {
				*ret_bucket = bucket;
				*ret_way = way;
				return true;
			}
	}
	return false;
}

/* The first place of `bucket` that may be taken, SL_FLOW_WAYS: none; *ret_taken is how many may not. */
static unsigned int bucket_room(const struct flow_table *table, const struct sl_flow_bucket *bucket,
				unsigned int *ret_taken)
{
	unsigned int room = SL_FLOW_WAYS;

	*ret_taken = 0;
	for (unsigned int way = SL_FLOW_WAYS; way-- > 0;) {
		if (entry_taken(table, bucket, way))
			++*ret_taken;
		else
			room = way;
	}
	return room;
}

/* A place for `tag` in the emptier of its buckets. False: both are full. */
static bool segment_room(const struct flow_table *table, struct segment *segment, uint64_t tag, struct place *ret_place)
{
	struct sl_flow_bucket *first = segment_bucket(segment, tag, false), *second = segment_bucket(segment, tag, true);
	unsigned int first_taken, second_taken;
	const unsigned int first_way = bucket_room(table, first, &first_taken);
	const unsigned int second_way = bucket_room(table, second, &second_taken);
	const bool take_second = second_taken < first_taken;

	*ret_place = (struct place){ segment, take_second ? second : first, take_second ? second_way : first_way };
	return ret_place->way < SL_FLOW_WAYS;
}

/* The oldest entry of both buckets; among equals the one that was stored first. */
static struct place segment_oldest(const struct flow_table *table, struct segment *segment, uint64_t tag)
{
	struct place oldest = { .segment = segment };
	int oldest_age = -1;

	for (int choice = 0; choice < 2; choice++) {
		struct sl_flow_bucket *bucket = segment_bucket(segment, tag, choice == 1);
		const unsigned int next = bucket->kinds >> NEXT_SHIFT & NEXT_MASK;

		for (unsigned int i = 0; i < SL_FLOW_WAYS; i++) {
			const unsigned int way = (next + i) % SL_FLOW_WAYS;
			const int age = sl_flow_age_s((uint16_t)table->now_s, bucket->seen_s[way]);

			if (age > oldest_age) {
				oldest_age = age;
				oldest.bucket = bucket;
				oldest.way = way;
			}
		}
	}
	return oldest;
}

/* ---- put, get, del ------------------------------------------------------------------------------------ */

static void segment_del(struct segment *segment, uint64_t tag)
{
	struct sl_flow_bucket *bucket;
	unsigned int way;

	if (segment_find(segment, tag, &bucket, &way))
		entry_free(segment, bucket, way);
}

static int put_unconfirmed(struct flow_table *table, uint64_t tag, uint16_t slot, uint8_t kind, uint8_t flags)
{
	struct place place = { .segment = &table->unconfirmed };
	int pushed = 0;

	if (!segment_find(place.segment, tag, &place.bucket, &place.way) &&
	    !segment_room(table, place.segment, tag, &place)) {
		pushed = 1;
		place = segment_oldest(table, place.segment, tag);
		if (sl_flow_age_s((uint16_t)table->now_s, place.bucket->seen_s[place.way]) < FLOW_TABLE_YOUNG_S &&
		    ++table->young_out * TURNING_PART >= table->unconfirmed.buckets * SL_FLOW_WAYS)
			table->turning_until_s = table->now_s + FLOW_TABLE_YOUNG_S;
	}
	entry_write(table, &place, tag, slot, kind, flags);
	place.bucket->kinds &= ~((uint32_t)NEXT_MASK << NEXT_SHIFT);
	place.bucket->kinds |= (uint32_t)((place.way + 1) % SL_FLOW_WAYS) << NEXT_SHIFT;
	segment_del(&table->confirmed, tag);
	return pushed;
}

static int put_confirmed(struct flow_table *table, uint64_t tag, uint16_t slot, uint8_t kind, uint8_t flags)
{
	struct place place = { .segment = &table->confirmed };

	if (!segment_find(place.segment, tag, &place.bucket, &place.way)) {
		if (!segment_room(table, place.segment, tag, &place))
			return -ENOSPC;
		segment_del(&table->unconfirmed, tag);
	}
	entry_write(table, &place, tag, slot, kind, flags);
	if (table->confirmed.used * 100 > flow_table_capacity(table) * FULL_PERCENT)
		table->full = true;
	return 0;
}

int flow_table_put(struct flow_table *table, uint64_t tag, uint16_t slot, uint8_t kind, uint8_t flags)
{
	return flags & SL_FLOW_IS_UNCONFIRMED ? put_unconfirmed(table, tag, slot, kind, flags)
					      : put_confirmed(table, tag, slot, kind, flags);
}

void flow_table_keep(struct flow_table *table, uint64_t tag)
{
	struct sl_flow_bucket *bucket;
	unsigned int way;

	if (segment_find(&table->unconfirmed, tag, &bucket, &way))
		bucket->seen_s[way] = (uint16_t)table->now_s;
}

bool flow_table_get(const struct flow_table *table, uint64_t tag, uint32_t life_s, struct sl_flow *ret_flow)
{
	const uint16_t now_s = (uint16_t)table->now_s;
	struct sl_flow_bucket *bucket;
	unsigned int way;
	bool unconfirmed = false;

	if (!segment_find(&table->confirmed, tag, &bucket, &way)) {
		if (table->unconfirmed.used == 0 || !segment_find(&table->unconfirmed, tag, &bucket, &way))
			return false;
		unconfirmed = true;
	}
	if (!entry_lives(bucket, way, now_s, life_s))
		return false;
	*ret_flow = (struct sl_flow){
		.slot = bucket->slot[way] & SL_ROW_SLOT,
		.flags = (uint8_t)((unconfirmed ? SL_FLOW_IS_UNCONFIRMED : 0) |
				   (bucket->slot[way] & SL_FLOW_CLOSING ? SL_FLOW_IS_CLOSING : 0)),
		.where = bucket->kinds >> (DUE_SHIFT + way) & 1 ? FLOW_TABLE_DUE : 0,
		.age_s = sl_flow_age_s(now_s, bucket->seen_s[way]),
	};
	return true;
}

void flow_table_del(struct flow_table *table, uint64_t tag)
{
	segment_del(&table->confirmed, tag);
	segment_del(&table->unconfirmed, tag);
}

/* ---- time --------------------------------------------------------------------------------------------- */

struct flow_table_lives flow_table_lives(const uint16_t idle_max_s[SL_FLOW_KIND_COUNT])
{
	struct flow_table_lives lives;

	for (int kind = 0; kind < SL_FLOW_KIND_COUNT; kind++)
		lives.life_s[kind] = sl_flow_life_s(idle_max_s[kind] ? idle_max_s[kind] : SL_IDLE_MAX_S);
	return lives;
}

static void sweep_bucket(struct flow_table *table, uint64_t at)
{
	struct segment *segment = at < table->confirmed.buckets ? &table->confirmed : &table->unconfirmed;
	struct sl_flow_bucket *bucket = &table->confirmed.bucket[at]; /* the segments are one block */

	for (unsigned int way = 0; way < SL_FLOW_WAYS; way++)
		if (bucket->tag[way] != 0 && !entry_taken(table, bucket, way))
			entry_free(segment, bucket, way);
}

/* As many buckets as are due for one whole sweep every FLOW_TABLE_SWEEP_S. */
static void sweep(struct flow_table *table, uint64_t now_ns)
{
	const uint64_t buckets = table->confirmed.buckets + table->unconfirmed.buckets;
	uint64_t count;

	if (table->confirmed.used * 100 < flow_table_capacity(table) * ROOMY_PERCENT)
		table->full = false;
	if (table->sweep_ns == 0 || now_ns < table->sweep_ns || table->confirmed.used + table->unconfirmed.used == 0) {
		table->sweep_ns = now_ns;
		return;
	}
	if (now_ns - table->sweep_ns < table->sweep_step_ns)
		return;
	count = (now_ns - table->sweep_ns) / table->sweep_step_ns;
	table->sweep_ns += count * table->sweep_step_ns;
	for (uint64_t i = 0; i < count && i < SWEEP_MAX; i++) {
		sweep_bucket(table, table->sweep_at);
		if (++table->sweep_at == buckets)
			table->sweep_at = 0;
	}
}

void flow_table_tick(struct flow_table *table, uint64_t now_s, uint64_t now_ns, const struct flow_table_lives *lives)
{
	if (now_s > table->now_s) {
		if (now_s - table->now_s > FLOW_TABLE_GAP_S)
			flow_table_clear(table);
		table->now_s = now_s;
		table->young_out = 0;
	}
	table->lives = *lives;
	sweep(table, now_ns);
}

void flow_table_late(struct flow_table *table)
{
	table->late_until_s = table->now_s + LATE_S + 1; /* the current second is not a whole one */
}

/* ---- lifetime, figures -------------------------------------------------------------------------------- */

static uint64_t buckets_for(uint64_t flows)
{
	uint64_t buckets = UNCONFIRMED_PART;

	while (buckets * FLOWS_PER_5_WAYS < flows)
		buckets *= 2;
	return buckets;
}

uint64_t flow_table_bytes(uint64_t flows)
{
	const uint64_t buckets = buckets_for(flows);

	return sizeof(struct flow_table) + (buckets + buckets / UNCONFIRMED_PART) * sizeof(struct sl_flow_bucket);
}

int flow_table_create(const struct dp_allocator *allocator, uint64_t flows, uint64_t now_s, struct flow_table **ret_table)
{
	const uint16_t unknown[SL_FLOW_KIND_COUNT] = { 0 };
	const uint64_t buckets = buckets_for(flows <= SL_FLOWS_MAX ? flows : 1);
	struct flow_table *table;

	if (flows == 0 || flows > SL_FLOWS_MAX)
		return -EINVAL;
	table = allocator->alloc(allocator->ctx, sizeof(*table), 64);
	if (table == NULL)
		return -ENOMEM;
	table->confirmed.buckets = buckets;
	table->unconfirmed.buckets = buckets / UNCONFIRMED_PART;
	table->sweep_step_ns = FLOW_TABLE_SWEEP_S * 1000000000ull / (buckets + table->unconfirmed.buckets);
	table->confirmed.bucket = allocator->alloc(
		allocator->ctx, (buckets + table->unconfirmed.buckets) * sizeof(struct sl_flow_bucket), 64);
	if (table->confirmed.bucket == NULL) {
		allocator->free(allocator->ctx, table);
		return -ENOMEM;
	}
	table->unconfirmed.bucket = table->confirmed.bucket + buckets;
	table->lives = flow_table_lives(unknown);
	table->now_s = now_s;
	*ret_table = table;
	return 0;
}

void flow_table_destroy(const struct dp_allocator *allocator, struct flow_table *table)
{
	if (table == NULL)
		return;
	allocator->free(allocator->ctx, table->confirmed.bucket);
	allocator->free(allocator->ctx, table);
}

void flow_table_clear(struct flow_table *table)
{
	memset(table->confirmed.bucket, 0,
	       (table->confirmed.buckets + table->unconfirmed.buckets) * sizeof(struct sl_flow_bucket));
	table->confirmed.used = table->unconfirmed.used = 0;
	table->full = false;
}

bool flow_table_pressure(const struct flow_table *table)
{
	return table->full || table->now_s < table->turning_until_s || table->now_s < table->late_until_s;
}

uint64_t flow_table_used(const struct flow_table *table)
{
	return table->confirmed.used;
}

uint64_t flow_table_capacity(const struct flow_table *table)
{
	return table->confirmed.buckets * SL_FLOW_WAYS;
}

uint64_t flow_table_now_s(const struct flow_table *table)
{
	return table->now_s;
}
