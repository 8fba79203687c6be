/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the link and maps of one interface are pinned, below the instance's folder on bpffs.
 */
#ifndef CONTROLPLANE_STEERING_PIN_H
#define CONTROLPLANE_STEERING_PIN_H

#include <limits.h>
#include <net/if.h>
#include <stddef.h>

enum { STEERING_PINS_MAX = 64 }; /* four times SL_PORTS_MAX: what older configurations left */

/* The path of `object`, or of the interface's folder when that is empty. */
void steering_pin_path(const char *dir, const char *ifname, const char *object, char path[static PATH_MAX]);
/* Removes all pins of one interface, link first. */
void steering_pin_remove(const char *dir, const char *ifname);
/* The interfaces that have pins; returns how many. */
size_t steering_pin_list(const char *dir, char ret_names[STEERING_PINS_MAX][IF_NAMESIZE]);

#endif
