/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Probes → model. Which probes there are follows from the model; what a result means for a backend is the
 * model's business, what it means for the data plane daemon_publish.c's.
 */
#include "daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ADOPT_INTERVALS = 10 }; /* an older result of before the restart is not believed */

size_t daemon_first_probe(const struct daemon *d, const struct sl_addr *address)
{
	size_t low = 0, high = d->probe_count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (memcmp(&d->probes[middle].address, address, sizeof(*address)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void tell_model_of(struct daemon *d, size_t i)
{
	struct health_view view;

	health_view(d->targets[i].probe, &view);
	model_set_health(d->model, &d->probes[i], view.status, view.reason, daemon_wall_s());
}

/* Equal checks of different names share one probe. */
static void tell_model(struct daemon *d, const struct health_probe *probe)
{
	struct health_view view;

	health_view(probe, &view);
	for (size_t i = daemon_first_probe(d, &view.address); i < d->probe_count; i++) {
		if (!sl_addr_equal(&d->probes[i].address, &view.address))
			break;
		if (d->targets[i].probe == probe)
			tell_model_of(d, i);
	}
}

static void tell_model_known(struct daemon *d)
{
	for (size_t i = 0; i < d->probe_count; i++)
		if (health_status(d->targets[i].probe) != BACKEND_UNKNOWN)
			tell_model_of(d, i);
}

/* Whose probe it is, for people: the first backend, and how many more it speaks for. */
struct users {
	const char *pool, *backend;
	size_t more;
};

static struct users users_of(const struct daemon *d, const struct health_probe *probe, const struct sl_addr *address)
{
	struct users users = { NULL, NULL, 0 };
	size_t count = 0;

	for (size_t i = daemon_first_probe(d, address); i < d->probe_count; i++) {
		const struct model_backend *backend = NULL;
		const struct model_pool *pool = NULL;

		if (!sl_addr_equal(&d->probes[i].address, address))
			break;
		if (d->targets[i].probe != probe)
			continue;
		count += model_probe_users(d->model, &d->probes[i], &pool, &backend);
		if (!backend || users.backend)
			continue;
		users.pool = pool->conf->name;
		users.backend = backend->conf->name;
	}
	users.more = count > 0 ? count - 1 : 0;
	return users;
}

static void on_change(void *ctx, const struct health_probe *probe)
{
	struct daemon *d = ctx;
	struct health_view view;
	struct users users;

	health_view(probe, &view);
	tell_model(d, probe);
	users = users_of(d, probe, &view.address);
	log_write(&d->log, view.status == BACKEND_UP ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
		  view.status == BACKEND_UP ? "backend is up" : "backend is down",
		  SL_LOG_FIELDS(LOG_STR("pool", users.pool), LOG_STR("backend", users.backend),
				LOG_U64("more_backends", users.more), LOG_ADDR("address", &view.address),
				LOG_U64("port", view.port), LOG_STR("check", view.check),
				LOG_STR("result", view.reason)));
	d->state_dirty = true;
	daemon_publish(d);
}

static void on_settled(void *ctx)
{
	struct daemon *d = ctx;

	log_info(&d->log, "every probe has a result", LOG_U64("probes", health_count(d->health)));
	daemon_publish(d);
}

static void on_problem(void *ctx, const struct health_probe *probe)
{
	struct daemon *d = ctx;
	struct health_view view;
	struct users users;

	health_view(probe, &view);
	users = users_of(d, probe, &view.address);
	log_error(&d->log, "probe cannot leave this machine; the backend keeps its state", LOG_STR("pool", users.pool),
		  LOG_STR("backend", users.backend), LOG_U64("more_backends", users.more),
		  LOG_ADDR("address", &view.address), LOG_STR("check", view.check), LOG_STR("cause", view.reason));
}

/* Results from before a restart of sluiced: of this boot, and younger than ten intervals. */
static bool adopt_one(struct daemon *d, const struct state_probe *saved, uint64_t now_s)
{
	for (size_t i = daemon_first_probe(d, &saved->address); i < d->probe_count; i++) {
		const struct config_check *check = &d->config->checks[d->probes[i].check];
		const uint64_t max_s = (uint64_t)check->interval_ms * ADOPT_INTERVALS / 1000 + 1;

		if (!sl_addr_equal(&d->probes[i].address, &saved->address))
			break;
		if (strcmp(saved->check, check->name) != 0 || saved->port != d->probes[i].port ||
		    saved->at_boottime_s > now_s)
			continue;
		if (now_s - saved->at_boottime_s > max_s) {
			if (saved->up)
				model_note_was_up(d->model, &d->probes[i]);
			continue;
		}
		health_adopt(d->health, d->targets[i].probe, saved->up ? BACKEND_UP : BACKEND_DOWN,
			     (now_s - saved->at_boottime_s) * 1000);
		return true;
	}
	return false;
}

static void adopt(struct daemon *d)
{
	const uint64_t now_s = daemon_boottime_s();
	size_t adopted = 0;

	for (size_t i = 0; i < d->state.probe_count; i++)
		adopted += adopt_one(d, &d->state.probes[i], now_s);
	if (adopted > 0)
		log_info(&d->log, "health from before the restart is believed", LOG_U64("probes", adopted));
}

int daemon_health_follow(struct daemon *d)
{
	struct model_probe *probes;
	struct health_target *targets;
	const size_t count = model_probes(d->model, &probes);
	int err;

	targets = calloc(count + 1, sizeof(*targets));
	if (!probes || !targets) {
		free(probes);
		free(targets);
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++)
		targets[i] = (struct health_target){ .address = probes[i].address, .port = probes[i].port,
						     .check = &d->config->checks[probes[i].check] };
	err = health_set(d->health, targets, count);
	if (err < 0) {
		free(probes);
		free(targets);
		return err;
	}
	free(d->probes);
	free(d->targets);
	d->probes = probes;
	d->targets = targets;
	d->probe_count = count;
	tell_model_known(d);
	return 0;
}

int daemon_health_start(struct daemon *d)
{
	const struct health_events events = { .ctx = d, .change = on_change, .settled = on_settled,
					      .problem = on_problem };
	int err = health_create(&d->loop, &events, &d->health);

	if (err < 0)
		return err;
	err = daemon_health_follow(d);
	if (err < 0)
		return err;
	adopt(d);
	tell_model_known(d);
	return 0;
}
