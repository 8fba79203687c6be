/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The three ways to a backend_target. All of them end in the same list of listeners.
 */
#include "backend_target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "answer.h"
#include "client.h"
#include "controlplane/config.h"
#include "controlplane/config_value.h"

enum { ITEM_MAX = 96 };

static enum ctl_exit refuse(const char *what, const char *which, const char *remedy)
{
	fprintf(stderr, "sluicectl: %s%s%s: %s\n", what, which[0] ? " " : "", which, remedy);
	return CTL_REFUSED;
}

static enum ctl_exit no_memory(void)
{
	return refuse("no memory", "", "nothing was done");
}

bool backend_address_is_set(const struct sl_addr *addr)
{
	return addr->d[0] != 0 || addr->d[1] != 0;
}

int backend_list_next(const char **text, char *item, size_t size)
{
	size_t len;

	*text += strspn(*text, " ,");
	len = strcspn(*text, ",");
	if (len == 0)
		return 0;
	if (len >= size)
		return -1;
	memcpy(item, *text, len);
	item[len] = 0;
	*text += len;
	while (len > 0 && item[len - 1] == ' ')
		item[--len] = 0;
	return 1;
}

int backend_source_towards(const struct sl_addr *to, struct sl_addr *ret_source)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(9)};
	const bool v4 = sl_addr_is_v4(to);
	struct sockaddr *sa = v4 ? (struct sockaddr *)&four : (struct sockaddr *)&six;
	socklen_t len = v4 ? sizeof(four) : sizeof(six);
	const int fd = socket(sa->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	four.sin_addr.s_addr = to->w[3];
	memcpy(&six.sin6_addr, to, sizeof(*to));
	if (connect(fd, sa, len) < 0 || getsockname(fd, sa, &len) < 0)
		err = -errno;
	else if (v4)
		*ret_source = sl_addr_from_v4(four.sin_addr.s_addr);
	else
		memcpy(ret_source, &six.sin6_addr, sizeof(*ret_source));
	close(fd);
	return err;
}

/* A source of the other family is for others. */
static int target_add(struct backend_target *target, const struct backend_listener *listener)
{
	static const struct sl_addr unknown;
	struct backend_listener *more = reallocarray(target->listeners, target->count + 1, sizeof(*more));

	if (more == NULL)
		return -ENOMEM;
	target->listeners = more;
	target->listeners[target->count] = *listener;
	if (sl_addr_is_v4(&listener->outer_source) != sl_addr_is_v4(&listener->address))
		target->listeners[target->count].outer_source = unknown;
	target->count++;
	return 0;
}

/* ---- the command line ---- */

/* Adds what `option` lists at every address of --address, or once without an address. */
static enum ctl_exit add_list(const struct ctl_options *options, enum ctl_backend_option option, enum sl_mode mode,
			      struct backend_target *target)
{
	const char *list = options->backend[option] != NULL ? options->backend[option] : "";
	struct config_reason why;
	char item[ITEM_MAX], own[ITEM_MAX];
	int more;

	while ((more = backend_list_next(&list, item, sizeof(item))) > 0) {
		const char *addresses = options->backend[CTL_BACKEND_ADDRESS];
		struct backend_listener listener = {.mode = mode};
		const bool good =
			option == CTL_BACKEND_VIP
				? config_value_address(item, &listener.vip, &why)
				: config_value_listener(item, &listener.proto, &listener.vip, &listener.port, &why);

		if (!good)
			return refuse(option == CTL_BACKEND_VIP ? "--vip" : "--listen", item, why.text);
		if (addresses == NULL && target_add(target, &listener) < 0)
			return no_memory();
		while (addresses != NULL && (more = backend_list_next(&addresses, own, sizeof(own))) > 0) {
			if (!config_value_address(own, &listener.address, &why))
				return refuse("--address", own, why.text);
			if (target_add(target, &listener) < 0)
				return no_memory();
		}
	}
	return more < 0 ? refuse("an address in a list is too long", "", "separate them by commas") : CTL_DONE;
}

static enum ctl_exit load_command_line(const struct ctl_options *options, struct backend_target *target)
{
	const char *mode = options->backend[CTL_BACKEND_MODE];
	enum ctl_exit result;

	if (mode == NULL)
		return refuse("--mode is missing", "", "say --mode l2 or --mode ipip");
	if (strcmp(mode, "l2") != 0 && strcmp(mode, "ipip") != 0)
		return refuse("--mode", mode, "allowed: l2, ipip");
	result = add_list(options, CTL_BACKEND_VIP, strcmp(mode, "ipip") == 0 ? SL_MODE_IPIP : SL_MODE_L2, target);
	if (result == CTL_DONE)
		result = add_list(options, CTL_BACKEND_LISTEN, strcmp(mode, "ipip") == 0 ? SL_MODE_IPIP : SL_MODE_L2,
				  target);
	if (result == CTL_DONE && target->count == 0)
		return refuse("no VIP is given", "", "--vip ADDRESS[,ADDRESS]... or --listen 'tcp ADDRESS:PORT'");
	return result;
}

/* ---- a configuration file ---- */

static int add_pool(const struct config *config, const struct config_pool *pool, const struct sl_addr *address,
		    struct backend_target *target)
{
	for (size_t i = 0; i < config->service_count; i++) {
		const struct config_service *service = &config->services[i];

		if (&config->pools[service->pool] != pool)
			continue;
		for (size_t j = 0; j < service->listener_count; j++) {
			const struct backend_listener listener = {.vip = service->listeners[j].address,
								  .address = *address,
								  .port = service->listeners[j].port,
								  .proto = service->listeners[j].proto,
								  .mode = service->mode,
								  .outer_source = config->outer_source};

			if (target_add(target, &listener) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

static enum ctl_exit load_config(const struct ctl_options *options, struct backend_target *target)
{
	const char *path = options->backend[CTL_BACKEND_CONFIG];
	struct config_errors *errors = NULL;
	struct config *config = NULL;
	enum ctl_exit result = CTL_DONE;

	if (config_load(path, NULL, &config, &errors) < 0) {
		if (errors != NULL)
			config_errors_print(errors, stderr);
		config_errors_free(errors);
		return refuse(path, "", "is no good configuration: sluiced --check says what is wrong");
	}
	config_errors_free(errors);
	for (size_t i = 0; i < config->pool_count && result == CTL_DONE; i++) {
		const struct config_pool *pool = &config->pools[i];

		if (options->pool != NULL && strcmp(options->pool, pool->name) != 0)
			continue;
		for (size_t j = 0; j < pool->backend_count && result == CTL_DONE; j++)
			if (strcmp(pool->backends[j].name, target->name) == 0 &&
			    add_pool(config, pool, &pool->backends[j].address, target) < 0)
				result = no_memory();
	}
	config_free(config);
	if (result == CTL_DONE && target->count == 0)
		return refuse("no service uses a backend called", target->name,
			      "the file's pools name them; --pool chooses one");
	return result;
}

/* ---- sluiced ---- */

static enum ctl_exit add_service(const json_t *service, const struct sl_addr *address,
				 const struct sl_addr *outer_source, struct backend_target *target)
{
	const char *mode = answer_text(service, "mode");
	const json_t *listener;
	size_t index;

	if (strcmp(mode, "l2") != 0 && strcmp(mode, "ipip") != 0)
		return refuse("sluiced speaks of a mode that this sluicectl does not know:", mode,
			      "use the sluicectl of its version");
	json_array_foreach(json_object_get(service, "listeners"), index, listener)
	{
		struct backend_listener row = {.address = *address,
					       .outer_source = *outer_source,
					       .port = (uint16_t)answer_number(listener, "port"),
					       .mode = strcmp(mode, "ipip") == 0 ? SL_MODE_IPIP : SL_MODE_L2};
		struct config_reason why;

		row.proto = strcmp(answer_text(listener, "protocol"), "udp") == 0 ? IPPROTO_UDP : IPPROTO_TCP;
		if (config_value_address(answer_text(listener, "address"), &row.vip, &why) &&
		    target_add(target, &row) < 0)
			return no_memory();
	}
	return CTL_DONE;
}

static enum ctl_exit load_answers(const struct ctl_options *options, const json_t *backends, const json_t *services,
				  struct backend_target *target)
{
	const json_t *backend, *service;
	enum ctl_exit result = CTL_DONE;
	size_t i, j;

	json_array_foreach(json_object_get(backends, "backends"), i, backend)
	{
		const char *pool = answer_text(backend, "pool");
		struct config_reason why;
		struct sl_addr address, source = {.d = {0, 0}};

		if (strcmp(answer_text(backend, "name"), target->name) != 0 ||
		    (options->pool != NULL && strcmp(pool, options->pool) != 0) ||
		    !config_value_address(answer_text(backend, "address"), &address, &why))
			continue;
		config_value_address(answer_text(backend, "outer_source"), &source,
				     &why); /* left as it is where there is none */
		json_array_foreach(json_object_get(services, "services"), j,
				   service) if (result == CTL_DONE && strcmp(answer_text(service, "pool"), pool) == 0)
			result = add_service(service, &address, &source, target);
	}
	if (result == CTL_DONE && target->count == 0)
		return refuse("no service uses a backend called", target->name, "sluicectl show backends lists them");
	return result;
}

static enum ctl_exit load_daemon(const struct ctl_options *options, struct backend_target *target)
{
	json_t *backends = NULL, *services = NULL;
	enum ctl_exit result = client_get(options, "/v1/backends", &backends);

	if (result == CTL_DONE)
		result = client_get(options, "/v1/services", &services);
	if (result == CTL_DONE)
		result = load_answers(options, backends, services, target);
	json_decref(backends);
	json_decref(services);
	return result;
}

enum ctl_exit backend_target_load(const struct ctl_options *options, const char *name,
				  struct backend_target *ret_target)
{
	const bool listed = options->backend[CTL_BACKEND_VIP] != NULL || options->backend[CTL_BACKEND_LISTEN] != NULL;
	struct backend_target target = {.count = 0};
	enum ctl_exit result;

	if (name == NULL && !listed)
		return refuse("no backend is named", "", "name one of the configuration, or give --vip and --mode");
	if (name != NULL && listed)
		return refuse("a backend and a list of VIPs are given", "",
			      "the backend's VIPs are in the configuration; leave one away");
	if (name != NULL && strlen(name) >= sizeof(target.name))
		return refuse("no backend has a name as long as", name, "sluicectl show backends lists them");
	if (name != NULL)
		strcpy(target.name, name);
	if (name == NULL)
		result = load_command_line(options, &target);
	else if (options->backend[CTL_BACKEND_CONFIG] != NULL)
		result = load_config(options, &target);
	else
		result = load_daemon(options, &target);
	if (result == CTL_DONE)
		*ret_target = target;
	else
		backend_target_free(&target);
	return result;
}

void backend_target_free(struct backend_target *target)
{
	free(target->listeners);
	target->listeners = NULL;
	target->count = 0;
}
