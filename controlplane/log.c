/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Formats one event into a bounded line and writes it. Owns escaping: a value may hold anything a peer
 * or a configuration put into it, a line may not.
 */
#include "log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A line being made. `text` keeps room for the tail that finish() adds. */
struct line {
	char text[LOG_LINE_MAX];
	size_t len;
	bool cut;
};

enum {
	LINE_TAIL = 8,   /* quote, "...", quote, brace, newline */
	PLAIN_MAX = 128, /* longer values are quoted, so that they can be cut */
};

static void put(struct line *line, const char *bytes, size_t len)
{
	if (line->cut || line->len + len > sizeof(line->text) - LINE_TAIL) {
		line->cut = true;
		return;
	}
	memcpy(line->text + line->len, bytes, len);
	line->len += len;
}

static void put_str(struct line *line, const char *str)
{
	put(line, str, strlen(str));
}

__attribute__((format(printf, 2, 3))) static void put_format(struct line *line, const char *format, ...)
{
	char text[64];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len > 0)
		put(line, text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
}

/* Length of the valid UTF-8 sequence at `s` (which ends in a zero), 0 for none. RFC 3629 section 4. */
static size_t utf8_length(const unsigned char *s)
{
	size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

/* Between quotes, as a JSON string; the text format uses the same escapes. Bytes that are no UTF-8
 * become U+FFFD. Each step is put whole or not at all, so a cut never leaves half an escape. */
static void put_quoted(struct line *line, const char *str)
{
	const unsigned char *s = (const unsigned char *)str;

	put_str(line, "\"");
	if (line->cut)
		line->text[line->len++] = '"'; /* the reserve has room for this one too */
	while (*s != 0 && !line->cut) {
		size_t len = utf8_length(s);

		if (len == 0) {
			put_str(line, "\\ufffd");
			s++;
			continue;
		}
		if (*s == '"' || *s == '\\')
			put(line, (const char[]){'\\', (char)*s}, 2);
		else if (*s == '\n')
			put_str(line, "\\n");
		else if (*s < 0x20 || *s == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0)) /* C0, DEL, C1 */
			put_format(line, "\\u%04x", len == 1 ? *s : s[1]);
		else
			put(line, (const char *)s, len);
		s += len;
	}
	if (line->cut) { /* within LINE_TAIL: the reserve is exactly for this */
		memcpy(line->text + line->len, "...", 3);
		line->len += 3;
	}
	line->text[line->len++] = '"';
}

/* A value that a person reads without quotes: letters, digits and the punctuation of names. */
static bool is_plain(const char *str)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/@%+,[]";
	const size_t len = strlen(str);

	return len > 0 && len <= PLAIN_MAX && strspn(str, plain) == len;
}

static void put_string_value(struct line *line, enum log_format format, const char *str)
{
	if (str == NULL)
		put_str(line, format == LOG_FORMAT_JSON ? "null" : "-");
	else if (format == LOG_FORMAT_TEXT && is_plain(str) && strcmp(str, "-") != 0)
		put_str(line, str);
	else
		put_quoted(line, str);
}

static void put_value(struct line *line, enum log_format format, const struct log_field *field)
{
	char text[INET6_ADDRSTRLEN];

	switch (field->type) { /* no default */
	case LOG_TYPE_STR:
		put_string_value(line, format, field->str);
		break;
	case LOG_TYPE_I64:
		put_format(line, "%" PRId64, field->i64);
		break;
	case LOG_TYPE_U64:
		put_format(line, "%" PRIu64, field->u64);
		break;
	case LOG_TYPE_BOOL:
		put_str(line, field->flag ? "true" : "false");
		break;
	case LOG_TYPE_ADDR:
		if (sl_addr_is_v4(field->addr))
			inet_ntop(AF_INET, &field->addr->w[3], text, sizeof(text));
		else
			inet_ntop(AF_INET6, field->addr->b, text, sizeof(text));
		put_string_value(line, format, text);
		break;
	case LOG_TYPE_ERRNO:
		put_string_value(line, format, strerror((int)(field->i64 < 0 ? -field->i64 : field->i64)));
		break;
	case LOG_TYPE_END:
		break;
	}
}

static void put_time(struct line *line)
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	put_format(line, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		   tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000);
}

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

static void put_head(struct line *line, enum log_format format, enum log_level level, const char *event)
{
	const bool json = format == LOG_FORMAT_JSON;

	put_str(line, json ? "{\"time\":\"" : "");
	put_time(line);
	put_str(line, json ? "\",\"level\":\"" : " ");
	put_str(line, level_name(level));
	put_str(line, json ? "\",\"event\":" : " ");
	put_quoted(line, event);
}

void log_write(const struct log *log, enum log_level level, const char *event, const struct log_field *fields)
{
	const bool json = log->format == LOG_FORMAT_JSON;
	struct line line = {.len = 0};
	ssize_t written;

	if (level < log->level)
		return;
	put_head(&line, log->format, level, event);
	for (; fields->type != LOG_TYPE_END && !line.cut; fields++) {
		const size_t before = line.len;
		size_t value;

		put_str(&line, json ? ",\"" : " ");
		put_str(&line, fields->key);
		put_str(&line, json ? "\":" : "=");
		value = line.len;
		if (!line.cut)
			put_value(&line, log->format, fields);
		if (line.cut && line.len == value)
			line.len = before; /* no key without its value */
	}
	if (json)
		line.text[line.len++] = '}';
	line.text[line.len++] = '\n';
	do
		written = write(log->fd, line.text, line.len);
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
