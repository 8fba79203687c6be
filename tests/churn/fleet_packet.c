/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A simulated balancer as a home of the forwarding core: decides about one frame and never writes it. The stages, the
 * snapshot and the memory of connections are those of a worker of sluice-dp.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controlplane/flow_file.h"
#include "controlplane/flow_scan.h"
#include "dataplane/env.h"
#include "dataplane/flow_keeper.h"
#include "fleet_balancer.h"
#include "frame.h"
#include "sluice/host/boot_id.h"

enum { CENSUS_EVERY_MS = 20000, CENSUS_STEP = 1 << 20 };

struct fleet_home {
	struct sl_env env;
	struct sl_port port;
	struct sl_worker_stats stats;
	struct sl_packet pkt;
	struct sl_plan plan;
	char dir[256];
	int dir_fd;
	struct flow_file *file;
	struct flow_keeper *keeper;
	struct flow_census *census;
	uint64_t census_ms;
};

SL_INLINE __attribute__((unused)) int sl_env_room(struct sl_env *env, struct sl_packet *pkt)
{
	(void)env;
	(void)pkt;
	return -ENOSPC; /* nothing is ever written */
}

#include "sluice/core/forward.h"

/* What manager and workers do when something is published: nobody is between two packets here. */
static void view(struct fleet *fleet, struct fleet_home *home)
{
	const struct sl_settings *settings = &home->env.snapshot->settings;
	const uint64_t id = flow_id(&settings->flow_key, settings->numbering);
	bool release;

	home->env.shared = flow_keeper_view(home->keeper, settings, fleet->now_ms / 1000, &release);
	if (home->env.flow_id != id)
		flow_table_clear(home->env.flows);
	home->env.flow_id = id;
	if (release)
		flow_keeper_release(home->keeper);
}

/* As a process of sluice-dp begins: tables of its own are empty, the file is there. */
static int start_process(struct fleet *fleet, struct fleet_home *home)
{
	const struct flow_keeper_config config = { &dp_allocator_malloc, home->dir, home->dir_fd, (uid_t)-1, 1 };
	int err = flow_keeper_create(&config, fleet->now_ms / 1000, &home->keeper);

	if (err < 0)
		return err;
	home->env.flows = flow_keeper_table(home->keeper, 0);
	home->env.exports = flow_keeper_ring(home->keeper, 0);
	home->env.flow_id = 0;
	view(fleet, home);
	return 0;
}

static int make_file(struct fleet *fleet, struct fleet_home *home)
{
	static const struct sl_boot boot;
	struct flow_file_want want = { .flows = fleet->options.flows, .flow_key = fleet->flow_key, .numbering = FLEET_NUMBERING,
				       .now_s = fleet->now_ms / 1000, .wall_ns = 1, .boot = &boot, .heir = true,
				       .life_s = sl_flow_life_s(fleet->options.idle_tcp_s) };
	struct flow_file_report report;
	char reterr[400];
	int err;

	sl_boot_id(want.boot_id);
	err = flow_file_open(home->dir, &want, &home->file, &report, reterr, sizeof(reterr));
	if (err < 0)
		fprintf(stderr, "%s\n", reterr);
	return err;
}

int fleet_packet_start(struct fleet *fleet, struct fleet_balancer *b)
{
	struct fleet_home *home = calloc(1, sizeof(*home));
	int err;

	if (!home)
		return -ENOMEM;
	b->home = home;
	snprintf(home->dir, sizeof(home->dir), "%s/run%u", fleet->options.state_dir, (unsigned int)(b - fleet->balancer));
	if (mkdir(home->dir, 0700) < 0)
		return -errno;
	home->dir_fd = open(home->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	home->port = (struct sl_port){ .mac = { 2, 0, 0, 0, 0, 1 } };
	home->env.snapshot = &snapshot_empty;
	home->env.ports = &home->port;
	home->env.port_count = 1;
	home->env.stats = &home->stats;
	home->pkt.plan = &home->plan;
	err = fleet->options.shared ? make_file(fleet, home) : 0;
	if (err == 0)
		err = flow_census_create(&home->census);
	return err < 0 ? err : start_process(fleet, home);
}

void fleet_packet_stop(struct fleet_balancer *b)
{
	if (!b->home)
		return;
	flow_keeper_destroy(b->home->keeper);
	flow_census_destroy(b->home->census);
	flow_file_close(b->home->file);
	unlinkat(b->home->dir_fd, SL_FLOWS_FILE, 0);
	close(b->home->dir_fd);
	rmdir(b->home->dir);
	free(b->home);
	b->home = NULL;
}

void fleet_packet_use(struct fleet *fleet, struct fleet_balancer *b, const struct snapshot *snapshot)
{
	b->home->env.snapshot = snapshot;
	view(fleet, b->home);
}

/* What daemon_flows.c does: counts when somebody waits for it. */
static void census(struct fleet *fleet, struct fleet_balancer *b)
{
	struct fleet_home *home = b->home;
	struct flow_scan scan = { .hot = NULL };
	struct flow_census_source source;
	struct flow_census_want *wants;
	size_t count;

	if (!home->file || model_census_due(b->model) == MODEL_CENSUS_NONE || fleet->now_ms - home->census_ms < CENSUS_EVERY_MS)
		return;
	home->census_ms = fleet->now_ms;
	scan = (struct flow_scan){ .hot = flow_file_buckets(home->file), .home = flow_file_homes(home->file),
				   .buckets = flow_file_header(home->file)->buckets };
	source = flow_scan_source(&scan);
	if (model_census_wants(b->model, &wants, &count) < 0)
		exit(1);
	if (flow_census_begin(home->census, wants, count, fleet->now_ms) < 0)
		exit(1);
	free(wants);
	model_census_begin(b->model, fleet->now_ms);
	while (flow_census_step(home->census, &source, CENSUS_STEP, fleet->now_ms) == 0)
		;
	if (model_counted(b->model, flow_census_result(home->census)))
		b->due_ms = 0;
}

void fleet_packet_tick(struct fleet *fleet, struct fleet_balancer *b)
{
	struct fleet_home *home = b->home;
	const struct sl_flows_live *live = home->file ? flow_file_live(home->file) : NULL;
	const struct flow_table_lives lives = flow_table_lives(home->env.snapshot->settings.idle_max_s);
	const uint64_t now_s = fleet->now_ms / 1000, now_ns = fleet->now_ms * 1000000;

	flow_table_tick(home->env.flows, now_s, now_ns, &lives);
	flow_keeper_tick(home->keeper, home->env.snapshot, now_s, now_ns, flow_table_pressure(home->env.flows));
	home->env.shared_pressure = flow_keeper_pressure(home->keeper);
	home->env.shared_refused_s = flow_keeper_refused_s(home->keeper);
	if (flow_keeper_is_due(home->keeper))
		view(fleet, home);
	if (live)
		model_set_pressure(b->model, live->pressure != 0, live->pressure_s * 1000);
	census(fleet, b);
}

/* The process dies: what it alone knew is gone. */
void fleet_packet_restart(struct fleet *fleet, struct fleet_balancer *b)
{
	flow_keeper_destroy(b->home->keeper);
	if (start_process(fleet, b->home) < 0)
		exit(1);
}

uint16_t fleet_packet(struct fleet *fleet, unsigned int balancer, const uint8_t *frame, uint32_t len)
{
	struct fleet_balancer *b = &fleet->balancer[balancer];
	struct sl_packet *pkt = &b->home->pkt;
	uint8_t bytes[FRAME_MAX];

	memcpy(bytes, frame, len);
	pkt->data = bytes;
	pkt->end = bytes + len;
	pkt->frame_len = len;
	pkt->port = 0;
	pkt->flags = 0;
	if (sl_decide(&b->home->env, pkt) != SL_VERDICT_FORWARD)
		return TRAFFIC_NOBODY;
	return b->backend_of_slot[pkt->slot];
}

uint64_t fleet_counter(const struct fleet *fleet, unsigned int counter)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < fleet->options.balancers; i++)
		sum += fleet->balancer[i].home->stats.flow[counter];
	return sum;
}

uint64_t fleet_guesses(const struct fleet *fleet)
{
	return fleet_counter(fleet, SL_FLOW_COUNT_GUESS_BASE) + fleet_counter(fleet, SL_FLOW_COUNT_GUESS_BASE_FULL) +
	       fleet_counter(fleet, SL_FLOW_COUNT_GUESS_CURRENT);
}

uint64_t fleet_entries(const struct fleet *fleet)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < fleet->options.balancers; i++)
		sum += fleet->balancer[i].home->file ? flow_file_live(fleet->balancer[i].home->file)->used
						     : flow_table_used(fleet->balancer[i].home->env.flows);
	return sum;
}

bool fleet_pressure(const struct fleet *fleet)
{
	for (unsigned int i = 0; i < fleet->options.balancers; i++)
		if (flow_table_pressure(fleet->balancer[i].home->env.flows) || fleet->balancer[i].home->env.shared_pressure)
			return true;
	return false;
}

uint64_t fleet_look_rows(const struct fleet *fleet)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < fleet->options.balancers; i++) {
		const struct snapshot_pool *pool = fleet->balancer[i].snapshot->pool[0];

		for (uint32_t row = 0; row < pool->pool.rows; row++)
			sum += (pool->current[row] & SL_ROW_LOOK) != 0;
	}
	return sum;
}

uint64_t fleet_open_rows(const struct fleet *fleet)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < fleet->options.balancers; i++) {
		const struct snapshot_pool *pool = fleet->balancer[i].snapshot->pool[0];

		for (int kind = 0; kind < SL_FLOW_KIND_COUNT; kind++) {
			const struct snapshot_rows *base = pool->table[SL_TABLE_BASE_TCP + kind];

			for (uint32_t row = 0; base != NULL && row < pool->pool.rows; row++)
				sum += base->row[row] != (pool->current[row] & SL_ROW_SLOT);
		}
	}
	return sum;
}
