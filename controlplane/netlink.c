/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rtnetlink through libnl-3, in the libuv loop. Requests use a socket of their own, so that an answer
 * is never mixed with a change that is under way; the kernel answers them before send() returns.
 */
#include "netlink.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "netlink_message.h"

enum {
	RECEIVE_BUFFER = 4 << 20, /* a route table that is replaced at once; more is a resync */
	BATCHES_MAX = 64,         /* read in one turn of the loop */
};

struct netlink {
	struct nl_sock *events;
	struct nl_sock *requests;
	struct nl_cb *request_cb;
	struct netlink_listener *listeners;
	uv_poll_t poll;
};

/* What one request brings back. */
struct answer {
	struct netlink *nl; /* a dump: to its listeners */
	void *result;       /* one object: here */
	int (*read)(const struct nlmsghdr *header, void *result);
	bool found;
	bool done;
	int err;
};

/* ---- changes ------------------------------------------------------------------------------------ */

static void dispatch(struct netlink *nl, const struct nlmsghdr *header)
{
	union {
		struct netlink_link link;
		struct netlink_address address;
		struct netlink_neighbor neighbor;
	} m;
	struct netlink_listener *l;

	switch (header->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		if (netlink_message_link(header, &m.link) == 0)
			for (l = nl->listeners; l; l = l->next)
				if (l->link)
					l->link(l->ctx, &m.link);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		if (netlink_message_address(header, &m.address) == 0)
			for (l = nl->listeners; l; l = l->next)
				if (l->address)
					l->address(l->ctx, &m.address);
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		if (netlink_message_neighbor(header, &m.neighbor) == 0)
			for (l = nl->listeners; l; l = l->next)
				if (l->neighbor)
					l->neighbor(l->ctx, &m.neighbor);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
	case RTM_NEWRULE:
	case RTM_DELRULE:
		for (l = nl->listeners; l; l = l->next)
			if (l->route)
				l->route(l->ctx);
		break;
	default: break;
	}
}

static int on_event(struct nl_msg *message, void *ctx)
{
	dispatch(ctx, nlmsg_hdr(message));
	return NL_OK;
}

static void resync(struct netlink *nl)
{
	struct netlink_listener *l;

	for (l = nl->listeners; l; l = l->next)
		if (l->resync)
			l->resync(l->ctx);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct netlink *nl = poll->data;
	bool lost = status < 0;
	int i, err = 0;

	(void)events;
	for (i = 0; i < BATCHES_MAX && err >= 0; i++) {
		err = nl_recvmsgs_default(nl->events);
		if (err < 0 && err != -NLE_AGAIN) {
			lost = true; /* ENOBUFS: the kernel dropped changes; what is queued is read first */
			err = 0;
		}
	}
	if (lost)
		resync(nl);
}

/* ---- requests ----------------------------------------------------------------------------------- */

static int on_answer(struct nl_msg *message, void *ctx)
{
	struct answer *answer = ctx;
	const struct nlmsghdr *header = nlmsg_hdr(message);

	if (answer->nl)
		dispatch(answer->nl, header);
	else if (answer->read && answer->read(header, answer->result) == 0)
		answer->found = true;
	return NL_OK;
}

static int on_done(struct nl_msg *message, void *ctx)
{
	struct answer *answer = ctx;

	(void)message;
	answer->done = true;
	return NL_STOP;
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *error, void *ctx)
{
	struct answer *answer = ctx;

	(void)from;
	answer->err = error->error;
	answer->done = true;
	return NL_STOP;
}

/*
 * Sends and frees `message`, reads until the kernel has acknowledged it (libnl asks for that) or a dump
 * is done. 0 or the kernel's -errno.
 */
static int request(struct netlink *nl, struct nl_msg *message, struct answer *answer)
{
	int err;

	nl_cb_set(nl->request_cb, NL_CB_VALID, NL_CB_CUSTOM, on_answer, answer);
	nl_cb_set(nl->request_cb, NL_CB_FINISH, NL_CB_CUSTOM, on_done, answer);
	nl_cb_set(nl->request_cb, NL_CB_ACK, NL_CB_CUSTOM, on_done, answer);
	nl_cb_err(nl->request_cb, NL_CB_CUSTOM, on_error, answer);
	err = nl_send_auto(nl->requests, message);
	nlmsg_free(message);
	while (err >= 0 && !answer->done)
		err = nl_recvmsgs(nl->requests, nl->request_cb);
	if (answer->done)
		return answer->err;
	nl_close(nl->requests); /* an answer that comes late must not be taken for the next one's */
	nl_connect(nl->requests, NETLINK_ROUTE);
	return -EIO;
}

/* A request with its fixed header; NULL: no memory. */
static struct nl_msg *request_new(int type, int flags, const void *header, size_t size)
{
	struct nl_msg *message = nlmsg_alloc_simple(type, flags);

	if (message && nlmsg_append(message, (void *)(uintptr_t)header, size, NLMSG_ALIGNTO) < 0) {
		nlmsg_free(message);
		return NULL;
	}
	return message;
}

static int put_address(struct nl_msg *message, int attribute, const struct sl_addr *address)
{
	if (sl_addr_is_v4(address))
		return nla_put(message, attribute, 4, address->b + 12);
	return nla_put(message, attribute, 16, address->b);
}

static uint8_t family_of(const struct sl_addr *address)
{
	return sl_addr_is_v4(address) ? AF_INET : AF_INET6;
}

int netlink_dump(struct netlink *nl, enum netlink_dump what)
{
	static const struct {
		int type;
		size_t header_size;
	} kinds[] = {
		[NETLINK_DUMP_LINKS] = {RTM_GETLINK, sizeof(struct ifinfomsg)},
		[NETLINK_DUMP_ADDRESSES] = {RTM_GETADDR, sizeof(struct ifaddrmsg)},
		[NETLINK_DUMP_NEIGHBORS] = {RTM_GETNEIGH, sizeof(struct ndmsg)},
	};
	static const uint8_t all[sizeof(struct ifinfomsg)]; /* AF_UNSPEC and no filter in each of them */
	struct nl_msg *message = request_new(kinds[what].type, NLM_F_DUMP, all, kinds[what].header_size);
	struct answer answer = {.nl = nl};

	return message ? request(nl, message, &answer) : -ENOMEM;
}

int netlink_route_get(struct netlink *nl, const struct sl_addr *to, struct netlink_route *ret_route)
{
	const struct rtmsg header = {.rtm_family = family_of(to),
				     .rtm_dst_len = sl_addr_is_v4(to) ? 32 : 128};
	struct nl_msg *message = request_new(RTM_GETROUTE, 0, &header, sizeof(header));
	struct netlink_route route = {.next_hop = *to, .on_link = true};
	struct answer answer = {.result = &route, .read = netlink_message_route};
	int err;

	if (!message || put_address(message, RTA_DST, to) < 0) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	err = request(nl, message, &answer);
	if (err < 0)
		return err;
	if (!answer.found)
		return -ENETUNREACH;
	*ret_route = route;
	return 0;
}

int netlink_neighbor_get(struct netlink *nl, int ifindex, const struct sl_addr *address,
			 struct netlink_neighbor *ret_neighbor)
{
	const struct ndmsg header = {.ndm_family = family_of(address), .ndm_ifindex = ifindex};
	struct nl_msg *message = request_new(RTM_GETNEIGH, 0, &header, sizeof(header));
	struct answer answer = {.result = ret_neighbor, .read = netlink_message_neighbor};
	int err;

	if (!message || put_address(message, NDA_DST, address) < 0) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	err = request(nl, message, &answer);
	return err < 0 ? err : answer.found ? 0 : -ENOENT;
}

int netlink_neighbor_use(struct netlink *nl, int ifindex, const struct sl_addr *address, bool keep)
{
	const struct ndmsg header = {
		.ndm_family = family_of(address), .ndm_ifindex = ifindex, .ndm_flags = NTF_USE};
	struct nl_msg *message =
		request_new(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK, &header, sizeof(header));
	struct answer answer = {0};

	/* A kernel older than 5.16 does not know the second attribute and takes the first flag alone. */
	if (!message || put_address(message, NDA_DST, address) < 0 ||
	    (keep && nla_put_u32(message, NDA_FLAGS_EXT, NTF_EXT_MANAGED) < 0)) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	return request(nl, message, &answer);
}

int netlink_address_add(struct netlink *nl, int ifindex, const struct sl_addr *address, uint8_t proto)
{
	const bool v4 = sl_addr_is_v4(address);
	const struct ifaddrmsg header = {
		.ifa_family = family_of(address),
		.ifa_prefixlen = v4 ? 32 : 128,
		.ifa_flags = v4 ? 0 : IFA_F_NODAD,
		.ifa_index = (unsigned int)ifindex,
	};
	const struct ifa_cacheinfo deprecated = {.ifa_prefered = 0, .ifa_valid = UINT32_MAX};
	struct nl_msg *message =
		request_new(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &header, sizeof(header));
	struct answer answer = {0};

	/* Deprecated: the kernel must not take a VIP as the source of its own connections. */
	if (!message || put_address(message, IFA_LOCAL, address) < 0 ||
	    nla_put_u8(message, IFA_PROTO, proto) < 0 ||
	    (!v4 && nla_put(message, IFA_CACHEINFO, sizeof(deprecated), &deprecated) < 0)) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	return request(nl, message, &answer);
}

int netlink_address_del(struct netlink *nl, int ifindex, const struct sl_addr *address)
{
	const struct ifaddrmsg header = {
		.ifa_family = family_of(address),
		.ifa_prefixlen = sl_addr_is_v4(address) ? 32 : 128,
		.ifa_index = (unsigned int)ifindex,
	};
	struct nl_msg *message = request_new(RTM_DELADDR, NLM_F_ACK, &header, sizeof(header));
	struct answer answer = {0};

	if (!message || put_address(message, IFA_LOCAL, address) < 0) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	return request(nl, message, &answer);
}

int netlink_link_up(struct netlink *nl, int ifindex, uint32_t queue_len)
{
	const struct ifinfomsg header = {
		.ifi_family = AF_UNSPEC,
		.ifi_index = ifindex,
		.ifi_flags = IFF_UP,
		.ifi_change = IFF_UP,
	};
	struct nl_msg *message = request_new(RTM_NEWLINK, NLM_F_ACK, &header, sizeof(header));
	struct answer answer = {0};

	if (!message || nla_put_u32(message, IFLA_TXQLEN, queue_len) < 0) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	return request(nl, message, &answer);
}

/* ---- lifetime ----------------------------------------------------------------------------------- */

static int open_events(struct netlink *nl)
{
	const int size = RECEIVE_BUFFER;
	int fd, err;

	nl_socket_disable_seq_check(nl->events);
	nl_socket_modify_cb(nl->events, NL_CB_VALID, NL_CB_CUSTOM, on_event, nl);
	err = nl_connect(nl->events, NETLINK_ROUTE);
	if (err < 0)
		return err;
	err = nl_socket_add_memberships(nl->events, RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_IFADDR,
					RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
					RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, NFNLGRP_NONE);
	if (err < 0)
		return err;
	fd = nl_socket_get_fd(nl->events);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)); /* less room: resyncs sooner */
	return nl_socket_set_nonblocking(nl->events);
}

static void free_netlink(struct netlink *nl)
{
	nl_cb_put(nl->request_cb);
	nl_socket_free(nl->requests);
	nl_socket_free(nl->events);
	free(nl);
}

int netlink_create(uv_loop_t *loop, struct netlink **ret_nl, struct error_text *reterr)
{
	struct netlink *nl = calloc(1, sizeof(*nl));
	int err;

	if (!nl)
		return error_text_set(reterr, -ENOMEM, "no memory for netlink");
	nl->events = nl_socket_alloc();
	nl->requests = nl_socket_alloc();
	nl->request_cb = nl_cb_alloc(NL_CB_DEFAULT);
	if (!nl->events || !nl->requests || !nl->request_cb) {
		err = error_text_set(reterr, -ENOMEM, "no memory for netlink sockets");
		goto free;
	}
	err = open_events(nl);
	if (err == 0)
		err = nl_connect(nl->requests, NETLINK_ROUTE);
	if (err < 0) {
		err = error_text_set(reterr, -EIO, "cannot open netlink sockets: %s", nl_geterror(err));
		goto free;
	}
	err = uv_poll_init(loop, &nl->poll, nl_socket_get_fd(nl->events));
	if (err < 0) {
		error_text_set(reterr, err, "cannot watch the netlink socket: %s", uv_strerror(err));
		goto free;
	}
	nl->poll.data = nl;
	uv_poll_start(&nl->poll, UV_READABLE, on_readable);
	*ret_nl = nl;
	return 0;
free:
	free_netlink(nl);
	return err;
}

static void on_closed(uv_handle_t *handle)
{
	free_netlink(handle->data);
}

void netlink_destroy(struct netlink *nl)
{
	if (!nl)
		return;
	nl->listeners = NULL;
	uv_close((uv_handle_t *)&nl->poll, on_closed);
}

void netlink_listen(struct netlink *nl, struct netlink_listener *listener)
{
	struct netlink_listener **at = &nl->listeners;

	while (*at)
		at = &(*at)->next;
	listener->next = NULL;
	*at = listener;
}

void netlink_unlisten(struct netlink *nl, struct netlink_listener *listener)
{
	struct netlink_listener **at;

	for (at = &nl->listeners; *at; at = &(*at)->next) {
		if (*at != listener)
			continue;
		*at = listener->next;
		return;
	}
}
