/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of sluiced, and that its manual names the same options as --help. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controlplane/options.h"

static int parse(struct options *options, char *reterr, size_t size, ...)
{
	char *argv[16] = { (char *)"sluiced" };
	int argc = 1;
	va_list args;

	va_start(args, size);
	while ((argv[argc] = va_arg(args, char *)) != NULL)
		argc++;
	va_end(args);
	return options_parse(argc, argv, options, reterr, size);
}

#define PARSE(...) parse(&options, reterr, sizeof(reterr), __VA_ARGS__, NULL)

static void defaults_are_those_of_the_manual(void **state)
{
	struct options options;
	char reterr[256];

	(void)state;
	assert_int_equal(parse(&options, reterr, sizeof(reterr), NULL), 0);
	assert_string_equal(options.config, "/etc/sluice/sluice.yaml");
	assert_string_equal(options.instance, "default");
	assert_int_equal(options.action, OPTIONS_RUN);
	assert_int_equal(options.log_format, -1);
}

static void a_check_takes_its_file_as_an_argument_too(void **state)
{
	struct options options;
	char reterr[256];

	(void)state;
	assert_int_equal(PARSE("--check", "a.yaml"), 0);
	assert_int_equal(options.action, OPTIONS_CHECK);
	assert_string_equal(options.config, "a.yaml");
	assert_int_equal(PARSE("--check", "--config", "b.yaml"), 0);
	assert_string_equal(options.config, "b.yaml");
}

static void wrong_use_is_refused_with_what_is_allowed(void **state)
{
	struct options options;
	char reterr[256];

	(void)state;
	assert_true(PARSE("--instance", "../x") < 0);
	assert_string_equal(reterr, "--instance '../x': use 1 to 31 of a-z, 0-9, '-' and '_'");
	assert_true(PARSE("--log", "xml") < 0);
	assert_non_null(strstr(reterr, "text or json"));
	assert_true(PARSE("--log-level", "loud") < 0);
	assert_non_null(strstr(reterr, "debug, info, warning or error"));
	assert_true(PARSE("a.yaml") < 0);
	assert_non_null(strstr(reterr, "a.yaml"));
}

/* Without roff's backslashes. */
static char *read_manual(const char *path)
{
	enum { MANUAL_MAX = 1 << 16 };
	FILE *in = fopen(path, "r");
	char *text = calloc(MANUAL_MAX, 1);
	size_t len = 0;
	int c;

	assert_non_null(in);
	assert_non_null(text);
	while ((c = fgetc(in)) != EOF) {
		assert_true(len + 1 < MANUAL_MAX);
		if (c != '\\')
			text[len++] = (char)c;
	}
	fclose(in);
	return text;
}

static void every_option_of_one_is_in_the_other(const char *from, const char *to, const char *other)
{
	for (const char *at = strstr(from, "--"); at; at = strstr(at + 2, "--")) {
		char option[64];

		if (sscanf(at, "%60[a-z-]", option) == 1 && !strstr(to, option))
			fail_msg("%s is missing in the %s", option, other);
	}
}

static void manual_and_help_name_the_same_options_and_statuses(void **state)
{
	char *manual = read_manual(getenv("SLUICED_MANUAL")), *help = NULL, status[16];
	size_t len = 0;
	FILE *out = open_memstream(&help, &len);

	(void)state;
	options_usage(out);
	fclose(out);
	every_option_of_one_is_in_the_other(help, manual, "manual");
	every_option_of_one_is_in_the_other(manual, help, "help");
	for (int i = EXIT_STOPPED; i <= EXIT_INTERNAL; i++) {
		snprintf(status, sizeof(status), ".B %d\n", i);
		assert_non_null(strstr(manual, status));
	}
	free(manual);
	free(help);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_the_manual),
		cmocka_unit_test(a_check_takes_its_file_as_an_argument_too),
		cmocka_unit_test(wrong_use_is_refused_with_what_is_allowed),
		cmocka_unit_test(manual_and_help_name_the_same_options_and_statuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
