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

#include "sluice/host/log_line.h"

enum log_level { LOG_LEVEL_DEBUG = 0, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR, LOG_LEVEL_COUNT };
enum log_format { LOG_FORMAT_TEXT = 0, LOG_FORMAT_JSON };

/* In place, set by log_init(), read by nobody else. */
struct log {
	int fd; /* borrowed */
	enum log_format format;
	enum log_level level; /* lower ones are not written */
};

/* Fields, by the names that the code of both daemons uses. */
#define LOG_STR SL_LOG_STR
#define LOG_I64 SL_LOG_I64
#define LOG_U64 SL_LOG_U64
#define LOG_BOOL SL_LOG_BOOL
#define LOG_ADDR SL_LOG_ADDR
#define LOG_ERRNO SL_LOG_ERRNO

void log_init(struct log *log, int fd, enum log_format format, enum log_level level);
/* `fields` is SL_LOG_FIELDS(…). A line that cannot be written is lost: logging never fails its caller. */
void log_write(const struct log *log, enum log_level level, const char *event, const struct sl_log_field *fields);

#define log_debug(l, event, ...) log_write((l), LOG_LEVEL_DEBUG, (event), SL_LOG_FIELDS(__VA_ARGS__))
#define log_info(l, event, ...) log_write((l), LOG_LEVEL_INFO, (event), SL_LOG_FIELDS(__VA_ARGS__))
#define log_warning(l, event, ...) log_write((l), LOG_LEVEL_WARNING, (event), SL_LOG_FIELDS(__VA_ARGS__))
#define log_error(l, event, ...) log_write((l), LOG_LEVEL_ERROR, (event), SL_LOG_FIELDS(__VA_ARGS__))

/* Returns 0 and the level, or -EINVAL. Words: debug, info, warning, error. */
int log_level_parse(const char *word, enum log_level *ret_level);
/* Returns 0 and the format, or -EINVAL. Words: text, json. */
int log_format_parse(const char *word, enum log_format *ret_format);

#endif
