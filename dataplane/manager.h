/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The main thread once everything is up: starts the workers, turns what sluiced states into what they
 * forward by, and reports: statistics, heartbeat, progress, the TUN device. Never blocks for longer
 * than a few milliseconds, whatever sluiced does.
 */
#ifndef DATAPLANE_MANAGER_H
#define DATAPLANE_MANAGER_H

#include "dataplane/instance.h"
#include "dataplane/port.h"
#include "dataplane/shm.h"
#include "dataplane/snapshot.h"

struct manager_config {
	const struct instance *instance;
	const struct sl_boot *boot;
	const struct port_set *ports;
	const struct dp_allocator *allocator; /* of snapshots and counters */
	struct shm *shm;                      /* the file that `boot` is from; the manager's from here on */
	uid_t owner;                          /* of --owner; -1: none */
	int signal_fd;                        /* SIGTERM and SIGINT, blocked in every thread */
	void (*drop_thread)(void);            /* what each worker does first */
};

/* Runs until a signal. Returns 0 or -errno (then nothing was started). */
int manager_run(const struct manager_config *config);

#endif
