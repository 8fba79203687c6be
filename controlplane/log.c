/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes each event of sluiced with one write(2), if its level is wanted. What a line looks like is
 * sluice/host/log_line.h's.
 */
#include "log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char *level_name(enum log_level level)
{
	switch (level) { /* no default */
	case LOG_LEVEL_DEBUG: return "debug";
	case LOG_LEVEL_INFO: return "info";
	case LOG_LEVEL_WARNING: return "warning";
	case LOG_LEVEL_ERROR: return "error";
	case LOG_LEVEL_COUNT: break;
	}
	return "?";
}

void log_write(const struct log *log, enum log_level level, const char *event, const struct sl_log_field *fields)
{
	char line[SL_LOG_LINE_MAX];
	ssize_t written;
	size_t len;

	if (level < log->level)
		return;
	len = sl_log_line(line, log->format == LOG_FORMAT_JSON, level_name(level), event, fields);
	do
		written = write(log->fd, line, len);
	while (written < 0 && errno == EINTR);
}

void log_init(struct log *log, int fd, enum log_format format, enum log_level level)
{
	*log = (struct log){.fd = fd, .format = format, .level = level};
}

int log_level_parse(const char *word, enum log_level *ret_level)
{
	for (enum log_level level = LOG_LEVEL_DEBUG; level < LOG_LEVEL_COUNT; level++) {
		if (strcmp(word, level_name(level)) == 0) {
			*ret_level = level;
			return 0;
		}
	}
	return -EINVAL;
}

int log_format_parse(const char *word, enum log_format *ret_format)
{
	if (strcmp(word, "text") == 0)
		*ret_format = LOG_FORMAT_TEXT;
	else if (strcmp(word, "json") == 0)
		*ret_format = LOG_FORMAT_JSON;
	else
		return -EINVAL;
	return 0;
}
