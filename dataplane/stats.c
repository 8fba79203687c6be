/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies by relaxed 8-byte stores, and only what changed: readers see each counter whole, and an idle
 * balancer dirties no page.
 */
#include "dataplane/stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Everything before snapshot_generation only ever grows; what follows says how things are now. */
enum {
	STATS_WORDS = offsetof(struct sl_worker_stats, snapshot_generation) / sizeof(uint64_t),
	STATS_MISSED = offsetof(struct sl_worker_stats, missed) / sizeof(uint64_t),
	STATS_NO_MBUF = offsetof(struct sl_worker_stats, no_mbuf) / sizeof(uint64_t),
	STATS_RX_PACKETS = offsetof(struct sl_worker_stats, rx_packets) / sizeof(uint64_t),
	STATS_READS = 64, /* tries to find a worker between two bursts; then it is the next copy's turn */
	STATS_STATE_STUCK = 3,
};

static uint64_t stats_load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void stats_store(uint64_t *word, uint64_t value)
{
	if (stats_load(word) != value)
		__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/* The private counters are written by their worker meanwhile: each word is read whole. */
static struct sl_counter stats_load_counter(const struct sl_counter *counter)
{
	return (struct sl_counter){stats_load((const uint64_t *)&counter->packets),
				   stats_load((const uint64_t *)&counter->bytes)};
}

static uint64_t stats_per_block(const struct sl_shm_limits *limits)
{
	return (uint64_t)limits->services + limits->backends;
}

static uint8_t *stats_block(const struct stats *stats, unsigned int block)
{
	return stats->region + block * sl_stats_block_size(&stats->limits);
}

void stats_init(struct stats *stats, const struct dp_allocator *allocator, struct worker *worker,
		unsigned int workers)
{
	memset(stats, 0, sizeof(*stats));
	stats->allocator = allocator;
	stats->worker = worker;
	stats->workers = workers;
}

static uint64_t stats_private_word(const struct stats *stats, unsigned int block, unsigned int word)
{
	if (block >= stats->workers)
		return 0;
	if (word == STATS_MISSED)
		return stats->missed[block];
	if (word == STATS_NO_MBUF)
		return stats->no_mbuf[block];
	return stats_load((const uint64_t *)&stats->worker[block].stats + word);
}

/*
 * Reads the counters of worker `block` as they are between two bursts, so that packets in = sum of verdicts
 * in the file too, whenever we are killed. False: none of some tries was undisturbed.
 */
static bool stats_read(const struct stats *stats, unsigned int block, uint64_t ret_words[static STATS_WORDS])
{
	const struct worker *worker = block < stats->workers ? &stats->worker[block] : NULL;

	for (int tries = 0; tries < STATS_READS; tries++) {
		/* acquire: pairs with the release at the end of worker_count */
		const uint64_t counted = worker ? atomic_load_explicit(&worker->counted, memory_order_acquire) : 0;

		for (unsigned int i = 0; i < STATS_WORDS; i++)
			ret_words[i] = stats_private_word(stats, block, i);
		atomic_thread_fence(memory_order_acquire); /* pairs with the fence in worker_count */
		if (!worker || (counted % 2 == 0 && atomic_load_explicit(&worker->counted, memory_order_relaxed) == counted))
			return true;
	}
	return false;
}

static void stats_add(struct sl_counter *sum, const struct worker_counters *counters, uint32_t services, uint64_t at)
{
	struct sl_counter counter = {0, 0};

	if (at < services && at < counters->service_count)
		counter = stats_load_counter(&counters->services[at]);
	else if (at >= services && at - services < counters->backend_count)
		counter = stats_load_counter(&counters->backends[at - services]);
	sum->packets += counter.packets;
	sum->bytes += counter.bytes;
}

/* What block `block` has counted at position `at` (services, then backends), ever. */
static struct sl_counter stats_total(const struct stats *stats, unsigned int block, uint64_t at)
{
	struct sl_counter sum = stats->base_counters[block * stats_per_block(&stats->limits) + at];

	if (block >= stats->workers)
		return sum;
	stats_add(&sum, &stats->now[block], stats->limits.services, at);
	if (stats->replacing)
		stats_add(&sum, &stats->replaced[block], stats->limits.services, at);
	return sum;
}

/* The base for another file's sizes: positions keep their meaning, further ones start at zero. */
static int stats_resize_base(struct stats *stats, const struct sl_shm_limits *limits)
{
	const uint64_t per_block = stats_per_block(limits), old_per_block = stats_per_block(&stats->limits);
	struct sl_counter *base = calloc(limits->workers * per_block + 1, sizeof(*base));

	if (!base)
		return -ENOMEM;
	for (unsigned int b = 0; stats->base_counters && b < limits->workers && b < stats->limits.workers; b++) {
		const struct sl_counter *old = stats->base_counters + b * old_per_block;
		const uint32_t services =
			limits->services < stats->limits.services ? limits->services : stats->limits.services;
		const uint32_t backends =
			limits->backends < stats->limits.backends ? limits->backends : stats->limits.backends;

		memcpy(base + b * per_block, old, services * sizeof(*old));
		memcpy(base + b * per_block + limits->services, old + stats->limits.services,
		       backends * sizeof(*old));
	}
	free(stats->base_counters);
	stats->base_counters = base;
	return 0;
}

static int stats_alloc_counters(const struct stats *stats, const struct sl_shm_limits *limits,
				struct worker_counters *counters)
{
	for (unsigned int w = 0; w < stats->workers; w++) {
		counters[w].services = stats->allocator->alloc(stats->allocator->ctx,
							       sizeof(struct sl_counter) * (stats_per_block(limits) + 1),
							       64);
		if (!counters[w].services) {
			while (w-- > 0)
				stats->allocator->free(stats->allocator->ctx, counters[w].services);
			return -ENOMEM;
		}
		counters[w].backends = counters[w].services + limits->services;
		counters[w].service_count = limits->services;
		counters[w].backend_count = limits->backends;
	}
	return 0;
}

/* Whatever the file holds above our totals was counted before us: it joins the base. */
static void stats_take_base(struct stats *stats)
{
	const uint64_t per_block = stats_per_block(&stats->limits);

	for (unsigned int b = 0; b < stats->limits.workers; b++) {
		const struct sl_worker_stats *found = (const struct sl_worker_stats *)stats_block(stats, b);
		const struct sl_counter *counters = (const struct sl_counter *)(found + 1);
		uint64_t *base = (uint64_t *)&stats->base[b];

		uint64_t verdicts = 0;

		for (unsigned int i = 0; i < STATS_WORDS; i++) {
			uint64_t value = stats_load((const uint64_t *)found + i);
			const uint64_t ours = base[i] + stats_private_word(stats, b, i);

			if (i < SL_VERDICT_SLOTS)
				verdicts += value;
			if (i == STATS_RX_PACKETS && value < verdicts) /* killed between these two stores */
				value = verdicts;
			if (value > ours)
				base[i] += value - ours;
		}
		for (uint64_t at = 0; at < per_block; at++) {
			const struct sl_counter value = stats_load_counter(&counters[at]);
			const struct sl_counter ours = stats_total(stats, b, at);
			struct sl_counter *add = &stats->base_counters[b * per_block + at];

			if (value.packets > ours.packets)
				add->packets += value.packets - ours.packets;
			if (value.bytes > ours.bytes)
				add->bytes += value.bytes - ours.bytes;
		}
	}
}

int stats_attach(struct stats *stats, void *base, const struct sl_shm_header *header)
{
	const struct sl_shm_limits *limits = &header->limits;
	struct worker_counters counters[SL_WORKERS_MAX] = {0};
	const bool grow = stats->now[0].service_count != limits->services ||
			  stats->now[0].backend_count != limits->backends || !stats->now[0].services;

	if (stats->replacing)
		return -EBUSY;
	if (grow && stats_alloc_counters(stats, limits, counters) < 0)
		return -ENOMEM;
	if (stats_resize_base(stats, limits) < 0) {
		for (unsigned int w = 0; grow && w < stats->workers; w++)
			stats->allocator->free(stats->allocator->ctx, counters[w].services);
		return -ENOMEM;
	}
	if (grow) {
		memcpy(stats->replaced, stats->now, sizeof(stats->replaced));
		memcpy(stats->now, counters, sizeof(stats->now));
		stats->replacing = stats->replaced[0].services != NULL;
	}
	stats->limits = *limits;
	stats->region = (uint8_t *)base + header->stats.offset;
	stats->slice = 0;
	stats_take_base(stats);
	return grow ? 1 : 0;
}

void stats_replaced(struct stats *stats)
{
	const uint64_t per_block = stats_per_block(&stats->limits);

	for (unsigned int w = 0; stats->replacing && w < stats->workers; w++) {
		for (uint64_t at = 0; w < stats->limits.workers && at < per_block; at++)
			stats_add(&stats->base_counters[w * per_block + at], &stats->replaced[w], stats->limits.services,
				  at);
		stats->allocator->free(stats->allocator->ctx, stats->replaced[w].services);
	}
	memset(stats->replaced, 0, sizeof(stats->replaced));
	stats->replacing = false;
}

/* The words that say how things are, not how much there was. */
static void stats_copy_state(const struct stats *stats, unsigned int block, struct sl_worker_stats *out)
{
	const struct sl_worker_stats *worker = &stats->worker[block].stats;
	const uint32_t state = stats->stuck[block] ? STATS_STATE_STUCK
						   : __atomic_load_n(&worker->state, __ATOMIC_RELAXED);

	stats_store((uint64_t *)&out->snapshot_generation, stats_load((const uint64_t *)&worker->snapshot_generation));
	__atomic_store_n(&out->cpu, __atomic_load_n(&worker->cpu, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
	if (__atomic_load_n(&out->state, __ATOMIC_RELAXED) != state)
		__atomic_store_n(&out->state, state, __ATOMIC_RELAXED);
}

void stats_copy(struct stats *stats, uint64_t budget)
{
	const uint64_t per_block = stats_per_block(&stats->limits);
	const uint64_t all = per_block * stats->limits.workers;

	if (!stats->region)
		return;
	for (unsigned int b = 0; b < stats->limits.workers; b++) {
		struct sl_worker_stats *out = (struct sl_worker_stats *)stats_block(stats, b);
		uint64_t words[STATS_WORDS];
		const bool balanced = stats_read(stats, b, words);

		for (unsigned int i = 0; balanced && i < STATS_WORDS; i++)
			stats_store((uint64_t *)out + i, ((const uint64_t *)&stats->base[b])[i] + words[i]);
		if (b < stats->workers)
			stats_copy_state(stats, b, out);
		else
			__atomic_store_n(&out->state, 0, __ATOMIC_RELAXED);
	}
	for (uint64_t i = 0; i < budget && i < all; i++, stats->slice++) {
		const uint64_t at = stats->slice % all;
		const unsigned int b = (unsigned int)(at / per_block);
		struct sl_counter *out =
			(struct sl_counter *)(stats_block(stats, b) + sizeof(struct sl_worker_stats)) + at % per_block;
		const struct sl_counter total = stats_total(stats, b, at % per_block);

		stats_store((uint64_t *)&out->packets, total.packets);
		stats_store((uint64_t *)&out->bytes, total.bytes);
	}
}
