/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The interfaces of this network namespace, as netlink reports them: index, MAC, MTU, carrier and
 * addresses. Knows nothing of ports or VIPs. Main thread only.
 */
#ifndef CONTROLPLANE_LINK_H
#define CONTROLPLANE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/types.h"

#include "config.h"
#include "netlink.h"

struct link_address {
	struct sl_addr address;
	unsigned int prefix_len; /* of the 128-bit form */
	uint8_t proto;           /* who put it there */
	bool seen;               /* link.c's: in the dump under way */
};

struct link {
	int ifindex;
	char name[16];
	uint8_t mac[6];
	uint32_t mtu;
	bool up;
	bool carrier;
	struct link_address *addresses;
	size_t address_count;
};

struct links;

/* Called after the table changed. `ifindex` may be gone by then. Stays in place until links_unlisten(). */
struct link_listener {
	void *ctx;
	void (*changed)(void *ctx, int ifindex);
	struct link_listener *next;
};

/* Reads what is there and follows it. 0 or -errno. */
int links_create(struct netlink *nl, struct links **ret_links, struct error_text *reterr);
/* Before the netlink. NULL is fine. */
void links_destroy(struct links *links);
void links_listen(struct links *links, struct link_listener *listener);
void links_unlisten(struct links *links, struct link_listener *listener);

/* NULL: no such interface. Valid until the loop turns. */
const struct link *link_by_index(const struct links *links, int ifindex);
const struct link *link_by_name(const struct links *links, const char *name);
/* True when `address` is in a network of the interface (host addresses are no networks). */
bool link_has_network(const struct link *link, const struct sl_addr *address);

/*
 * The networks of the interfaces, for config_load(). *ret_networks is the caller's to free. 0 or -ENOMEM.
 */
int links_networks(const struct links *links, struct config_network **ret_networks, size_t *ret_count);

#endif
