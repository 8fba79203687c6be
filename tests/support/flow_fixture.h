/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several workers, the manager's keeper and flows.shm in a directory of their own, without DPDK: what the tests of
 * remembered connections play on. Included by one test program each, hence all static.
 */
#ifndef TESTS_SUPPORT_FLOW_FIXTURE_H
#define TESTS_SUPPORT_FLOW_FIXTURE_H

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "controlplane/flow_file.h"
#include "dataplane/env.h"
#include "dataplane/flow_keeper.h"
#include "dataplane/log.h"
#include "sluice/host/boot_id.h"

enum { FLOWS = 20000, IDLE_S = 80, LIFE_S = IDLE_S + IDLE_S / 4 + 2, WORKERS = 3, POOL = 2 };

/* Part of the seam; nothing is forwarded here. */
SL_INLINE __attribute__((unused)) int sl_env_room(struct sl_env *env, struct sl_packet *pkt)
{
	(void)env;
	(void)pkt;
	return -1;
}

static char dir[64];
static int dir_fd;
static uint64_t now_s, now_ns;
static struct flow_keeper *keeper;
static struct snapshot *snapshot;
static struct snapshot_pool pool = { .pool = { .id = POOL, .idle_s = { IDLE_S, IDLE_S, IDLE_S } } };
static struct sl_env env[WORKERS + 1];
static struct sl_worker_stats stats[WORKERS + 1];
static unsigned int workers;
static bool workers_pressure;

/* ---- the file, the manager, the workers --------------------------------------------------------------- */

static inline void make_file(uint64_t flows, uint64_t numbering)
{
	static const struct sl_boot boot;
	struct flow_file_want want = { .flows = flows, .flow_key = { 11, 12 }, .numbering = numbering, .now_s = now_s,
				       .wall_ns = 5, .life_s = LIFE_S, .boot = &boot, .heir = true };
	struct flow_file_report report;
	struct flow_file *file;
	char reterr[300] = "";

	sl_boot_id(want.boot_id);
	if (flow_file_open(dir, &want, &file, &report, reterr, sizeof(reterr)) != 0)
		fail_msg("%s", reterr);
	flow_file_close(file);
}

/* What manager and workers do when something is published; all workers are quiescent at once. */
static inline void publish(void)
{
	const struct sl_settings *settings = &snapshot->settings;
	const uint64_t id = flow_id(&settings->flow_key, settings->numbering);
	bool release;
	const struct flow_view view = flow_keeper_view(keeper, settings, now_s, &release);

	for (unsigned int w = 0; w < workers; w++) {
		env[w].shared = view;
		env[w].snapshot = snapshot;
		if (env[w].flow_id != id)
			flow_table_clear(env[w].flows);
		env[w].flow_id = id;
	}
	if (release)
		flow_keeper_release(keeper);
}

static inline void start(unsigned int count)
{
	const struct flow_keeper_config config = { &dp_allocator_malloc, dir, dir_fd, (uid_t)-1, count };

	workers = count;
	assert_int_equal(flow_keeper_create(&config, now_s, &keeper), 0);
	memset(stats, 0, sizeof(stats));
	for (unsigned int w = 0; w < count; w++)
		env[w] = (struct sl_env){ .flows = flow_keeper_table(keeper, w), .exports = flow_keeper_ring(keeper, w),
					  .stats = &stats[w], .flow_id = 0 };
	publish();
}

/* As kill -9 leaves it: what is in rings is lost, the file stays. */
static inline void stop(void)
{
	flow_keeper_destroy(keeper);
	keeper = NULL;
}

static inline void tick(void)
{
	now_ns += 1000000;
	workers_pressure = false;
	for (unsigned int w = 0; w < workers; w++) {
		const struct flow_table_lives lives = flow_table_lives(snapshot->settings.idle_max_s);

		flow_table_tick(env[w].flows, now_s, now_ns, &lives);
		workers_pressure |= flow_table_pressure(env[w].flows);
	}
	while (flow_keeper_tick(keeper, snapshot, now_s, now_ns, workers_pressure))
		;
	for (unsigned int w = 0; w < workers; w++) {
		env[w].shared_pressure = flow_keeper_pressure(keeper);
		env[w].shared_refused_s = flow_keeper_refused_s(keeper);
	}
	if (flow_keeper_is_due(keeper))
		publish();
}

static inline void look(void)
{
	flow_keeper_look(keeper);
	tick();
}

static inline void pass(uint64_t seconds)
{
	while (seconds-- > 0) {
		now_s++;
		now_ns += 999000000;
		tick();
	}
}

static inline int setup(void **state)
{
	(void)state;
	log_setup(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	strcpy(dir, "/tmp/sluice-flow-XXXXXX");
	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	now_s = 70000;
	now_ns = 1;
	pool.pool.idle_s[SL_FLOW_TCP] = IDLE_S;
	snapshot = calloc(1, sizeof(*snapshot) + (POOL + 1) * sizeof(snapshot->pool[0]));
	snapshot->pool_count = POOL + 1;
	snapshot->pool[POOL] = &pool;
	snapshot->settings = (struct sl_settings){ .flow_key = { 11, 12 }, .numbering = 77,
						   .idle_max_s = { IDLE_S, IDLE_S, IDLE_S } };
	make_file(FLOWS, 77);
	start(WORKERS);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	stop();
	free(snapshot);
	unlinkat(dir_fd, SL_FLOWS_FILE, 0);
	close(dir_fd);
	return rmdir(dir);
}

/* ---- packets ------------------------------------------------------------------------------------------ */

static inline struct sl_packet packet(uint64_t flow)
{
	struct sl_packet pkt = { .pool = &pool.pool, .row = (uint32_t)(flow % 911), .kind = SL_FLOW_TCP };
	const struct sl_flow_key key = { .src = { .d = { flow, 1 } }, .proto = IPPROTO_TCP };

	pkt.tag = sl_flow_tag(&snapshot->settings.flow_key, &key, POOL);
	return pkt;
}

/* The slot that worker `w` knows of that connection, and touches it as a data packet does; -1: none. */
static inline int data(unsigned int w, uint64_t flow)
{
	struct sl_packet pkt = packet(flow);
	struct sl_flow found;

	if (!sl_env_flow_get(&env[w], &pkt, &found))
		return -1;
	sl_env_flow_touch(&env[w], &pkt, &found, found.flags & (uint8_t)~SL_FLOW_IS_UNCONFIRMED);
	return found.slot;
}

/* The same without a trace. */
static inline int quoted(unsigned int w, uint64_t flow)
{
	struct sl_packet pkt = packet(flow);
	struct sl_flow found;

	pkt.flags |= SL_PKT_QUOTED;
	return sl_env_flow_get(&env[w], &pkt, &found) ? found.slot : -1;
}

static inline int put(unsigned int w, uint64_t flow, uint16_t slot, uint8_t flags)
{
	const struct sl_packet pkt = packet(flow);

	return sl_env_flow_put(&env[w], &pkt, slot, flags);
}

/* A start that replaces what is remembered; `store`: the row is open, else only the old entry goes. */
static inline void restart(unsigned int w, uint64_t flow, uint16_t slot, bool store)
{
	struct sl_packet pkt = packet(flow);
	struct sl_flow found;

	if (sl_env_flow_get(&env[w], &pkt, &found))
		sl_env_flow_del(&env[w], &pkt, &found);
	if (store)
		put(w, flow, slot, SL_FLOW_IS_UNCONFIRMED);
}

static inline struct sl_flows_live live(void)
{
	const int fd = openat(dir_fd, SL_FLOWS_FILE, O_RDONLY | O_CLOEXEC);
	struct sl_flows_live copy;

	assert_int_equal(pread(fd, &copy, sizeof(copy), SL_SHM_PAGE), sizeof(copy));
	close(fd);
	return copy;
}

#endif
