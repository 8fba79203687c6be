/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the API shows and does. Reads the model, the probes and the counters that the data plane keeps in
 * the shared file; every act goes through the model and is logged with who did it.
 */
#include "daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "key_file.h"
#include "sluice/core/hash.h"

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Somebody forwards by what this sluiced stated. */
static bool daemon_forwards(const struct daemon *d)
{
	return daemon_by_xdp(d) ? daemon_xdp_forwards(d) : d->attached && daemon_data_pid(d) != 0;
}

static void show_status(void *ctx, struct api_status *ret)
{
	struct daemon *d = ctx;
	const uint64_t now_ms = uv_now(&d->loop);

	*ret = (struct api_status){
		.node = d->config->node[0] ? d->config->node : d->hostname,
		.instance = d->options.instance,
		.version = SLUICE_VERSION,
		.config_path = d->options.config,
		.uptime_s = (now_ms - d->started_ms) / 1000,
		.config_age_s = (now_ms - d->configured_ms) / 1000,
		.generation = d->model->generation,
		.applied = d->applied,
		.applied_lag_ms = d->applied == d->model->generation || d->committed_ms == 0 ? 0 : now_ms - d->committed_ms,
		.datapath_attached = daemon_forwards(d),
		.pending_probes = health_pending(d->health),
	};
}

/* Sums one position of every worker's counters; `backends`: of the second array. */
static struct sl_counter counted(const struct daemon *d, bool backends, uint32_t position)
{
	const struct sl_shm_limits *limits = &shm_file_header(d->shm)->limits;
	struct sl_counter sum = daemon_xdp_counter(d, backends, position);

	if (position >= (backends ? limits->backends : limits->services))
		return sum;
	for (uint32_t w = 0; w < limits->workers; w++) {
		const struct sl_worker_stats *stats = shm_file_stats(d->shm, w);
		const struct sl_counter *array = (const struct sl_counter *)(stats + 1);
		const struct sl_counter *counter = &array[(backends ? limits->services : 0) + position];

		sum.packets += __atomic_load_n(&counter->packets, __ATOMIC_RELAXED);
		sum.bytes += __atomic_load_n(&counter->bytes, __ATOMIC_RELAXED);
	}
	return sum;
}

struct sl_counter daemon_backend_counter(const struct daemon *d, uint32_t stats)
{
	return counted(d, true, stats);
}

static void show_services(void *ctx, api_emit_service *emit, void *arg)
{
	struct daemon *d = ctx;

	for (size_t i = 0; i < d->model->service_count; i++) {
		const struct model_service *service = &d->model->services[i];
		const struct model_pool *pool = &d->model->pools[service->conf->pool];
		struct api_service shown = { .conf = service->conf, .pool = pool->conf->name,
					     .backends = (uint32_t)pool->backend_count, .serving = pool->serving,
					     .held = pool->held, .announced = true, .counter = counted(d, false, service->id) };

		for (int kind = 0; kind < SL_FLOW_KIND_COUNT; kind++)
			shown.open_rows[kind] = pool->rows.lens.base[kind] ? pool->rows.rows : pool->rows.kind[kind].open;
		for (size_t k = 0; k < service->conf->listener_count; k++)
			shown.announced = shown.announced && /* without a device they are somebody else's business */
					  (!d->vips || daemon_vip_held(d, &service->conf->listeners[k].address));
		emit(arg, &shown);
	}
}

/* What the backend's probe says now; false: it has none, or no result in this run of sluiced. */
static bool probe_view(const struct daemon *d, const struct model_pool *pool, const struct model_backend *backend,
		       struct health_view *ret_view)
{
	const struct sl_addr *address = &backend->conf->address;

	for (size_t i = daemon_first_probe(d, address); i < d->probe_count; i++) {
		if (!sl_addr_equal(&d->probes[i].address, address))
			break;
		if (d->probes[i].check != pool->conf->check || d->probes[i].port != pool->conf->check_port)
			continue;
		health_view(d->targets[i].probe, ret_view);
		return ret_view->result != CHECK_NONE;
	}
	return false;
}

static void add_open(const struct row_open *open, struct api_backend *shown)
{
	const uint64_t now_ms = daemon_boottime_ms();

	for (int kind = 0; kind < SL_FLOW_KIND_COUNT; kind++)
		shown->open_rows[kind] = open->rows[kind];
	if (open->held)
		shown->open_s = UINT64_MAX;
	else if (open->last_ms > now_ms)
		shown->open_s = (open->last_ms - now_ms + 999) / 1000;
}

static void show_backends(void *ctx, api_emit_backend *emit, void *arg)
{
	struct daemon *d = ctx;

	for (size_t i = 0; i < d->model->pool_count; i++) {
		const struct model_pool *pool = &d->model->pools[i];
		struct row_open *open = model_open_rows(d->model, pool);

		for (size_t k = 0; k < pool->backend_count; k++) {
			const struct model_backend *backend = &pool->backends[k];
			struct health_view view;
			const bool probed = probe_view(d, pool, backend, &view);
			struct api_backend shown = {
				.conf = backend->conf,
				.pool = pool->conf->name,
				.state = model_backend_word(d->model, pool, backend),
				.health = backend_status_name(backend->health),
				.ramp_percent = model_backend_accept(backend) * 100 / MAGLEV_ACCEPT_ALL,
				.reason = probed ? view.reason : backend->reason,
				.since_s = backend->since_s,
				.latency_us = probed ? view.latency_us : 0,
				.admin = backend_admin_name(backend->override.admin),
				.admin_who = backend->override.who,
				.admin_why = backend->override.why,
				.admin_since_s = backend->override.since_s,
				.rows = backend->rows,
				.table_rows = pool->conf->table_size,
				.outer_source = model_outer_source(d->model, backend),
				.counter = counted(d, true, backend->stats),
			};

			if (open)
				add_open(&open[backend->slot], &shown);
			emit(arg, &shown);
		}
		free(open);
	}
}

static void add_flows(struct daemon *d, const struct model_pool *pool, const struct model_backend *backend,
		      struct api_drain *drain)
{
	const struct flow_census_pool *counted_pool = flow_census_find(daemon_flows_census(d), pool->id);
	const struct flow_census_slot *slot;

	if (!counted_pool || backend->slot >= counted_pool->want.slots)
		return;
	slot = &counted_pool->slot[backend->slot];
	drain->flows_known = true;
	drain->flows = slot->flows - slot->closing; /* a connection that ended is none that is left */
	drain->oldest_s = drain->flows > 0 ? slot->oldest_s : 0;
}

static int show_drain(void *ctx, const char *pool_name, const char *name, struct api_drain *ret)
{
	struct daemon *d = ctx;
	const struct model_backend *backend;
	const struct model_pool *pool;
	int err = model_find_backend(d->model, pool_name, name, &pool, &backend);

	if (err < 0)
		return err;
	*ret = (struct api_drain){
		.pool = pool->conf->name,
		.backend = backend->conf->name,
		.state = model_backend_word(d->model, pool, backend),
		.admin = backend_admin_name(backend->override.admin),
		.admin_who = backend->override.who,
		.attached = daemon_forwards(d),
		.packets = daemon_backend_counter(d, backend->stats).packets,
		.quiet_wanted_ms = model_drain_quiet_ms(pool),
	};
	ret->drains = daemon_drain_quiet(d, backend, &ret->quiet_ms);
	add_flows(d, pool, backend, ret);
	return 0;
}

static void show_pools(void *ctx, api_emit_pool *emit, void *arg)
{
	struct daemon *d = ctx;

	for (size_t i = 0; i < d->model->pool_count; i++) {
		const struct model_pool *pool = &d->model->pools[i];
		const struct api_pool shown = { .name = pool->conf->name, .table_rows = pool->conf->table_size,
						.backends = (uint32_t)pool->backend_count, .serving = pool->serving,
						.table_fingerprint = pool->fingerprint };

		emit(arg, &shown);
	}
}

static void show_workers(void *ctx, api_emit_worker *emit, void *arg)
{
	struct daemon *d = ctx;

	daemon_xdp_workers(d, emit, arg);
	for (uint32_t w = 0; d->datapath != CONFIG_DATAPATH_XDP && w < shm_file_header(d->shm)->limits.workers; w++) {
		struct api_worker shown = { .index = w };

		memcpy(&shown.stats, shm_file_stats(d->shm, w), sizeof(shown.stats));
		emit(arg, &shown);
	}
}

static uint64_t age_ms(const __u64 *beat_ns, uint64_t now_ns)
{
	const uint64_t beat = __atomic_load_n(beat_ns, __ATOMIC_RELAXED);

	if (beat == 0)
		return UINT64_MAX;
	return now_ns > beat ? (now_ns - beat) / 1000000 : 0;
}

/* The interfaces of the XDP program, as the kernel has them now. Returns how many. */
static uint32_t show_xdp(const struct daemon *d, struct api_xdp_interface ret_xdp[static SL_PORTS_MAX])
{
	uint32_t count = 0;

	for (size_t i = 0; d->steering && i < d->config->interface_count; i++) {
		const struct config_interface *interface = &d->config->interfaces[i];
		struct api_xdp_interface *xdp = &ret_xdp[count];
		bool generic = false;

		if (!daemon_steers(d, interface))
			continue;
		*xdp = (struct api_xdp_interface){ .program = 0 };
		memcpy(xdp->name, interface->ifname, sizeof(xdp->name));
		if (steering_is_attached(d->steering, interface->ifname, &xdp->program, &generic))
			xdp->mode = generic ? "generic" : "native";
		count++;
	}
	return count;
}

static void show_xdp_datapath(struct daemon *d, struct api_datapath *ret)
{
	ret->kind = "xdp";
	ret->attached = daemon_xdp_forwards(d);
	ret->pid = 0;
	ret->moving = false;
	ret->data_tables = ret->applied == ret->generation ? ret->tables : 0;
	ret->workers = ret->workers_alive = ret->workers_configured = daemon_xdp_cpus(d);
}

static void show_datapath(void *ctx, struct api_datapath *ret)
{
	struct daemon *d = ctx;
	const struct sl_shm_header *header = shm_file_header(d->shm);
	struct sl_shm_live *live = shm_file_live(d->shm);
	const int pid = daemon_data_pid(d);
	const uint64_t now_ns = monotonic_ns();

	*ret = (struct api_datapath){
		.kind = "dpdk",
		.configured = d->datapath == CONFIG_DATAPATH_AUTO ? "auto" : d->xdp ? "xdp" : "dpdk",
		.why = d->automatic ? daemon_auto_why(d) : "the configuration says so",
		.attached = d->attached && pid != 0,
		.pid = pid > 0 ? (uint64_t)pid : 0,
		.started_s = __atomic_load_n(&live->data_started_ns, __ATOMIC_RELAXED) / 1000000000u,
		.session = header->session,
		.generation = d->model->generation,
		.applied = d->applied,
		.abi_major = header->abi_major,
		.abi_minor = header->abi_minor,
		.data_abi_minor = d->attached ? d->hello.abi_minor : 0,
		.key_fingerprint = key_fingerprint_bits(&d->model->settings.hash_key),
		.tables = model_tables_checksum(d->model),
		.data_tables = __atomic_load_n(&live->data_tables, __ATOMIC_RELAXED),
		.control_beat_age_ms = age_ms(&live->control_beat_ns, now_ns),
		.data_beat_age_ms = age_ms(&live->data_beat_ns, now_ns),
		.moving = !d->attached && pid > 0 && (uint64_t)pid == d->hello.pid,
		.workers = d->attached && d->hello.workers > 0 ? d->hello.workers : header->boot.worker_count,
		.workers_configured = d->config->boot.worker_count,
		.workers_alive = (uint32_t)__atomic_load_n(&live->data_workers_alive, __ATOMIC_RELAXED),
		.ports = header->boot.port,
		.port_count = header->boot.port_count,
		.xdp = d->shown_xdp,
		.xdp_count = show_xdp(d, d->shown_xdp),
	};
	if (daemon_by_xdp(d))
		show_xdp_datapath(d, ret);
}

/* As much of a person's words as there is room for, cut between characters: half of one is no JSON. */
static void copy_words(char *to, size_t size, const char *words)
{
	size_t len = strlen(words ? words : "");

	if (len >= size)
		for (len = size - 1; len > 0 && ((unsigned char)words[len] & 0xc0) == 0x80;)
			len--;
	if (len > 0)
		memcpy(to, words, len);
	to[len] = '\0';
}

int daemon_set_admin(void *ctx, const char *pool, const char *backend, enum backend_admin admin, const char *who,
		     const char *why, char reterr[API_ERROR_MAX])
{
	struct daemon *d = ctx;
	static const char *const lines[] = {
		[BACKEND_READY] = "backend is ready again",
		[BACKEND_DRAIN] = "backend drains",
		[BACKEND_RETIRE] = "backend is retired",
		[BACKEND_OFF] = "backend is off: its connections are lost",
	};
	struct model_override override = { .admin = admin, .since_s = daemon_wall_s() };
	const struct model_backend *named = NULL;
	const struct model_pool *of = NULL;
	enum backend_admin was;
	int err;

	copy_words(override.who, sizeof(override.who), who);
	copy_words(override.why, sizeof(override.why), why);
	err = model_find_backend(d->model, pool, backend, &of, &named);
	if (err == -ENOENT)
		snprintf(reterr, API_ERROR_MAX, "no backend '%s'%s%s; 'sluicectl show backends' lists them", backend,
			 pool ? " in pool " : "", pool ? pool : "");
	if (err == -EEXIST)
		snprintf(reterr, API_ERROR_MAX, "several pools have a backend '%s'; name one with --pool", backend);
	if (err < 0)
		return err;
	was = named->override.admin;
	err = model_set_override(d->model, of->conf->name, backend, &override);
	if (err < 0)
		return err;
	if (was == admin && !override.why[0])
		return 0; /* said before: who asks for the end of a drain says it again and again */
	log_info(&d->log, lines[admin], LOG_STR("backend", backend), LOG_STR("pool", of->conf->name),
		 LOG_STR("who", override.who), LOG_STR("why", override.why));
	d->state_dirty = true;
	daemon_state_save(d);
	daemon_publish(d);
	daemon_publish_due(d);
	daemon_drain_beat(d);
	return 0;
}

static int reload(void *ctx, char reterr[API_ERROR_MAX])
{
	return daemon_reload(ctx, reterr, API_ERROR_MAX);
}

int daemon_api_start(struct daemon *d)
{
	const struct api_source source = { .ctx = d, .status = show_status, .services = show_services,
					   .backends = show_backends, .pools = show_pools, .workers = show_workers,
					   .datapath = show_datapath, .flows = daemon_flows_show,
					   .drain = show_drain,
					   .set_admin = daemon_set_admin, .reload = reload,
					   .to_dpdk = daemon_auto_to_dpdk };
	char path[sizeof(d->runtime_dir) + 16];
	int err;

	snprintf(path, sizeof(path), "%s/%s", d->runtime_dir, SL_API_SOCKET);
	err = api_create(&d->loop, path, &source, &d->api);
	if (err < 0)
		log_error(&d->log, "the API socket cannot be made", LOG_STR("path", path), LOG_ERRNO("cause", err));
	return err;
}
