/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GET /v1/status: is all well, in one word and one line. The rules of that verdict are here and nowhere
 * else. POST /v1/reload.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api_route.h"

enum {
	LAG_TOLERATED_MS = 2000, /* a generation is applied within milliseconds; this is a fault */
	BEAT_TOLERATED_MS = 2000 /* so are heartbeats */
};

enum verdict { VERDICT_OK = 0, VERDICT_DEGRADED, VERDICT_DOWN };

/* What the verdict follows from. */
struct tally {
	uint32_t services, services_forwarding, services_unannounced;
	uint32_t backends, forwarding, drained, down, unknown, other;
	char down_name[2 * SL_NAME_MAX];  /* "pool/backend" of the first that is not up */
	char empty_name[SL_NAME_MAX];     /* of the first service without a backend */
};

static void tally_service(void *arg, const struct api_service *service)
{
	struct tally *tally = arg;

	tally->services++;
	tally->services_unannounced += service->announced ? 0 : 1;
	if (service->serving > 0)
		tally->services_forwarding++;
	else if (tally->empty_name[0] == 0)
		snprintf(tally->empty_name, sizeof(tally->empty_name), "%s", service->conf->name);
}

static void tally_backend(void *arg, const struct api_backend *backend)
{
	struct tally *tally = arg;

	tally->backends++;
	if (strcmp(backend->state, "up") == 0 || strcmp(backend->state, "ramping") == 0) {
		tally->forwarding++;
		return;
	}
	if (strcmp(backend->admin, "ready") != 0 || backend->conf->weight == 0) {
		tally->drained++;
		return;
	}
	if (strcmp(backend->health, "down") == 0)
		tally->down++;
	else if (strcmp(backend->health, "unknown") == 0)
		tally->unknown++;
	else
		tally->other++;
	if (tally->down_name[0] == 0)
		snprintf(tally->down_name, sizeof(tally->down_name), "%s/%s", backend->pool, backend->conf->name);
}

static const char *plural(uint32_t n)
{
	return n == 1 ? "" : "s";
}

/* Nobody is attached; a sluice-dp that runs needs another look than one that does not. */
static enum verdict judge_absent(const struct api_datapath *datapath, char *text, size_t size)
{
	if (strcmp(datapath->kind, "xdp") == 0)
		snprintf(text, size, "no interface carries the XDP program yet: see the log of sluiced");
	else if (datapath->moving)
		snprintf(text, size, "sluice-dp (pid %" PRIu64 ") has not taken over the new shared memory yet; it forwards as "
			 "before", datapath->pid);
	else if (datapath->pid != 0)
		snprintf(text, size, "sluice-dp (pid %" PRIu64 ") runs and is not attached yet: its log says what it waits for",
			 datapath->pid);
	else
		snprintf(text, size, "no data plane is attached: is sluice-dp running?");
	return datapath->moving ? VERDICT_DEGRADED : VERDICT_DOWN;
}

/*
 *   down       no sluice-dp, nothing published or applied, or no service has a backend
 *   degraded   a service has none, a backend is not up that nobody drained, a generation is not applied,
 *              sluice-dp hangs or is between two files, a worker is missing, a VIP is not announced
 *   ok         anything else; what a person drained is no fault
 */
static enum verdict judge(const struct api_status *status, const struct api_datapath *datapath,
			  const struct tally *tally, char *text, size_t size)
{
	if (tally->services == 0) {
		snprintf(text, size, "no services are configured");
		return VERDICT_DOWN;
	}
	if (!status->datapath_attached)
		return judge_absent(datapath, text, size);
	if (status->generation == 0 || status->applied == 0) {
		snprintf(text, size, status->pending_probes > 0 ? "waiting for the first results of %" PRIu64 " probes"
								: "the data plane has applied nothing yet",
			 status->pending_probes);
		return VERDICT_DOWN;
	}
	if (tally->services_forwarding == 0) {
		snprintf(text, size, "0 of %" PRIu32 " service%s forward: no backend of %" PRIu32 " is up",
			 tally->services, plural(tally->services), tally->backends);
		return VERDICT_DOWN;
	}
	if (tally->services_forwarding < tally->services) {
		snprintf(text, size, "%" PRIu32 " of %" PRIu32 " services forward; %s has no backend",
			 tally->services_forwarding, tally->services, tally->empty_name);
		return VERDICT_DEGRADED;
	}
	if (status->applied_lag_ms > LAG_TOLERATED_MS) {
		snprintf(text, size, "generation %" PRIu64 " is not applied, workers forward by %" PRIu64,
			 status->generation, status->applied);
		return VERDICT_DEGRADED;
	}
	if (datapath->data_beat_age_ms > BEAT_TOLERATED_MS && datapath->data_beat_age_ms != UINT64_MAX) {
		snprintf(text, size, "sluice-dp (pid %" PRIu64 ") hangs: no heartbeat for %" PRIu64 " s", datapath->pid,
			 datapath->data_beat_age_ms / 1000);
		return VERDICT_DEGRADED;
	}
	if (datapath->workers_alive < datapath->workers && datapath->data_beat_age_ms != UINT64_MAX) {
		snprintf(text, size, "%" PRIu32 " of %" PRIu32 " workers make progress", datapath->workers_alive,
			 datapath->workers);
		return VERDICT_DEGRADED;
	}
	snprintf(text, size, "%" PRIu32 " service%s forward%s to %" PRIu32 " of %" PRIu32 " backend%s",
		 tally->services, plural(tally->services), tally->services == 1 ? "s" : "", tally->forwarding,
		 tally->backends, plural(tally->backends));
	if (tally->services_unannounced > 0)
		return VERDICT_DEGRADED;
	return tally->down + tally->unknown + tally->other > 0 ? VERDICT_DEGRADED : VERDICT_OK;
}

/* What else a person wants to know at once, after the sentence. */
static void add_details(const struct tally *tally, char *text, size_t size)
{
	const struct {
		uint32_t count;
		const char *word;
	} parts[] = {
		{tally->down, "down"},
		{tally->unknown, "unknown"},
		{tally->other, "without a next hop"},
		{tally->drained, "drained"},
		{tally->services_unannounced, "services not announced"},
	};
	const char *separator = " (";

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const size_t len = strlen(text);

		if (parts[i].count == 0)
			continue;
		snprintf(text + len, size - len, "%s%" PRIu32 " %s", separator, parts[i].count, parts[i].word);
		separator = ", ";
	}
	if (separator[0] == ',')
		snprintf(text + strlen(text), size - strlen(text), "%s%s)", tally->down_name[0] != 0 ? ": " : "",
			 tally->down_name);
}

/* Cores are taken when sluice-dp starts: a reload that changes their number is not all done. */
static void add_restart_due(const struct api_datapath *datapath, char *text, size_t size)
{
	const size_t len = strlen(text);

	if (datapath->attached && datapath->workers != datapath->workers_configured)
		snprintf(text + len, size - len, "; sluice-dp has %" PRIu32 " worker%s, %" PRIu32 " %s configured: applies when "
			 "sluice-dp restarts", datapath->workers, plural(datapath->workers), datapath->workers_configured,
			 datapath->workers_configured == 1 ? "is" : "are");
}

static const char *verdict_word(enum verdict verdict)
{
	switch (verdict) { /* no default */
	case VERDICT_OK: return "ok";
	case VERDICT_DEGRADED: return "degraded";
	case VERDICT_DOWN: return "down";
	}
	return "?";
}

struct api_response api_get_status(const struct api_request *request)
{
	const struct api_source *source = request->source;
	struct api_datapath datapath = {.kind = NULL};
	struct api_status status = {.node = NULL};
	struct tally tally = {.services = 0};
	enum verdict verdict;
	char text[512];

	source->status(source->ctx, &status);
	source->datapath(source->ctx, &datapath);
	source->services(source->ctx, tally_service, &tally);
	source->backends(source->ctx, tally_backend, &tally);
	verdict = judge(&status, &datapath, &tally, text, sizeof(text));
	if (tally.services_forwarding > 0)
		add_details(&tally, text, sizeof(text));
	add_restart_due(&datapath, text, sizeof(text));
	return api_ok(json_pack(
		"{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:{s:o, s:o}, s:{s:o, s:o, s:o, s:o, s:o}}",
		"verdict", verdict_word(verdict), "summary", api_string(text), "node", api_string(status.node),
		"instance", api_string(status.instance), "version", api_string(status.version), "config",
		api_string(status.config_path), "config_age_s", api_u64(status.config_age_s), "uptime_s",
		api_u64(status.uptime_s), "generation", api_u64(status.generation), "applied", api_u64(status.applied),
		"datapath_attached", status.datapath_attached, "pending_probes", api_u64(status.pending_probes),
		"services", "total", api_u64(tally.services), "forwarding", api_u64(tally.services_forwarding),
		"backends", "total", api_u64(tally.backends), "forwarding", api_u64(tally.forwarding), "down",
		api_u64(tally.down), "unknown", api_u64(tally.unknown), "drained", api_u64(tally.drained)));
}

struct api_response api_post_reload(const struct api_request *request)
{
	char error[API_ERROR_MAX] = "";
	struct api_status status = {.node = NULL};

	if (request->source->reload(request->source->ctx, error) < 0)
		return api_error(409, error, "what runs keeps running; sluiced --check lists every error of a file");
	request->source->status(request->source->ctx, &status);
	return api_ok(json_pack("{s:s, s:o}", "done", "reloaded", "generation", api_u64(status.generation)));
}
