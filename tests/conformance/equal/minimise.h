/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes an episode smaller as long as it shows a difference: items are left out, bursts taken apart, packets cut.
 */
#ifndef TESTS_CONFORMANCE_EQUAL_MINIMISE_H
#define TESTS_CONFORMANCE_EQUAL_MINIMISE_H

#include "play.h"

/* `episode` differs when played. It is made smaller in place; *ret_result is what it shows in the end. */
void minimise(const struct play *play, struct episode *episode, struct play_result *ret_result);

#endif
