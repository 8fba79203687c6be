/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a new configuration changes: objects by name, and of those in both the keys that differ. For
 * the log line and the preview of a reload, and for what must be asked first: does sluice-dp have to
 * restart, and how many backends would go. Pure.
 */
#ifndef CONTROLPLANE_CONFIG_DIFF_H
#define CONTROLPLANE_CONFIG_DIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "config.h"

enum config_change_kind { CONFIG_ADDED = 0, CONFIG_REMOVED, CONFIG_CHANGED };

struct config_change {
	enum config_change_kind kind;
	bool restart;   /* applies when sluice-dp restarts */
	char path[200]; /* "pools[web].backends[web1]"; of settings the section: "limits" */
	char keys[200]; /* of CONFIG_CHANGED: "weight, role" */
};

struct config_diff {
	struct config_change
		*changes; /* settings, interfaces, checks, pools and their backends, services, vips */
	size_t count, room;
	bool restart;            /* any of them: sluice-dp must restart for it */
	size_t backends_before;  /* of all pools */
	size_t backends_removed; /* of those: named in no pool of that name any more */
};

/* Returns 0 and the difference, or -ENOMEM. Both configurations may go before the difference does. */
int config_diff(const struct config *old, const struct config *new, struct config_diff **ret_diff);
void config_diff_free(struct config_diff *diff); /* NULL is fine */
/* One line a change: "+ services[www]", "- …", "~ pools[web]: linger, check (applies when sluice-dp
 * restarts)". */
void config_diff_print(const struct config_diff *diff, FILE *out);

#endif
