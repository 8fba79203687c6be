/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An invented balancer behind struct api_source: two services, two pools, five backends, two workers.
 * What it says can be changed before a request; what it is told is kept.
 */
#ifndef TESTS_API_FIXTURE_H
#define TESTS_API_FIXTURE_H

#include "controlplane/api.h"

enum { FIXTURE_SERVICES = 2, FIXTURE_BACKENDS = 5, FIXTURE_WORKERS = 2 };

struct api_fixture {
	struct config_listener listeners[FIXTURE_SERVICES];
	struct config_service service_conf[FIXTURE_SERVICES];
	struct config_backend backend_conf[FIXTURE_BACKENDS];
	struct sl_port_config port;
	struct api_xdp_interface xdp;
	struct api_status status;
	struct api_service services[FIXTURE_SERVICES];
	struct api_backend backends[FIXTURE_BACKENDS];
	struct api_pool pools[FIXTURE_SERVICES];
	struct api_worker workers[FIXTURE_WORKERS];
	struct api_datapath datapath;
	struct api_flows flows;
	struct api_flows_pool flows_pools[FIXTURE_SERVICES];
	unsigned int uncounted; /* so many looks at flows find no count yet */
	int reload_result;
	unsigned int reloads;
	int to_dpdk_result;
	char told[256]; /* "drain web/web1 by root: why" */
	bool moving;    /* counters grow between requests */
	struct api_drain drain; /* what does not change while a drain is watched */
	unsigned int looks, drain_busy; /* at the drain so far; during so many of them packets arrive */
	unsigned int ready_at_look; /* alice takes the backend back then; 0: never */
};

/* Everything well. Backend "shared" is in both pools. */
void api_fixture_init(struct api_fixture *fixture);
struct api_source api_fixture_source(struct api_fixture *fixture);

#endif
