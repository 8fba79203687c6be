/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The publisher that speaks to sluice-dp through the rings of one shared-memory file.
 */
#ifndef CONTROLPLANE_PUBLISH_RING_H
#define CONTROLPLANE_PUBLISH_RING_H

#include "controlplane/publish.h"

/*
 * `base` is the mapping, `header` its checked header in memory that stays; both outlive the publisher.
 * `events` is copied; its functions may be NULL. Returns 0 or -ENOMEM.
 */
int publish_ring_create(void *base, const struct sl_shm_header *header, const struct publisher_events *events,
			struct publisher **ret_publisher);
/* Slots of the ring that are free now. All of them: the data plane has taken whatever it was told. */
uint64_t publish_ring_room(struct publisher *publisher, bool *ret_all);
/* Tells of a connection; it is no fact, and lost when nobody takes it. False: no room. */
bool publish_ring_flow(struct publisher *publisher, const struct sl_flow_put *flow);

#endif
