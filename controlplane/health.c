/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Owns the probes and their rhythm. Each probe has its place in a grid of its interval, spread by the
 * golden ratio, so that any number of them is even over time; only the first is sent at once, so that
 * a start is not held up. What results mean is backend_state.c's, how to probe is check_*.c's.
 */
#include "health_probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN_RATIO_32 2654435769u /* 2^32 / phi: multiples of it are evenly spread modulo 2^32 */

static const struct check_kind *const kinds[HEALTH_KINDS] = {
	[CONFIG_CHECK_TCP] = &check_tcp,
	[CONFIG_CHECK_HTTP] = &check_http,
	[CONFIG_CHECK_ICMP] = &check_icmp,
};

/* ---- the grid ------------------------------------------------------------------------------------------ */

static uint64_t slot_time(const struct health_probe *probe, uint64_t slot)
{
	const uint64_t interval = probe->check.interval_ms;
	const uint64_t phase = ((uint64_t)(probe->number * GOLDEN_RATIO_32) * interval) >> 32;

	return probe->health->base_ms + phase + slot * interval;
}

/* The first slot later than `ms`. */
static uint64_t slot_after(const struct health_probe *probe, uint64_t ms)
{
	const uint64_t first = slot_time(probe, 0);

	return ms < first ? 0 : (ms - first) / probe->check.interval_ms + 1;
}

/* Up to jitter_percent of the interval, the same on every run: two rounds of a 32-bit mix. */
static uint64_t slot_jitter(const struct health_probe *probe, uint64_t slot)
{
	const uint64_t span = (uint64_t)probe->check.interval_ms * probe->check.jitter_percent / 100;
	uint32_t mix = probe->number * GOLDEN_RATIO_32 ^ (uint32_t)slot;

	mix = (mix ^ (mix >> 16)) * 0x45d9f3bu;
	mix = (mix ^ (mix >> 16)) * 0x45d9f3bu;
	return (mix ^ (mix >> 16)) % (span + 1);
}

/* ---- one probe ----------------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);

static void probe_wait(struct health_probe *probe)
{
	const uint64_t now = uv_now(probe->health->loop);
	uint64_t due;

	if (slot_time(probe, probe->next_slot) < now)
		probe->next_slot = slot_after(probe, now);
	due = slot_time(probe, probe->next_slot) + slot_jitter(probe, probe->next_slot);
	probe->next_slot++;
	uv_timer_start(&probe->timer, on_timer, due > now ? due - now : 1, 0);
}

/* Returns true when the status changed. */
static bool probe_count(struct health_probe *probe, bool passed)
{
	const struct backend_limits limits = {.rise = probe->check.rise, .fall = probe->check.fall};

	probe->passes = passed ? probe->passes + 1 : 0;
	probe->failures = passed ? 0 : probe->failures + 1;
	if (passed)
		probe->latency_us = (uint32_t)((uv_hrtime() - probe->sent_ns) / 1000);
	return backend_state_update(&probe->state, &limits, passed);
}

/* The events come last: their receiver may remove this very probe. */
static void probe_result(struct health_probe *probe, enum check_result result, int detail)
{
	struct health *health = probe->health;
	const bool local = result == CHECK_ERROR_LOCAL;
	const bool trouble = local && !probe->troubled;
	const bool settles = !probe->heard && health->pending == 1;
	const bool changed = !local && probe_count(probe, result == CHECK_PASS);

	probe->running = false;
	probe->troubled = local;
	probe->result = result;
	probe->detail = detail;
	probe->result_ms = uv_now(health->loop);
	if (changed)
		probe->since_ms = probe->result_ms;
	if (!probe->heard) {
		probe->heard = true;
		health->pending--;
	}
	probe_wait(probe);
	if (changed)
		health->events.change(health->events.ctx, probe);
	else if (trouble)
		health->events.problem(health->events.ctx, probe);
	if (settles)
		health->events.settled(health->events.ctx);
}

static void on_done(struct check_run *run, enum check_result result, int detail)
{
	probe_result((struct health_probe *)run, result, detail); /* run is its first member */
}

static int engine_get(struct health *health, enum config_check_type type, struct check_engine **ret_engine)
{
	if (health->engines[type] == NULL) {
		int err = kinds[type]->create(health->loop, &health->engines[type]);

		if (err < 0)
			return err;
	}
	*ret_engine = health->engines[type];
	return 0;
}

static void probe_send(struct health_probe *probe)
{
	struct check_engine *engine;
	int err;

	probe->sent++;
	probe->sent_ns = uv_hrtime();
	err = engine_get(probe->health, probe->check.type, &engine);
	if (err == 0)
		err = kinds[probe->check.type]->start(engine, &probe->run);
	if (err < 0) {
		probe_result(probe, check_result_of_errno(err), -err);
		return;
	}
	probe->running = true;
	probe->late = false;
	uv_timer_start(&probe->timer, on_timer, probe->check.timeout_ms, 0);
}

static void probe_cancel(struct health_probe *probe)
{
	if (!probe->running)
		return;
	kinds[probe->check.type]->cancel(probe->health->engines[probe->check.type], &probe->run);
	probe->running = false;
}

/*
 * libuv runs timers before it looks at sockets: after a long turn of the loop an answer may be waiting
 * beside an expired limit. So the limit passes twice, with a look at the sockets in between.
 */
static void on_timer(uv_timer_t *timer)
{
	struct health_probe *probe = timer->data;

	if (!probe->running) {
		probe_send(probe);
	} else if (!probe->late) {
		probe->late = true;
		uv_timer_start(timer, on_timer, 1, 0);
	} else {
		probe_cancel(probe);
		probe_result(probe, CHECK_FAIL_TIMEOUT, 0);
	}
}

void health_probe_free(struct health_probe *probe)
{
	free(probe->check.path);
	free(probe->check.host);
	free(probe->check.body);
	free(probe);
}

static void on_closed(uv_handle_t *handle)
{
	health_probe_free(handle->data);
}

void health_probe_stop(struct health_probe *probe)
{
	probe_cancel(probe);
	uv_close((uv_handle_t *)&probe->timer, on_closed);
}

void health_probe_begin(struct health_probe *probe, size_t rank, size_t count)
{
	const uint64_t interval = probe->check.interval_ms;
	const uint64_t delay = count <= interval ? rank : rank * interval / count;

	probe->run.done = on_done;
	probe->number = probe->health->next_number++;
	if (!probe->heard)
		probe->since_ms = uv_now(probe->health->loop);
	probe->next_slot = slot_after(probe, uv_now(probe->health->loop) + delay + interval / 2);
	uv_timer_init(probe->health->loop, &probe->timer);
	probe->timer.data = probe;
	uv_timer_start(&probe->timer, on_timer, delay, 0);
}

/* ---- the rest of the interface ------------------------------------------------------------------------- */

int health_create(uv_loop_t *loop, const struct health_events *events, struct health **ret_health)
{
	struct health *health = calloc(1, sizeof(*health));

	if (health == NULL)
		return -ENOMEM;
	health->loop = loop;
	health->events = *events;
	health->base_ms = uv_now(loop);
	*ret_health = health;
	return 0;
}

void health_destroy(struct health *health)
{
	if (health == NULL)
		return;
	for (size_t i = 0; i < health->count; i++)
		health_probe_stop(health->probes[i]);
	for (size_t i = 0; i < HEALTH_KINDS; i++)
		if (health->engines[i] != NULL)
			kinds[i]->destroy(health->engines[i]);
	free(health->probes);
	free(health);
}

void health_adopt(struct health *health, struct health_probe *probe, enum backend_status status, uint64_t age_ms)
{
	const uint64_t now = uv_now(health->loop);

	if (status == BACKEND_UNKNOWN)
		return;
	if (!probe->heard)
		health->pending--;
	probe->heard = true;
	probe->state.status = status;
	probe->state.streak = 0;
	probe->since_ms = probe->result_ms = age_ms < now ? now - age_ms : 0;
}

size_t health_pending(const struct health *health)
{
	return health->pending;
}

size_t health_count(const struct health *health)
{
	return health->count;
}

enum backend_status health_status(const struct health_probe *probe)
{
	return probe->state.status;
}

void health_view(const struct health_probe *probe, struct health_view *ret_view)
{
	const struct backend_limits limits = {.rise = probe->check.rise, .fall = probe->check.fall};
	const struct backend_state *state = &probe->state;
	const uint64_t now = uv_now(probe->health->loop);
	const unsigned int limit = state->status == BACKEND_DOWN ? backend_state_rise(state, &limits) : limits.fall;

	*ret_view = (struct health_view){
		.address = probe->run.address,
		.port = probe->run.port,
		.check = probe->check.name,
		.kind = kinds[probe->check.type]->name,
		.status = state->status,
		.result = probe->result,
		.since_ms = now - probe->since_ms,
		.age_ms = probe->heard ? now - probe->result_ms : UINT64_MAX,
		.latency_us = probe->latency_us,
		.passes = probe->passes,
		.failures = probe->failures,
		.needed = state->streak > 0 ? limit - state->streak : 0,
		.users = probe->users,
		.sent = probe->sent,
	};
	check_result_text(probe->result, probe->detail, ret_view->reason, sizeof(ret_view->reason));
}
