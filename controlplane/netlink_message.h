/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From rtnetlink messages to the structs of netlink.h. Pure. Each returns 0, or -EINVAL for a message
 * that is of no interest here: another family, no address.
 */
#ifndef CONTROLPLANE_NETLINK_MESSAGE_H
#define CONTROLPLANE_NETLINK_MESSAGE_H

struct nlmsghdr;

/* `result` is struct netlink_link. */
int netlink_message_link(const struct nlmsghdr *header, void *result);
/* `result` is struct netlink_address. */
int netlink_message_address(const struct nlmsghdr *header, void *result);
/* `result` is struct netlink_neighbor. */
int netlink_message_neighbor(const struct nlmsghdr *header, void *result);
/* `result` is struct netlink_route, preset to "on link, to the destination itself". */
int netlink_message_route(const struct nlmsghdr *header, void *result);

#endif
