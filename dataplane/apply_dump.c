/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * States what apply.c holds once more, as records: the image (image.c) is compacted this way. Reads
 * the staging area only.
 */
#include <errno.h>
#include <string.h>

#include "dataplane/apply_stage.h"

struct dump {
	apply_emit emit;
	void *ctx;
	int err; /* of the first emit that failed; nothing is emitted after it */
	uint64_t records; /* so far */
};

static void dump_record(struct dump *dump, enum sl_record_type type, const void *payload, size_t len,
			const uint16_t *table)
{
	struct sl_record record = { .type = (__u16)type, .op = SL_OP_PUT };

	if (dump->err < 0)
		return;
	dump->records++;
	memcpy(&record.payload, payload, len);
	dump->err = dump->emit(dump->ctx, &record, table);
}

static void dump_pool(struct dump *dump, const struct staged_pool *pool)
{
	dump_record(dump, SL_RECORD_POOL, &pool->pool, sizeof(pool->pool), NULL);
	for (uint32_t slot = 0; slot < pool->backend_room; slot++) {
		if (pool->backend[slot].slot != slot)
			continue;
		dump_record(dump, SL_RECORD_BACKEND, &pool->backend[slot], sizeof(pool->backend[slot]), NULL);
	}
	for (uint32_t kind = 0; kind < SL_TABLE_KIND_COUNT; kind++) {
		const struct snapshot_rows *rows = pool->table[kind];
		struct sl_table_put put = { .pool = pool->pool.id, .kind = kind };

		if (rows == NULL)
			continue;
		put.rows = rows->rows;
		put.length = (uint64_t)rows->rows * sizeof(rows->row[0]);
		put.checksum = rows->checksum;
		dump_record(dump, SL_RECORD_TABLE, &put, sizeof(put), rows->row);
	}
}

static void dump_addresses(struct dump *dump, const struct apply *apply)
{
	const struct address_entry *entry;

	for (size_t at = 0; (entry = address_map_next(&apply->listeners, &at)) != NULL;) {
		const struct sl_listener listener = { entry->addr, entry->port, entry->proto, 0, entry->value };

		dump_record(dump, SL_RECORD_LISTENER, &listener, sizeof(listener), NULL);
	}
	for (size_t at = 0; (entry = address_map_next(&apply->vips, &at)) != NULL;) {
		const struct sl_vip vip = { .addr = entry->addr, .otherwise = (__u8)entry->value };

		dump_record(dump, SL_RECORD_VIP, &vip, sizeof(vip), NULL);
	}
}

int apply_dump(const struct apply *apply, apply_emit emit, void *ctx)
{
	struct dump dump = { .emit = emit, .ctx = ctx };
	struct sl_commit commit = { .generation = apply->generation };
	const struct sl_reset reset = { 0 };

	if (apply->generation == 0 || apply->records != 0)
		return -ENOENT;
	dump_record(&dump, SL_RECORD_RESET, &reset, sizeof(reset), NULL);
	if (apply->settings_stated)
		dump_record(&dump, SL_RECORD_SETTINGS, &apply->settings, sizeof(apply->settings), NULL);
	for (uint32_t id = 0; id < apply->neighbor_top; id++) {
		if (apply->neighbor[id].id != id)
			continue;
		dump_record(&dump, SL_RECORD_NEIGHBOR, &apply->neighbor[id], sizeof(apply->neighbor[id]), NULL);
	}
	for (uint32_t id = 0; id < apply->pool_top; id++) {
		if (apply->pool[id] != NULL && apply->pool[id]->present)
			dump_pool(&dump, apply->pool[id]);
	}
	for (uint32_t id = 0; id < apply->service_top; id++) {
		if (apply->service[id].id != id)
			continue;
		dump_record(&dump, SL_RECORD_SERVICE, &apply->service[id], sizeof(apply->service[id]), NULL);
	}
	dump_addresses(&dump, apply);
	commit.records = dump.records - 1; /* what came since RESET */
	dump_record(&dump, SL_RECORD_COMMIT, &commit, sizeof(commit), NULL);
	return dump.err;
}
