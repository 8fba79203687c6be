/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loads, attaches, fills and re-adopts the XDP steering program of AF_XDP ports. Links and maps are
 * pinned under <bpffs>/sluice/<instance>/, so packets flow on while sluiced is away, and the next
 * sluiced takes over what it finds. Main thread only; system calls, none of which waits for a peer.
 */
#ifndef CONTROLPLANE_STEERING_H
#define CONTROLPLANE_STEERING_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/steering.h"
#include "sluice/tables.h"

#include "error_text.h"
#include "steering_link.h"
#include "xdp_maps.h"

#define STEERING_BPFFS "/sys/fs/bpf"

struct steering;

/* How an interface came to be steered, for the log line and `show datapath`. */
struct steering_port {
	bool adopted; /* a program of an earlier sluiced was found and updated in place */
	bool generic; /* the driver has no native XDP: works, but slowly */
	uint32_t program_id;
};

/*
 * Opens (and, where nobody has, mounts) `bpffs` and the pinned state of `instance` below it. Returns 0
 * or -errno with the remedy in *reterr. *ret_private says that the mount is seen by this process's
 * mount namespace only, so pins go when sluiced goes: worth a warning.
 */
int steering_create(const char *bpffs, const char *instance, struct steering **ret_steering,
		    bool *ret_private, struct error_text *reterr);
/* Forgets everything here; what is attached stays attached, and keeps its pins. NULL is fine. */
void steering_destroy(struct steering *steering);

/*
 * Steers `ifname`, whose sl_port.index is `port`: adopts what is pinned for it, else attaches. Again for one that is
 * steered: the program is told the MAC address it has now; attaches where the interface was made anew since. -EBUSY:
 * another program is on the interface; -ERANGE: its MTU does not fit; -ENOSPC: queues; -EPERM: capabilities.
 */
int steering_attach(struct steering *steering, const char *ifname, uint16_t port, enum steering_attach_mode mode,
		    struct steering_port *ret_port, struct error_text *reterr);
/* Detaches one interface and removes its pins. -ENOENT: it is not steered. */
int steering_detach(struct steering *steering, const char *ifname);
/* Detaches every interface that this steering_create() has not attached: left by an older configuration. */
void steering_detach_others(struct steering *steering);
/* A start that failed: detaches what it attached itself; what it found attached goes on. */
void steering_detach_new(struct steering *steering);
/* Detaches every interface that is not among these. */
void steering_keep(struct steering *steering, const char (*names)[IF_NAMESIZE], size_t count);
/* A clean stop: detaches everything and removes all pins of the instance. */
void steering_detach_all(struct steering *steering);

/* True while our program is on that interface; *ret_id and *ret_generic are then the kernel's word. */
bool steering_is_attached(const struct steering *steering, const char *ifname, uint32_t *ret_id, bool *ret_generic);
size_t steering_port_count(const struct steering *steering); /* interfaces that carry the program */
const char *steering_dir(const struct steering *steering);   /* of the pins */
/* The maps that a publisher writes to. The next call of steering_grow() ends them. */
const struct xdp_maps *steering_maps(const struct steering *steering);
/*
 * Makes room for that much. 0: there is already; 1: steering_maps() are others now, filled with what was remembered, and
 * the attached programs go on by those before until steering_move(); -errno: nothing has changed.
 */
int steering_grow(struct steering *steering, const struct xdp_capacity *capacity, struct error_text *reterr);
/* True between the two. */
bool steering_is_moving(const struct steering *steering);
/* A generation is in the maps: all programs go by them from here on. 0 or -errno. */
int steering_move(struct steering *steering, struct error_text *reterr);

/*
 * The VIP set in two steps, because packets must find their service: `keep` removes what is not in
 * the list (before a generation without it is published), `add` puts what is (after APPLIED).
 * Both are differences against the maps themselves, so they hold after a restart. 0 or -errno.
 */
int steering_vips_keep(struct steering *steering, const struct sl_vip *vips, size_t count);
int steering_vips_add(struct steering *steering, const struct sl_vip *vips, size_t count);
/* Listeners count only at VIPs with SL_OTHERWISE_KERNEL; all may be given. */
int steering_listeners_keep(struct steering *steering, const struct sl_listener *listeners, size_t count);
int steering_listeners_add(struct steering *steering, const struct sl_listener *listeners, size_t count);

/*
 * The outer sources of tunnels: ICMP errors to them about tunnels' packets are the workers', the rest of their traffic
 * the kernel's. Sorts `sources`, of which each may be there more than once. 0 or -errno.
 */
int steering_sources_set(struct steering *steering, struct sl_addr *sources, size_t count);

/* Counters of one interface since its program was first attached. 0 or -ENOENT. */
int steering_counters(struct steering *steering, const char *ifname,
		      uint64_t ret_counters[SL_STEERING_COUNTER_COUNT]);

#endif
