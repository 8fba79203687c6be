/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A drawn configuration: what the generator knows of it, and its text as sluiced and sluice-sim read it.
 */
#ifndef TESTS_CONFORMANCE_EQUAL_WORLD_H
#define TESTS_CONFORMANCE_EQUAL_WORLD_H

#include <stdio.h>

#include "dice.h"
#include "sluice/types.h"

enum { WORLD_VIPS = 4, WORLD_POOLS = 4, WORLD_BACKENDS = 8, WORLD_SERVICES = 8, WORLD_LISTENERS = 4, WORLD_PORTS = 3 };

struct world_backend {
	char address[48];
	unsigned int weight;
	bool there, backup;
};

struct world_pool {
	unsigned int table_size, linger_s, slow_start_s, panic;
	unsigned int idle_s[3]; /* TCP, QUIC, UDP */
	bool checked, resets, drops;
	struct world_backend backend[WORLD_BACKENDS];
};

struct world_listener {
	uint8_t vip, proto;
	uint16_t port; /* 0: all of them */
};

struct world_service {
	unsigned int pool;
	const char *mode, *hash, *tracking, *udp_flows;
	struct world_listener listener[WORLD_LISTENERS];
	unsigned int listeners;
};

struct world {
	const char *no_service[WORLD_VIPS]; /* VIP 0 and 2 are IPv4 */
	struct world_pool pool[WORLD_POOLS];
	struct world_service service[WORLD_SERVICES];
	unsigned int pools, services, ports, receive;
	bool kinds_change; /* of UDP: then QUIC lives as long as other UDP */
	unsigned int mtu[WORLD_PORTS];
	bool kernel_path[WORLD_PORTS];
	char neighbors[512]; /* of the scenario: those that are not as others */
};

void world_draw(struct dice *dice, struct world *world);
/* Another configuration for the same interfaces and services: what an operator changes. */
void world_change(struct dice *dice, struct world *world);
/* The configuration file; the beginning of the scenario, without events. To be freed. */
char *world_config_text(const struct world *world);
char *world_scenario_text(const struct world *world);

struct sl_addr world_vip(unsigned int vip);
struct sl_addr world_address(const char *text);
/* The address that tunnels come from, by family of the port that most backends are behind. */
struct sl_addr world_outer_source(bool v6, unsigned int port);

#endif
