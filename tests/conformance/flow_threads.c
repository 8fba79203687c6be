/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One worker that tells, the manager that writes the shared table, and readers, as threads on one mapping, for
 * ThreadSanitizer. Places change hands all the time. Every entry read must be one that was written: its slot and
 * kind follow from its tag, and what its writer noted beforehand (in plain memory) must be there for who finds it.
 * Built three times: as it is, and with a relaxed store planted in the ring, or in the table; ring_threads.sh
 * wants silence from the first and a data race from the others.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controlplane/flow_file.h"
#include "dataplane/flow_shared.h"

enum { FLOWS = 200, TAGS = 4096, ROUNDS = 60000, READERS = 2, LIFE_S = 5 };

static struct flow_shared *shared;
static struct flow_export_ring *ring;
static uint64_t noted[TAGS]; /* plain: written before the tag is shown for the first time */
static uint64_t clock_s = 1000;
static int stop;

static uint64_t tag_of(uint32_t flow)
{
	return (flow + 1) * 0x9e3779b97f4a7c15ull;
}

static uint16_t slot_of(uint32_t flow)
{
	return (uint16_t)(flow * 2654435761u >> 18);
}

static void *work(void *arg)
{
	uint64_t random = 88172645463325252ull;

	(void)arg;
	for (int round = 0; round < ROUNDS;) {
		uint32_t flow = (uint32_t)(random >> 33) % TAGS;
		const struct flow_export record = { .tag = tag_of(flow), .pool = flow, .row = flow * 3, .slot = slot_of(flow),
						    .seen_s = (uint16_t)__atomic_load_n(&clock_s, __ATOMIC_RELAXED),
						    .kind = (uint8_t)(flow % SL_FLOW_KIND_COUNT) };

		if (!flow_export_push(ring, &record))
			continue;
		random = random * 6364136223846793005ull + 1442695040888963407ull;
		round++;
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* Returns the number of entries that nobody wrote. */
static void *read_table(void *arg)
{
	const struct flow_view view = flow_shared_view(shared, 0);
	uintptr_t wrong = 0, found = 0;
	uint64_t random = 1 + (uintptr_t)arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		const uint32_t flow = (uint32_t)(random >> 33) % TAGS;
		struct sl_flow_entry entry;

		random = random * 6364136223846793005ull + 1442695040888963407ull;
		if (!sl_flow_find(view.bucket, view.buckets, tag_of(flow), &entry))
			continue;
		found++;
		wrong += entry.slot != slot_of(flow) || entry.kind != flow % SL_FLOW_KIND_COUNT || noted[flow] != tag_of(flow);
	}
	if (found == 0)
		fprintf(stderr, "a reader found nothing\n");
	return (void *)(wrong + (found == 0));
}

static void manage(void)
{
	const struct flow_shared_lives lives = { NULL, { { LIFE_S, LIFE_S, LIFE_S } } };
	struct flow_export record[32];
	uint64_t told = 0;
	unsigned int count;

	do {
		count = flow_export_pop(ring, record, 32);
		for (unsigned int i = 0; i < count; i++, told++) {
			if (noted[record[i].pool] == 0)
				noted[record[i].pool] = record[i].tag;
			if (record[i].tag != tag_of(record[i].pool))
				abort();
			flow_shared_tell(shared, &record[i], clock_s, &lives);
			if (told % 32 == 0)
				__atomic_store_n(&clock_s, clock_s + 1, __ATOMIC_RELAXED);
		}
		flow_shared_sweep(shared, 1, clock_s, &lives);
	} while (count > 0 || !__atomic_load_n(&stop, __ATOMIC_ACQUIRE));
}

static int make_table(void)
{
	static const struct sl_boot boot;
	const struct flow_file_want want = { .flows = FLOWS, .numbering = 1, .boot = &boot, .life_s = LIFE_S };
	char dir[] = "/tmp/sluice-flow-XXXXXX", reterr[300];
	struct flow_file_report report;
	struct flow_file *file;
	struct shm_error error;
	int err, fd;

	if (!mkdtemp(dir) || flow_file_open(dir, &want, &file, &report, reterr, sizeof(reterr)) < 0)
		return -1;
	flow_file_close(file);
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	err = flow_shared_open(fd, (uid_t)-1, want.boot_id, &shared, &error);
	unlinkat(fd, SL_FLOWS_FILE, 0);
	close(fd);
	rmdir(dir);
	return err;
}

int main(void)
{
	pthread_t worker, reader[READERS];
	uintptr_t wrong = 0;
	void *result;

	ring = aligned_alloc(64, sizeof(*ring));
	if (!ring || make_table() < 0) {
		perror("flow_threads");
		return 2;
	}
	memset(ring, 0, sizeof(*ring));
	pthread_create(&worker, NULL, work, NULL);
	for (int i = 0; i < READERS; i++)
		pthread_create(&reader[i], NULL, read_table, (void *)(uintptr_t)i);
	manage();
	pthread_join(worker, NULL);
	for (int i = 0; i < READERS; i++) {
		pthread_join(reader[i], &result);
		wrong += (uintptr_t)result;
	}
	flow_shared_close(shared);
	free(ring);
	if (wrong > 0)
		fprintf(stderr, "%lu entries were not what was written\n", (unsigned long)wrong);
	return wrong > 0;
}
