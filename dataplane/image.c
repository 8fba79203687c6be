/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The image: records as in the ring (session, place as sequence, checksum), a table's rows behind its
 * record, everything in units of 128 bytes. The published word is the only thing ever overwritten that
 * a reader believes.
 */
#include "dataplane/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { UNIT = sizeof(struct sl_record) };

static uint64_t round_up(uint64_t bytes)
{
	return (bytes + UNIT - 1) / UNIT * UNIT;
}

/* Half in bit 63, length in units in 31 bits, and 32 bits that make a flipped or foreign word useless. */
static uint64_t published_word(const struct image *image, unsigned int half, uint64_t length)
{
	const uint64_t what = (uint64_t)half << 63 | (length / UNIT) << 32;
	const uint64_t checked[2] = { what, image->session };

	return what | (uint32_t)sl_checksum64(checked, sizeof(checked));
}

static void publish(struct image *image, unsigned int half, uint64_t length)
{
	const uint64_t word = length > 0 ? published_word(image, half, length) : 0;

	image->active = half;
	image->length = length;
	image->corrupt = false;
	/* release: the bytes are there before the word that counts them (pairs with image_replay) */
	__atomic_store_n(image->published, word, __ATOMIC_RELEASE);
}

/* Which half is published, so that the other one is written next, whether or not this one is replayed. */
static void read_published(struct image *image)
{
	const uint64_t word = __atomic_load_n(image->published, __ATOMIC_ACQUIRE); /* pairs with publish() */
	const unsigned int half = (unsigned int)(word >> 63);
	const uint64_t length = (word >> 32 & 0x7fffffffu) * UNIT;

	image->corrupt = word != 0 && (length == 0 || length > image->half_size || word != published_word(image, half, length));
	if (word == 0 || image->corrupt)
		return;
	image->active = half;
	image->length = length;
}

void image_attach(struct image *image, void *base, const struct sl_region *region, uint64_t session)
{
	uint8_t *bytes = (uint8_t *)base + region->offset;

	*image = (struct image){ .session = session };
	if (region->size < SL_SHM_PAGE)
		return;
	image->half_size = (region->size - SL_SHM_PAGE) / 2 / UNIT * UNIT;
	image->published = (uint64_t *)bytes;
	image->half[0] = bytes + SL_SHM_PAGE;
	image->half[1] = image->half[0] + image->half_size;
	read_published(image);
}

/* ---- writing ------------------------------------------------------------------------------------------ */

void image_append(struct image *image, const struct sl_record *record, const uint16_t *table)
{
	const uint64_t table_len = table != NULL ? record->payload.table.length : 0;
	const uint64_t len = UNIT + round_up(table_len);
	struct sl_record copy = *record;

	if (record->type == SL_RECORD_RESET) {
		image->writing = image->active ^ 1;
		image->at = 0;
		image->whole = true;
		image->overflow = false;
	}
	if (!image->whole || image->overflow || len > image->half_size - image->at) {
		image->overflow = true;
		return;
	}
	copy.session = image->session;
	copy.sequence = image->at / UNIT;
	copy.checksum = sl_checksum64(&copy, offsetof(struct sl_record, checksum));
	memcpy(image->half[image->writing] + image->at, &copy, UNIT);
	if (table_len > 0)
		memcpy(image->half[image->writing] + image->at + UNIT, table, table_len);
	image->at += len;
}

static int emit(void *ctx, const struct sl_record *record, const uint16_t *table)
{
	struct image *image = ctx;

	image_append(image, record, table);
	return image->overflow ? -ENOSPC : 0;
}

int image_commit(struct image *image, const struct apply *apply)
{
	if (image->half_size == 0)
		return -ENOSPC;
	if (!image->whole)
		return -ENOSPC; /* said before; a removal may make room, and the next RESET tries it */
	if (image->overflow && (image->writing != image->active || apply_dump(apply, emit, image) < 0)) {
		image->whole = false;
		image->at = 0;
		publish(image, image->active, 0);
		return -ENOSPC;
	}
	publish(image, image->writing, image->at);
	return 0;
}

void image_void(struct image *image)
{
	image->writing = image->active;
	image->at = image->length;
	image->whole = image->length > 0;
	image->overflow = false;
}

/* ---- reading ------------------------------------------------------------------------------------------ */

struct replay {
	const uint8_t *bytes;
	uint64_t length;
	uint64_t at;
	uint16_t *table; /* private copy of the current record's rows */
};

/* The next record of the log, checked; for a TABLE with its rows. 0, -EBADMSG or -ENOMEM. */
static int next_record(struct replay *replay, uint64_t session, struct sl_record *record)
{
	uint64_t len;
	uint16_t *table;

	memcpy(record, replay->bytes + replay->at, UNIT);
	if (record->checksum != sl_checksum64(record, offsetof(struct sl_record, checksum)) ||
	    record->session != session || record->sequence != replay->at / UNIT)
		return -EBADMSG;
	replay->at += UNIT;
	if (record->type != SL_RECORD_TABLE || record->op != SL_OP_PUT)
		return 0;
	len = record->payload.table.length;
	if (len == 0 || len > replay->length - replay->at || round_up(len) > replay->length - replay->at)
		return -EBADMSG;
	table = realloc(replay->table, len);
	if (table == NULL)
		return -ENOMEM;
	replay->table = table;
	memcpy(table, replay->bytes + replay->at, len); /* apply_record() checks the bytes' checksum */
	replay->at += round_up(len);
	return 0;
}

/* Only the last generation is built: the log may hold hundreds of thousands. */
static int replay_records(struct replay *replay, uint64_t session, struct apply *apply, struct snapshot **ret_snapshot)
{
	struct apply_result result = { .snapshot = NULL };
	struct sl_record record;
	int err = 0;

	while (err == 0 && replay->at < replay->length) {
		err = next_record(replay, session, &record);
		if (err < 0)
			break;
		apply_hold(apply, replay->at < replay->length);
		apply_record(apply, &record, record.type == SL_RECORD_TABLE ? replay->table : NULL, &result);
		if (result.rejected.reason != SL_REJECT_NONE)
			err = result.rejected.reason == SL_REJECT_MEMORY ? -ENOMEM : -EBADMSG;
	}
	apply_hold(apply, false);
	if (err == 0 && result.snapshot == NULL) /* the log ends with a COMMIT */
		err = -EBADMSG;
	if (err < 0)
		return err;
	*ret_snapshot = result.snapshot;
	return 0;
}

int image_replay(struct image *image, struct apply *apply, struct snapshot **ret_snapshot)
{
	struct replay replay = { .bytes = image->half[image->active], .length = image->length };
	int err = image->corrupt ? -EBADMSG : -ENOENT;

	if (image->length > 0)
		err = replay_records(&replay, image->session, apply, ret_snapshot);
	free(replay.table);
	if (err == -EBADMSG) /* nobody shall read it again, least of all half overwritten */
		publish(image, image->active, 0);
	image_void(image);
	return err;
}
