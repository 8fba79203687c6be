/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes each event with one write(2), so that lines of several threads never mix. What a line looks like
 * is sluice/host/log_line.h's.
 */
#include "dataplane/log.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { LOG_CAPTURE_MAX = 16384 };

static struct {
	enum log_format format;
	enum log_level level;
	int fd;
	int captured; /* read end of the pipe that stands in for standard error; -1: none */
} log_settings = {LOG_FORMAT_TEXT, LOG_LEVEL_INFO, STDERR_FILENO, -1};

const char *log_level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_DEBUG: return "debug";
	case LOG_LEVEL_INFO: return "info";
	case LOG_LEVEL_WARNING: return "warning";
	case LOG_LEVEL_ERROR: return "error";
	case LOG_LEVEL_COUNT: break;
	}
	return "unknown";
}

void log_setup(enum log_format format, enum log_level level)
{
	log_settings.format = format;
	log_settings.level = level;
}

void log_write(enum log_level level, const char *event, const struct sl_log_field *fields)
{
	char line[SL_LOG_LINE_MAX];
	size_t len;

	if (level < log_settings.level)
		return;
	len = sl_log_line(line, log_settings.format == LOG_FORMAT_JSON, log_level_name(level), event, fields);
	if (write(log_settings.fd, line, len) < 0)
		return; /* nobody to tell */
}

void log_capture_begin(void)
{
	int ends[2], saved;

	/* Not blocking: a library that prints more than the pipe holds loses lines, not time. */
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return;
	saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (saved < 0 || dup2(ends[1], STDERR_FILENO) < 0) {
		close(ends[0]);
		if (saved >= 0)
			close(saved);
	} else {
		log_settings.fd = saved;
		log_settings.captured = ends[0];
	}
	close(ends[1]);
}

void log_capture_end(enum log_level level)
{
	char bytes[LOG_CAPTURE_MAX + 1];
	ssize_t len;

	if (log_settings.captured < 0)
		return;
	dup2(log_settings.fd, STDERR_FILENO);
	close(log_settings.fd);
	log_settings.fd = STDERR_FILENO;
	len = read(log_settings.captured, bytes, LOG_CAPTURE_MAX);
	close(log_settings.captured);
	log_settings.captured = -1;
	bytes[len > 0 ? len : 0] = 0;
	for (char *rest = bytes, *line; (line = strsep(&rest, "\n")) != NULL;)
		if (line[0] != 0)
			log_event(level, "a library says", LOG_STR("text", line));
}
