/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A process that speaks include/sluice/device.h as sluice-dp does: it asks for the device, holds it,
 * reconnects with it. SIGUSR1 makes it close the device and say that its workers are stuck.
 */
#ifndef TESTS_NETNS_FORWARDER_H
#define TESTS_NETNS_FORWARDER_H

#include <sys/types.h>

/* Connects to the socket at `path`, again and again. Dies with its parent. */
pid_t forwarder_start(const char *path);

#endif
