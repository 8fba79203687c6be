/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sluice-dp's log: one event a line on stderr, text or JSON. Used by main.c and by the manager's event
 * handlers, never by a worker. Holds the program's one mutable static: format, level and descriptor, set at start.
 */
#ifndef DATAPLANE_LOG_H
#define DATAPLANE_LOG_H

#include <stddef.h>

enum log_level { LOG_LEVEL_DEBUG = 0, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR, LOG_LEVEL_COUNT };
enum log_format { LOG_FORMAT_TEXT = 0, LOG_FORMAT_JSON, LOG_FORMAT_COUNT };

const char *log_level_name(enum log_level level);
/* Before any other thread exists. */
void log_setup(enum log_format format, enum log_level level);
/* One line, cut after 1 KiB. `event` is a stable word for programs ("port-up"). Any thread but workers. */
void log_event(enum log_level level, const char *event, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/*
 * Between these, what libraries print to standard error (libxdp and libbpf do) is kept back; at the end
 * each line is an event "library" of `level`. Main thread, while no other thread logs. Nests not.
 */
void log_capture_begin(void);
void log_capture_end(enum log_level level);
/* What log_event() writes, without its newline; returns the length. Pure, for tests. */
size_t log_format_line(char *line, size_t size, enum log_format format, enum log_level level, const char *event,
		       const char *time, const char *text);

#endif
