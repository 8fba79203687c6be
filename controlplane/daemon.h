/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where sluiced's parts meet: events of probes, netlink, the data plane, signals and operators reach the
 * model; what the model makes of them reaches the data plane, the kernel and the log. One thread, one
 * libuv loop. Each daemon_<part>.c owns the wiring of one part:
 *   daemon.c          start, stop, timers, the order of things
 *   daemon_auto.c     which of two datapaths forwards
 *   daemon_config.c   reading, comparing and taking over configurations
 *   daemon_drain.c    how far a drain is
 *   daemon_health.c   probes → model, adoption of results from before a restart
 *   daemon_flows.c    remembered connections: their file, the census, pressure
 *   daemon_numbering.c whose numbers a start goes on with, when something was lost
 *   daemon_publish.c  shared-memory file, generations, what follows APPLIED
 *   daemon_network.c  ports, next hops, VIP addresses, what is steered
 *   daemon_steering.c on which interfaces
 *   daemon_rows.c     histories of rows: their files
 *   daemon_state.c    the state file
 *   daemon_xdp.c      the XDP program as the datapath
 *   daemon_view.c     what the API shows and does
 */
#ifndef CONTROLPLANE_DAEMON_H
#define CONTROLPLANE_DAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "api.h"
#include "config.h"
#include "dataplane_socket.h"
#include "health.h"
#include "link.h"
#include "log.h"
#include "model.h"
#include "neighbor.h"
#include "netlink.h"
#include "options.h"
#include "publish_ring.h"
#include "row_store.h"
#include "shm_file.h"
#include "state_file.h"
#include "steering.h"
#include "vip_address.h"

enum {
	DAEMON_TICK_BUSY_MS = 2,   /* while a generation is on its way to the workers */
	DAEMON_TICK_IDLE_MS = 40,  /* a HELLO is noticed within this */
	DAEMON_DATA_SILENT_MS = 3000, /* a heartbeat older than this: sluice-dp hangs (it beats ten times a second) */
	DAEMON_ADVANCE_MS = 10000, /* the model's time goes on at least this often while anything in it waits */
	DAEMON_BEAT_MS = 1000,     /* heartbeat; state file when its ages are due */
	DAEMON_STATE_MS = 100,     /* between two writes of the state file; more when they take long */
	DAEMON_STATE_AGE_MS = 5000, /* ages matter too: believed health is younger than ten intervals */
	DAEMON_HOPS_WAIT_MS = 2000 /* how long a first generation waits for the MACs of healthy backends */
};

/* What the steering of an AF_XDP port depends on, as last seen. */
struct daemon_port_link {
	int ifindex; /* 0: no such interface */
	uint8_t mac[6];
	uint32_t mtu;
	bool up;
};

/* What the log was told of an interface, so that it is told once and again when that changes. */
struct daemon_port_said {
	uint64_t findings; /* checksum; 0: nothing yet */
	bool generic;
};

struct daemon {
	struct options options;
	struct log log;
	uv_loop_t loop;
	uv_signal_t on_hup, on_term, on_int;
	uv_timer_t tick, beat, advance;
	uv_prepare_t before_poll; /* publishes what the events of one turn made due */
	uv_check_t after_poll;
	bool publish_due;
	bool publish_failed; /* the last attempt did; the next beat tries again */
	uint64_t settled_ms; /* when every probe had its first result; 0: not yet */
	uint64_t started_ms; /* uv_now of the start */
	bool stopping;
	enum exit_status status;

	char hostname[SL_NAME_MAX]; /* what the node is called when the configuration does not say */
	char runtime_dir[256]; /* <runtime-dir>/<instance> */
	char state_dir[256];
	char state_path[300];
	int dir_fd;
	int lock_fd;

	struct config *config;
	struct model *model;
	struct state state; /* as read at start; ids move into the model */
	struct row_store *row_store; /* <state-dir>/rows; NULL: it cannot be opened */
	struct row_file *row_files;  /* as read at start, of this numbering; taken over by the model, or cleared at the end */
	size_t row_file_count;
	bool rows_failed, rows_said; /* writing one did, in the last model_update(); and that was said */
	bool state_dirty;
	uint64_t state_saved_ms;
	uint64_t state_cost_ms; /* what the last save took of the loop's time */

	struct health *health;
	struct health_target *targets; /* in the order of probes */
	struct model_probe *probes;    /* ascending by address */
	size_t probe_count;

	struct daemon_flows *flows; /* daemon_flows.c */
	struct shm_file *shm;
	uint64_t shm_rows; /* of all tables, that its image has room for */
	struct publisher *publisher;
	struct daemon_xdp *xdp; /* daemon_xdp.c; NULL: datapath: dpdk */
	struct daemon_auto *automatic; /* daemon_auto.c; NULL: not datapath: auto */
	uint64_t ring_applied; /* by sluice-dp, whether it forwards or only could */
	enum config_datapath datapath; /* as this sluiced started */
	bool published;      /* a first generation went out */
	bool data_hangs;     /* it lives, but its heartbeat stopped */
	bool attached;       /* a data plane said HELLO to this file and lives */
	struct sl_hello hello;
	uint64_t configured_ms, committed_ms; /* uv_now of the last configuration and generation */
	uint64_t applied;    /* generation that all workers forward by */

	/* A sluice-dp that was started by another list of interfaces counts its ports by that one. */
	uint64_t counting_pid; /* its pid; 0: it counts as the configuration does */
	char counted[SL_PORTS_MAX][16];
	size_t counted_count;

	struct netlink *netlink;
	struct links *links;
	struct neighbor *neighbors;
	struct steering *steering;       /* NULL: no AF_XDP port */
	struct link_listener on_link;
	struct api_xdp_interface shown_xdp[SL_PORTS_MAX]; /* as last asked for */
	struct daemon_port_link port_links[SL_PORTS_MAX]; /* by interface of the configuration */
	struct daemon_port_said port_said[SL_PORTS_MAX];  /* likewise */
	struct vip_address *vips;        /* NULL: VIP addresses are somebody else's business; so is the socket */
	struct sl_addr *vip_list;        /* as last set, ascending */
	size_t vip_count;
	uint64_t vips_withdrawn;         /* addresses taken back since the start */
	bool vips_told;                  /* this sluiced has said which are wanted */
	struct dataplane_socket *socket;
	struct api *api;
	struct daemon_drain *drains;     /* daemon_drain.c */
	size_t drain_count;
};

int daemon_create(const struct options *options, struct daemon **ret_daemon);
enum exit_status daemon_run(struct daemon *daemon);
void daemon_destroy(struct daemon *daemon);

/* daemon_config.c */
/* Prints what is wrong; the first of it, in one line, is in reterr. */
int daemon_load_config(struct daemon *d, struct config **ret_config, char *reterr, size_t reterr_size);
int daemon_load_key(struct daemon *d, const struct config *config, struct sl_key *ret_key, char *reterr,
		    size_t reterr_size);
void daemon_log_format(struct daemon *d); /* as the configuration says, unless the command line does */
/* SIGHUP and the API. 0, or -errno with one line in reterr; what runs keeps running then. */
int daemon_reload(struct daemon *d, char *reterr, size_t reterr_size);

/* daemon_drain.c */
void daemon_drain_beat(struct daemon *d);
/* How long that backend has received nothing, as far as this sluiced saw; false: it takes new connections. */
bool daemon_drain_quiet(const struct daemon *d, const struct model_backend *backend, uint64_t *ret_ms);

/* daemon_health.c */
int daemon_health_start(struct daemon *d);
int daemon_health_follow(struct daemon *d); /* the configuration changed */
/* The first of d->probes for an address; they are in its order. probe_count: there is none at or after it. */
size_t daemon_first_probe(const struct daemon *d, const struct sl_addr *address);

/* daemon_flows.c */
int daemon_flows_start(struct daemon *d);
void daemon_flows_destroy(struct daemon *d); /* the loop does not run any more */
void daemon_flows_follow(struct daemon *d);  /* the configuration changed */
const struct flow_file *daemon_flows_file(const struct daemon *d); /* NULL: there is none */
void daemon_flows_maps(struct daemon *d);    /* the XDP program's maps are others */
void daemon_flows_beat(struct daemon *d);
/* Whether the memory of connections is full now, and when it was last (CLOCK_BOOTTIME ms; 0: never). */
void daemon_flows_pressure(const struct daemon *d, bool *ret_now, uint64_t *ret_last_ms);
/* The last whole count, NULL when there is none yet; who asks for it again and again gets it anew each second. */
const struct flow_census_result *daemon_flows_census(struct daemon *d);

/* What api.h says of flows; ctx is the daemon. */
void daemon_flows_show(void *ctx, struct api_flows *ret_flows, api_emit_flows_pool *emit, void *arg);

/* daemon_publish.c */
int daemon_new_file(struct daemon *d); /* a new shared-memory file; everything is stated anew */
void daemon_publish(struct daemon *d); /* something changed: this turn of the loop ends with a generation */
void daemon_publish_due(struct daemon *d); /* and this makes it, when it may */
void daemon_beat(struct daemon *d);
int daemon_data_pid(const struct daemon *d); /* of the sluice-dp that holds this instance; 0: none */

/* daemon_network.c */
int daemon_network_start(struct daemon *d);
int daemon_network_follow(struct daemon *d);
void daemon_network_restart_due(struct daemon *d); /* the configuration that goes has the ports of the running sluice-dp */
void daemon_network_restarted(struct daemon *d); /* the data plane is gone, or another process */
void daemon_network_before(struct daemon *d); /* before a generation is published: what goes, goes first */
void daemon_network_applied(struct daemon *d); /* after APPLIED: what comes, comes last */
void daemon_network_stop(struct daemon *d); /* a clean stop: what the kernel holds for us goes */
void daemon_network_destroy(struct daemon *d);
bool daemon_vip_held(const struct daemon *d, const struct sl_addr *vip); /* the kernel answers for it */

/* daemon_auto.c */
int daemon_auto_start(struct daemon *d); /* there is a publisher for the XDP program */
void daemon_auto_destroy(struct daemon *d); /* the loop does not run any more */
bool daemon_auto_is_xdp(const struct daemon *d);
const char *daemon_auto_why(const struct daemon *d);
int daemon_auto_to_dpdk(void *ctx, const char *who); /* what api.h says of to_dpdk; ctx is the daemon */

/* daemon_xdp.c */
bool daemon_by_xdp(const struct daemon *d); /* the XDP program forwards, or is what should */
bool daemon_xdp_is_ready(const struct daemon *d); /* a generation of ours is in its maps */
void daemon_forwarder_changed(struct daemon *d); /* the other one's generation counts now */
int daemon_xdp_start(struct daemon *d); /* the configuration is there */
void daemon_xdp_destroy(struct daemon *d);
/* The publisher anew, with maps for that much; once there is a place for maps. The model states all of it then. 0 or -errno. */
int daemon_xdp_open(struct daemon *d, const struct shm_capacity *capacity);
int daemon_xdp_state(struct daemon *d); /* the same at the start: and the model states all of it to both publishers */
bool daemon_xdp_pump(struct daemon *d); /* as publisher_pump() */
void daemon_xdp_beat(struct daemon *d);
/* The interface at that position of the configuration is as `link` says. */
void daemon_xdp_port(struct daemon *d, uint16_t index, const struct daemon_port_link *link);
/* Each CPU as a worker; the counters of services and backends, as in the shared file. Nothing, or 0, without the program. */
void daemon_xdp_workers(const struct daemon *d, api_emit_worker *emit, void *arg);
struct sl_counter daemon_xdp_counter(const struct daemon *d, bool backends, uint32_t position);
uint32_t daemon_xdp_cpus(const struct daemon *d);
bool daemon_xdp_forwards(const struct daemon *d);
struct publisher *daemon_xdp_publisher(const struct daemon *d); /* NULL: there is none */

/* daemon_steering.c */
int daemon_steering_open(struct daemon *d); /* the place for programs and maps; once is enough. 0 or -errno */
/* Attaches the steering program to every AF_XDP port; `fatal` says whether one failure ends it. 0 or -errno. */
int daemon_steering_attach(struct daemon *d, bool fatal);
bool daemon_steers(const struct daemon *d, const struct config_interface *interface); /* it carries the program */
void daemon_steering_listen(struct daemon *d); /* to the interfaces of ports, from now on */

/* daemon_numbering.c */
/*
 * Takes names, their numbers and the flow key from wherever they survived (numbering.h) into the model, and what was
 * kept of rows to d->row_files.
 */
void daemon_numbering_start(struct daemon *d, const struct sl_key *hash_key);

/* daemon_rows.c */
void daemon_rows_names(struct daemon *d); /* before model_configure(): names that only the rows files have */
void daemon_rows_start(struct daemon *d); /* after it: histories to the model */
int daemon_rows_changed(void *ctx, const struct model_pool *pool); /* model_events.rows_changed; ctx is the daemon */
void daemon_rows_forgotten(void *ctx, uint32_t pool);
void daemon_rows_follow(struct daemon *d); /* a configuration was published: says what of it waits */

/* daemon_state.c */
void daemon_state_read(struct daemon *d); /* d->state.found: it was there and sound */
void daemon_state_save(struct daemon *d);
/* Saves what changed, a first change at once; and ages, when they are due. */
void daemon_state_due(struct daemon *d);
bool daemon_state_is_due(const struct daemon *d);
uint64_t daemon_boottime_s(void);
uint64_t daemon_boottime_ms(void);
uint64_t daemon_wall_s(void);

/* daemon_view.c */
/* Of all workers; `stats` is a backend's position. */
struct sl_counter daemon_backend_counter(const struct daemon *d, uint32_t stats);
int daemon_api_start(struct daemon *d);
/* What api.h says of set_admin; ctx is the daemon. */
int daemon_set_admin(void *ctx, const char *pool, const char *backend, enum backend_admin admin, const char *who,
		     const char *why, char reterr[API_ERROR_MAX]);

#endif
