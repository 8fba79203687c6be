/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sluiced's end of dataplane.sock (include/sluice/device.h): gives the TUN device's descriptor to the
 * forwarder and keeps none, so that a dead forwarder loses its addresses; says when it holds the device
 * and when no longer. Main thread only; never blocks.
 */
#ifndef CONTROLPLANE_DATAPLANE_SOCKET_H
#define CONTROLPLANE_DATAPLANE_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "error_text.h"
#include "netlink.h"

enum dataplane_lost {
	DATAPLANE_LOST_ABSENT = 0, /* none came within a moment of our start */
	DATAPLANE_LOST_GONE,       /* it died or was stopped; the device is gone with it */
	DATAPLANE_LOST_STUCK,      /* its workers make no progress: it closed the device */
	DATAPLANE_LOST_RELEASED,   /* as we asked */
};

struct dataplane_socket_events {
	void *ctx;
	/* `adopted`: it held the device before we asked, so addresses are there already. */
	void (*held)(void *ctx, const char *device, bool adopted, uint64_t pid);
	void (*lost)(void *ctx, enum dataplane_lost why);
	void (*trouble)(void *ctx,
			const char *text); /* one line: the device cannot be made, a strange peer */
};

struct dataplane_socket_options {
	const char
		*path; /* of the socket; what lies there is replaced (the caller holds the instance lock) */
	const char *device; /* name of the device to offer */
	gid_t group;        /* of the socket; (gid_t)-1: as it comes */
	uint64_t session;   /* of our dataplane.shm */
	int lock_fd;        /* only who holds SL_LOCK_DEVICE in it may come, others try in vain; -1: anybody */
};

struct dataplane_socket;

/* Listens. 0 or -errno. */
int dataplane_socket_create(uv_loop_t *loop, struct netlink *nl,
			    const struct dataplane_socket_options *options,
			    const struct dataplane_socket_events *events,
			    struct dataplane_socket **ret_socket, struct error_text *reterr);
/* Closes; the device stays with its holder. The loop must run once more. NULL is fine. */
void dataplane_socket_destroy(struct dataplane_socket *socket);

/* From now on a forwarder that wants the device gets it: call once a first generation is APPLIED. */
void dataplane_socket_offer(struct dataplane_socket *socket);
/* Asks the holder to close the device, and offers none until dataplane_socket_offer(). */
void dataplane_socket_release(struct dataplane_socket *socket);
bool dataplane_socket_is_held(const struct dataplane_socket *socket);

#endif
