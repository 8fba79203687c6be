/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What others ask of the model: which addresses to probe and to resolve, which VIPs to hold, whether two
 * balancers agree. Reads only.
 */
#include "model.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model_index.h"

#include "sluice/core/hash.h"

bool model_pool_known(const struct model_pool *pool)
{
	for (size_t i = 0; i < pool->backend_count; i++)
		if (pool->backends[i].health == BACKEND_UNKNOWN)
			return false;
	return true;
}

bool model_hop_known(const struct model *model, const struct model_hop *hop)
{
	return hop->neighbor > 0 && hop->neighbor < model->neighbor_count && model->neighbors[hop->neighbor].known;
}

/* Longest connection-idle among what a service carries, in seconds; 0: nothing of it is kept together. */
static uint32_t service_idle_s(const struct config_service *service, const struct config_pool *pool)
{
	uint32_t idle_s = 0;

	for (size_t i = 0; i < service->listener_count; i++) {
		uint32_t kind_s = pool->idle_tcp_s;

		if (service->listeners[i].proto == IPPROTO_UDP)
			kind_s = service->udp_flows == SL_UDP_FLOWS_QUIC     ? pool->idle_quic_s
				 : service->udp_flows == SL_UDP_FLOWS_STICKY ? pool->idle_udp_s
									     : 0;
		idle_s = kind_s > idle_s ? kind_s : idle_s;
	}
	return idle_s;
}

uint64_t model_drain_quiet_ms(const struct model_pool *pool)
{
	uint32_t idle_s = 1; /* single questions only: one look at the counter */
	uint32_t service_s;

	if (pool->conf->drain_quiet_ms > 0)
		return pool->conf->drain_quiet_ms;
	for (const struct model_service *service = pool->services; service; service = service->next_of_pool) {
		service_s = service_idle_s(service->conf, pool->conf);
		idle_s = service_s > idle_s ? service_s : idle_s;
	}
	return (uint64_t)idle_s * 1000;
}

static int add_probe(const struct model_pool *pool, const struct model_backend *backend, struct model_probe *probe)
{
	if (pool->conf->check < 0)
		return 0;
	*probe = (struct model_probe){ .address = backend->conf->address, .port = pool->conf->check_port,
				       .check = pool->conf->check };
	return 1;
}

static int compare_probes(const void *a, const void *b)
{
	const struct model_probe *x = a, *y = b;
	const int order = memcmp(&x->address, &y->address, sizeof(x->address));

	if (order != 0)
		return order;
	if (x->check != y->check)
		return x->check < y->check ? -1 : 1;
	return (int)x->port - (int)y->port;
}

size_t model_probes(const struct model *model, struct model_probe **ret_probes)
{
	struct model_probe *probes;
	size_t total = 0, count = 0, distinct = 0;

	for (size_t i = 0; i < model->pool_count; i++)
		total += model->pools[i].backend_count;
	probes = calloc(total + 1, sizeof(*probes));
	*ret_probes = probes;
	if (!probes)
		return 0;
	for (size_t i = 0; i < model->pool_count; i++)
		for (size_t k = 0; k < model->pools[i].backend_count; k++)
			count += (size_t)add_probe(&model->pools[i], &model->pools[i].backends[k], &probes[count]);
	qsort(probes, count, sizeof(*probes), compare_probes);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || compare_probes(&probes[distinct - 1], &probes[i]) != 0)
			probes[distinct++] = probes[i];
	return distinct;
}

size_t model_probe_users(const struct model *model, const struct model_probe *probe, const struct model_pool **ret_pool,
			 const struct model_backend **ret_backend)
{
	struct model_index_iter iter;
	struct model_backend *backend;
	size_t users = 0;

	model_index_start(model->index, &probe->address, &iter);
	while ((backend = model_index_next(&iter)) != NULL) {
		const struct model_pool *pool = &model->pools[iter.pool];

		if (pool->conf->check != probe->check || pool->conf->check_port != probe->port || users++ > 0)
			continue;
		*ret_pool = pool;
		*ret_backend = backend;
	}
	return users;
}

size_t model_addresses(const struct model *model, struct sl_addr **ret_addresses)
{
	const struct model_index *index = model->index; /* sorted by address already */
	const size_t count = index ? index->count : 0;
	struct sl_addr *addresses = calloc(count + 1, sizeof(*addresses));
	size_t distinct = 0;

	*ret_addresses = addresses;
	for (size_t i = 0; addresses && i < count; i++)
		if (i == 0 || !sl_addr_equal(&addresses[distinct - 1], &index->entry[i].address))
			addresses[distinct++] = index->entry[i].address;
	return distinct;
}

static int compare_addresses(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sl_addr));
}

/* A VIP and its place in the configuration. */
struct vip_place {
	struct sl_addr address; /* first: compared as an address */
	size_t at;
	bool held;
};

static bool enough_healthy(const struct model_pool *pool)
{
	uint32_t healthy = 0;

	for (size_t i = 0; i < pool->backend_count; i++)
		healthy += pool->backends[i].health == BACKEND_UP;
	return healthy >= pool->conf->min_healthy;
}

/* The VIPs of one service, when its pool speaks against them. */
static void withhold(const struct model *model, const struct config_service *service,
		     const struct vip_place *places, bool *wanted)
{
	const struct model_pool *pool = &model->pools[service->pool];

	if (pool->known && enough_healthy(pool))
		return;
	for (size_t i = 0; i < service->listener_count; i++) {
		const struct vip_place *place = bsearch(&service->listeners[i].address, places, model->config->vip_count,
							sizeof(*places), compare_addresses);

		if (place && (pool->known || !place->held))
			wanted[place->at] = false;
	}
}

int model_vips_wanted(const struct model *model, bool *wanted)
{
	const size_t count = model->config->vip_count;
	struct vip_place *places = calloc(count + 1, sizeof(*places));

	if (!places)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		places[i] = (struct vip_place){ .address = model->config->vips[i].address, .at = i, .held = wanted[i] };
		wanted[i] = true;
	}
	qsort(places, count, sizeof(*places), compare_addresses);
	for (size_t i = 0; i < model->service_count; i++)
		withhold(model, model->services[i].conf, places, wanted);
	free(places);
	return 0;
}

uint64_t model_tables_checksum(const struct model *model)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < model->pool_count; i++)
		if (model->pools[i].table)
			sum += sl_table_term(model->pools[i].id, model->pools[i].table->rows, model->pools[i].table_sum);
	return sum;
}

int model_compare_listeners(const void *a, const void *b)
{
	return memcmp(a, b, offsetof(struct sl_listener, service));
}

size_t model_listeners(const struct model *model, struct sl_listener **ret_listeners)
{
	struct sl_listener *listeners;
	size_t count = 0, n = 0;

	for (size_t i = 0; i < model->service_count; i++)
		count += model->services[i].conf->listener_count;
	listeners = calloc(count + 1, sizeof(*listeners));
	*ret_listeners = listeners;
	for (size_t i = 0; listeners && i < model->service_count; i++)
		for (size_t k = 0; k < model->services[i].conf->listener_count; k++) {
			const struct config_listener *conf = &model->services[i].conf->listeners[k];

			listeners[n++] = (struct sl_listener){ .addr = conf->address, .port = htons(conf->port),
							       .proto = conf->proto,
							       .service = model->services[i].id };
		}
	if (listeners)
		qsort(listeners, n, sizeof(*listeners), model_compare_listeners);
	return n;
}

int model_compare_vips(const void *a, const void *b)
{
	return memcmp(&((const struct sl_vip *)a)->addr, &((const struct sl_vip *)b)->addr, sizeof(struct sl_addr));
}

size_t model_vips(const struct model *model, struct sl_vip **ret_vips)
{
	const size_t count = model->config->vip_count;
	struct sl_vip *vips = calloc(count + 1, sizeof(*vips));

	*ret_vips = vips;
	for (size_t i = 0; vips && i < count; i++)
		vips[i] = (struct sl_vip){ .addr = model->config->vips[i].address,
					   .otherwise = (uint8_t)model->config->vips[i].no_service };
	if (vips)
		qsort(vips, count, sizeof(*vips), model_compare_vips);
	return vips ? count : 0;
}

static int compare_sources(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sl_addr));
}

/* Thousands of backends have a handful of sources: a run of the same one is written once. */
size_t model_sources(const struct model *model, struct sl_addr **ret_sources)
{
	struct sl_addr *sources;
	size_t count = 0, n = 0, different = 0;

	for (size_t i = 0; i < model->pool_count; i++)
		count += model->pools[i].backend_count;
	sources = calloc(count + 1, sizeof(*sources));
	*ret_sources = sources;
	for (size_t i = 0; sources && i < model->pool_count; i++)
		for (size_t k = 0; k < model->pools[i].backend_count; k++) {
			const struct sl_addr source = model_outer_source(model, &model->pools[i].backends[k]);
			const bool known = source.d[0] != 0 || source.d[1] != 0;

			if (known && (n == 0 || !sl_addr_equal(&sources[n - 1], &source)))
				sources[n++] = source;
		}
	if (n > 0)
		qsort(sources, n, sizeof(*sources), compare_sources);
	for (size_t i = 0; i < n; i++)
		if (different == 0 || !sl_addr_equal(&sources[different - 1], &sources[i]))
			sources[different++] = sources[i];
	return different;
}
