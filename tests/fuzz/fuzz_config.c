/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a configuration file. Either there is a configuration and no error, or the other way
 * round; what is accepted refers to nothing that is not there; messages print. The first byte says
 * what the machine is like. Leaks on error paths are what the sanitizers look for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/config.h"
#include "controlplane/config_diff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, so that the fuzzer keeps the input, when `holds` is false. */
static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_pool(const struct config *config, const struct config_pool *pool)
{
	uint64_t weights = 0;

	must(pool->name[0] && memchr(pool->name, 0, sizeof(pool->name)));
	must(pool->check >= -1 && pool->check < (int)config->check_count);
	must(pool->check < 0 || config->checks[pool->check].type == CONFIG_CHECK_ICMP ||
	     pool->check_port > 0);
	must(pool->backend_count > 0 && pool->backend_count <= SL_SLOT_MAX);
	must(pool->table_size >= pool->backend_count && pool->table_size <= SL_TABLE_ROWS_MAX);
	must(pool->idle_tcp_s > 0 && pool->idle_quic_s > 0 && pool->idle_udp_s > 0);
	for (size_t i = 0; i < pool->backend_count; i++) {
		must(pool->backends[i].name[0]);
		weights += pool->backends[i].weight;
	}
	must(weights > 0);
}

static void check(const struct config *config)
{
	struct config_diff *diff = NULL;

	must(config->interface_count == config->boot.port_count && config->interface_count > 0);
	must(config->boot.worker_count > 0 && config->boot.worker_count <= SL_WORKERS_MAX);
	must(config->service_count > 0 && config->vip_count > 0);
	for (size_t i = 0; i < config->interface_count; i++)
		must(config->boot.port[i].kind > SL_PORT_NONE &&
		     config->boot.port[i].kind < SL_PORT_KIND_COUNT);
	for (size_t i = 0; i < config->check_count; i++) {
		const struct config_check *check = &config->checks[i];

		must(check->interval_ms >= check->timeout_ms && check->timeout_ms > 0);
		must(check->rise > 0 && check->fall > 0);
		must(check->type != CONFIG_CHECK_HTTP || check->path);
	}
	for (size_t i = 0; i < config->pool_count; i++)
		check_pool(config, &config->pools[i]);
	for (size_t i = 0; i < config->service_count; i++) {
		must(config->services[i].pool >= 0 && config->services[i].pool < (int)config->pool_count);
		must(config->services[i].listener_count > 0);
	}
	must(config_diff(config, config, &diff) == 0 && diff->count == 0 && diff->backends_removed == 0);
	config_diff_free(diff);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct config_network network = { "eth1",
						       { .b = { [10] = 0xff, 0xff, 192, 0, 2 } },
						       120 };
	const struct config_host machines[] = {
		{ 0 },
		{ .file_root_owned = true },
		{ .networks = &network, .network_count = 1, .cpu_count = 2 },
	};
	struct config_errors *errors = NULL;
	struct config *config = NULL;
	char *printed = NULL;
	size_t len = 0;
	FILE *out;
	int err;

	if (size == 0)
		return 0;
	err = config_load_text("fuzz.yaml", (const char *)data + 1, size - 1, &machines[data[0] % 3], &config,
			       &errors);
	must(err == 0 || err == -EINVAL);
	must((config != NULL) == (err == 0) && errors && (config_errors_count(errors) == 0) == (err == 0));
	out = open_memstream(&printed, &len);
	config_errors_print(errors, out);
	fclose(out);
	must(err == 0 || len > 0);
	if (config)
		check(config);
	free(printed);
	config_free(config);
	config_errors_free(errors);
	return 0;
}
