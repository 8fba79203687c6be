/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One file is in use (`shared`); one may wait to follow it (`next`), because it belongs to settings that are still
 * to come or its entries are still being carried over; one may be waiting for the last worker to let go (`old`).
 */
#include "dataplane/flow_keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/log.h"
#include "dataplane/snapshot_layout.h"
#include "sluice/host/boot_id.h"

enum {
	RECORD_BUDGET = 4096,  /* a tick, of all workers: half a millisecond */
	RECORD_BATCH = 64,
	CARRY_BUDGET = 1024,   /* buckets a tick */
	COUNT_BUDGET = 8192,   /* buckets a tick until all of a new file are counted */
	LAST_TICKS = 512,      /* empty the rings of all workers, and end where one still writes */
	SWEEP_BUDGET = 4096,   /* afterwards, at most */
	TABLE_FLOWS_MIN = 1024,
	REFUSED_S = 2,         /* pressure is told so long after a connection found no room */
};

struct flow_keeper {
	struct flow_keeper_config config;
	uint8_t boot_id[16];
	struct flow_table *table[SL_WORKERS_MAX];
	struct flow_export_ring *ring[SL_WORKERS_MAX];
	struct flow_shared *shared, *next, *old;
	uint64_t since_s;      /* what was stored before that may not be in `shared` */
	uint64_t carry_at;     /* next bucket of `shared` to carry over to `next` */
	unsigned int turn;     /* the worker whose ring comes first */
	uint64_t sweep_ns;     /* when the last bucket was due */
	uint64_t refused, refused_s;
	int said;              /* last error of opening: said once */
	bool carrying, due, releasing, strange_said;
	bool unseen;           /* workers do not tell `shared` yet, and nobody else told it */
	uint64_t told_id;      /* by which workers remember; with another one they begin empty */
	bool whole;            /* they told `shared`, or what it was carried over from, all of it */
};

/* ---- files -------------------------------------------------------------------------------------------- */

static uint64_t id_of(const struct flow_shared *shared)
{
	const struct sl_flows_header *header = shared ? flow_shared_header(shared) : NULL;

	return header ? flow_id(&header->flow_key, header->numbering) : 0;
}

/* Why that file may not be used with these settings; SL_FLOWS_SOUND: it may. */
static enum sl_flows_fault fault_of(const struct flow_keeper *keeper, const struct flow_shared *shared,
				    const struct sl_settings *settings)
{
	if (settings->numbering == 0)
		return SL_FLOWS_NUMBERING;
	return sl_flows_check_owner(flow_shared_header(shared), keeper->boot_id, &settings->flow_key, settings->numbering);
}

static bool serves(const struct flow_keeper *keeper, const struct flow_shared *shared, const struct sl_settings *settings)
{
	return shared != NULL && fault_of(keeper, shared, settings) == SL_FLOWS_SOUND;
}

static void say_file(const struct flow_keeper *keeper, enum log_level level, const char *event, const char *cause)
{
	log_event(level, event, LOG_STR("directory", keeper->config.dir), LOG_STR("file", SL_FLOWS_FILE),
		  LOG_STR("cause", cause));
}

/* The first write to a file that turned out to be ours. */
static void adopt(struct flow_keeper *keeper, struct flow_shared *shared, uint64_t now_s)
{
	struct sl_flows_live *live = flow_shared_live(shared);
	int64_t idle_s;

	if (!flow_shared_adopt(shared, now_s, &idle_s))
		log_event(LOG_LEVEL_WARNING,
			  idle_s < 0 ? "connections forgotten: the file says that it was written in the future"
				     : "connections forgotten: nobody wrote the file for too long to know how old they are",
			  LOG_STR("directory", keeper->config.dir), LOG_STR("file", SL_FLOWS_FILE),
			  LOG_U64("seconds", idle_s < 0 ? 0 - (uint64_t)idle_s : (uint64_t)idle_s));
	__atomic_store_n(&live->swept_s, now_s, __ATOMIC_RELAXED);
	__atomic_store_n(&live->capacity, sl_flows_capacity(flow_shared_header(shared)->buckets), __ATOMIC_RELAXED);
	__atomic_store_n(&live->writer_pid, (uint64_t)getpid(), __ATOMIC_RELAXED);
	log_event(LOG_LEVEL_INFO, "remembering connections in the shared table",
		  LOG_STR("directory", keeper->config.dir), LOG_STR("file", SL_FLOWS_FILE),
		  LOG_U64("connections", flow_shared_used(shared)),
		  LOG_U64("capacity", sl_flows_capacity(flow_shared_header(shared)->buckets)));
}

/* `next` becomes the file in use. The one before is closed when no worker can read it any more. */
static void succeed(struct flow_keeper *keeper)
{
	if (!keeper->carrying)
		keeper->unseen = true;
	keeper->old = keeper->shared;
	keeper->shared = keeper->next;
	keeper->next = NULL;
	keeper->carrying = false;
	keeper->due = true;
	keeper->sweep_ns = 0;
	keeper->refused = 0;
}

static void drop_next(struct flow_keeper *keeper)
{
	flow_shared_close(keeper->next);
	keeper->next = NULL;
	keeper->carrying = false;
}

/* A cut file is zeros now: workers read that until they have the next root. */
static void drop_lost(struct flow_keeper *keeper)
{
	if (keeper->next != NULL && flow_shared_is_lost(keeper->next))
		drop_next(keeper);
	if (keeper->shared == NULL || keeper->old != NULL || !flow_shared_is_lost(keeper->shared))
		return;
	say_file(keeper, LOG_LEVEL_ERROR, "the file of connections was cut: workers remember for themselves until there is a new one",
		 "restart sluiced, which writes a new file, and look for who changed it");
	keeper->old = keeper->shared;
	keeper->shared = NULL;
	keeper->carrying = false;
	keeper->due = true;
}

void flow_keeper_look(struct flow_keeper *keeper)
{
	struct flow_shared *found = NULL, *newest;
	struct shm_error error;
	int err;

	drop_lost(keeper);
	newest = keeper->next ? keeper->next : keeper->shared;
	if (newest != NULL && !flow_shared_is_replaced(newest, keeper->config.dir_fd))
		return;
	err = flow_shared_open(keeper->config.dir_fd, keeper->config.owner, keeper->boot_id, &found, &error);
	if (err < 0) {
		if (err != keeper->said && newest != NULL)
			say_file(keeper, LOG_LEVEL_WARNING, "new file of connections refused, going on with the one before", error.text);
		else if (err != keeper->said)
			say_file(keeper, LOG_LEVEL_WARNING,
				 "no file of connections that can be used: workers remember for themselves, a restart forgets",
				 error.text);
		keeper->said = err;
		return;
	}
	keeper->said = 0;
	keeper->strange_said = false;
	drop_next(keeper);
	keeper->next = found;
}

/* ---- what workers read -------------------------------------------------------------------------------- */

struct flow_view flow_keeper_view(struct flow_keeper *keeper, const struct sl_settings *settings, uint64_t now_s,
				  bool *ret_release)
{
	const uint64_t id = flow_id(&settings->flow_key, settings->numbering);
	bool empty;

	/* A file that belongs to these settings takes the place of one that does not, together with them. */
	if (serves(keeper, keeper->next, settings) && !serves(keeper, keeper->shared, settings) && keeper->old == NULL) {
		adopt(keeper, keeper->next, now_s);
		keeper->carrying = false;
		succeed(keeper);
	}
	*ret_release = keeper->old != NULL && !keeper->releasing;
	keeper->releasing = keeper->old != NULL;
	keeper->due = false;
	empty = settings->numbering != 0 && id != keeper->told_id;
	keeper->told_id = id;
	if (!serves(keeper, keeper->shared, settings))
		return (struct flow_view){ .bucket = NULL };
	if (keeper->unseen) {
		keeper->since_s = now_s;
		keeper->whole = empty;
	}
	keeper->unseen = false;
	return flow_shared_view(keeper->shared, keeper->since_s);
}

void flow_keeper_release(struct flow_keeper *keeper)
{
	flow_shared_close(keeper->old);
	keeper->old = NULL;
	keeper->releasing = false;
}

bool flow_keeper_is_due(const struct flow_keeper *keeper)
{
	return keeper->due;
}

/* ---- what workers told -------------------------------------------------------------------------------- */

static void take_record(struct flow_keeper *keeper, const struct flow_export *record, uint64_t now_s,
			const struct flow_shared_lives *lives)
{
	if (keeper->shared == NULL || record->id != id_of(keeper->shared))
		return; /* of settings that are over */
	flow_shared_tell(keeper->shared, record, now_s, lives);
	if (keeper->carrying)
		flow_shared_tell(keeper->next, record, now_s, lives);
}

void flow_keeper_tell(struct flow_keeper *keeper, const struct sl_flow_put *flow, const struct snapshot *snapshot,
		      uint64_t now_s)
{
	const struct flow_shared_lives lives = { snapshot, flow_table_lives(snapshot->settings.idle_max_s) };
	const struct flow_export record = { .tag = flow->tag, .id = keeper->shared ? id_of(keeper->shared) : 0,
					    .pool = flow->pool, .row = flow->row, .slot = flow->slot & SL_ROW_SLOT,
					    .seen_s = flow->seen_s, .kind = flow->kind, .closing = flow->closing != 0,
					    .start = flow->start != 0 };

	if (flow->tag != 0 && flow->kind < SL_FLOW_KIND_COUNT)
		take_record(keeper, &record, now_s, &lives);
}

static unsigned int drain(struct flow_keeper *keeper, bool writes, uint64_t now_s, const struct flow_shared_lives *lives)
{
	struct flow_export record[RECORD_BATCH];
	unsigned int taken = 0, empty = 0;

	while (taken < RECORD_BUDGET && empty < keeper->config.workers) {
		struct flow_export_ring *ring = keeper->ring[keeper->turn++ % keeper->config.workers];
		const unsigned int count = flow_export_pop(ring, record, RECORD_BATCH);

		empty = count == 0 ? empty + 1 : 0;
		taken += count;
		for (unsigned int i = 0; writes && i < count; i++)
			take_record(keeper, &record[i], now_s, lives);
	}
	return taken;
}

/* A step towards `next` being the file in use. Returns true while there is more to do. */
static bool follow(struct flow_keeper *keeper, const struct snapshot *snapshot, uint64_t now_s,
		   const struct flow_shared_lives *lives)
{
	const struct sl_settings *settings = &snapshot->settings;

	if (keeper->next == NULL || keeper->old != NULL || settings->numbering == 0)
		return false;
	if (!serves(keeper, keeper->next, settings))
		return false;
	if (!serves(keeper, keeper->shared, settings)) {
		adopt(keeper, keeper->next, now_s);
		succeed(keeper);
		return false;
	}
	if (!keeper->carrying) {
		adopt(keeper, keeper->next, now_s);
		keeper->carrying = true;
		keeper->carry_at = 0;
	}
	if (flow_shared_take(keeper->next, keeper->shared, keeper->carry_at, CARRY_BUDGET, now_s, lives)) {
		keeper->carry_at += CARRY_BUDGET;
		return true;
	}
	log_event(LOG_LEVEL_INFO, "connections were carried over to a new file", LOG_STR("directory", keeper->config.dir),
		  LOG_STR("file", SL_FLOWS_FILE), LOG_U64("connections", flow_shared_used(keeper->next)),
		  LOG_U64("refused", flow_shared_refused(keeper->next)));
	succeed(keeper);
	return false;
}

static void sweep(struct flow_keeper *keeper, uint64_t now_s, uint64_t now_ns, const struct flow_shared_lives *lives)
{
	const uint64_t step_ns = FLOW_TABLE_SWEEP_S * 1000000000ull / flow_shared_header(keeper->shared)->buckets;
	uint64_t count;

	if (!flow_shared_is_counted(keeper->shared)) {
		flow_shared_sweep(keeper->shared, COUNT_BUDGET, now_s, lives);
		keeper->sweep_ns = now_ns;
		return;
	}
	if (keeper->sweep_ns == 0 || now_ns < keeper->sweep_ns)
		keeper->sweep_ns = now_ns;
	count = (now_ns - keeper->sweep_ns) / step_ns;
	if (count == 0)
		return;
	keeper->sweep_ns += count * step_ns;
	flow_shared_sweep(keeper->shared, count < SWEEP_BUDGET ? count : SWEEP_BUDGET, now_s, lives);
}

static void store(__u64 *word, uint64_t value)
{
	if (__atomic_load_n(word, __ATOMIC_RELAXED) != value) /* no page is dirtied for nothing */
		__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/* What sluiced reads: rows stay open while there is pressure, and as long as W afterwards. */
static void report(struct flow_keeper *keeper, uint64_t now_s, bool worker_pressure)
{
	struct sl_flows_live *live = flow_shared_live(keeper->shared);
	const uint64_t refused = flow_shared_refused(keeper->shared);
	bool pressure;

	if (refused != keeper->refused)
		keeper->refused_s = now_s;
	keeper->refused = refused;
	pressure = worker_pressure || flow_shared_pressure(keeper->shared) || (keeper->refused_s != 0 && now_s < keeper->refused_s + REFUSED_S);
	/* a moment to come, in a file that somebody wrote over, would keep every row open until then */
	if (pressure || __atomic_load_n(&live->pressure_s, __ATOMIC_RELAXED) > now_s)
		store(&live->pressure_s, now_s);
	store(&live->pressure, pressure);
	store(&live->used, flow_shared_used(keeper->shared));
	if (!keeper->unseen)
		store(&live->whole_s, keeper->whole ? SL_FLOWS_WHOLE : keeper->since_s);
	store(&live->swept_s, now_s);
}

/* Says once of a file that it is not used. */
static void say_strange(struct flow_keeper *keeper, const struct sl_settings *settings)
{
	const struct flow_shared *newest = keeper->next ? keeper->next : keeper->shared;

	if (newest == NULL || settings->numbering == 0 || keeper->strange_said || serves(keeper, newest, settings))
		return;
	keeper->strange_said = true;
	say_file(keeper, LOG_LEVEL_WARNING, "file of connections is not used with what sluiced states now",
		 sl_flows_fault_name(fault_of(keeper, newest, settings)));
}

bool flow_keeper_tick(struct flow_keeper *keeper, const struct snapshot *snapshot, uint64_t now_s, uint64_t now_ns,
		      bool worker_pressure)
{
	const struct flow_shared_lives lives = { snapshot, flow_table_lives(snapshot->settings.idle_max_s) };
	const bool writes = serves(keeper, keeper->shared, &snapshot->settings);
	const unsigned int taken = drain(keeper, writes, now_s, &lives);
	const bool more = follow(keeper, snapshot, now_s, &lives);

	say_strange(keeper, &snapshot->settings);
	if (serves(keeper, keeper->shared, &snapshot->settings)) {
		sweep(keeper, now_s, now_ns, &lives);
		report(keeper, now_s, worker_pressure);
	}
	return taken > 0 || more;
}

void flow_keeper_finish(struct flow_keeper *keeper, const struct snapshot *snapshot, uint64_t now_s, uint64_t now_ns,
			bool worker_pressure)
{
	for (int i = 0; i < LAST_TICKS && flow_keeper_tick(keeper, snapshot, now_s, now_ns, worker_pressure); i++)
		;
}

bool flow_keeper_pressure(const struct flow_keeper *keeper)
{
	return keeper->shared != NULL && flow_shared_pressure(keeper->shared);
}

uint64_t flow_keeper_refused_s(const struct flow_keeper *keeper)
{
	return keeper->refused_s;
}

/* ---- lifetime ----------------------------------------------------------------------------------------- */

static void free_workers(struct flow_keeper *keeper)
{
	const struct dp_allocator *allocator = keeper->config.allocator;

	for (unsigned int w = 0; w < keeper->config.workers; w++) {
		flow_table_destroy(allocator, keeper->table[w]);
		keeper->table[w] = NULL;
		if (keeper->ring[w] != NULL)
			allocator->free(allocator->ctx, keeper->ring[w]);
		keeper->ring[w] = NULL;
	}
}

static int make_workers(struct flow_keeper *keeper, uint64_t flows, uint64_t now_s)
{
	const struct dp_allocator *allocator = keeper->config.allocator;

	for (unsigned int w = 0; w < keeper->config.workers; w++) {
		keeper->ring[w] = allocator->alloc(allocator->ctx, sizeof(*keeper->ring[w]), 64);
		if (keeper->ring[w] == NULL || flow_table_create(allocator, flows, now_s, &keeper->table[w]) < 0) {
			free_workers(keeper);
			return -ENOMEM;
		}
	}
	return 0;
}

int flow_keeper_create(const struct flow_keeper_config *config, uint64_t now_s, struct flow_keeper **ret_keeper)
{
	struct flow_keeper *keeper = calloc(1, sizeof(*keeper));
	uint64_t all = FLOW_KEEPER_FLOWS, flows;

	if (keeper == NULL)
		return -ENOMEM;
	keeper->config = *config;
	sl_boot_id(keeper->boot_id);
	flow_keeper_look(keeper);
	if (keeper->next != NULL)
		all = sl_flows_capacity(flow_shared_header(keeper->next)->buckets) * 4 / 5;
	flows = all / config->workers < TABLE_FLOWS_MIN ? TABLE_FLOWS_MIN : all / config->workers;
	while (make_workers(keeper, flows, now_s) < 0) {
		flows /= 2;
		log_event(LOG_LEVEL_WARNING, "no memory for that many connections a worker: trying half; raise memory",
			  LOG_U64("connections", flows));
		if (flows < TABLE_FLOWS_MIN) {
			flow_keeper_destroy(keeper);
			return -ENOMEM;
		}
	}
	*ret_keeper = keeper;
	return 0;
}

void flow_keeper_destroy(struct flow_keeper *keeper)
{
	if (keeper == NULL)
		return;
	free_workers(keeper);
	flow_shared_close(keeper->shared);
	flow_shared_close(keeper->next);
	flow_shared_close(keeper->old);
	free(keeper);
}

struct flow_table *flow_keeper_table(const struct flow_keeper *keeper, unsigned int worker)
{
	return keeper->table[worker];
}

struct flow_export_ring *flow_keeper_ring(const struct flow_keeper *keeper, unsigned int worker)
{
	return keeper->ring[worker];
}
