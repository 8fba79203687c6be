/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sluice-dp's command line, its help and its log lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/options.h"

static int parse(struct options *options, struct options_error *error, const char *a, const char *b)
{
	char *argv[] = {(char[]){"sluice-dp"}, (char *)(uintptr_t)a, (char *)(uintptr_t)b, NULL};

	return options_parse(b ? 3 : a ? 2 : 1, argv, "/run/sluice", options, error);
}

static void no_arguments_give_the_defaults(void **state)
{
	struct options options;
	struct options_error error;

	(void)state;
	assert_int_equal(parse(&options, &error, NULL, NULL), 0);
	assert_string_equal(options.instance, "default");
	assert_string_equal(options.runtime_dir, "/run/sluice");
	assert_int_equal(options.wait_s, -1);
	assert_int_equal(options.log_level, LOG_LEVEL_INFO);
	assert_false(options.no_huge || options.help || options.version || options.dpdk_log);
}

static void a_value_follows_as_an_argument_or_after_an_equals_sign(void **state)
{
	struct options options;
	struct options_error error;

	(void)state;
	assert_int_equal(parse(&options, &error, "--instance", "edge-1"), 0);
	assert_string_equal(options.instance, "edge-1");
	assert_int_equal(parse(&options, &error, "--wait=30", "--log=json"), 0);
	assert_int_equal(options.wait_s, 30);
	assert_int_equal(options.log_format, LOG_FORMAT_JSON);
}

static void what_is_wrong_is_refused_with_what_is_allowed(void **state)
{
	static const struct {
		const char *a, *b, *text;
	} cases[] = {
		{"--instance", "../etc", "--instance '../etc': use 1 to 31 of a-z, 0-9, '-' and '_'"},
		{"--instance", "", "--instance '': use 1 to 31 of a-z, 0-9, '-' and '_'"},
		{"--instance", "Edge.1", "--instance 'Edge.1': use 1 to 31 of a-z, 0-9, '-' and '_'"},
		{"--instance", "instance-name-of-32-letters-long",
		 "--instance 'instance-name-of-32-letters-long': use 1 to 31 of a-z, 0-9, '-' and '_'"},
		{"--instance", NULL, "--instance needs NAME"},
		{"--runtime-dir", "run", "--runtime-dir 'run': an absolute path of at most 255 bytes is needed"},
		{"--wait", "soon", "--wait 'soon': whole seconds from 0 to 86400 are allowed"},
		{"--wait", "-1", "--wait '-1': whole seconds from 0 to 86400 are allowed"},
		{"--log", "xml", "--log 'xml': text or json is allowed"},
		{"--log-level", "loud", "--log-level 'loud': debug, info, warning or error is allowed"},
		{"--no-huge=yes", NULL, "--no-huge takes no value"},
		{"--workers", "2", "unknown argument '--workers'; --help lists what there is"},
	};
	struct options options;
	struct options_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse(&options, &error, cases[i].a, cases[i].b), -EINVAL);
		assert_string_equal(error.text, cases[i].text);
	}
}

/* Every "--word" of the help stands in the manual page, and the other way round. */
static void help_and_manual_page_name_the_same_options(void **state)
{
	char *text = NULL, *manual = NULL, *help = NULL;
	size_t help_len = 0, manual_len = 0, got;
	const char *path = getenv("SLUICE_DP_MANUAL");
	FILE *out, *in;

	(void)state;
	assert_non_null(path);
	out = open_memstream(&help, &help_len);
	options_print_help(out);
	fclose(out);
	in = fopen(path, "r");
	assert_non_null(in);
	out = open_memstream(&manual, &manual_len);
	text = malloc(4096);
	while ((got = fread(text, 1, 4096, in)) > 0)
		for (size_t i = 0; i < got; i++)
			if (text[i] != '\\') /* roff writes "\-\-help" */
				fputc(text[i], out);
	fclose(out);
	fclose(in);
	for (int side = 0; side < 2; side++) {
		const char *from = side ? manual : help, *to = side ? help : manual;

		for (const char *at = strstr(from, "--"); at; at = strstr(at + 2, "--")) {
			char word[64];

			if (sscanf(at + 2, "%60[a-z-]", word) != 1)
				continue;
			if (!strstr(to, word))
				fail_msg("--%s is only in the %s", word, side ? "manual page" : "help");
		}
	}
	free(text);
	free(help);
	free(manual);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_arguments_give_the_defaults),
		cmocka_unit_test(a_value_follows_as_an_argument_or_after_an_equals_sign),
		cmocka_unit_test(what_is_wrong_is_refused_with_what_is_allowed),
		cmocka_unit_test(help_and_manual_page_name_the_same_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
