/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Remembered connections as far as sluiced has to do with them: the file, the census while somebody waits for one,
 * and whether the memory is full. Without the file everything else goes on; what that costs is said once.
 */
#include "daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow_file.h"
#include "flow_map.h"
#include "flow_scan.h"
#include "publish_bpf.h"
#include "sluice/host/boot_id.h"

enum {
	FLOWS_RETRY_MS = 10000,      /* between two attempts to make a file that cannot be made */
	FLOWS_SILENT_S = 5,          /* what the manager said of pressure longer ago is of a process that is gone */
	CENSUS_SLICE = 8192,         /* buckets a step: about a millisecond */
	CENSUS_STEP_MS = 2,
	CENSUS_PAUSE_MS = 1000,      /* between two scans that rows or a reader wait for */
	CENSUS_PAUSE_SLOTS_MS = 60000, /* between two that only resting numbers wait for */
	CENSUS_PAUSE_AGE_MS = 10000, /* between two that only delete what is too old from the XDP program's map */
	CENSUS_WATCH_MS = 10000,     /* how long after it asked last a reader of the API counts as waiting */
};

struct daemon_flows {
	struct flow_file *file; /* NULL: there is none */
	char path[sizeof(((struct daemon *)0)->runtime_dir) + sizeof(SL_FLOWS_FILE)];
	struct flow_file_report report;
	struct flow_census *census;
	struct flow_scan scan;
	struct flow_map map;     /* the XDP program's memory, in place of the file; maps NULL: none */
	uv_timer_t step;
	uint64_t tried_ms;   /* uv_now of the last attempt */
	bool failed;         /* it did; said once */
	uint64_t watched_ms; /* of the last reader; 0: none */
	uint64_t scanned_ms; /* of the end of the last scan */
};

/* The XDP program's memory counts, and not the file. */
static bool uses_map(const struct daemon *d)
{
	return d->flows->map.maps != NULL && daemon_by_xdp(d);
}

const struct flow_file *daemon_flows_file(const struct daemon *d)
{
	return d->flows->file;
}

static void log_opened(const struct daemon *d, const struct flow_file_report *report)
{
	if (!report->made)
		log_info(&d->log, "remembered connections: kept the file", LOG_U64("used", report->used),
			 LOG_U64("capacity", report->capacity), LOG_STR("directory", d->runtime_dir));
	else if (report->lost)
		log_warning(&d->log, "remembered connections are forgotten: made a new file; those that were moved by a change "
			    "of the last connection-idle may break", LOG_STR("cause", report->why),
			    LOG_U64("capacity", report->capacity), LOG_STR("directory", d->runtime_dir));
	else
		log_info(&d->log, "remembered connections: made a file", LOG_STR("cause", report->why),
			 LOG_U64("capacity", report->capacity), LOG_STR("directory", d->runtime_dir));
	if (report->small)
		log_info(&d->log, "remembered connections: limits: flows asks for a bigger file; it is made when sluice-dp runs, "
			 "which takes the entries along", LOG_U64("flows", d->config->flow_limit));
}

static uint32_t longest_life_s(const struct daemon *d)
{
	uint32_t life_s = 0;

	for (int kind = 0; kind < SL_FLOW_KIND_COUNT; kind++) {
		if (sl_flow_life_s(d->model->settings.idle_max_s[kind]) > life_s)
			life_s = sl_flow_life_s(d->model->settings.idle_max_s[kind]);
	}
	return life_s;
}

static void log_failed(const struct daemon *d, const char *cause)
{
	log_error(&d->log, d->flows->file != NULL ? "remembered connections keep the file they have" :
		  "remembered connections have no file: each worker remembers its own; a restart of sluice-dp or a flow that "
		  "changes its worker can break connections that a change moved", LOG_STR("cause", cause),
		  LOG_U64("tried_again_s", FLOWS_RETRY_MS / 1000));
}

/* Opens the file anew; the one that is open stays when this fails. */
static void open_file(struct daemon *d)
{
	struct daemon_flows *f = d->flows;
	struct flow_file_want want = { .flows = d->config->flow_limit, .flow_key = d->model->settings.flow_key,
				       .numbering = d->model->settings.numbering, .now_s = daemon_boottime_s(),
				       .wall_ns = daemon_wall_s() * 1000000000u, .life_s = longest_life_s(d),
				       .boot = &d->config->boot, .heir = daemon_data_pid(d) != 0 };
	struct flow_file *file = NULL;
	char reterr[512];

	sl_boot_id(want.boot_id);
	f->tried_ms = uv_now(&d->loop);
	if (flow_file_open(d->runtime_dir, &want, &file, &f->report, reterr, sizeof(reterr)) < 0) {
		if (!f->failed)
			log_failed(d, reterr);
		f->failed = true;
		return;
	}
	f->failed = false;
	log_opened(d, &f->report);
	flow_census_forget(f->census);
	uv_timer_stop(&f->step);
	flow_file_close(f->file);
	f->file = file;
	f->scan = (struct flow_scan){ .hot = flow_file_buckets(file), .home = flow_file_homes(file),
				      .buckets = flow_file_header(file)->buckets };
}

int daemon_flows_start(struct daemon *d)
{
	int err;

	d->flows = calloc(1, sizeof(*d->flows));
	if (d->flows == NULL)
		return -ENOMEM;
	err = uv_timer_init(&d->loop, &d->flows->step);
	d->flows->step.data = d;
	snprintf(d->flows->path, sizeof(d->flows->path), "%s/%s", d->runtime_dir, SL_FLOWS_FILE);
	if (err == 0)
		err = flow_census_create(&d->flows->census);
	if (err == 0 && d->datapath != CONFIG_DATAPATH_XDP)
		open_file(d);
	return err;
}

void daemon_flows_destroy(struct daemon *d)
{
	if (d->flows == NULL)
		return;
	flow_file_close(d->flows->file);
	flow_census_destroy(d->flows->census);
	free(d->flows);
	d->flows = NULL;
}

void daemon_flows_follow(struct daemon *d)
{
	const struct flow_file *file = d->flows->file;

	if (d->xdp)
		for (int kind = 0; kind < SL_FLOW_KIND_COUNT; kind++)
			d->flows->map.idle_max_s[kind] = d->model->settings.idle_max_s[kind];
	if (d->datapath == CONFIG_DATAPATH_XDP)
		return;
	if (file == NULL || flow_file_header(file)->buckets < sl_flows_buckets(d->config->flow_limit))
		open_file(d);
}

void daemon_flows_maps(struct daemon *d)
{
	struct daemon_flows *f = d->flows;

	flow_census_forget(f->census);
	uv_timer_stop(&f->step);
	f->map = (struct flow_map){ .maps = steering_maps(d->steering),
				    .tables = publish_bpf_tables(daemon_xdp_publisher(d)) };
	daemon_flows_follow(d);
	if (f->file == NULL)
		f->report.capacity = f->map.maps->map[XDP_MAP_FLOWS].entries;
}

/* ---- pressure ------------------------------------------------------------------------------------------ */

void daemon_flows_pressure(const struct daemon *d, bool *ret_now, uint64_t *ret_last_ms)
{
	const uint64_t now_ms = daemon_boottime_ms(), now_s = now_ms / 1000;
	const struct sl_flows_live *live;
	uint64_t swept_s, last_s;

	*ret_now = false;
	*ret_last_ms = 0;
	if (uses_map(d)) {
		*ret_now = flow_map_pressure(d->flows->map.maps, now_s, &last_s);
		*ret_last_ms = *ret_now ? now_ms : last_s * 1000;
		return;
	}
	if (d->flows->file == NULL)
		return;
	live = flow_file_live(d->flows->file);
	swept_s = __atomic_load_n(&live->swept_s, __ATOMIC_RELAXED);
	last_s = __atomic_load_n(&live->pressure_s, __ATOMIC_RELAXED);
	*ret_now = __atomic_load_n(&live->pressure, __ATOMIC_RELAXED) != 0 && swept_s <= now_s + 1 &&
		   now_s <= swept_s + FLOWS_SILENT_S;
	*ret_last_ms = *ret_now || last_s > now_s ? now_ms : last_s * 1000;
	if (last_s == 0 && !*ret_now)
		*ret_last_ms = 0;
}

static void take_pressure(struct daemon *d)
{
	const bool before = d->model->pressure;
	uint64_t last_ms;
	bool now;

	daemon_flows_pressure(d, &now, &last_ms);
	model_set_pressure(d->model, now, last_ms);
	if (now == before)
		return;
	if (now)
		log_warning(&d->log, "the memory of connections is full: nothing new is remembered, and no row closes, until it is "
			    "not; see 'sluicectl show flows'", LOG_U64("capacity", d->flows->report.capacity));
	else
		log_info(&d->log, "the memory of connections has room again");
	daemon_publish(d);
}

/* ---- census -------------------------------------------------------------------------------------------- */

/*
 * Whether a count of the file names all that is remembered: a worker may know connections that it told the file before
 * this one, until their life is over.
 */
static bool is_complete(const struct daemon *d)
{
	uint64_t whole_s;

	if (uses_map(d)) /* the map is all that the program remembers */
		return true;
	whole_s = __atomic_load_n(&flow_file_live(d->flows->file)->whole_s, __ATOMIC_RELAXED);
	if (whole_s <= SL_FLOWS_WHOLE)
		return whole_s == SL_FLOWS_WHOLE;
	return daemon_boottime_s() > whole_s + longest_life_s(d);
}

static void on_step(uv_timer_t *timer)
{
	struct daemon *d = timer->data;
	struct daemon_flows *f = d->flows;
	const struct flow_census_source source = uses_map(d) ? flow_map_source(&f->map) : flow_scan_source(&f->scan);
	int step;

	if (!flow_census_runs(f->census)) {
		uv_timer_stop(timer);
		return;
	}
	step = flow_census_step(f->census, &source, CENSUS_SLICE, daemon_boottime_ms());
	if (step == 0)
		return;
	uv_timer_stop(timer);
	f->scanned_ms = uv_now(&d->loop);
	if (f->file && flow_file_is_lost(f->file)) { /* what was counted may be zeroes that took the file's place */
		flow_census_forget(f->census);
		return;
	}
	if (step > 0 && is_complete(d) && model_counted(d->model, flow_census_result(f->census))) {
		d->state_dirty = true;
		daemon_publish(d);
	}
}

static bool is_watched(const struct daemon *d)
{
	return d->flows->watched_ms != 0 && uv_now(&d->loop) - d->flows->watched_ms < CENSUS_WATCH_MS;
}

/* Starts a scan when somebody waits for one and the last is long enough ago. */
static void scan_when_due(struct daemon *d)
{
	struct daemon_flows *f = d->flows;
	const enum model_census due = model_census_due(d->model);
	const uint64_t slow_ms = uses_map(d) ? CENSUS_PAUSE_AGE_MS : CENSUS_PAUSE_SLOTS_MS;
	const uint64_t pause_ms = due == MODEL_CENSUS_ROWS || is_watched(d) ? CENSUS_PAUSE_MS : slow_ms;
	struct flow_census_want *wants = NULL;
	size_t count;

	if ((f->file == NULL && !uses_map(d)) || flow_census_runs(f->census))
		return;
	if (due == MODEL_CENSUS_NONE && !is_watched(d) && !uses_map(d))
		return;
	if (f->scanned_ms != 0 && uv_now(&d->loop) - f->scanned_ms < pause_ms)
		return;
	if (model_census_wants(d->model, &wants, &count) < 0 ||
	    flow_census_begin(f->census, wants, count, daemon_boottime_ms()) < 0)
		log_error(&d->log, "remembered connections are not counted: no memory");
	else {
		model_census_begin(d->model, daemon_boottime_ms());
		uv_timer_start(&f->step, on_step, 0, CENSUS_STEP_MS);
	}
	free(wants);
}

const struct flow_census_result *daemon_flows_census(struct daemon *d)
{
	const bool watched = is_watched(d);

	d->flows->watched_ms = uv_now(&d->loop);
	if (!watched)
		scan_when_due(d);
	return flow_census_result(d->flows->census);
}

void daemon_flows_beat(struct daemon *d)
{
	struct daemon_flows *f = d->flows;
	const uint64_t since_ms = uv_now(&d->loop) - f->tried_ms;

	if (d->datapath == CONFIG_DATAPATH_XDP) {
		/* the map is always there */
	} else if (f->file != NULL && flow_file_is_lost(f->file)) {
		if (!f->failed)
			log_warning(&d->log, "the file of remembered connections was removed, replaced or cut",
				    LOG_STR("directory", d->runtime_dir));
		if (!f->failed || since_ms >= FLOWS_RETRY_MS)
			open_file(d);
	} else if (f->file == NULL || (f->report.small && d->attached)) {
		if (!f->failed || since_ms >= FLOWS_RETRY_MS)
			open_file(d);
	}
	take_pressure(d);
	scan_when_due(d);
}

/* ---- what the API shows -------------------------------------------------------------------------------- */

static void add_flow_counters(void *arg, const struct api_worker *worker)
{
	__u64 *sum = arg;

	for (int i = 0; i < SL_FLOW_COUNT_COUNT; i++)
		sum[i] += worker->stats.flow[i];
}

static void sum_counters(const struct daemon *d, __u64 ret_sum[SL_FLOW_COUNT_COUNT])
{
	for (uint32_t w = 0; w < shm_file_header(d->shm)->limits.workers; w++) {
		const struct sl_worker_stats *stats = shm_file_stats(d->shm, w);

		for (int i = 0; i < SL_FLOW_COUNT_COUNT; i++)
			ret_sum[i] += __atomic_load_n(&stats->flow[i], __ATOMIC_RELAXED);
	}
	daemon_xdp_workers(d, add_flow_counters, ret_sum);
}

static void show_file(const struct daemon *d, struct api_flows *flows)
{
	const struct sl_flows_live *live = flow_file_live(d->flows->file);
	const uint64_t now_s = daemon_boottime_s();
	const uint64_t swept_s = __atomic_load_n(&live->swept_s, __ATOMIC_RELAXED);
	const uint64_t used = __atomic_load_n(&live->used, __ATOMIC_RELAXED);

	flows->path = d->flows->path;
	flows->capacity = sl_flows_capacity(flow_file_header(d->flows->file)->buckets);
	flows->used = used < flows->capacity ? used : flows->capacity;
	flows->tended_age_s = swept_s < now_s ? now_s - swept_s : 0;
}

static void show_map(const struct daemon *d, struct api_flows *flows)
{
	const struct sl_xdp_live *live = xdp_maps_at(d->flows->map.maps, XDP_MAP_LIVE, 0);
	const uint64_t used = __atomic_load_n(&live->used, __ATOMIC_RELAXED);

	flows->path = steering_dir(d->steering);
	flows->capacity = d->flows->map.maps->map[XDP_MAP_FLOWS].entries;
	flows->used = used < flows->capacity ? used : flows->capacity;
	flows->tended_age_s = d->flows->scanned_ms ? (uv_now(&d->loop) - d->flows->scanned_ms) / 1000 : UINT64_MAX;
}

static void show_pools(const struct daemon *d, const struct flow_census_result *census, api_emit_flows_pool *emit, void *arg)
{
	for (size_t i = 0; i < d->model->pool_count; i++) {
		const struct model_pool *pool = &d->model->pools[i];
		const struct flow_census_pool *counted = flow_census_find(census, pool->id);
		struct api_flows_pool shown = { .name = pool->conf->name, .rows = pool->rows.rows,
						.look_rows = row_history_looks(&pool->rows), .lens_rows = pool->rows.lens.rows,
						.change_waits = pool->rows_wait };

		for (int kind = 0; kind < SL_FLOW_KIND_COUNT; kind++)
			shown.open_rows[kind] = pool->rows.kind[kind].open;
		if (counted != NULL) {
			shown.counted = true;
			shown.flows = counted->flows;
			memcpy(shown.kinds, counted->kinds, sizeof(shown.kinds));
		}
		emit(arg, &shown);
	}
}

void daemon_flows_show(void *ctx, struct api_flows *ret_flows, api_emit_flows_pool *emit, void *arg)
{
	struct daemon *d = ctx;
	const struct flow_census_result *census = daemon_flows_census(d);
	const uint64_t now_ms = daemon_boottime_ms();
	uint64_t last_ms;

	*ret_flows = (struct api_flows){ .limit = d->config->flow_limit, .tended_age_s = UINT64_MAX,
					 .counted_age_ms = UINT64_MAX, .pressure_age_s = UINT64_MAX };
	if (d->flows->file != NULL)
		show_file(d, ret_flows);
	if (census != NULL) {
		ret_flows->counted_age_ms = now_ms - census->began_ms;
		ret_flows->expired = census->expired;
		ret_flows->unknown = census->unknown;
	}
	daemon_flows_pressure(d, &ret_flows->pressure, &last_ms);
	if (last_ms < d->model->pressure_ms) /* of a file before this one */
		last_ms = d->model->pressure_ms;
	if (last_ms != 0)
		ret_flows->pressure_age_s = (now_ms - last_ms) / 1000;
	if (uses_map(d))
		show_map(d, ret_flows);
	sum_counters(d, ret_flows->counter);
	show_pools(d, census, emit, arg);
}
