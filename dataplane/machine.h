/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the machine must offer before DPDK starts: hugepages where they are asked for, the interfaces
 * and their queues, the steering program. Main thread only; no DPDK here.
 */
#ifndef DATAPLANE_MACHINE_H
#define DATAPLANE_MACHINE_H

#include <stdbool.h>

#include "dataplane/port_plan.h"
#include "sluice/abi.h"

/* Returns 0, or -ENOMEM with the remedy: no hugepage of any size is free. */
int machine_check_hugepages(struct port_plan_error *reterr_error);
/* Plans all ports of `boot`. Returns 0 or -errno with the remedy (-ENODEV: no such interface). */
int machine_plan_ports(const struct sl_boot *boot, bool root_owned, struct port_plan *ret_plans,
		       struct port_plan_error *reterr_error);
/* The first port that waits for its steering program, by index; -1: none does. */
int machine_port_without_steering(const struct sl_boot *boot, const struct port_plan *plans,
				  char ret_other[static 16]);

#endif
