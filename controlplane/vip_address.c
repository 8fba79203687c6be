/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Compares the VIPs that are to be there with the addresses that are, and makes up the difference.
 * Changes of links and addresses, whoever makes them, lead to another comparison.
 */
#include "vip_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "announcement.h"

enum {
	HOST_PREFIX = 128, /* of the 128-bit form: IPv4 /32 and IPv6 /128 */
	GATHER_MS = 5,
	RETRY_MS = 1000,
};

struct port {
	char ifname[16];
	bool carrier; /* as last seen */
	uint8_t mac[6];
};

struct vip_address {
	struct netlink *nl;
	struct links *links;
	struct link_listener listener;
	struct vip_address_events events;
	struct announcement *announcement;
	char device[16];
	struct port *ports;
	size_t port_count;
	struct sl_addr *wanted; /* ascending */
	size_t wanted_count;
	bool started; /* somebody has said whether the device is held */
	bool held;
	bool is_set; /* somebody has said what is wanted: till then a restart leaves what is there */
	uv_timer_t apply;
};

/* ---- where a VIP belongs ------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sl_addr));
}

static bool is_wanted(const struct vip_address *v, const struct sl_addr *address)
{
	return v->held && v->wanted_count > 0 &&
	       bsearch(address, v->wanted, v->wanted_count, sizeof(*address), compare) != NULL;
}

/* The port in whose network the address is; NULL: off-link. */
static const struct link *on_link_port(const struct vip_address *v, const struct sl_addr *address)
{
	const struct link *link;
	size_t i;

	for (i = 0; i < v->port_count; i++) {
		link = link_by_name(v->links, v->ports[i].ifname);
		if (link && link_has_network(link, address))
			return link;
	}
	return NULL;
}

/* The interface that is to have it; NULL: the device is not there (yet). */
static const struct link *place_of(const struct vip_address *v, const struct sl_addr *address)
{
	const struct link *link = sl_addr_is_v4(address) ? NULL : on_link_port(v, address);

	return link ? link : link_by_name(v->links, v->device);
}

static bool has_address(const struct link *link, const struct sl_addr *address)
{
	size_t i;

	for (i = 0; i < link->address_count; i++)
		if (sl_addr_equal(&link->addresses[i].address, address))
			return true;
	return false;
}

/* ---- the difference ----------------------------------------------------------------------------- */

static void announce(struct vip_address *v, const struct sl_addr *vip)
{
	const struct link *link = on_link_port(v, vip);

	if (link)
		announcement_start(v->announcement, vip, link->ifindex, link->mac);
}

/* Removes from one interface what is ours and not to be there. `all` of its host addresses are, or the marked
 * ones. */
static void remove_unwanted(struct vip_address *v, const struct link *link, bool all)
{
	const struct link_address *a;
	size_t i;

	for (i = 0; i < link->address_count; i++) {
		a = &link->addresses[i];
		if (a->prefix_len != HOST_PREFIX || (!all && a->proto != VIP_ADDRESS_PROTO))
			continue;
		if (is_wanted(v, &a->address) && place_of(v, &a->address) == link)
			continue;
		if (netlink_address_del(v->nl, link->ifindex, &a->address) < 0)
			continue; /* gone already, and we hear of it next */
		announcement_stop(v->announcement, &a->address);
		v->events.disappeared(v->events.ctx, &a->address, link->name);
	}
}

/* 0 or -errno of the first that failed. */
static int add_missing(struct vip_address *v)
{
	char text[INET6_ADDRSTRLEN], line[256];
	const struct link *link;
	int err, first = 0;
	size_t i;

	for (i = 0; i < v->wanted_count; i++) {
		link = place_of(v, &v->wanted[i]);
		if (!link || has_address(link, &v->wanted[i]))
			continue;
		err = netlink_address_add(v->nl, link->ifindex, &v->wanted[i], VIP_ADDRESS_PROTO);
		if (err == 0) {
			v->events.appeared(v->events.ctx, &v->wanted[i], link->name);
			announce(v, &v->wanted[i]);
			continue;
		}
		if (err == -EEXIST || first < 0)
			continue;
		first = err;
		if (sl_addr_is_v4(&v->wanted[i]))
			inet_ntop(AF_INET, v->wanted[i].b + 12, text, sizeof(text));
		else
			inet_ntop(AF_INET6, v->wanted[i].b, text, sizeof(text));
		snprintf(line, sizeof(line), "%s: cannot put it on %s: %s%s", text, link->name,
			 strerror(-err),
			 err == -EPERM ? "; sluiced needs CAP_NET_ADMIN, or root"
				       : "; trying again each second");
		v->events.trouble(v->events.ctx, line);
	}
	return first;
}

static void apply(struct vip_address *v)
{
	const struct link *link;
	size_t i;

	if (!v->started || (v->held && !v->is_set))
		return;
	link = link_by_name(v->links, v->device);
	if (link)
		remove_unwanted(v, link, true);
	for (i = 0; i < v->port_count; i++) {
		link = link_by_name(v->links, v->ports[i].ifname);
		if (link)
			remove_unwanted(v, link, false);
	}
	if (v->held && add_missing(v) < 0)
		uv_timer_again(&v->apply);
}

static void on_apply(uv_timer_t *timer)
{
	uv_timer_stop(timer);
	apply(timer->data);
}

static void apply_soon(struct vip_address *v)
{
	uv_timer_start(&v->apply, on_apply, GATHER_MS, RETRY_MS);
}

/* ---- events ------------------------------------------------------------------------------------- */

/* A port that came up, or has another MAC: its neighbours must hear of all VIPs of its network. */
static void follow_port(struct vip_address *v, struct port *port, const struct link *link)
{
	const bool again =
		(link->carrier && !port->carrier) || memcmp(port->mac, link->mac, sizeof(port->mac)) != 0;
	size_t i;

	port->carrier = link->carrier;
	memcpy(port->mac, link->mac, sizeof(port->mac));
	if (!again || !v->held)
		return;
	for (i = 0; i < v->wanted_count; i++)
		if (on_link_port(v, &v->wanted[i]) == link && place_of(v, &v->wanted[i]))
			announcement_start(v->announcement, &v->wanted[i], link->ifindex, link->mac);
}

static void on_link(void *ctx, int ifindex)
{
	struct vip_address *v = ctx;
	const struct link *link = link_by_index(v->links, ifindex);
	size_t i;

	for (i = 0; link && i < v->port_count; i++)
		if (strcmp(v->ports[i].ifname, link->name) == 0)
			follow_port(v, &v->ports[i], link);
	apply_soon(v);
}

/* ---- what sluiced asks -------------------------------------------------------------------------- */

static int read_setting(const char *ifname, const char *key)
{
	char path[128], digit = '0';
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/%s", ifname, key);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, &digit, 1) != 1)
		digit = '0';
	close(fd);
	return digit - '0';
}

/* The kernel answers ARP on a port for an address of the TUN device only with arp_ignore 0. */
static void check_arp(struct vip_address *v, const char *ifname)
{
	static const char *const keys[] = {"arp_ignore", "arp_filter"};
	char line[256];
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (read_setting("all", keys[i]) == 0 && read_setting(ifname, keys[i]) == 0)
			continue;
		snprintf(line, sizeof(line),
			 "%s: %s is set, so ARP for VIPs may go unanswered; run: sysctl -w "
			 "net.ipv4.conf.all.%s=0 "
			 "net.ipv4.conf.%s.%s=0",
			 ifname, keys[i], keys[i], ifname, keys[i]);
		v->events.trouble(v->events.ctx, line);
	}
}

int vip_address_ports(struct vip_address *v, const char (*ifnames)[16], size_t count)
{
	struct port *ports = calloc(count ? count : 1, sizeof(*ports));
	const struct link *link;
	size_t i, j;

	if (!ports)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		memcpy(ports[i].ifname, ifnames[i], sizeof(ports[i].ifname));
		link = link_by_name(v->links, ports[i].ifname);
		if (link) {
			ports[i].carrier = link->carrier;
			memcpy(ports[i].mac, link->mac, sizeof(ports[i].mac));
		}
		check_arp(v, ports[i].ifname);
	}
	for (i = 0; v->started && i < v->port_count;
	     i++) { /* a port that is none any more keeps nothing of ours */
		for (j = 0; j < count && strcmp(ports[j].ifname, v->ports[i].ifname) != 0; j++)
			;
		link = j == count ? link_by_name(v->links, v->ports[i].ifname) : NULL;
		if (!link)
			continue;
		v->ports[i].ifname[0] = '\0'; /* no place for anything */
		remove_unwanted(v, link, false);
	}
	free(v->ports);
	v->ports = ports;
	v->port_count = count;
	apply_soon(v);
	return 0;
}

int vip_address_set(struct vip_address *v, const struct sl_addr *vips, size_t count)
{
	struct sl_addr *wanted = calloc(count ? count : 1, sizeof(*wanted));

	if (!wanted)
		return -ENOMEM;
	if (count > 0)
		memcpy(wanted, vips, count * sizeof(*wanted));
	qsort(wanted, count, sizeof(*wanted), compare);
	free(v->wanted);
	v->wanted = wanted;
	v->wanted_count = count;
	v->is_set = true;
	apply(v);
	return 0;
}

void vip_address_held(struct vip_address *v, bool held)
{
	v->started = true;
	v->held = held;
	apply(v);
}

void vip_address_clear(struct vip_address *v)
{
	netlink_dump(v->nl, NETLINK_DUMP_ADDRESSES); /* what was just added may not be in the table yet */
	vip_address_held(v, false);
}

/* ---- lifetime ----------------------------------------------------------------------------------- */

int vip_address_create(struct netlink *nl, struct links *links, uv_loop_t *loop, const char *device,
		       const struct vip_address_events *events, struct vip_address **ret_vip,
		       struct error_text *reterr)
{
	struct vip_address *v = calloc(1, sizeof(*v));
	int err;

	if (!v)
		return error_text_set(reterr, -ENOMEM, "no memory for VIP addresses");
	err = announcement_create(loop, &v->announcement, reterr);
	if (err < 0) {
		free(v);
		return err;
	}
	v->nl = nl;
	v->links = links;
	v->events = *events;
	snprintf(v->device, sizeof(v->device), "%s", device);
	uv_timer_init(loop, &v->apply);
	v->apply.data = v;
	v->listener = (struct link_listener){.ctx = v, .changed = on_link};
	links_listen(links, &v->listener);
	*ret_vip = v;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct vip_address *v = handle->data;

	free(v->ports);
	free(v->wanted);
	free(v);
}

void vip_address_destroy(struct vip_address *v)
{
	if (!v)
		return;
	links_unlisten(v->links, &v->listener);
	announcement_destroy(v->announcement);
	uv_close((uv_handle_t *)&v->apply, on_closed);
}
