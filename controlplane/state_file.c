/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state file as JSON, both ways. What its contents mean is daemon.c's and model.c's business.
 */
#include "state_file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "key_file.h"

enum { STATE_VERSION = 1 };

static const char *boot_id(char text[40])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	text[0] = '\0';
	if (file) {
		if (fscanf(file, "%39s", text) != 1)
			text[0] = '\0';
		fclose(file);
	}
	return text;
}

void state_clear(struct state *state)
{
	identities_clear(&state->ids);
	free(state->overrides);
	free(state->probes);
	free(state->times);
	memset(state, 0, sizeof(*state));
}

static uint64_t get_u64(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

static bool copy_text(char *to, size_t size, const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	if (!text || strlen(text) >= size)
		return false;
	strcpy(to, text);
	return true;
}

/* Numbers that were met, so that none is held by two names. */
struct taken {
	uint8_t *id;    /* of one table */
	uint8_t *stats; /* of all backends */
};

static int read_identity(const json_t *value, const char *name, struct identity **table, uint32_t max, bool backend,
			 const struct taken *taken, struct identity **ret)
{
	const uint64_t id = get_u64(value, "id"), stats = get_u64(value, "stats");

	if (!json_is_integer(json_object_get(value, "id")) || id >= max || stats >= SL_BACKENDS_MAX || taken->id[id] ||
	    (backend && taken->stats[stats]))
		return -EINVAL;
	taken->id[id] = 1;
	taken->stats[stats] |= backend;
	return identities_restore(table, name, (uint32_t)id, (uint32_t)stats, get_u64(value, "freed"), ret);
}

static int read_backends(const json_t *object, struct identity *pool, struct identities *ids, uint8_t *stats)
{
	const struct taken taken = { .id = calloc(SL_SLOT_MAX + 1, 1), .stats = stats };
	struct identity *entry;
	const char *name;
	json_t *value;
	int err = taken.id ? 0 : -ENOMEM;

	json_object_foreach((json_t *)object, name, value) {
		if (err == 0)
			err = read_identity(value, name, &pool->children, SL_SLOT_MAX + 1, true, &taken, &entry);
		if (err == 0 && entry->stats >= ids->stats_next)
			ids->stats_next = entry->stats + 1;
	}
	free(taken.id);
	return err;
}

static int read_identities(const json_t *root, struct identities *ids)
{
	struct taken services = { .id = calloc(SL_SERVICES_MAX, 1), .stats = calloc(SL_BACKENDS_MAX, 1) };
	struct taken pools = { .id = calloc(SL_POOLS_MAX, 1), .stats = services.stats };
	struct identity *entry;
	const char *name;
	json_t *value;
	int err = services.id && services.stats && pools.id ? 0 : -ENOMEM;

	json_object_foreach(json_object_get(root, "services"), name, value) {
		if (err == 0)
			err = read_identity(value, name, &ids->services, SL_SERVICES_MAX, false, &services, &entry);
	}
	json_object_foreach(json_object_get(root, "pools"), name, value) {
		if (err == 0)
			err = read_identity(value, name, &ids->pools, SL_POOLS_MAX, false, &pools, &entry);
		if (err == 0)
			err = read_backends(json_object_get(value, "backends"), entry, ids, services.stats);
	}
	free(services.id);
	free(services.stats);
	free(pools.id);
	return err;
}

static int read_overrides(const json_t *array, struct state *state)
{
	state->overrides = calloc(json_array_size(array) + 1, sizeof(*state->overrides));
	if (!state->overrides)
		return -ENOMEM;
	for (size_t i = 0; i < json_array_size(array); i++) {
		const json_t *entry = json_array_get(array, i);
		struct state_override *o = &state->overrides[state->override_count];
		const char *admin = json_string_value(json_object_get(entry, "admin"));

		if (!admin || backend_admin_parse(admin, &o->override.admin) < 0 || !copy_text(o->pool, sizeof(o->pool), entry, "pool") ||
		    !copy_text(o->backend, sizeof(o->backend), entry, "backend"))
			return -EINVAL;
		copy_text(o->override.who, sizeof(o->override.who), entry, "who");
		copy_text(o->override.why, sizeof(o->override.why), entry, "why");
		o->override.since_s = get_u64(entry, "since");
		state->override_count++;
	}
	return 0;
}

static bool parse_address(const char *text, struct sl_addr *ret)
{
	struct in_addr v4;

	if (!text)
		return false;
	if (inet_pton(AF_INET, text, &v4) == 1) {
		*ret = sl_addr_from_v4(v4.s_addr);
		return true;
	}
	return inet_pton(AF_INET6, text, ret->b) == 1;
}

static const char *format_address(const struct sl_addr *address, char text[INET6_ADDRSTRLEN])
{
	if (sl_addr_is_v4(address))
		return inet_ntop(AF_INET, &address->w[3], text, INET6_ADDRSTRLEN);
	return inet_ntop(AF_INET6, address->b, text, INET6_ADDRSTRLEN);
}

static int read_probes(const json_t *array, struct state *state)
{
	state->probes = calloc(json_array_size(array) + 1, sizeof(*state->probes));
	if (!state->probes)
		return -ENOMEM;
	for (size_t i = 0; i < json_array_size(array); i++) {
		const json_t *entry = json_array_get(array, i);
		struct state_probe *p = &state->probes[state->probe_count];
		const uint64_t port = get_u64(entry, "port");

		if (port > 65535 || !copy_text(p->check, sizeof(p->check), entry, "check") ||
		    !parse_address(json_string_value(json_object_get(entry, "address")), &p->address))
			return -EINVAL;
		p->port = (uint16_t)port;
		p->up = json_is_true(json_object_get(entry, "up"));
		p->at_boottime_s = get_u64(entry, "at");
		state->probe_count++;
	}
	return 0;
}

static uint64_t get_time(const json_t *object, const char *key)
{
	return json_is_integer(json_object_get(object, key)) ? get_u64(object, key) : MODEL_NEVER;
}

static int read_times(const json_t *array, struct state *state)
{
	state->times = calloc(json_array_size(array) + 1, sizeof(*state->times));
	if (!state->times)
		return -ENOMEM;
	for (size_t i = 0; i < json_array_size(array); i++) {
		const json_t *entry = json_array_get(array, i);
		struct state_times *t = &state->times[state->times_count];

		if (!copy_text(t->pool, sizeof(t->pool), entry, "pool") ||
		    !copy_text(t->backend, sizeof(t->backend), entry, "backend"))
			return -EINVAL;
		t->times = (struct model_times){
			.down_since_ms = get_time(entry, "down-since-ms"),
			.ramp_since_ms = get_time(entry, "ramp-since-ms"),
			.added = (uint32_t)get_u64(entry, "added"),
			.full = json_is_true(json_object_get(entry, "full")),
		};
		state->times_count++;
	}
	return 0;
}

static int read_all(const json_t *root, struct state *state)
{
	const char *key = json_string_value(json_object_get(root, "flow-key"));
	const char *boot = json_string_value(json_object_get(root, "boot"));
	const char *numbering = json_string_value(json_object_get(root, "numbering"));
	char here[40];
	int err, len = 0;

	if (get_u64(root, "version") != STATE_VERSION || json_integer_value(json_object_get(root, "generation")) < 0)
		return -EINVAL;
	state->generation = get_u64(root, "generation");
	if (key) {
		if (strlen(key) != KEY_TEXT_LEN || key_parse(key, &state->flow_key) < 0)
			return -EINVAL;
		state->has_flow_key = true;
	}
	if (numbering && sscanf(numbering, "%16" SCNx64 "%n", &state->numbering, &len) != 1)
		return -EINVAL;
	if (numbering && (len != 16 || numbering[len] != '\0'))
		return -EINVAL;
	err = read_identities(root, &state->ids);
	if (err == 0)
		err = read_overrides(json_object_get(root, "overrides"), state);
	/* what another boot found, or was in the middle of, says nothing about now */
	if (err < 0 || !boot || strcmp(boot, boot_id(here)) != 0)
		return err;
	err = read_probes(json_object_get(root, "probes"), state);
	return err < 0 ? err : read_times(json_object_get(root, "times"), state);
}

int state_file_read(const char *path, struct state *ret_state, char *reterr, size_t reterr_size)
{
	json_error_t where;
	struct stat here;
	json_t *root;
	int err;

	memset(ret_state, 0, sizeof(*ret_state));
	if (stat(path, &here) < 0 && errno == ENOENT)
		return 0;
	if (access(path, R_OK) < 0 || (stat(path, &here) == 0 && !S_ISREG(here.st_mode))) {
		snprintf(reterr, reterr_size, "state '%s': is no file that can be read; starting without it: overrides and "
			 "numbers are new", path);
		return -EINVAL;
	}
	root = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
	if (!root) {
		snprintf(reterr, reterr_size, "state '%s': line %d: %s; starting without it: overrides and numbers are new",
			 path, where.line, where.text);
		return -EINVAL;
	}
	err = read_all(root, ret_state);
	json_decref(root);
	if (err < 0) {
		state_clear(ret_state);
		snprintf(reterr, reterr_size, "state '%s': written by another version or damaged; starting without it: "
			 "overrides and numbers are new", path);
	}
	ret_state->found = err == 0;
	return err;
}

static json_t *write_identities(const struct identity *table, bool backends)
{
	json_t *object = json_object();

	for (const struct identity *entry = table; entry; entry = entry->hh.next) {
		json_t *value = json_pack("{sI}", "id", (json_int_t)entry->id);

		if (entry->freed_s)
			json_object_set_new(value, "freed", json_integer((json_int_t)entry->freed_s));
		if (backends)
			json_object_set_new(value, "stats", json_integer((json_int_t)entry->stats));
		if (entry->children)
			json_object_set_new(value, "backends", write_identities(entry->children, true));
		json_object_set_new(object, entry->name, value);
	}
	return object;
}

static json_t *write_overrides(const struct state *state)
{
	json_t *array = json_array();

	for (size_t i = 0; i < state->override_count; i++) {
		const struct state_override *o = &state->overrides[i];

		json_array_append_new(array, json_pack("{ss ss ss ss ss sI}", "pool", o->pool, "backend", o->backend,
						       "admin", backend_admin_name(o->override.admin), "who", o->override.who, "why",
						       o->override.why, "since", (json_int_t)o->override.since_s));
	}
	return array;
}

static json_t *write_probes(const struct state *state)
{
	json_t *array = json_array();
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < state->probe_count; i++) {
		const struct state_probe *p = &state->probes[i];

		json_array_append_new(array, json_pack("{ss ss si sb sI}", "check", p->check, "address",
						       format_address(&p->address, text), "port", (int)p->port, "up",
						       (int)p->up, "at", (json_int_t)p->at_boottime_s));
	}
	return array;
}

static json_t *write_times(const struct state *state)
{
	json_t *array = json_array();

	for (size_t i = 0; i < state->times_count; i++) {
		const struct state_times *t = &state->times[i];
		json_t *entry = json_pack("{ss ss}", "pool", t->pool, "backend", t->backend);

		if (t->times.down_since_ms != MODEL_NEVER)
			json_object_set_new(entry, "down-since-ms", json_integer((json_int_t)t->times.down_since_ms));
		if (t->times.ramp_since_ms != MODEL_NEVER)
			json_object_set_new(entry, "ramp-since-ms", json_integer((json_int_t)t->times.ramp_since_ms));
		if (t->times.added > 0)
			json_object_set_new(entry, "added", json_integer(t->times.added));
		if (t->times.full)
			json_object_set_new(entry, "full", json_true());
		json_array_append_new(array, entry);
	}
	return array;
}

/* Beside the file, synced, then renamed over it: a reader sees the old or the new one, whole. */
static int replace_file(const char *path, const char *text, size_t len)
{
	char beside[4096];
	int fd, err = 0;

	if (snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	for (size_t done = 0; err == 0 && done < len;) {
		const ssize_t n = write(fd, text + done, len - done);

		if (n < 0 && errno != EINTR)
			err = -errno;
		else if (n > 0)
			done += (size_t)n;
	}
	if (err == 0 && fdatasync(fd) < 0)
		err = -errno;
	if (close(fd) < 0 && err == 0)
		err = -errno;
	if (err == 0 && rename(beside, path) < 0)
		err = -errno;
	if (err < 0)
		unlink(beside);
	return err;
}

int state_file_write(const char *path, const struct state *state, char *reterr, size_t reterr_size)
{
	char key[KEY_TEXT_LEN + 1], here[40], numbering[17];
	json_t *root;
	char *text;
	int err = -ENOMEM;

	key_format(&state->flow_key, key);
	snprintf(numbering, sizeof(numbering), "%016" PRIx64, state->numbering);
	root = json_pack("{si sI ss ss ss so so so so so}", "version", STATE_VERSION, "generation",
			 (json_int_t)state->generation, "boot", boot_id(here), "flow-key", key, "numbering", numbering, "services",
			 write_identities(state->ids.services, false), "pools",
			 write_identities(state->ids.pools, false), "overrides", write_overrides(state), "times",
			 write_times(state), "probes", write_probes(state));
	text = root ? json_dumps(root, JSON_INDENT(1) | JSON_SORT_KEYS) : NULL;
	json_decref(root);
	if (text)
		err = replace_file(path, text, strlen(text));
	free(text);
	if (err < 0)
		snprintf(reterr, reterr_size,
			 "state '%s': cannot be written: %s; overrides and numbers would not survive a restart: free space "
			 "or make the directory writable", path, strerror(-err));
	return err;
}
