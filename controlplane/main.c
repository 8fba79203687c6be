/* SPDX-License-Identifier: BSD-3-Clause */
/* sluiced: the control daemon. Reads the command line; everything else is daemon.c's. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "config_host.h"
#include "daemon.h"
#include "key_file.h"
#include "options.h"

/* A key may be made later, on another machine: --check only warns of what a start would refuse. */
static int try_key(const char *file, char *reterr, size_t size)
{
	struct sl_key key;

	return key_file_read(file, &key, reterr, size);
}

/* --check: every error of the file, and nothing else is touched. */
static enum exit_status check(const char *path)
{
	struct config_host *host = NULL;
	struct config_errors *errors = NULL;
	struct config *config = NULL;
	int err = config_host_read(path, &host);

	if (err == 0) {
		host->try_key = try_key;
		err = config_load(path, host, &config, &errors);
	}
	if (errors)
		config_errors_print(errors, stderr); /* warnings too */
	else if (err < 0)
		fprintf(stderr, "sluiced: %s: %s\n", path, strerror(-err));
	if (err == 0)
		printf("%s: ok: %zu services, %zu pools\n", path, config->service_count, config->pool_count);
	config_errors_free(errors);
	config_free(config);
	config_host_free(host);
	return err == 0 ? EXIT_STOPPED : EXIT_WRONG_USE;
}

int main(int argc, char **argv)
{
	struct daemon *daemon = NULL;
	struct options options;
	enum exit_status status;
	char reterr[256];

	if (options_parse(argc, argv, &options, reterr, sizeof(reterr)) < 0) {
		fprintf(stderr, "sluiced: %s\n", reterr);
		return EXIT_WRONG_USE;
	}
	switch (options.action) {
	case OPTIONS_HELP: options_usage(stdout); return EXIT_STOPPED;
	case OPTIONS_VERSION: printf("sluiced %s, ABI %d.%d\n", SLUICE_VERSION, SL_ABI_MAJOR, SL_ABI_MINOR); return 0;
	case OPTIONS_CHECK: return check(options.config);
	case OPTIONS_RUN: break;
	}
	if (daemon_create(&options, &daemon) < 0) {
		status = daemon ? daemon->status : EXIT_INTERNAL;
		daemon_destroy(daemon);
		return status;
	}
	status = daemon_run(daemon);
	daemon_destroy(daemon);
	return status;
}
