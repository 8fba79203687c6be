/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configurations: read, compared with what runs, taken over as a whole or not at all. What is wrong in a
 * file is printed as it stands (place, cause, remedy); the log says once what follows.
 */
#include "daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_diff.h"
#include "config_host.h"
#include "key_file.h"

int daemon_load_config(struct daemon *d, struct config **ret_config, char *reterr, size_t reterr_size)
{
	struct config_host *host = NULL;
	struct config_errors *errors = NULL;
	int err;

	err = config_host_read(d->options.config, &host);
	if (err < 0) {
		log_error(&d->log, "the interfaces of this machine cannot be read", LOG_ERRNO("cause", err));
		snprintf(reterr, reterr_size, "the interfaces of this machine cannot be read: %s", strerror(-err));
		return err;
	}
	err = config_load(d->options.config, host, ret_config, &errors);
	snprintf(reterr, reterr_size, "%s: %s", d->options.config, strerror(-err));
	if (errors) {
		config_errors_print(errors, stderr);
		config_errors_first(errors, reterr, reterr_size);
	}
	config_errors_free(errors);
	config_host_free(host);
	return err;
}

int daemon_load_key(struct daemon *d, const struct config *config, struct sl_key *ret_key, char *reterr,
		    size_t reterr_size)
{
	char path[sizeof(d->state_dir) + 16], print[KEY_FINGERPRINT_LEN + 1];
	const char *file = config->hash_key_file;
	int err;

	if (!file) {
		snprintf(path, sizeof(path), "%s/hash.key", d->state_dir);
		file = path;
	}
	err = key_file_read(file, ret_key, reterr, reterr_size);
	if (err == -ENOENT && !config->hash_key_file) {
		err = key_file_create(file, ret_key, reterr, reterr_size);
		if (err == 0)
			log_info(&d->log, "made a hash key; a second balancer needs the same one", LOG_STR("file", file));
	}
	if (err < 0)
		return err;
	key_fingerprint(ret_key, print);
	log_info(&d->log, "hash key", LOG_STR("file", file), LOG_STR("fingerprint", print));
	return 0;
}

void daemon_log_format(struct daemon *d)
{
	if (d->options.log_format < 0)
		d->log.format = d->config->log_format == CONFIG_LOG_JSON ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT;
}

static int check_reload(struct daemon *d, const struct config *config, const struct config_diff *diff, char *reterr,
			size_t reterr_size)
{
	if (d->config->datapath != config->datapath) {
		snprintf(reterr, reterr_size, "%s: datapath: another one takes a restart of sluiced; connections go on meanwhile",
			 d->options.config);
		return -EPERM;
	}
	if (diff->backends_removed * 100 <= diff->backends_before * d->config->mass_removal_percent)
		return 0;
	snprintf(reterr, reterr_size,
		 "%s: removes %zu of %zu backends, more than limits: mass-removal: %u%% allows; remove fewer at a time, or "
		 "raise the limit with a reload of its own first", d->options.config, diff->backends_removed,
		 diff->backends_before, d->config->mass_removal_percent);
	return -EPERM;
}

/* What the new configuration is, after the model has it: nothing of it is refused any more. */
static void follow(struct daemon *d, bool restart)
{
	int err = daemon_health_follow(d);

	if (err == 0)
		err = daemon_network_follow(d);
	if (err < 0)
		log_error(&d->log, "the new configuration is only followed in part: reload again, or restart sluiced",
			  LOG_ERRNO("cause", err));
	daemon_flows_follow(d);
	if (restart && daemon_new_file(d) == 0 && d->datapath != CONFIG_DATAPATH_XDP)
		log_warning(&d->log, "interfaces, cores or memory changed: this applies when sluice-dp restarts");
	daemon_log_format(d);
	d->state_dirty = true;
	daemon_publish(d);
	daemon_publish_due(d); /* now: who asked for it sees the new generation */
	daemon_rows_follow(d);
}

/* `config` is checked; from here on only the key and memory can fail. */
static int take_over(struct daemon *d, struct config *config, bool restart, char *reterr, size_t reterr_size)
{
	struct config *old = d->config;
	struct sl_key key = d->model->hash_key; /* which may wait still to be in force */
	int err = 0;

	if (config->hash_key_file || old->hash_key_file)
		err = daemon_load_key(d, config, &key, reterr, reterr_size);
	if (err < 0)
		return err;
	err = model_configure(d->model, config, daemon_wall_s());
	if (err < 0) {
		snprintf(reterr, reterr_size, "%s: %s", d->options.config,
			 err == -ENOSPC ? "no number is left for a new service, pool or backend: those that were removed rest "
					  "for some hours" : strerror(-err));
		return err;
	}
	if (restart)
		daemon_network_restart_due(d);
	d->config = config;
	d->configured_ms = uv_now(&d->loop);
	model_set_keys(d->model, &key, &d->model->settings.flow_key);
	config_free(old);
	return 0;
}

int daemon_reload(struct daemon *d, char *reterr, size_t reterr_size)
{
	struct config_diff *diff = NULL;
	struct config *config = NULL;
	int err = daemon_load_config(d, &config, reterr, reterr_size);

	if (err == 0) {
		err = config_diff(d->config, config, &diff);
		if (err < 0)
			snprintf(reterr, reterr_size, "%s: %s", d->options.config, strerror(-err));
	}
	if (err < 0) {
		config_free(config);
	} else {
		err = check_reload(d, config, diff, reterr, reterr_size);
		if (err == 0)
			err = take_over(d, config, diff->restart, reterr, reterr_size);
		if (err == 0)
			follow(d, diff->restart);
		else
			config_free(config);
	}
	if (err < 0)
		log_error(&d->log, "reload refused, keeping the running configuration", LOG_STR("cause", reterr));
	else
		log_info(&d->log, "reloaded", LOG_STR("file", d->options.config),
			 LOG_U64("services", d->config->service_count), LOG_U64("pools", d->config->pool_count),
			 LOG_U64("changes", diff->count));
	config_diff_free(diff);
	return err;
}
