/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log: one line an event, text or JSON, to one descriptor by one write. An event is a short
 * constant sentence; what varies stands in typed fields, escaped so that no value can forge a line.
 * Used by main.c and event handlers only: library functions return errors instead. Main thread only.
 *
 *   log_info(log, "backend is up", LOG_STR("pool", pool), LOG_ADDR("address", &addr), LOG_U64("ms", n));
 *   text  2026-11-21T01:31:48.123Z info "backend is up" pool=web address=192.0.2.21 ms=3
 *   json  {"time":"2026-11-21T01:31:48.123Z","level":"info","event":"backend is up","pool":"web",...}
 */
#ifndef CONTROLPLANE_LOG_H
#define CONTROLPLANE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/types.h"

enum log_level { LOG_LEVEL_DEBUG = 0, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR, LOG_LEVEL_COUNT };
enum log_format { LOG_FORMAT_TEXT = 0, LOG_FORMAT_JSON };
enum log_limit { LOG_LINE_MAX = 4096 }; /* bytes of a line; longer values are cut and end in "..." */

/* In place, set by log_init(), read by nobody else. */
struct log {
	int fd; /* borrowed */
	enum log_format format;
	enum log_level level; /* lower ones are not written */
};

enum log_type { LOG_TYPE_END = 0, LOG_TYPE_STR, LOG_TYPE_I64, LOG_TYPE_U64, LOG_TYPE_BOOL, LOG_TYPE_ADDR, LOG_TYPE_ERRNO };

struct log_field {
	const char *key; /* [a-z_]+, a literal */
	enum log_type type;
	union {
		const char *str; /* NULL is written as - (text) or null (json) */
		int64_t i64;
		uint64_t u64;
		bool flag;
		const struct sl_addr *addr;
	};
};

#define LOG_STR(k, v) ((struct log_field){.key = (k), .type = LOG_TYPE_STR, .str = (v)})
#define LOG_I64(k, v) ((struct log_field){.key = (k), .type = LOG_TYPE_I64, .i64 = (v)})
#define LOG_U64(k, v) ((struct log_field){.key = (k), .type = LOG_TYPE_U64, .u64 = (v)})
#define LOG_BOOL(k, v) ((struct log_field){.key = (k), .type = LOG_TYPE_BOOL, .flag = (v)})
#define LOG_ADDR(k, v) ((struct log_field){.key = (k), .type = LOG_TYPE_ADDR, .addr = (v)})
/* -errno or errno, written as its text. */
#define LOG_ERRNO(k, v) ((struct log_field){.key = (k), .type = LOG_TYPE_ERRNO, .i64 = (v)})
#define LOG_END ((struct log_field){.key = NULL, .type = LOG_TYPE_END})

void log_init(struct log *log, int fd, enum log_format format, enum log_level level);
/* `fields` ends with LOG_END. A line that cannot be written is lost: logging never fails its caller. */
void log_write(const struct log *log, enum log_level level, const char *event, const struct log_field *fields);

#define log_fields(...) ((const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ) LOG_END})
#define log_debug(l, event, ...) log_write((l), LOG_LEVEL_DEBUG, (event), log_fields(__VA_ARGS__))
#define log_info(l, event, ...) log_write((l), LOG_LEVEL_INFO, (event), log_fields(__VA_ARGS__))
#define log_warning(l, event, ...) log_write((l), LOG_LEVEL_WARNING, (event), log_fields(__VA_ARGS__))
#define log_error(l, event, ...) log_write((l), LOG_LEVEL_ERROR, (event), log_fields(__VA_ARGS__))

/* Returns 0 and the level, or -EINVAL. Words: debug, info, warning, error. */
int log_level_parse(const char *word, enum log_level *ret_level);
/* Returns 0 and the format, or -EINVAL. Words: text, json. */
int log_format_parse(const char *word, enum log_format *ret_format);

#endif
