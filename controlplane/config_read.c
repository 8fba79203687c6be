/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads any map by the table of keys: defaults, values, ranges, unknown and missing keys. Knows no
 * single key.
 */
#include "config_read.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
	ALLOWED_MAX = 400, /* bytes of "what is allowed" */
	SHOWN_MAX = 60,    /* bytes of a wrong text that a message repeats */
};

void *config_read_alloc(struct config_reader *reader, size_t count, size_t size)
{
	void *memory = config_arena_alloc(reader->config->memory, count ? count : 1, size);

	if (!memory)
		config_errors_no_memory(reader->errors);
	return memory;
}

const char *config_read_name(const struct config_node *map, const char *key)
{
	const struct config_node *node = config_node_get(map, key);
	struct config_reason unused;

	if (!node || node->kind != CONFIG_NODE_TEXT ||
	    !config_value_name(node->text, node->text_len, &unused))
		return NULL;
	return node->text;
}

static const struct config_key *key_at(const char *path)
{
	size_t count;
	const struct config_key *keys = config_schema_keys(&count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(keys[i].path, path) == 0)
			return &keys[i];
	assert(!"every path used by the reader is in the table of keys");
	return NULL;
}

/* `key:`, `key: ~` and `key: null`: YAML's ways to write nothing. */
static bool is_nothing(const struct config_node *node)
{
	return node->kind == CONFIG_NODE_TEXT && node->plain &&
	       (node->text_len == 0 || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}

static void wrong_kind(struct config_reader *reader, const struct config_node *node,
		       const struct config_key *key, const struct config_path *path)
{
	char allowed[ALLOWED_MAX];

	if (node->kind == CONFIG_NODE_BAD)
		return;
	config_errors_add(reader->errors, node->mark, path, "%s%s; allowed: %s",
			  is_nothing(node) ? "there is no value" : "this is ",
			  is_nothing(node) ? "" : config_node_kind_name(node),
			  config_key_allowed(key, allowed, sizeof(allowed)));
}

const struct config_node *config_read_expect(struct config_reader *reader, const struct config_node *node,
					     enum config_node_kind kind, const char *key,
					     const struct config_path *path)
{
	if (node->kind == kind && !is_nothing(node))
		return node;
	wrong_kind(reader, node, key_at(key), path);
	return NULL;
}

static void refuse(struct config_reader *reader, const struct config_node *node, const struct config_key *key,
		   const struct config_path *path, const struct config_reason *reason)
{
	char allowed[ALLOWED_MAX];

	config_errors_add(reader->errors, node->mark, path, "\"%.*s%s\" %s; allowed: %s", SHOWN_MAX,
			  node->text, strlen(node->text) > SHOWN_MAX ? "…" : "", reason->text,
			  config_key_allowed(key, allowed, sizeof(allowed)));
}

void config_read_refuse(struct config_reader *reader, const struct config_node *node, const char *key,
			const struct config_path *path, const struct config_reason *reason)
{
	refuse(reader, node, key_at(key), path, reason);
}

static void store_number(void *base, const struct config_key *key, uint64_t number)
{
	memcpy((char *)base + key->offset, &number, key->width); /* little endian: abi.h refuses others */
}

static bool reason_is(struct config_reason *reason, const char *text)
{
	snprintf(reason->text, sizeof(reason->text), "%s", text);
	return false;
}

/* Range, scale, store. */
static bool take_number(const struct config_key *key, void *base, uint64_t number,
			struct config_reason *reason)
{
	const uint64_t scale = key->scale ? key->scale : 1;
	char unit[32];

	if (number < key->min)
		return reason_is(reason, key->type == CONFIG_TYPE_DURATION ? "is too short" : "is too small");
	if (number > key->max)
		return reason_is(reason, key->type == CONFIG_TYPE_DURATION ? "is too long" : "is too large");
	if (number % scale) {
		if (key->type == CONFIG_TYPE_DURATION)
			config_format_duration(scale, unit, sizeof(unit));
		else
			config_format_size(scale, unit, sizeof(unit));
		snprintf(reason->text, sizeof(reason->text), "is no multiple of %s", unit);
		return false;
	}
	store_number(base, key, number / scale);
	return true;
}

static bool take_word(const struct config_key *key, const char *text, uint64_t *ret_value,
		      struct config_reason *reason)
{
	struct config_suggestion near = { .wrong = text };

	for (const struct config_word *word = key->words; word->word; word++) {
		if (strcmp(word->word, text) == 0 && word->value == CONFIG_WORD_LATER)
			return reason_is(reason, "is not available in this build");
		if (strcmp(word->word, text) == 0) {
			*ret_value = (uint64_t)word->value;
			return true;
		}
		if (word->value != CONFIG_WORD_LATER)
			config_suggest(&near, word->word);
	}
	if (!near.best)
		return reason_is(reason, "is not known");
	snprintf(reason->text, sizeof(reason->text), "is not known (did you mean \"%s\"?)", near.best);
	return false;
}

/* Texts that are stored as they are: char arrays and char pointers. */
static bool take_text(struct config_reader *reader, const struct config_key *key,
		      const struct config_node *node, void *base, struct config_reason *reason)
{
	char *copy;

	if (key->type == CONFIG_TYPE_NAME || key->type == CONFIG_TYPE_IFNAME) {
		if (key->type == CONFIG_TYPE_NAME ? !config_value_name(node->text, node->text_len, reason)
						  : !config_value_ifname(node->text, node->text_len, reason))
			return false;
		memset((char *)base + key->offset, 0, key->width);
		memcpy((char *)base + key->offset, node->text, node->text_len);
		return true;
	}
	if (node->text_len < key->min)
		return reason_is(reason, "is too short");
	if (node->text_len > key->max)
		return reason_is(reason, "is too long");
	if (key->type == CONFIG_TYPE_FILE && node->text[0] != '/')
		return reason_is(reason, "does not begin with \"/\"");
	copy = config_arena_text(reader->config->memory, node->text, node->text_len);
	if (!copy)
		config_errors_no_memory(reader->errors);
	memcpy((char *)base + key->offset, &copy, sizeof(copy));
	return true;
}

/* Reads one text by its type; false: *reason says what is wrong with it. */
static bool take_value(struct config_reader *reader, const struct config_key *key,
		       const struct config_node *node, void *base, struct config_reason *reason)
{
	struct sl_addr addr;
	uint16_t status[2];
	uint64_t number;
	bool yes;

	switch (key->type) {
	case CONFIG_TYPE_BOOL:
		if (!config_value_bool(node->text, &yes, reason))
			return false;
		store_number(base, key, yes);
		return true;
	case CONFIG_TYPE_NUMBER:
		return config_value_number(node->text, &number, reason) &&
		       take_number(key, base, number, reason);
	case CONFIG_TYPE_COUNT:
		return config_value_size(node->text, false, &number, reason) &&
		       take_number(key, base, number, reason);
	case CONFIG_TYPE_SIZE:
		return config_value_size(node->text, true, &number, reason) &&
		       take_number(key, base, number, reason);
	case CONFIG_TYPE_PERCENT:
		return config_value_percent(node->text, &number, reason) &&
		       take_number(key, base, number, reason);
	case CONFIG_TYPE_DURATION:
		return config_value_duration(node->text, &number, reason) &&
		       take_number(key, base, number, reason);
	case CONFIG_TYPE_STATUS:
		if (!config_value_status(node->text, &status[0], &status[1], reason))
			return false;
		memcpy((char *)base + key->offset, status, sizeof(status));
		return true;
	case CONFIG_TYPE_WORD:
		if (!take_word(key, node->text, &number, reason))
			return false;
		store_number(base, key, number);
		return true;
	case CONFIG_TYPE_ADDRESS:
		if (!config_value_address(node->text, &addr, reason))
			return false;
		memcpy((char *)base + key->offset, &addr, sizeof(addr));
		return true;
	case CONFIG_TYPE_NAME:
	case CONFIG_TYPE_IFNAME:
	case CONFIG_TYPE_FILE:
	case CONFIG_TYPE_TEXT: return take_text(reader, key, node, base, reason);
	case CONFIG_TYPE_WORDS:
	case CONFIG_TYPE_OTHER: break;
	}
	return true;
}

static void read_words(struct config_reader *reader, const struct config_key *key,
		       const struct config_node *list, const struct config_path *path, void *base)
{
	uint64_t bits = 0, bit = 0;
	struct config_reason reason;

	for (size_t i = 0; i < list->count; i++) {
		const struct config_path item = { .parent = path, .index = i };

		if (list->items[i]->kind != CONFIG_NODE_TEXT)
			wrong_kind(reader, list->items[i], key, &item);
		else if (!take_word(key, list->items[i]->text, &bit, &reason))
			refuse(reader, list->items[i], key, &item, &reason);
		else
			bits |= bit;
	}
	store_number(base, key, bits);
}

static void read_key(struct config_reader *reader, const struct config_key *key,
		     const struct config_node *node, const struct config_path *path, void *base)
{
	struct config_reason reason;

	if (key->type == CONFIG_TYPE_OTHER)
		return;
	if (key->type == CONFIG_TYPE_WORDS && node->kind == CONFIG_NODE_LIST) {
		read_words(reader, key, node, path, base);
		return;
	}
	if (node->kind != CONFIG_NODE_TEXT || key->type == CONFIG_TYPE_WORDS ||
	    (node->plain &&
	     (node->text_len == 0 || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0))) {
		wrong_kind(reader, node, key, path);
		return;
	}
	if (key->special && strcmp(node->text, key->special) == 0) {
		memset((char *)base + key->offset, 0, key->width);
		if (key->special_value)
			store_number(base, key, key->special_value);
		return;
	}
	if (!take_value(reader, key, node, base, &reason))
		refuse(reader, node, key, path, &reason);
}

static void read_default(struct config_reader *reader, const struct config_key *key, void *base)
{
	struct config_node node = { .kind = CONFIG_NODE_TEXT, .text = key->value };

	if (key->type == CONFIG_TYPE_WORDS) {
		uint64_t bits = 0;

		for (const struct config_word *word = key->words; word->word; word++)
			bits |= (uint64_t)word->value;
		store_number(base, key, bits);
	}
	if (!key->value || key->width == 0)
		return;
	node.text_len = strlen(key->value);
	read_key(reader, key, &node, NULL, base);
}

/* The key of the section that an unknown one may have meant, or NULL. */
static const char *meant_key(const struct config_section *section, const char *unknown)
{
	struct config_suggestion near = { .wrong = unknown };

	for (size_t i = 0; i < section->count; i++)
		config_suggest(&near, config_key_name(&section->keys[i]));
	return near.best;
}

static void unknown_key(struct config_reader *reader, const struct config_section *section,
			const struct config_node *node, const struct config_path *path)
{
	const char *meant;
	char list[ALLOWED_MAX];
	size_t count, used = 0;
	const struct config_key *all = config_schema_keys(&count);

	if (config_errors_full(reader->errors)) {
		config_errors_add(reader->errors, node->mark, path, "unknown key");
		return;
	}
	meant = meant_key(section, node->text);
	if (meant) {
		config_errors_add(reader->errors, node->mark, path, "unknown key; did you mean \"%s\"?",
				  meant);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (strcmp(config_key_name(&all[i]), node->text) == 0) {
			config_errors_add(reader->errors, node->mark, path, "unknown key here; allowed as %s",
					  all[i].path);
			return;
		}
	}
	list[0] = 0;
	for (size_t i = 0; i < section->count && used < sizeof(list); i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "",
					 config_key_name(&section->keys[i]));
	config_errors_add(reader->errors, node->mark, path, "unknown key; allowed: %s", list);
}

/* A required key that is missing; one that is only misspelt was already reported. */
static void require_key(struct config_reader *reader, const struct config_section *section,
			const struct config_key *key, const struct config_node *map,
			const struct config_path *path)
{
	const struct config_path here = { .parent = path, .key = config_key_name(key) };
	char allowed[ALLOWED_MAX];

	if (config_node_get(map, here.key))
		return;
	for (size_t i = 0; i < map->count && !config_errors_full(reader->errors); i++) {
		const char *name = map->keys[i]->text;
		const char *meant = config_schema_find(section, name) ? NULL : meant_key(section, name);

		if (meant && strcmp(meant, here.key) == 0)
			return;
	}
	config_errors_add(reader->errors, map->mark, &here, "this key is missing; needed: %s",
			  config_key_allowed(key, allowed, sizeof(allowed)));
}

void config_read_section(struct config_reader *reader, const char *section_path,
			 const struct config_node *map, const struct config_path *path, void *base)
{
	const struct config_section section = config_schema_section(section_path);

	for (size_t i = 0; i < section.count; i++)
		read_default(reader, &section.keys[i], base);
	if (!map)
		return;
	for (size_t i = 0; i < map->count; i++) {
		const struct config_path here = { .parent = path, .key = map->keys[i]->text };
		const struct config_key *key = config_schema_find(&section, map->keys[i]->text);

		if (key)
			read_key(reader, key, map->items[i], &here, base);
		else
			unknown_key(reader, &section, map->keys[i], &here);
	}
	for (size_t i = 0; i < section.count; i++)
		if (section.keys[i].required)
			require_key(reader, &section, &section.keys[i], map, path);
}
