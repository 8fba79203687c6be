/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a simulated balancer is made of. Private to balancer.c, which decides by what packets are forwarded, and
 * balancer_packet.c, which forwards them.
 */
#ifndef TOOLS_SIM_BALANCER_PARTS_H
#define TOOLS_SIM_BALANCER_PARTS_H

#include "balancer.h"
#include "controlplane/config.h"
#include "controlplane/model.h"
#include "datapath.h"
#include "network.h"

/* A backend whose health or weight the scenario stated; applied again after a reload. */
struct told {
	const struct scenario_event *event;
	struct told *next;
};

struct balancer {
	struct balancer_options options;
	const char *config_path; /* of the configuration in force */
	struct config *config;
	struct model *model;
	struct network *network;
	struct datapath *datapath;
	struct snapshot *snapshot;
	struct forwarder *forwarder;
	bool has_key;
	uint64_t due_ms; /* as model_due() said */
	struct told *health;  /* newest first */
	struct told *weights; /* newest first; forgotten at a reload */
};

#endif
