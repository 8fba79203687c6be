/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What this machine looks like, for the checks of a configuration that need it. Reads interfaces,
 * routes and the number of CPUs of the calling process' network namespace; changes nothing.
 */
#ifndef CONTROLPLANE_CONFIG_HOST_H
#define CONTROLPLANE_CONFIG_HOST_H

#include "controlplane/config.h"

/*
 * Returns 0 and what is known, or -errno. `path` is the configuration file: whether it is root's and
 * safe from others. The caller frees it.
 */
int config_host_read(const char *path, struct config_host **ret_host);
void config_host_free(struct config_host *host); /* NULL is fine */

#endif
