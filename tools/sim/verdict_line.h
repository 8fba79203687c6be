/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One line of JSON a packet: the same keys in the same order in every line, null where nothing was chosen.
 * Keys are append-only.
 */
#ifndef TOOLS_SIM_VERDICT_LINE_H
#define TOOLS_SIM_VERDICT_LINE_H

#include <stdint.h>
#include <stdio.h>

#include "balancer.h"
#include "capture.h"

/* Writes the line of packet `number` (from 1). Whether that worked is for the caller to ask the stream. */
void verdict_line_write(FILE *out, uint64_t number, const struct capture_packet *packet,
			const struct balancer_result *result);

#endif
