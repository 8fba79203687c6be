/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a configuration file says, checked and with every default filled in. Made by config_load(),
 * immutable afterwards, freed as a whole. Pure: no clock, no sockets; what the machine looks like
 * (interface networks, accounts) comes in through struct config_host. Main thread only.
 * Where a list refers to another (pool → check), it does so by index: no dangling references exist here.
 */
#ifndef CONTROLPLANE_CONFIG_H
#define CONTROLPLANE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "sluice/abi.h"

enum config_datapath { CONFIG_DATAPATH_DPDK = 0, CONFIG_DATAPATH_XDP, CONFIG_DATAPATH_AUTO };
/* DNS is read and carried, but no pool of this build may use it. */
enum config_check_type { CONFIG_CHECK_TCP = 0, CONFIG_CHECK_HTTP, CONFIG_CHECK_ICMP, CONFIG_CHECK_DNS };
enum config_role { CONFIG_ROLE_PRIMARY = 0, CONFIG_ROLE_BACKUP };
enum config_log_format { CONFIG_LOG_TEXT = 0, CONFIG_LOG_JSON };
enum config_scheduler { CONFIG_SCHEDULER_MAGLEV = 0 };
/* How XDP programs are attached: in the driver or not at all, in the driver if it can, in the kernel's stack. */
enum config_xdp_attach { CONFIG_XDP_ATTACH_NATIVE_ONLY = 0, CONFIG_XDP_ATTACH_AUTO, CONFIG_XDP_ATTACH_GENERIC };
enum config_xdp_on_stop { CONFIG_XDP_ON_STOP_KEEP = 0, CONFIG_XDP_ON_STOP_DETACH };
/* Bits of config.withdraw_when. */
enum config_withdraw {
	CONFIG_WITHDRAW_NOT_FORWARDING = 1,
	CONFIG_WITHDRAW_TOO_FEW_HEALTHY = 2,
	CONFIG_WITHDRAW_NODE_DRAINED = 4,
};

struct config_interface {
	struct sl_port_config port; /* as sluice-dp gets it; queues 0 = auto */
	char ifname[16];            /* the kernel's interface behind it; empty for pci: and vdev: unless datapath: xdp */
	char xdp[16];               /* the interface for the XDP datapath; empty: none */
	unsigned int line, column;
};

struct config_check {
	char name[SL_NAME_MAX]; /* inline checks get the service's or pool's name */
	enum config_check_type type;
	uint16_t port;          /* as written, 0 when not: probes go to config_pool.check_port */
	uint32_t interval_ms;
	uint32_t timeout_ms;
	uint32_t jitter_percent;
	unsigned int rise;
	unsigned int fall;
	char *path;             /* http */
	char *host;             /* http; NULL: the backend's address */
	uint16_t status_min, status_max;
	char *body;             /* http: a substring; NULL: any */
	char *query;            /* dns: "NAME TYPE" */
	unsigned int line;
};

struct config_backend {
	char name[SL_NAME_MAX];
	struct sl_addr address;
	uint32_t weight;        /* 0 is retire */
	enum config_role role;
	unsigned int line, column; /* of its address */
};

struct config_pool {
	char name[SL_NAME_MAX];
	int check;              /* index in checks; -1: none, backends are up */
	uint16_t check_port;    /* the port probes go to (0 for icmp and no check) */
	uint32_t table_size;    /* a prime */
	enum sl_otherwise when_empty;
	uint32_t panic_threshold_percent; /* 0: never */
	uint32_t min_healthy;             /* 0: the VIP stays */
	uint32_t slow_start_ms, linger_ms;
	uint32_t drain_quiet_ms;          /* 0: the longest connection-idle in use */
	bool on_down_reset;
	uint32_t idle_tcp_s, idle_quic_s, idle_udp_s;
	struct config_backend *backends;
	size_t backend_count;
	unsigned int line, column;
};

struct config_listener {
	struct sl_addr address;
	uint16_t port;          /* host order; 0: every port ("*") */
	uint8_t proto;          /* IPPROTO_TCP, IPPROTO_UDP */
	unsigned int line, column;
};

struct config_service {
	char name[SL_NAME_MAX];
	int pool;               /* index in pools (an inline pool has the service's name) */
	enum sl_mode mode;
	enum config_scheduler scheduler;
	enum sl_hash hash;
	enum sl_tracking tracking;
	enum sl_udp_flows udp_flows;
	struct config_listener *listeners;
	size_t listener_count;
	unsigned int line, column;
};

/* One per distinct listener address, in order of appearance; `vips:` in the file may set no-service. */
struct config_vip {
	struct sl_addr address;
	enum sl_otherwise no_service;
};

struct config {
	char node[SL_NAME_MAX]; /* empty: the caller takes the host's name */
	char *hash_key_file;    /* NULL: beside the state */
	enum config_datapath datapath;
	uint32_t attach_timeout_ms; /* how long a start with auto waits for sluice-dp */
	struct sl_boot boot;    /* ports (none with datapath: xdp), workers, memory …: ready for the shared-memory header */
	char announce_device[16]; /* "sluice0"; empty: addresses are somebody else's business */
	struct sl_addr outer_source; /* all zero: auto */
	uint32_t mass_removal_percent; /* 100: no limit */
	uint64_t flow_limit;
	uint32_t reply_rate;
	enum config_log_format log_format;
	enum config_xdp_attach xdp_attach;
	enum config_xdp_on_stop xdp_on_stop;
	uint32_t withdraw_when; /* bits of enum config_withdraw */
	struct config_interface *interfaces; size_t interface_count;
	struct config_check *checks;         size_t check_count;
	struct config_pool *pools;           size_t pool_count;
	struct config_service *services;     size_t service_count;
	struct config_vip *vips;             size_t vip_count;
	struct config_arena *memory; /* holds all of the above */
};

/* An interface of this machine, for checks that need it (is a backend on-link?). */
struct config_network {
	char ifname[16];
	struct sl_addr prefix;
	unsigned int prefix_len; /* of the 128-bit mapped form: IPv4 /24 is 120 */
};

/* What the machine looks like. All zero: unknown, and the checks that need it are left out. */
struct config_host {
	const struct config_network *networks;
	size_t network_count;
	/* The file is root's and nobody else may write it: vdev: ports are allowed. config_load() looks itself. */
	bool file_root_owned;
	unsigned int cpu_count; /* 0: unknown */
	/* 0, or -errno with one line: the hash key of that file can (not) be used now. NULL: not asked. */
	int (*try_key)(const char *file, char *reterr, size_t size);
};

struct config_errors; /* every error and warning of one file, in line order, with source line and caret */

/*
 * Parses and checks `path`. Returns 0 and the configuration in *ret_config, or -EINVAL (the file is
 * wrong) or another -errno (it cannot be read); either way *ret_errors then holds the messages,
 * which may be warnings only. It is NULL only with -ENOMEM. The caller frees both. Nothing is half
 * applied: one error, no configuration. `host` may be NULL: nothing is known of the machine.
 */
int config_load(const char *path, const struct config_host *host, struct config **ret_config,
		struct config_errors **ret_errors);
/* The same for bytes in memory; `path` only names them in messages. */
int config_load_text(const char *path, const char *text, size_t len, const struct config_host *host,
		     struct config **ret_config, struct config_errors **ret_errors);
void config_free(struct config *config); /* NULL is fine */
size_t config_errors_count(const struct config_errors *errors); /* warnings are not counted */
/* Prints all of them: `file:line:col: path: what is wrong and what is allowed`, source line, caret. */
void config_errors_print(const struct config_errors *errors, FILE *out);
/* The first error alone, in one line, and how many more there are. */
void config_errors_first(const struct config_errors *errors, char *buf, size_t size);
void config_errors_free(struct config_errors *errors); /* NULL is fine */

#endif
