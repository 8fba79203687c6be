/* SPDX-License-Identifier: BSD-3-Clause */
/* What a simulated balancer is made of; shared by fleet.c (control plane) and fleet_packet.c (data plane). */
#ifndef TESTS_CHURN_FLEET_BALANCER_H
#define TESTS_CHURN_FLEET_BALANCER_H

#include "controlplane/config.h"
#include "controlplane/model.h"
#include "controlplane/row_file.h"
#include "dataplane/snapshot.h"
#include "fleet.h"
#include "tools/sim/datapath.h"

enum { FLEET_NUMBERING = 77 }; /* of pools and slots; any number but 0 */

struct fleet_home; /* the home of the forwarding core: fleet_packet.c */

struct fleet_balancer {
	struct config *config;
	struct model *model;
	struct datapath *datapath;
	struct snapshot *snapshot;
	struct fleet_home *home;
	uint64_t due_ms;         /* when the model wants to be advanced */
	uint64_t generations;
	void *rows;              /* what its rows file holds; NULL: there is none yet */
	size_t rows_size;
	uint16_t backend_of_slot[SL_SLOT_MAX + 2];
};

struct fleet {
	struct fleet_options options;
	struct fleet_backend backend[FLEET_BACKENDS_MAX];
	struct fleet_balancer balancer[FLEET_BALANCERS_MAX];
	struct sl_key hash_key, flow_key;
	uint64_t start_ms, now_ms; /* CLOCK_BOOTTIME as the balancers see it */
	bool changed;
};

int fleet_packet_start(struct fleet *fleet, struct fleet_balancer *b); /* 0 or -errno */
void fleet_packet_stop(struct fleet_balancer *b);
void fleet_packet_use(struct fleet *fleet, struct fleet_balancer *b, const struct snapshot *snapshot);
void fleet_packet_tick(struct fleet *fleet, struct fleet_balancer *b);
void fleet_packet_restart(struct fleet *fleet, struct fleet_balancer *b);

#endif
