/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one backend serves: its VIPs, the mode and the address that packets come to. From the command
 * line, from a configuration file, or from sluiced. Shared by backend-setup and backend-check.
 */
#ifndef SLUICECTL_BACKEND_TARGET_H
#define SLUICECTL_BACKEND_TARGET_H

#include "command.h"
#include "sluice/abi.h"

struct backend_listener {
	struct sl_addr vip;
	struct sl_addr address; /* the backend's; all zero: not said (--vip in mode l2) */
	uint16_t port;          /* host order; 0: every port, or not said */
	uint8_t proto;          /* 0: not said */
	enum sl_mode mode;
	struct sl_addr outer_source; /* of tunnels to `address`; all zero: what the kernel here would send from */
};

struct backend_target {
	char name[SL_NAME_MAX]; /* empty: VIPs of the command line */
	struct backend_listener *listeners;
	size_t count;
};

/* `name` may be NULL. CTL_DONE and a target with one listener at least, or the exit status after a line on stderr. */
enum ctl_exit backend_target_load(const struct ctl_options *options, const char *name,
				  struct backend_target *ret_target);
void backend_target_free(struct backend_target *target);

/* The next of a comma-separated list in *text, without blanks around it: 1; 0: no more; -1: it has no room in `item`.
 */
int backend_list_next(const char **text, char *item, size_t size);
bool backend_address_is_set(const struct sl_addr *addr);
/* The address that the kernel here would send from, to `to`. 0 or -errno. */
int backend_source_towards(const struct sl_addr *to, struct sl_addr *ret_source);

#endif
