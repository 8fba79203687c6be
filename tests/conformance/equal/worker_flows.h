/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the manager of sluice-dp does about connections, for one worker: its keeper, and a flows.shm in a folder of its
 * own. One at a time.
 */
#ifndef TESTS_CONFORMANCE_EQUAL_WORKER_FLOWS_H
#define TESTS_CONFORMANCE_EQUAL_WORKER_FLOWS_H

#include "dataplane/flow_keeper.h"

enum { WORKER_FLOWS_NUMBERING = 7 };

/* Forgets what was before and makes a new file that belongs to `settings`. 0 or -errno after a message. */
int worker_flows_begin(const struct sl_settings *settings, uint64_t flows, uint64_t now_s, struct flow_keeper **ret_keeper);
/* Without one: nothing. */
void worker_flows_end(void);

#endif
