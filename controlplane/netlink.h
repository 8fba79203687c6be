/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rtnetlink connection of sluiced: changes of links, addresses, neighbours and routes come in by
 * one socket in the event loop, questions and orders go out by another and are answered at once by the
 * kernel. Translates messages and nothing else; link.c, neighbor.c and vip_address.c give them meaning.
 * Main thread only. Addresses are 16 bytes, prefix lengths those of the 128-bit form.
 */
#ifndef CONTROLPLANE_NETLINK_H
#define CONTROLPLANE_NETLINK_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "sluice/types.h"

#include "error_text.h"

struct netlink;

struct netlink_link {
	int ifindex;
	char name[16];
	uint8_t mac[6];
	uint32_t mtu;
	bool up; /* set up by the operator */
	bool carrier;
	bool gone;
};

struct netlink_address {
	int ifindex;
	struct sl_addr address;
	unsigned int prefix_len;
	uint8_t proto; /* IFA_PROTO: who put it there */
	bool gone;
};

struct netlink_neighbor {
	int ifindex;
	struct sl_addr address;
	uint16_t state; /* NUD_* */
	bool managed;   /* the kernel keeps it resolved by itself */
	bool has_mac;
	uint8_t mac[6];
	bool gone;
};

struct netlink_route {
	int ifindex;
	uint8_t type; /* RTN_* */
	bool on_link; /* no gateway: next_hop is the destination itself */
	struct sl_addr next_hop;
	struct sl_addr source; /* what the kernel would send from; all zero: it did not say */
	uint32_t mtu;          /* of the route; 0: the link's */
};

/* Callbacks may be NULL. Owned by the listener, which stays in place until netlink_unlisten(). */
struct netlink_listener {
	void *ctx;
	void (*link)(void *ctx, const struct netlink_link *link);
	void (*address)(void *ctx, const struct netlink_address *address);
	void (*neighbor)(void *ctx, const struct netlink_neighbor *neighbor);
	void (*route)(void *ctx);  /* some route or rule changed */
	void (*resync)(void *ctx); /* messages were lost: ask again for what you keep */
	struct netlink_listener *next;
};

enum netlink_dump { NETLINK_DUMP_LINKS, NETLINK_DUMP_ADDRESSES, NETLINK_DUMP_NEIGHBORS };

int netlink_create(uv_loop_t *loop, struct netlink **ret_nl, struct error_text *reterr);
/* Closes; the loop must run once more before it is closed itself. NULL is fine. */
void netlink_destroy(struct netlink *nl);
/* Listeners are called in the order in which they were added. */
void netlink_listen(struct netlink *nl, struct netlink_listener *listener);
void netlink_unlisten(struct netlink *nl, struct netlink_listener *listener);

/* Calls all listeners for everything that is there, before it returns. 0 or -errno. */
int netlink_dump(struct netlink *nl, enum netlink_dump what);
/* As the kernel would route a packet to `to`. 0 or -errno (-ENETUNREACH: no route). */
int netlink_route_get(struct netlink *nl, const struct sl_addr *to, struct netlink_route *ret_route);
/* 0, or -ENOENT: the kernel knows no such neighbour. */
int netlink_neighbor_get(struct netlink *nl, int ifindex, const struct sl_addr *address,
			 struct netlink_neighbor *ret_neighbor);
/* Makes the kernel resolve a neighbour now and, with `keep` and where it can, keep it resolved. */
int netlink_neighbor_use(struct netlink *nl, int ifindex, const struct sl_addr *address, bool keep);
/* Host address, never used as a source by itself and not checked for duplicates. */
int netlink_address_add(struct netlink *nl, int ifindex, const struct sl_addr *address, uint8_t proto);
int netlink_address_del(struct netlink *nl, int ifindex, const struct sl_addr *address);
/* Sets an interface up with a transmit queue of `queue_len` packets. */
int netlink_link_up(struct netlink *nl, int ifindex, uint32_t queue_len);

#endif
