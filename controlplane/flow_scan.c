/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading buckets beside their writer (flows.h: the tag is written last and removed first). An entry never moves to
 * another bucket, so one pass meets every entry that is there all the time.
 */
#include "controlplane/flow_scan.h"

enum { READS_MAX = 3 }; /* of an entry that changes each time; then it is told as it was read last */

/*
 * One entry, whole: the same tag before and after. One that changes all the time is told as it is, mixed of two:
 * counted too often is harmless, not counted is not.
 */
static bool read_entry(const struct sl_flow_bucket *hot, const struct sl_flow_home *home, int way,
		       struct flow_census_entry *ret_entry)
{
	uint64_t tag = __atomic_load_n(&hot->tag[way], __ATOMIC_ACQUIRE); /* pairs with the writer's release of the tag */

	for (int i = 0; tag != 0 && i < READS_MAX; i++) {
		const uint64_t before = tag;
		const uint16_t slot = __atomic_load_n(&hot->slot[way], __ATOMIC_RELAXED);

		ret_entry->slot = slot & SL_ROW_SLOT;
		ret_entry->closing = (slot & SL_FLOW_CLOSING) != 0;
		ret_entry->seen_s = __atomic_load_n(&hot->seen_s[way], __ATOMIC_RELAXED);
		ret_entry->kind = __atomic_load_n(&hot->kinds, __ATOMIC_RELAXED) >> (2 * way) & 3;
		ret_entry->pool = __atomic_load_n(&home->pool[way], __ATOMIC_RELAXED);
		ret_entry->row = __atomic_load_n(&home->row[way], __ATOMIC_RELAXED);
		ret_entry->born_s = __atomic_load_n(&home->born_s[way], __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		tag = __atomic_load_n(&hot->tag[way], __ATOMIC_ACQUIRE);
		if (tag == before)
			return true;
	}
	return tag != 0;
}

static int slice(void *ctx, bool rewind, uint32_t most, flow_census_emit *emit, void *arg)
{
	struct flow_scan *scan = ctx;
	struct flow_census_entry entry;
	uint64_t end;

	if (rewind)
		scan->next = 0;
	end = scan->buckets - scan->next > most ? scan->next + most : scan->buckets;
	for (; scan->next < end; scan->next++) {
		for (int way = 0; way < SL_FLOW_WAYS; way++) {
			if (read_entry(&scan->hot[scan->next], &scan->home[scan->next], way, &entry))
				emit(arg, &entry);
		}
	}
	return scan->next == scan->buckets;
}

struct flow_census_source flow_scan_source(struct flow_scan *scan)
{
	return (struct flow_census_source){ .ctx = scan, .slice = slice };
}
