/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ring → private copy → apply → snapshot, and reports back. Reports are facts too: what finds no room
 * in the ring is remembered (one of a kind) and sent later, so a hung sluiced costs nothing.
 */
#include "dataplane/feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sluice/ring.h"

enum { ASK_AGAIN_NS = 1000000000 }; /* nothing stated for so long: the last request may be lost */

struct feed {
	struct sl_ring_end to_data;
	struct sl_ring_end to_control;
	struct apply *apply;
	struct image image;
	int image_error;
	uint16_t *table;      /* private copy of table bytes */
	uint64_t table_size;
	struct sl_hello hello;
	uint64_t asked_ns;    /* when the last HELLO or REJECTED was due */
	bool hello_due, rejected_due, applied_due;
	struct sl_rejected rejected;
	struct sl_rejected rejected_unseen; /* for feed_rejected() */
	struct sl_applied applied;
	void (*flow)(void *ctx, const struct sl_flow_put *flow);
	void *ctx;
};

int feed_create(const struct feed_config *config, struct feed **ret_feed)
{
	const struct sl_shm_header *header = config->header;
	struct feed *feed = calloc(1, sizeof(*feed));

	if (feed == NULL)
		return -ENOMEM;
	if (apply_create(&header->limits, config->allocator, &feed->apply) < 0) {
		free(feed);
		return -ENOMEM;
	}
	sl_ring_attach(&feed->to_data, config->base, &header->to_data, &header->arena, header->session);
	sl_ring_attach(&feed->to_control, config->base, &header->to_control, NULL, header->session);
	sl_ring_begin_consumer(&feed->to_data);
	sl_ring_begin_producer(&feed->to_control);
	image_attach(&feed->image, config->base, &header->image, header->session);
	feed->hello = config->hello;
	feed->flow = config->flow;
	feed->ctx = config->ctx;
	feed->hello_due = true;
	*ret_feed = feed;
	return 0;
}

void feed_destroy(struct feed *feed)
{
	if (feed == NULL)
		return;
	apply_destroy(feed->apply);
	free(feed->table);
	free(feed);
}

int feed_restore(struct feed *feed, struct snapshot **ret_snapshot)
{
	const int err = image_replay(&feed->image, feed->apply, ret_snapshot);

	if (err == 0)
		feed->hello.generation = snapshot_generation(*ret_snapshot);
	apply_void(feed->apply); /* what comes from the ring begins with a RESET */
	return err;
}

static void reject(struct feed *feed, const struct sl_rejected *rejected)
{
	image_void(&feed->image);
	feed->rejected = *rejected;
	feed->rejected_unseen = *rejected;
	feed->rejected_due = true;
}

/* A record that cannot be trusted: everything stated is void. */
static void reject_unsound(struct feed *feed, const struct sl_record *record, enum sl_reject_reason reason)
{
	struct sl_rejected rejected = { .sequence = record->sequence, .reason = reason };

	rejected.generation = feed->hello.generation;
	if (!apply_waits(feed->apply))
		reject(feed, &rejected);
	apply_void(feed->apply);
}

/* Copies a table's bytes out of the arena and gives their place back. NULL: they cannot be there. */
static const uint16_t *take_table(struct feed *feed, const struct sl_table_put *put)
{
	const uint8_t *bytes = sl_arena_bytes(&feed->to_data, put);

	if (bytes == NULL)
		return NULL;
	if (put->length > feed->table_size) {
		uint16_t *bigger = realloc(feed->table, put->length);

		if (bigger == NULL)
			return NULL;
		feed->table = bigger;
		feed->table_size = put->length;
	}
	memcpy(feed->table, bytes, put->length);
	sl_arena_release(&feed->to_data, put->release);
	return feed->table;
}

/* Gives the record to apply and to the image. Returns the snapshot that it completed, or NULL. */
static struct snapshot *take_record(struct feed *feed, const struct sl_record *record)
{
	struct apply_result result;
	const uint16_t *table = NULL;

	if (record->type == SL_RECORD_FLOW) {
		if (feed->flow != NULL)
			feed->flow(feed->ctx, &record->payload.flow);
		return NULL;
	}
	if (record->type == SL_RECORD_RESET)
		sl_arena_release(&feed->to_data, record->payload.reset.arena_position);
	if (record->type == SL_RECORD_TABLE && record->op == SL_OP_PUT) {
		table = take_table(feed, &record->payload.table);
		if (table == NULL) {
			reject_unsound(feed, record, SL_REJECT_TABLE);
			return NULL;
		}
	}
	apply_record(feed->apply, record, table, &result);
	if (result.rejected.reason != SL_REJECT_NONE)
		reject(feed, &result.rejected);
	else if (!apply_waits(feed->apply))
		image_append(&feed->image, record, table);
	if (result.snapshot != NULL) {
		feed->image_error = image_commit(&feed->image, feed->apply);
		feed->hello.generation = snapshot_generation(result.snapshot);
	}
	return result.snapshot;
}

static bool report(struct feed *feed, enum sl_record_type type, const void *payload, size_t len)
{
	return sl_ring_push(&feed->to_control, (__u16)type, SL_OP_PUT, payload, (__u32)len) == 1;
}

static void send_reports(struct feed *feed)
{
	if (feed->hello_due)
		feed->hello_due = !report(feed, SL_RECORD_HELLO, &feed->hello, sizeof(feed->hello));
	if (feed->rejected_due)
		feed->rejected_due = !report(feed, SL_RECORD_REJECTED, &feed->rejected, sizeof(feed->rejected));
	if (feed->applied_due)
		feed->applied_due = !report(feed, SL_RECORD_APPLIED, &feed->applied, sizeof(feed->applied));
}

/* Says HELLO again when a request for a replay seems to be lost; not while the last one lies unread. */
static void ask_again(struct feed *feed, uint64_t now_ns)
{
	if (!apply_waits(feed->apply)) {
		feed->asked_ns = now_ns;
		return;
	}
	if (feed->asked_ns == 0)
		feed->asked_ns = now_ns;
	if (now_ns - feed->asked_ns < ASK_AGAIN_NS)
		return;
	feed->asked_ns = now_ns;
	if (sl_ring_room(&feed->to_control) == feed->to_control.slot_count)
		feed->hello_due = true;
}

struct snapshot *feed_poll(struct feed *feed, uint64_t now_ns, unsigned int budget)
{
	struct snapshot *snapshot = NULL;
	struct sl_record record;

	sl_arena_heal(&feed->to_data);
	for (unsigned int taken = 0; taken < budget && snapshot == NULL; taken++) {
		const int result = sl_ring_take(&feed->to_data, &record);

		if (result == 0)
			break;
		if (result > 0)
			snapshot = take_record(feed, &record);
		else
			reject_unsound(feed, &record, (enum sl_reject_reason)-result);
	}
	ask_again(feed, now_ns);
	send_reports(feed);
	return snapshot;
}

void feed_applied(struct feed *feed, uint64_t generation, uint64_t tables)
{
	feed->applied = (struct sl_applied){ .generation = generation, .tables = tables };
	feed->applied_due = true;
	send_reports(feed);
}

struct sl_rejected feed_rejected(struct feed *feed)
{
	const struct sl_rejected rejected = feed->rejected_unseen;

	feed->rejected_unseen = (struct sl_rejected){ .reason = SL_REJECT_NONE };
	return rejected;
}

int feed_image_error(const struct feed *feed)
{
	return feed->image_error;
}
