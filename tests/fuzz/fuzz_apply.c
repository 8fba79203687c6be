/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hostile control plane: bytes become records of the ring (sealed, so that they get past the checksum)
 * or are written anywhere into ring and arena. The consumer must neither crash nor loop, and whatever
 * snapshot it builds must be safe to walk and to look things up in.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dataplane/env.h"
#include "dataplane/feed.h"
#include "sluice/ring.h"
#include "tests/support/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Part of the seam; nothing is forwarded here. */
SL_INLINE __attribute__((unused)) int sl_env_room(struct sl_env *env, struct sl_packet *pkt)
{
	(void)env;
	(void)pkt;
	return -1;
}

struct input {
	const uint8_t *at;
	size_t left;
};

struct hostile {
	struct sl_shm_header header;
	uint8_t *base;
	struct sl_ring_end producer;
	struct feed *feed;
	uint64_t records, generation, now_ns;
};

/* Copies what is left of the input, zeros behind it. */
static void draw(struct input *input, void *out, size_t len)
{
	const size_t got = len < input->left ? len : input->left;

	memset(out, 0, len);
	if (got > 0)
		memcpy(out, input->at, got);
	input->at += got;
	input->left -= got;
}

/* Keeps what was read from being optimised away. */
static volatile uint64_t read_all;

/* Bases and lenses, as the rules of open rows read them. */
static uint64_t walk_history(struct sl_env *env, const struct snapshot *snapshot)
{
	uint64_t sum = 0;
	uint16_t slot;

	for (uint32_t id = 0; id < snapshot->pool_count; id++) {
		const struct sl_pool *pool = sl_env_pool(env, id);

		for (uint8_t kind = 0; pool != NULL && kind < SL_FLOW_KIND_COUNT; kind++) {
			for (uint32_t row = 0; row < pool->rows; row++) {
				slot = sl_env_base(env, pool, kind, row, SL_SLOT_NONE) & SL_ROW_SLOT;
				if (slot != SL_SLOT_NONE && sl_env_backend(env, pool, slot) == NULL)
					abort();
				sum += slot;
			}
			for (uint32_t row = 0; row < pool->lens_rows && sl_env_lens(env, pool, kind, row, &slot); row++)
				sum += slot;
		}
	}
	return sum;
}

/* What workers do with a snapshot, for addresses, rows and ids that it has and has not. */
static void walk(const struct snapshot *snapshot)
{
	struct sl_env env = { .snapshot = snapshot };
	uint64_t sum = world_snapshot_digest(snapshot);

	for (uint32_t id = 0; id <= snapshot->pool_count; id++) {
		const struct sl_pool *pool = sl_env_pool(&env, id);

		for (uint32_t row = 0; pool != NULL && row < pool->rows; row++) {
			const uint16_t slot = sl_env_row(&env, pool, row) & SL_ROW_SLOT;
			const struct sl_backend *backend = sl_env_backend(&env, pool, slot);

			if (slot != SL_SLOT_NONE && (backend == NULL || sl_env_neighbor(&env, backend->neighbor) == NULL))
				abort(); /* apply_commit() promises it */
			sum += backend != NULL ? backend->stats : 0;
		}
	}
	read_all = sum + walk_history(&env, snapshot);
	for (uint32_t i = 0; i <= snapshot->services->mask; i++) {
		const struct snapshot_listener *slot = &snapshot->services->slot[i];

		if (snapshot_addr_is_zero(&slot->addr))
			continue;
		if (sl_env_service(&env, &slot->addr, slot->port, slot->proto) != &slot->service ||
		    sl_env_pool(&env, slot->service.pool) == NULL)
			abort();
	}
}

static void push_table(struct hostile *h, struct input *input, union sl_payload *payload)
{
	uint16_t rows[64];

	draw(input, rows, sizeof(rows));
	if (payload->table.position % 2 == 0) { /* honest numbers, hostile rows */
		payload->table.rows = SL_TABLE_ROWS_MIN + payload->table.rows % (64 - SL_TABLE_ROWS_MIN);
		sl_arena_write(&h->producer, rows, payload->table.rows * 2, &payload->table);
	}
}

static void push_record(struct hostile *h, struct input *input, uint8_t what)
{
	union sl_payload payload;
	const uint16_t type = what % (SL_RECORD_COMMIT + 2);
	uint8_t op;

	draw(input, &op, 1);
	draw(input, &payload, sizeof(payload));
	if (type == SL_RECORD_TABLE)
		push_table(h, input, &payload);
	if (type == SL_RECORD_COMMIT && op < 0xf0) {
		payload.commit.generation = ++h->generation;
		payload.commit.records = h->records;
	}
	if (!sl_ring_push(&h->producer, type, op < 0xf0 ? op & 1 : op, &payload, sizeof(payload)))
		return;
	h->records = type == SL_RECORD_RESET || type == SL_RECORD_COMMIT ? 0 : h->records + 1;
}

static void scribble(struct hostile *h, struct input *input)
{
	uint8_t where[4];
	const struct sl_region *region;

	draw(input, where, sizeof(where));
	region = where[0] % 3 == 0 ? &h->header.arena : where[0] % 3 == 1 ? &h->header.to_data : &h->header.to_control;
	h->base[region->offset + (where[1] | where[2] << 8) % region->size] = where[3];
}

static void poll_feed(struct hostile *h)
{
	struct snapshot *snapshot;

	h->now_ns += 300000000;
	while ((snapshot = feed_poll(h->feed, h->now_ns, 64)) != NULL) {
		walk(snapshot);
		feed_applied(h->feed, snapshot_generation(snapshot), snapshot_tables_checksum(snapshot));
		snapshot_free(snapshot);
	}
}

static void restart(struct hostile *h)
{
	const struct feed_config config = { .base = h->base, .header = &h->header, .allocator = &dp_allocator_malloc };
	struct snapshot *snapshot;

	feed_destroy(h->feed);
	if (feed_create(&config, &h->feed) < 0)
		abort();
	if (feed_restore(h->feed, &snapshot) == 0) {
		walk(snapshot);
		snapshot_free(snapshot);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hostile h = { .header = world_header(42) };
	struct input input = { data, size };
	uint8_t what;

	h.header.to_data.size = sizeof(struct sl_ring) + 16 * sizeof(struct sl_record);
	h.header.to_control.size = sizeof(struct sl_ring) + 2 * sizeof(struct sl_record);
	h.header.arena.size = 4096;
	h.header.image.size = SL_SHM_PAGE + 16384;
	h.base = mmap(NULL, h.header.total_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (h.base == MAP_FAILED)
		abort();
	sl_ring_attach(&h.producer, h.base, &h.header.to_data, &h.header.arena, h.header.session);
	restart(&h);
	while (input.left > 0) {
		draw(&input, &what, 1);
		if (what < 0xd0)
			push_record(&h, &input, what);
		else if (what < 0xf0)
			scribble(&h, &input);
		else if (what == 0xff)
			restart(&h);
		poll_feed(&h);
	}
	feed_destroy(h.feed);
	munmap(h.base, h.header.total_size);
	return 0;
}
