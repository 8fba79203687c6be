/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A scenario file: what a live system would learn while it runs (ports, next hops, states, time, changes
 * between packets). Read once, immutable afterwards. Names in it are resolved when they are used, since a
 * reload may change what they mean. Pure but for reading the file.
 */
#ifndef TOOLS_SIM_SCENARIO_H
#define TOOLS_SIM_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "sluice/limits.h"
#include "sluice/types.h"

/* An address of a port, with its network. */
struct scenario_address {
	struct sl_addr address;
	unsigned int prefix_len; /* of the 16-byte form: IPv4 /24 is 120 */
};

/* What is known of one port; what has_* leaves out keeps its value. */
struct scenario_port {
	char name[SL_NAME_MAX];
	bool has_mac, has_mtu, has_kernel_path, has_addresses, has_gateways;
	uint8_t mac[6];
	uint16_t mtu;
	bool kernel_path;
	struct scenario_address *addresses;
	size_t address_count;
	struct sl_addr *gateways;
	size_t gateway_count;
};

/* One next hop (a backend's address, or a gateway's). */
struct scenario_neighbor {
	struct sl_addr address;
	bool has_mac, has_mtu;
	bool known; /* has_mac: false for `mac: none`, not resolved yet */
	uint8_t mac[6];
	uint16_t mtu;
	char port[SL_NAME_MAX]; /* empty: the port whose network it is in */
};

enum scenario_event_kind {
	SCENARIO_UP = 0,
	SCENARIO_DOWN,
	SCENARIO_UNKNOWN, /* no probe has answered yet */
	SCENARIO_DRAIN,
	SCENARIO_RETIRE,
	SCENARIO_OFF,
	SCENARIO_READY,
	SCENARIO_WEIGHT,
	SCENARIO_RELOAD,
	SCENARIO_KEY,
	SCENARIO_NEIGHBOR,
	SCENARIO_PORT,
	SCENARIO_EVENT_KIND_COUNT
};

struct scenario_event {
	enum scenario_event_kind kind;
	unsigned int line;
	bool timed;             /* due at a time, else after a number of packets */
	uint64_t after;         /* packets */
	uint64_t at_ns;         /* since the first packet */
	char pool[SL_NAME_MAX]; /* backend events; empty: the only pool that has it */
	char backend[SL_NAME_MAX];
	uint32_t weight;
	char *file; /* SCENARIO_RELOAD, SCENARIO_KEY */
	struct scenario_neighbor neighbor;
	struct scenario_port port;
};

struct scenario {
	char receive[SL_NAME_MAX]; /* the port packets come in by; empty: the first */
	bool own_time;             /* packet n arrives at n * step_ns, whatever the capture says */
	uint64_t step_ns;
	bool fragments_wait;       /* a later fragment waits for its first one, as in sluice-dp */
	bool never_splits;         /* what outgrows its tunnel is dropped, as by XDP */
	struct sl_addr outer_source[2]; /* IPv4, IPv6; all zero: the port's address */
	struct scenario_port *ports;
	size_t port_count;
	struct scenario_neighbor *neighbors;
	size_t neighbor_count;
	struct scenario_event
		*events; /* as in the file; `backends:` come first, due before the first packet */
	size_t event_count;
	void *memory; /* holds all of the above */
};

/*
 * Reads and checks the file. 0, or -errno after printing what is wrong to `out`: -EINVAL, as
 * `file:line:col: path: what is wrong and what is allowed`, when the file is wrong.
 */
int scenario_load(const char *path, FILE *out, struct scenario **ret_scenario);
int scenario_load_text(const char *path, const char *text, size_t len, FILE *out,
		       struct scenario **ret_scenario);
void scenario_free(struct scenario *scenario); /* NULL is fine */
/* The word of the file for it: "down". */
const char *scenario_event_word(enum scenario_event_kind kind);

#endif
