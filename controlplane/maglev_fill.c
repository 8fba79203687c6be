/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Maglev fill with the credit rule for weights (Katran's MaglevV2). Probes walk with a running
 * cursor, one compare and one subtraction a step; tests/oracle keeps the text-book form beside it.
 */
#include "maglev_fill.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct cursor {
	uint32_t at; /* running position: offset + n * skip would overflow 32 bits in large tables */
	uint32_t skip;
	uint64_t credit;
	uint32_t weight;
	uint16_t seat;
};

/* Gives the next free row of the cursor's permutation to its seat. */
static inline void take_row(struct cursor *cursor, uint32_t rows, uint16_t *owner)
{
	const uint32_t forth = cursor->skip, back = rows - cursor->skip;
	uint32_t at = cursor->at;

	/* Both ways on are computed side by side: the chain from one probe to the next is two operations. */
	while (owner[at] != MAGLEV_NOBODY)
		at = at >= back ? at - back : at + forth;
	owner[at] = cursor->seat;
	cursor->at = at >= back ? at - back : at + forth;
}

int maglev_fill(const struct maglev_seat *seats, size_t count, uint32_t rows, uint16_t *ret_owner)
{
	struct cursor *cursors = calloc(count + 1, sizeof(*cursors));
	uint32_t heaviest = 0, taken = 0;
	size_t used = 0;

	if (cursors == NULL)
		return -ENOMEM;
	assert(count <= MAGLEV_NOBODY);
	for (uint32_t row = 0; row < rows; row++)
		ret_owner[row] = MAGLEV_NOBODY;
	for (size_t i = 0; i < count; i++) {
		assert(seats[i].offset < rows && seats[i].skip > 0 && seats[i].skip < rows);
		if (seats[i].weight == 0)
			continue;
		cursors[used++] = (struct cursor){ .at = seats[i].offset,
						   .skip = seats[i].skip,
						   .weight = seats[i].weight,
						   .seat = (uint16_t)i };
		if (seats[i].weight > heaviest)
			heaviest = seats[i].weight;
	}
	while (used > 0 && taken < rows) {
		/* The heaviest takes a row every round, the others whenever they have saved up for one. */
		for (size_t i = 0; i < used && taken < rows; i++) {
			cursors[i].credit += cursors[i].weight;
			if (cursors[i].credit < heaviest)
				continue;
			cursors[i].credit -= heaviest;
			take_row(&cursors[i], rows, ret_owner);
			taken++;
		}
	}
	free(cursors);
	return 0;
}
