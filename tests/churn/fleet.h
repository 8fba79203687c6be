/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The balancers of the churn simulation and the backends they know: the real configuration, model, tables, ring,
 * snapshot, flow tables and forwarding core, without processes and without a clock of their own. What is true of a
 * backend (does it live, has it the socket) is kept here too, apart from what balancers believe. One thread.
 */
#ifndef TESTS_CHURN_FLEET_H
#define TESTS_CHURN_FLEET_H

#include <stdbool.h>
#include <stdint.h>

#include "controlplane/backend_state.h"
#include "traffic.h"

enum { FLEET_BACKENDS_MAX = 128, FLEET_BALANCERS_MAX = 2, FLEET_VIP = 0xc0000201 };

/* The truth about one backend. */
struct fleet_backend {
	bool configured;       /* stands in the configuration */
	bool alive;            /* its sockets are there and answer */
	uint32_t life;         /* crashes so far: connections of an earlier life are gone */
	uint32_t weight;
	uint64_t down_ms;      /* probes fail since then; 0: they pass */
	uint64_t blip_ms;      /* probes failed longer than linger although it lived, last seen; 0: never */
	uint64_t left_ms;      /* taken out of the configuration, or switched off; 0: it is in */
	bool draining;         /* drained or retired */
	uint64_t draining_ms;  /* since then */
};

struct fleet_options {
	unsigned int balancers;
	unsigned int backends;     /* configured at the start */
	uint32_t table_size;
	uint32_t idle_tcp_s, idle_quic_s, idle_udp_s, linger_s, slow_start_s;
	uint64_t flows;            /* room of the shared table */
	bool shared;               /* false: no shared table (what a restart then costs) */
	const char *state_dir;     /* for the histories of rows; the caller removes it */
};

struct fleet;

/* 0, or -errno after a line on stderr. */
int fleet_create(const struct fleet_options *options, struct fleet **ret_fleet);
void fleet_destroy(struct fleet *fleet); /* NULL is fine */
const struct fleet_options *fleet_options(const struct fleet *fleet);
struct fleet_backend *fleet_backend(struct fleet *fleet, unsigned int index);

/* The backend that a packet of that connection reaches by that balancer, or TRAFFIC_NOBODY. */
uint16_t fleet_packet(struct fleet *fleet, unsigned int balancer, const uint8_t *frame, uint32_t len);

/* Time goes on: lingering ends, ramps step, rows close, entries expire. Balancers publish what follows. */
void fleet_advance(struct fleet *fleet, uint64_t now_ms);

/* Changes; each reaches every balancer at the next fleet_advance(). */
void fleet_configure(struct fleet *fleet); /* after `configured`, `weight`, size or key changed: a reload */
void fleet_probe(struct fleet *fleet, unsigned int index, bool passes);
void fleet_admin(struct fleet *fleet, unsigned int index, enum backend_admin admin);
void fleet_new_key(struct fleet *fleet);
void fleet_table_size(struct fleet *fleet, uint32_t rows);
/* kill -9 and a start of one balancer's daemon. */
void fleet_restart_dataplane(struct fleet *fleet, unsigned int balancer);
void fleet_restart_controlplane(struct fleet *fleet, unsigned int balancer);

/* What all balancers counted: enum sl_flow_counter. */
uint64_t fleet_counter(const struct fleet *fleet, unsigned int counter);
/* Guesses of all kinds. */
uint64_t fleet_guesses(const struct fleet *fleet);
/* Of all balancers: rows that are open now, each kind of traffic by itself; rows with LOOK; remembered connections. */
uint64_t fleet_open_rows(const struct fleet *fleet);
uint64_t fleet_look_rows(const struct fleet *fleet);
uint64_t fleet_entries(const struct fleet *fleet);
bool fleet_pressure(const struct fleet *fleet);

#endif
