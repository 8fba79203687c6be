/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a line of the log looks like, for both daemons: time, level, event, fields; as text or as one JSON
 * object. Owns escaping: a value may hold anything a peer or a configuration put into it, a line may not.
 * Formats only: where a line goes and which levels are wanted is each daemon's log.c.
 *
 *   text  2026-11-21T01:31:48.123Z info "backend is up" pool=web address=192.0.2.21 ms=3
 *   json  {"time":"2026-11-21T01:31:48.123Z","level":"info","event":"backend is up","pool":"web",...}
 */
#ifndef SLUICE_HOST_LOG_LINE_H
#define SLUICE_HOST_LOG_LINE_H

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sluice/types.h"

enum sl_log_limit {
	SL_LOG_LINE_MAX = 4096, /* bytes of a line; longer values are cut and end in "..." */
	SL_LOG_LINE_TAIL = 8,   /* quote, "...", quote, brace, newline */
	SL_LOG_PLAIN_MAX = 128, /* longer values are quoted, so that they can be cut */
};

enum sl_log_type {
	SL_LOG_TYPE_END = 0,
	SL_LOG_TYPE_STR,
	SL_LOG_TYPE_I64,
	SL_LOG_TYPE_U64,
	SL_LOG_TYPE_BOOL,
	SL_LOG_TYPE_ADDR,
	SL_LOG_TYPE_ERRNO,
};

struct sl_log_field {
	const char *key; /* [a-z_]+, a literal */
	enum sl_log_type type;
	union {
		const char *str; /* NULL is written as - (text) or null (json) */
		int64_t i64;
		uint64_t u64;
		bool flag;
		const struct sl_addr *addr;
	};
};

#define SL_LOG_STR(k, v) ((struct sl_log_field){.key = (k), .type = SL_LOG_TYPE_STR, .str = (v)})
#define SL_LOG_I64(k, v) ((struct sl_log_field){.key = (k), .type = SL_LOG_TYPE_I64, .i64 = (v)})
#define SL_LOG_U64(k, v) ((struct sl_log_field){.key = (k), .type = SL_LOG_TYPE_U64, .u64 = (v)})
#define SL_LOG_BOOL(k, v) ((struct sl_log_field){.key = (k), .type = SL_LOG_TYPE_BOOL, .flag = (v)})
#define SL_LOG_ADDR(k, v) ((struct sl_log_field){.key = (k), .type = SL_LOG_TYPE_ADDR, .addr = (v)})
/* -errno or errno, written as its text. */
#define SL_LOG_ERRNO(k, v) ((struct sl_log_field){.key = (k), .type = SL_LOG_TYPE_ERRNO, .i64 = (v)})
#define SL_LOG_END ((struct sl_log_field){.key = NULL, .type = SL_LOG_TYPE_END})
/* A list of fields, as sl_log_line() takes it. */
#define SL_LOG_FIELDS(...) ((const struct sl_log_field[]){__VA_ARGS__ __VA_OPT__(, ) SL_LOG_END})

/* A line being made. `text` keeps room for the tail that finish() adds. */
struct sl_log_text {
	char *text; /* SL_LOG_LINE_MAX bytes */
	size_t len;
	bool cut;
};

static inline void sl_log_put(struct sl_log_text *line, const char *bytes, size_t len)
{
	if (line->cut || line->len + len > SL_LOG_LINE_MAX - SL_LOG_LINE_TAIL) {
		line->cut = true;
		return;
	}
	memcpy(line->text + line->len, bytes, len);
	line->len += len;
}

static inline void sl_log_put_str(struct sl_log_text *line, const char *str)
{
	sl_log_put(line, str, strlen(str));
}

__attribute__((format(printf, 2, 3))) static inline void sl_log_put_format(struct sl_log_text *line, const char *format, ...)
{
	char text[64];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len > 0)
		sl_log_put(line, text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
}

/* Length of the valid UTF-8 sequence at `s` (which ends in a zero), 0 for none. RFC 3629 section 4. */
static inline size_t sl_log_utf8_length(const unsigned char *s)
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
static inline void sl_log_put_quoted(struct sl_log_text *line, const char *str)
{
	const unsigned char *s = (const unsigned char *)str;

	sl_log_put_str(line, "\"");
	if (line->cut)
		line->text[line->len++] = '"'; /* the reserve has room for this one too */
	while (*s != 0 && !line->cut) {
		size_t len = sl_log_utf8_length(s);

		if (len == 0) {
			sl_log_put_str(line, "\\ufffd");
			s++;
			continue;
		}
		if (*s == '"' || *s == '\\')
			sl_log_put(line, (const char[]){'\\', (char)*s}, 2);
		else if (*s == '\n')
			sl_log_put_str(line, "\\n");
		else if (*s < 0x20 || *s == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0)) /* C0, DEL, C1 */
			sl_log_put_format(line, "\\u%04x", len == 1 ? *s : s[1]);
		else
			sl_log_put(line, (const char *)s, len);
		s += len;
	}
	if (line->cut) { /* within SL_LOG_LINE_TAIL: the reserve is exactly for this */
		memcpy(line->text + line->len, "...", 3);
		line->len += 3;
	}
	line->text[line->len++] = '"';
}

/* A value that a person reads without quotes: letters, digits and the punctuation of names. */
static inline bool sl_log_is_plain(const char *str)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/@%+,[]";
	const size_t len = strlen(str);

	return len > 0 && len <= SL_LOG_PLAIN_MAX && strspn(str, plain) == len;
}

static inline void sl_log_put_string_value(struct sl_log_text *line, bool json, const char *str)
{
	if (str == NULL)
		sl_log_put_str(line, json ? "null" : "-");
	else if (!json && sl_log_is_plain(str) && strcmp(str, "-") != 0)
		sl_log_put_str(line, str);
	else
		sl_log_put_quoted(line, str);
}

static inline void sl_log_put_value(struct sl_log_text *line, bool json, const struct sl_log_field *field)
{
	char text[INET6_ADDRSTRLEN];

	switch (field->type) { /* no default */
	case SL_LOG_TYPE_STR:
		sl_log_put_string_value(line, json, field->str);
		break;
	case SL_LOG_TYPE_I64:
		sl_log_put_format(line, "%" PRId64, field->i64);
		break;
	case SL_LOG_TYPE_U64:
		sl_log_put_format(line, "%" PRIu64, field->u64);
		break;
	case SL_LOG_TYPE_BOOL:
		sl_log_put_str(line, field->flag ? "true" : "false");
		break;
	case SL_LOG_TYPE_ADDR:
		if (sl_addr_is_v4(field->addr))
			inet_ntop(AF_INET, &field->addr->w[3], text, sizeof(text));
		else
			inet_ntop(AF_INET6, field->addr->b, text, sizeof(text));
		sl_log_put_string_value(line, json, text);
		break;
	case SL_LOG_TYPE_ERRNO:
		sl_log_put_string_value(line, json, strerror((int)(field->i64 < 0 ? -field->i64 : field->i64)));
		break;
	case SL_LOG_TYPE_END:
		break;
	}
}

static inline void sl_log_put_time(struct sl_log_text *line)
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	sl_log_put_format(line, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		   tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000);
}

static inline void sl_log_put_head(struct sl_log_text *line, bool json, const char *level, const char *event)
{
	sl_log_put_str(line, json ? "{\"time\":\"" : "");
	sl_log_put_time(line);
	sl_log_put_str(line, json ? "\",\"level\":\"" : " ");
	sl_log_put_str(line, level);
	sl_log_put_str(line, json ? "\",\"event\":" : " ");
	sl_log_put_quoted(line, event);
}

/*
 * Formats one line, newline included, into `text` of SL_LOG_LINE_MAX bytes and returns its length. It has
 * no zero at its end. `fields` ends with SL_LOG_END. Any thread.
 */
static inline size_t sl_log_line(char *text, bool json, const char *level, const char *event,
				 const struct sl_log_field *fields)
{
	struct sl_log_text line = {.text = text};

	sl_log_put_head(&line, json, level, event);
	for (; fields->type != SL_LOG_TYPE_END && !line.cut; fields++) {
		const size_t before = line.len;
		size_t value;

		sl_log_put_str(&line, json ? ",\"" : " ");
		sl_log_put_str(&line, fields->key);
		sl_log_put_str(&line, json ? "\":" : "=");
		value = line.len;
		if (!line.cut)
			sl_log_put_value(&line, json, fields);
		if (line.cut && line.len == value)
			line.len = before; /* no key without its value */
	}
	if (json)
		line.text[line.len++] = '}';
	line.text[line.len++] = '\n';
	return line.len;
}

#endif
