/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Both ends of the ring in one process, on an anonymous mapping: what is stated arrives, whatever the
 * ring's size, the consumer's absence or a replay in between.
 */
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <cmocka.h>

#include "controlplane/publish_ring.h"
#include "dataplane/feed.h"
#include "sluice/ring.h"
#include "tests/support/world.h"

struct both {
	struct sl_shm_header header;
	void *base;
	struct publisher *publisher;
	struct feed *feed;
	struct snapshot *snapshot;
	unsigned int hellos, rejections, flows;
	uint64_t now_ns;
};

static void on_hello(void *ctx, const struct sl_hello *hello)
{
	struct both *both = ctx;

	(void)hello;
	both->hellos++;
}

static void on_rejected(void *ctx, const struct sl_rejected *rejected)
{
	struct both *both = ctx;

	(void)rejected;
	both->rejections++;
}

static void on_flow(void *ctx, const struct sl_flow_put *flow)
{
	struct both *both = ctx;

	assert_int_equal(flow->tag, 1000 + both->flows);
	both->flows++;
}

static void feed_start(struct both *both)
{
	const struct feed_config config = { .base = both->base, .header = &both->header,
					    .allocator = &dp_allocator_malloc, .hello = { .pid = 7, .workers = 1 },
					    .flow = on_flow, .ctx = both };

	assert_int_equal(feed_create(&config, &both->feed), 0);
}

static int setup_with(void **state, const struct sl_shm_header *header)
{
	struct both *both = calloc(1, sizeof(*both));
	const struct publisher_events events = { .ctx = both, .hello = on_hello, .rejected = on_rejected };

	both->header = *header;
	both->base = mmap(NULL, header->total_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(both->base != MAP_FAILED);
	assert_int_equal(publish_ring_create(both->base, &both->header, &events, &both->publisher), 0);
	feed_start(both);
	*state = both;
	return 0;
}

static int setup(void **state)
{
	const struct sl_shm_header header = world_header(42);

	return setup_with(state, &header);
}

/* A ring of four slots and an arena that takes one large table: everything waits for room all the time. */
static int setup_narrow(void **state)
{
	struct sl_shm_header header = world_header(42);

	header.to_data.size = sizeof(struct sl_ring) + 4 * sizeof(struct sl_record);
	header.to_control.size = sizeof(struct sl_ring) + sizeof(struct sl_record);
	header.arena.size = 16384;
	return setup_with(state, &header);
}

/* Images of a given size; the region is the file's last. */
static int setup_image(void **state, uint64_t half)
{
	struct sl_shm_header header = world_header(42);

	header.image.size = SL_SHM_PAGE + 2 * half;
	return setup_with(state, &header);
}

static int setup_no_image(void **state)
{
	return setup_image(state, 1024);
}

static int setup_tight_image(void **state)
{
	return setup_image(state, 156 * 1024); /* a whole world, hardly more */
}

static int teardown(void **state)
{
	struct both *both = *state;

	publisher_destroy(both->publisher);
	feed_destroy(both->feed);
	snapshot_free(both->snapshot);
	munmap(both->base, both->header.total_size);
	free(both);
	return 0;
}

/* One turn of both ends; returns true while something moves. */
static bool turn(struct both *both)
{
	const bool more = publisher_pump(both->publisher);
	struct snapshot *snapshot;
	bool moved = false;

	both->now_ns += 1000000;
	while ((snapshot = feed_poll(both->feed, both->now_ns, 1000)) != NULL) {
		moved = true;
		snapshot_free(both->snapshot);
		both->snapshot = snapshot;
		feed_applied(both->feed, snapshot_generation(snapshot), snapshot_tables_checksum(snapshot));
	}
	return more || moved;
}

static void settle(struct both *both, uint64_t generation)
{
	for (int i = 0; i < 20000 && publisher_applied(both->publisher) != generation; i++)
		turn(both);
	assert_int_equal(publisher_applied(both->publisher), generation);
	assert_non_null(both->snapshot);
	assert_int_equal(snapshot_generation(both->snapshot), generation);
}

static void what_is_stated_arrives(void **state)
{
	struct both *both = *state;

	for (uint64_t generation = 1; generation <= 300; generation++) {
		assert_int_equal(world_state(both->publisher, 1, generation), 0);
		settle(both, generation);
		assert_int_equal(world_snapshot_digest(both->snapshot), world_digest(1, generation));
	}
	assert_int_equal(both->rejections, 0);
	assert_int_equal(both->hellos, 1);
}

/* Beside facts: no COMMIT counts them, and the image has none of them. */
static void connections_arrive_between_the_facts(void **state)
{
	struct both *both = *state;
	struct sl_flow_put flow = { .tag = 1000, .pool = 1, .slot = 2 };
	bool all;

	assert_int_equal(world_state(both->publisher, 1, 1), 0);
	settle(both, 1);
	for (uint64_t generation = 2; generation < 40; generation++) {
		assert_int_equal(world_state(both->publisher, 1, generation), 0);
		assert_true(publish_ring_flow(both->publisher, &flow));
		flow.tag++;
		settle(both, generation);
	}
	assert_int_equal(both->flows, 38);
	assert_int_equal(both->rejections, 0);
	for (publish_ring_room(both->publisher, &all); publish_ring_flow(both->publisher, &flow); flow.tag++)
		;
	assert_int_equal(publish_ring_room(both->publisher, &all), 0);
	while (turn(both) || both->flows < flow.tag - 1000)
		;
	publish_ring_room(both->publisher, &all);
	assert_true(all);
	assert_int_equal(world_snapshot_digest(both->snapshot), world_digest(1, 39));
}

static void changes_during_a_generation_merge_into_it(void **state)
{
	struct both *both = *state;

	for (uint64_t generation = 1; generation <= 400; generation++) {
		assert_int_equal(world_state(both->publisher, 2, generation), 0);
		turn(both);
		if (both->snapshot != NULL)
			assert_int_equal(world_snapshot_digest(both->snapshot),
					 world_digest(2, snapshot_generation(both->snapshot)));
	}
	settle(both, 400);
	assert_int_equal(world_snapshot_digest(both->snapshot), world_digest(2, 400));
	assert_int_equal(both->rejections, 0);
}

static void a_restarted_consumer_gets_everything_again(void **state)
{
	struct both *both = *state;

	for (uint64_t generation = 1; generation <= 200; generation++) {
		assert_int_equal(world_state(both->publisher, 3, generation), 0);
		for (unsigned int i = 0; i < generation % 5; i++)
			turn(both);
		if (generation % 3 == 0) {
			feed_destroy(both->feed);
			feed_start(both);
		}
	}
	settle(both, 200);
	assert_int_equal(world_snapshot_digest(both->snapshot), world_digest(3, 200));
}

static void the_image_holds_what_was_applied(void **state)
{
	struct both *both = *state;
	struct snapshot *restored;

	for (uint64_t generation = 1; generation <= 2000; generation++) {
		assert_int_equal(world_state(both->publisher, 4, generation), 0);
		settle(both, generation);
		if (generation % 50 != 0)
			continue;
		feed_destroy(both->feed);
		feed_start(both);
		assert_int_equal(feed_restore(both->feed, &restored), 0);
		assert_int_equal(snapshot_generation(restored), generation);
		assert_int_equal(world_snapshot_digest(restored), world_digest(4, generation));
		assert_int_equal(snapshot_tables_checksum(restored), snapshot_tables_checksum(both->snapshot));
		snapshot_free(restored);
	}
	assert_int_equal(feed_image_error(both->feed), 0);
}

static unsigned int allocations;

static void *counting_alloc(void *ctx, size_t size, size_t align)
{
	allocations++;
	return dp_allocator_malloc.alloc(ctx, size, align);
}

/* What a restart costs must not grow with the generations that lie in the log. */
static void an_image_of_many_generations_builds_only_the_last(void **state)
{
	struct both *both = *state;
	const struct dp_allocator counting = { NULL, counting_alloc, dp_allocator_malloc.free };
	const struct feed_config config = { .base = both->base, .header = &both->header, .allocator = &counting };
	struct sl_settings settings = { .reply_rate = 1 };
	struct snapshot *restored;

	assert_int_equal(world_state(both->publisher, 4, 1), 0);
	settle(both, 1);
	for (uint64_t generation = 2; generation <= 100; generation++) {
		settings.reply_rate = (__u32)generation;
		assert_int_equal(publisher_settings(both->publisher, &settings), 0);
		publisher_commit(both->publisher, generation);
		settle(both, generation);
	}
	feed_destroy(both->feed);
	assert_int_equal(feed_create(&config, &both->feed), 0);
	assert_int_equal(feed_restore(both->feed, &restored), 0);
	assert_int_equal(snapshot_generation(restored), 100);
	assert_in_range(allocations, 1, 60);
	assert_int_equal(snapshot_tables_checksum(restored), snapshot_tables_checksum(both->snapshot));
	snapshot_free(restored);
}

static void without_room_there_is_no_image_and_all_else_works(void **state)
{
	struct both *both = *state;
	struct snapshot *restored;

	for (uint64_t generation = 1; generation <= 20; generation++) {
		assert_int_equal(world_state(both->publisher, 7, generation), 0);
		settle(both, generation);
		assert_int_equal(feed_image_error(both->feed), -ENOSPC);
	}
	feed_destroy(both->feed);
	feed_start(both);
	assert_int_equal(feed_restore(both->feed, &restored), -ENOENT);
}

/* A process that dies between two stores leaves what memory holds then: the old generation or the new one. */
static void whatever_was_written_when_it_died_the_image_is_one_generation(void **state)
{
	struct both *both = *state;
	struct snapshot *restored;
	uint64_t held = 0;

	for (uint64_t generation = 1; generation <= 150; generation++) {
		assert_int_equal(world_state(both->publisher, 8, generation), 0);
		for (int step = 0; step < 500 && publisher_applied(both->publisher) != generation; step++) {
			struct feed *other;
			struct snapshot *snapshot;
			const struct feed_config config = { .base = both->base, .header = &both->header,
							    .allocator = &dp_allocator_malloc };

			publisher_pump(both->publisher);
			snapshot = feed_poll(both->feed, ++both->now_ns, 1); /* one record at a time */
			if (snapshot != NULL) {
				held = snapshot_generation(snapshot);
				feed_applied(both->feed, held, 0);
				snapshot_free(snapshot);
			}
			if (step % 7 != 0)
				continue;
			assert_int_equal(feed_create(&config, &other), 0);
			if (held == 0) {
				assert_int_equal(feed_restore(other, &restored), -ENOENT);
			} else {
				assert_int_equal(feed_restore(other, &restored), 0);
				assert_int_equal(snapshot_generation(restored), held);
				assert_int_equal(world_snapshot_digest(restored), world_digest(8, held));
				snapshot_free(restored);
			}
			feed_destroy(other);
		}
		assert_int_equal(held, generation);
	}
}

static void nothing_is_sent_before_somebody_listens_or_a_generation_is_whole(void **state)
{
	struct both *both = *state;
	const struct sl_ring *ring = (const void *)((uint8_t *)both->base + both->header.to_data.offset);
	const struct sl_vip vip = { .addr = { .d = { 1, 2 } } };

	assert_int_equal(world_state(both->publisher, 5, 1), 0);
	assert_false(publisher_pump(both->publisher));
	assert_int_equal(ring->head, 0);
	assert_null(feed_poll(both->feed, 0, 100)); /* says HELLO */
	assert_int_equal(publisher_vip(both->publisher, &vip, SL_OP_PUT), 0);
	assert_false(publisher_pump(both->publisher)); /* stated, not committed */
	assert_int_equal(ring->head, 0);
	assert_int_equal(publisher_vip(both->publisher, &vip, SL_OP_DEL), 0);
	publisher_commit(both->publisher, 2);
	publisher_pump(both->publisher);
	assert_true(ring->head > 0);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void a_consumer_that_hangs_costs_neither_time_nor_memory(void **state)
{
	struct both *both = *state;
	uint64_t longest_ns = 0, start_ns;
	size_t before, after;

	assert_int_equal(world_state(both->publisher, 6, 1), 0);
	settle(both, 1);
	for (uint64_t generation = 2; generation <= 1000; generation++) {
		assert_int_equal(world_state(both->publisher, 6, generation), 0);
		publisher_pump(both->publisher); /* from here on nobody reads: the ring is soon full */
	}
	before = mallinfo2().uordblks;
	for (uint64_t generation = 1001; generation <= 4000; generation++) { /* x 60 statements each */
		assert_int_equal(world_state(both->publisher, 6, generation), 0);
		start_ns = now_ns();
		publisher_pump(both->publisher);
		if (now_ns() - start_ns > longest_ns)
			longest_ns = now_ns() - start_ns;
	}
	after = mallinfo2().uordblks;
	assert_true(after < before + 65536);
	assert_true(longest_ns < 200000000u);
	settle(both, 4000);
	assert_int_equal(world_snapshot_digest(both->snapshot), world_digest(6, 4000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_stated_arrives, setup, teardown),
		cmocka_unit_test_setup_teardown(connections_arrive_between_the_facts, setup, teardown),
		cmocka_unit_test_setup_teardown(changes_during_a_generation_merge_into_it, setup_narrow, teardown),
		cmocka_unit_test_setup_teardown(a_restarted_consumer_gets_everything_again, setup, teardown),
		cmocka_unit_test_setup_teardown(the_image_holds_what_was_applied, setup, teardown),
		cmocka_unit_test_setup_teardown(the_image_holds_what_was_applied, setup_tight_image, teardown),
		cmocka_unit_test_setup_teardown(an_image_of_many_generations_builds_only_the_last, setup, teardown),
		cmocka_unit_test_setup_teardown(without_room_there_is_no_image_and_all_else_works, setup_no_image, teardown),
		cmocka_unit_test_setup_teardown(whatever_was_written_when_it_died_the_image_is_one_generation, setup_tight_image,
						teardown),
		cmocka_unit_test_setup_teardown(nothing_is_sent_before_somebody_listens_or_a_generation_is_whole, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_consumer_that_hangs_costs_neither_time_nor_memory, setup_narrow, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
