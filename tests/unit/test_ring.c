/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One end of a ring against a peer that writes what it likes: no call touches a byte outside the
 * regions (the mapping ends in pages that fault), loops, or believes a number that makes no sense.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "sluice/ring.h"

enum { SLOTS = 8, ARENA = 4096, SESSION = 77 };

struct both {
	uint8_t *memory; /* page that faults, ring page, arena page, page that faults */
	struct sl_ring_end producer, consumer;
};

static struct both both;

static int setup(void **state)
{
	const struct sl_region ring = { .offset = 4096 + 4096 - sizeof(struct sl_ring) - SLOTS * sizeof(struct sl_record),
					.size = sizeof(struct sl_ring) + SLOTS * sizeof(struct sl_record) };
	const struct sl_region arena = { .offset = 8192, .size = ARENA };

	both.memory = mmap(NULL, 16384, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(both.memory != MAP_FAILED);
	assert_int_equal(mprotect(both.memory + 4096, 8192, PROT_READ | PROT_WRITE), 0);
	sl_ring_attach(&both.producer, both.memory, &ring, &arena, SESSION);
	sl_ring_attach(&both.consumer, both.memory, &ring, &arena, SESSION);
	sl_ring_begin_producer(&both.producer);
	sl_ring_begin_consumer(&both.consumer);
	*state = &both;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return munmap(both.memory, 16384);
}

static int push(uint64_t number)
{
	const struct sl_commit commit = { .generation = number };

	return sl_ring_push(&both.producer, SL_RECORD_COMMIT, SL_OP_PUT, &commit, sizeof(commit));
}

static void take_expects(uint64_t number)
{
	struct sl_record record;

	assert_int_equal(sl_ring_take(&both.consumer, &record), 1);
	assert_int_equal(record.type, SL_RECORD_COMMIT);
	assert_int_equal(record.payload.commit.generation, number);
}

static void records_come_out_as_they_went_in(void **state)
{
	struct sl_record record;
	uint64_t in = 0, out = 0;

	(void)state;
	for (int round = 0; round < 100; round++) {
		for (int i = 0; i <= round % SLOTS; i++)
			assert_int_equal(push(in++), 1);
		while (out < in)
			take_expects(out++);
		assert_int_equal(sl_ring_take(&both.consumer, &record), 0);
	}
	for (int i = 0; i < SLOTS; i++)
		assert_int_equal(push(i), 1);
	assert_int_equal(push(9), 0); /* full */
	take_expects(0);
	assert_int_equal(push(9), 1);
}

static void slots_of_a_region_are_a_power_of_two(void **state)
{
	(void)state;
	assert_int_equal(sl_ring_slots(0), 0);
	assert_int_equal(sl_ring_slots(255), 0);
	assert_int_equal(sl_ring_slots(256), 1);
	assert_int_equal(sl_ring_slots(128 + 3 * 128), 2);
	assert_int_equal(sl_ring_slots(128 + 4 * 128), 4);
	assert_int_equal(sl_ring_slots(UINT64_MAX), 1ull << 56);
}

static void a_tail_that_makes_no_sense_means_no_room(void **state)
{
	static const uint64_t tails[] = { 1, 1000, UINT64_MAX, 1ull << 63 };

	(void)state;
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		both.producer.ring->tail = tails[i];
		assert_true(sl_ring_room(&both.producer) <= SLOTS);
		if (tails[i] != UINT64_MAX) /* which is "one slot in use" */
			assert_int_equal(push(1), 0);
	}
	both.producer.ring->tail = 0;
	assert_int_equal(push(1), 1);
}

static void a_head_that_makes_no_sense_is_reported_and_left_behind(void **state)
{
	struct sl_record record;

	(void)state;
	assert_int_equal(push(1), 1);
	both.producer.ring->head = 1ull << 40;
	assert_int_equal(sl_ring_take(&both.consumer, &record), -SL_REJECT_SEQUENCE);
	assert_int_equal(record.type, SL_RECORD_NONE);
	assert_int_equal(sl_ring_take(&both.consumer, &record), 0);
	sl_ring_room(&both.producer); /* the producer's next look heals its head */
	assert_int_equal(sl_ring_take(&both.consumer, &record), -SL_REJECT_SEQUENCE);
	assert_int_equal(push(2), 1);
	take_expects(2);
}

static void a_head_ahead_of_what_was_written_yields_no_record(void **state)
{
	struct sl_record record;
	int taken = 0;

	(void)state;
	assert_int_equal(push(1), 1);
	both.producer.ring->head = 5;
	take_expects(1);
	while (sl_ring_take(&both.consumer, &record) != 0) {
		assert_true(taken++ < SLOTS);
		assert_true(record.session != SESSION);
	}
	assert_int_equal(taken, 4);
}

static void a_record_is_refused_when_any_byte_of_it_is_wrong(void **state)
{
	struct sl_record record, *slot;

	(void)state;
	for (size_t byte = 0; byte < sizeof(record); byte++) {
		assert_int_equal(push(1), 1);
		slot = &both.producer.slots[(both.producer.position - 1) % SLOTS];
		((uint8_t *)slot)[byte] ^= 0x10;
		assert_true(sl_ring_take(&both.consumer, &record) < 0);
		assert_int_equal(sl_ring_take(&both.consumer, &record), 0);
	}
	both.producer.session = SESSION + 1;
	assert_int_equal(push(1), 1);
	assert_int_equal(sl_ring_take(&both.consumer, &record), -SL_REJECT_SESSION);
	both.producer.session = SESSION;
	assert_int_equal(push(1), 1);
	slot = &both.producer.slots[(both.producer.position - 1) % SLOTS];
	slot->sequence += SLOTS; /* sound, but of another time */
	slot->checksum = sl_checksum64(slot, offsetof(struct sl_record, checksum));
	assert_int_equal(sl_ring_take(&both.consumer, &record), -SL_REJECT_SEQUENCE);
}

static void tables_pass_through_an_arena_smaller_than_their_sum(void **state)
{
	uint8_t bytes[ARENA];
	struct sl_table_put put[4];
	unsigned int in = 0, out = 0;

	(void)state;
	while (in < 500) {
		const uint64_t len = 2 + (in * 194) % (ARENA / 2 - 1);

		memset(bytes, (int)in, sizeof(bytes));
		if (in - out < 4 && sl_arena_write(&both.producer, bytes, len, &put[in % 4])) {
			in++;
			continue;
		}
		assert_true(out < in); /* an empty arena has room */
		{
			const struct sl_table_put *next = &put[out % 4];
			const uint8_t *at = sl_arena_bytes(&both.consumer, next);

			assert_non_null(at);
			assert_int_equal(sl_checksum64(at, next->length), next->checksum);
			assert_int_equal(at[0], (uint8_t)out);
			sl_arena_release(&both.consumer, next->release);
			out++;
		}
	}
	assert_int_equal(sl_arena_write(&both.producer, bytes, ARENA / 2 + 1, &put[0]), 0);
}

static void table_numbers_that_point_elsewhere_are_refused(void **state)
{
	static const struct sl_table_put bad[] = {
		{ .position = 0, .length = ARENA, .release = ARENA },               /* more than half */
		{ .position = ARENA - 8, .length = 16, .release = ARENA + 8 },       /* past the end */
		{ .position = 0, .length = UINT64_MAX, .release = UINT64_MAX },
		{ .position = UINT64_MAX - 3, .length = 8, .release = 4 },
		{ .position = 0, .length = 16, .release = 17 },                      /* release is not the end */
		{ .position = 1ull << 40, .length = 16, .release = (1ull << 40) + 16 }, /* far from where we are */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(sl_arena_bytes(&both.consumer, &bad[i]));
}

static void an_arena_tail_that_makes_no_sense_means_no_room(void **state)
{
	struct sl_table_put put;
	const uint16_t rows[8] = { 0 };

	(void)state;
	both.producer.ring->arena_tail = 1ull << 50;
	assert_int_equal(sl_arena_write(&both.producer, rows, sizeof(rows), &put), 0);
	sl_arena_heal(&both.consumer);
	assert_int_equal(sl_arena_write(&both.producer, rows, sizeof(rows), &put), 1);
}

static void a_restarted_end_goes_on_where_the_last_one_was(void **state)
{
	struct sl_ring_end again = both.consumer;

	(void)state;
	assert_int_equal(push(1), 1);
	assert_int_equal(push(2), 1);
	take_expects(1);
	again.position = 0;
	sl_ring_begin_consumer(&again);
	both.consumer = again;
	take_expects(2);
	both.consumer.ring->tail = 1ull << 33; /* what a dead peer left there may be anything */
	sl_ring_begin_consumer(&both.consumer);
	assert_int_equal(both.consumer.position, 2);
	both.producer.ring->head = 1ull << 33;
	both.producer.ring->tail = 2;
	sl_ring_begin_producer(&both.producer);
	assert_int_equal(both.producer.position, 2);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(records_come_out_as_they_went_in),
		CASE(slots_of_a_region_are_a_power_of_two),
		CASE(a_tail_that_makes_no_sense_means_no_room),
		CASE(a_head_that_makes_no_sense_is_reported_and_left_behind),
		CASE(a_head_ahead_of_what_was_written_yields_no_record),
		CASE(a_record_is_refused_when_any_byte_of_it_is_wrong),
		CASE(tables_pass_through_an_arena_smaller_than_their_sum),
		CASE(table_numbers_that_point_elsewhere_are_refused),
		CASE(an_arena_tail_that_makes_no_sense_means_no_room),
		CASE(a_restarted_end_goes_on_where_the_last_one_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
