/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The frames of the churn simulation: what a client of one connection would send, as short as it may be. All are
 * of Ethernet, IPv4 (checksum right) and TCP or UDP; transport checksums are left 0, for nobody here reads them.
 */
#ifndef TESTS_CHURN_FRAME_H
#define TESTS_CHURN_FRAME_H

#include <stdint.h>

#include "traffic.h"

enum { FRAME_MAX = 128, FRAME_PORT_TCP = 80, FRAME_PORT_QUIC = 443, FRAME_PORT_UDP = 500 };

/* Writes one packet to `frame` (FRAME_MAX bytes) and returns its length. `vip` is in host order. */
uint32_t frame_make(uint8_t *frame, uint32_t vip, const struct traffic_flow *flow, enum traffic_packet packet);

#endif
