/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cells are kept as text until all are known; then columns are as wide as they must be.
 */
#include "table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

struct table {
	const struct table_column *columns;
	size_t column_count;
	char **cells; /* row by row */
	size_t cell_count;
};

static void *need(void *memory)
{
	if (memory == NULL) {
		fprintf(stderr, "sluicectl: no memory\n");
		exit(CTL_REFUSED);
	}
	return memory;
}

struct table *table_create(const struct table_column *columns)
{
	struct table *table = need(calloc(1, sizeof(*table)));

	table->columns = columns;
	while (columns[table->column_count].title != NULL)
		table->column_count++;
	return table;
}

static void add(struct table *table, char *cell)
{
	/* Grows by doubling: at every power of two it is full. */
	if ((table->cell_count & (table->cell_count - 1)) == 0)
		table->cells = need(realloc(table->cells, (table->cell_count == 0 ? 1 : 2 * table->cell_count) *
								  sizeof(*table->cells)));
	table->cells[table->cell_count++] = need(cell);
}

void table_text(struct table *table, const char *text)
{
	add(table, strdup(text != NULL && text[0] != 0 ? text : "-"));
}

void table_number(struct table *table, int64_t number)
{
	table_format(table, "%" PRId64, number);
}

void table_format(struct table *table, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	table_text(table, text);
}

/* Characters of UTF-8, each taken as one column wide. */
static int width_of(const char *text)
{
	int width = 0;

	for (; *text != 0; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

/* What came from a peer (a probe's reason, an operator's why) must not drive the terminal. */
static void print_text(const char *text)
{
	for (; *text != 0; text++)
		putchar((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}

static void print_row(const struct table *table, const int *widths, char *const *cells)
{
	for (size_t c = 0; c < table->column_count; c++) {
		const bool last = c + 1 == table->column_count;
		const char *text = cells != NULL ? cells[c] : table->columns[c].title;
		const int pad = widths[c] - width_of(text);

		if (table->columns[c].number)
			printf("%*s", pad, "");
		print_text(text);
		if (!table->columns[c].number && !last)
			printf("%*s", pad, "");
		if (!last)
			fputs("  ", stdout);
	}
	putchar('\n');
}

void table_print(struct table *table)
{
	int widths[TABLE_COLUMNS_MAX];

	for (size_t c = 0; c < table->column_count; c++) {
		widths[c] = width_of(table->columns[c].title);
		for (size_t i = c; i < table->cell_count; i += table->column_count)
			if (width_of(table->cells[i]) > widths[c])
				widths[c] = width_of(table->cells[i]);
	}
	print_row(table, widths, NULL);
	for (size_t i = 0; i + table->column_count <= table->cell_count; i += table->column_count)
		print_row(table, widths, &table->cells[i]);
	for (size_t i = 0; i < table->cell_count; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table);
}
