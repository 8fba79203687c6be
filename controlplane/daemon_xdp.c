/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The XDP program as the datapath: its publisher, its ports, and the process that holds the VIP device for it. Which
 * interfaces carry the program is daemon_steering.c's business, which packets are its daemon_network.c's.
 */
#include "daemon.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "publish_bpf.h"
#include "sluice/host/lock.h"
#include "xdp_stats.h"

#define DEVICE_PROGRAM "sluice-device"

struct daemon_xdp {
	struct publisher *publisher; /* chained to d->publisher */
	uv_process_t *holder;        /* that this sluiced started and that has not ended; NULL: none */
	uint64_t applied;            /* the generation in its maps; 0: none of ours */
	bool unable;                 /* it could not be started; said */
};

bool daemon_by_xdp(const struct daemon *d)
{
	return d->xdp != NULL && (d->automatic == NULL || daemon_auto_is_xdp(d));
}

bool daemon_xdp_is_ready(const struct daemon *d)
{
	return d->xdp->applied != 0;
}

bool daemon_xdp_forwards(const struct daemon *d)
{
	return daemon_by_xdp(d) && d->applied != 0 && steering_port_count(d->steering) > 0;
}

struct publisher *daemon_xdp_publisher(const struct daemon *d)
{
	return d->xdp ? d->xdp->publisher : NULL;
}

/* ---- ports ---------------------------------------------------------------------------------------------- */

void daemon_xdp_port(struct daemon *d, uint16_t index, const struct daemon_port_link *link)
{
	const struct xdp_maps *maps = d->steering ? steering_maps(d->steering) : NULL;
	const uint32_t key = index, ifindex = (uint32_t)link->ifindex;
	struct sl_port port = { .index = index, .mtu = (uint16_t)(link->mtu < UINT16_MAX ? link->mtu : UINT16_MAX),
				.kernel_path = 1 };

	if (!maps || !d->xdp || link->ifindex == 0)
		return;
	memcpy(port.mac, link->mac, sizeof(port.mac));
	memcpy(xdp_maps_at(maps, XDP_MAP_PORTS, index), &port, sizeof(port));
	if (bpf_map_update_elem(maps->map[XDP_MAP_TX_PORTS].fd, &key, &ifindex, BPF_ANY) < 0)
		log_error(&d->log, "the XDP program cannot be told where an interface is", LOG_U64("port", index),
			  LOG_ERRNO("cause", -errno));
}

/* ---- the process that holds the VIP device -------------------------------------------------------------- */

static void on_holder_closed(uv_handle_t *handle)
{
	free(handle);
}

static void on_holder_exit(uv_process_t *process, int64_t status, int number)
{
	struct daemon *d = process->data;

	if (d->xdp && d->xdp->holder == process)
		d->xdp->holder = NULL;
	if (status != 0 || number != 0)
		log_warning(&d->log, DEVICE_PROGRAM " ended", LOG_U64("status", (uint64_t)status),
			    LOG_U64("signal", (uint64_t)number));
	uv_close((uv_handle_t *)process, on_holder_closed);
}

/* Beside this program; in a build folder, beside sluice-dp. */
static int holder_path(char path[static PATH_MAX])
{
	static const char *const places[] = { DEVICE_PROGRAM, "../dataplane/" DEVICE_PROGRAM };
	char self[PATH_MAX];
	const ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return -errno;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return -ENOENT;
	slash[1] = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (snprintf(path, PATH_MAX, "%s%s", self, places[i]) < PATH_MAX && access(path, X_OK) == 0)
			return 0;
	return -ENOENT;
}

static int start_holder(struct daemon *d)
{
	char path[PATH_MAX], pins[PATH_MAX], name[sizeof(DEVICE_PROGRAM)] = DEVICE_PROGRAM, text[] = "text", json[] = "json";
	char *argv[] = { name, d->runtime_dir, pins, d->log.format == LOG_FORMAT_JSON ? json : text, NULL };
	uv_stdio_container_t stdio[] = { { .flags = UV_IGNORE }, { .flags = UV_IGNORE },
					 { .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO } };
	const uv_process_options_t options = { .file = path, .args = argv, .exit_cb = on_holder_exit, .stdio = stdio,
					       .stdio_count = 3, .flags = UV_PROCESS_DETACHED };
	uv_process_t *process;
	int err = holder_path(path);

	if (err < 0)
		return err;
	process = calloc(1, sizeof(*process));
	if (!process)
		return -ENOMEM;
	snprintf(pins, sizeof(pins), "%s", steering_dir(d->steering));
	process->data = d;
	err = uv_spawn(&d->loop, process, &options);
	if (err < 0) {
		uv_close((uv_handle_t *)process, on_holder_closed);
		return err;
	}
	d->xdp->holder = process;
	return 0;
}

/* An earlier sluiced's may run still: then it goes on, and connects by itself. */
static void hold_device(struct daemon *d)
{
	int err;

	if (!d->socket || d->stopping || d->xdp->holder || sl_lock_is_held(d->lock_fd, SL_LOCK_DEVICE))
		return;
	err = start_holder(d);
	if (err < 0 && !d->xdp->unable)
		log_error(&d->log, "no VIP can come up: " DEVICE_PROGRAM " cannot be started; it belongs beside sluiced",
			  LOG_ERRNO("cause", err));
	d->xdp->unable = err < 0;
}

/* ---- publishing ----------------------------------------------------------------------------------------- */

static void on_applied(void *ctx, const struct sl_applied *applied)
{
	struct daemon *d = ctx;
	struct error_text reterr;

	if (steering_move(d->steering, &reterr) < 0) {
		log_error(&d->log, "the XDP program keeps the maps it had", LOG_STR("cause", reterr.text));
		return;
	}
	d->xdp->applied = applied->generation;
	if (!daemon_by_xdp(d))
		return;
	xdp_tables_act(publish_bpf_tables(d->xdp->publisher), SL_XDP_FORWARD);
	d->applied = applied->generation;
	model_set_applied(d->model, applied->generation, daemon_boottime_ms());
	log_debug(&d->log, "generation applied", LOG_U64("generation", applied->generation));
	if (applied->generation != d->model->generation)
		return;
	if (applied->tables != model_tables_checksum(d->model))
		log_error(&d->log, "the XDP program has other tables than were stated; restart sluiced",
			  LOG_U64("generation", applied->generation));
	daemon_network_applied(d);
	hold_device(d);
}

static void on_rejected(void *ctx, const struct sl_rejected *rejected)
{
	const struct daemon *d = ctx;

	log_error(&d->log, "the maps of the XDP program have no room for this generation; it keeps the one before",
		  LOG_U64("generation", rejected->generation));
}

void daemon_forwarder_changed(struct daemon *d)
{
	const uint64_t applied = daemon_by_xdp(d) ? d->xdp->applied : d->ring_applied;

	d->applied = applied;
	if (applied == 0)
		return;
	model_set_applied(d->model, applied, daemon_boottime_ms());
	daemon_network_before(d);
	daemon_network_applied(d);
	hold_device(d);
}

/* What is in force already, from before this start: numbers of generations only rise. */
static void take_found(struct daemon *d)
{
	const uint64_t found = xdp_tables_generation(publish_bpf_tables(d->xdp->publisher), NULL);

	if (found <= d->model->generation)
		return;
	d->model->generation = found;
	d->model->settings_dirty = true;
}

int daemon_xdp_open(struct daemon *d, const struct shm_capacity *capacity)
{
	const struct publisher_events events = { .ctx = d, .applied = on_applied, .rejected = on_rejected };
	const struct xdp_capacity wanted = xdp_maps_capacity(&capacity->limits, capacity->rows, d->config->flow_limit);
	struct publisher *publisher = NULL;
	struct error_text reterr;
	int err;

	if (!d->xdp || !d->steering)
		return 0;
	err = steering_grow(d->steering, &wanted, &reterr);
	if (err < 0) {
		log_error(&d->log, "no maps for the XDP program", LOG_STR("cause", reterr.text));
		return err;
	}
	if (err > 0)
		log_info(&d->log, steering_is_moving(d->steering) ? "the XDP program gets bigger maps" : "made maps for the XDP program",
			 LOG_U64("flows", d->config->flow_limit));
	err = publish_bpf_create(steering_maps(d->steering), &capacity->limits, &events, &publisher);
	if (err < 0)
		return err;
	publisher_destroy(d->xdp->publisher);
	d->xdp->publisher = publisher;
	publisher_chain(d->publisher, publisher);
	take_found(d);
	for (size_t i = 0; i < d->config->interface_count; i++)
		daemon_xdp_port(d, (uint16_t)i, &d->port_links[i]);
	daemon_flows_maps(d);
	return 0;
}

int daemon_xdp_state(struct daemon *d)
{
	const struct shm_capacity capacity = model_capacity(d->model);
	const int err = daemon_xdp_open(d, &capacity);

	if (err == 0 && d->xdp)
		model_set_publisher(d->model, d->publisher, &capacity.limits);
	if (err == 0 && d->datapath == CONFIG_DATAPATH_AUTO)
		return daemon_auto_start(d);
	return err;
}

bool daemon_xdp_pump(struct daemon *d)
{
	return d->xdp && d->xdp->publisher && publisher_pump(d->xdp->publisher);
}

void daemon_xdp_beat(struct daemon *d)
{
	if (d->xdp && d->applied != 0)
		hold_device(d);
}

uint32_t daemon_xdp_cpus(const struct daemon *d)
{
	return d->xdp ? xdp_stats_cpus() : 0;
}

void daemon_xdp_workers(const struct daemon *d, api_emit_worker *emit, void *arg)
{
	const uint32_t cpus = xdp_stats_cpus();
	struct sl_worker_stats *stats = d->xdp && d->steering ? xdp_stats_read(steering_maps(d->steering), d->applied) : NULL;

	for (uint32_t cpu = 0; stats && cpu < cpus; cpu++) {
		const struct api_worker shown = { .index = cpu, .stats = stats[cpu] };

		emit(arg, &shown);
	}
	free(stats);
}

struct sl_counter daemon_xdp_counter(const struct daemon *d, bool backends, uint32_t position)
{
	if (!d->xdp || !d->steering)
		return (struct sl_counter){ 0, 0 };
	return xdp_stats_counter(steering_maps(d->steering), backends ? XDP_MAP_BACKEND_COUNTERS : XDP_MAP_SERVICE_COUNTERS,
				 position);
}

/* ---- lifetime ------------------------------------------------------------------------------------------- */

static bool carries_xdp(const struct daemon *d)
{
	for (size_t i = 0; i < d->config->interface_count; i++)
		if (daemon_steers(d, &d->config->interfaces[i]))
			return true;
	return false;
}

int daemon_xdp_start(struct daemon *d)
{
	d->datapath = d->config->datapath;
	if (d->datapath == CONFIG_DATAPATH_AUTO && !carries_xdp(d)) {
		log_info(&d->log, "auto is dpdk: no interface of the configuration can carry the XDP program");
		d->datapath = CONFIG_DATAPATH_DPDK;
	}
	if (d->datapath == CONFIG_DATAPATH_DPDK)
		return 0;
	d->xdp = calloc(1, sizeof(*d->xdp));
	return d->xdp ? 0 : -ENOMEM;
}

/* The holder goes on: it is the program's, not ours. */
void daemon_xdp_destroy(struct daemon *d)
{
	if (!d->xdp)
		return;
	publisher_destroy(d->xdp->publisher);
	free(d->xdp);
	d->xdp = NULL;
}
