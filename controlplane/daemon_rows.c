/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Histories of rows on their way between files and model: given back at the start, written before the generation
 * that changes them is committed, removed when nothing names their pool any more.
 */
#include "daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sluice/host/boot_id.h"

/* ---- start -------------------------------------------------------------------------------------------- */

/* A name of the file and its number: as the state file has it, or, where that is older, from here. */
static int take_name(struct identities *ids, struct identity **table, const char *name, uint32_t id, bool backend,
		     struct identity **ret)
{
	struct identity *entry;
	int err;

	HASH_FIND_STR(*table, name, *ret);
	if (*ret)
		return (*ret)->id == id ? 0 : -EEXIST;
	for (entry = *table; entry; entry = entry->hh.next)
		if (entry->id == id)
			return -EEXIST;
	err = identities_restore(table, name, id, backend ? ids->stats_next : 0, daemon_wall_s(), ret);
	if (err == 0 && backend)
		ids->stats_next++;
	return err;
}

static int take_names(struct identities *ids, const struct row_file *file)
{
	struct identity *pool, *backend;
	int err = take_name(ids, &ids->pools, file->pool_name, file->pool, false, &pool);

	for (size_t i = 0; err == 0 && i < file->name_count; i++) {
		err = take_name(ids, &pool->children, file->names[i].name, file->names[i].slot, true, &backend);
		if (err == -EEXIST && !row_history_names(&file->history, file->names[i].slot))
			err = 0; /* its number was free, and is another's since the file was written */
	}
	return err;
}

static void drop_file(struct daemon *d, struct row_file *file, const char *cause)
{
	log_warning(&d->log, "what is known of a pool's rows is discarded; connections that changes of the last "
		    "connection-idle moved are where flows.shm says, or may break", LOG_STR("pool", file->pool_name),
		    LOG_STR("cause", cause));
	row_store_remove(d->row_store, file->pool);
	row_file_clear(file);
}

void daemon_rows_names(struct daemon *d)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->row_file_count; i++) {
		if (take_names(&d->model->ids, &d->row_files[i]) < 0)
			drop_file(d, &d->row_files[i], "it has other names for numbers than the state file");
		else
			d->row_files[kept++] = d->row_files[i];
	}
	d->row_file_count = kept;
}

void daemon_rows_start(struct daemon *d)
{
	uint8_t boot_id[16];
	size_t restored = 0;

	sl_boot_id(boot_id);
	for (size_t i = 0; i < d->row_file_count; i++) {
		struct row_file *file = &d->row_files[i];
		int err;

		row_file_adopt(file, boot_id, daemon_boottime_ms());
		err = model_restore_rows(d->model, file);
		if (err == -EINVAL)
			drop_file(d, file, "it is of another hash key than a pool whose key changed lately");
		restored += err == 0;
		row_file_clear(file); /* that of a pool which is not configured stays on disk until its number is free */
	}
	free(d->row_files);
	d->row_files = NULL;
	d->row_file_count = 0;
	if (restored > 0)
		log_info(&d->log, "took over what is known of rows", LOG_U64("pools", restored));
	for (size_t i = 0; i < d->model->pool_count; i++)
		if (d->model->pools[i].suspect)
			log_warning(&d->log, "nothing is kept of the rows of a pool that was there before; connections that changes "
				    "of the last connection-idle moved are where flows.shm says, or may break",
				    LOG_STR("pool", d->model->pools[i].conf->name), LOG_STR("directory", d->state_dir));
}

/* ---- changes ------------------------------------------------------------------------------------------ */

static int by_slot(const void *a, const void *b)
{
	const struct row_file_name *x = a, *y = b;

	return (int)x->slot - (int)y->slot;
}

/* Every name that has a slot of the pool, those that rest too: without the state file they rest on. */
static int fill_names(const struct identity *pool, struct row_file *file)
{
	file->names = calloc(HASH_COUNT(pool->children) + 1u, sizeof(*file->names));
	if (!file->names)
		return -ENOMEM;
	for (const struct identity *slot = pool->children; slot; slot = slot->hh.next) {
		struct row_file_name *name = &file->names[file->name_count++];

		strcpy(name->name, slot->name);
		name->slot = (uint16_t)slot->id;
	}
	qsort(file->names, file->name_count, sizeof(*file->names), by_slot);
	return 0;
}

static int fill_services(const struct model_pool *pool, struct row_file *file)
{
	size_t count = 0;

	for (const struct model_service *service = pool->services; service; service = service->next_of_pool)
		count++;
	file->services = calloc(count + 1, sizeof(*file->services));
	if (!file->services)
		return -ENOMEM;
	for (const struct model_service *service = pool->services; service; service = service->next_of_pool) {
		struct row_file_service *kept = &file->services[file->service_count];

		strcpy(kept->name, service->conf->name);
		kept->hash = service->hash;
		kept->lens_hash = service->lens_hash;
		file->service_count++;
	}
	return 0;
}

int daemon_rows_changed(void *ctx, const struct model_pool *pool)
{
	struct daemon *d = ctx;
	struct row_file file = { .numbering = d->model->settings.numbering, .pool = pool->id, .now_ms = daemon_boottime_ms(),
				 .history = pool->rows };
	const struct identity *id;
	char reterr[512] = "no memory";
	int err = -ENOMEM;

	if (!d->row_store)
		return 0; /* said at the start */
	strcpy(file.pool_name, pool->conf->name);
	sl_boot_id(file.boot_id);
	HASH_FIND_STR(d->model->ids.pools, pool->conf->name, id);
	if (id && fill_names(id, &file) == 0 && fill_services(pool, &file) == 0)
		err = row_store_write(d->row_store, &file, reterr, sizeof(reterr));
	free(file.names);
	free(file.services);
	if (err < 0 && !d->rows_said)
		log_error(&d->log, "what is known of rows is not saved; the change goes out all the same, and saving is tried each "
			  "second", LOG_STR("pool", file.pool_name), LOG_STR("cause", reterr));
	d->rows_said = d->rows_said || err < 0;
	d->rows_failed = d->rows_failed || err < 0;
	return err;
}

void daemon_rows_follow(struct daemon *d)
{
	const struct model *model = d->model;

	if (memcmp(&model->hash_key, &model->settings.hash_key, sizeof(model->hash_key)) != 0)
		log_info(&d->log, "the new hash key waits: connections are still found by the one before the last; it comes into "
			 "force by itself within the longest connection-idle");
	for (size_t i = 0; i < model->pool_count; i++)
		if (model->pools[i].rows_wait)
			log_info(&d->log, "another table size or hash waits until connections of the last change need its table no "
				 "more; it comes into force by itself", LOG_STR("pool", model->pools[i].conf->name),
				 LOG_U64("rows", model->pools[i].rows.rows));
}

void daemon_rows_forgotten(void *ctx, uint32_t pool)
{
	struct daemon *d = ctx;

	if (d->row_store)
		row_store_remove(d->row_store, pool);
}
