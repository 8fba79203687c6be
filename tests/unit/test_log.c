/* SPDX-License-Identifier: BSD-3-Clause */
/* log: one line an event, whatever the values hold. */
#include "controlplane/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include <jansson.h>

static char output[4 * SL_LOG_LINE_MAX];

/* Runs one log_write() and leaves what it wrote in `output`. */
static void write_one(enum log_format format, const char *event, const struct sl_log_field *fields)
{
	int fd = memfd_create("log", 0);
	struct log log;
	ssize_t len;

	assert_true(fd >= 0);
	log_init(&log, fd, format, LOG_LEVEL_INFO);
	log_write(&log, LOG_LEVEL_INFO, event, fields);
	len = pread(fd, output, sizeof(output) - 1, 0);
	assert_true(len >= 0);
	output[len] = 0;
	close(fd);
}

/* Everything after the time, which is 24 characters and a space. */
static const char *after_time(void)
{
	assert_int_equal(output[10], 'T');
	assert_int_equal(output[23], 'Z');
	return output + 25;
}

static void text_shows_every_type(void **unused)
{
	struct sl_addr v4 = sl_addr_from_v4(0x0a02a8c0); /* 192.168.2.10 */
	struct sl_addr v6 = {.b = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};

	(void)unused;
	write_one(LOG_FORMAT_TEXT, "backend is up",
		  SL_LOG_FIELDS(LOG_STR("pool", "web"), LOG_STR("none", NULL), LOG_I64("i", -3), LOG_U64("u", 7),
			     LOG_BOOL("b", true), LOG_ADDR("a", &v4), LOG_ADDR("a6", &v6), LOG_ERRNO("why", -ENOENT)));
	assert_string_equal(after_time(), "info \"backend is up\" pool=web none=- i=-3 u=7 b=true a=192.168.2.10 "
					  "a6=2001:db8::1 why=\"No such file or directory\"\n");
}

static void an_event_needs_no_fields(void **unused)
{
	(void)unused;
	write_one(LOG_FORMAT_TEXT, "stopped", SL_LOG_FIELDS());
	assert_string_equal(after_time(), "info \"stopped\"\n");
}

static void no_value_can_forge_a_line_or_a_field(void **unused)
{
	(void)unused;
	write_one(LOG_FORMAT_TEXT, "e",
		  SL_LOG_FIELDS(LOG_STR("v", "a\nb c=d \"q\" \\ \x1b[31m \x7f \xff \xc2\x85 \xe2\x82\xac"), LOG_STR("w", ""),
			     LOG_STR("x", "-")));
	assert_string_equal(after_time(), "info \"e\" v=\"a\\nb c=d \\\"q\\\" \\\\ \\u001b[31m \\u007f \\ufffd \\u0085 "
					  "\xe2\x82\xac\" w=\"\" x=\"-\"\n");
}

static void json_is_one_object_whatever_the_values(void **unused)
{
	char bytes[256];
	json_error_t error;
	json_t *root;

	(void)unused;
	for (int i = 0; i < 255; i++)
		bytes[i] = (char)(i + 1);
	bytes[255] = 0;
	write_one(LOG_FORMAT_JSON, "all \"bytes\"",
		  SL_LOG_FIELDS(LOG_STR("v", bytes), LOG_STR("none", NULL), LOG_U64("u", UINT64_MAX), LOG_BOOL("b", false)));
	assert_int_equal(strchr(output, '\n') - output + 1, (int)strlen(output));
	root = json_loads(output, 0, &error);
	if (root == NULL) { /* UINT64_MAX does not fit jansson's integers; everything else must */
		write_one(LOG_FORMAT_JSON, "all \"bytes\"",
			  SL_LOG_FIELDS(LOG_STR("v", bytes), LOG_STR("none", NULL), LOG_U64("u", INT64_MAX), LOG_BOOL("b", false)));
		root = json_loads(output, 0, &error);
	}
	assert_non_null(root);
	assert_string_equal(json_string_value(json_object_get(root, "event")), "all \"bytes\"");
	assert_string_equal(json_string_value(json_object_get(root, "level")), "info");
	assert_int_equal(json_string_value(json_object_get(root, "v"))[0], 1);
	assert_true(json_is_null(json_object_get(root, "none")));
	assert_true(json_is_false(json_object_get(root, "b")));
	json_decref(root);
}

/* Every length around the limit: the line stays whole, ends in a newline, and JSON stays JSON. */
static void long_values_are_cut_and_say_so(void **unused)
{
	static char value[2 * SL_LOG_LINE_MAX];

	(void)unused;
	for (size_t len = SL_LOG_LINE_MAX - 160; len < SL_LOG_LINE_MAX + 20; len++) {
		json_t *root;

		memset(value, len % 2 == 0 ? 'x' : '"', sizeof(value));
		value[len % 2 == 0 ? len : len / 2] = 0;
		write_one(LOG_FORMAT_JSON, "e", SL_LOG_FIELDS(LOG_STR("v", value), LOG_U64("n", 5), LOG_STR("s", "t")));
		assert_true(strlen(output) <= SL_LOG_LINE_MAX);
		assert_int_equal(output[strlen(output) - 1], '\n');
		root = json_loads(output, 0, NULL);
		assert_non_null(root);
		json_decref(root);
		write_one(LOG_FORMAT_TEXT, "e", SL_LOG_FIELDS(LOG_STR("v", value), LOG_U64("n", 5), LOG_STR("s", "t")));
		assert_true(strlen(output) <= SL_LOG_LINE_MAX);
		assert_int_equal(output[strlen(output) - 1], '\n');
	}
	memset(value, 'x', sizeof(value));
	value[sizeof(value) - 1] = 0;
	write_one(LOG_FORMAT_TEXT, "e", SL_LOG_FIELDS(LOG_STR("v", value), LOG_STR("lost", "t")));
	assert_non_null(strstr(output, "xxx...\"\n"));
}

static void lower_levels_are_not_written(void **unused)
{
	int fd = memfd_create("log", 0);
	enum log_level level = LOG_LEVEL_ERROR;
	struct log log;

	(void)unused;
	log_init(&log, fd, LOG_FORMAT_TEXT, LOG_LEVEL_WARNING);
	log_info(&log, "not this", LOG_U64("n", 1));
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	log_warning(&log, "but this");
	assert_true(lseek(fd, 0, SEEK_END) > 0);
	close(fd);
	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_parse("loud", &level), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_shows_every_type),
		cmocka_unit_test(an_event_needs_no_fields),
		cmocka_unit_test(no_value_can_forge_a_line_or_a_field),
		cmocka_unit_test(json_is_one_object_whatever_the_values),
		cmocka_unit_test(long_values_are_cut_and_say_so),
		cmocka_unit_test(lower_levels_are_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
