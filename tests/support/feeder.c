/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See feeder.h. The file is laid out and published by sluiced's own code.
 */
#include "feeder.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "controlplane/publish_ring.h"
#include "controlplane/shm_file.h"

struct feeder {
	struct feeder_conf conf;
	struct sl_shm_header header;
	uint8_t *base;
	struct shm_file *file;
	struct publisher *publisher;
	uint64_t generation;
	unsigned int hellos;
};

static void feeder_hello(void *ctx, const struct sl_hello *hello)
{
	struct feeder *feeder = ctx;

	(void)hello;
	feeder->hellos++;
}

static void feeder_map_new_file(struct feeder *feeder)
{
	const struct shm_capacity capacity = {
		.limits = {.services = feeder->conf.services_max ? feeder->conf.services_max : 8,
			   .pools = 8,
			   .backends = 64,
			   .neighbors = 64,
			   .listeners = 16,
			   .vips = 8,
			   .workers = feeder->conf.boot.worker_count},
		.rows = 65536,
		.rows_max = 4096,
	};
	char reason[256];

	if (shm_file_create(feeder->conf.dir, &feeder->conf.boot, &capacity, &feeder->file, reason, sizeof(reason)) < 0) {
		printf("%s\n", reason);
		abort();
	}
	feeder->header = *shm_file_header(feeder->file);
	feeder->base = shm_file_base(feeder->file);
}

static void feeder_backends(struct feeder *feeder)
{
	const struct feeder_conf *conf = &feeder->conf;

	for (unsigned int b = 0; b < conf->backends; b++) {
		const struct sl_neighbor neighbor = {.id = b,
						     .port = conf->out_port,
						     .mtu = 1500,
						     .mac = {2, 0, 0, 0, 1, (uint8_t)b},
						     .known = 1};
		const struct sl_backend backend = {.pool = 0,
						   .slot = (uint16_t)b,
						   .state = SL_BACKEND_UP,
						   .stats = b,
						   .neighbor = b,
						   .addr = conf->backend_addr,
						   .outer_src = conf->outer_src};

		assert(publisher_neighbor(feeder->publisher, &neighbor, SL_OP_PUT) == 0);
		assert(publisher_backend(feeder->publisher, &backend, SL_OP_PUT) == 0);
	}
}

void feeder_use(struct feeder *feeder, unsigned int backends)
{
	struct table *table = table_alloc(FEEDER_ROWS);

	assert(table != NULL);
	for (unsigned int row = 0; row < FEEDER_ROWS; row++)
		table->row[row] = backends ? (uint16_t)(row % backends) : SL_SLOT_NONE;
	assert(publisher_table(feeder->publisher, 0, SL_TABLE_CURRENT, table) == 0);
	table_put(table);
	publisher_commit(feeder->publisher, ++feeder->generation);
}

struct feeder *feeder_create(const struct feeder_conf *conf)
{
	const struct sl_settings settings = {.hash_key = {1, 2}, .flow_key = {3, 4}, .reply_rate = 1000,
					     .numbering = conf->numbering};
	const struct publisher_events events = {.hello = feeder_hello};
	struct feeder *feeder = calloc(1, sizeof(*feeder));
	struct publisher_events own;
	const struct sl_pool pool = {.rows = FEEDER_ROWS, .slots = (uint16_t)conf->backends, .idle_s = {60, 60, 60}};
	const struct sl_service service = {.mode = (uint8_t)conf->mode, .tracking = (uint8_t)conf->tracking};
	const struct sl_listener listener = {
		.addr = conf->vip, .port = htons(FEEDER_PORT), .proto = conf->proto, .service = 0};
	const struct sl_vip vip = {.addr = conf->vip};

	assert(feeder != NULL);
	feeder->conf = *conf;
	mkdir(conf->dir, 0750);
	feeder_map_new_file(feeder);
	own = events;
	own.ctx = feeder;
	assert(publish_ring_create(feeder->base, &feeder->header, &own, &feeder->publisher) == 0);
	assert(publisher_settings(feeder->publisher, &settings) == 0);
	assert(publisher_pool(feeder->publisher, &pool, SL_OP_PUT) == 0);
	feeder_backends(feeder);
	assert(publisher_service(feeder->publisher, &service, SL_OP_PUT) == 0);
	assert(publisher_listener(feeder->publisher, &listener, SL_OP_PUT) == 0);
	assert(publisher_vip(feeder->publisher, &vip, SL_OP_PUT) == 0);
	feeder_use(feeder, conf->backends);
	return feeder;
}

bool feeder_pump(struct feeder *feeder, uint64_t generation, int ms)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	for (int i = 0; i <= ms; i++) {
		publisher_pump(feeder->publisher);
		if (generation != 0 && publisher_applied(feeder->publisher) >= generation)
			return true;
		nanosleep(&pause, NULL);
	}
	return generation != 0 && publisher_applied(feeder->publisher) >= generation;
}

uint64_t feeder_generation(const struct feeder *feeder)
{
	return feeder->generation;
}

unsigned int feeder_hellos(const struct feeder *feeder)
{
	return feeder->hellos;
}

const struct sl_shm_live *feeder_live(const struct feeder *feeder)
{
	return (const struct sl_shm_live *)(feeder->base + SL_SHM_HEADER_PAGES * SL_SHM_PAGE);
}

const struct sl_worker_stats *feeder_worker(const struct feeder *feeder, unsigned int worker)
{
	return (const struct sl_worker_stats *)(feeder->base + feeder->header.stats.offset +
						worker * sl_stats_block_size(&feeder->header.limits));
}

uint64_t feeder_verdict(const struct feeder *feeder, enum sl_verdict verdict)
{
	uint64_t sum = 0;

	for (unsigned int w = 0; w < feeder->header.limits.workers; w++)
		sum += __atomic_load_n(&feeder_worker(feeder, w)->verdict[verdict], __ATOMIC_RELAXED);
	return sum;
}

uint64_t feeder_received(const struct feeder *feeder)
{
	uint64_t sum = 0;

	for (unsigned int w = 0; w < feeder->header.limits.workers; w++)
		sum += __atomic_load_n(&feeder_worker(feeder, w)->rx_packets, __ATOMIC_RELAXED);
	return sum;
}

uint64_t feeder_verdict_sum(const struct feeder *feeder)
{
	uint64_t sum = 0;

	for (int v = 0; v < SL_VERDICT_SLOTS; v++)
		sum += feeder_verdict(feeder, (enum sl_verdict)v);
	return sum;
}

static struct sl_counter feeder_counter(const struct feeder *feeder, uint64_t at)
{
	struct sl_counter sum = {0, 0};

	for (unsigned int w = 0; w < feeder->header.limits.workers; w++) {
		const struct sl_counter *counter = (const struct sl_counter *)(feeder_worker(feeder, w) + 1) + at;

		sum.packets += __atomic_load_n(&counter->packets, __ATOMIC_RELAXED);
		sum.bytes += __atomic_load_n(&counter->bytes, __ATOMIC_RELAXED);
	}
	return sum;
}

struct sl_counter feeder_service(const struct feeder *feeder, unsigned int service)
{
	return feeder_counter(feeder, service);
}

struct sl_counter feeder_backend(const struct feeder *feeder, unsigned int backend)
{
	return feeder_counter(feeder, feeder->header.limits.services + backend);
}

void feeder_destroy(struct feeder *feeder)
{
	publisher_destroy(feeder->publisher);
	shm_file_destroy(feeder->file);
	free(feeder);
}
