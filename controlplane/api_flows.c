/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GET /v1/flows: the memory of connections. How full it is, what is remembered in each pool, which rows changed
 * so recently that it matters, and what the workers did with it.
 */
#include "api_route.h"

json_t *api_kinds(const uint64_t kinds[SL_FLOW_KIND_COUNT])
{
	return json_pack("{s:o, s:o, s:o}", "tcp", api_u64(kinds[SL_FLOW_TCP]), "quic", api_u64(kinds[SL_FLOW_QUIC]), "udp",
			 api_u64(kinds[SL_FLOW_UDP]));
}

json_t *api_flow_counters(const __u64 counter[SL_FLOW_COUNT_COUNT])
{
	json_t *counters = json_object();

	for (int i = 0; i < SL_FLOW_COUNT_COUNT; i++)
		json_object_set_new(counters, sl_flow_counter_name((enum sl_flow_counter)i), api_u64(counter[i]));
	return counters;
}

static void emit_pool(void *arg, const struct api_flows_pool *pool)
{
	json_array_append_new(arg, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "pool", api_string(pool->name), "flows",
					     pool->counted ? api_u64(pool->flows) : json_null(), "kinds",
					     pool->counted ? api_kinds(pool->kinds) : json_null(), "rows",
					     api_u64(pool->rows), "open_rows", api_kinds(pool->open_rows), "look_rows",
					     api_u64(pool->look_rows), "lens_rows",
					     pool->lens_rows != 0 ? api_u64(pool->lens_rows) : json_null(), "change_waits",
					     json_boolean(pool->change_waits)));
}

struct api_response api_get_flows(const struct api_request *request)
{
	const struct api_source *source = request->source;
	struct api_flows flows = { .path = NULL };
	json_t *pools = json_array();

	source->flows(source->ctx, &flows, emit_pool, pools);
	return api_ok(json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o}", "file", api_string(flows.path),
				"limit", api_u64(flows.limit), "capacity", api_u64(flows.capacity), "used",
				api_u64(flows.used), "tended_age_s",
				flows.tended_age_s != UINT64_MAX ? api_u64(flows.tended_age_s) : json_null(), "counted_age_ms",
				flows.counted_age_ms != UINT64_MAX ? api_u64(flows.counted_age_ms) : json_null(), "pressure",
				(int)flows.pressure, "pressure_age_s",
				flows.pressure_age_s != UINT64_MAX ? api_u64(flows.pressure_age_s) : json_null(), "unknown",
				api_u64(flows.unknown), "expired", api_u64(flows.expired), "counters",
				api_flow_counters(flows.counter), "pools", pools));
}
