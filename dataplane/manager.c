/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop and its timetable: each of its parts does a bounded amount of work a round.
 */
#include "dataplane/manager.h"

#include <errno.h>
#include <poll.h>
#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/device.h"
#include "dataplane/feed.h"
#include "dataplane/log.h"
#include "dataplane/roots.h"
#include "dataplane/snapshot_layout.h"
#include "dataplane/watchdog.h"

enum {
	MANAGER_RECORD_BUDGET = 1024, /* records a tick */
	MANAGER_COUNTER_BUDGET = 65536, /* service and backend counters a copy */
	MANAGER_TICK_BUSY_MS = 1,
	MANAGER_TICK_IDLE_MS = 3,
	MANAGER_BUSY_MS = 200,        /* after the last record: ticks stay short */
	MANAGER_REPORT_MS = 100,      /* heartbeat, statistics, progress */
	MANAGER_LOOK_MS = 50,         /* for a new file, and at the device's socket */
	MANAGER_PORTS_MS = 1000,      /* for another MAC address of a port's interface */
	MANAGER_STOP_MS = 1000,       /* for workers to end */
};

struct manager {
	const struct manager_config *config;
	unsigned int workers;
	struct worker *worker;
	struct worker_shared *shared;
	struct roots roots;
	bool ports_due;           /* roots.port is not what the published root says */
	struct shm *shm;          /* NULL: none, sluiced is between two files */
	struct feed *feed;
	int refused;              /* last error of attaching a new file: said once */
	int image_error;
	struct stats stats;
	struct watchdog watchdog;
	struct device device;
	uint64_t active_ns, report_ns, look_ns, ports_ns;
	unsigned int workers_well;
	bool applied_any;
};

static uint64_t manager_clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static uint64_t manager_now_ns(void)
{
	return manager_clock_ns(CLOCK_MONOTONIC);
}

/* The clock of remembered connections: goes on while the machine sleeps, so that an age is an age. */
static uint64_t manager_boottime_s(void)
{
	return manager_clock_ns(CLOCK_BOOTTIME) / 1000000000ull;
}

static struct sl_shm_live *manager_live(const struct manager *manager)
{
	return manager->shm ? shm_live(manager->shm) : NULL;
}

/* ---- roots -------------------------------------------------------------------------------------------- */

static int manager_publish(struct manager *manager, struct snapshot *snapshot, bool counters)
{
	return roots_publish(&manager->roots, snapshot, counters, manager_boottime_s());
}

static void manager_report_applied(struct manager *manager, uint64_t generation, uint64_t tables)
{
	struct sl_shm_live *live = manager_live(manager);

	if (live) {
		__atomic_store_n(&live->data_tables, tables, __ATOMIC_RELAXED);
		__atomic_store_n(&live->data_generation, generation, __ATOMIC_RELEASE);
	}
	if (manager->feed)
		feed_applied(manager->feed, generation, tables);
	if (!manager->applied_any)
		log_event(LOG_LEVEL_INFO, "forwarding", LOG_U64("workers", manager->workers),
			  LOG_U64("generation", generation));
	else
		log_event(LOG_LEVEL_DEBUG, "generation applied", LOG_U64("generation", generation));
	manager->applied_any = true;
}

/* Says what all workers use now. */
static void manager_retire(struct manager *manager)
{
	uint64_t generation, tables;

	while (roots_retire(&manager->roots, &generation, &tables))
		if (generation != 0)
			manager_report_applied(manager, generation, tables);
}

/* ---- the shared file ---------------------------------------------------------------------------------- */

static void manager_take_flow(void *ctx, const struct sl_flow_put *flow)
{
	struct manager *manager = ctx;

	flow_keeper_tell(manager->roots.flows, flow, manager->roots.now->snapshot, manager_boottime_s());
}

static struct sl_hello manager_hello(const struct manager *manager)
{
	const struct port_set *ports = manager->config->ports;
	struct sl_hello hello = {
		.pid = (uint64_t)getpid(),
		.generation = snapshot_generation(manager->roots.now->snapshot),
		.workers = manager->workers,
		.abi_minor = SL_ABI_MINOR,
		.ports = (uint16_t)ports->count,
	};

	for (unsigned int p = 0; p < ports->count && p < RTE_DIM(hello.port); p++)
		hello.port[p] = manager->roots.port[p];
	return hello;
}

/* Reads back what a sluice-dp before us applied, so that we forward before sluiced says anything. */
static void manager_restore(struct manager *manager, bool counters)
{
	struct snapshot *snapshot = NULL;
	const int err = feed_restore(manager->feed, &snapshot);

	if (err == 0)
		log_event(LOG_LEVEL_INFO, "generation read back from the image",
			  LOG_U64("generation", snapshot_generation(snapshot)),
			  LOG_STR("directory", manager->config->instance->dir), LOG_STR("file", SL_SHM_FILE));
	else if (err != -ENOENT)
		log_event(LOG_LEVEL_WARNING, "the image is of no use: waiting for sluiced",
			  LOG_STR("directory", manager->config->instance->dir), LOG_STR("file", SL_SHM_FILE),
			  LOG_ERRNO("cause", err));
	if ((snapshot || counters) && manager_publish(manager, snapshot, counters) < 0) {
		snapshot_free(snapshot);
		log_event(LOG_LEVEL_ERROR, "no memory to publish a generation");
	}
}

/* Goes over to `shm`. Returns 0, or -errno: nothing changed and `shm` is still the caller's. */
static int manager_attach(struct manager *manager, struct shm *shm)
{
	const struct feed_config config = {
		.base = shm_base(shm),
		.header = shm_header(shm),
		.allocator = manager->config->allocator,
		.hello = manager_hello(manager),
		.flow = manager_take_flow,
		.ctx = manager,
	};
	struct sl_shm_live *live = shm_live(shm);
	struct feed *feed;
	int err, counters;

	if (roots_are_busy(&manager->roots))
		return -EBUSY;
	err = feed_create(&config, &feed);
	if (err < 0)
		return err;
	counters = stats_attach(&manager->stats, shm_base(shm), shm_header(shm));
	if (counters < 0) {
		feed_destroy(feed);
		return counters;
	}
	roots_silence(&manager->roots); /* of the old session: nobody is told any more */
	feed_destroy(manager->feed);
	shm_close(manager->shm);
	manager->feed = feed;
	manager->shm = shm;
	__atomic_store_n(&live->data_pid, (uint64_t)getpid(), __ATOMIC_RELAXED);
	__atomic_store_n(&live->data_started_ns, manager_clock_ns(CLOCK_REALTIME), __ATOMIC_RELAXED);
	manager_restore(manager, counters == 1);
	return 0;
}

/* A new file of that name is a new sluiced: its word counts from now on. Until it is sound we go on as we are. */
static void manager_look_for_file(struct manager *manager)
{
	struct shm *shm = NULL;
	struct shm_error error;
	int err;

	if (!shm_is_replaced(manager->shm, manager->config->instance->dir_fd))
		return;
	err = shm_open_at(manager->config->instance->dir_fd, manager->config->owner, &shm, &error);
	if (err == 0) {
		if (memcmp(&shm_header(shm)->boot, manager->config->boot, sizeof(*manager->config->boot)) != 0)
			log_event(LOG_LEVEL_WARNING, "the new configuration has other ports, workers or memory: applies when sluice-dp restarts");
		err = manager_attach(manager, shm);
		if (err == 0) {
			manager->refused = 0;
			log_event(LOG_LEVEL_INFO, "attached to a new file of sluiced",
				  LOG_STR("directory", manager->config->instance->dir), LOG_STR("file", SL_SHM_FILE));
			return;
		}
		shm_close(shm);
		snprintf(error.text, sizeof(error.text), "%s", strerror(-err));
	}
	if (err != -ENOENT && err != -EBUSY && err != manager->refused)
		log_event(LOG_LEVEL_ERROR, "shared memory refused, going on with the state of before",
			  LOG_STR("directory", manager->config->instance->dir), LOG_STR("file", SL_SHM_FILE),
			  LOG_STR("cause", error.text));
	if (err != -EBUSY)
		manager->refused = err;
}

/* Takes what sluiced stated. Returns true when there was something. */
static bool manager_feed(struct manager *manager, uint64_t now_ns)
{
	struct snapshot *snapshot;
	struct sl_rejected rejected;

	/* With no place for another root in its grace period, records wait in the ring. */
	if (!manager->feed || roots_are_busy(&manager->roots))
		return false;
	snapshot = feed_poll(manager->feed, now_ns, MANAGER_RECORD_BUDGET);
	if (snapshot && manager_publish(manager, snapshot, false) < 0) {
		snapshot_free(snapshot);
		log_event(LOG_LEVEL_ERROR, "no memory to publish a generation");
	}
	rejected = feed_rejected(manager->feed);
	if (rejected.reason != SL_REJECT_NONE)
		log_event(LOG_LEVEL_WARNING, "record refused; asked sluiced to send everything again",
			  LOG_STR("cause", sl_reject_reason_name(rejected.reason)),
			  LOG_STR("record", sl_record_type_name(rejected.type)), LOG_U64("sequence", rejected.sequence),
			  LOG_U64("generation", rejected.generation));
	if (feed_image_error(manager->feed) < 0 && manager->image_error == 0)
		log_event(LOG_LEVEL_WARNING, "the state does not fit the file's image region: a restart waits for sluiced before it forwards");
	manager->image_error = feed_image_error(manager->feed);
	return snapshot != NULL;
}

/* ---- reports ------------------------------------------------------------------------------------------ */

static void manager_check_workers(struct manager *manager, uint64_t now_ns)
{
	uint64_t polls[SL_WORKERS_MAX];

	for (unsigned int w = 0; w < manager->workers; w++)
		polls[w] = __atomic_load_n(&manager->worker[w].stats.polls, __ATOMIC_RELAXED);
	manager->workers_well = watchdog_tick(&manager->watchdog, now_ns, polls);
	for (unsigned int w = 0; w < manager->workers; w++) {
		if (manager->watchdog.stuck[w] && !manager->stats.stuck[w])
			log_event(LOG_LEVEL_ERROR, "worker made no progress for a second", LOG_U64("worker", w));
		if (!manager->watchdog.stuck[w] && manager->stats.stuck[w])
			log_event(LOG_LEVEL_INFO, "worker makes progress again", LOG_U64("worker", w));
		manager->stats.stuck[w] = manager->watchdog.stuck[w];
	}
}

static void manager_report(struct manager *manager, uint64_t now_ns)
{
	struct sl_shm_live *live = manager_live(manager);

	manager_check_workers(manager, now_ns);
	for (unsigned int w = 0; w < manager->workers; w++)
		port_set_losses(manager->config->ports, w, &manager->stats.missed[w], &manager->stats.no_mbuf[w]);
	stats_copy(&manager->stats, MANAGER_COUNTER_BUDGET);
	if (!live)
		return;
	__atomic_store_n(&live->data_workers_alive, manager->workers_well, __ATOMIC_RELAXED);
	__atomic_store_n(&live->data_beat_ns, now_ns, __ATOMIC_RELAXED);
}

/* DPDK remembers the MAC address that an interface had when its port was opened; the kernel knows its own. */
static void manager_follow_macs(struct manager *manager)
{
	const struct port_set *ports = manager->config->ports;
	uint8_t mac[6];
	char text[18];

	for (unsigned int p = 0; p < ports->count; p++) {
		const char *interface = port_plan_interface(&manager->config->boot->port[p]);

		if (!interface || interface_mac(interface, mac) < 0 ||
		    memcmp(mac, manager->roots.port[p].mac, sizeof(mac)) == 0)
			continue;
		memcpy(manager->roots.port[p].mac, mac, sizeof(mac));
		manager->ports_due = true;
		snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
		log_event(LOG_LEVEL_INFO, "port has another MAC address", LOG_STR("port", ports->port[p].name),
			  LOG_STR("mac", text));
	}
	if (manager->ports_due && manager_publish(manager, NULL, false) == 0) /* else next time */
		manager->ports_due = false;
}

static bool manager_worker_pressure(const struct manager *manager)
{
	bool pressure = false;

	for (unsigned int w = 0; w < manager->workers; w++)
		pressure |= atomic_load_explicit(&manager->worker[w].flow_pressure, memory_order_relaxed);
	return pressure;
}

/* Remembered connections: what workers told, how full it is, and another file. Returns true when there was something. */
static bool manager_flows(struct manager *manager, uint64_t now_ns)
{
	const uint64_t now_s = manager_boottime_s();
	bool active;

	atomic_store_explicit(&manager->shared->boottime_s, now_s, memory_order_relaxed);
	active = flow_keeper_tick(manager->roots.flows, manager->roots.now->snapshot, now_s, now_ns,
				  manager_worker_pressure(manager));
	atomic_store_explicit(&manager->shared->flow_pressure, flow_keeper_pressure(manager->roots.flows), memory_order_relaxed);
	atomic_store_explicit(&manager->shared->flow_refused_s, flow_keeper_refused_s(manager->roots.flows), memory_order_relaxed);
	if (flow_keeper_is_due(manager->roots.flows))
		manager_publish(manager, NULL, false); /* else next time */
	return active;
}

/* One round of the timetable; returns how long to sleep. */
static int manager_tick(struct manager *manager)
{
	const uint64_t now_ns = manager_now_ns();

	const bool fed = manager_feed(manager, now_ns), told = manager_flows(manager, now_ns);

	if (fed || told || manager->roots.count > 0)
		manager->active_ns = now_ns;
	manager_retire(manager);
	if (now_ns - manager->report_ns >= MANAGER_REPORT_MS * 1000000ull) {
		manager->report_ns = now_ns;
		manager_report(manager, now_ns);
	}
	if (now_ns - manager->look_ns >= MANAGER_LOOK_MS * 1000000ull) {
		manager->look_ns = now_ns;
		flow_keeper_look(manager->roots.flows); /* first: sluiced made it before the other one */
		manager_look_for_file(manager);
		device_tick(&manager->device, now_ns, manager->shm ? shm_header(manager->shm)->session : 0,
			    manager->workers_well == manager->workers);
	}
	if (now_ns - manager->ports_ns >= MANAGER_PORTS_MS * 1000000ull) {
		manager->ports_ns = now_ns;
		manager_follow_macs(manager);
	}
	return now_ns - manager->active_ns < MANAGER_BUSY_MS * 1000000ull ? MANAGER_TICK_BUSY_MS : MANAGER_TICK_IDLE_MS;
}

/* ---- start and stop ----------------------------------------------------------------------------------- */

static int manager_create_flows(struct manager *manager)
{
	const struct flow_keeper_config config = {
		.allocator = manager->config->allocator,
		.dir = manager->config->instance->dir,
		.dir_fd = manager->config->instance->dir_fd,
		.owner = manager->config->owner,
		.workers = manager->workers,
	};
	const uint64_t now_s = manager_boottime_s();
	const int err = flow_keeper_create(&config, now_s, &manager->roots.flows);

	if (err < 0)
		return err;
	atomic_init(&manager->shared->boottime_s, now_s);
	for (unsigned int w = 0; w < manager->workers; w++) {
		manager->worker[w].flows = flow_keeper_table(manager->roots.flows, w);
		manager->worker[w].exports = flow_keeper_ring(manager->roots.flows, w);
	}
	return 0;
}

static int manager_create_shared(struct manager *manager)
{
	const struct manager_config *config = manager->config;
	const uint64_t hz = rte_get_tsc_hz();
	struct worker_shared *shared;

	shared = rte_zmalloc("shared", sizeof(*shared), 64);
	manager->worker = rte_zmalloc("workers", sizeof(struct worker) * manager->workers, 64);
	if (!shared || !manager->worker)
		return -ENOMEM;
	manager->shared = shared;
	shared->qsbr = rte_zmalloc("qsbr", rte_rcu_qsbr_get_memsize(manager->workers), 64);
	if (!shared->qsbr || rte_rcu_qsbr_init(shared->qsbr, manager->workers) != 0)
		return -ENOMEM;
	atomic_init(&shared->stop, false);
	shared->ports = config->ports;
	for (unsigned int p = 0; p < config->ports->count; p++)
		manager->roots.port[p] = config->ports->port[p].shared;
	shared->adaptive = config->boot->poll == SL_POLL_ADAPTIVE;
	shared->cycles_per_ms = hz / 1000;
	shared->ns_scale = (uint64_t)(((unsigned __int128)1000000000 << 32) / hz);
	shared->on_start = config->drop_thread;
	for (unsigned int w = 0; w < manager->workers; w++) {
		manager->worker[w].shared = shared;
		manager->worker[w].index = w;
	}
	return roots_init(&manager->roots, shared, &manager->stats);
}

/* Each worker's fragmented datagrams, which the others may look at. */
static int manager_create_fragments(struct manager *manager)
{
	for (unsigned int w = 0; w < manager->workers; w++) {
		struct fragment_table *table = rte_zmalloc("fragments", fragment_table_size(), 64);

		if (!table)
			return -ENOMEM;
		for (unsigned int reader = 0; reader < manager->workers; reader++) {
			manager->worker[reader].fragments.table[w] = table;
			manager->worker[reader].fragments.count = manager->workers;
			manager->worker[reader].fragments.own = reader;
		}
	}
	return 0;
}

static int manager_start_workers(struct manager *manager)
{
	for (unsigned int w = 0; w < manager->workers; w++) {
		const int err = rte_eal_remote_launch(worker_run, &manager->worker[w], w + 1);

		if (err < 0)
			return err;
	}
	return 0;
}

/* A worker that hangs is left to the exit of the process. */
static void manager_stop_workers(struct manager *manager)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	atomic_store_explicit(&manager->shared->stop, true, memory_order_relaxed);
	for (unsigned int w = 0; w < manager->workers; w++)
		for (int ms = 0; ms < MANAGER_STOP_MS && rte_eal_get_lcore_state(w + 1) == RUNNING; ms++)
			nanosleep(&pause, NULL);
}

int manager_run(const struct manager_config *config)
{
	struct manager *manager = calloc(1, sizeof(*manager));
	struct pollfd signals = {.fd = config->signal_fd, .events = POLLIN};
	int err;

	if (!manager)
		return -ENOMEM;
	manager->config = config;
	manager->workers = manager->workers_well = config->boot->worker_count;
	err = manager_create_shared(manager);
	if (err == 0)
		err = manager_create_fragments(manager);
	if (err == 0)
		err = manager_create_flows(manager);
	if (err < 0)
		return err;
	stats_init(&manager->stats, config->allocator, manager->worker, manager->workers);
	watchdog_init(&manager->watchdog, manager->workers);
	if (device_init(&manager->device, config->instance->dir, config->owner) < 0)
		log_event(LOG_LEVEL_WARNING, "the runtime directory is too long for a socket's path: no device for VIPs",
			  LOG_STR("directory", config->instance->dir), LOG_STR("file", SL_DATAPLANE_SOCKET));
	err = manager_attach(manager, config->shm); /* before the workers: their first packet finds the image */
	if (err < 0)
		return err;
	err = manager_start_workers(manager);
	if (err < 0)
		return err;
	while (poll(&signals, 1, manager_tick(manager)) <= 0)
		;
	log_event(LOG_LEVEL_INFO, "stopping");
	manager_stop_workers(manager);
	flow_keeper_finish(manager->roots.flows, manager->roots.now->snapshot, manager_boottime_s(), manager_now_ns(),
			   manager_worker_pressure(manager));
	manager_report(manager, manager_now_ns());
	device_fini(&manager->device);
	return 0;
}
