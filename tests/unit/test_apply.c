/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a data plane believes of what it is told: each wrong statement is rejected for its own reason,
 * a rejection leaves nothing behind, and a small change of a large state is cheap.
 */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/apply.h"
#include "dataplane/snapshot_layout.h"

enum { ROWS = 7, LENS_ROWS = 11 };

static const struct sl_shm_limits limits = { .services = 8, .pools = 4, .backends = 16, .neighbors = 4, .listeners = 2, .vips = 2, .workers = 1 };

/* Counts what snapshots cost. */
struct meter {
	size_t bytes, live;
	long fail_after; /* allocations until there is no memory; negative: never */
};

static void *meter_alloc(void *ctx, size_t size, size_t align)
{
	struct meter *meter = ctx;

	if (meter->fail_after == 0)
		return NULL;
	meter->fail_after -= meter->fail_after > 0;
	meter->bytes += size;
	meter->live++;
	return dp_allocator_malloc.alloc(NULL, size, align);
}

static void meter_free(void *ctx, void *memory)
{
	((struct meter *)ctx)->live--;
	dp_allocator_malloc.free(NULL, memory);
}

struct fixture {
	struct meter meter;
	struct dp_allocator allocator;
	struct apply *apply;
	struct snapshot *snapshot;
	struct sl_rejected rejected;
	uint64_t records;
	uint16_t row[LENS_ROWS];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->meter.fail_after = -1;
	f->allocator = (struct dp_allocator){ &f->meter, meter_alloc, meter_free };
	assert_int_equal(apply_create(&limits, &f->allocator, &f->apply), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	const size_t *live = &f->meter.live;

	apply_destroy(f->apply);
	snapshot_free(f->snapshot);
	assert_int_equal(*live, 0); /* snapshot and apply held all of it */
	free(f);
	return 0;
}

/* One record; returns the reason of its rejection. */
static enum sl_reject_reason tell(struct fixture *f, enum sl_record_type type, enum sl_op op, const void *payload,
				  size_t len, const uint16_t *table)
{
	struct sl_record record = { .type = (__u16)type, .op = (__u8)op, .sequence = 99 };
	struct apply_result result;

	if (len > 0)
		memcpy(&record.payload, payload, len);
	apply_record(f->apply, &record, table, &result);
	f->records++;
	f->rejected = result.rejected;
	if (result.snapshot != NULL) {
		snapshot_free(f->snapshot);
		f->snapshot = result.snapshot;
	}
	return (enum sl_reject_reason)result.rejected.reason;
}

static void reset(struct fixture *f)
{
	const struct sl_reset nothing = { 0 };

	assert_int_equal(tell(f, SL_RECORD_RESET, SL_OP_PUT, &nothing, sizeof(nothing), NULL), 0);
	f->records = 0;
}

static enum sl_reject_reason commit(struct fixture *f, uint64_t generation)
{
	const struct sl_commit payload = { .generation = generation, .records = f->records };
	const enum sl_reject_reason reason = tell(f, SL_RECORD_COMMIT, SL_OP_PUT, &payload, sizeof(payload), NULL);

	f->records = 0;
	return reason;
}

static const struct sl_neighbor a_neighbor = { .id = 1, .known = 1, .mtu = 1500 };
static const struct sl_pool a_pool = { .id = 2, .rows = ROWS, .slots = 3, .idle_s = { 60, 60, 60 } };
static const struct sl_backend a_backend = { .pool = 2, .slot = 1, .state = SL_BACKEND_UP, .stats = 5, .neighbor = 1,
					     .addr = { .d = { 1, 1 } }, .outer_src = { .d = { 9, 9 } } };
static const struct sl_service a_service = { .id = 3, .pool = 2 };
static const struct sl_listener a_listener = { .addr = { .d = { 7, 7 } }, .port = 80, .proto = IPPROTO_TCP, .service = 3 };
static const struct sl_vip a_vip = { .addr = { .d = { 7, 7 } } };

#define PUT(type, object) tell(f, type, SL_OP_PUT, &(object), sizeof(object), NULL)
#define DEL(type, object) tell(f, type, SL_OP_DEL, &(object), sizeof(object), NULL)

static enum sl_reject_reason put_table(struct fixture *f, uint32_t pool, uint32_t rows, uint32_t kind)
{
	const struct sl_table_put put = { .pool = pool, .kind = kind, .rows = rows, .length = rows * 2,
					  .checksum = sl_checksum64(f->row, rows * 2) };

	return tell(f, SL_RECORD_TABLE, SL_OP_PUT, &put, sizeof(put), f->row);
}

/* RESET and a small sound state: neighbour 1, pool 2 with backend 1 in every row, service 3, one VIP. */
static void state_all(struct fixture *f)
{
	reset(f);
	assert_int_equal(PUT(SL_RECORD_NEIGHBOR, a_neighbor), 0);
	assert_int_equal(PUT(SL_RECORD_BACKEND, a_backend), 0);
	assert_int_equal(PUT(SL_RECORD_POOL, a_pool), 0);
	for (int i = 0; i < LENS_ROWS; i++)
		f->row[i] = 1;
	f->row[3] = SL_SLOT_NONE;
	f->row[4] = 1 | SL_ROW_LOOK;
	assert_int_equal(put_table(f, 2, ROWS, SL_TABLE_CURRENT), 0);
	assert_int_equal(PUT(SL_RECORD_SERVICE, a_service), 0);
	assert_int_equal(PUT(SL_RECORD_LISTENER, a_listener), 0);
	assert_int_equal(PUT(SL_RECORD_VIP, a_vip), 0);
}

static void a_whole_state_becomes_a_snapshot(void **state)
{
	struct fixture *f = *state;

	state_all(f);
	assert_null(f->snapshot);
	assert_int_equal(commit(f, 10), 0);
	assert_non_null(f->snapshot);
	assert_int_equal(snapshot_generation(f->snapshot), 10);
	assert_int_equal(snapshot_tables_checksum(f->snapshot), sl_table_term(2, ROWS, sl_checksum64(f->row, ROWS * 2)));
}

static void nothing_counts_before_a_reset(void **state)
{
	struct fixture *f = *state;

	assert_true(apply_waits(f->apply));
	assert_int_equal(PUT(SL_RECORD_POOL, a_pool), 0);
	assert_int_equal(tell(f, (enum sl_record_type)999, SL_OP_PUT, &a_pool, sizeof(a_pool), NULL), 0);
	assert_int_equal(commit(f, 1), SL_REJECT_SEQUENCE); /* a generation that ends here is lost: ask again */
	assert_null(f->snapshot);
}

struct bad {
	const char *what;
	enum sl_record_type type;
	union sl_payload payload;
	enum sl_reject_reason reason;
};

static void each_wrong_statement_has_its_reason(void **state)
{
	static const struct bad bad[] = {
		{ "neighbor id", SL_RECORD_NEIGHBOR, { .neighbor = { .id = 4 } }, SL_REJECT_RANGE },
		{ "neighbor port", SL_RECORD_NEIGHBOR, { .neighbor = { .port = SL_PORTS_MAX } }, SL_REJECT_RANGE },
		{ "neighbor known", SL_RECORD_NEIGHBOR, { .neighbor = { .known = 2 } }, SL_REJECT_TYPE },
		{ "pool id", SL_RECORD_POOL, { .pool = { .id = 4, .rows = 7 } }, SL_REJECT_RANGE },
		{ "pool id far out", SL_RECORD_POOL, { .pool = { .id = UINT32_MAX, .rows = 7 } }, SL_REJECT_RANGE },
		{ "few rows", SL_RECORD_POOL, { .pool = { .rows = 6, .idle_s = { 1, 1, 1 } } }, SL_REJECT_RANGE },
		{ "many rows", SL_RECORD_POOL, { .pool = { .rows = SL_TABLE_ROWS_MAX + 1, .idle_s = { 1, 1, 1 } } }, SL_REJECT_RANGE },
		{ "many slots", SL_RECORD_POOL, { .pool = { .rows = 7, .slots = 0x8000, .idle_s = { 1, 1, 1 } } }, SL_REJECT_RANGE },
		{ "pool to kernel", SL_RECORD_POOL, { .pool = { .rows = 7, .otherwise = SL_OTHERWISE_KERNEL, .idle_s = { 1, 1, 1 } } }, SL_REJECT_TYPE },
		{ "no idle time", SL_RECORD_POOL, { .pool = { .rows = 7, .idle_s = { 1, 0, 1 } } }, SL_REJECT_RANGE },
		{ "long idle time", SL_RECORD_POOL, { .pool = { .rows = 7, .idle_s = { 1, 1, SL_IDLE_MAX_S + 1 } } }, SL_REJECT_RANGE },
		{ "few lens rows", SL_RECORD_POOL, { .pool = { .rows = 7, .idle_s = { 1, 1, 1 }, .lens_rows = 6 } }, SL_REJECT_RANGE },
		{ "backend pool", SL_RECORD_BACKEND, { .backend = { .pool = 4 } }, SL_REJECT_RANGE },
		{ "backend slot", SL_RECORD_BACKEND, { .backend = { .slot = SL_SLOT_NONE } }, SL_REJECT_RANGE },
		{ "backend stats", SL_RECORD_BACKEND, { .backend = { .stats = 16 } }, SL_REJECT_RANGE },
		{ "backend neighbor", SL_RECORD_BACKEND, { .backend = { .neighbor = 4 } }, SL_REJECT_RANGE },
		{ "backend state", SL_RECORD_BACKEND, { .backend = { .state = SL_BACKEND_STATE_COUNT } }, SL_REJECT_TYPE },
		{ "table of no pool", SL_RECORD_TABLE, { .table = { .pool = 3, .rows = 7, .length = 14 } }, SL_REJECT_REFERENCE },
		{ "table past pools", SL_RECORD_TABLE, { .table = { .pool = 4 } }, SL_REJECT_RANGE },
		{ "table kind", SL_RECORD_TABLE, { .table = { .pool = 2, .kind = SL_TABLE_KIND_COUNT } }, SL_REJECT_TYPE },
		{ "table without bytes", SL_RECORD_TABLE, { .table = { .pool = 2, .rows = 7, .length = 14 } }, SL_REJECT_TABLE },
		{ "service id", SL_RECORD_SERVICE, { .service = { .id = 8 } }, SL_REJECT_RANGE },
		{ "service pool", SL_RECORD_SERVICE, { .service = { .pool = 4 } }, SL_REJECT_RANGE },
		{ "mode", SL_RECORD_SERVICE, { .service = { .mode = SL_MODE_COUNT } }, SL_REJECT_TYPE },
		{ "hash", SL_RECORD_SERVICE, { .service = { .hash = SL_HASH_COUNT } }, SL_REJECT_TYPE },
		{ "tracking", SL_RECORD_SERVICE, { .service = { .tracking = SL_TRACKING_COUNT } }, SL_REJECT_TYPE },
		{ "udp flows", SL_RECORD_SERVICE, { .service = { .udp_flows = SL_UDP_FLOWS_COUNT } }, SL_REJECT_TYPE },
		{ "lens hash", SL_RECORD_SERVICE, { .service = { .lens_hash = SL_HASH_COUNT } }, SL_REJECT_TYPE },
		{ "listener nowhere", SL_RECORD_LISTENER, { .listener = { .proto = IPPROTO_TCP } }, SL_REJECT_RANGE },
		{ "listener proto", SL_RECORD_LISTENER, { .listener = { .addr = { .d = { 1, 1 } }, .proto = 1 } }, SL_REJECT_TYPE },
		{ "listener service", SL_RECORD_LISTENER, { .listener = { .addr = { .d = { 1, 1 } }, .proto = 6, .service = 8 } }, SL_REJECT_RANGE },
		{ "vip nowhere", SL_RECORD_VIP, { .vip = { .otherwise = 0 } }, SL_REJECT_RANGE },
		{ "vip otherwise", SL_RECORD_VIP, { .vip = { .addr = { .d = { 1, 1 } }, .otherwise = 3 } }, SL_REJECT_TYPE },
		{ "a report", SL_RECORD_HELLO, { .hello = { .pid = 1 } }, SL_REJECT_TYPE },
		{ "no type", SL_RECORD_NONE, { .bytes = { 0 } }, SL_REJECT_TYPE },
		{ "generation 0", SL_RECORD_COMMIT, { .commit = { .generation = 0 } }, SL_REJECT_RANGE },
		{ "a lost record", SL_RECORD_COMMIT, { .commit = { .generation = 1, .records = 9 } }, SL_REJECT_SEQUENCE },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		state_all(f);
		if (tell(f, bad[i].type, SL_OP_PUT, &bad[i].payload, sizeof(bad[i].payload), NULL) != bad[i].reason)
			fail_msg("%s: reason %u, not %d", bad[i].what, f->rejected.reason, bad[i].reason);
		assert_int_equal(f->rejected.sequence, 99);
		assert_int_equal(f->rejected.type, bad[i].type);
		assert_true(apply_waits(f->apply));
		assert_null(f->snapshot);
	}
	state_all(f);
	assert_int_equal(tell(f, SL_RECORD_POOL, (enum sl_op)2, &a_pool, sizeof(a_pool), NULL), SL_REJECT_TYPE);
}

static void a_table_must_be_what_it_says(void **state)
{
	struct fixture *f = *state;

	state_all(f);
	assert_int_equal(put_table(f, 2, ROWS - 1, SL_TABLE_CURRENT), SL_REJECT_TABLE); /* not the pool's rows */
	state_all(f);
	f->row[0] ^= 1; /* one bit after the checksum was made */
	{
		struct sl_table_put put = { .pool = 2, .rows = ROWS, .length = ROWS * 2 };

		f->row[0] ^= 1;
		put.checksum = sl_checksum64(f->row, ROWS * 2);
		f->row[0] ^= 1;
		assert_int_equal(tell(f, SL_RECORD_TABLE, SL_OP_PUT, &put, sizeof(put), f->row), SL_REJECT_TABLE);
	}
}

#define EXPECT_AT_COMMIT(change, why)                       \
	do {                                                \
		state_all(f);                               \
		assert_int_equal(change, 0);                \
		assert_int_equal(commit(f, 10), why);       \
		assert_null(f->snapshot);                   \
	} while (0)

static void what_names_nothing_is_found_at_commit(void **state)
{
	struct fixture *f = *state;
	const struct sl_table_put current = { .pool = 2 };
	struct sl_pool fewer = a_pool, other_rows = a_pool;
	struct sl_backend elsewhere = a_backend;
	struct sl_service orphan = a_service;

	fewer.slots = 1;
	other_rows.rows = 11;
	elsewhere.pool = 3;
	orphan.pool = 1;
	EXPECT_AT_COMMIT(DEL(SL_RECORD_NEIGHBOR, a_neighbor), SL_REJECT_REFERENCE);
	EXPECT_AT_COMMIT(DEL(SL_RECORD_POOL, a_pool), SL_REJECT_REFERENCE);
	EXPECT_AT_COMMIT(DEL(SL_RECORD_BACKEND, a_backend), SL_REJECT_TABLE);
	EXPECT_AT_COMMIT(DEL(SL_RECORD_SERVICE, a_service), SL_REJECT_REFERENCE);
	EXPECT_AT_COMMIT(DEL(SL_RECORD_TABLE, current), SL_REJECT_TABLE);
	EXPECT_AT_COMMIT(PUT(SL_RECORD_POOL, fewer), SL_REJECT_RANGE);
	EXPECT_AT_COMMIT(PUT(SL_RECORD_POOL, other_rows), SL_REJECT_TABLE);
	EXPECT_AT_COMMIT(PUT(SL_RECORD_BACKEND, elsewhere), SL_REJECT_REFERENCE);
	EXPECT_AT_COMMIT(PUT(SL_RECORD_SERVICE, orphan), SL_REJECT_REFERENCE);
	state_all(f);
	f->row[5] = 2; /* a slot without a backend */
	assert_int_equal(put_table(f, 2, ROWS, SL_TABLE_BASE_TCP), 0);
	assert_int_equal(commit(f, 10), SL_REJECT_TABLE);
}

static void base_and_lens_tables_come_and_go(void **state)
{
	struct fixture *f = *state;
	const struct sl_table_put gone = { .pool = 2, .kind = SL_TABLE_BASE_UDP };
	const struct snapshot_pool *pool;
	struct sl_pool lens = a_pool;

	state_all(f);
	assert_int_equal(put_table(f, 2, ROWS, SL_TABLE_LENS_QUIC), SL_REJECT_TABLE); /* it has no lens */
	state_all(f);
	lens.lens_rows = LENS_ROWS;
	assert_int_equal(PUT(SL_RECORD_POOL, lens), 0);
	assert_int_equal(put_table(f, 2, ROWS, SL_TABLE_BASE_UDP), 0);
	assert_int_equal(put_table(f, 2, LENS_ROWS, SL_TABLE_LENS_TCP), 0);
	assert_int_equal(commit(f, 10), 0);
	pool = f->snapshot->pool[2];
	assert_int_equal(pool->table[SL_TABLE_BASE_UDP]->rows, ROWS);
	assert_null(pool->table[SL_TABLE_BASE_TCP]);
	assert_int_equal(pool->table[SL_TABLE_LENS_TCP]->rows, LENS_ROWS);
	/* only current rows make the fingerprint: bases are one balancer's history */
	assert_int_equal(snapshot_tables_checksum(f->snapshot), sl_table_term(2, ROWS, pool->table[SL_TABLE_CURRENT]->checksum));
	assert_int_equal(DEL(SL_RECORD_TABLE, gone), 0);
	assert_int_equal(DEL(SL_RECORD_TABLE, gone), 0);  /* what is not there is gone */
	assert_int_equal(PUT(SL_RECORD_POOL, a_pool), 0); /* without the lens, its tables go */
	assert_int_equal(commit(f, 11), 0);
	pool = f->snapshot->pool[2];
	for (int kind = SL_TABLE_BASE_TCP; kind < SL_TABLE_KIND_COUNT; kind++)
		assert_null(pool->table[kind]);
	assert_non_null(pool->table[SL_TABLE_CURRENT]);
}

static void what_was_removed_later_is_found_too(void **state)
{
	struct fixture *f = *state;

	state_all(f);
	assert_int_equal(commit(f, 10), 0);
	assert_int_equal(DEL(SL_RECORD_NEIGHBOR, a_neighbor), 0); /* the pool itself did not change */
	assert_int_equal(commit(f, 11), SL_REJECT_REFERENCE);
	assert_int_equal(snapshot_generation(f->snapshot), 10);
	assert_int_equal(f->rejected.generation, 10);
	state_all(f);
	assert_int_equal(commit(f, 11), 0);
	assert_int_equal(commit(f, 11), SL_REJECT_RANGE); /* generations rise */
}

static void capacities_hold(void **state)
{
	struct fixture *f = *state;
	struct sl_listener listener = a_listener;
	struct sl_vip vip = a_vip;

	state_all(f);
	listener.port = 81;
	assert_int_equal(PUT(SL_RECORD_LISTENER, listener), 0);
	assert_int_equal(PUT(SL_RECORD_LISTENER, listener), 0); /* the same again is nothing new */
	listener.port = 82;
	assert_int_equal(PUT(SL_RECORD_LISTENER, listener), SL_REJECT_RANGE);
	state_all(f);
	vip.addr.d[0] = 8;
	assert_int_equal(PUT(SL_RECORD_VIP, vip), 0);
	vip.addr.d[0] = 9;
	assert_int_equal(PUT(SL_RECORD_VIP, vip), SL_REJECT_RANGE);
}

static void everything_can_be_removed_again(void **state)
{
	struct fixture *f = *state;
	const struct sl_table_put current = { .pool = 2 };

	state_all(f);
	assert_int_equal(commit(f, 10), 0);
	assert_int_equal(DEL(SL_RECORD_VIP, a_vip), 0);
	assert_int_equal(DEL(SL_RECORD_LISTENER, a_listener), 0);
	assert_int_equal(DEL(SL_RECORD_SERVICE, a_service), 0);
	assert_int_equal(DEL(SL_RECORD_TABLE, current), 0);
	assert_int_equal(DEL(SL_RECORD_POOL, a_pool), 0);
	assert_int_equal(DEL(SL_RECORD_BACKEND, a_backend), 0);
	assert_int_equal(DEL(SL_RECORD_NEIGHBOR, a_neighbor), 0);
	assert_int_equal(DEL(SL_RECORD_NEIGHBOR, a_neighbor), 0);
	assert_int_equal(commit(f, 11), 0);
	assert_null(f->snapshot->pool[2]);
	assert_int_equal(snapshot_tables_checksum(f->snapshot), 0);
}

static void without_memory_a_generation_is_rejected_and_nothing_leaks(void **state)
{
	struct fixture *f = *state;

	for (long n = 0; n < 7; n++) {
		reset(f);
		f->meter.fail_after = n;
		PUT(SL_RECORD_NEIGHBOR, a_neighbor);
		PUT(SL_RECORD_BACKEND, a_backend);
		PUT(SL_RECORD_POOL, a_pool);
		for (int i = 0; i < ROWS; i++)
			f->row[i] = 1;
		if (put_table(f, 2, ROWS, SL_TABLE_CURRENT) == 0 && commit(f, 10) == 0)
			fail_msg("built with %ld allocations", n);
		assert_int_equal(f->rejected.reason, SL_REJECT_MEMORY);
		assert_int_equal(f->meter.live, 0);
	}
	f->meter.fail_after = -1;
	state_all(f);
	assert_int_equal(commit(f, 10), 0);
}

static void one_change_among_ten_thousand_pools_copies_one_pool(void **state)
{
	static const struct sl_shm_limits large = { .services = 10000, .pools = 10000, .backends = 20000, .neighbors = 1, .workers = 1 };
	struct fixture *f = *state;
	const struct sl_neighbor neighbor = { .id = 0 };
	const struct snapshot *first;
	struct sl_backend backend = { .state = SL_BACKEND_UP };
	size_t whole;

	apply_destroy(f->apply);
	assert_int_equal(apply_create(&large, &f->allocator, &f->apply), 0);
	reset(f);
	assert_int_equal(PUT(SL_RECORD_NEIGHBOR, neighbor), 0);
	memset(f->row, 0, sizeof(f->row));
	for (uint32_t id = 0; id < large.pools; id++) {
		const struct sl_pool pool = { .id = id, .rows = ROWS, .slots = 2, .idle_s = { 60, 60, 60 } };
		const struct sl_service service = { .id = id, .pool = id };

		backend.pool = backend.stats = id;
		assert_int_equal(PUT(SL_RECORD_BACKEND, backend), 0);
		assert_int_equal(PUT(SL_RECORD_POOL, pool), 0);
		assert_int_equal(put_table(f, id, ROWS, SL_TABLE_CURRENT), 0);
		assert_int_equal(PUT(SL_RECORD_SERVICE, service), 0);
	}
	assert_int_equal(commit(f, 1), 0);
	first = f->snapshot;
	f->snapshot = NULL;
	whole = f->meter.bytes;
	f->meter.bytes = 0;
	backend.pool = backend.stats = 77;
	backend.state = SL_BACKEND_DOWN;
	assert_int_equal(PUT(SL_RECORD_BACKEND, backend), 0);
	assert_int_equal(commit(f, 2), 0);
	assert_true(f->meter.bytes < 10000 * sizeof(void *) + 4096); /* the root's pointers and one pool */
	assert_true(whole > 20 * f->meter.bytes);
	assert_ptr_equal(first->pool[78], f->snapshot->pool[78]);
	assert_ptr_equal(first->services, f->snapshot->services);
	assert_ptr_not_equal(first->pool[77], f->snapshot->pool[77]);
	assert_ptr_equal(first->pool[77]->current, f->snapshot->pool[77]->current); /* rows are shared all the same */
	assert_int_equal(first->pool[77]->backend[0].state, SL_BACKEND_UP);
	snapshot_free((struct snapshot *)first);
	assert_int_equal(f->snapshot->pool[77]->current[0], 0);
}

/* Feeds one dump into another apply. */
static int copy_into(void *ctx, const struct sl_record *record, const uint16_t *table)
{
	struct fixture *f = ctx;

	assert_int_equal(tell(f, (enum sl_record_type)record->type, (enum sl_op)record->op, &record->payload,
			      sizeof(record->payload), table), 0);
	return 0;
}

static void a_dump_states_the_same_again(void **state)
{
	struct fixture *f = *state;
	struct apply *source = f->apply;
	uint64_t tables;

	assert_int_equal(apply_dump(source, copy_into, f), -ENOENT);
	state_all(f);
	assert_int_equal(apply_dump(source, copy_into, f), -ENOENT); /* half stated */
	assert_int_equal(commit(f, 10), 0);
	tables = snapshot_tables_checksum(f->snapshot);
	assert_int_equal(apply_create(&limits, &f->allocator, &f->apply), 0);
	snapshot_free(f->snapshot);
	f->snapshot = NULL;
	assert_int_equal(apply_dump(source, copy_into, f), 0);
	assert_non_null(f->snapshot);
	assert_int_equal(snapshot_generation(f->snapshot), 10);
	assert_int_equal(snapshot_tables_checksum(f->snapshot), tables);
	apply_destroy(source);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_whole_state_becomes_a_snapshot),
		CASE(nothing_counts_before_a_reset),
		CASE(each_wrong_statement_has_its_reason),
		CASE(a_table_must_be_what_it_says),
		CASE(what_names_nothing_is_found_at_commit),
		CASE(base_and_lens_tables_come_and_go),
		CASE(what_was_removed_later_is_found_too),
		CASE(capacities_hold),
		CASE(everything_can_be_removed_again),
		CASE(without_memory_a_generation_is_rejected_and_nothing_leaks),
		CASE(one_change_among_ten_thousand_pools_copies_one_pool),
		CASE(a_dump_states_the_same_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
