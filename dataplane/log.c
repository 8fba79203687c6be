/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Formats events and writes each with one write(2), so that lines of several threads never mix.
 */
#include "dataplane/log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LOG_CAPTURE_MAX = 16384 };
enum { LOG_TEXT_MAX = 1024, LOG_LINE_MAX = 2 * LOG_TEXT_MAX };

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

/* Copies `text` as the inside of a JSON string; control characters become escapes (or, in text, '?'). */
static size_t log_escape(char *out, size_t size, const char *text, enum log_format format)
{
	size_t used = 0;

	for (const unsigned char *c = (const unsigned char *)text; *c != 0 && used + 7 < size; c++) {
		if (*c >= 0x20 && *c != 0x7f && !(format == LOG_FORMAT_JSON && (*c == '"' || *c == '\\')))
			out[used++] = (char)*c;
		else if (format == LOG_FORMAT_JSON)
			used += (size_t)snprintf(out + used, size - used, "\\u%04x", *c);
		else
			out[used++] = '?';
	}
	out[used] = 0;
	return used;
}

size_t log_format_line(char *line, size_t size, enum log_format format, enum log_level level, const char *event,
		       const char *time, const char *text)
{
	char safe[LOG_LINE_MAX - 256];
	int len;

	log_escape(safe, sizeof(safe), text, format);
	if (format == LOG_FORMAT_JSON)
		len = snprintf(line, size,
			       "{\"time\":\"%s\",\"level\":\"%s\",\"program\":\"sluice-dp\",\"event\":\"%s\","
			       "\"text\":\"%s\"}",
			       time, log_level_name(level), event, safe);
	else
		len = snprintf(line, size, "%s %s sluice-dp %s: %s", time, log_level_name(level), event, safe);
	return len < 0 ? 0 : (size_t)len < size ? (size_t)len : size - 1;
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
	char text[LOG_TEXT_MAX], line[LOG_LINE_MAX], stamp[40];
	struct timespec now;
	struct tm tm;
	va_list args;
	size_t len;

	if (level < log_settings.level)
		return;
	va_start(args, format);
	if (vsnprintf(text, sizeof(text), format, args) < 0)
		text[0] = 0;
	va_end(args);
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	len = strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(stamp + len, sizeof(stamp) - len, ".%03ldZ", now.tv_nsec / 1000000);
	len = log_format_line(line, sizeof(line) - 1, log_settings.format, level, event, stamp, text);
	line[len++] = '\n';
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
			log_event(level, "library", "%s", line);
}
