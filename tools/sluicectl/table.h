/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tables for people: columns in a fixed order under fixed titles, as wide as their widest value, numbers
 * to the right, two spaces between. An empty value is shown as "-", so that columns can be counted.
 */
#ifndef SLUICECTL_TABLE_H
#define SLUICECTL_TABLE_H

#include <stdbool.h>
#include <stdint.h>

enum { TABLE_COLUMNS_MAX = 16 };

struct table_column {
	const char *title;
	bool number; /* to the right */
};

struct table;

/* Columns end with a NULL title and stay the caller's. Exits on lack of memory, as all of table does. */
struct table *table_create(const struct table_column *columns);
/* The next cell, row by row. */
void table_text(struct table *table, const char *text);
void table_number(struct table *table, int64_t number);
__attribute__((format(printf, 2, 3))) void table_format(struct table *table, const char *format, ...);
/* Prints to standard output and frees. */
void table_print(struct table *table);

#endif
