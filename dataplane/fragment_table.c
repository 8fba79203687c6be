/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sets of sixteen. The writer takes the tag away, writes the answer, and stores the tag last; a reader in
 * another thread reads the tag, the answer, and the tag again.
 */
#include "dataplane/fragment_table.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <string.h>

struct fragment_set {
	/* owner: wo, others: ro */
	alignas(64) _Atomic uint64_t tag[FRAGMENT_WAYS]; /* 0: unused */
	_Atomic uint64_t answer[FRAGMENT_WAYS][2];       /* struct sl_datagram_answer */
	_Atomic uint32_t born_ms[FRAGMENT_WAYS];
	/* owner only */
	uint32_t order[FRAGMENT_WAYS];                   /* of puts: a flood makes many in one millisecond */
	uint16_t source[FRAGMENT_WAYS];                  /* the high bits of fragment_source() */
	struct sl_datagram datagram[FRAGMENT_WAYS];
};

struct fragment_table {
	struct fragment_set set[FRAGMENT_SETS];
	alignas(64) _Atomic uint32_t puts;
};

size_t fragment_table_size(void)
{
	return sizeof(struct fragment_table);
}

uint64_t fragment_source(const struct sl_key *flow_key, const struct sl_packet *pkt)
{
	struct sl_addr source = pkt->key.src;

	if (pkt->flags & SL_PKT_V6)
		source.d[1] = 0;
	return sl_siphash13(flow_key, &source, sizeof(source));
}

static uint32_t fragment_ms(uint64_t now_ns)
{
	return (uint32_t)(now_ns / 1000000);
}

static uint64_t fragment_tag(const struct fragment_set *set, unsigned int way)
{
	return atomic_load_explicit(&set->tag[way], memory_order_relaxed);
}

static uint32_t fragment_born_ms(const struct fragment_set *set, unsigned int way)
{
	return atomic_load_explicit(&set->born_ms[way], memory_order_relaxed);
}

struct sl_datagram *fragment_table_find(struct fragment_table *table, uint64_t source, uint64_t tag, uint64_t now_ns)
{
	struct fragment_set *set = &table->set[source % FRAGMENT_SETS];

	for (unsigned int way = 0; way < FRAGMENT_WAYS; way++)
		if (fragment_tag(set, way) == tag && !sl_datagram_is_old(fragment_born_ms(set, way), fragment_ms(now_ns)))
			return &set->datagram[way];
	return NULL;
}

bool fragment_table_peek(const struct fragment_table *table, uint64_t source, uint64_t tag, uint64_t now_ns,
			 struct sl_datagram_answer *ret_answer, uint32_t *ret_born_ms)
{
	const struct fragment_set *set = &table->set[source % FRAGMENT_SETS];

	for (unsigned int way = 0; way < FRAGMENT_WAYS; way++) {
		uint64_t words[2];
		uint32_t born_ms;

		/* acquire: the answer is what was stored before this tag (pairs with fragment_table_put) */
		if (atomic_load_explicit(&set->tag[way], memory_order_acquire) != tag)
			continue;
		/* acquire: the tag is not read again before them */
		words[0] = atomic_load_explicit(&set->answer[way][0], memory_order_acquire);
		words[1] = atomic_load_explicit(&set->answer[way][1], memory_order_acquire);
		born_ms = atomic_load_explicit(&set->born_ms[way], memory_order_acquire);
		if (fragment_tag(set, way) != tag || sl_datagram_is_old(born_ms, fragment_ms(now_ns)))
			return false;
		memcpy(ret_answer, words, sizeof(words));
		*ret_born_ms = born_ms;
		return true;
	}
	return false;
}

/* True when entry `a` should go before entry `b`: complete ones first, then older ones. */
static bool fragment_goes_first(const struct fragment_set *set, unsigned int a, unsigned int b)
{
	const int whole_a = sl_datagram_is_whole(&set->datagram[a]), whole_b = sl_datagram_is_whole(&set->datagram[b]);

	if (whole_a != whole_b)
		return whole_a;
	return (int32_t)(set->order[a] - set->order[b]) < 0;
}

/* Where `tag` goes: its own place, a free one, or that of who must give way. */
static unsigned int fragment_place(const struct fragment_set *set, uint16_t source, uint64_t tag, uint32_t now_ms)
{
	unsigned int unused = FRAGMENT_WAYS, first = FRAGMENT_WAYS, own = FRAGMENT_WAYS, owned = 0;

	for (unsigned int way = 0; way < FRAGMENT_WAYS; way++) {
		const uint64_t there = fragment_tag(set, way);

		if (there == tag)
			return way;
		if (there == 0 || sl_datagram_is_old(fragment_born_ms(set, way), now_ms)) {
			unused = way;
			continue;
		}
		if (first == FRAGMENT_WAYS || fragment_goes_first(set, way, first))
			first = way;
		if (set->source[way] != source)
			continue;
		owned++;
		if (own == FRAGMENT_WAYS || fragment_goes_first(set, way, own))
			own = way;
	}
	if (owned >= FRAGMENT_WAYS_SOURCE)
		return own;
	return unused < FRAGMENT_WAYS ? unused : first;
}

static struct sl_datagram *fragment_store(struct fragment_table *table, uint64_t source, uint64_t tag, uint32_t now_ms,
					  uint32_t born_ms, const struct sl_datagram *datagram)
{
	struct fragment_set *set = &table->set[source % FRAGMENT_SETS];
	const uint16_t mark = (uint16_t)(source >> 48);
	const unsigned int way = fragment_place(set, mark, tag, now_ms);
	uint64_t words[2];

	memcpy(words, &datagram->answer, sizeof(words));
	atomic_store_explicit(&set->tag[way], 0, memory_order_relaxed);
	/* release: whoever reads one of these finds no old tag any more (pairs with fragment_table_peek) */
	atomic_store_explicit(&set->answer[way][0], words[0], memory_order_release);
	atomic_store_explicit(&set->answer[way][1], words[1], memory_order_release);
	atomic_store_explicit(&set->born_ms[way], born_ms, memory_order_release);
	set->order[way] = fragment_table_puts(table);
	set->source[way] = mark;
	set->datagram[way] = *datagram;
	/* release: the answer is there before its tag */
	atomic_store_explicit(&set->tag[way], tag, memory_order_release);
	atomic_store_explicit(&table->puts, fragment_table_puts(table) + 1, memory_order_release);
	return &set->datagram[way];
}

void fragment_table_put(struct fragment_table *table, uint64_t source, uint64_t tag, uint64_t now_ns,
			const struct sl_datagram *datagram)
{
	fragment_store(table, source, tag, fragment_ms(now_ns), fragment_ms(now_ns), datagram);
}

uint32_t fragment_table_puts(const struct fragment_table *table)
{
	return atomic_load_explicit(&table->puts, memory_order_acquire);
}

struct sl_datagram *fragment_tables_find(const struct fragment_tables *tables, uint64_t source, uint64_t tag,
					 uint64_t now_ns)
{
	struct fragment_table *own = tables->table[tables->own];
	struct sl_datagram *found = fragment_table_find(own, source, tag, now_ns);
	struct sl_datagram_answer answer;
	struct sl_datagram adopted;
	uint32_t born_ms;

	for (unsigned int t = 0; !found && t < tables->count; t++) {
		if (t == tables->own || !fragment_table_peek(tables->table[t], source, tag, now_ns, &answer, &born_ms))
			continue;
		sl_datagram_adopt(&adopted, &answer);
		found = fragment_store(own, source, tag, fragment_ms(now_ns), born_ms, &adopted);
	}
	return found;
}
