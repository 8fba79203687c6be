/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GET /v1/workers, /v1/verdicts and /v1/stats: what the workers counted. A JSON answer is one moment;
 * rates are the reader's difference of two, so every answer carries its time.
 */
#include <time.h>

#include "api_route.h"

static json_t *now_json(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return api_u64((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
}

static const char *worker_state(uint32_t state)
{
	static const char *const names[] = {"absent", "polling", "sleeping", "stuck"};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

/* Packets by verdict; those without any are left out. */
static json_t *worker_verdicts(const struct sl_worker_stats *stats)
{
	json_t *verdicts = json_object();

	for (int v = 0; v < SL_VERDICT_COUNT; v++)
		if (stats->verdict[v] > 0)
			json_object_set_new(verdicts, sl_verdict_name(v), api_u64(stats->verdict[v]));
	return verdicts;
}

static void emit_worker(void *arg, const struct api_worker *worker)
{
	const struct sl_worker_stats *stats = &worker->stats;
	const double busy =
		stats->total_cycles > 0 ? 100.0 * (double)stats->busy_cycles / (double)stats->total_cycles : 0;

	json_array_append_new(
		arg, json_pack("{s:o, s:o, s:s, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "worker",
			       api_u64(worker->index), "cpu", api_u64(stats->cpu), "state", worker_state(stats->state),
			       "busy_percent", busy, "busy_cycles", api_u64(stats->busy_cycles), "total_cycles",
			       api_u64(stats->total_cycles), "rx_packets", api_u64(stats->rx_packets), "rx_bytes",
			       api_u64(stats->rx_bytes), "tx_packets", api_u64(stats->tx_packets), "tx_bytes",
			       api_u64(stats->tx_bytes), "missed", api_u64(stats->missed), "no_mbuf",
			       api_u64(stats->no_mbuf), "tx_full", api_u64(stats->tx_full), "polls",
			       api_u64(stats->polls), "generation", api_u64(stats->snapshot_generation), "verdicts",
			       worker_verdicts(stats), "flows", api_flow_counters(stats->flow)));
}

struct api_response api_get_workers(const struct api_request *request)
{
	json_t *workers = json_array();

	request->source->workers(request->source->ctx, emit_worker, workers);
	return api_ok(json_pack("{s:o, s:o}", "now_ms", now_json(), "workers", workers));
}

static void add_verdicts(void *arg, const struct api_worker *worker)
{
	uint64_t *totals = arg;

	for (int v = 0; v < SL_VERDICT_COUNT; v++)
		totals[v] += worker->stats.verdict[v];
}

struct api_response api_get_verdicts(const struct api_request *request)
{
	uint64_t totals[SL_VERDICT_COUNT] = {0};
	json_t *verdicts = json_array();

	request->source->workers(request->source->ctx, add_verdicts, totals);
	for (int v = 0; v < SL_VERDICT_COUNT; v++)
		json_array_append_new(verdicts, json_pack("{s:s, s:o}", "verdict", sl_verdict_name(v), "packets",
							  api_u64(totals[v])));
	return api_ok(json_pack("{s:o, s:o}", "now_ms", now_json(), "verdicts", verdicts));
}

static void add_stats(void *arg, const struct api_worker *worker)
{
	const struct sl_worker_stats *stats = &worker->stats;
	struct sl_worker_stats *total = arg;

	for (int v = 0; v < SL_VERDICT_COUNT; v++)
		total->verdict[v] += stats->verdict[v];
	total->rx_packets += stats->rx_packets;
	total->rx_bytes += stats->rx_bytes;
	total->tx_packets += stats->tx_packets;
	total->tx_bytes += stats->tx_bytes;
	total->missed += stats->missed;
	total->no_mbuf += stats->no_mbuf;
	total->tx_full += stats->tx_full;
}

static void emit_service_counter(void *arg, const struct api_service *service)
{
	json_array_append_new(arg, json_pack("{s:o, s:o, s:o}", "service", api_string(service->conf->name), "packets",
					     api_u64(service->counter.packets), "bytes",
					     api_u64(service->counter.bytes)));
}

static void emit_backend_counter(void *arg, const struct api_backend *backend)
{
	json_array_append_new(arg, json_pack("{s:o, s:o, s:o, s:o}", "pool", api_string(backend->pool), "backend",
					     api_string(backend->conf->name), "packets",
					     api_u64(backend->counter.packets), "bytes",
					     api_u64(backend->counter.bytes)));
}

/* The sum of all verdicts stands beside the packets received: they must agree once workers are idle. */
struct api_response api_get_stats(const struct api_request *request)
{
	const struct api_source *source = request->source;
	struct sl_worker_stats total = {.rx_packets = 0};
	json_t *services = json_array();
	json_t *backends = json_array();
	uint64_t verdicts = 0;

	source->workers(source->ctx, add_stats, &total);
	source->services(source->ctx, emit_service_counter, services);
	source->backends(source->ctx, emit_backend_counter, backends);
	for (int v = 0; v < SL_VERDICT_COUNT; v++)
		verdicts += total.verdict[v];
	return api_ok(json_pack("{s:o, s:{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}, s:o, s:o}", "now_ms", now_json(),
				"total", "rx_packets", api_u64(total.rx_packets), "rx_bytes", api_u64(total.rx_bytes),
				"tx_packets", api_u64(total.tx_packets), "tx_bytes", api_u64(total.tx_bytes),
				"verdicts", api_u64(verdicts), "missed", api_u64(total.missed), "no_mbuf",
				api_u64(total.no_mbuf), "tx_full", api_u64(total.tx_full), "services", services,
				"backends", backends));
}
