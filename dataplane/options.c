/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parses the command line by one table of options. Values follow as "--name VALUE" or "--name=VALUE".
 */
#include "dataplane/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum option_kind { OPTION_FLAG = 0, OPTION_INSTANCE, OPTION_ACCOUNT, OPTION_PATH, OPTION_SECONDS, OPTION_LOG, OPTION_LEVEL };

struct option_row {
	const char *name;
	const char *value; /* NULL: takes none */
	const char *help;
	enum option_kind kind;
	size_t offset;
};

static const struct option_row option_rows[] = {
	{"--instance", "NAME", "the balancer to serve, when one machine runs several (default: default)",
	 OPTION_INSTANCE, offsetof(struct options, instance)},
	{"--runtime-dir", "DIR", "where sluiced keeps NAME/dataplane.shm (default: /run/sluice, or\n"
	 "                        /dev/shm/sluice when /run is not in memory)",
	 OPTION_PATH, offsetof(struct options, runtime_dir)},
	{"--no-huge", NULL, "run without hugepages, whatever the configuration says", OPTION_FLAG,
	 offsetof(struct options, no_huge)},
	{"--owner", "USER", "accept a dataplane.shm of this account too (default: root's and one's own)",
	 OPTION_ACCOUNT, offsetof(struct options, owner)},
	{"--wait", "SECONDS", "give up when sluiced has not been there for so long (default: never)",
	 OPTION_SECONDS, offsetof(struct options, wait_s)},
	{"--log", "text|json", "format of the log on standard error (default: text)", OPTION_LOG,
	 offsetof(struct options, log_format)},
	{"--log-level", "LEVEL", "debug, info, warning or error (default: info)", OPTION_LEVEL,
	 offsetof(struct options, log_level)},
	{"--dpdk-log", NULL, "show DPDK's own lines too, not only its errors", OPTION_FLAG,
	 offsetof(struct options, dpdk_log)},
	{"--help", NULL, "print this and exit", OPTION_FLAG, offsetof(struct options, help)},
	{"--version", NULL, "print the version and exit", OPTION_FLAG, offsetof(struct options, version)},
};

enum { OPTION_ROWS = sizeof(option_rows) / sizeof(option_rows[0]), OPTION_WAIT_MAX_S = 86400 };

__attribute__((format(printf, 2, 3))) static int options_fail(struct options_error *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return -EINVAL;
}

/* Letters, digits, '-', '_' and '.', not starting with a dot or a dash: as accounts are called. */
static bool option_name_is_safe(const char *text)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

	return text[0] != 0 && text[0] != '.' && text[0] != '-' && strspn(text, allowed) == strlen(text);
}

static int option_set_level(enum log_level *level, const char *name)
{
	for (int i = 0; i < LOG_LEVEL_COUNT; i++)
		if (strcmp(name, log_level_name((enum log_level)i)) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	return -EINVAL;
}

static int option_set(struct options *options, const struct option_row *row, const char *value,
		      struct options_error *error)
{
	void *field = (char *)options + row->offset;
	char *end;
	long seconds;

	switch (row->kind) {
	case OPTION_FLAG:
		*(bool *)field = true;
		return 0;
	case OPTION_INSTANCE:
		if (sl_instance_name_check(value, error->text, sizeof(error->text)) < 0)
			return -EINVAL;
		strcpy(field, value);
		return 0;
	case OPTION_ACCOUNT:
		if (!option_name_is_safe(value) || strlen(value) >= sizeof(options->owner))
			return options_fail(error, "%s '%.64s': 1 to 63 letters, digits, '-', '_' and '.' are allowed",
					    row->name, value);
		strcpy(field, value);
		return 0;
	case OPTION_PATH:
		if (value[0] != '/' || strlen(value) >= sizeof(options->runtime_dir))
			return options_fail(error, "%s '%.64s': an absolute path of at most 255 bytes is needed",
					    row->name, value);
		strcpy(field, value);
		return 0;
	case OPTION_SECONDS:
		errno = 0;
		seconds = strtol(value, &end, 10);
		if (errno != 0 || end == value || *end != 0 || seconds < 0 || seconds > OPTION_WAIT_MAX_S)
			return options_fail(error, "%s '%.64s': whole seconds from 0 to %d are allowed", row->name,
					    value, OPTION_WAIT_MAX_S);
		*(int *)field = (int)seconds;
		return 0;
	case OPTION_LOG:
		if (strcmp(value, "text") != 0 && strcmp(value, "json") != 0)
			return options_fail(error, "%s '%.64s': text or json is allowed", row->name, value);
		*(enum log_format *)field = value[0] == 'j' ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT;
		return 0;
	case OPTION_LEVEL:
		if (option_set_level(field, value) < 0)
			return options_fail(error, "%s '%.64s': debug, info, warning or error is allowed", row->name,
					    value);
		return 0;
	}
	return -EINVAL;
}

static const struct option_row *option_find(const char *argument, size_t name_len)
{
	for (int i = 0; i < OPTION_ROWS; i++)
		if (strlen(option_rows[i].name) == name_len && memcmp(option_rows[i].name, argument, name_len) == 0)
			return &option_rows[i];
	return NULL;
}

int options_parse(int argc, char *const *argv, const char *runtime_dir, struct options *ret_options,
		  struct options_error *reterr_error)
{
	struct options options = {.instance = "default", .wait_s = -1, .log_level = LOG_LEVEL_INFO};
	int err;

	snprintf(options.runtime_dir, sizeof(options.runtime_dir), "%s", runtime_dir);
	for (int i = 1; i < argc; i++) {
		const char *equals = strchr(argv[i], '=');
		const size_t name_len = equals ? (size_t)(equals - argv[i]) : strlen(argv[i]);
		const struct option_row *row = option_find(argv[i], name_len);
		const char *value = equals ? equals + 1 : NULL;

		if (!row)
			return options_fail(reterr_error, "unknown argument '%.64s'; --help lists what there is",
					    argv[i]);
		if (!row->value && value)
			return options_fail(reterr_error, "%s takes no value", row->name);
		if (row->value && !value && ++i >= argc)
			return options_fail(reterr_error, "%s needs %s", row->name, row->value);
		if (row->value && !value)
			value = argv[i];
		err = option_set(&options, row, value, reterr_error);
		if (err < 0)
			return err;
	}
	*ret_options = options;
	return 0;
}

void options_print_help(FILE *out)
{
	char left[64];

	fputs("usage: sluice-dp [OPTION]...\n"
	      "Forwards the packets of a Sluice instance over DPDK, as sluiced says through shared memory.\n\n",
	      out);
	for (int i = 0; i < OPTION_ROWS; i++) {
		const struct option_row *row = &option_rows[i];

		snprintf(left, sizeof(left), "%s%s%s", row->name, row->value ? " " : "", row->value ? row->value : "");
		fprintf(out, "  %-21s %s\n", left, row->help);
	}
	fputs("\nexit status: 0 stopped as asked, 1 wrong use, 2 another sluice-dp serves the instance,\n"
	      "3 the machine lacks something, 4 shared memory refused, 5 internal error; see sluice-dp(8)\n",
	      out);
}
