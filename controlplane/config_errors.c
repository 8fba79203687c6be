/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Formats, keeps, sorts and prints the messages about one configuration file. Each is complete when
 * it is added (its source line is copied), so nothing here needs the file's text afterwards.
 */
#include "config_errors.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
	PATH_MAX_BYTES = 320,
	SOURCE_MAX_CHARACTERS = 120, /* of a long line, the part around the place is shown */
};

struct message {
	struct config_mark mark;
	size_t order; /* as added: sorting is stable */
	bool warning;
	char *text;         /* path, message; without file and place */
	char *source;       /* the source line or a part of it; NULL: none */
	unsigned int caret; /* characters of `source` before the caret */
};

struct config_errors {
	char *file;
	const char *source;
	size_t source_len;
	struct message messages[CONFIG_ERRORS_MAX];
	size_t kept;
	size_t error_count;
	size_t dropped;
	bool no_memory;
};

struct config_errors *config_errors_create(const char *file, const char *text, size_t len)
{
	struct config_errors *errors = calloc(1, sizeof(*errors));

	if (!errors)
		return NULL;
	errors->file = strdup(file);
	if (!errors->file) {
		free(errors);
		return NULL;
	}
	errors->source = text;
	errors->source_len = len;
	return errors;
}

void config_errors_free(struct config_errors *errors)
{
	if (!errors)
		return;
	for (size_t i = 0; i < errors->kept; i++) {
		free(errors->messages[i].text);
		free(errors->messages[i].source);
	}
	free(errors->file);
	free(errors);
}

void config_errors_no_memory(struct config_errors *errors)
{
	errors->no_memory = true;
}

bool config_errors_out_of_memory(const struct config_errors *errors)
{
	return errors->no_memory;
}

bool config_errors_full(const struct config_errors *errors)
{
	return errors->kept == CONFIG_ERRORS_MAX;
}

size_t config_errors_count(const struct config_errors *errors)
{
	return errors->error_count;
}

/* Appends to a bounded text; returns the new length. */
static size_t append(char *buf, size_t size, size_t used, const char *text)
{
	const size_t len = strlen(text);
	const size_t room = size - 1 - used;
	const size_t take = len < room ? len : room;

	memcpy(buf + used, text, take);
	buf[used + take] = 0;
	return used + take;
}

static size_t format_path(char *buf, size_t size, const struct config_path *path)
{
	char number[24];
	size_t used = 0;

	if (!path)
		return 0;
	used = format_path(buf, size, path->parent);
	if (path->key) {
		if (used > 0)
			used = append(buf, size, used, ".");
		return append(buf, size, used, path->key);
	}
	used = append(buf, size, used, "[");
	if (path->name) {
		used = append(buf, size, used, path->name);
	} else {
		snprintf(number, sizeof(number), "%zu", path->index);
		used = append(buf, size, used, number);
	}
	return append(buf, size, used, "]");
}

/* Bytes of the character at `text`; anything that is no valid start counts as one byte. */
static size_t character_len(const char *text, size_t left)
{
	const unsigned char first = (unsigned char)text[0];
	size_t len = first < 0x80             ? 1
		     : (first & 0xe0) == 0xc0 ? 2
		     : (first & 0xf0) == 0xe0 ? 3
		     : (first & 0xf8) == 0xf0 ? 4
					      : 1;

	for (size_t i = 1; i < len; i++)
		if (i >= left || ((unsigned char)text[i] & 0xc0) != 0x80)
			return 1;
	return len;
}

/* Finds line `line` (from 1); returns its bytes without the line break. */
static const char *find_line(const char *text, size_t len, unsigned int line, size_t *ret_len)
{
	size_t pos = 0, end;

	for (unsigned int n = 1; n < line && pos < len; n++) {
		while (pos < len && text[pos] != '\n' && text[pos] != '\r')
			pos++;
		if (pos + 1 < len && text[pos] == '\r' && text[pos + 1] == '\n')
			pos++;
		if (pos < len)
			pos++;
	}
	for (end = pos; end < len && text[end] != '\n' && text[end] != '\r'; end++)
		;
	*ret_len = end - pos;
	return text + pos;
}

/* Copies the source line of `mark`, control characters as '?', a tab as a blank; shortens long ones. */
static void copy_source(struct config_errors *errors, struct message *message)
{
	const unsigned int before = message->mark.column > 0 ? message->mark.column - 1 : 0;
	const unsigned int skip = before > SOURCE_MAX_CHARACTERS - 20 ? before - 60 : 0;
	const char *line;
	size_t len, out = 0, pos = 0;
	unsigned int at = 0;
	char *copy;

	if (!errors->source || message->mark.line == 0)
		return;
	line = find_line(errors->source, errors->source_len, message->mark.line, &len);
	copy = malloc(4 * (size_t)SOURCE_MAX_CHARACTERS + 2 * sizeof("…") + 1);
	if (!copy) {
		errors->no_memory = true;
		return;
	}
	for (; pos < len && at < skip; at++)
		pos += character_len(line + pos, len - pos);
	if (skip > 0) {
		memcpy(copy, "…", strlen("…"));
		out = strlen("…");
	}
	for (unsigned int shown = 0; pos < len && shown < SOURCE_MAX_CHARACTERS; shown++) {
		const size_t bytes = character_len(line + pos, len - pos);
		const unsigned char c = (unsigned char)line[pos];

		if (bytes > 1)
			memcpy(copy + out, line + pos, bytes);
		else
			copy[out] = c == '\t' ? ' ' : c < 0x20 || c >= 0x7f ? '?' : (char)c;
		out += bytes;
		pos += bytes;
	}
	if (pos < len) {
		memcpy(copy + out, "…", strlen("…"));
		out += strlen("…");
	}
	copy[out] = 0;
	message->source = copy;
	message->caret = before - skip + (skip > 0);
}

/* Keeps a message on its line and in UTF-8, whatever the file's texts hold and wherever they were cut. */
static void make_printable(char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		const size_t bytes = character_len(text, left);

		if (bytes == 1 && ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f))
			*text = '?';
		text += bytes;
		left -= bytes;
	}
}

__attribute__((format(printf, 5, 0))) static void add(struct config_errors *errors, bool warning,
						      struct config_mark mark, const struct config_path *path,
						      const char *format, va_list args)
{
	char text[PATH_MAX_BYTES + sizeof(struct config_message)];
	struct message *message;
	size_t used;

	if (!warning)
		errors->error_count++;
	if (errors->kept == CONFIG_ERRORS_MAX) {
		errors->dropped++;
		return;
	}
	text[0] = 0;
	used = warning ? append(text, sizeof(text), 0, "warning: ") : 0;
	if (path) {
		used += format_path(text + used, PATH_MAX_BYTES - used, path);
		used = append(text, sizeof(text), used, ": ");
	}
	vsnprintf(text + used, sizeof(text) - used, format, args);
	make_printable(text);
	message = &errors->messages[errors->kept];
	*message = (struct message){
		.mark = mark, .order = errors->kept, .warning = warning, .text = strdup(text)
	};
	if (!message->text) {
		errors->no_memory = true;
		return;
	}
	errors->kept++;
	copy_source(errors, message);
}

void config_errors_add(struct config_errors *errors, struct config_mark mark, const struct config_path *path,
		       const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(errors, false, mark, path, format, args);
	va_end(args);
}

void config_errors_warn(struct config_errors *errors, struct config_mark mark, const struct config_path *path,
			const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(errors, true, mark, path, format, args);
	va_end(args);
}

static int compare(const void *left, const void *right)
{
	const struct message *a = left, *b = right;

	if (a->mark.line != b->mark.line)
		return a->mark.line < b->mark.line ? -1 : 1;
	if (a->mark.column != b->mark.column)
		return a->mark.column < b->mark.column ? -1 : 1;
	return a->order < b->order ? -1 : 1;
}

void config_errors_seal(struct config_errors *errors)
{
	qsort(errors->messages, errors->kept, sizeof(errors->messages[0]), compare);
	errors->source = NULL;
}

void config_errors_first(const struct config_errors *errors, char *buf, size_t size)
{
	const struct message *message = errors->messages;
	char more[48] = "", place[32] = "";
	size_t len;

	while (message < errors->messages + errors->kept && message->warning)
		message++;
	if (message == errors->messages + errors->kept)
		return;
	if (message->mark.line > 0)
		snprintf(place, sizeof(place), ":%u:%u", message->mark.line, message->mark.column);
	if (errors->error_count > 1)
		snprintf(more, sizeof(more), " (and %zu more error%s)", errors->error_count - 1,
			 errors->error_count == 2 ? "" : "s");
	snprintf(buf, size, "%s%s: %s", errors->file, place, message->text);
	len = strlen(buf);
	if (len + strlen(more) >= size) /* cut before a character, not within one */
		for (len = size - 1 - strlen(more); len > 0 && ((unsigned char)buf[len] & 0xc0) == 0x80;)
			len--;
	snprintf(buf + len, size - len, "%s", more);
}

void config_errors_print(const struct config_errors *errors, FILE *out)
{
	for (size_t i = 0; i < errors->kept; i++) {
		const struct message *message = &errors->messages[i];

		if (message->mark.line == 0)
			fprintf(out, "%s: %s\n", errors->file, message->text);
		else
			fprintf(out, "%s:%u:%u: %s\n", errors->file, message->mark.line, message->mark.column,
				message->text);
		if (message->source)
			fprintf(out, "    %s\n    %*s^\n", message->source, (int)message->caret, "");
	}
	if (errors->dropped > 0)
		fprintf(out, "%s: %zu more, not shown: at most %d are\n", errors->file, errors->dropped,
			CONFIG_ERRORS_MAX);
}
