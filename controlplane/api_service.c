/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GET /v1/services: listeners, pool, mode and how many backends serve.
 */
#include <netinet/in.h>

#include "api_route.h"

static const char *mode_name(enum sl_mode mode)
{
	switch (mode) { /* no default */
	case SL_MODE_L2: return "l2";
	case SL_MODE_IPIP: return "ipip";
	case SL_MODE_COUNT: break;
	}
	return "?";
}

static const char *hash_name(enum sl_hash hash)
{
	switch (hash) { /* no default */
	case SL_HASH_5TUPLE: return "5tuple";
	case SL_HASH_SOURCE: return "source";
	case SL_HASH_COUNT: break;
	}
	return "?";
}

static json_t *listener_json(const struct config_listener *listener)
{
	return json_pack("{s:s, s:o, s:i}", "protocol", listener->proto == IPPROTO_UDP ? "udp" : "tcp", "address",
			 api_address(&listener->address), "port", (int)listener->port);
}

static void emit(void *arg, const struct api_service *service)
{
	json_t *listeners = json_array();

	for (size_t i = 0; i < service->conf->listener_count; i++)
		json_array_append_new(listeners, listener_json(&service->conf->listeners[i]));
	json_array_append_new(
		arg, json_pack("{s:o, s:o, s:o, s:s, s:s, s:o, s:o, s:b, s:o, s:o, s:o}", "name",
			       api_string(service->conf->name), "listeners", listeners, "pool",
			       api_string(service->pool), "mode", mode_name(service->conf->mode), "hash",
			       hash_name(service->conf->hash), "backends", api_u64(service->backends), "serving",
			       api_u64(service->serving), "announced", service->announced, "open_rows",
			       api_kinds(service->open_rows), "packets",
			       api_u64(service->counter.packets), "bytes", api_u64(service->counter.bytes)));
}

struct api_response api_get_services(const struct api_request *request)
{
	json_t *services = json_array();

	request->source->services(request->source->ctx, emit, services);
	return api_ok(json_pack("{s:o}", "services", services));
}
