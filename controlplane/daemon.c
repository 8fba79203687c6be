/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Start, stop, and the order of things. What happens in between is wired by the other daemon_<part>.c.
 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
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

/* mkdir -p for the last two components: the parent of both is the system's. */
static int make_directory(const char *path, mode_t mode)
{
	char parent[256];
	char *slash;

	if (mkdir(path, mode) == 0 || errno == EEXIST)
		return 0;
	if (errno != ENOENT)
		return -errno;
	snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (!slash || slash == parent)
		return -ENOENT;
	*slash = '\0';
	if (make_directory(parent, 0755) < 0)
		return -errno;
	return mkdir(path, mode) == 0 || errno == EEXIST ? 0 : -errno;
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
