/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fill of Maglev (Eisenbud et al., NSDI 2016, section 3.4): seats take turns, each takes the next
 * free row of its own permutation of the rows. Weights decide who gets how many turns. Pure.
 */
#ifndef CONTROLPLANE_MAGLEV_FILL_H
#define CONTROLPLANE_MAGLEV_FILL_H

#include <stddef.h>
#include <stdint.h>

#define MAGLEV_NOBODY UINT16_MAX /* a row without owner */

struct maglev_seat {
	uint32_t offset; /* < rows: where its permutation starts */
	uint32_t skip;   /* 1 .. rows-1: its step */
	uint32_t weight; /* 0: takes no row */
};

/*
 * Writes the index of the owner of each row, or MAGLEV_NOBODY everywhere when no seat has weight. The
 * order of the seats matters: the caller makes it canonical. `rows` is a prime, `count` at most
 * MAGLEV_NOBODY. Returns 0 or -ENOMEM.
 */
int maglev_fill(const struct maglev_seat *seats, size_t count, uint32_t rows, uint16_t *ret_owner);

#endif
