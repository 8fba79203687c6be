/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of keys against itself: a row that could not work is found here, not by an operator.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "controlplane/config.h"
#include "controlplane/config_schema.h"
#include "controlplane/config_value.h"

static void every_key_is_there_once_and_rows_of_a_map_stand_together(void **state)
{
	size_t count;
	const struct config_key *keys = config_schema_keys(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const char *name = config_key_name(&keys[i]);
		char path[128];
		struct config_section section;

		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(keys[i].path, keys[k].path);
		snprintf(path, sizeof(path), "%.*s",
			 name == keys[i].path ? 0 : (int)(name - keys[i].path - 1), keys[i].path);
		section = config_schema_section(path);
		assert_true(&keys[i] >= section.keys && &keys[i] < section.keys + section.count);
		assert_ptr_equal(config_schema_find(&section, name), &keys[i]);
		assert_null(config_schema_find(&section, "no-such-key"));
	}
}

static void every_key_says_what_it_is_what_is_allowed_and_what_holds_without_it(void **state)
{
	size_t count;
	const struct config_key *keys = config_schema_keys(&count);
	char allowed[400];

	(void)state;
	for (size_t i = 0; i < count; i++) {
		assert_non_null(keys[i].text);
		assert_true(strlen(keys[i].text) > 3);
		assert_true(strlen(config_key_allowed(&keys[i], allowed, sizeof(allowed))) > 3);
		assert_null(strchr(keys[i].text, '|'));
		if (keys[i].type != CONFIG_TYPE_OTHER && !keys[i].required)
			assert_true(keys[i].value || keys[i].value_text);
		for (const char *c = config_key_name(&keys[i]); *c; c++)
			assert_true((*c >= 'a' && *c <= 'z') || *c == '-');
	}
}

static void every_stored_value_fits_where_it_is_kept(void **state)
{
	size_t count;
	const struct config_key *keys = config_schema_keys(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const struct config_key *key = &keys[i];
		const uint64_t largest = key->max / (key->scale ? key->scale : 1);

		if (key->width == 0)
			continue;
		switch (key->type) {
		case CONFIG_TYPE_NAME: assert_int_equal(key->width, SL_NAME_MAX); break;
		case CONFIG_TYPE_IFNAME: assert_int_equal(key->width, 16); break;
		case CONFIG_TYPE_FILE:
		case CONFIG_TYPE_TEXT:
			assert_int_equal(key->width, sizeof(char *));
			assert_true(key->max > 0);
			break;
		case CONFIG_TYPE_ADDRESS: assert_int_equal(key->width, sizeof(struct sl_addr)); break;
		case CONFIG_TYPE_STATUS: assert_int_equal(key->width, 4); break;
		case CONFIG_TYPE_WORD:
		case CONFIG_TYPE_WORDS: assert_non_null(key->words); break;
		case CONFIG_TYPE_BOOL: assert_int_equal(key->width, 1); break;
		case CONFIG_TYPE_NUMBER:
		case CONFIG_TYPE_COUNT:
		case CONFIG_TYPE_SIZE:
		case CONFIG_TYPE_PERCENT:
		case CONFIG_TYPE_DURATION:
			assert_true(key->max > key->min);
			assert_true(key->width == 8 || largest >> 8 * key->width == 0);
			break;
		case CONFIG_TYPE_OTHER: fail_msg("%s is stored but has no type", key->path); break;
		}
	}
}

/* Loads a minimal file in which one key is set to its own default. */
static void a_default_written_out_changes_nothing(void **state)
{
	static const struct {
		const char *section, *before, *after;
	} frames[] = {
		{ "", "", "" },
		{ "dpdk", "dpdk: {", "}\n" },
		{ "xdp", "xdp: {", "}\n" },
		{ "announce", "announce: {", "}\n" },
		{ "limits", "limits: {", "}\n" },
		{ "log", "log: {", "}\n" },
		{ "checks.*", "checks: {c: {type: http, ", "}}\n" },
		{ "pools[]", "pools: [{name: p, backends: [10.0.0.9], ", "}]\n" },
		{ "pools[].connection-idle", "pools: [{name: p, backends: [10.0.0.9], connection-idle: {",
		  "}}]\n" },
		{ "pools[].backends[]", "pools: [{name: p, backends: [{address: 10.0.0.9, ", "}]}]\n" },
	};
	unsigned int tried = 0;

	(void)state;
	for (size_t f = 0; f < sizeof(frames) / sizeof(frames[0]); f++) {
		const struct config_section section = config_schema_section(frames[f].section);

		for (size_t i = 0; i < section.count; i++) {
			struct config_errors *errors = NULL;
			struct config *config = NULL;
			char text[512];

			if (!section.keys[i].value)
				continue;
			snprintf(text, sizeof(text),
				 "%s%s: %s\n%sinterfaces: [\"af_xdp:eth1\"]\nservices: [{name: s, listen: "
				 "tcp 10.0.0.1:80, backends: [10.0.0.2]}]\n",
				 frames[f].before, config_key_name(&section.keys[i]), section.keys[i].value,
				 frames[f].after);
			if (config_load_text("default.yaml", text, strlen(text), NULL, &config, &errors) != 0)
				config_errors_print(errors, stderr);
			assert_non_null(config);
			assert_int_equal(config_errors_count(errors), 0);
			config_free(config);
			config_errors_free(errors);
			tried++;
		}
	}
	assert_true(tried > 25);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_is_there_once_and_rows_of_a_map_stand_together),
		cmocka_unit_test(every_key_says_what_it_is_what_is_allowed_and_what_holds_without_it),
		cmocka_unit_test(every_stored_value_fits_where_it_is_kept),
		cmocka_unit_test(a_default_written_out_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
