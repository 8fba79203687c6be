/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Holds the TUN device that carries the VIP addresses, for sluiced (messages: sluice/device.h): while
 * the descriptor is open the addresses are there. Manager thread only; never blocks; logs its events.
 */
#ifndef DATAPLANE_DEVICE_H
#define DATAPLANE_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sluice/device.h"

struct device {
	char path[108];      /* of dataplane.sock */
	uid_t trusted[3];    /* whose listener is believed */
	int socket;          /* -1: not connected */
	int tun;             /* -1: nothing held */
	char ifname[SL_DEVICE_NAME_MAX];
	uint64_t session;
	uint64_t next_try_ns;
	bool complained;     /* of this peer, and nothing it did since was right */
	bool stuck;          /* the device was given up because workers hang */
};

/* Returns 0 or -ENAMETOOLONG. `owner` is the account of --owner, or -1. */
int device_init(struct device *device, const char *instance_dir, uid_t owner);
/* Connects, reads, answers. Call a few times a second; `workers_well`: all of them make progress. */
void device_tick(struct device *device, uint64_t now_ns, uint64_t session, bool workers_well);
/* Closes everything: the device goes with us. */
void device_fini(struct device *device);

#endif
