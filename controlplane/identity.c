/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers of services, pools and backends by name. What the numbers mean is model.c's business, where
 * they are kept is state_file.c's.
 */
#include "identity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool rested(const struct identity *entry, uint64_t now_s)
{
	return entry->freed_s != 0 && now_s >= entry->freed_s + IDENTITY_REST_S;
}

static struct identity *find(struct identity *table, const char *name)
{
	struct identity *entry = NULL;

	HASH_FIND_STR(table, name, entry);
	return entry;
}

bool identity_in_use(const struct identity *table, const char *name)
{
	const struct identity *entry = find((struct identity *)table, name); /* uthash knows no const */

	return entry != NULL && entry->freed_s == 0;
}

bool identity_rests(const struct identity *table, const char *name)
{
	const struct identity *entry = find((struct identity *)table, name);

	return entry != NULL && entry->freed_s != 0;
}

bool identities_any_rests(const struct identities *ids)
{
	for (const struct identity *pool = ids->pools; pool; pool = pool->hh.next) {
		if (pool->freed_s != 0)
			return true;
		for (const struct identity *backend = pool->children; backend; backend = backend->hh.next)
			if (backend->freed_s != 0)
				return true;
	}
	return false;
}

static struct identity *insert(struct identity **table, const char *name, uint32_t id)
{
	struct identity *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	strncpy(entry->name, name, sizeof(entry->name) - 1);
	entry->id = id;
	HASH_ADD_STR(*table, name, entry);
	return entry;
}

static void clear(struct identity **table)
{
	struct identity *entry, *next;

	HASH_ITER (hh, *table, entry, next) {
		clear(&entry->children);
		HASH_DEL(*table, entry);
		free(entry);
	}
}

void identities_clear(struct identities *ids)
{
	clear(&ids->services);
	clear(&ids->pools);
	ids->stats_next = 0;
}

/* The lowest number below `max` that nobody holds: tables stay short, slots stay dense. */
static int lowest_free(const struct identity *table, uint32_t max, uint32_t *ret_id)
{
	const struct identity *entry;
	uint32_t count = HASH_COUNT(table);
	uint8_t *taken = calloc(count + 1, 1);
	uint32_t id = 0;

	if (!taken)
		return -ENOMEM;
	for (entry = table; entry; entry = entry->hh.next)
		if (entry->id <= count)
			taken[entry->id] = 1;
	while (id < count && taken[id])
		id++;
	free(taken);
	if (id >= max)
		return -ENOSPC;
	*ret_id = id;
	return 0;
}

/* Appending is the common case (a table without holes): one comparison instead of a scan. */
static int next_id(const struct identity *table, uint32_t max, uint32_t *ret_id)
{
	const struct identity *last = table ? ELMT_FROM_HH(table->hh.tbl, table->hh.tbl->tail) : NULL;
	uint32_t count = HASH_COUNT(table);

	if (last && last->id + 1 == count && count < max) {
		*ret_id = count;
		return 0;
	}
	return lowest_free(table, max, ret_id);
}

void identities_release(struct identity **table, struct identity *entry)
{
	clear(&entry->children);
	HASH_DEL(*table, entry);
	free(entry);
}

static void forget_rested(struct identity **table, uint64_t now_s)
{
	struct identity *entry, *next;

	HASH_ITER (hh, *table, entry, next)
		if (rested(entry, now_s))
			identities_release(table, entry);
}

static void stamp_freed(struct identity *table, uint64_t now_ms)
{
	for (struct identity *entry = table; entry; entry = entry->hh.next) {
		stamp_freed(entry->children, now_ms);
		if (entry->freed_s != 0 && entry->freed_ms == 0)
			entry->freed_ms = now_ms;
	}
}

void identities_committed(struct identities *ids, uint64_t now_ms)
{
	stamp_freed(ids->pools, now_ms);
}

static int get(struct identity **table, const char *name, uint32_t max, struct identity **ret)
{
	struct identity *entry = find(*table, name);
	uint32_t id;
	int err;

	if (!entry) {
		err = next_id(*table, max, &id);
		if (err < 0)
			return err;
		entry = insert(table, name, id);
		if (!entry)
			return -ENOMEM;
	}
	entry->seen = true;
	entry->freed_s = entry->freed_ms = 0;
	*ret = entry;
	return 0;
}

void identities_begin(struct identities *ids, uint64_t now_s)
{
	struct identity *entry, *child;

	forget_rested(&ids->services, now_s);
	for (entry = ids->services; entry; entry = entry->hh.next)
		entry->seen = false;
	for (entry = ids->pools; entry; entry = entry->hh.next) {
		entry->seen = false;
		for (child = entry->children; child; child = child->hh.next)
			child->seen = false;
	}
}

int identities_service(struct identities *ids, const char *name, uint32_t max, struct identity **ret)
{
	return get(&ids->services, name, max, ret);
}

int identities_pool(struct identities *ids, const char *name, uint32_t max, struct identity **ret)
{
	return get(&ids->pools, name, max, ret);
}

/* The lowest statistics position that no backend of any pool holds; only when rising order ran out. */
static int reuse_stats(const struct identities *ids, uint32_t stats_max, uint32_t *ret_stats)
{
	uint8_t *taken = calloc(stats_max, 1);
	const struct identity *pool, *entry;
	uint32_t i = 0;

	if (!taken)
		return -ENOMEM;
	for (pool = ids->pools; pool; pool = pool->hh.next)
		for (entry = pool->children; entry; entry = entry->hh.next)
			if (entry->stats < stats_max)
				taken[entry->stats] = 1;
	while (i < stats_max && taken[i])
		i++;
	free(taken);
	if (i == stats_max)
		return -ENOSPC;
	*ret_stats = i;
	return 0;
}

int identities_backend(struct identities *ids, struct identity *pool, const char *name, uint32_t stats_max,
		       struct identity **ret)
{
	const bool known = find(pool->children, name) != NULL;
	uint32_t stats = 0;
	int err;

	if (!known) {
		if (ids->stats_next < stats_max) {
			stats = ids->stats_next;
		} else {
			err = reuse_stats(ids, stats_max, &stats);
			if (err < 0)
				return err;
		}
	}
	err = get(&pool->children, name, SL_SLOT_MAX + 1, ret);
	if (err < 0 || known)
		return err;
	(*ret)->stats = stats;
	if (stats == ids->stats_next)
		ids->stats_next++;
	return 0;
}

static void free_unseen(struct identity *table, uint64_t now_s)
{
	struct identity *entry;

	for (entry = table; entry; entry = entry->hh.next) {
		free_unseen(entry->children, now_s);
		if (!entry->seen && entry->freed_s == 0)
			entry->freed_s = now_s;
	}
}

void identities_end(struct identities *ids, uint64_t now_s)
{
	free_unseen(ids->services, now_s);
	free_unseen(ids->pools, now_s);
}

int identities_restore(struct identity **table, const char *name, uint32_t id, uint32_t stats, uint64_t freed_s,
		       struct identity **ret)
{
	struct identity *entry;

	if (name[0] == '\0' || strlen(name) >= SL_NAME_MAX || find(*table, name))
		return -EINVAL;
	entry = insert(table, name, id);
	if (!entry)
		return -ENOMEM;
	entry->stats = stats;
	entry->freed_s = freed_s;
	*ret = entry;
	return 0;
}
