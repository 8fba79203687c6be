/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports, routes and neighbours of the simulation: on-link networks first (longest prefix), then gateways;
 * a MAC address nobody gave is made of the address. Stands where netlink stands in sluiced.
 */
#include "network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct network_port {
	char name[SL_NAME_MAX];
	const struct scenario_address *addresses;
	size_t address_count;
	const struct sl_addr *gateways;
	size_t gateway_count;
};

/* One next hop; its id in the model is its position plus one. */
struct network_neighbor {
	struct scenario_neighbor told; /* told.address is the key */
	bool explicit;                 /* the scenario names it: it is on-link */
};

struct network {
	const struct scenario *scenario;
	struct sl_port ports[SL_PORTS_MAX];
	struct network_port more[SL_PORTS_MAX]; /* beside ports */
	size_t port_count;
	uint16_t receive;
	struct network_neighbor *neighbors;
	size_t neighbor_count;
};

/* Where packets to an address go. */
struct route {
	uint16_t port;
	struct sl_addr next_hop;
};

const struct sl_port *network_ports(const struct network *network, size_t *ret_count)
{
	*ret_count = network->port_count;
	return network->ports;
}

const char *network_port_name(const struct network *network, uint16_t port)
{
	return port < network->port_count ? network->more[port].name : "?";
}

uint16_t network_receive_port(const struct network *network)
{
	return network->receive;
}

static bool address_in(const struct sl_addr *address, const struct scenario_address *network)
{
	const unsigned int whole = network->prefix_len / 8, rest = network->prefix_len % 8;

	if (memcmp(address->b, network->address.b, whole) != 0)
		return false;
	return rest == 0 || (address->b[whole] ^ network->address.b[whole]) >> (8 - rest) == 0;
}

static bool same_family(const struct sl_addr *a, const struct sl_addr *b)
{
	return sl_addr_is_v4(a) == sl_addr_is_v4(b);
}

/* ---- ports --------------------------------------------------------------------------------------------- */

static int port_find(const struct network *network, const char *name, uint16_t *ret_port)
{
	for (size_t i = 0; i < network->port_count; i++) {
		if (strcmp(network->more[i].name, name) == 0) {
			*ret_port = (uint16_t)i;
			return 0;
		}
	}
	return -ENOENT;
}

static int port_unknown(const struct network *network, const char *name, FILE *out)
{
	fprintf(out, "scenario: port \"%s\" is not an interface of the configuration; there are:", name);
	for (size_t i = 0; i < network->port_count; i++)
		fprintf(out, " %s", network->more[i].name);
	fprintf(out, "\n");
	return -EINVAL;
}

int network_change_port(struct network *network, const struct scenario_port *change, FILE *out)
{
	uint16_t at;

	if (port_find(network, change->name, &at) < 0)
		return port_unknown(network, change->name, out);
	if (change->has_mac)
		memcpy(network->ports[at].mac, change->mac, sizeof(network->ports[at].mac));
	if (change->has_mtu)
		network->ports[at].mtu = change->mtu;
	if (change->has_kernel_path)
		network->ports[at].kernel_path = change->kernel_path;
	if (change->has_addresses) {
		network->more[at].addresses = change->addresses;
		network->more[at].address_count = change->address_count;
	}
	if (change->has_gateways) {
		network->more[at].gateways = change->gateways;
		network->more[at].gateway_count = change->gateway_count;
	}
	return 0;
}

static void port_add(struct network *network, const char *name, uint32_t mtu)
{
	const size_t at = network->port_count++;

	network->ports[at] = (struct sl_port){.mac = {0x02, 0xff, 0, 0, 0, (uint8_t)(at + 1)},
					      .mtu = mtu > 0 ? (uint16_t)mtu : NETWORK_MTU,
					      .index = (uint16_t)at,
					      .kernel_path = 1};
	snprintf(network->more[at].name, sizeof(network->more[at].name), "%s", name);
}

/* ---- neighbours ---------------------------------------------------------------------------------------- */

static struct network_neighbor *neighbor_find(const struct network *network, const struct sl_addr *address)
{
	for (size_t i = 0; i < network->neighbor_count; i++)
		if (sl_addr_equal(&network->neighbors[i].told.address, address))
			return &network->neighbors[i];
	return NULL;
}

static struct network_neighbor *neighbor_get(struct network *network, const struct sl_addr *address)
{
	struct network_neighbor *neighbor = neighbor_find(network, address), *grown;

	if (neighbor != NULL)
		return neighbor;
	grown = realloc(network->neighbors, (network->neighbor_count + 1) * sizeof(*grown));
	if (grown == NULL)
		return NULL;
	network->neighbors = grown;
	neighbor = &grown[network->neighbor_count++];
	/* 02:00 and the IPv4 address, or 02:06 and the last four bytes of the IPv6 address. */
	*neighbor = (struct network_neighbor){.told = {.address = *address, .known = true}};
	neighbor->told.mac[0] = 0x02;
	neighbor->told.mac[1] = sl_addr_is_v4(address) ? 0x00 : 0x06;
	memcpy(neighbor->told.mac + 2, address->b + 12, 4);
	return neighbor;
}

int network_change_neighbor(struct network *network, const struct scenario_neighbor *change, FILE *out)
{
	struct network_neighbor *neighbor;
	uint16_t port;

	if (change->port[0] != '\0' && port_find(network, change->port, &port) < 0)
		return port_unknown(network, change->port, out);
	neighbor = neighbor_get(network, &change->address);
	if (neighbor == NULL)
		return -ENOMEM;
	neighbor->explicit = true;
	if (change->has_mac) {
		neighbor->told.known = change->known;
		if (change->known) /* the last MAC address is kept while another is not confirmed */
			memcpy(neighbor->told.mac, change->mac, sizeof(neighbor->told.mac));
	}
	if (change->has_mtu) {
		neighbor->told.has_mtu = true;
		neighbor->told.mtu = change->mtu;
	}
	if (change->port[0] != '\0')
		memcpy(neighbor->told.port, change->port, sizeof(neighbor->told.port));
	return 0;
}

/* ---- routes -------------------------------------------------------------------------------------------- */

/* The port whose network is the narrowest around `address`. */
static bool route_on_link(const struct network *network, const struct sl_addr *address, uint16_t *ret_port)
{
	int longest = -1;

	for (size_t i = 0; i < network->port_count; i++) {
		for (size_t k = 0; k < network->more[i].address_count; k++) {
			const struct scenario_address *on = &network->more[i].addresses[k];

			if (!same_family(&on->address, address) || !address_in(address, on) ||
			    (int)on->prefix_len <= longest)
				continue;
			longest = (int)on->prefix_len;
			*ret_port = (uint16_t)i;
		}
	}
	return longest >= 0;
}

static bool has_addresses(const struct network *network)
{
	for (size_t i = 0; i < network->port_count; i++)
		if (network->more[i].address_count > 0)
			return true;
	return false;
}

/* False: there is no way to it. */
static bool route_find(const struct network *network, const struct sl_addr *address, struct route *ret_route)
{
	const struct network_neighbor *neighbor = neighbor_find(network, address);

	*ret_route = (struct route){.next_hop = *address};
	if (neighbor != NULL && neighbor->explicit && neighbor->told.port[0] != '\0')
		return port_find(network, neighbor->told.port, &ret_route->port) == 0;
	if (route_on_link(network, address, &ret_route->port) || (neighbor != NULL && neighbor->explicit))
		return true;
	for (size_t i = 0; i < network->port_count; i++) {
		for (size_t k = 0; k < network->more[i].gateway_count; k++) {
			if (!same_family(&network->more[i].gateways[k], address))
				continue;
			*ret_route =
				(struct route){.port = (uint16_t)i, .next_hop = network->more[i].gateways[k]};
			return true;
		}
	}
	return !has_addresses(network); /* nobody said anything of networks: all is on the first port's */
}

/* What the kernel would use as source towards the next hop. All zero: it has no address of that family. */
static struct sl_addr route_source(const struct network *network, const struct route *route,
				   const struct sl_addr *address)
{
	static const struct sl_addr benchmarking[2] = {
		{.b = {[10] = 0xff, [11] = 0xff, [12] = 198, [13] = 18, [15] = 1}}, /* RFC 2544 */
		{.b = {0x20, 0x01, 0x00, 0x02, [15] = 1}},                          /* RFC 5180 */
	};
	const struct network_port *port = &network->more[route->port];
	const int family = sl_addr_is_v4(address) ? 0 : 1;
	struct sl_addr first = {0};

	if (network->scenario->outer_source[family].d[1] != 0 ||
	    network->scenario->outer_source[family].d[0] != 0)
		return network->scenario->outer_source[family];
	if (!has_addresses(network))
		return benchmarking[family];
	for (size_t k = port->address_count; k-- > 0;) {
		if (!same_family(&port->addresses[k].address, address))
			continue;
		first = port->addresses[k].address;
		if (address_in(&route->next_hop, &port->addresses[k]))
			return first;
	}
	return first;
}

static int tell_one(struct network *network, struct model *model, const struct sl_addr *address)
{
	const struct network_neighbor *neighbor;
	struct model_hop hop = {0};
	struct sl_neighbor fact = {0};
	struct route route;
	int err;

	if (!route_find(network, address, &route)) {
		model_set_hop(model, address, &hop);
		return 0;
	}
	neighbor = neighbor_get(network, &route.next_hop);
	if (neighbor == NULL)
		return -ENOMEM;
	fact.id = (uint32_t)(neighbor - network->neighbors) + 1;
	fact.port = route.port;
	fact.mtu = neighbor->told.has_mtu ? neighbor->told.mtu : network->ports[route.port].mtu;
	fact.known = neighbor->told.known;
	if (fact.known)
		memcpy(fact.mac, neighbor->told.mac, sizeof(fact.mac));
	err = model_set_neighbor(model, &fact);
	if (err < 0)
		return err;
	hop.neighbor = fact.id;
	hop.outer_src = route_source(network, &route, address);
	model_set_hop(model, address, &hop);
	return 0;
}

int network_tell(struct network *network, struct model *model)
{
	struct sl_addr *addresses = NULL;
	const size_t count = model_addresses(model, &addresses);
	int err = 0;

	for (size_t i = 0; err == 0 && i < count; i++)
		err = tell_one(network, model, &addresses[i]);
	free(addresses);
	return err;
}

/* ---- start --------------------------------------------------------------------------------------------- */

int network_create(const struct config *config, const struct scenario *scenario, FILE *out,
		   struct network **ret_network)
{
	struct network *network = calloc(1, sizeof(*network));
	int err = 0;

	if (network == NULL)
		return -ENOMEM;
	network->scenario = scenario;
	for (size_t i = 0; i < config->interface_count && i < SL_PORTS_MAX; i++)
		port_add(network, config->interfaces[i].port.name, config->interfaces[i].port.mtu);
	if (network->port_count == 0)
		port_add(network, "port0", 0);
	for (size_t i = 0; err == 0 && i < scenario->port_count; i++)
		err = network_change_port(network, &scenario->ports[i], out);
	for (size_t i = 0; err == 0 && i < scenario->neighbor_count; i++)
		err = network_change_neighbor(network, &scenario->neighbors[i], out);
	if (err == 0 && scenario->receive[0] != '\0' &&
	    port_find(network, scenario->receive, &network->receive) < 0)
		err = port_unknown(network, scenario->receive, out);
	if (err < 0) {
		network_destroy(network);
		return err;
	}
	*ret_network = network;
	return 0;
}

void network_destroy(struct network *network)
{
	if (network == NULL)
		return;
	free(network->neighbors);
	free(network);
}
