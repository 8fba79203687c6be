/* SPDX-License-Identifier: BSD-3-Clause */
/* Plain data and callbacks that hand it out. */
#include "tests/support/api_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static void get_status(void *ctx, struct api_status *ret_status)
{
	*ret_status = ((struct api_fixture *)ctx)->status;
}

static void get_services(void *ctx, api_emit_service *emit, void *arg)
{
	struct api_fixture *f = ctx;

	for (int i = 0; i < FIXTURE_SERVICES; i++)
		emit(arg, &f->services[i]);
}

static void get_backends(void *ctx, api_emit_backend *emit, void *arg)
{
	struct api_fixture *f = ctx;

	for (int i = 0; i < FIXTURE_BACKENDS; i++)
		emit(arg, &f->backends[i]);
}

static void get_pools(void *ctx, api_emit_pool *emit, void *arg)
{
	struct api_fixture *f = ctx;

	for (int i = 0; i < FIXTURE_SERVICES; i++)
		emit(arg, &f->pools[i]);
}

static void get_workers(void *ctx, api_emit_worker *emit, void *arg)
{
	struct api_fixture *f = ctx;

	for (int i = 0; i < FIXTURE_WORKERS; i++) {
		emit(arg, &f->workers[i]);
		if (f->moving)
			f->workers[i].stats.verdict[SL_VERDICT_FORWARD] += 500;
	}
}

static void get_datapath(void *ctx, struct api_datapath *ret_datapath)
{
	*ret_datapath = ((struct api_fixture *)ctx)->datapath;
}

static void get_flows(void *ctx, struct api_flows *ret_flows, api_emit_flows_pool *emit, void *arg)
{
	struct api_fixture *f = ctx;
	const bool counted = f->uncounted == 0;

	*ret_flows = f->flows;
	if (!counted) {
		ret_flows->counted_age_ms = UINT64_MAX;
		f->uncounted--;
	}
	for (int i = 0; i < FIXTURE_SERVICES; i++) {
		f->flows_pools[i].counted = counted;
		emit(arg, &f->flows_pools[i]);
	}
}

static struct api_backend *find(struct api_fixture *f, const char *pool, const char *backend, int *ret_err)
{
	struct api_backend *found = NULL;

	for (int i = 0; i < FIXTURE_BACKENDS; i++) {
		if (strcmp(f->backends[i].conf->name, backend) != 0 ||
		    (pool != NULL && strcmp(f->backends[i].pool, pool) != 0))
			continue;
		*ret_err = found != NULL ? -EEXIST : 0;
		found = &f->backends[i];
	}
	if (found == NULL)
		*ret_err = -ENOENT;
	return *ret_err == 0 ? found : NULL;
}

/* Each look is one second later: nothing arrives any more once `drain_busy` looks are over. */
static int get_drain(void *ctx, const char *pool, const char *backend, struct api_drain *ret_drain)
{
	struct api_fixture *f = ctx;
	struct api_backend *found;
	int err = 0;

	found = find(f, pool, backend, &err);
	if (found == NULL)
		return err;
	if (f->ready_at_look > 0 && f->looks + 1 == f->ready_at_look) {
		found->admin = "ready";
		found->admin_who = "alice";
	}
	*ret_drain = f->drain;
	ret_drain->pool = found->pool;
	ret_drain->backend = found->conf->name;
	ret_drain->admin = found->admin;
	ret_drain->admin_who = found->admin_who;
	ret_drain->drains = strcmp(found->admin, "ready") != 0;
	ret_drain->packets = 1000 + 50 * (f->looks < f->drain_busy ? f->looks : f->drain_busy);
	ret_drain->quiet_ms = f->looks < f->drain_busy ? 0 : 1000 * (f->looks - f->drain_busy);
	f->looks++;
	return 0;
}

static int set_admin(void *ctx, const char *pool, const char *backend, enum backend_admin admin, const char *who,
		     const char *why, char reterr[API_ERROR_MAX])
{
	struct api_fixture *f = ctx;
	struct api_backend *found;
	int err = 0;

	found = find(f, pool, backend, &err);
	if (found == NULL)
		return err;
	if (strcmp(backend, "web3") == 0) {
		snprintf(reterr, API_ERROR_MAX, "web3 is nobody's to touch");
		return -EINVAL;
	}
	found->admin = backend_admin_name(admin);
	snprintf(f->told, sizeof(f->told), "%s %s/%s by %s: %s", found->admin, found->pool, backend, who, why);
	return 0;
}

static int to_dpdk(void *ctx, const char *who)
{
	struct api_fixture *f = ctx;

	snprintf(f->told, sizeof(f->told), "dpdk by %s", who);
	return f->to_dpdk_result;
}

static int reload(void *ctx, char reterr[API_ERROR_MAX])
{
	struct api_fixture *f = ctx;

	f->reloads++;
	if (f->reload_result < 0)
		snprintf(reterr, API_ERROR_MAX, "/etc/sluice/sluice.yaml:3:1: unknown key");
	return f->reload_result;
}

static void init_services(struct api_fixture *f)
{
	static const char *const names[] = {"www", "mail"};
	static const char *const pools[] = {"web", "smtp"};

	for (int i = 0; i < FIXTURE_SERVICES; i++) {
		f->listeners[i] = (struct config_listener){
			.address = sl_addr_from_v4(htonl(0xc000020a + (uint32_t)i)), .port = 80, .proto = IPPROTO_TCP};
		snprintf(f->service_conf[i].name, sizeof(f->service_conf[i].name), "%s", names[i]);
		f->service_conf[i].mode = i == 0 ? SL_MODE_L2 : SL_MODE_IPIP;
		f->service_conf[i].listeners = &f->listeners[i];
		f->service_conf[i].listener_count = 1;
		f->services[i] = (struct api_service){.conf = &f->service_conf[i], .pool = pools[i],
						      .backends = i == 0 ? 3 : 2, .serving = i == 0 ? 3 : 2,
						      .open_rows = {i == 0 ? 13107 : 0, 0, 20 * (i == 0)},
						      .announced = true, .counter = {.packets = 1000, .bytes = 64000}};
		f->pools[i] = (struct api_pool){.name = pools[i], .table_rows = 65537, .backends = i == 0 ? 3 : 2,
						.serving = i == 0 ? 3 : 2, .table_fingerprint = 0xfeed + (uint64_t)i};
	}
}

static void init_backends(struct api_fixture *f)
{
	static const char *const names[] = {"web1", "shared", "web3", "mail1", "shared"};

	for (int i = 0; i < FIXTURE_BACKENDS; i++) {
		f->backend_conf[i] = (struct config_backend){
			.address = sl_addr_from_v4(htonl(0x0a000001 + (uint32_t)i)), .weight = 1};
		snprintf(f->backend_conf[i].name, sizeof(f->backend_conf[i].name), "%s", names[i]);
		f->backends[i] = (struct api_backend){
			.conf = &f->backend_conf[i], .pool = i < 3 ? "web" : "smtp", .state = "up", .health = "up",
			.reason = "passed", .since_s = 1700000000, .latency_us = 250, .admin = "ready",
			.rows = i < 3 ? 21845 : 32768, .table_rows = 65537, .counter = {.packets = 333, .bytes = 21312}};
	}
}

void api_fixture_init(struct api_fixture *f)
{
	memset(f, 0, sizeof(*f));
	init_services(f);
	init_backends(f);
	for (uint32_t i = 0; i < FIXTURE_WORKERS; i++)
		f->workers[i] = (struct api_worker){
			.index = i,
			.stats = {.verdict = {[SL_VERDICT_FORWARD] = 1000, [SL_VERDICT_TO_KERNEL] = 7}, .rx_packets = 1007,
				  .rx_bytes = 64448, .tx_packets = 1000, .tx_bytes = 64000, .busy_cycles = 25,
				  .total_cycles = 100, .snapshot_generation = 9, .cpu = i + 1, .state = 1}};
	snprintf(f->port.name, sizeof(f->port.name), "up0");
	snprintf(f->port.device, sizeof(f->port.device), "eth1");
	f->port.kind = SL_PORT_AF_XDP;
	f->port.queues = 2;
	f->drain = (struct api_drain){.state = "draining", .attached = true, .quiet_wanted_ms = 2000, .flows_known = true,
				      .flows = 3, .oldest_s = 7380};
	f->flows = (struct api_flows){.path = "/run/sluice/test/flows.shm", .limit = 4096, .capacity = 5120, .used = 512,
				      .pressure_age_s = UINT64_MAX, .counter = {[SL_FLOW_COUNT_GUESS_BASE] = 12}};
	for (int i = 0; i < FIXTURE_SERVICES; i++)
		f->flows_pools[i] = (struct api_flows_pool){.name = f->pools[i].name, .flows = 400, .kinds = {300, 0, 100},
							    .rows = 65537, .open_rows = {655, 0, 2}, .look_rows = 700};
	f->status = (struct api_status){.node = "lb1", .instance = "default", .version = "0.1.0",
					.config_path = "/etc/sluice/sluice.yaml", .uptime_s = 100, .config_age_s = 90,
					.generation = 9, .applied = 9, .datapath_attached = true};
	f->datapath = (struct api_datapath){.kind = "dpdk", .configured = "auto", .why = "sluice-dp is there", .attached = true, .pid = 4711, .started_s = 1700000000,
					    .session = 0xabc, .generation = 9, .applied = 9, .abi_major = 1,
					    .key_fingerprint = 0x1234, .tables = 0x77, .data_tables = 0x77,
					    .control_beat_age_ms = 10, .data_beat_age_ms = 90, .workers = 2,
					    .workers_alive = 2, .workers_configured = 2, .ports = &f->port, .port_count = 1,
					    .xdp = &f->xdp, .xdp_count = 1};
	f->xdp = (struct api_xdp_interface){.name = "eth1", .mode = "native", .program = 23};
}

struct api_source api_fixture_source(struct api_fixture *f)
{
	return (struct api_source){.ctx = f, .status = get_status, .services = get_services, .backends = get_backends,
				   .pools = get_pools, .workers = get_workers, .datapath = get_datapath,
				   .drain = get_drain, .flows = get_flows,
				   .set_admin = set_admin, .reload = reload, .to_dpdk = to_dpdk};
}
