/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Single values of a scenario file, by the configuration's own readers where it has the same kind.
 */
#include "scenario_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/config_read.h"
#include "controlplane/config_value.h"

static void refuse(struct scenario_reader *reader, const struct config_node *node,
		   const struct config_path *path, const char *reason, const char *allowed)
{
	config_errors_add(reader->errors, node->mark, path, "\"%.60s\" %s; allowed: %s", node->text, reason,
			  allowed);
}

static void unknown_key(struct scenario_reader *reader, const struct config_node *key,
			const struct config_path *path, const struct scenario_key *keys)
{
	struct config_suggestion near = {.wrong = key->text};
	char all[256] = "";
	size_t used = 0;

	for (size_t i = 0; keys[i].key != NULL; i++) {
		config_suggest(&near, keys[i].key);
		if (used < sizeof(all))
			used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i > 0 ? ", " : "",
						 keys[i].key);
	}
	if (near.best != NULL)
		config_errors_add(reader->errors, key->mark, path, "unknown key; did you mean \"%s\"?",
				  near.best);
	else
		config_errors_add(reader->errors, key->mark, path, "unknown key; allowed: %s", all);
}

bool scenario_read_map(struct scenario_reader *reader, const struct config_node *node,
		       const struct config_path *path, const struct scenario_key *keys, void *into)
{
	if (node->kind != CONFIG_NODE_MAP) {
		if (node->kind != CONFIG_NODE_BAD)
			config_errors_add(reader->errors, node->mark, path, "this is %s; allowed: a map",
					  config_node_kind_name(node));
		return false;
	}
	for (size_t i = 0; i < node->count; i++) {
		const struct config_path here = {.parent = path, .key = node->keys[i]->text};
		const struct scenario_key *key = keys;

		while (key->key != NULL && strcmp(key->key, node->keys[i]->text) != 0)
			key++;
		if (key->key == NULL)
			unknown_key(reader, node->keys[i], &here, keys);
		else
			key->read(reader, node->items[i], &here, into);
	}
	return true;
}

bool scenario_text(struct scenario_reader *reader, const struct config_node *node,
		   const struct config_path *path, const char *allowed, const char **ret_text)
{
	if (node->kind == CONFIG_NODE_TEXT && node->text_len > 0 && strlen(node->text) == node->text_len) {
		*ret_text = node->text;
		return true;
	}
	if (node->kind != CONFIG_NODE_BAD)
		config_errors_add(reader->errors, node->mark, path, "this is %s; allowed: %s",
				  node->kind == CONFIG_NODE_TEXT ? "empty" : config_node_kind_name(node),
				  allowed);
	return false;
}

bool scenario_name(struct scenario_reader *reader, const struct config_node *node,
		   const struct config_path *path, char ret_name[SL_NAME_MAX])
{
	struct config_reason reason;
	const char *text;

	if (!scenario_text(reader, node, path, "a name", &text))
		return false;
	if (!config_value_name(text, strlen(text), &reason)) {
		refuse(reader, node, path, reason.text, "a name");
		return false;
	}
	strcpy(ret_name, text); /* a name fits: config_value_name() says so */
	return true;
}

bool scenario_backend(struct scenario_reader *reader, const struct config_node *node,
		      const struct config_path *path, const char *text, char ret_pool[SL_NAME_MAX],
		      char ret_backend[SL_NAME_MAX])
{
	static const char allowed[] = "a backend's name, or POOL/BACKEND";
	const char *slash = strchr(text, '/');
	const char *backend = slash != NULL ? slash + 1 : text;
	const size_t pool_len = slash != NULL ? (size_t)(slash - text) : 0;
	struct config_reason reason;

	if ((slash != NULL && !config_value_name(text, pool_len, &reason)) ||
	    !config_value_name(backend, strlen(backend), &reason)) {
		config_errors_add(reader->errors, node->mark, path, "\"%.60s\" %s; allowed: %s", text,
				  reason.text, allowed);
		return false;
	}
	memcpy(ret_pool, text, pool_len);
	ret_pool[pool_len] = 0;
	strcpy(ret_backend, backend);
	return true;
}

bool scenario_number(struct scenario_reader *reader, const struct config_node *node,
		     const struct config_path *path, uint64_t min, uint64_t max, uint64_t *ret_number)
{
	struct config_reason reason = {"is out of range"};
	char allowed[80];
	const char *text;

	snprintf(allowed, sizeof(allowed), "a number from %llu to %llu", (unsigned long long)min,
		 (unsigned long long)max);
	if (!scenario_text(reader, node, path, allowed, &text))
		return false;
	if (!config_value_number(text, ret_number, &reason) || *ret_number < min || *ret_number > max) {
		refuse(reader, node, path, reason.text, allowed);
		return false;
	}
	return true;
}

bool scenario_duration(struct scenario_reader *reader, const struct config_node *node,
		       const struct config_path *path, uint64_t *ret_ns)
{
	static const char allowed[] = "a duration, like 500ms or 2s, up to 24h";
	struct config_reason reason = {"is too long"};
	const char *text;
	uint64_t ms;

	if (!scenario_text(reader, node, path, allowed, &text))
		return false;
	if (!config_value_duration(text, &ms, &reason) || ms > 24 * 3600 * 1000) {
		refuse(reader, node, path, reason.text, allowed);
		return false;
	}
	*ret_ns = ms * 1000000;
	return true;
}

bool scenario_bool(struct scenario_reader *reader, const struct config_node *node,
		   const struct config_path *path, bool *ret_value)
{
	struct config_reason reason;
	const char *text;

	if (!scenario_text(reader, node, path, "true or false", &text))
		return false;
	if (!config_value_bool(text, ret_value, &reason)) {
		refuse(reader, node, path, reason.text, "true or false");
		return false;
	}
	return true;
}

bool scenario_mac(struct scenario_reader *reader, const struct config_node *node,
		  const struct config_path *path, uint8_t ret_mac[6])
{
	static const char allowed[] = "an Ethernet address of one station, like 02:00:00:00:00:01";
	unsigned int byte[6];
	bool colons = true;
	const char *text;

	if (!scenario_text(reader, node, path, allowed, &text))
		return false;
	for (int i = 2; i < 17 && colons; i += 3)
		colons = strlen(text) == 17 && text[i] == ':';
	if (!colons || strspn(text, "0123456789abcdefABCDEF:") != 17 ||
	    sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4],
		   &byte[5]) != 6) {
		refuse(reader, node, path, "is no Ethernet address", allowed);
		return false;
	}
	if (strspn(text, "0:") == 17) {
		refuse(reader, node, path, "is nobody's address", allowed);
		return false;
	}
	if (byte[0] & 1) {
		refuse(reader, node, path, "is a group's address", allowed);
		return false;
	}
	for (int i = 0; i < 6; i++)
		ret_mac[i] = (uint8_t)byte[i];
	return true;
}

bool scenario_ip(struct scenario_reader *reader, const struct config_node *node,
		 const struct config_path *path, struct sl_addr *ret_address)
{
	static const char allowed[] = "an IPv4 or IPv6 address";
	struct config_reason reason;
	const char *text;

	if (!scenario_text(reader, node, path, allowed, &text))
		return false;
	if (!config_value_address(text, ret_address, &reason)) {
		refuse(reader, node, path, reason.text, allowed);
		return false;
	}
	return true;
}

bool scenario_prefix(struct scenario_reader *reader, const struct config_node *node,
		     const struct config_path *path, struct scenario_address *ret_address)
{
	static const char allowed[] = "an address with the length of its network, like 192.0.2.5/24";
	struct config_reason reason = {"is too long for a network"};
	uint64_t length, longest;
	const char *text, *slash;
	char address[64];

	if (!scenario_text(reader, node, path, allowed, &text))
		return false;
	slash = strchr(text, '/');
	if (slash == NULL || (size_t)(slash - text) >= sizeof(address)) {
		refuse(reader, node, path, "has no /LENGTH", allowed);
		return false;
	}
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = 0;
	if (!config_value_address(address, &ret_address->address, &reason)) {
		refuse(reader, node, path, reason.text, allowed);
		return false;
	}
	longest = sl_addr_is_v4(&ret_address->address) ? 32 : 128;
	if (!config_value_number(slash + 1, &length, &reason) || length > longest) {
		refuse(reader, node, path, reason.text, allowed);
		return false;
	}
	ret_address->prefix_len = (unsigned int)(length + 128 - longest);
	return true;
}
