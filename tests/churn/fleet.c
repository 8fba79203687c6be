/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gives configurations, health and overrides to one model a balancer, and carries what follows to its snapshot. Packets
 * are fleet_packet.c's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_balancer.h"

enum { CONFIG_MAX = 64 * 1024 };

static struct sl_addr address_of(unsigned int backend)
{
	return sl_addr_from_v4(sl_bswap32(0x0a640000u + 1 + backend));
}

/* The configuration as a file would have it. */
static char *config_text(const struct fleet *fleet)
{
	const struct fleet_options *o = &fleet->options;
	char *text = malloc(CONFIG_MAX);
	size_t at;

	if (!text)
		return NULL;
	at = (size_t)snprintf(text, CONFIG_MAX,
			      "interfaces: [\"af_xdp:sim0\"]\n"
			      "services:\n"
			      "  - {name: tcp, listen: tcp 192.0.2.1:80, pool: p, mode: l2}\n"
			      "  - {name: quic, listen: \"udp 192.0.2.1:443\", pool: p, mode: l2, udp-flows: quic}\n"
			      "  - {name: udp, listen: \"udp 192.0.2.1:500\", pool: p, mode: l2}\n"
			      "pools:\n"
			      "  - name: p\n    table-size: %u\n    slow-start: %us\n    linger: %us\n"
			      "    check: {type: tcp, port: 80}\n"
			      "    connection-idle: {tcp: %us, quic: %us, udp: %us}\n    backends:\n",
			      o->table_size, o->slow_start_s, o->linger_s, o->idle_tcp_s, o->idle_quic_s, o->idle_udp_s);
	for (unsigned int i = 0; i < FLEET_BACKENDS_MAX; i++)
		if (fleet->backend[i].configured)
			at += (size_t)snprintf(text + at, CONFIG_MAX - at,
					       "      - {name: b%u, address: 10.100.0.%u, weight: %u}\n", i, 1 + i,
					       fleet->backend[i].weight);
	return text;
}

static int load(const struct fleet *fleet, struct config **ret_config)
{
	static const struct config_host host = { .file_root_owned = true };
	struct config_errors *errors = NULL;
	char *text = config_text(fleet);
	int err = text ? config_load_text("churn.yaml", text, strlen(text), &host, ret_config, &errors) : -ENOMEM;

	if (err < 0 && errors)
		config_errors_print(errors, stderr);
	config_errors_free(errors);
	free(text);
	return err;
}

/* Everything about next hops: one neighbor for all, and what probes say now. */
static void tell_model(struct fleet *fleet, struct fleet_balancer *b)
{
	const struct sl_neighbor neighbor = { .id = 1, .known = 1, .mac = { 2, 0, 0, 0, 0, 9 } };
	const struct model_hop hop = { .neighbor = 1, .outer_src = address_of(0) };

	model_set_neighbor(b->model, &neighbor);
	for (unsigned int i = 0; i < FLEET_BACKENDS_MAX; i++) {
		const struct sl_addr address = address_of(i);

		if (fleet->backend[i].configured)
			model_set_hop(b->model, &address, &hop);
	}
}

static void tell_health(struct fleet *fleet, struct fleet_balancer *b, unsigned int index)
{
	const struct model_probe probe = { .address = address_of(index), .port = 80, .check = 0 };
	const struct fleet_backend *backend = &fleet->backend[index];

	if (backend->configured)
		model_set_health(b->model, &probe, backend->down_ms == 0 ? BACKEND_UP : BACKEND_DOWN, "the simulation says so",
				 fleet->now_ms / 1000);
}

/* What the state file carries over: overrides and times. Probe results come anew, which takes no time here. */
static void restore_states(struct fleet_balancer *b, const struct model *old)
{
	for (size_t i = 0; i < old->pools[0].backend_count; i++) {
		const struct model_backend *backend = &old->pools[0].backends[i];
		struct model_times times;

		if (backend->override.admin != BACKEND_READY)
			model_set_override(b->model, "p", backend->conf->name, &backend->override);
		if (model_backend_times(backend, &times))
			model_restore_times(b->model, "p", backend->conf->name, &times);
	}
}

/* What the rows file carries over. */
static int restore_rows(struct fleet *fleet, struct fleet_balancer *b)
{
	static const uint8_t this_boot[16];
	const char *fault = NULL;
	struct row_file file;
	int err;

	if (!b->rows)
		return 0;
	err = row_file_decode(b->rows, b->rows_size, &file, &fault);
	if (err < 0)
		return err;
	row_file_adopt(&file, this_boot, fleet->now_ms);
	err = model_restore_rows(b->model, &file);
	row_file_clear(&file);
	return err;
}

static int configure(struct fleet *fleet, struct fleet_balancer *b, const struct fleet_balancer *before)
{
	struct config *config = NULL;
	int err = load(fleet, &config);

	if (err == 0)
		err = model_configure(b->model, config, fleet->now_ms / 1000);
	if (err < 0) {
		config_free(config);
		return err;
	}
	config_free(b->config);
	b->config = config;
	if (before) {
		restore_states(b, before->model);
		err = restore_rows(fleet, b);
	}
	tell_model(fleet, b);
	for (unsigned int i = 0; i < FLEET_BACKENDS_MAX; i++)
		tell_health(fleet, b, i);
	return err;
}

static int renew_datapath(struct fleet_balancer *b)
{
	const struct shm_capacity capacity = model_capacity(b->model);
	struct datapath *datapath = NULL;
	int err = datapath_create(&capacity, &b->config->boot, &datapath);

	if (err < 0)
		return err;
	model_set_publisher(b->model, datapath_publisher(datapath), &capacity.limits);
	datapath_destroy(b->datapath);
	b->datapath = datapath;
	return 0;
}

/* Who stands in which slot now. */
static void learn_slots(struct fleet_balancer *b)
{
	const struct model_pool *pool = &b->model->pools[0];

	memset(b->backend_of_slot, 0xff, sizeof(b->backend_of_slot));
	for (size_t i = 0; i < pool->backend_count; i++)
		b->backend_of_slot[pool->backends[i].slot] = (uint16_t)atoi(pool->backends[i].conf->name + 1);
}

static int publish(struct fleet *fleet, struct fleet_balancer *b)
{
	struct snapshot *snapshot = NULL;
	struct sl_rejected rejected = { 0 };
	int64_t generation = b->datapath ? model_update(b->model) : -ERANGE;
	int err = 0;

	if (generation == -ERANGE) {
		err = renew_datapath(b);
		generation = err < 0 ? err : model_update(b->model);
	}
	if (generation == 0)
		return 0;
	err = generation < 0 ? (int)generation : datapath_carry(b->datapath, (uint64_t)generation, &snapshot, &rejected);
	if (err < 0) {
		fprintf(stderr, "a generation was not published: %s; record %s: %s\n", strerror(-err),
			sl_record_type_name(rejected.type), sl_reject_reason_name(rejected.reason));
		return err;
	}
	fleet_packet_use(fleet, b, snapshot);
	snapshot_free(b->snapshot);
	b->snapshot = snapshot;
	b->generations++;
	model_set_applied(b->model, (uint64_t)generation, fleet->now_ms);
	learn_slots(b);
	return 0;
}

static int by_slot(const void *a, const void *b)
{
	const struct row_file_name *x = a, *y = b;

	return (int)x->slot - (int)y->slot;
}

/* What sluiced writes to its rows file. */
static int on_rows_changed(void *ctx, const struct model_pool *pool)
{
	struct fleet_balancer *b = ctx;
	struct row_file_name names[SL_SLOT_MAX + 1];
	struct row_file file = { .numbering = FLEET_NUMBERING, .pool = pool->id, .pool_name = "p", .now_ms = b->model->now_ms,
				 .names = names, .history = pool->rows };
	const struct identity *id, *slot;

	HASH_FIND_STR(b->model->ids.pools, "p", id);
	for (slot = id->children; slot; slot = slot->hh.next) {
		strcpy(names[file.name_count].name, slot->name);
		names[file.name_count++].slot = (uint16_t)slot->id;
	}
	qsort(names, file.name_count, sizeof(names[0]), by_slot);
	free(b->rows);
	if (row_file_encode(&file, &b->rows, &b->rows_size) < 0)
		exit(1);
	return 0;
}

static int start_control(struct fleet *fleet, struct fleet_balancer *b)
{
	const struct model_events events = { .ctx = b, .rows_changed = on_rows_changed };
	int err = model_create(&events, &b->model);

	if (err < 0)
		return err;
	model_set_keys(b->model, &fleet->hash_key, &fleet->flow_key);
	model_set_numbering(b->model, FLEET_NUMBERING);
	b->due_ms = 0;
	return 0;
}

static void stop_control(struct fleet_balancer *b)
{
	model_destroy(b->model);
	datapath_destroy(b->datapath);
	config_free(b->config);
	b->model = NULL;
	b->datapath = NULL;
	b->config = NULL;
}

int fleet_create(const struct fleet_options *options, struct fleet **ret_fleet)
{
	struct fleet *fleet = calloc(1, sizeof(*fleet));
	int err = 0;

	if (!fleet)
		return -ENOMEM;
	fleet->options = *options;
	fleet->now_ms = 1000000; /* a machine that booted a while ago */
	fleet->start_ms = fleet->now_ms;
	fleet->hash_key = (struct sl_key){ 0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull };
	fleet->flow_key = (struct sl_key){ 0x1716151413121110ull, 0x1f1e1d1c1b1a1918ull };
	for (unsigned int i = 0; i < options->backends; i++)
		fleet->backend[i] = (struct fleet_backend){ .configured = true, .alive = true, .weight = 50 + i * 37 % 101 };
	for (unsigned int i = 0; err == 0 && i < options->balancers; i++) {
		struct fleet_balancer *b = &fleet->balancer[i];

		err = fleet_packet_start(fleet, b);
		if (err == 0)
			err = start_control(fleet, b);
		if (err == 0)
			err = configure(fleet, b, NULL);
	}
	if (err < 0) {
		fprintf(stderr, "the fleet does not start: %s\n", strerror(-err));
		fleet_destroy(fleet);
		return err;
	}
	fleet_advance(fleet, 0);
	*ret_fleet = fleet;
	return 0;
}

void fleet_destroy(struct fleet *fleet)
{
	if (!fleet)
		return;
	for (unsigned int i = 0; i < fleet->options.balancers; i++) {
		fleet_packet_stop(&fleet->balancer[i]);
		snapshot_free(fleet->balancer[i].snapshot);
		stop_control(&fleet->balancer[i]);
		free(fleet->balancer[i].rows);
	}
	free(fleet);
}

const struct fleet_options *fleet_options(const struct fleet *fleet)
{
	return &fleet->options;
}

struct fleet_backend *fleet_backend(struct fleet *fleet, unsigned int index)
{
	return &fleet->backend[index];
}

void fleet_advance(struct fleet *fleet, uint64_t now_ms)
{
	fleet->now_ms = fleet->start_ms + now_ms;
	for (unsigned int i = 0; i < fleet->options.balancers; i++) {
		struct fleet_balancer *b = &fleet->balancer[i];

		fleet_packet_tick(fleet, b);
		if (fleet->changed || b->due_ms <= fleet->now_ms) {
			b->due_ms = model_advance(b->model, fleet->now_ms);
			if (publish(fleet, b) < 0)
				exit(1); /* after its message: nothing that follows would mean anything */
		}
	}
	fleet->changed = false;
}

void fleet_configure(struct fleet *fleet)
{
	fleet->changed = true;
	for (unsigned int i = 0; i < fleet->options.balancers; i++)
		if (configure(fleet, &fleet->balancer[i], NULL) < 0)
			exit(1);
}

void fleet_probe(struct fleet *fleet, unsigned int index, bool passes)
{
	fleet->changed = true;
	(void)passes; /* told by backend->down_ms, which the caller has set */
	for (unsigned int i = 0; i < fleet->options.balancers; i++)
		tell_health(fleet, &fleet->balancer[i], index);
}

void fleet_admin(struct fleet *fleet, unsigned int index, enum backend_admin admin)
{
	const struct model_override override = { .admin = admin, .who = "churn", .since_s = fleet->now_ms / 1000 };
	char name[16];

	fleet->changed = true;
	snprintf(name, sizeof(name), "b%u", index);
	for (unsigned int i = 0; i < fleet->options.balancers; i++)
		model_set_override(fleet->balancer[i].model, "p", name, &override);
}

void fleet_new_key(struct fleet *fleet)
{
	fleet->changed = true;
	fleet->hash_key.k0 = fleet->hash_key.k0 * 6364136223846793005ull + 1442695040888963407ull;
	for (unsigned int i = 0; i < fleet->options.balancers; i++)
		model_set_keys(fleet->balancer[i].model, &fleet->hash_key, &fleet->flow_key);
}

void fleet_table_size(struct fleet *fleet, uint32_t rows)
{
	fleet->options.table_size = rows;
	fleet_configure(fleet);
}

void fleet_restart_dataplane(struct fleet *fleet, unsigned int balancer)
{
	fleet_packet_restart(fleet, &fleet->balancer[balancer]);
}

void fleet_restart_controlplane(struct fleet *fleet, unsigned int balancer)
{
	struct fleet_balancer *b = &fleet->balancer[balancer];
	struct fleet_balancer old = *b;
	int err;

	b->model = NULL;
	b->config = NULL;
	b->datapath = NULL;
	err = start_control(fleet, b);
	if (err == 0) {
		b->model->ids = old.model->ids;
		memset(&old.model->ids, 0, sizeof(old.model->ids));
		b->model->generation = old.model->generation;
		model_advance(b->model, fleet->now_ms);
		err = configure(fleet, b, &old);
	}
	if (err < 0)
		exit(1);
	stop_control(&old);
	fleet->changed = true;
}
