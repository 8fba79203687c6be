/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads rtnetlink messages. The kernel is the peer; attributes are checked for their length all the same.
 */
#include "netlink_message.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <netlink/attr.h>
#include <netlink/msg.h>

#include "netlink.h"

static int read_address(const struct nlattr *attribute, struct sl_addr *ret_address)
{
	__be32 v4;

	if (!attribute)
		return -EINVAL;
	if (nla_len(attribute) == 4) {
		memcpy(&v4, nla_data(attribute), 4);
		*ret_address = sl_addr_from_v4(v4);
		return 0;
	}
	if (nla_len(attribute) != 16)
		return -EINVAL;
	memcpy(ret_address->b, nla_data(attribute), 16);
	return 0;
}

static bool read_mac(const struct nlattr *attribute, uint8_t mac[static 6])
{
	if (!attribute || nla_len(attribute) != 6)
		return false;
	memcpy(mac, nla_data(attribute), 6);
	return true;
}

static uint32_t read_u32(const struct nlattr *attribute)
{
	return attribute && nla_len(attribute) >= 4 ? nla_get_u32(attribute) : 0;
}

static int parse(const struct nlmsghdr *header, size_t fixed, struct nlattr **attributes, int max)
{
	if (header->nlmsg_len < NLMSG_LENGTH(fixed))
		return -EINVAL;
	return nlmsg_parse((struct nlmsghdr *)(uintptr_t)header, (int)fixed, attributes, max, NULL) < 0
		       ? -EINVAL
		       : 0;
}

int netlink_message_link(const struct nlmsghdr *header, void *result)
{
	const struct ifinfomsg *fixed = nlmsg_data(header);
	struct nlattr *attributes[IFLA_MAX + 1];
	struct netlink_link *link = result;

	if (parse(header, sizeof(*fixed), attributes, IFLA_MAX) < 0 || fixed->ifi_family == AF_BRIDGE ||
	    !attributes[IFLA_IFNAME])
		return -EINVAL;
	memset(link, 0, sizeof(*link));
	link->ifindex = fixed->ifi_index;
	snprintf(link->name, sizeof(link->name), "%.*s", nla_len(attributes[IFLA_IFNAME]),
		 (const char *)nla_data(attributes[IFLA_IFNAME]));
	read_mac(attributes[IFLA_ADDRESS], link->mac);
	link->mtu = read_u32(attributes[IFLA_MTU]);
	link->up = fixed->ifi_flags & IFF_UP;
	link->carrier = fixed->ifi_flags & IFF_LOWER_UP;
	link->gone = header->nlmsg_type == RTM_DELLINK;
	return 0;
}

int netlink_message_address(const struct nlmsghdr *header, void *result)
{
	const struct ifaddrmsg *fixed = nlmsg_data(header);
	struct nlattr *attributes[IFA_MAX + 1];
	struct netlink_address *address = result;
	const struct nlattr *own;

	if (parse(header, sizeof(*fixed), attributes, IFA_MAX) < 0)
		return -EINVAL;
	memset(address, 0, sizeof(*address));
	own = attributes[IFA_LOCAL] ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
	if (read_address(own, &address->address) < 0)
		return -EINVAL;
	address->ifindex = (int)fixed->ifa_index;
	address->prefix_len = fixed->ifa_prefixlen + (fixed->ifa_family == AF_INET ? 96u : 0u);
	if (attributes[IFA_PROTO])
		address->proto = nla_get_u8(attributes[IFA_PROTO]);
	address->gone = header->nlmsg_type == RTM_DELADDR;
	return 0;
}

int netlink_message_neighbor(const struct nlmsghdr *header, void *result)
{
	const struct ndmsg *fixed = nlmsg_data(header);
	struct nlattr *attributes[NDA_MAX + 1];
	struct netlink_neighbor *neighbor = result;

	if (parse(header, sizeof(*fixed), attributes, NDA_MAX) < 0 ||
	    (fixed->ndm_family != AF_INET && fixed->ndm_family != AF_INET6))
		return -EINVAL;
	memset(neighbor, 0, sizeof(*neighbor));
	if (read_address(attributes[NDA_DST], &neighbor->address) < 0)
		return -EINVAL;
	neighbor->ifindex = fixed->ndm_ifindex;
	neighbor->state = fixed->ndm_state;
	neighbor->managed = read_u32(attributes[NDA_FLAGS_EXT]) & NTF_EXT_MANAGED;
	neighbor->has_mac = read_mac(attributes[NDA_LLADDR], neighbor->mac);
	neighbor->gone = header->nlmsg_type == RTM_DELNEIGH;
	return 0;
}

/* IPv4 by way of an IPv6 gateway comes as RTA_VIA: a family and an address. */
static void read_gateway(struct nlattr *const *attributes, struct netlink_route *route)
{
	const struct nlattr *via = attributes[RTA_VIA];
	const struct rtvia *value;

	if (read_address(attributes[RTA_GATEWAY], &route->next_hop) == 0)
		route->on_link = false;
	if (!via || nla_len(via) < (int)sizeof(*value) + 16)
		return;
	value = nla_data(via);
	if (value->rtvia_family != AF_INET6)
		return;
	memcpy(route->next_hop.b, value->rtvia_addr, 16);
	route->on_link = false;
}

int netlink_message_route(const struct nlmsghdr *header, void *result)
{
	const struct rtmsg *fixed = nlmsg_data(header);
	struct nlattr *attributes[RTA_MAX + 1], *metrics[RTAX_MAX + 1];
	struct netlink_route *route = result;

	if (header->nlmsg_type != RTM_NEWROUTE || parse(header, sizeof(*fixed), attributes, RTA_MAX) < 0)
		return -EINVAL;
	route->type = fixed->rtm_type;
	route->ifindex = (int)read_u32(attributes[RTA_OIF]);
	read_gateway(attributes, route);
	read_address(attributes[RTA_PREFSRC], &route->source);
	if (attributes[RTA_METRICS] &&
	    nla_parse_nested(metrics, RTAX_MAX, attributes[RTA_METRICS], NULL) == 0)
		route->mtu = read_u32(metrics[RTAX_MTU]);
	return 0;
}
