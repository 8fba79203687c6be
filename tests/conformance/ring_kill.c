/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two processes on one shared-memory file, killed with SIGKILL at random instants and started again: a
 * producer that makes a new file at every start and states one generation after another, a consumer
 * that restores itself from the image. Every snapshot ever built must be exactly the generation it
 * claims to be, no image may be broken or older than what was applied, and whenever the killing pauses
 * the consumer must arrive where the producer is. Arguments: kills, seed.
 */
#include <errno.h>
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

#include "controlplane/publish_ring.h"
#include "controlplane/shm_file.h"
#include "dataplane/feed.h"
#include "dataplane/shm.h"
#include "tests/support/world.h"

enum { KILLS = 3000, KILLS_LEAST = 300, SECONDS_MAX = 12, KILLS_LONG = 30000, PAUSE_EVERY = 20, SETTLE_MS = 10000, LIFE_US_MAX = 4000, WORLD_SEED = 31 };
enum { PRODUCER = 0, CONSUMER = 1 };

/* What survives the processes: the state file of the one, the witness of the other. All atomic. */
struct board {
	uint64_t stated;     /* newest generation that was committed */
	uint64_t confirmed;  /* newest that the running publisher saw applied */
	uint64_t held;       /* newest that the running consumer holds */
	uint64_t session;    /* of the file that `applied` belongs to */
	uint64_t applied;    /* newest snapshot of that session */
	uint64_t snapshots, restored;
	uint32_t pause;      /* the producer states nothing new */
	uint32_t wrong;
	char complaint[200];
};

static struct board *board;
static char dir[64];

#define GET(field) __atomic_load_n(&board->field, __ATOMIC_ACQUIRE)
#define SET(field, value) __atomic_store_n(&board->field, (value), __ATOMIC_RELEASE)

static void complain(const char *what, uint64_t generation)
{
	snprintf(board->complaint, sizeof(board->complaint), "%s (generation %llu)", what, (unsigned long long)generation);
	SET(wrong, 1);
	_exit(1);
}

static void nap(unsigned int us)
{
	const struct timespec ts = { .tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000 };

	nanosleep(&ts, NULL);
}

static void produce(void)
{
	const struct publisher_events events = { .ctx = NULL };
	const struct shm_capacity capacity = world_capacity();
	struct shm_file *file;
	struct publisher *publisher;
	struct sl_boot boot;
	char reterr[300];
	uint64_t generation = GET(stated) > 0 ? GET(stated) : 1; /* as the state file would say */

	memset(&boot, 0, sizeof(boot));
	if (shm_file_create(dir, &boot, &capacity, &file, reterr, sizeof(reterr)) < 0)
		complain(reterr, 0);
	if (publish_ring_create(shm_file_base(file), shm_file_header(file), &events, &publisher) < 0)
		complain("no publisher", 0);
	SET(stated, generation);
	world_state(publisher, WORLD_SEED, generation);
	for (;;) {
		publisher_pump(publisher);
		SET(confirmed, publisher_applied(publisher));
		if (!GET(pause) && generation < publisher_applied(publisher) + 4) {
			SET(stated, ++generation);
			world_state(publisher, WORLD_SEED, generation);
		}
		nap(50);
	}
}

static void take(struct feed *feed, struct snapshot *snapshot, uint64_t session)
{
	const uint64_t generation = snapshot_generation(snapshot);

	if (world_snapshot_digest(snapshot) != world_digest(WORLD_SEED, generation))
		complain("a snapshot is not the generation it says", generation);
	SET(session, session);
	SET(applied, generation);
	SET(held, generation);
	SET(snapshots, GET(snapshots) + 1);
	feed_applied(feed, generation, snapshot_tables_checksum(snapshot));
	snapshot_free(snapshot);
}

/* What a restarted data plane finds of itself. */
static void restore(struct feed *feed, uint64_t session)
{
	struct snapshot *snapshot;
	const uint64_t before = GET(session) == session ? GET(applied) : 0;
	const int err = feed_restore(feed, &snapshot);

	if (err == -ENOENT && before == 0)
		return;
	if (err < 0)
		complain(err == -ENOENT ? "the image is gone" : "the image is broken", before);
	if (snapshot_generation(snapshot) < before)
		complain("the image is older than what was applied", snapshot_generation(snapshot));
	SET(restored, GET(restored) + 1);
	SET(held, snapshot_generation(snapshot));
	if (world_snapshot_digest(snapshot) != world_digest(WORLD_SEED, snapshot_generation(snapshot)))
		complain("the image is not the generation it says", snapshot_generation(snapshot));
	snapshot_free(snapshot);
}

static struct shm *open_file(int dir_fd)
{
	struct shm_error error;
	struct shm *shm;
	int err;

	while ((err = shm_open_at(dir_fd, (uid_t)-1, &shm, &error)) < 0) {
		if (err != -ENOENT)
			complain(error.text, 0);
		nap(100);
	}
	return shm;
}

static void consume(void)
{
	const int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct timespec now;

	for (;;) {
		struct shm *shm = open_file(dir_fd);
		const struct feed_config config = { .base = shm_base(shm), .header = shm_header(shm),
						    .allocator = &dp_allocator_malloc, .hello = { .pid = (__u64)getpid() } };
		const uint64_t session = config.header->session;
		struct feed *feed;

		if (feed_create(&config, &feed) < 0)
			complain("no feed", 0);
		restore(feed, session);
		while (!shm_is_replaced(shm, dir_fd)) {
			struct snapshot *snapshot;

			clock_gettime(CLOCK_MONOTONIC, &now);
			snapshot = feed_poll(feed, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, 200);
			if (snapshot != NULL)
				take(feed, snapshot, session);
			else
				nap(50);
		}
		feed_destroy(feed);
		shm_close(shm);
	}
}

static pid_t start(int which)
{
	const pid_t pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody outlives an interrupted test */
	if (which == PRODUCER)
		produce();
	else
		consume();
	_exit(0);
}

/* Nothing new is stated: both must agree soon. */
static int settle(void)
{
	SET(pause, 1);
	for (int ms = 0; ms < SETTLE_MS && !GET(wrong); ms++) {
		const uint64_t stated = GET(stated);

		if (stated > 0 && GET(held) == stated && GET(confirmed) == stated) {
			SET(pause, 0);
			return 0;
		}
		nap(1000);
	}
	if (!GET(wrong))
		snprintf(board->complaint, sizeof(board->complaint), "no convergence: stated %llu, held %llu, confirmed %llu",
			 (unsigned long long)GET(stated), (unsigned long long)GET(held),
			 (unsigned long long)GET(confirmed));
	return -1;
}

/* Kills at most `kills` times; a slow machine stops at `deadline`, after KILLS_LEAST. Returns 0 or -1. */
static int run(unsigned int kills, unsigned int seed, time_t deadline, unsigned int *ret_killed)
{
	pid_t pid[2] = { start(PRODUCER), start(CONSUMER) };
	int err = settle();

	for (unsigned int kill_number = 1; err == 0 && kill_number <= kills; kill_number++) {
		const int which = rand_r(&seed) % 2;

		if (kill_number > KILLS_LEAST && time(NULL) > deadline)
			break;
		*ret_killed = kill_number;
		nap((unsigned int)rand_r(&seed) % LIFE_US_MAX);
		kill(pid[which], SIGKILL);
		waitpid(pid[which], NULL, 0);
		if (which == PRODUCER)
			SET(confirmed, 0);
		else
			SET(held, 0);
		pid[which] = start(which);
		if (kill_number % PAUSE_EVERY == 0)
			err = settle();
		if (GET(wrong))
			err = -1;
	}
	for (int i = 0; i < 2; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
	return err;
}

static void clean_up(void)
{
	char path[128];
	const char *const name[] = { SL_SHM_FILE, SL_SHM_FILE ".new" };

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, name[i]);
		unlink(path);
	}
	rmdir(dir);
}

static void on_interrupt(int signal)
{
	(void)signal;
	clean_up();
	_exit(130);
}

int main(int argc, char **argv)
{
	const bool is_long = getenv("SLUICE_TEST_LONG") != NULL;
	const time_t deadline = time(NULL) + (is_long || argc > 1 ? 3600 : SECONDS_MAX);
	const unsigned int kills = argc > 1 ? (unsigned int)strtoul(argv[1], NULL, 0) : is_long ? KILLS_LONG : KILLS;
	const unsigned int seed = argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 0) : (unsigned int)time(NULL);
	unsigned int killed = 0;
	int err;

	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	strcpy(dir, "/dev/shm/sluice-kill-XXXXXX");
	if (board == MAP_FAILED || mkdtemp(dir) == NULL) {
		perror("ring_kill");
		return 2;
	}
	signal(SIGINT, on_interrupt);
	signal(SIGTERM, on_interrupt);
	err = run(kills, seed, deadline, &killed);
	clean_up();
	printf("%u kills (seed %u): %llu generations stated, %llu snapshots built, %llu restored from the image\n", killed, seed,
	       (unsigned long long)board->stated, (unsigned long long)board->snapshots,
	       (unsigned long long)board->restored);
	if (err < 0)
		fprintf(stderr, "%s\n", board->complaint);
	return err < 0;
}
