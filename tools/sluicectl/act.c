/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands that change something: drain, retire, off, ready, datapath dpdk, reload.
 */
#include <stdlib.h>

#include "client.h"
#include "drain.h"

static enum ctl_exit set_admin(const struct ctl_options *options, const char *backend, const char *verb)
{
	char *pool = options->pool != NULL ? client_escape(options->pool) : NULL;
	char *name = client_escape(backend);
	json_t *body = json_pack("{s:s}", "why", options->why != NULL ? options->why : "");
	json_t *answer = NULL;
	enum ctl_exit result;
	char path[512];

	if (body == NULL) {
		fprintf(stderr, "sluicectl: --why is no text in UTF-8\n");
		result = CTL_REFUSED;
	} else if (name == NULL || (options->pool != NULL && pool == NULL) ||
		   (size_t)snprintf(path, sizeof(path), "/v1/backends/%s%s%s/%s", pool != NULL ? pool : "",
				    pool != NULL ? "/" : "", name, verb) >= sizeof(path)) {
		fprintf(stderr, "sluicectl: '%s' is no name of a backend: sluicectl show backends lists them\n", backend);
		result = CTL_REFUSED;
	} else {
		result = client_post(options, path, body, &answer);
	}
	if (result == CTL_DONE && options->json && !options->wait)
		client_print(answer);
	else if (result == CTL_DONE && !options->json)
		printf("%s: %s\n", backend, verb);
	if (result == CTL_DONE && options->wait) {
		snprintf(path, sizeof(path), "/v1/backends/%s%s%s/drain", pool != NULL ? pool : "", pool != NULL ? "/" : "", name);
		fflush(stdout);
		result = drain_wait(options, backend, path);
	}
	json_decref(answer);
	json_decref(body);
	free(name);
	free(pool);
	return result;
}

enum ctl_exit ctl_drain(const struct ctl_options *options, char **arguments)
{
	return set_admin(options, arguments[0], "drain");
}

enum ctl_exit ctl_retire(const struct ctl_options *options, char **arguments)
{
	return set_admin(options, arguments[0], "retire");
}

enum ctl_exit ctl_off(const struct ctl_options *options, char **arguments)
{
	return set_admin(options, arguments[0], "off");
}

enum ctl_exit ctl_ready(const struct ctl_options *options, char **arguments)
{
	return set_admin(options, arguments[0], "ready");
}

enum ctl_exit ctl_reload(const struct ctl_options *options, char **arguments)
{
	json_t *answer = NULL;
	enum ctl_exit result = client_post(options, "/v1/reload", NULL, &answer);

	(void)arguments;
	if (result == CTL_DONE && options->json)
		client_print(answer);
	else if (result == CTL_DONE)
		printf("reloaded: generation %lld\n", (long long)json_integer_value(json_object_get(answer, "generation")));
	json_decref(answer);
	return result;
}

enum ctl_exit ctl_datapath_dpdk(const struct ctl_options *options, char **arguments)
{
	json_t *answer = NULL;
	enum ctl_exit result = client_post(options, "/v1/datapath/dpdk", NULL, &answer);

	(void)arguments;
	if (result == CTL_DONE && options->json)
		client_print(answer);
	else if (result == CTL_DONE)
		puts(json_is_true(json_object_get(answer, "forwards")) ? "sluice-dp forwards"
								       : "sluice-dp takes over: sluicectl show datapath");
	json_decref(answer);
	return result;
}
