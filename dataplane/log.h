/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sluice-dp's log: one event a line on stderr, text or JSON. Used by main.c and by the manager's event
 * handlers, never by a worker. Holds the program's one mutable static: format, level and descriptor, set at start.
 */
#ifndef DATAPLANE_LOG_H
#define DATAPLANE_LOG_H

#include "sluice/host/log_line.h"

enum log_level { LOG_LEVEL_DEBUG = 0, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR, LOG_LEVEL_COUNT };
enum log_format { LOG_FORMAT_TEXT = 0, LOG_FORMAT_JSON, LOG_FORMAT_COUNT };

/* Fields, by the names that the code of both daemons uses. */
#define LOG_STR SL_LOG_STR
#define LOG_U64 SL_LOG_U64
#define LOG_ERRNO SL_LOG_ERRNO

const char *log_level_name(enum log_level level);
/* Before any other thread exists. */
void log_setup(enum log_format format, enum log_level level);
/* One line; `event` is a constant sentence, `fields` is SL_LOG_FIELDS(…). Any thread but workers. */
void log_write(enum log_level level, const char *event, const struct sl_log_field *fields);
#define log_event(level, event, ...) log_write((level), (event), SL_LOG_FIELDS(__VA_ARGS__))
/*
 * Between these, what libraries print to standard error (libxdp and libbpf do) is kept back; at the end
 * each line is an event "a library says" of `level`. Main thread, while no other thread logs. Nests not.
 */
void log_capture_begin(void);
void log_capture_end(enum log_level level);

#endif
