/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A copy of the kernel's interface table. Few interfaces, so lists and linear searches.
 */
#include "link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	struct link link;
	bool seen; /* in the dump under way */
	struct entry *next;
};

struct links {
	struct netlink *nl;
	struct netlink_listener netlink;
	struct link_listener *listeners;
	struct entry *entries;
};

static void notify(struct links *links, int ifindex)
{
	struct link_listener *l;

	for (l = links->listeners; l; l = l->next)
		l->changed(l->ctx, ifindex);
}

static struct entry *find(const struct links *links, int ifindex)
{
	struct entry *e;

	for (e = links->entries; e; e = e->next)
		if (e->link.ifindex == ifindex)
			return e;
	return NULL;
}

static void on_gone(struct links *links, int ifindex)
{
	struct entry **at, *e;

	for (at = &links->entries; (e = *at) != NULL; at = &e->next) {
		if (e->link.ifindex != ifindex)
			continue;
		*at = e->next;
		free(e->link.addresses);
		free(e);
		notify(links, ifindex);
		return;
	}
}

static void on_link(void *ctx, const struct netlink_link *message)
{
	struct links *links = ctx;
	struct entry *e = find(links, message->ifindex);
	struct link was;

	if (message->gone) {
		on_gone(links, message->ifindex);
		return;
	}
	if (!e) {
		e = calloc(1, sizeof(*e));
		if (!e)
			return; /* the next message of it tries again */
		e->link.ifindex = message->ifindex;
		e->next = links->entries;
		links->entries = e;
	}
	e->seen = true;
	was = e->link;
	memcpy(e->link.name, message->name, sizeof(e->link.name));
	memcpy(e->link.mac, message->mac, sizeof(e->link.mac));
	e->link.mtu = message->mtu;
	e->link.up = message->up;
	e->link.carrier = message->carrier;
	if (was.mtu != e->link.mtu || was.up != e->link.up || was.carrier != e->link.carrier ||
	    memcmp(was.mac, e->link.mac, sizeof(was.mac)) != 0 ||
	    memcmp(was.name, e->link.name, sizeof(was.name)) != 0)
		notify(links, message->ifindex);
}

static void on_address(void *ctx, const struct netlink_address *message)
{
	struct links *links = ctx;
	struct entry *e = find(links, message->ifindex);
	struct link_address *a, *grown;
	size_t i;

	if (!e)
		return;
	for (i = 0; i < e->link.address_count; i++) {
		a = &e->link.addresses[i];
		if (a->prefix_len == message->prefix_len && sl_addr_equal(&a->address, &message->address))
			break;
	}
	if (message->gone) {
		if (i == e->link.address_count)
			return;
		e->link.addresses[i] = e->link.addresses[--e->link.address_count];
		notify(links, message->ifindex);
		return;
	}
	if (i < e->link.address_count) {
		e->link.addresses[i].seen = true;
		return; /* lifetimes or flags only */
	}
	grown = reallocarray(e->link.addresses, i + 1, sizeof(*grown));
	if (!grown)
		return;
	e->link.addresses = grown;
	grown[i].address = message->address;
	grown[i].prefix_len = message->prefix_len;
	grown[i].proto = message->proto;
	grown[i].seen = true;
	e->link.address_count++;
	notify(links, message->ifindex);
}

static int read_all(struct links *links)
{
	const int err = netlink_dump(links->nl, NETLINK_DUMP_LINKS);

	return err < 0 ? err : netlink_dump(links->nl, NETLINK_DUMP_ADDRESSES);
}

/* Messages were lost: what a dump does not show is gone. Listeners hear of every interface. */
static void on_resync(void *ctx)
{
	struct links *links = ctx;
	struct entry *e, *next;
	size_t i;

	for (e = links->entries; e; e = e->next) {
		e->seen = false;
		for (i = 0; i < e->link.address_count; i++)
			e->link.addresses[i].seen = false;
	}
	if (read_all(links) < 0)
		return; /* what is known stays; the next loss tries again */
	for (e = links->entries; e; e = next) {
		next = e->next;
		if (!e->seen) {
			on_gone(links, e->link.ifindex);
			continue;
		}
		for (i = e->link.address_count; i-- > 0;)
			if (!e->link.addresses[i].seen)
				e->link.addresses[i] = e->link.addresses[--e->link.address_count];
		notify(links, e->link.ifindex);
	}
}

int links_create(struct netlink *nl, struct links **ret_links, struct error_text *reterr)
{
	struct links *links = calloc(1, sizeof(*links));
	int err;

	if (!links)
		return error_text_set(reterr, -ENOMEM, "no memory for the interface table");
	links->nl = nl;
	links->netlink = (struct netlink_listener){
		.ctx = links,
		.link = on_link,
		.address = on_address,
		.resync = on_resync,
	};
	netlink_listen(nl, &links->netlink);
	err = read_all(links);
	if (err < 0) {
		error_text_set(reterr, err, "cannot read the interfaces: %s", strerror(-err));
		links_destroy(links);
		return err;
	}
	*ret_links = links;
	return 0;
}

void links_destroy(struct links *links)
{
	struct entry *e;

	if (!links)
		return;
	netlink_unlisten(links->nl, &links->netlink);
	while ((e = links->entries) != NULL) {
		links->entries = e->next;
		free(e->link.addresses);
		free(e);
	}
	free(links);
}

void links_listen(struct links *links, struct link_listener *listener)
{
	listener->next = links->listeners;
	links->listeners = listener;
}

void links_unlisten(struct links *links, struct link_listener *listener)
{
	struct link_listener **at;

	for (at = &links->listeners; *at; at = &(*at)->next) {
		if (*at != listener)
			continue;
		*at = listener->next;
		return;
	}
}

const struct link *link_by_index(const struct links *links, int ifindex)
{
	const struct entry *e = find(links, ifindex);

	return e ? &e->link : NULL;
}

const struct link *link_by_name(const struct links *links, const char *name)
{
	const struct entry *e;

	for (e = links->entries; e; e = e->next)
		if (strcmp(e->link.name, name) == 0)
			return &e->link;
	return NULL;
}

static bool in_prefix(const struct sl_addr *address, const struct sl_addr *prefix, unsigned int len)
{
	const unsigned int bytes = len / 8, bits = len % 8;

	if (memcmp(address->b, prefix->b, bytes) != 0)
		return false;
	return bits == 0 || ((address->b[bytes] ^ prefix->b[bytes]) & (0xff00u >> bits) & 0xff) == 0;
}

bool link_has_network(const struct link *link, const struct sl_addr *address)
{
	size_t i;

	for (i = 0; i < link->address_count; i++)
		if (link->addresses[i].prefix_len < 128 &&
		    in_prefix(address, &link->addresses[i].address, link->addresses[i].prefix_len))
			return true;
	return false;
}

int links_networks(const struct links *links, struct config_network **ret_networks, size_t *ret_count)
{
	const struct entry *e;
	struct config_network *networks;
	size_t count = 0, i;

	for (e = links->entries; e; e = e->next)
		count += e->link.address_count;
	networks = calloc(count ? count : 1, sizeof(*networks));
	if (!networks)
		return -ENOMEM;
	count = 0;
	for (e = links->entries; e; e = e->next) {
		for (i = 0; i < e->link.address_count; i++, count++) {
			memcpy(networks[count].ifname, e->link.name, sizeof(networks[count].ifname));
			networks[count].prefix = e->link.addresses[i].address;
			networks[count].prefix_len = e->link.addresses[i].prefix_len;
		}
	}
	*ret_networks = networks;
	*ret_count = count;
	return 0;
}
