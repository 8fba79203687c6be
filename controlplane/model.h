/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one place that knows what is meant: configuration + probe results + operators' overrides + next
 * hops → lookup tables and facts for the publisher. One writer: the main thread (or the simulator).
 * Pure: no clock, no sockets, no files; times and events are passed in. Nothing reaches a datapath
 * before model_update(), so any number of events becomes one generation.
 */
#ifndef CONTROLPLANE_MODEL_H
#define CONTROLPLANE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend_state.h"
#include "config.h"
#include "flow_census.h"
#include "identity.h"
#include "maglev.h"
#include "publish.h"
#include "row_file.h"
#include "shm_layout.h"
#include "sluice/abi.h"

/* Instead of a time: never, or not yet. */
#define MODEL_NEVER UINT64_MAX

/* How packets get to an address; neighbor.c knows. All zero: not known yet. */
struct model_hop {
	uint32_t neighbor;         /* id of the stated sl_neighbor, 1 or more; 0: none */
	struct sl_addr outer_src;  /* what the kernel would use as source towards it */
};

/* What an operator said of a backend at run time; kept apart from the file, survives reload and restart. */
struct model_override {
	enum backend_admin admin;
	char who[64];
	char why[128];
	uint64_t since_s; /* wall clock */
};

/*
 * How long a generation is in force before what it forbids can be relied on. A connection that began before it is
 * remembered by its worker alone until its handshake ends, so a census does not see it; two more seconds are for an
 * entry to be told. Such connections are not counted themselves: a flood of starts would keep rows LOOKing.
 */
enum { MODEL_APPLIED_MS = (SL_FLOW_HANDSHAKE_S + 2) * 1000 };

enum { MODEL_RAMP_STEPS = 20 }; /* equal ones; the first at once, so that real traffic meets the backend early */

/* A backend's way to its full share; all zero but since_ms: it has that. */
struct model_ramp {
	bool on;       /* its share grows; while it is not up it waits */
	uint32_t added; /* it is new in the table: what it does not take yet stays where it was before it came; later
			 * ones have higher numbers, those of one configuration the same; 0: it is not new */
	bool full;     /* it takes everything already, since nobody could take the rest; others do not count on it yet */
	uint32_t step; /* 1 to MODEL_RAMP_STEPS */
	uint64_t since_ms; /* CLOCK_BOOTTIME; MODEL_NEVER: model_advance() has not seen it up yet */
};

struct model_backend {
	const struct config_backend *conf;
	uint16_t slot;
	uint32_t stats;
	struct model_override override;
	enum backend_status health; /* what its probe says; always UP in a pool without a check */
	char reason[128];  /* the last probe's word */
	uint64_t since_s;  /* of this health */
	bool was_up;       /* before it went down: its connections may linger */
	uint64_t down_since_ms; /* CLOCK_BOOTTIME; MODEL_NEVER: not down, or model_advance() has not seen it yet */
	struct model_ramp ramp;
	struct model_hop hop;
	struct sl_backend stated; /* as the publisher knows it; stated.pool == UINT32_MAX: not at all */
	uint32_t rows;     /* of the current table that lead here */
};

struct model_pool {
	const struct config_pool *conf;
	uint32_t id;
	struct model_backend *backends; /* in the configuration's order */
	size_t backend_count;
	uint16_t slots;          /* highest slot + 1 */
	struct model_backend **by_slot; /* `slots` of them; NULL where nobody is */
	struct maglev *maglev;   /* owner rows, kept while names and weights stay */
	enum maglev_source source;
	struct row_history rows; /* current rows, bases, lens; none before the first model_update() */
	unsigned int kinds;      /* of traffic that its services remember: bits 1 << enum sl_flow_kind */
	bool rehash;             /* a service of it is to choose its rows by another hash */
	bool rows_wait;          /* table size, key or hash changed, and an earlier such change is not over yet */
	bool suspect;            /* connections may be remembered in its rows, though there is no history of them */
	bool rows_unkept;        /* events.rows_changed() is due */
	uint64_t rows_due_ms;    /* when a row closes or the lens ends; MODEL_NEVER */
	uint64_t states_sum;     /* of what the rows depend on besides themselves, when they were looked at last */
	struct model_service *services; /* the first of those that use it; the next is its next_of_pool */
	uint64_t services_sum, services_kept; /* of its services' hashes: now, and as last kept */
	struct table *table;     /* current rows with LOOK, as stated; NULL: none yet */
	uint64_t table_sum;      /* sl_checksum64 of its rows */
	uint64_t fingerprint;    /* the same without LOOK: two balancers that differ in nothing but history are equal */
	bool dirty_table;
	bool dirty_backends;
	uint32_t serving;        /* backends that the current rows lead to */
	uint32_t held;           /* backends that take no new connections because somebody said so */
	bool known;              /* every backend had its first result once; stays true */
	uint64_t due_ms;         /* when model_advance() looks at it again; 0: at its next call */
	bool census_rows;        /* a row waits for the census to say that nobody is remembered in it any more */
	struct sl_pool stated;
};

struct model_service {
	const struct config_service *conf;
	uint32_t id;
	struct model_service *next_of_pool; /* NULL: none */
	uint8_t hash, lens_hash; /* enum sl_hash in force, and that of the pool's lens; conf->hash may still wait */
	struct sl_service stated;
};

/* One probe per (address, check, port), shared by every backend that wants it. */
struct model_probe {
	struct sl_addr address;
	uint16_t port;
	int check; /* index in config->checks */
};

/* Told when something worth a log line happens; called from inside model calls. */
struct model_events {
	void *ctx;
	void (*pool_empty)(void *ctx, const struct model_pool *pool);     /* the last serving backend left */
	void (*pool_serving)(void *ctx, const struct model_pool *pool);   /* the first one came (back) */
	void (*pool_panic)(void *ctx, const struct model_pool *pool, bool on);
	/* a backend with an override left the configuration; what was said of it is gone */
	void (*override_gone)(void *ctx, const struct model_pool *pool, const struct model_backend *backend);
	/*
	 * Its history is another than when this was last told; the generation that needs it is not committed yet. Below 0:
	 * it could not be kept, and is told again by the next model_update().
	 */
	int (*rows_changed)(void *ctx, const struct model_pool *pool);
	/* a pool that left the configuration is named by nothing any more: its history can go */
	void (*pool_forgotten)(void *ctx, uint32_t pool);
};

/* A moment up to which everything decided is in force, and since when. All zero: none. CLOCK_BOOTTIME ms. */
struct model_applied {
	uint64_t decided_ms, applied_ms;
};

struct model {
	const struct config *config; /* not owned; stays until the next model_configure() */
	struct sl_settings settings;
	struct sl_key hash_key;      /* as last set; settings.hash_key follows when no pool has a lens */
	struct identities ids;
	struct model_pool *pools;
	size_t pool_count;
	struct model_pool **pool_by_id; /* `pool_ids` of them */
	size_t pool_ids;
	struct model_service *services;
	size_t service_count;
	uint64_t generation;         /* of the last commit; 0: none */
	uint64_t committed_ms;       /* CLOCK_BOOTTIME of it */
	struct model_applied applied_next, applied_last; /* not yet in force for long */
	uint64_t applied_ms;         /* what was decided up to then is in force for MODEL_APPLIED_MS and more */
	uint64_t applied_generation;
	uint64_t census_ms;          /* what was decided up to then was so when the census that runs began */
	uint64_t now_ms;             /* CLOCK_BOOTTIME of the last model_advance() */
	uint32_t added_last;         /* the highest model_ramp.added given */
	struct publisher *publisher; /* not owned; NULL: nothing is published */
	struct sl_shm_limits limits;
	struct model_events events;
	struct model_index *index;   /* backends by address; model_index.c */
	bool settings_dirty, services_dirty, neighbors_dirty, vips_dirty;
	bool ids_dirty;              /* numbers were given or freed since the last commit */
	bool ids_rest;               /* one of a pool or backend is freed and rests: a census is to find it unused */
	bool neighbors_changed, removed_any; /* stated since the last commit */
	bool pressure;               /* the memory of connections is full now: no row closes (selection.md 5) */
	uint64_t pressure_ms;        /* CLOCK_BOOTTIME when it was last; 0: never */
	struct sl_neighbor *neighbors; /* as last told, by id; entry 0 is "nowhere", one with id 0 is unused */
	uint32_t neighbor_count;
	struct sl_listener *stated_listeners; size_t stated_listener_count;
	struct sl_vip *stated_vips;           size_t stated_vip_count;
};

int model_create(const struct model_events *events, struct model **ret_model);
void model_destroy(struct model *model); /* NULL is fine */

/*
 * Where facts go from now on, with the capacities of that file; everything is stated anew at the next
 * model_update(). -ERANGE: the configuration does not fit them.
 */
int model_set_publisher(struct model *model, struct publisher *publisher, const struct sl_shm_limits *limits);
/* Another hash key than before comes into force with a lens in every pool, when none has one any more. */
void model_set_keys(struct model *model, const struct sl_key *hash_key, const struct sl_key *flow_key);
/* The random number that pool ids and slots are of; what is remembered under another one is of no use. */
void model_set_numbering(struct model *model, uint64_t numbering);

/*
 * Takes a configuration over the old one: what has the same name keeps its number, health, override and
 * next hop. `config` must outlive the next call; the old one may be freed after this one returns 0.
 * On error (-ENOMEM, -ENOSPC) nothing has changed.
 */
int model_configure(struct model *model, const struct config *config, uint64_t now_s);

/* The capacities a file needs for what is configured now, with room to grow. */
struct shm_capacity model_capacity(const struct model *model);
/* Rows of all tables that pools may have now: current, bases of every kind in use, and a lens where there is one. */
uint64_t model_table_rows(const struct model *model);
/* The kinds of traffic of a service, as bits 1 << enum sl_flow_kind. */
unsigned int model_service_kinds(const struct config_service *service);

/* Distinct probes of the configuration; *ret_probes is malloc'ed, the caller frees it. Returns the count. */
size_t model_probes(const struct model *model, struct model_probe **ret_probes);
/* Distinct backend addresses, the same way. */
size_t model_addresses(const struct model *model, struct sl_addr **ret_addresses);
/* How many backends this probe speaks for, and the first of them with its pool; these stay as they are when none is. */
size_t model_probe_users(const struct model *model, const struct model_probe *probe, const struct model_pool **ret_pool,
			 const struct model_backend **ret_backend);

/* What is configured, as facts, sorted by their key; malloc'ed, the caller frees. Return the count. */
size_t model_listeners(const struct model *model, struct sl_listener **ret_listeners);
size_t model_vips(const struct model *model, struct sl_vip **ret_vips);
/* The outer sources of tunnels to backends, likewise; NULL: no memory. */
size_t model_sources(const struct model *model, struct sl_addr **ret_sources);
/* By (address, port, protocol); for qsort and bsearch. */
int model_compare_listeners(const void *a, const void *b);
int model_compare_vips(const void *a, const void *b); /* by address */

/* A probe's status changed; reaches every backend that shares it. */
void model_set_health(struct model *model, const struct model_probe *probe, enum backend_status health,
		      const char *reason, uint64_t now_s);
/* A next hop became known or changed; reaches every backend with that address. */
void model_set_hop(struct model *model, const struct sl_addr *address, const struct model_hop *hop);
/* A next hop's MAC, port or MTU. neighbor->id is 1 or more and below limits.neighbors. */
int model_set_neighbor(struct model *model, const struct sl_neighbor *neighbor);
/* No path names that next hop any more; its id may come again as another one. */
void model_del_neighbor(struct model *model, uint32_t id);
/* pool NULL: the only pool that has a backend of that name. -ENOENT, or -EEXIST: several pools do. */
int model_find_backend(const struct model *model, const char *pool, const char *backend,
		       const struct model_pool **ret_pool, const struct model_backend **ret_backend);
/*
 * What an operator says of a backend; pool and errors as above. Saying
 * without a reason what holds already changes nothing: who said it first, when and why, stays.
 */
int model_set_override(struct model *model, const char *pool, const char *backend,
		       const struct model_override *override);

/* ---- the memory of connections; model_flows.c ---- */

/* Whether it is full now, and when it was last, in CLOCK_BOOTTIME ms. */
void model_set_pressure(struct model *model, bool now, uint64_t last_ms);
/* The longest connection-idle of all pools, by kind of traffic, in seconds. */
void model_idle_max(const struct config *config, uint16_t ret_idle_s[SL_FLOW_KIND_COUNT]);

enum model_census {
	MODEL_CENSUS_NONE = 0, /* nobody waits for one */
	MODEL_CENSUS_SLOTS,    /* numbers that rest: one a minute will do */
	MODEL_CENSUS_ROWS,     /* rows that are closed and still LOOK */
};
enum model_census model_census_due(const struct model *model);
/* What the next one is to count: every pool that has a number, by row where rows wait. 0 or -ENOMEM. */
int model_census_wants(const struct model *model, struct flow_census_want **ret_wants, size_t *ret_count);
/* A scan begins now; model_counted() gets its result. */
void model_census_begin(struct model *model, uint64_t now_ms);
/*
 * What the scan that began last counted: rows that nobody is remembered in stop to LOOK, numbers that nothing names
 * are free again. True: something of it is to be published or saved.
 */
bool model_counted(struct model *model, const struct flow_census_result *result);
/* Every worker forwards by that generation. */
void model_set_applied(struct model *model, uint64_t generation, uint64_t now_ms);

/* ---- histories of rows; model_rows.c ---- */

/*
 * Takes over what was kept of a pool; after model_configure(), before the first model_update(). *file is left without
 * its history, still to be cleared. -ENOENT: the pool is not configured; -EINVAL: it contradicts another pool's.
 * A pool that had a number already and gets no history has rows that LOOK, for something may be remembered of it.
 */
int model_restore_rows(struct model *model, struct row_file *file);
/* By slot, which rows are open for whose sake, and how long still; malloc'ed, the caller frees. NULL: no memory. */
struct row_open *model_open_rows(const struct model *model, const struct model_pool *pool);

/* ---- over a restart */

/* A backend's times, as they outlive sluiced in the state file; of this boot only. */
struct model_times {
	uint64_t down_since_ms; /* MODEL_NEVER: it does not linger */
	uint64_t ramp_since_ms; /* MODEL_NEVER: it does not ramp, or not yet */
	uint32_t added;         /* as in struct model_ramp, and so is full */
	bool full;
};
/* True when there is something to keep. */
bool model_backend_times(const struct model_backend *backend, struct model_times *ret_times);
/* After model_configure() and before the first health. -ENOENT: there is no such backend any more. */
int model_restore_times(struct model *model, const char *pool, const char *backend, const struct model_times *times);
/* It was up when sluiced last saw it, too long ago to be believed: found down, its connections may linger. */
void model_note_was_up(struct model *model, const struct model_probe *probe);

/*
 * Time goes on: what changes by it alone becomes dirty, and what events changed since the last call happened
 * now. now_ms is CLOCK_BOOTTIME and never goes back. Call it before every model_update(), and at the time it
 * returns; MODEL_NEVER: only an event can change something.
 */
uint64_t model_advance(struct model *model, uint64_t now_ms);
/* How long a backend of the pool that went down keeps its connections; 0: they are reset at once. */
uint64_t model_linger_ms(const struct model_pool *pool);

/* When the model wants model_advance() to be called next, as of now. */
uint64_t model_due(const struct model *model);

/*
 * Recomputes what is dirty, states what changed, commits. Returns the new generation, or 0 when
 * nothing changed; -errno (as int64_t) when it does not fit: the caller makes a bigger file.
 */
int64_t model_update(struct model *model);

/* True when every backend of the pool has a result (or needs none). */
bool model_pool_known(const struct model_pool *pool);
/*
 * Which of the configuration's VIPs are wanted, in its order; wanted[i] comes in saying whether it is held
 * now. One that is not waits for the first results of every pool behind it; a pool that came later takes
 * none away. One with a known pool below its min-healthy is not wanted. 0 or -ENOMEM.
 */
int model_vips_wanted(const struct model *model, bool *wanted);
/* True when packets can be sent there: the next hop's MAC is known. */
bool model_hop_known(const struct model *model, const struct model_hop *hop);
/* The configured source where it can be one of a tunnel to this backend, else what the kernel would use. */
struct sl_addr model_outer_source(const struct model *model, const struct model_backend *backend);
/* The state that the datapath gets. */
enum sl_backend_state model_backend_state(const struct model *model, const struct model_pool *pool,
					  const struct model_backend *backend);
/* As it counts: 0 while an operator has it retired. */
uint32_t model_backend_weight(const struct model_backend *backend);
/*
 * A drained backend of the pool that received nothing for so long has no connections left: drain-quiet, else the
 * longest connection-idle of the kinds of traffic that its services carry.
 */
uint64_t model_drain_quiet_ms(const struct model_pool *pool);
/* The share of its own rows that it takes, of MAGLEV_ACCEPT_ALL. */
uint32_t model_backend_accept(const struct model_backend *backend);
/* What a backend does now, in a word: up, ramping, down, lingering, unknown, draining, retired, off, no-neighbor. */
const char *model_backend_word(const struct model *model, const struct model_pool *pool, const struct model_backend *backend);
/* What sl_applied.tables must say when the data plane has these tables. */
uint64_t model_tables_checksum(const struct model *model);
/* Takes packets at all, were it chosen: an operator or a weight may say no, and unknown receives nothing. */
bool model_backend_accepting(const struct model_backend *backend);
/* Takes no new connections whatever its health: drained, retired, off, or of weight 0. */
bool model_backend_held(const struct model_backend *backend);
/* True: takes new connections (healthy or in panic, ready, weight above 0). */
bool model_backend_serving(const struct model_pool *pool, const struct model_backend *backend);

#endif
