/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GET /v1/datapath: who forwards, by which generation, with which key and tables. Two balancers that
 * should agree are compared by these fingerprints. POST /v1/datapath/dpdk: that sluice-dp shall, with auto.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "api_route.h"

static const char *port_kind_name(uint32_t kind)
{
	static const char *const names[SL_PORT_KIND_COUNT] = {"none", "pci", "af_xdp", "af_packet", "vdev"};

	return kind < SL_PORT_KIND_COUNT ? names[kind] : "?";
}

static json_t *age_json(uint64_t age_ms)
{
	return age_ms == UINT64_MAX ? json_null() : api_u64(age_ms);
}

static void emit_pool(void *arg, const struct api_pool *pool)
{
	json_array_append_new(arg, json_pack("{s:o, s:o, s:o, s:o, s:o}", "pool", api_string(pool->name), "rows",
					     api_u64(pool->table_rows), "backends", api_u64(pool->backends), "serving",
					     api_u64(pool->serving), "fingerprint",
					     pool->table_fingerprint != 0 ? api_hex(pool->table_fingerprint)
									  : json_null()));
}

static json_t *ports_json(const struct api_datapath *datapath)
{
	json_t *ports = json_array();

	for (uint32_t i = 0; i < datapath->port_count; i++) {
		const struct sl_port_config *port = &datapath->ports[i];

		json_array_append_new(ports, json_pack("{s:o, s:s, s:o, s:o}", "name", api_string(port->name), "kind",
						       port_kind_name(port->kind), "device", api_string(port->device),
						       "queues", api_u64(port->queues)));
	}
	return ports;
}

static json_t *xdp_json(const struct api_datapath *datapath)
{
	json_t *interfaces = json_array();

	for (uint32_t i = 0; i < datapath->xdp_count; i++) {
		const struct api_xdp_interface *xdp = &datapath->xdp[i];

		json_array_append_new(interfaces, json_pack("{s:o, s:s, s:o}", "interface", api_string(xdp->name), "attached",
							    xdp->mode ? xdp->mode : "no", "program", api_u64(xdp->program)));
	}
	return interfaces;
}

struct api_response api_get_datapath(const struct api_request *request)
{
	const struct api_source *source = request->source;
	struct api_datapath datapath = {.kind = NULL};
	json_t *pools = json_array();
	char abi[32];

	source->datapath(source->ctx, &datapath);
	source->pools(source->ctx, emit_pool, pools);
	snprintf(abi, sizeof(abi), "%" PRIu32 ".%" PRIu32, datapath.abi_major, datapath.abi_minor);
	return api_ok(json_pack(
		"{s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
		"datapath", api_string(datapath.kind), "configured", api_string(datapath.configured), "why",
		api_string(datapath.why), "attached", datapath.attached, "pid", api_u64(datapath.pid), "started",
		api_u64(datapath.started_s), "session", api_hex(datapath.session), "generation",
		api_u64(datapath.generation), "applied", api_u64(datapath.applied), "abi", api_string(abi),
		"data_abi_minor", api_u64(datapath.data_abi_minor), "key_fingerprint", api_hex(datapath.key_fingerprint),
		"tables", api_hex(datapath.tables), "data_tables", api_hex(datapath.data_tables),
		"control_beat_age_ms", age_json(datapath.control_beat_age_ms), "data_beat_age_ms",
		age_json(datapath.data_beat_age_ms), "workers", api_u64(datapath.workers), "workers_alive",
		api_u64(datapath.workers_alive), "workers_configured", api_u64(datapath.workers_configured), "ports", ports_json(&datapath), "xdp",
		xdp_json(&datapath), "pools", pools));
}

struct api_response api_post_dpdk(const struct api_request *request)
{
	const struct api_source *source = request->source;
	const int result = source->to_dpdk(source->ctx, request->who);
	struct api_datapath datapath = {.kind = NULL};
	char error[128];

	if (result >= 0)
		return api_ok(json_pack("{s:s, s:b}", "done", "dpdk", "forwards", result == 0));
	if (result == -ENODEV)
		return api_error(409, "no sluice-dp lives that could forward",
				 "start it; its log and sluicectl status say what it waits for");
	if (result == -EAGAIN)
		return api_error(409, "sluice-dp has not applied the last generation yet", "ask again in a moment");
	source->datapath(source->ctx, &datapath);
	snprintf(error, sizeof(error), "the datapath is %s, not auto: there is nothing to choose from", datapath.configured);
	return api_error(409, error, "set datapath: auto and restart sluiced");
}
