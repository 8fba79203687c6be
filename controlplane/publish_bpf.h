/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The publisher that writes the maps of the XDP program. Nobody answers: what is committed is in force when
 * publisher_pump() returns false, and `applied` was called in it.
 */
#ifndef CONTROLPLANE_PUBLISH_BPF_H
#define CONTROLPLANE_PUBLISH_BPF_H

#include "controlplane/publish.h"
#include "controlplane/xdp_tables.h"

/*
 * `maps` outlive the publisher and have room for `limits`. `rejected` is called once in a row of attempts that fail:
 * SL_REJECT_MEMORY, bigger maps are needed. 0 or -ENOMEM.
 */
int publish_bpf_create(const struct xdp_maps *maps, const struct sl_shm_limits *limits,
		       const struct publisher_events *events, struct publisher **ret_publisher);
/* What it has put in force, for reading, and for xdp_tables_act(). */
struct xdp_tables *publish_bpf_tables(struct publisher *publisher);

#endif
