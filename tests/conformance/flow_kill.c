/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The writer of flows.shm, killed with SIGKILL at random instants and started again, while somebody reads. Every
 * entry ever seen, while it writes and after each death, must be one that it wrote: slot, kind, pool and row
 * follow from the tag. After a new start its count must be that of the file. Arguments: kills, seed.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/flow_file.h"
#include "dataplane/flow_shared.h"

enum { FLOWS = 300, TAGS = 4000, KILLS = 400, LIFE_US_MAX = 3000, LIFE_S = 40, SECONDS_MAX = 20 };

/* What survives the writer. */
static struct board {
	uint64_t clock_s; /* never goes back */
	uint64_t told;
	uint32_t miscounted;
} *board;

static const struct flow_shared_lives lives = { NULL, { { LIFE_S, LIFE_S, LIFE_S } } };
static int dir_fd;

static uint64_t tag_of(uint32_t flow)
{
	return (flow + 1) * 0x9e3779b97f4a7c15ull;
}

static uint32_t flow_of(uint64_t tag)
{
	return (uint32_t)(tag * 0xf1de83e19937733dull) - 1; /* the inverse of the factor, modulo 2^64 */
}

static uint16_t slot_of(uint32_t flow)
{
	return (uint16_t)(flow * 2654435761u >> 18);
}

static struct flow_shared *open_table(void)
{
	const uint8_t boot_id[16] = { 0 };
	struct flow_shared *shared;
	struct shm_error error;

	if (flow_shared_open(dir_fd, (uid_t)-1, boot_id, &shared, &error) < 0) {
		fprintf(stderr, "flows.shm: %s\n", error.text);
		exit(2);
	}
	return shared;
}

static uint64_t entries(const struct flow_shared *shared)
{
	const struct flow_view view = flow_shared_view(shared, 0);
	uint64_t count = 0;

	for (uint64_t at = 0; at < view.buckets; at++)
		for (int way = 0; way < SL_FLOW_WAYS; way++)
			count += __atomic_load_n(&view.bucket[at].tag[way], __ATOMIC_RELAXED) != 0;
	return count;
}

static void write_table(uint64_t random)
{
	struct flow_shared *shared = open_table();
	int64_t idle_s;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!flow_shared_adopt(shared, board->clock_s, &idle_s))
		board->miscounted++;
	flow_shared_sweep(shared, flow_shared_header(shared)->buckets, board->clock_s, &lives);
	if (flow_shared_used(shared) != entries(shared))
		board->miscounted++;
	for (;;) {
		const uint32_t flow = (uint32_t)(random >> 33) % TAGS;
		const struct flow_export record = {
			.tag = tag_of(flow), .pool = flow, .row = flow * 3, .seen_s = (uint16_t)board->clock_s,
			.slot = random >> 60 == 0 ? SL_SLOT_NONE : slot_of(flow),
			.kind = (uint8_t)(flow % SL_FLOW_KIND_COUNT), .closing = random >> 59 & 1,
		};

		random = random * 6364136223846793005ull + 1442695040888963407ull;
		flow_shared_tell(shared, &record, board->clock_s, &lives);
		if (++board->told % 16 == 0)
			board->clock_s++;
		flow_shared_live(shared)->swept_s = board->clock_s;
		if (board->told % 3 == 0)
			flow_shared_sweep(shared, 1, board->clock_s, &lives);
	}
}

/* Looks at every entry; returns how many are not what was written. */
static unsigned int check(const struct flow_shared *shared, uint64_t *found)
{
	const struct flow_view view = flow_shared_view(shared, 0);
	const struct sl_flow_home *home = (const struct sl_flow_home *)(view.bucket + view.buckets);
	unsigned int wrong = 0;

	for (uint64_t at = 0; at < view.buckets; at++)
		for (unsigned int way = 0; way < SL_FLOW_WAYS; way++) {
			const uint64_t tag = __atomic_load_n(&view.bucket[at].tag[way], __ATOMIC_ACQUIRE);
			const uint32_t pool = __atomic_load_n(&home[at].pool[way], __ATOMIC_ACQUIRE);
			const uint32_t row = __atomic_load_n(&home[at].row[way], __ATOMIC_ACQUIRE);
			const uint32_t flow = flow_of(tag);
			struct sl_flow_entry entry;

			/* the tag before and after: the home between them is of this entry */
			if (tag == 0 || !sl_flow_entry_read(&view.bucket[at], way, tag, &entry))
				continue;
			++*found;
			if (flow >= TAGS || (entry.slot != slot_of(flow) && entry.slot != SL_SLOT_NONE) ||
			    entry.kind != flow % SL_FLOW_KIND_COUNT || pool != flow || row != flow * 3) {
				fprintf(stderr, "bucket %llu way %u: tag %016llx slot %u kind %u pool %u row %u was never written\n",
					(unsigned long long)at, way, (unsigned long long)tag, entry.slot, entry.kind, pool, row);
				wrong++;
			}
		}
	return wrong;
}

static int make_table(void)
{
	static const struct sl_boot boot;
	const struct flow_file_want want = { .flows = FLOWS, .numbering = 1, .boot = &boot, .life_s = LIFE_S };
	char dir[] = "/tmp/sluice-flow-XXXXXX", reterr[300];
	struct flow_file_report report;
	struct flow_file *file;

	if (!mkdtemp(dir) || flow_file_open(dir, &want, &file, &report, reterr, sizeof(reterr)) < 0)
		return -1;
	flow_file_close(file);
	dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return chdir(dir);
}

static void remove_table(void)
{
	char dir[64] = "";

	unlinkat(dir_fd, SL_FLOWS_FILE, 0);
	if (getcwd(dir, sizeof(dir)) && strncmp(dir, "/tmp/sluice-flow-", 17) == 0)
		rmdir(dir);
}

int main(int argc, char **argv)
{
	const unsigned int kills = argc > 1 ? (unsigned int)atoi(argv[1]) : KILLS;
	const unsigned int seed = argc > 2 ? (unsigned int)atoi(argv[2]) : (unsigned int)time(NULL);
	const time_t end = time(NULL) + SECONDS_MAX;
	unsigned int wrong = 0, killed = 0;
	uint64_t found = 0;
	struct flow_shared *shared;

	srand(seed);
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED || make_table() < 0) {
		perror("flow_kill");
		return 2;
	}
	board->clock_s = 65000;
	shared = open_table();
	while (killed < kills && wrong == 0 && time(NULL) < end) {
		const struct timespec life = { .tv_nsec = rand() % LIFE_US_MAX * 1000 };
		const pid_t writer = fork();

		if (writer == 0)
			write_table((uint64_t)rand() << 32 | (uint64_t)rand());
		wrong += check(shared, &found);
		nanosleep(&life, NULL);
		wrong += check(shared, &found);
		kill(writer, SIGKILL);
		waitpid(writer, NULL, 0);
		wrong += check(shared, &found);
		killed++;
	}
	flow_shared_close(shared);
	remove_table();
	printf("%u kills, %llu records told, %llu entries read, %u wrong, %u starts miscounted (seed %u)\n", killed,
	       (unsigned long long)board->told, (unsigned long long)found, wrong, board->miscounted, seed);
	return wrong > 0 || board->miscounted > 0 || found == 0 || board->told == 0;
}
