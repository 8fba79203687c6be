/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Compares by the table of keys, so that a new key is compared without a line here; only values that
 * the table does not store (listeners, devices, references) have code of their own.
 */
#include "config_diff.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_index.h"
#include "config_schema.h"
#include "config_value.h"

/* Both sides of a comparison. */
struct sides {
	const struct config *old, *new;
	struct config_diff *diff;
};

/* Objects of one kind: an array, and where each one's identity is. */
struct set {
	const char *section; /* of the table of keys; its first part stands in paths */
	const void *items;
	size_t count, size;
	size_t identity;
	bool by_address; /* the identity is an address, not a name */
};

/* Adds to `keys` what differs beyond the table; returns true when that needs a restart. */
typedef bool compare_fn(const struct sides *sides, const void *old, const void *new,
			struct config_change *change);

static void add_key(struct config_change *change, const char *key)
{
	const size_t used = strlen(change->keys);

	snprintf(change->keys + used, sizeof(change->keys) - used, "%s%s", used ? ", " : "", key);
}

static int add_change(struct config_diff *diff, const struct config_change *change)
{
	if (diff->count == diff->room) {
		const size_t room = diff->room ? diff->room * 2 : 16;
		struct config_change *changes = reallocarray(diff->changes, room, sizeof(*changes));

		if (!changes)
			return -ENOMEM;
		diff->changes = changes;
		diff->room = room;
	}
	diff->changes[diff->count++] = *change;
	diff->restart |= change->restart;
	return 0;
}

static bool is_same(const struct config_key *key, const void *old, const void *new)
{
	const char *a, *b;

	if (key->type != CONFIG_TYPE_TEXT && key->type != CONFIG_TYPE_FILE)
		return memcmp((const char *)old + key->offset, (const char *)new + key->offset, key->width) ==
		       0;
	memcpy(&a, (const char *)old + key->offset, sizeof(a));
	memcpy(&b, (const char *)new + key->offset, sizeof(b));
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Compares what the table stores of one section; `prefix` stands before the keys. */
static void compare_keys(const char *section_path, const char *prefix, const void *old, const void *new,
			 struct config_change *change)
{
	const struct config_section section = config_schema_section(section_path);
	char name[64];

	for (size_t i = 0; i < section.count; i++) {
		const struct config_key *key = &section.keys[i];

		if (key->width == 0 || is_same(key, old, new))
			continue;
		snprintf(name, sizeof(name), "%s%s", prefix, config_key_name(key));
		add_key(change, name);
		change->restart |= key->restart;
	}
}

static const void *item_at(const struct set *set, size_t i)
{
	return (const char *)set->items + i * set->size;
}

static const void *identity_of(const struct set *set, size_t i, size_t *ret_len)
{
	const char *identity = (const char *)item_at(set, i) + set->identity;

	*ret_len = set->by_address ? sizeof(struct sl_addr) : strlen(identity);
	return identity;
}

static struct config_index *index_set(const struct set *set)
{
	struct config_index *index = config_index_create(set->count);
	size_t first, len;

	for (size_t i = 0; i < set->count && index; i++) {
		const void *identity = identity_of(set, i, &len);

		if (config_index_put(index, identity, len, i, &first) < 0) {
			config_index_destroy(index);
			return NULL;
		}
	}
	return index;
}

static struct config_change change_of(enum config_change_kind kind, const char *path, const struct set *set,
				      size_t i)
{
	struct config_change change = { .kind = kind };
	char address[INET6_ADDRSTRLEN];
	size_t len;
	const void *identity = identity_of(set, i, &len);

	if (set->by_address)
		config_format_address(identity, address, sizeof(address));
	snprintf(change.path, sizeof(change.path), "%s[%s]", path,
		 set->by_address ? address : (const char *)identity);
	return change;
}

/* Removed ones first, then added and changed ones in the new file's order. */
static int compare_sets(const struct sides *sides, const char *path, const struct set *old,
			const struct set *new, bool restart, compare_fn *compare)
{
	struct config_index *old_index = index_set(old), *new_index = index_set(new);
	int err = old_index && new_index ? 0 : -ENOMEM;
	size_t at, len;

	for (size_t i = 0; i < old->count && !err; i++) {
		struct config_change change = change_of(CONFIG_REMOVED, path, old, i);
		const void *identity = identity_of(old, i, &len);

		change.restart = restart;
		if (!config_index_get(new_index, identity, len, &at))
			err = add_change(sides->diff, &change);
	}
	for (size_t i = 0; i < new->count && !err; i++) {
		struct config_change change = change_of(CONFIG_ADDED, path, new, i);
		const void *identity = identity_of(new, i, &len);

		change.restart = restart;
		if (config_index_get(old_index, identity, len, &at)) {
			change.kind = CONFIG_CHANGED;
			change.restart = false;
			compare_keys(new->section, "", item_at(old, at), item_at(new, i), &change);
			if (compare)
				change.restart |= compare(sides, item_at(old, at), item_at(new, i), &change);
			if (!change.keys[0])
				continue;
		}
		err = add_change(sides->diff, &change);
	}
	config_index_destroy(old_index);
	config_index_destroy(new_index);
	return err;
}

/* ---- what the table does not store */

static bool compare_interface(const struct sides *sides, const void *a, const void *b,
			      struct config_change *change)
{
	const struct config_interface *old = a, *new = b;

	(void)sides;
	if (old->port.kind == new->port.kind && strcmp(old->port.device, new->port.device) == 0)
		return false;
	add_key(change, "dpdk");
	return true;
}

static bool compare_pool(const struct sides *sides, const void *a, const void *b,
			 struct config_change *change)
{
	const struct config_pool *old = a, *new = b;
	const char *old_check = old->check >= 0 ? sides->old->checks[old->check].name : "";
	const char *new_check = new->check >= 0 ? sides->new->checks[new->check].name : "";

	compare_keys("pools[].connection-idle", "connection-idle.", old, new, change);
	if (strcmp(old_check, new_check) != 0 || old->check_port != new->check_port)
		add_key(change, "check");
	return false;
}

static bool compare_service(const struct sides *sides, const void *a, const void *b,
			    struct config_change *change)
{
	const struct config_service *old = a, *new = b;
	bool same = old->listener_count == new->listener_count;

	for (size_t i = 0; i < new->listener_count &&same; i++)
		same = old->listeners[i].port == new->listeners[i].port &&
		       old->listeners[i].proto ==
			       new->listeners[i].proto &&sl_addr_equal(&old->listeners[i].address,
								       &new->listeners[i].address);
	if (!same)
		add_key(change, "listen");
	if (strcmp(sides->old->pools[old->pool].name, sides->new->pools[new->pool].name) != 0)
		add_key(change, "pool");
	return false;
}

static int compare_settings(const struct sides *sides)
{
	static const char *const sections[] = { "", "dpdk", "xdp", "announce", "limits", "log" };
	const struct sl_boot *old = &sides->old->boot, *new = &sides->new->boot;
	int err = 0;

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]) && !err; i++) {
		struct config_change change = { .kind = CONFIG_CHANGED };

		snprintf(change.path, sizeof(change.path), "%s", sections[i][0] ? sections[i] : "settings");
		compare_keys(sections[i], "", sides->old, sides->new, &change);
		if (strcmp(sections[i], "dpdk") == 0 &&
		    (old->worker_count != new->worker_count ||
		     memcmp(old->worker_cpu, new->worker_cpu,
			    new->worker_count * sizeof(new->worker_cpu[0])) != 0)) {
			add_key(&change, "workers");
			change.restart = true;
		}
		if (change.keys[0])
			err = add_change(sides->diff, &change);
	}
	return err;
}

static struct set backends_of(const struct config_pool *pool)
{
	return (struct set){ "pools[].backends[]",
			     pool->backends,
			     pool->backend_count,
			     sizeof(struct config_backend),
			     offsetof(struct config_backend, name),
			     false };
}

/* Backends of the pools that both have; those of a pool that goes are removed with it. */
static int compare_backends(const struct sides *sides, const struct set *old_pools)
{
	struct config_index *index = index_set(old_pools);
	int err = index ? 0 : -ENOMEM;
	size_t at, kept = 0;

	for (size_t i = 0; i < sides->old->pool_count; i++)
		sides->diff->backends_before += sides->old->pools[i].backend_count;
	for (size_t i = 0; i < sides->new->pool_count && !err; i++) {
		const struct config_pool *pool = &sides->new->pools[i], *before;
		const size_t first = sides->diff->count;
		struct set old, new;
		char path[160];

		if (!config_index_get(index, pool->name, strlen(pool->name), &at))
			continue;
		before = &sides->old->pools[at];
		old = backends_of(before);
		new = backends_of(pool);
		snprintf(path, sizeof(path), "pools[%s].backends", pool->name);
		err = compare_sets(sides, path, &old, &new, false, NULL);
		kept += before->backend_count;
		for (size_t k = first; k < sides->diff->count; k++)
			kept -= sides->diff->changes[k].kind == CONFIG_REMOVED;
	}
	sides->diff->backends_removed = sides->diff->backends_before - kept;
	config_index_destroy(index);
	return err;
}

static int compare_all(const struct sides *s)
{
	const struct config *o = s->old, *n = s->new;
	const struct set interfaces[] = {
		{ "interfaces[]", o->interfaces, o->interface_count, sizeof(*o->interfaces),
		  offsetof(struct config_interface, port.name), false },
		{ "interfaces[]", n->interfaces, n->interface_count, sizeof(*n->interfaces),
		  offsetof(struct config_interface, port.name), false },
	};
	const struct set checks[] = {
		{ "checks.*", o->checks, o->check_count, sizeof(*o->checks),
		  offsetof(struct config_check, name), false },
		{ "checks.*", n->checks, n->check_count, sizeof(*n->checks),
		  offsetof(struct config_check, name), false },
	};
	const struct set pools[] = {
		{ "pools[]", o->pools, o->pool_count, sizeof(*o->pools), offsetof(struct config_pool, name),
		  false },
		{ "pools[]", n->pools, n->pool_count, sizeof(*n->pools), offsetof(struct config_pool, name),
		  false },
	};
	const struct set services[] = {
		{ "services[]", o->services, o->service_count, sizeof(*o->services),
		  offsetof(struct config_service, name), false },
		{ "services[]", n->services, n->service_count, sizeof(*n->services),
		  offsetof(struct config_service, name), false },
	};
	const struct set vips[] = {
		{ "vips[]", o->vips, o->vip_count, sizeof(*o->vips), offsetof(struct config_vip, address),
		  true },
		{ "vips[]", n->vips, n->vip_count, sizeof(*n->vips), offsetof(struct config_vip, address),
		  true },
	};
	int err = compare_settings(s);

	if (!err)
		err = compare_sets(s, "interfaces", &interfaces[0], &interfaces[1], true, compare_interface);
	if (!err)
		err = compare_sets(s, "checks", &checks[0], &checks[1], false, NULL);
	if (!err)
		err = compare_sets(s, "pools", &pools[0], &pools[1], false, compare_pool);
	if (!err)
		err = compare_backends(s, &pools[0]);
	if (!err)
		err = compare_sets(s, "services", &services[0], &services[1], false, compare_service);
	if (!err)
		err = compare_sets(s, "vips", &vips[0], &vips[1], false, NULL);
	return err;
}

int config_diff(const struct config *old, const struct config *new, struct config_diff **ret_diff)
{
	struct config_diff *diff = calloc(1, sizeof(*diff));
	int err;

	if (!diff)
		return -ENOMEM;
	err = compare_all(&(struct sides){ old, new, diff });
	if (err) {
		config_diff_free(diff);
		return err;
	}
	*ret_diff = diff;
	return 0;
}

void config_diff_free(struct config_diff *diff)
{
	if (!diff)
		return;
	free(diff->changes);
	free(diff);
}

void config_diff_print(const struct config_diff *diff, FILE *out)
{
	static const char signs[] = { [CONFIG_ADDED] = '+', [CONFIG_REMOVED] = '-', [CONFIG_CHANGED] = '~' };

	for (size_t i = 0; i < diff->count; i++) {
		const struct config_change *change = &diff->changes[i];

		fprintf(out, "%c %s%s%s%s\n", signs[change->kind], change->path, change->keys[0] ? ": " : "",
			change->keys, change->restart ? " (applies when sluice-dp restarts)" : "");
	}
}
