/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration of a packet case as a snapshot. It holds what no sluiced would publish, too.
 */
#ifndef TESTS_CONFORMANCE_EQUAL_CASES_SNAPSHOT_H
#define TESTS_CONFORMANCE_EQUAL_CASES_SNAPSHOT_H

#include "dataplane/snapshot.h"
#include "tests/packet/case.h"

enum { CASES_IDLE_S = 43200 }; /* of all kinds: what cases remember lives */

/* To be freed with snapshot_free(). */
struct snapshot *cases_snapshot(const struct packet_case *c);

#endif
