/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Start, stop, and the order of things. What happens in between is wired by the other daemon_<part>.c.
 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sluice/host/lock.h"

static void on_pool_empty(void *ctx, const struct model_pool *pool)
{
	const struct daemon *d = ctx;

	log_error(&d->log, "pool has no backend left", LOG_STR("pool", pool->conf->name),
		  LOG_STR("packets", pool->conf->when_empty == SL_OTHERWISE_REJECT ? "rejected" : "dropped"));
}

static void on_pool_serving(void *ctx, const struct model_pool *pool)
{
	const struct daemon *d = ctx;

	log_info(&d->log, "pool serves", LOG_STR("pool", pool->conf->name), LOG_U64("backends", pool->serving));
}

static void on_pool_panic(void *ctx, const struct model_pool *pool, bool on)
{
	const struct daemon *d = ctx;

	log_warning(&d->log, on ? "too few backends are healthy: health is ignored" : "enough backends are healthy again",
		    LOG_STR("pool", pool->conf->name), LOG_U64("panic_threshold", pool->conf->panic_threshold_percent));
}

static void on_hup(uv_signal_t *signal, int number)
{
	char reterr[512];

	(void)number;
	daemon_reload(signal->data, reterr, sizeof(reterr));
}

static void on_stop(uv_signal_t *signal, int number)
{
	struct daemon *d = signal->data;

	log_info(&d->log, "stopping", LOG_STR("signal", number == SIGINT ? "SIGINT" : "SIGTERM"));
	d->stopping = true;
	uv_stop(&d->loop);
}

/* mkdir -p; directories on the way are open to everybody, as /run is. */
static int make_directory(const char *path, mode_t mode)
{
	char parent[256];
	char *slash;
	int err;

	if (mkdir(path, mode) == 0)
		return chmod(path, mode) < 0 ? -errno : 0; /* whatever the umask: sluice-dp's account passes here */
	if (errno == EEXIST)
		return 0;
	if (errno != ENOENT)
		return -errno;
	snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (!slash || slash == parent || strlen(path) >= sizeof(parent))
		return -ENOENT;
	*slash = '\0';
	err = make_directory(parent, 0755);
	return err < 0 ? err : make_directory(path, mode);
}

static int open_directories(struct daemon *d)
{
	const struct options *o = &d->options;
	int err;

	shm_file_runtime_dir(o->runtime_dir, o->instance, d->runtime_dir, sizeof(d->runtime_dir));
	if (o->state_dir)
		snprintf(d->state_dir, sizeof(d->state_dir), "%s", o->state_dir);
	else
		snprintf(d->state_dir, sizeof(d->state_dir), "/var/lib/sluice/%s", o->instance);
	snprintf(d->state_path, sizeof(d->state_path), "%s/state.json", d->state_dir);
	err = make_directory(d->runtime_dir, 0750);
	if (err == 0)
		d->dir_fd = open(d->runtime_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (err < 0 || d->dir_fd < 0) {
		log_error(&d->log, "runtime directory cannot be used; run as root, or give --runtime-dir",
			  LOG_STR("directory", d->runtime_dir), LOG_ERRNO("cause", err < 0 ? err : -errno));
		return -ENOTDIR;
	}
	err = make_directory(d->state_dir, 0700);
	if (err < 0) {
		log_error(&d->log, "state directory cannot be used; run as root, or give --state-dir",
			  LOG_STR("directory", d->state_dir), LOG_ERRNO("cause", err));
		return -ENOTDIR;
	}
	return 0;
}

static int take_lock(struct daemon *d)
{
	char reterr[256];
	int err = sl_lock_take(d->dir_fd, SL_LOCK_CONTROL, &d->lock_fd, reterr, sizeof(reterr));

	if (err < 0)
		log_error(&d->log, "instance is not free", LOG_STR("instance", d->options.instance),
			  LOG_STR("cause", reterr));
	return err;
}

static void log_override_gone(const struct daemon *d, const char *pool, const char *backend,
			      const struct model_override *override)
{
	log_warning(&d->log, "override names no backend any more and is forgotten", LOG_STR("pool", pool),
		    LOG_STR("backend", backend), LOG_STR("override", backend_admin_name(override->admin)),
		    LOG_STR("who", override->who), LOG_STR("why", override->why));
}

static void on_override_gone(void *ctx, const struct model_pool *pool, const struct model_backend *backend)
{
	log_override_gone(ctx, pool->conf->name, backend->conf->name, &backend->override);
}

/* What nobody can refuse any more: model, numbers, overrides. */
static int start_model(struct daemon *d)
{
	const struct model_events events = { .ctx = d, .pool_empty = on_pool_empty, .pool_serving = on_pool_serving,
					     .pool_panic = on_pool_panic, .override_gone = on_override_gone,
					     .rows_changed = daemon_rows_changed, .pool_forgotten = daemon_rows_forgotten };
	struct sl_key hash_key;
	char reterr[512];
	int err = model_create(&events, &d->model);

	if (err < 0)
		return err;
	err = daemon_load_key(d, d->config, &hash_key, reterr, sizeof(reterr));
	if (err < 0) {
		log_error(&d->log, "no hash key", LOG_STR("cause", reterr));
		return err;
	}
	daemon_numbering_start(d, &hash_key);
	daemon_rows_names(d);
	err = model_configure(d->model, d->config, daemon_wall_s());
	if (err < 0)
		return err;
	daemon_rows_start(d);
	for (size_t i = 0; i < d->state.override_count; i++) {
		const struct state_override *o = &d->state.overrides[i];

		if (model_set_override(d->model, o->pool, o->backend, &o->override) < 0)
			log_override_gone(d, o->pool, o->backend, &o->override);
	}
	for (size_t i = 0; i < d->state.times_count; i++)
		model_restore_times(d->model, d->state.times[i].pool, d->state.times[i].backend, &d->state.times[i].times);
	return 0;
}

static void on_tick(uv_timer_t *timer)
{
	struct daemon *d = timer->data;
	const bool told = publisher_pump(d->publisher);
	const bool busy = daemon_xdp_pump(d) || told || d->applied != d->model->generation;

	uv_timer_set_repeat(timer, d->published && (d->attached || d->xdp) && busy ? DAEMON_TICK_BUSY_MS : DAEMON_TICK_IDLE_MS);
}

static void on_before_poll(uv_prepare_t *handle)
{
	daemon_publish_due(handle->data);
	daemon_state_due(handle->data);
}

static void on_after_poll(uv_check_t *handle)
{
	daemon_publish_due(handle->data);
	daemon_state_due(handle->data);
}

static void on_beat(uv_timer_t *timer)
{
	struct daemon *d = timer->data;

	daemon_beat(d);
	daemon_flows_beat(d);
}

static int start_loop(struct daemon *d)
{
	d->before_poll.data = d->after_poll.data = d;
	d->on_hup.data = d->on_term.data = d->on_int.data = d->tick.data = d->beat.data = d->advance.data = d;
	if (uv_signal_init(&d->loop, &d->on_hup) < 0 || uv_signal_init(&d->loop, &d->on_term) < 0 ||
	    uv_signal_init(&d->loop, &d->on_int) < 0 || uv_timer_init(&d->loop, &d->tick) < 0 ||
	    uv_timer_init(&d->loop, &d->beat) < 0 || uv_timer_init(&d->loop, &d->advance) < 0)
		return -EIO;
	uv_prepare_init(&d->loop, &d->before_poll);
	uv_check_init(&d->loop, &d->after_poll);
	uv_signal_start(&d->on_hup, on_hup, SIGHUP);
	uv_signal_start(&d->on_term, on_stop, SIGTERM);
	uv_signal_start(&d->on_int, on_stop, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	uv_update_time(&d->loop);
	d->started_ms = d->configured_ms = uv_now(&d->loop);
	return 0;
}

static int start_parts(struct daemon *d)
{
	char reterr[API_ERROR_MAX];
	int err;

	d->status = EXIT_ENVIRONMENT;
	err = open_directories(d);
	if (err < 0)
		return err;
	d->status = EXIT_HELD;
	err = take_lock(d);
	if (err < 0) {
		d->status = err == -EBUSY ? EXIT_HELD : EXIT_ENVIRONMENT;
		return err;
	}
	d->status = EXIT_WRONG_USE;
	err = daemon_load_config(d, &d->config, reterr, sizeof(reterr));
	if (err < 0) {
		log_error(&d->log, "configuration refused", LOG_STR("file", d->options.config));
		return err;
	}
	daemon_log_format(d);
	d->status = EXIT_ENVIRONMENT;
	err = start_model(d);
	if (err < 0)
		return err;
	err = daemon_xdp_start(d);
	if (err == 0)
		err = daemon_flows_start(d);
	if (err < 0)
		return err;
	d->status = EXIT_SHM;
	err = daemon_new_file(d);
	if (err < 0)
		return err;
	d->status = EXIT_ENVIRONMENT;
	err = daemon_network_start(d);
	if (err == 0)
		err = daemon_health_start(d);
	if (err == 0)
		err = daemon_api_start(d);
	return err;
}

/* A probe holds one descriptor while it runs: thousands of backends need more than the usual soft limit. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int daemon_create(const struct options *options, struct daemon **ret_daemon)
{
	struct daemon *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return -ENOMEM;
	*ret_daemon = d;
	d->options = *options;
	d->dir_fd = d->lock_fd = -1;
	d->status = EXIT_INTERNAL;
	log_init(&d->log, STDERR_FILENO, options->log_format == LOG_FORMAT_JSON ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT,
		 options->log_level);
	raise_descriptor_limit();
	gethostname(d->hostname, sizeof(d->hostname) - 1);
	err = uv_loop_init(&d->loop);
	if (err == 0)
		err = start_loop(d);
	if (err == 0)
		err = start_parts(d);
	if (err == 0) {
		uv_timer_start(&d->tick, on_tick, 0, DAEMON_TICK_IDLE_MS);
		uv_timer_start(&d->beat, on_beat, 0, DAEMON_BEAT_MS);
		uv_prepare_start(&d->before_poll, on_before_poll);
		uv_check_start(&d->after_poll, on_after_poll);
		daemon_publish(d);
		d->status = EXIT_STOPPED;
		log_info(&d->log, "sluiced runs", LOG_STR("instance", options->instance),
			 LOG_STR("config", options->config), LOG_U64("services", d->config->service_count),
			 LOG_U64("probes", d->probe_count), LOG_STR("runtime_dir", d->runtime_dir));
	} else if (d->steering) {
		steering_detach_new(d->steering); /* nothing half attached */
	}
	return err;
}

enum exit_status daemon_run(struct daemon *d)
{
	while (!d->stopping)
		uv_run(&d->loop, UV_RUN_DEFAULT);
	daemon_state_save(d);
	daemon_network_stop(d);
	log_info(&d->log, "stopped");
	return d->status;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* Handles that are the daemon's own; those of its parts are stopped by the parts. */
static void stop_own(uv_handle_t *handle, void *arg)
{
	if (handle->data == arg)
		close_handle(handle, NULL);
}

void daemon_destroy(struct daemon *d)
{
	if (!d)
		return;
	uv_walk(&d->loop, stop_own, d); /* the loop turns once more below, when what they use is gone */
	api_destroy(d->api);
	health_destroy(d->health);
	daemon_network_destroy(d);
	daemon_xdp_destroy(d);
	publisher_destroy(d->publisher);
	shm_file_destroy(d->shm);
	uv_run(&d->loop, UV_RUN_NOWAIT);
	uv_walk(&d->loop, close_handle, NULL);
	uv_run(&d->loop, UV_RUN_DEFAULT);
	uv_loop_close(&d->loop);
	daemon_auto_destroy(d);
	daemon_flows_destroy(d);
	model_destroy(d->model);
	state_clear(&d->state);
	for (size_t i = 0; i < d->row_file_count; i++)
		row_file_clear(&d->row_files[i]);
	free(d->row_files);
	row_store_close(d->row_store);
	config_free(d->config);
	free(d->targets);
	free(d->probes);
	free(d->drains);
	if (d->lock_fd >= 0)
		close(d->lock_fd);
	if (d->dir_fd >= 0)
		close(d->dir_fd);
	free(d);
}
