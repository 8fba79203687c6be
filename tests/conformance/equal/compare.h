/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gives two homes the same burst and compares what each made of it: verdicts, frames, counters.
 */
#ifndef TESTS_CONFORMANCE_EQUAL_COMPARE_H
#define TESTS_CONFORMANCE_EQUAL_COMPARE_H

#include "home.h"

struct compare;

/* The homes have begun, with the same state. */
struct compare *compare_create(const struct home *one, const struct home *other);
void compare_destroy(struct compare *compare);
/* Time goes on to now_ns, then the burst comes. 0; or 1 with what differs in `text` and the packet's id. */
int compare_burst(struct compare *compare, const struct home_packet *packets, unsigned int count, uint64_t now_ns,
		  char *text, size_t size, uint32_t *ret_id);
/* The same of counters alone, which are not read after every burst where that takes long. */
int compare_end(struct compare *compare, char *text, size_t size);

#endif
