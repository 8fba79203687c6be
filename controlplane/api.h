/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The API: HTTP with JSON on a Unix socket, served in the caller's libuv loop. It knows nothing of
 * daemon or model: what it shows and does comes through struct api_source, which daemon_view.c fills.
 * Routes are in api_route.c; each thing that can be shown has an api_<noun>.c. Main thread only.
 */
#ifndef CONTROLPLANE_API_H
#define CONTROLPLANE_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "backend_state.h"
#include "config.h"
#include "sluice/abi.h"

/* Strings and pointers in these stay the source's; they need to live until the call they came by returns. */

struct api_status {
	const char *node;
	const char *instance;
	const char *version;
	const char *config_path;
	uint64_t uptime_s;
	uint64_t config_age_s;    /* since the running configuration was read */
	uint64_t generation;      /* intended: the last one published; 0: none yet */
	uint64_t applied;         /* by every worker */
	uint64_t applied_lag_ms;  /* how long intended and applied have differed; 0: they do not */
	bool datapath_attached;   /* a sluice-dp holds its lock and said HELLO */
	uint64_t pending_probes;  /* targets without a first result */
};

struct api_service {
	const struct config_service *conf;
	const char *pool;
	uint32_t backends;        /* of the pool */
	uint32_t serving;         /* of these, that take new connections */
	uint32_t held;            /* of these, drained or retired by a person (or weight 0): not a fault */
	bool announced;           /* its VIPs are on the interface */
	uint64_t open_rows[SL_FLOW_KIND_COUNT]; /* of the pool: older connections have another backend than new ones */
	struct sl_counter counter;
};

struct api_backend {
	const struct config_backend *conf;
	const char *pool;
	const char *state;        /* what it does now: up, down, unknown, draining, no-neighbor … */
	const char *health;       /* what probes say: up, down, unknown */
	const char *reason;       /* the last result in words */
	uint64_t since_s;         /* of this health, wall clock; 0: not known */
	uint32_t latency_us;      /* of the last probe that passed; 0: none did */
	uint32_t ramp_percent;    /* of its own rows: what it takes; below 100 while it ramps up */
	const char *admin;        /* ready, drain … */
	const char *admin_who, *admin_why; /* NULL or empty: nobody said anything */
	uint64_t admin_since_s;   /* wall clock */
	uint32_t rows, table_rows; /* of its pool's table: its share of new connections */
	uint64_t open_rows[SL_FLOW_KIND_COUNT]; /* rows that lead older connections here, and new ones no more */
	uint64_t open_s;          /* until the last of them closes; UINT64_MAX: not by time alone. 0: none is open */
	struct sl_addr outer_source; /* of tunnels to it; all zero: not known yet */
	struct sl_counter counter;
};

/* How far a drain is; `pool` and `backend` as the configuration has them. */
struct api_drain {
	const char *pool, *backend;
	const char *state;         /* as in api_backend */
	const char *admin, *admin_who;
	bool attached;             /* a sluice-dp forwards; while none does, silence says nothing */
	bool drains;               /* it takes no new connections: quiet_ms counts */
	uint64_t packets;          /* since the start of its counter */
	uint64_t quiet_ms;         /* since a packet was last seen to reach it, or the drain or this sluiced began */
	uint64_t quiet_wanted_ms;  /* after so long it has no connections left */
	bool flows_known;          /* there was a census of remembered connections */
	uint64_t flows, oldest_s;  /* those of this backend, and the age of the oldest */
};

/* One line of `show datapath`. */
struct api_pool {
	const char *name;
	uint32_t table_rows;
	uint32_t backends, serving;
	uint64_t table_fingerprint; /* 0: no table yet */
};

struct api_worker {
	uint32_t index;
	struct sl_worker_stats stats; /* a copy: the file is another process's */
};

/* One interface as the XDP program is on it. */
struct api_xdp_interface {
	char name[16];
	const char *mode;         /* native, generic; NULL: it is not attached */
	uint32_t program;         /* the kernel's id of it */
};

struct api_datapath {
	const char *kind;         /* dpdk, xdp: what forwards */
	const char *configured;   /* dpdk, xdp, auto */
	const char *why;          /* this and no other */
	bool attached;
	uint64_t pid;             /* of sluice-dp; 0: not known */
	uint64_t started_s;       /* wall clock; 0: not known */
	uint64_t session;
	uint64_t generation, applied;
	uint32_t abi_major, abi_minor; /* of the file */
	uint32_t data_abi_minor;       /* as HELLO said; 0 when not attached */
	uint64_t key_fingerprint;      /* a one-way value of the fleet key, never the key */
	uint64_t tables, data_tables;  /* checksum over all tables: intended, and as the data plane has it */
	uint64_t control_beat_age_ms, data_beat_age_ms; /* UINT64_MAX: never */
	bool moving;               /* it was attached to the file before this one, and runs */
	uint32_t workers, workers_alive; /* of the running sluice-dp, while one is attached */
	uint32_t workers_configured;     /* another number applies when sluice-dp restarts */
	const struct sl_port_config *ports;
	uint32_t port_count;
	const struct api_xdp_interface *xdp; /* those that carry the program, or should */
	uint32_t xdp_count;
};

/* The memory of connections. Ages are UINT64_MAX for never. */
struct api_flows {
	const char *path;         /* of the file; NULL: there is none, each worker remembers its own */
	uint64_t limit;           /* limits: flows */
	uint64_t capacity, used;  /* entries */
	uint64_t tended_age_s;    /* since sluice-dp last went through it */
	uint64_t counted_age_ms;  /* since the last whole count began; asking starts another */
	uint64_t expired;         /* by that count: too old to be found, still to be removed */
	uint64_t unknown;         /* of pools that have no number any more */
	bool pressure;
	uint64_t pressure_age_s;
	__u64 counter[SL_FLOW_COUNT_COUNT]; /* sums over workers */
};

struct api_flows_pool {
	const char *name;
	bool counted;             /* the next two are known */
	uint64_t flows;
	uint64_t kinds[SL_FLOW_KIND_COUNT];
	uint32_t rows;            /* of its table */
	uint64_t open_rows[SL_FLOW_KIND_COUNT]; /* rows whose older connections have another backend than new ones */
	uint32_t look_rows;       /* rows in which something may be remembered */
	uint32_t lens_rows;       /* key or size changed: rows of the table before; 0: no */
	bool change_waits;        /* another such change comes when that is over */
};

typedef void api_emit_service(void *arg, const struct api_service *service);
typedef void api_emit_backend(void *arg, const struct api_backend *backend);
typedef void api_emit_pool(void *arg, const struct api_pool *pool);
typedef void api_emit_worker(void *arg, const struct api_worker *worker);
typedef void api_emit_flows_pool(void *arg, const struct api_flows_pool *pool);

enum { API_ERROR_MAX = 1024, API_WHY_MAX = 127 /* bytes of an operator's reason */ };

/*
 * What the API needs. Lists call `emit` once an entry, in the configuration's order. Acts return 0, or
 * -errno and one line for a person in `reterr`: -ENOENT no such backend, -EEXIST several pools have one
 * (pool was NULL), -EINVAL refused; anything else is an internal error.
 */
struct api_source {
	void *ctx;
	void (*status)(void *ctx, struct api_status *ret_status);
	void (*services)(void *ctx, api_emit_service *emit, void *arg);
	void (*backends)(void *ctx, api_emit_backend *emit, void *arg);
	void (*pools)(void *ctx, api_emit_pool *emit, void *arg);
	void (*workers)(void *ctx, api_emit_worker *emit, void *arg);
	void (*datapath)(void *ctx, struct api_datapath *ret_datapath);
	void (*flows)(void *ctx, struct api_flows *ret_flows, api_emit_flows_pool *emit, void *arg);
	/* pool NULL: the only pool with a backend of that name. */
	int (*drain)(void *ctx, const char *pool, const char *backend, struct api_drain *ret_drain);
	/* `why` may be empty. */
	int (*set_admin)(void *ctx, const char *pool, const char *backend, enum backend_admin admin, const char *who,
			 const char *why, char reterr[API_ERROR_MAX]);
	int (*reload)(void *ctx, char reterr[API_ERROR_MAX]);
	/*
	 * sluice-dp forwards from now on: 0 it does, 1 it will in a moment. -EINVAL: the datapath is not auto, -ENODEV: no
	 * sluice-dp lives, -EAGAIN: it has not applied the last generation.
	 */
	int (*to_dpdk)(void *ctx, const char *who);
};

struct api;

/*
 * Listens on `path` (mode 0660), replacing a socket left there: the caller holds the instance's lock.
 * Returns 0 and an API in *ret_api, or -errno. `source` is copied.
 */
int api_create(uv_loop_t *loop, const char *path, const struct api_source *source, struct api **ret_api);
/* Closes connections and socket. The loop must run once more so that handles close. NULL is fine. */
void api_destroy(struct api *api);

#endif
