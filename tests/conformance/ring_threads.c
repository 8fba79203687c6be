/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Both ends of the rings as two threads on one mapping, for ThreadSanitizer (it sees nothing between two
 * mappings of one memory). Built twice: as it is, and with a relaxed store planted where a producer
 * publishes; ring_threads.sh wants silence from the first and a data race from the second.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "controlplane/publish_ring.h"
#include "dataplane/feed.h"
#include "sluice/ring.h"
#include "tests/support/world.h"

enum { GENERATIONS = 1500, SEED = 11 };

struct shared {
	struct sl_shm_header header;
	void *base;
	int stop; /* atomic: the producer has seen its last generation applied */
};

/* The data plane's side: every snapshot must be exactly one generation. Returns the number of wrong ones. */
static void *consume(void *arg)
{
	struct shared *shared = arg;
	const struct feed_config config = { .base = shared->base, .header = &shared->header,
					    .allocator = &dp_allocator_malloc, .hello = { .pid = 1 } };
	struct feed *feed;
	uint64_t now_ns = 1;
	uintptr_t wrong = 0;

	if (feed_create(&config, &feed) < 0)
		return (void *)1;
	while (!__atomic_load_n(&shared->stop, __ATOMIC_ACQUIRE)) {
		struct snapshot *snapshot = feed_poll(feed, now_ns += 1000, 64);

		if (snapshot == NULL)
			continue;
		wrong += world_snapshot_digest(snapshot) != world_digest(SEED, snapshot_generation(snapshot));
		feed_applied(feed, snapshot_generation(snapshot), snapshot_tables_checksum(snapshot));
		snapshot_free(snapshot);
	}
	feed_destroy(feed);
	return (void *)wrong;
}

int main(void)
{
	const struct publisher_events events = { .ctx = NULL };
	struct shared shared = { .header = world_header(42) };
	struct publisher *publisher;
	pthread_t consumer;
	void *wrong;

	/* Narrow, so that both ends wait for each other all the time and every slot is used again and again. */
	shared.header.to_data.size = sizeof(struct sl_ring) + 64 * sizeof(struct sl_record);
	shared.header.arena.size = 32768;
	shared.base = mmap(NULL, shared.header.total_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared.base == MAP_FAILED || publish_ring_create(shared.base, &shared.header, &events, &publisher) < 0 ||
	    pthread_create(&consumer, NULL, consume, &shared) != 0) {
		perror("ring_threads");
		return 2;
	}
	for (uint64_t generation = 1; generation <= GENERATIONS; generation++) {
		world_state(publisher, SEED, generation);
		publisher_pump(publisher);
	}
	while (publisher_applied(publisher) != GENERATIONS)
		publisher_pump(publisher);
	__atomic_store_n(&shared.stop, 1, __ATOMIC_RELEASE);
	pthread_join(consumer, &wrong);
	publisher_destroy(publisher);
	munmap(shared.base, shared.header.total_size);
	if (wrong != NULL)
		fprintf(stderr, "%lu snapshots were not what was stated\n", (unsigned long)(uintptr_t)wrong);
	return wrong != NULL;
}
