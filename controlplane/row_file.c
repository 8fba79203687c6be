/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bytes: a header, then names, services, current rows, rows that closed and still LOOK, open rows by kind, the
 * lens's bases, and a checksum. Only what differs from current is written of the bases. Little endian as the host
 * is (sluice/abi.h); all sections are multiples of four bytes.
 */
#include "controlplane/row_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "sluice/core/hash.h"

#define MAGIC 0x53574f5243554c53ull /* "SLUCROWS", read as bytes */

enum { KINDS = SL_FLOW_KIND_COUNT, CHECKSUM_SIZE = 8 };

struct header {
	uint64_t magic;
	uint32_t version;
	uint32_t header_size;
	uint64_t total_size;
	uint64_t numbering;
	uint32_t pool;
	uint32_t names;
	uint32_t services;
	uint32_t rows;
	struct sl_key key;
	struct sl_key lens_key;
	int64_t lens_left_ms;
	uint32_t lens_rows;
	uint32_t lens_kinds; /* bits 1 << kind */
	uint32_t used_kinds;
	uint32_t quiet;
	uint32_t open[KINDS];
	int32_t stale_until_s;
	uint64_t now_ms;
	uint8_t boot_id[16];
	char pool_name[SL_NAME_MAX];
	uint64_t zero[4];
};

struct name_entry {
	char name[SL_NAME_MAX];
	uint32_t number; /* slot, or hash | lens_hash << 8 */
};

struct quiet_entry {
	uint32_t row;
	int32_t quiet_s;
};

struct open_entry {
	uint32_t row;
	uint32_t base;
	int32_t left_s;
};

_Static_assert(sizeof(struct header) == 240, "no holes; another layout is another ROW_FILE_VERSION");

static uint64_t slots_size(uint32_t rows)
{
	return ((uint64_t)rows * sizeof(uint16_t) + 3) & ~3ull;
}

static uint64_t total_size(const struct header *header)
{
	uint64_t size = sizeof(*header) + ((uint64_t)header->names + header->services) * sizeof(struct name_entry) +
			slots_size(header->rows) + (uint64_t)header->quiet * sizeof(struct quiet_entry) + CHECKSUM_SIZE;

	for (int k = 0; k < KINDS; k++) {
		size += (uint64_t)header->open[k] * sizeof(struct open_entry);
		if (header->lens_kinds >> k & 1)
			size += slots_size(header->lens_rows);
	}
	return size;
}

void row_file_seal(void *bytes, size_t size)
{
	const uint64_t sum = sl_checksum64(bytes, size - CHECKSUM_SIZE);

	memcpy((uint8_t *)bytes + size - CHECKSUM_SIZE, &sum, sizeof(sum));
}

void row_file_clear(struct row_file *file)
{
	row_history_clear(&file->history);
	free(file->names);
	free(file->services);
	memset(file, 0, sizeof(*file));
}

/* ---- writing ------------------------------------------------------------------------------------------ */

static bool is_closed_look(const struct row_history *h, uint32_t row)
{
	return h->quiet_s[row] != ROW_QUIET_CLEAN && h->quiet_s[row] != ROW_QUIET_OPEN;
}

static struct header header_of(const struct row_file *file)
{
	const struct row_history *h = &file->history;
	struct header header = { .magic = MAGIC, .version = ROW_FILE_VERSION, .header_size = sizeof(header),
				 .numbering = file->numbering, .pool = file->pool, .names = (uint32_t)file->name_count,
				 .services = (uint32_t)file->service_count, .rows = h->rows, .key = h->key,
				 .lens_key = h->lens.key, .lens_left_ms = h->lens.left_ms, .lens_rows = h->lens.rows,
				 .stale_until_s = h->stale_until_s, .now_ms = file->now_ms };

	memcpy(header.boot_id, file->boot_id, sizeof(header.boot_id));
	memcpy(header.pool_name, file->pool_name, sizeof(header.pool_name));
	for (int k = 0; k < KINDS; k++) {
		header.used_kinds |= (uint32_t)h->kind[k].used << k;
		header.lens_kinds |= (uint32_t)(h->lens.base[k] != NULL) << k;
		for (uint32_t r = 0; h->kind[k].base && r < h->rows; r++)
			header.open[k] += h->kind[k].base[r] != h->current[r];
	}
	for (uint32_t r = 0; r < h->rows; r++)
		header.quiet += is_closed_look(h, r);
	header.total_size = total_size(&header);
	return header;
}

static uint8_t *put(uint8_t *at, const void *data, size_t size)
{
	memcpy(at, data, size);
	return at + size;
}

static uint8_t *put_slots(uint8_t *at, const uint16_t *slot, uint32_t rows)
{
	put(at, slot, (size_t)rows * sizeof(*slot)); /* what pads it is zero already */
	return at + slots_size(rows);
}

static uint8_t *put_names(uint8_t *at, const struct row_file *file)
{
	for (size_t i = 0; i < file->name_count; i++) {
		struct name_entry entry = { .number = file->names[i].slot };

		memcpy(entry.name, file->names[i].name, sizeof(entry.name));
		at = put(at, &entry, sizeof(entry));
	}
	for (size_t i = 0; i < file->service_count; i++) {
		const struct row_file_service *service = &file->services[i];
		struct name_entry entry = { .number = service->hash | (uint32_t)service->lens_hash << 8 };

		memcpy(entry.name, service->name, sizeof(entry.name));
		at = put(at, &entry, sizeof(entry));
	}
	return at;
}

static uint8_t *put_rows(uint8_t *at, const struct row_history *h)
{
	at = put_slots(at, h->current, h->rows);
	for (uint32_t r = 0; r < h->rows; r++) {
		const struct quiet_entry entry = { r, h->quiet_s[r] };

		if (is_closed_look(h, r))
			at = put(at, &entry, sizeof(entry));
	}
	for (int k = 0; k < KINDS; k++)
		for (uint32_t r = 0; h->kind[k].base && r < h->rows; r++) {
			const struct open_entry entry = { r, h->kind[k].base[r], h->kind[k].left_s[r] };

			if (entry.base != h->current[r])
				at = put(at, &entry, sizeof(entry));
		}
	for (int k = 0; k < KINDS; k++)
		if (h->lens.base[k])
			at = put_slots(at, h->lens.base[k], h->lens.rows);
	return at;
}

int row_file_encode(const struct row_file *file, void **ret_bytes, size_t *ret_size)
{
	const struct header header = header_of(file);
	uint8_t *bytes = calloc(1, header.total_size);

	if (!bytes)
		return -ENOMEM;
	put_rows(put_names(put(bytes, &header, sizeof(header)), file), &file->history);
	row_file_seal(bytes, header.total_size);
	*ret_bytes = bytes;
	*ret_size = header.total_size;
	return 0;
}

/* ---- reading ------------------------------------------------------------------------------------------ */

/* What is being read: the header has said that all sections together are the bytes, so none is read past them. */
struct reader {
	struct header header;
	const uint8_t *at;
	struct row_file *file;
	uint8_t named[(SL_SLOT_MAX + 1) / 8 + 1]; /* bits: slots with a name */
	const char *fault;
};

static bool fails(struct reader *reader, const char *fault)
{
	reader->fault = fault;
	return false;
}

static void take(struct reader *reader, void *to, size_t size)
{
	memcpy(to, reader->at, size);
	reader->at += size;
}

static bool is_name(const char name[SL_NAME_MAX])
{
	return name[0] != '\0' && memchr(name, '\0', SL_NAME_MAX) != NULL;
}

static bool rows_in_range(uint32_t rows)
{
	return rows >= SL_TABLE_ROWS_MIN && rows <= SL_TABLE_ROWS_MAX;
}

static bool read_header(struct reader *reader, const uint8_t *bytes, size_t size)
{
	struct header *header = &reader->header;
	uint64_t sum;

	if (size < sizeof(*header) + CHECKSUM_SIZE)
		return fails(reader, "shorter than its header");
	take(reader, header, sizeof(*header));
	if (header->magic != MAGIC)
		return fails(reader, "not such a file");
	if (header->version != ROW_FILE_VERSION || header->header_size != sizeof(*header))
		return fails(reader, "of another version");
	if (header->total_size != size)
		return fails(reader, "cut or grown");
	memcpy(&sum, bytes + size - CHECKSUM_SIZE, sizeof(sum));
	if (sum != sl_checksum64(bytes, size - CHECKSUM_SIZE))
		return fails(reader, "damaged: wrong checksum");
	if (!rows_in_range(header->rows) || header->names > SL_SLOT_MAX + 1 || header->services > SL_SERVICES_MAX ||
	    header->pool >= SL_POOLS_MAX || header->quiet > header->rows || !is_name(header->pool_name) ||
	    header->now_ms > INT32_MAX * 1000ull || header->numbering == 0)
		return fails(reader, "damaged: a count or a name is out of range");
	for (int k = 0; k < KINDS; k++)
		if (header->open[k] > header->rows || (header->open[k] > 0 && !(header->used_kinds >> k & 1)))
			return fails(reader, "damaged: open rows of no kind of traffic");
	if (header->used_kinds >> KINDS != 0 || (header->lens_kinds & ~header->used_kinds) != 0 ||
	    (header->lens_rows != 0) != (header->lens_kinds != 0) ||
	    (header->lens_rows != 0 && !rows_in_range(header->lens_rows)))
		return fails(reader, "damaged: a lens that cannot be");
	return total_size(header) == size || fails(reader, "damaged: its parts are not its size");
}

static bool read_names(struct reader *reader)
{
	struct row_file *file = reader->file;
	struct name_entry entry;

	for (uint32_t i = 0; i < reader->header.names; i++) {
		take(reader, &entry, sizeof(entry));
		if (!is_name(entry.name) || entry.number > SL_SLOT_MAX ||
		    (i > 0 && entry.number <= file->names[i - 1].slot))
			return fails(reader, "damaged: a backend's name or slot");
		memcpy(file->names[i].name, entry.name, sizeof(entry.name));
		file->names[i].slot = (uint16_t)entry.number;
		reader->named[entry.number / 8] |= (uint8_t)(1u << entry.number % 8);
	}
	for (uint32_t i = 0; i < reader->header.services; i++) {
		take(reader, &entry, sizeof(entry));
		if (!is_name(entry.name) || (entry.number & 0xff) >= SL_HASH_COUNT || entry.number >> 8 >= SL_HASH_COUNT)
			return fails(reader, "damaged: a service's name or hash");
		memcpy(file->services[i].name, entry.name, sizeof(entry.name));
		file->services[i].hash = (uint8_t)entry.number;
		file->services[i].lens_hash = (uint8_t)(entry.number >> 8);
	}
	return true;
}

static bool is_named(const struct reader *reader, uint32_t slot)
{
	return slot == SL_SLOT_NONE || (slot <= SL_SLOT_MAX && (reader->named[slot / 8] >> slot % 8 & 1));
}

static bool read_slots(struct reader *reader, uint16_t *slot, uint32_t rows)
{
	memcpy(slot, reader->at, (size_t)rows * sizeof(*slot));
	reader->at += slots_size(rows);
	for (uint32_t r = 0; r < rows; r++)
		if (!is_named(reader, slot[r]))
			return fails(reader, "damaged: a row of nobody");
	return true;
}

static bool read_open(struct reader *reader, int k)
{
	struct row_history *h = &reader->file->history;
	struct row_kind *kind = &h->kind[k];
	struct open_entry entry;
	int64_t last = -1;

	kind->used = reader->header.used_kinds >> k & 1;
	kind->open = reader->header.open[k];
	for (uint32_t i = 0; i < reader->header.open[k]; i++) {
		take(reader, &entry, sizeof(entry));
		if (entry.row >= h->rows || (int64_t)entry.row <= last || !is_named(reader, entry.base) ||
		    entry.base == h->current[entry.row])
			return fails(reader, "damaged: an open row");
		last = entry.row;
		kind->base[entry.row] = (uint16_t)entry.base;
		kind->left_s[entry.row] = entry.left_s;
		h->quiet_s[entry.row] = ROW_QUIET_OPEN;
	}
	return true;
}

static bool read_rows(struct reader *reader)
{
	struct row_history *h = &reader->file->history;
	struct quiet_entry entry;
	int64_t last = -1;

	if (!read_slots(reader, h->current, h->rows))
		return false;
	for (uint32_t r = 0; r < h->rows; r++)
		h->quiet_s[r] = h->lens.rows != 0 ? ROW_QUIET_OPEN : ROW_QUIET_CLEAN;
	for (int k = 0; k < KINDS; k++)
		if (h->kind[k].base)
			memcpy(h->kind[k].base, h->current, (size_t)h->rows * sizeof(*h->current));
	for (uint32_t i = 0; i < reader->header.quiet; i++) {
		take(reader, &entry, sizeof(entry));
		if (entry.row >= h->rows || (int64_t)entry.row <= last || entry.quiet_s == ROW_QUIET_CLEAN ||
		    entry.quiet_s == ROW_QUIET_OPEN)
			return fails(reader, "damaged: a closed row");
		last = entry.row;
		h->quiet_s[entry.row] = entry.quiet_s;
	}
	for (int k = 0; k < KINDS; k++)
		if (!read_open(reader, k))
			return false;
	for (int k = 0; k < KINDS; k++)
		if (h->lens.base[k] && !read_slots(reader, h->lens.base[k], h->lens.rows))
			return false;
	return true;
}

/* Memory for everything that the header counts. */
static int make_room(const struct header *header, struct row_file *file)
{
	struct row_history *h = &file->history;
	bool whole;

	file->names = calloc(header->names + 1, sizeof(*file->names));
	file->services = calloc(header->services + 1, sizeof(*file->services));
	h->current = calloc(header->rows, sizeof(*h->current));
	h->quiet_s = calloc(header->rows, sizeof(*h->quiet_s));
	whole = file->names && file->services && h->current && h->quiet_s;
	for (int k = 0; k < KINDS; k++) {
		if (header->open[k] > 0) {
			h->kind[k].base = calloc(header->rows, sizeof(*h->kind[k].base));
			h->kind[k].left_s = calloc(header->rows, sizeof(*h->kind[k].left_s));
			whole = whole && h->kind[k].base && h->kind[k].left_s;
		}
		if (header->lens_kinds >> k & 1) {
			h->lens.base[k] = calloc(header->lens_rows, sizeof(*h->lens.base[k]));
			whole = whole && h->lens.base[k];
		}
	}
	return whole ? 0 : -ENOMEM;
}

int row_file_decode(const void *bytes, size_t size, struct row_file *ret_file, const char **ret_fault)
{
	struct row_file file = { .numbering = 0 };
	struct reader reader = { .at = bytes, .file = &file };
	const struct header *header = &reader.header;
	int err = -EINVAL;

	if (!read_header(&reader, bytes, size))
		goto out;
	err = make_room(header, &file);
	if (err < 0)
		goto out;
	file.numbering = header->numbering;
	file.pool = header->pool;
	file.now_ms = header->now_ms;
	file.name_count = header->names;
	file.service_count = header->services;
	memcpy(file.boot_id, header->boot_id, sizeof(file.boot_id));
	memcpy(file.pool_name, header->pool_name, sizeof(file.pool_name));
	file.history.rows = header->rows;
	file.history.key = header->key;
	file.history.stale_until_s = header->stale_until_s;
	file.history.changed = ROW_CHANGED_ALL;
	file.history.lens.rows = header->lens_rows;
	file.history.lens.key = header->lens_key;
	file.history.lens.left_ms = header->lens_left_ms;
	err = read_names(&reader) && read_rows(&reader) ? 0 : -EINVAL;
out:
	if (err < 0) {
		row_file_clear(&file);
		*ret_fault = reader.fault ? reader.fault : "no memory";
		return err;
	}
	*ret_file = file;
	return 0;
}

/* ---- clocks ------------------------------------------------------------------------------------------- */

/* How far the clock that the times were taken by is ahead of ours. */
static int64_t clock_shift_ms(const struct row_file *file, const uint8_t boot_id[16], uint64_t now_ms)
{
	static const uint8_t unknown[16];
	const bool known = memcmp(boot_id, unknown, sizeof(unknown)) != 0;
	const bool same = memcmp(boot_id, file->boot_id, sizeof(file->boot_id)) == 0;

	if (known && same && now_ms >= file->now_ms)
		return 0;
	if (known && !same)
		return (int64_t)file->now_ms; /* written at 0 of our clock */
	return (int64_t)(file->now_ms - now_ms); /* a clock that we cannot know: written now */
}

/* A moment of the file in our time, at most `latest_s`; rounded up. */
static int32_t shifted(int32_t time_s, int64_t shift_ms, int64_t latest_s)
{
	const int64_t ms = time_s * (int64_t)1000 - shift_ms;
	const int64_t s = ms / 1000 + (ms % 1000 > 0);

	if (s > latest_s)
		return (int32_t)latest_s;
	return s <= ROW_QUIET_CLEAN ? ROW_QUIET_CLEAN + 1 : (int32_t)s;
}

void row_file_adopt(struct row_file *file, const uint8_t boot_id[16], uint64_t now_ms)
{
	const int64_t shift_ms = clock_shift_ms(file, boot_id, now_ms);
	const int64_t now_s = ((int64_t)now_ms + 999) / 1000;
	struct row_history *h = &file->history;
	int64_t stale_s = shifted(h->stale_until_s, shift_ms, now_s + SL_IDLE_MAX_S);

	if (stale_s < now_s)
		stale_s = now_s;
	for (uint32_t r = 0; r < h->rows; r++) {
		if (is_closed_look(h, r))
			h->quiet_s[r] = shifted(h->quiet_s[r], shift_ms, stale_s);
		for (int k = 0; k < KINDS; k++)
			if (h->kind[k].left_s)
				h->kind[k].left_s[r] = shifted(h->kind[k].left_s[r], shift_ms, now_s);
	}
	if (h->lens.left_ms < -(INT64_MAX / 4))
		h->lens.left_ms = -(INT64_MAX / 4);
	if (h->lens.left_ms > (int64_t)file->now_ms)
		h->lens.left_ms = (int64_t)file->now_ms;
	h->lens.left_ms -= shift_ms;
	if (h->lens.left_ms > (int64_t)now_ms)
		h->lens.left_ms = (int64_t)now_ms;
	h->stale_until_s = (int32_t)stale_s;
	memcpy(file->boot_id, boot_id, sizeof(file->boot_id));
	file->now_ms = now_ms;
}
