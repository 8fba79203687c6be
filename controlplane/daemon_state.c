/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads the state file into a starting daemon and writes it when something in it changed. */
#include "daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static uint64_t seconds(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec;
}

uint64_t daemon_boottime_s(void)
{
	return seconds(CLOCK_BOOTTIME);
}

uint64_t daemon_boottime_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t daemon_wall_s(void)
{
	return seconds(CLOCK_REALTIME);
}

/* Kept for the operator: the next save would replace it. */
static void keep_damaged(struct daemon *d, const char *cause)
{
	char path[sizeof(d->state_path) + 16];
	int err;

	snprintf(path, sizeof(path), "%s.damaged", d->state_path);
	err = rename(d->state_path, path) < 0 ? -errno : 0;
	log_warning(&d->log, "state is not usable", LOG_STR("cause", cause),
		    LOG_STR(err == 0 ? "kept_as" : "not_kept", err == 0 ? path : strerror(-err)));
}

void daemon_state_read(struct daemon *d)
{
	char reterr[512];

	if (state_file_read(d->state_path, &d->state, reterr, sizeof(reterr)) < 0)
		keep_damaged(d, reterr);
	d->model->ids = d->state.ids;
	memset(&d->state.ids, 0, sizeof(d->state.ids));
	d->model->generation = d->state.generation;
}

static size_t collect_overrides(const struct daemon *d, struct state_override *overrides)
{
	size_t n = 0;

	for (size_t i = 0; i < d->model->pool_count; i++) {
		const struct model_pool *pool = &d->model->pools[i];

		for (size_t k = 0; k < pool->backend_count; k++) {
			if (pool->backends[k].override.admin == BACKEND_READY)
				continue;
			if (overrides) {
				strcpy(overrides[n].pool, pool->conf->name);
				strcpy(overrides[n].backend, pool->backends[k].conf->name);
				overrides[n].override = pool->backends[k].override;
			}
			n++;
		}
	}
	return n;
}

static size_t collect_times(const struct daemon *d, struct state_times *times)
{
	struct model_times found;
	size_t n = 0;

	for (size_t i = 0; i < d->model->pool_count; i++) {
		const struct model_pool *pool = &d->model->pools[i];

		for (size_t k = 0; k < pool->backend_count; k++) {
			if (!model_backend_times(&pool->backends[k], &found))
				continue;
			if (times) {
				strcpy(times[n].pool, pool->conf->name);
				strcpy(times[n].backend, pool->backends[k].conf->name);
				times[n].times = found;
			}
			n++;
		}
	}
	return n;
}

static size_t collect_probes(const struct daemon *d, struct state_probe *probes)
{
	const uint64_t now_s = daemon_boottime_s();
	size_t n = 0;

	for (size_t i = 0; i < d->probe_count; i++) {
		struct health_view view;

		health_view(d->targets[i].probe, &view);
		if (view.status == BACKEND_UNKNOWN || view.age_ms == UINT64_MAX)
			continue;
		strcpy(probes[n].check, d->config->checks[d->probes[i].check].name);
		probes[n].address = view.address;
		probes[n].port = view.port;
		probes[n].up = view.status == BACKEND_UP;
		probes[n].at_boottime_s = now_s - view.age_ms / 1000;
		n++;
	}
	return n;
}

void daemon_state_save(struct daemon *d)
{
	const uint64_t begin_ns = uv_hrtime();
	struct state state = { .generation = d->model->generation, .numbering = d->model->settings.numbering,
			       .has_flow_key = true, .flow_key = d->model->settings.flow_key, .ids = d->model->ids };
	char reterr[512];

	state.override_count = collect_overrides(d, NULL);
	state.overrides = calloc(state.override_count + 1, sizeof(*state.overrides));
	state.times_count = collect_times(d, NULL);
	state.times = calloc(state.times_count + 1, sizeof(*state.times));
	state.probes = calloc(d->probe_count + 1, sizeof(*state.probes));
	if (!state.overrides || !state.times || !state.probes) {
		log_error(&d->log, "state is not saved: no memory");
	} else {
		collect_overrides(d, state.overrides);
		collect_times(d, state.times);
		state.probe_count = collect_probes(d, state.probes);
		if (state_file_write(d->state_path, &state, reterr, sizeof(reterr)) < 0)
			log_error(&d->log, "state is not saved", LOG_STR("cause", reterr));
	}
	free(state.overrides);
	free(state.times);
	free(state.probes);
	d->state_dirty = false;
	d->state_cost_ms = (uv_hrtime() - begin_ns) / 1000000;
	d->state_saved_ms = uv_now(&d->loop);
}

bool daemon_state_is_due(const struct daemon *d)
{
	const uint64_t since_ms = uv_now(&d->loop) - d->state_saved_ms;
	const uint64_t least_ms = d->state_dirty ? DAEMON_STATE_MS : DAEMON_STATE_AGE_MS;
	const uint64_t share = d->state_dirty ? 5 : 20; /* of the loop's time: half a second with 100,000 backends */

	return since_ms >= least_ms && since_ms >= share * d->state_cost_ms;
}

/*
 * What the data plane was told must survive a kill: a restart that believes older health than the workers
 * forward by moves connections. So a change is written in the turn that publishes it; only one that
 * follows within DAEMON_STATE_MS waits, so that flapping backends do not make a loop of fsync().
 */
void daemon_state_due(struct daemon *d)
{
	if (daemon_state_is_due(d))
		daemon_state_save(d);
}
