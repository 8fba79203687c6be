/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Looks things up in the table of keys (config_keys.c) and says what a key allows.
 */
#include "config_schema.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "config_value.h"

const char *config_key_name(const struct config_key *key)
{
	const char *dot = strrchr(key->path, '.');

	return dot ? dot + 1 : key->path;
}

/* Bytes of the part before the last dot: the section's path. */
static size_t section_len(const struct config_key *key)
{
	const char *dot = strrchr(key->path, '.');

	return dot ? (size_t)(dot - key->path) : 0;
}

struct config_section config_schema_section(const char *path)
{
	const size_t len = strlen(path);
	struct config_section section = { .path = path };
	size_t count;
	const struct config_key *keys = config_schema_keys(&count);

	for (size_t i = 0; i < count; i++) {
		if (section_len(&keys[i]) != len || memcmp(keys[i].path, path, len) != 0)
			continue;
		if (!section.keys)
			section.keys = &keys[i];
		section.count++;
	}
	assert(section.count > 0);
	return section;
}

const struct config_key *config_schema_find(const struct config_section *section, const char *key)
{
	for (size_t i = 0; i < section->count; i++)
		if (strcmp(config_key_name(&section->keys[i]), key) == 0)
			return &section->keys[i];
	return NULL;
}

static const char *allowed_words(const struct config_key *key, char *buf, size_t size)
{
	size_t used = 0, left = 0;

	for (const struct config_word *word = key->words; word->word; word++)
		left += word->value != CONFIG_WORD_LATER;
	buf[0] = 0;
	for (const struct config_word *word = key->words; word->word && used < size; word++) {
		if (word->value == CONFIG_WORD_LATER)
			continue;
		left--;
		used += (size_t)snprintf(buf + used, size - used, "%s%s", word->word,
					 left > 1    ? ", "
					 : left == 1 ? " or "
						     : "");
	}
	return buf;
}

const char *config_key_allowed(const struct config_key *key, char *buf, size_t size)
{
	const char *also = key->special ? " or " : "";
	const char *special = key->special ? key->special : "";
	char low[32], high[32];

	if (key->allowed) {
		snprintf(buf, size, "%s%s%s", key->allowed, also, special);
		return buf;
	}
	switch (key->type) {
	case CONFIG_TYPE_BOOL: return "true or false";
	case CONFIG_TYPE_NUMBER:
		snprintf(buf, size, "a whole number from %ju to %ju%s%s", (uintmax_t)key->min,
			 (uintmax_t)key->max, also, special);
		return buf;
	case CONFIG_TYPE_COUNT:
	case CONFIG_TYPE_SIZE:
		config_format_size(key->min, low, sizeof(low));
		config_format_size(key->max, high, sizeof(high));
		snprintf(buf, size, "a %s from %s to %s%s%s",
			 key->type == CONFIG_TYPE_SIZE ? "size" : "number", low, high, also, special);
		return buf;
	case CONFIG_TYPE_PERCENT:
		snprintf(buf, size, "a share from %ju%% to %ju%%", (uintmax_t)key->min, (uintmax_t)key->max);
		return buf;
	case CONFIG_TYPE_DURATION:
		config_format_duration(key->min, low, sizeof(low));
		config_format_duration(key->max, high, sizeof(high));
		snprintf(buf, size, "a duration from %s to %s", low, high);
		return buf;
	case CONFIG_TYPE_STATUS: return "a status from 100 to 599, or a range such as 200-299";
	case CONFIG_TYPE_WORD: return allowed_words(key, buf, size);
	case CONFIG_TYPE_WORDS:
		snprintf(low, sizeof(low), "a list of ");
		snprintf(buf, size, "%s", low);
		allowed_words(key, buf + strlen(low), size - strlen(low));
		return buf;
	case CONFIG_TYPE_NAME: return "1 to 63 of A-Z a-z 0-9 . _ : -, the first a letter or a digit";
	case CONFIG_TYPE_IFNAME:
		snprintf(buf, size, "an interface name of 1 to 15 characters%s%s", also, special);
		return buf;
	case CONFIG_TYPE_FILE: return "an absolute path";
	case CONFIG_TYPE_TEXT:
		snprintf(buf, size, "a text of %ju to %ju characters", (uintmax_t)key->min,
			 (uintmax_t)key->max);
		return buf;
	case CONFIG_TYPE_ADDRESS:
		snprintf(buf, size, "an IPv4 or IPv6 address%s%s", also, special);
		return buf;
	case CONFIG_TYPE_OTHER: break;
	}
	return "";
}
