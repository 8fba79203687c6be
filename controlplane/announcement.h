/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tells a network that an address is here: gratuitous ARP (RFC 5227) and unsolicited neighbour
 * advertisements (RFC 4861), three times a second apart, so that neighbours forget the machine that
 * had it before. Main thread only.
 */
#ifndef CONTROLPLANE_ANNOUNCEMENT_H
#define CONTROLPLANE_ANNOUNCEMENT_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "sluice/types.h"

#include "error_text.h"

enum { ANNOUNCEMENT_FRAME_MAX = 86 };

struct announcement;

/* Without CAP_NET_RAW *ret_announcement sends nothing, and *reterr says so: not an error. Else *reterr is empty. */
int announcement_create(uv_loop_t *loop, struct announcement **ret_announcement, struct error_text *reterr);
/* The loop must run once more. NULL is fine. */
void announcement_destroy(struct announcement *announcement);
/* Announces `address` at `mac` on the interface, now and twice more. Starts over if it is under way. */
int announcement_start(struct announcement *announcement, const struct sl_addr *address, int ifindex,
		       const uint8_t mac[6]);
/* No more of it, on no interface. */
void announcement_stop(struct announcement *announcement, const struct sl_addr *address);

/* The frame that announces; returns its length. Pure. */
size_t announcement_frame(const struct sl_addr *address, const uint8_t mac[6],
			  uint8_t ret_frame[ANNOUNCEMENT_FRAME_MAX]);

#endif
