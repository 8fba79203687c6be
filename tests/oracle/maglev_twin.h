/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lookup table once more, written to be obviously right and nothing else: text-book permutations by
 * modulo, floors instead of running credits, the overlay by its definition. Shares no code with maglev.c
 * but SipHash; tests compare the two.
 */
#ifndef TESTS_ORACLE_MAGLEV_TWIN_H
#define TESTS_ORACLE_MAGLEV_TWIN_H

#include "controlplane/maglev.h"
#include "controlplane/maglev_fill.h"

/* Fills by the text book; the loop against which the gate of G9 is measured. */
void maglev_twin_fill(const struct maglev_seat *seats, size_t count, uint32_t rows, uint16_t *ret_owner);
/* The whole table of a pool, from nothing. */
enum maglev_source maglev_twin_table(const struct maglev_pool *pool, uint16_t *ret_row);

#endif
