/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration that every packet case runs in; world.py says the same to the independent side.
 * Service N listens at port 80 + N of two VIPs, for TCP and UDP, and shows one situation.
 */
#ifndef TESTS_PACKET_WORLD_H
#define TESTS_PACKET_WORLD_H

#include "tests/packet/env.h"

/* Fills the configuration; what is set for each packet keeps its value. */
void world_init(struct sl_env *env);

#endif
