/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a live system learns of its networks, from the scenario and documented defaults: ports, and for
 * each backend the next hop, its MAC address, its MTU and the tunnel's source. Pure.
 */
#ifndef TOOLS_SIM_NETWORK_H
#define TOOLS_SIM_NETWORK_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "controlplane/config.h"
#include "controlplane/model.h"
#include "scenario.h"

enum { NETWORK_MTU = 1500 }; /* of a port for which nobody says another */

struct network;

/*
 * The ports are those of the first configuration, as sluice-dp's are those of its start; one called "port0"
 * when it names none. `scenario` stays. 0, -ENOMEM, or -EINVAL after a line on `out`.
 */
int network_create(const struct config *config, const struct scenario *scenario, FILE *out,
		   struct network **ret_network);
void network_destroy(struct network *network); /* NULL is fine */

/* What an event changes. 0, -ENOMEM, or -EINVAL after a line on `out` (an unknown port). */
int network_change_port(struct network *network, const struct scenario_port *change, FILE *out);
int network_change_neighbor(struct network *network, const struct scenario_neighbor *change, FILE *out);

/* Tells the model the next hop of every backend. 0 or -errno. */
int network_tell(struct network *network, struct model *model);

const struct sl_port *network_ports(const struct network *network, size_t *ret_count);
const char *network_port_name(const struct network *network, uint16_t port);
uint16_t network_receive_port(const struct network *network);

#endif
