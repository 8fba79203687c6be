/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lookup tables as model and publisher share them: counted, immutable once published. Main thread only.
 */
#include "controlplane/publish.h"

#include <stdlib.h>

struct table *table_alloc(uint32_t rows)
{
	struct table *table = calloc(1, sizeof(*table) + (size_t)rows * sizeof(table->row[0]));

	if (table == NULL)
		return NULL;
	table->refs = 1;
	table->rows = rows;
	return table;
}

struct table *table_get(struct table *table)
{
	table->refs++;
	return table;
}

void table_put(struct table *table)
{
	if (table != NULL && --table->refs == 0)
		free(table);
}
