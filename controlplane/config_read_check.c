/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * checks: and the same as they may stand inside a pool or a service, short or as a map.
 */
#include <stdio.h>
#include <string.h>

#include "config_read.h"

/* What only one type of check has. */
static void refuse_foreign_keys(struct config_reader *reader, const struct config_node *map,
				const struct config_path *path, const struct config_check *check)
{
	static const struct {
		const char *key;
		enum config_check_type type;
		const char *name;
	} owners[] = { { "path", CONFIG_CHECK_HTTP, "http" },
		       { "host", CONFIG_CHECK_HTTP, "http" },
		       { "status", CONFIG_CHECK_HTTP, "http" },
		       { "body", CONFIG_CHECK_HTTP, "http" },
		       { "query", CONFIG_CHECK_DNS, "dns" } };

	for (size_t i = 0; i < map->count; i++) {
		const struct config_path here = { .parent = path, .key = map->keys[i]->text };

		for (size_t k = 0; k < sizeof(owners) / sizeof(owners[0]); k++)
			if (strcmp(owners[k].key, map->keys[i]->text) == 0 && owners[k].type != check->type)
				config_errors_add(
					reader->errors, map->keys[i]->mark, &here,
					"only checks with type: %s have this key; allowed: leave it out",
					owners[k].name);
		if (check->type == CONFIG_CHECK_ICMP && strcmp(map->keys[i]->text, "port") == 0)
			config_errors_add(reader->errors, map->keys[i]->mark, &here,
					  "an echo has no port; allowed: leave it out");
	}
}

static bool is_visible(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f)
			return false;
	return true;
}

static bool check_http_path(const char *text, struct config_reason *reason)
{
	if (text[0] == '/' && is_visible(text))
		return true;
	snprintf(reason->text, sizeof(reason->text), "%s",
		 text[0] == '/' ? "has blanks or other characters that need %-escapes"
				: "does not begin with \"/\"");
	return false;
}

static void check_values(struct config_reader *reader, const struct config_node *map,
			 const struct config_path *path, struct config_check *check)
{
	const struct config_path at_path = { .parent = path, .key = "path" },
				 at_host = { .parent = path, .key = "host" };
	const struct config_path at_timeout = { .parent = path, .key = "timeout" };
	const struct config_node *timeout = config_node_get(map, "timeout"),
				 *interval = config_node_get(map, "interval");
	struct config_reason reason;
	char time[32], limit[32];

	if (check->path && !check_http_path(check->path, &reason))
		config_read_refuse(reader, config_node_get(map, "path"), "checks.*.path", &at_path, &reason);
	if (check->host && !is_visible(check->host)) {
		snprintf(reason.text, sizeof(reason.text),
			 "has blanks or other characters that no host name has");
		config_read_refuse(reader, config_node_get(map, "host"), "checks.*.host", &at_host, &reason);
	}
	if (check->timeout_ms > check->interval_ms && timeout) {
		config_format_duration(check->timeout_ms, time, sizeof(time));
		config_format_duration(check->interval_ms, limit, sizeof(limit));
		config_errors_add(reader->errors, timeout->mark, &at_timeout,
				  "%s is longer than the interval; allowed: at most %s", time, limit);
	} else if (check->timeout_ms > check->interval_ms && interval) {
		check->timeout_ms = check->interval_ms; /* the default is cut, not an error */
	}
}

static void read_check_map(struct config_reader *reader, const struct config_node *map,
			   const struct config_path *path, struct config_check *check)
{
	const size_t before = config_errors_count(reader->errors);

	check->line = map->mark.line;
	config_read_section(reader, "checks.*", map, path, check);
	if (!config_node_get(map, "type") || config_errors_count(reader->errors) > before)
		return; /* what follows would only repeat it */
	refuse_foreign_keys(reader, map, path, check);
	check_values(reader, map, path, check);
	if (check->type == CONFIG_CHECK_HTTP && !check->path)
		check->path = config_arena_text(reader->config->memory, "/", 1);
}

void config_read_checks(struct config_reader *reader, const struct config_node *map)
{
	const struct config_path path = { .key = "checks" };
	struct config *config = reader->config;
	struct config_reason reason;
	size_t first;

	if (!map || !config_read_expect(reader, map, CONFIG_NODE_MAP, "checks", &path))
		return;
	for (size_t i = 0; i < map->count; i++) {
		const struct config_node *key = map->keys[i], *node = map->items[i];
		const struct config_path here = { .parent = &path, .key = key->text };
		struct config_check *check = &config->checks[config->check_count];

		if (!config_value_name(key->text, key->text_len, &reason)) {
			config_read_refuse(reader, key, "pools[].name", &path, &reason);
			continue;
		}
		memcpy(check->name, key->text, key->text_len);
		if (config_index_put(reader->check_index, check->name, key->text_len, config->check_count,
				     &first) < 0)
			config_errors_no_memory(reader->errors);
		config->check_count++;
		if (config_read_expect(reader, node, CONFIG_NODE_MAP, "checks", &here))
			read_check_map(reader, node, &here, check);
	}
	reader->named_checks = config->check_count;
}

/* "tcp", "tcp 8080", "http", "http /healthz", "icmp". */
static void read_short_check(struct config_reader *reader, const struct config_node *node,
			     const struct config_path *path, struct config_check *check)
{
	const char *rest = node->text + strcspn(node->text, " ");
	struct config_reason reason;
	uint64_t port;

	check->line = node->mark.line;
	config_read_section(reader, "checks.*", NULL, path, check);
	check->type = node->text[0] == 't'   ? CONFIG_CHECK_TCP
		      : node->text[0] == 'h' ? CONFIG_CHECK_HTTP
					     : CONFIG_CHECK_ICMP;
	rest += strspn(rest, " ");
	if (check->type == CONFIG_CHECK_HTTP) {
		check->path = config_arena_text(reader->config->memory, *rest ? rest : "/",
						*rest ? strlen(rest) : 1);
		if (!check->path)
			config_errors_no_memory(reader->errors);
		else if (!check_http_path(check->path, &reason))
			config_errors_add(reader->errors, node->mark, path,
					  "the path \"%.60s\" %s; allowed: \"http /PATH\", or a map with the "
					  "keys of a check",
					  rest, reason.text);
	} else if (check->type == CONFIG_CHECK_TCP && *rest) {
		if (!config_value_number(rest, &port, &reason) || port < 1 || port > 65535)
			config_errors_add(reader->errors, node->mark, path,
					  "\"%.20s\" is no port; allowed: \"tcp PORT\" with 1 to 65535",
					  rest);
		else
			check->port = (uint16_t)port;
	} else if (*rest) {
		config_errors_add(reader->errors, node->mark, path,
				  "\"%.20s\" means nothing to an echo; allowed: \"icmp\"", rest);
	}
}

static bool is_short_check(const char *text)
{
	const size_t len = strcspn(text, " ");

	return (len == 3 && memcmp(text, "tcp", 3) == 0) || (len == 4 && memcmp(text, "http", 4) == 0) ||
	       (len == 4 && memcmp(text, "icmp", 4) == 0);
}

static int unknown_check(struct config_reader *reader, const struct config_node *node,
			 const struct config_path *path)
{
	struct config_suggestion near = { .wrong = node->text };
	struct config_reason reason = { "is no check" };

	for (size_t i = 0; i < reader->named_checks && !config_errors_full(reader->errors); i++)
		config_suggest(&near, reader->config->checks[i].name);
	if (near.best)
		snprintf(reason.text, sizeof(reason.text), "is no check (did you mean \"%s\"?)", near.best);
	config_read_refuse(reader, node, "pools[].check", path, &reason);
	return -1;
}

int config_read_pool_check(struct config_reader *reader, const struct config_node *node,
			   const struct config_path *path, const char *pool_name)
{
	struct config_check *check = &reader->config->checks[reader->config->check_count];
	size_t known;

	if (node->kind != CONFIG_NODE_MAP &&
	    !config_read_expect(reader, node, CONFIG_NODE_TEXT, "pools[].check", path))
		return -1;
	if (node->kind == CONFIG_NODE_TEXT) {
		if (config_index_get(reader->check_index, node->text, node->text_len, &known))
			return (int)known;
		if (!is_short_check(node->text))
			return unknown_check(reader, node, path);
	}
	if (config_index_get(reader->check_index, pool_name, strlen(pool_name), &known))
		config_errors_add(reader->errors, node->mark, path,
				  "a check written here is called \"%s\", like the one in line %u; allowed: "
				  "the name of that check, or another name for it",
				  pool_name, reader->config->checks[known].line);
	snprintf(check->name, sizeof(check->name), "%s", pool_name);
	reader->config->check_count++;
	if (node->kind == CONFIG_NODE_MAP)
		read_check_map(reader, node, path, check);
	else
		read_short_check(reader, node, path, check);
	return (int)(check - reader->config->checks);
}
