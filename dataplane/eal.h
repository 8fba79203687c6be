/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starts DPDK's EAL and turns its log into events of ours. Main thread only, once.
 */
#ifndef DATAPLANE_EAL_H
#define DATAPLANE_EAL_H

#include "dataplane/eal_args.h"

/* Returns 0 or -errno with cause and remedy. What DPDK logs is an event "dpdk" from here on. */
int eal_start(const struct eal_args *args, struct eal_args_error *reterr_error);

#endif
