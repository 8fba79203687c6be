/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stands where sluiced's main loop stands: gives configurations, health, overrides and next hops to the
 * model and carries what follows to the forwarder. Decides nothing about packets.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "balancer_parts.h"
#include "controlplane/key_file.h"

/* ---- configuration ------------------------------------------------------------------------------------- */

static int load_config(struct balancer *b, const char *path, struct config **ret_config)
{
	/* Nothing is opened here that only root may name. */
	static const struct config_host host = {.file_root_owned = true};
	struct config_errors *errors = NULL;
	const int err = config_load(path, &host, ret_config, &errors);

	if (errors != NULL)
		config_errors_print(errors, b->options.errors);
	else if (err < 0)
		fprintf(b->options.errors, "%s: %s\n", path, strerror(-err));
	config_errors_free(errors);
	return err;
}

static int load_key(struct balancer *b, const struct config *config)
{
	/* The key of the examples in the SipHash paper: 00 01 02 … 0f. */
	struct sl_key key = {0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull};
	const char *file = b->options.key_file != NULL ? b->options.key_file : config->hash_key_file;
	struct sl_key flow_key;
	char reterr[512];

	if (file != NULL && key_file_read(file, &key, reterr, sizeof(reterr)) < 0) {
		fprintf(b->options.errors, "%s%s\n", reterr,
			b->options.key_file == NULL ? "; or give another key with --key-file" : "");
		return -EINVAL;
	}
	if (file == NULL && !b->has_key)
		fprintf(b->options.errors, "sluice-sim: warning: no key file: hashing under the example key, "
					   "which no fleet has; "
					   "give the fleet's with --key-file\n");
	flow_key = b->has_key ? b->model->settings.flow_key : key_derive_flow(&key);
	b->has_key = true;
	model_set_keys(b->model, &key, &flow_key);
	return 0;
}

/* The backend an event names, in the model; NULL after a message. */
static struct model_backend *find_backend(struct balancer *b, const struct scenario_event *event,
					  struct model_pool **ret_pool, bool quiet)
{
	struct model_backend *found = NULL;
	size_t matches = 0;

	for (size_t i = 0; i < b->model->pool_count; i++) {
		struct model_pool *pool = &b->model->pools[i];

		if (event->pool[0] != '\0' && strcmp(pool->conf->name, event->pool) != 0)
			continue;
		for (size_t k = 0; k < pool->backend_count; k++) {
			if (strcmp(pool->backends[k].conf->name, event->backend) != 0)
				continue;
			found = &pool->backends[k];
			*ret_pool = pool;
			matches++;
		}
	}
	if (matches == 1)
		return found;
	if (!quiet && matches == 0)
		fprintf(b->options.errors, "scenario:%u: %s: no pool has a backend \"%s%s%s\" now\n",
			event->line, scenario_event_word(event->kind), event->pool,
			event->pool[0] != '\0' ? "/" : "", event->backend);
	if (!quiet && matches > 1)
		fprintf(b->options.errors,
			"scenario:%u: %s: %zu pools have a backend \"%s\"; write POOL/BACKEND\n", event->line,
			scenario_event_word(event->kind), matches, event->backend);
	return NULL;
}

/* ---- health -------------------------------------------------------------------------------------------- */

/* As probes would have it: whoever shares the probe shares the result. */
static int set_health(struct balancer *b, const struct scenario_event *event, bool quiet)
{
	static const enum backend_status health[] = {[SCENARIO_UP] = BACKEND_UP,
						     [SCENARIO_DOWN] = BACKEND_DOWN,
						     [SCENARIO_UNKNOWN] = BACKEND_UNKNOWN};
	struct model_pool *pool = NULL;
	const struct model_backend *backend = find_backend(b, event, &pool, quiet);
	struct model_probe probe;

	if (backend == NULL)
		return -EINVAL;
	if (pool->conf->check < 0) {
		if (event->kind == SCENARIO_UP)
			return 0;
		if (!quiet)
			fprintf(b->options.errors,
				"scenario:%u: %s: the backends of pool \"%s\" are always up, since it has "
				"no check; give it one\n",
				event->line, scenario_event_word(event->kind), pool->conf->name);
		return -EINVAL;
	}
	probe = (struct model_probe){.address = backend->conf->address,
				     .port = pool->conf->check_port,
				     .check = pool->conf->check};
	model_set_health(b->model, &probe, health[event->kind], "the scenario says so", 0);
	return 0;
}

static int remember(struct told **list, const struct scenario_event *event)
{
	struct told *told = calloc(1, sizeof(*told));

	if (told == NULL)
		return -ENOMEM;
	told->event = event;
	told->next = *list;
	*list = told;
	return 0;
}

static void forget(struct told **list)
{
	while (*list != NULL) {
		struct told *told = *list;

		*list = told->next;
		free(told);
	}
}

static bool same_backend(const struct scenario_event *a, const struct scenario_event *b)
{
	return strcmp(a->pool, b->pool) == 0 && strcmp(a->backend, b->backend) == 0;
}

/* The oldest first, so that the newest word counts. */
static void apply_health(struct balancer *b, const struct told *told)
{
	if (told == NULL)
		return;
	apply_health(b, told->next);
	(void)set_health(b, told->event, true); /* the configuration may not have it any more */
}

/* Everything is up that the scenario does not call otherwise. */
static int tell_health(struct balancer *b)
{
	struct model_probe *probes = NULL;
	const size_t count = model_probes(b->model, &probes);

	if (probes == NULL && count > 0)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		model_set_health(b->model, &probes[i], BACKEND_UP, "nothing else was said", 0);
	free(probes);
	apply_health(b, b->health);
	return 0;
}

/* A newer word for the same backend replaces the older one. */
static int event_health(struct balancer *b, const struct scenario_event *event)
{
	int err = set_health(b, event, false);

	if (err < 0)
		return err;
	for (struct told **at = &b->health; *at != NULL; at = &(*at)->next) {
		struct told *old = *at;

		if (!same_backend(old->event, event))
			continue;
		*at = old->next;
		free(old);
		break;
	}
	return remember(&b->health, event);
}

/* ---- reload -------------------------------------------------------------------------------------------- */

static void apply_weights(const struct told *told, struct config *config)
{
	if (told == NULL)
		return;
	apply_weights(told->next, config);
	for (size_t i = 0; i < config->pool_count; i++) {
		struct config_pool *pool = &config->pools[i];

		if (told->event->pool[0] != '\0' && strcmp(pool->name, told->event->pool) != 0)
			continue;
		for (size_t k = 0; k < pool->backend_count; k++)
			if (strcmp(pool->backends[k].name, told->event->backend) == 0)
				pool->backends[k].weight = told->event->weight;
	}
}

/* Reads `path` and puts it in force, as a reload of sluiced does. */
static int configure(struct balancer *b, const char *path)
{
	struct config *config = NULL;
	int err = load_config(b, path, &config);

	if (err < 0)
		return err;
	apply_weights(b->weights, config);
	err = model_configure(b->model, config, 0);
	if (err < 0) {
		fprintf(b->options.errors, "%s: cannot be put in force: %s\n", path, strerror(-err));
		config_free(config);
		return err;
	}
	config_free(b->config);
	b->config = config;
	b->config_path = path;
	err = load_key(b, config);
	if (err < 0)
		return err;
	return tell_health(b);
}

static int event_weight(struct balancer *b, const struct scenario_event *event)
{
	struct model_pool *pool = NULL;
	int err;

	if (find_backend(b, event, &pool, false) == NULL)
		return -EINVAL;
	err = remember(&b->weights, event);
	if (err == 0)
		err = configure(b, b->config_path);
	return err < 0 ? err : network_tell(b->network, b->model);
}

static int event_reload(struct balancer *b, const struct scenario_event *event)
{
	int err;

	forget(&b->weights); /* the new file says its own */
	err = configure(b, event->file);
	return err < 0 ? err : network_tell(b->network, b->model);
}

/* From now on this is the fleet's key, whatever the configuration says. */
static int event_key(struct balancer *b, const struct scenario_event *event)
{
	b->options.key_file = event->file;
	return load_key(b, b->config);
}

static int event_override(struct balancer *b, const struct scenario_event *event, enum backend_admin admin)
{
	const struct model_override override = {.admin = admin, .who = "scenario"};
	struct model_pool *pool = NULL;

	if (find_backend(b, event, &pool, false) == NULL)
		return -EINVAL;
	return model_set_override(b->model, pool->conf->name, event->backend, &override);
}

int balancer_event(struct balancer *b, const struct scenario_event *event)
{
	int err = 0;

	switch (event->kind) { /* no default: the compiler finds the forgotten one */
	case SCENARIO_UP:
	case SCENARIO_DOWN:
	case SCENARIO_UNKNOWN: return event_health(b, event);
	case SCENARIO_DRAIN: return event_override(b, event, BACKEND_DRAIN);
	case SCENARIO_RETIRE: return event_override(b, event, BACKEND_RETIRE);
	case SCENARIO_OFF: return event_override(b, event, BACKEND_OFF);
	case SCENARIO_READY: return event_override(b, event, BACKEND_READY);
	case SCENARIO_WEIGHT: return event_weight(b, event);
	case SCENARIO_RELOAD: return event_reload(b, event);
	case SCENARIO_KEY: return event_key(b, event);
	case SCENARIO_NEIGHBOR:
		err = network_change_neighbor(b->network, &event->neighbor, b->options.errors);
		break;
	case SCENARIO_PORT: err = network_change_port(b->network, &event->port, b->options.errors); break;
	case SCENARIO_EVENT_KIND_COUNT: break;
	}
	return err < 0 ? err : network_tell(b->network, b->model);
}

/* ---- into force ---------------------------------------------------------------------------------------- */

/* A bigger file when what is configured outgrew the old one, or the first. */
static int renew_datapath(struct balancer *b)
{
	const struct shm_capacity capacity = model_capacity(b->model);
	struct datapath *datapath = NULL;
	int err;

	err = datapath_create(&capacity, &b->config->boot, &datapath);
	if (err < 0)
		return err;
	err = model_set_publisher(b->model, datapath_publisher(datapath), &capacity.limits);
	if (err < 0) {
		datapath_destroy(datapath);
		return err;
	}
	datapath_destroy(b->datapath);
	b->datapath = datapath;
	return 0;
}

uint64_t balancer_due_ns(const struct balancer *b)
{
	return b->due_ms > UINT64_MAX / 1000000 ? UINT64_MAX : b->due_ms * 1000000;
}

int balancer_settle(struct balancer *b, uint64_t now_ns)
{
	struct snapshot *snapshot = NULL;
	struct sl_rejected rejected = {0};
	int64_t generation = -ERANGE;
	int err = 0;

	model_advance(b->model, now_ns / 1000000);
	if (b->datapath != NULL)
		generation = model_update(b->model);
	if (generation == -ERANGE) {
		err = renew_datapath(b);
		generation = err < 0 ? err : model_update(b->model);
	}
	b->due_ms = model_due(b->model);
	if (generation == 0)
		return 0;
	if (generation > 0)
		err = datapath_carry(b->datapath, (uint64_t)generation, &snapshot, &rejected);
	else
		err = (int)generation;
	if (err == -EPROTO)
		fprintf(b->options.errors,
			"internal error: record type %u refused, reason %u; please report it\n",
			rejected.type, rejected.reason);
	else if (err < 0)
		fprintf(b->options.errors, "the state cannot be published: %s\n", strerror(-err));
	if (err < 0)
		return err;
	forwarder_use(b->forwarder, snapshot);
	snapshot_free(b->snapshot);
	b->snapshot = snapshot;
	return 0;
}

/* ---- start --------------------------------------------------------------------------------------------- */

int balancer_create(const struct balancer_options *options, struct balancer **ret_balancer)
{
	struct balancer *b = calloc(1, sizeof(*b));
	const struct sl_port *ports;
	size_t port_count;
	int err;

	if (b == NULL)
		return -ENOMEM;
	b->options = *options;
	err = model_create(NULL, &b->model);
	if (err == 0)
		err = configure(b, options->config);
	if (err == 0)
		err = network_create(b->config, options->scenario, options->errors, &b->network);
	if (err == 0)
		err = network_tell(b->network, b->model);
	if (err < 0)
		goto fail;
	ports = network_ports(b->network, &port_count);
	err = forwarder_create(ports, port_count, &b->forwarder);
	if (err == 0) {
		forwarder_let_wait(b->forwarder, options->scenario->fragments_wait);
		forwarder_let_split(b->forwarder, !options->scenario->never_splits);
	}
	if (err == 0)
		err = balancer_settle(b, 0);
	if (err < 0)
		goto fail;
	*ret_balancer = b;
	return 0;
fail:
	balancer_destroy(b);
	return err;
}

void balancer_destroy(struct balancer *b)
{
	if (b == NULL)
		return;
	forwarder_destroy(b->forwarder);
	snapshot_free(b->snapshot);
	model_destroy(b->model);
	datapath_destroy(b->datapath);
	network_destroy(b->network);
	config_free(b->config);
	forget(&b->health);
	forget(&b->weights);
	free(b);
}
