/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets of backend-check. One packet socket over all interfaces, since an answer may come in by
 * another one than its question left by.
 */
#include "backend_wire.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <net/ethernet.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <linux/neighbour.h>

#include "controlplane/config_value.h"
#include "controlplane/netlink.h"

enum {
	TRIES = 3,
	RECEIVE_BUFFER = 4 << 20,
	STEP_MS = 20,
	NUD_KNOWN = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP
};

struct backend_wire {
	uv_loop_t loop;
	struct netlink *netlink;
	int fd;
	uint8_t sent[FRAME_MAX], received[FRAME_MAX];
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int open_socket(struct error_text *reterr)
{
	const int on = 1, size = RECEIVE_BUFFER;
	const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
	const int err = errno;

	if (fd < 0)
		return error_text_set(reterr, -err,
				      "no packet socket: %s; run this as root or with CAP_NET_RAW and CAP_NET_ADMIN",
				      strerror(err));
	setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on,
		   sizeof(on)); /* Linux 4.20; without it our own frames are read, too */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return fd;
}

int backend_wire_open(struct backend_wire **ret_wire, struct error_text *reterr)
{
	struct backend_wire *wire = calloc(1, sizeof(*wire));
	int err;

	if (wire == NULL)
		return error_text_set(reterr, -ENOMEM, "no memory");
	wire->fd = open_socket(reterr);
	if (wire->fd < 0) {
		err = wire->fd;
		goto free_wire;
	}
	err = uv_loop_init(&wire->loop);
	if (err < 0) {
		error_text_set(reterr, err, "no event loop: %s", uv_strerror(err));
		goto close_socket;
	}
	err = netlink_create(&wire->loop, &wire->netlink, reterr);
	if (err < 0)
		goto close_loop;
	*ret_wire = wire;
	return 0;
close_loop:
	uv_loop_close(&wire->loop);
close_socket:
	close(wire->fd);
free_wire:
	free(wire);
	return err;
}

void backend_wire_close(struct backend_wire *wire)
{
	if (wire == NULL)
		return;
	netlink_destroy(wire->netlink);
	uv_run(&wire->loop, UV_RUN_DEFAULT);
	uv_loop_close(&wire->loop);
	close(wire->fd);
	free(wire);
}

/* ---- the next hop ---- */

static int read_interface(const struct backend_wire *wire, struct backend_hop *hop, uint32_t route_mtu,
			  struct error_text *reterr)
{
	struct ifreq request = {.ifr_ifindex = hop->ifindex};

	if (if_indextoname((unsigned int)hop->ifindex, hop->ifname) == NULL)
		return error_text_set(reterr, -ENODEV, "the interface of the route is gone: try again");
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", hop->ifname);
	if (ioctl(wire->fd, SIOCGIFHWADDR, &request) < 0 || request.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return error_text_set(reterr, -ENOTSUP,
				      "the way leads over %s, which is no Ethernet interface: is it the backend's "
				      "address?",
				      hop->ifname);
	memcpy(hop->own_mac, request.ifr_hwaddr.sa_data, 6);
	if (ioctl(wire->fd, SIOCGIFMTU, &request) < 0)
		return error_text_set(reterr, -errno, "%s: no MTU: %s", hop->ifname, strerror(errno));
	if (route_mtu == 0 || (uint32_t)request.ifr_mtu < route_mtu)
		route_mtu = (uint32_t)request.ifr_mtu;
	hop->mtu = route_mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)route_mtu;
	return 0;
}

int backend_wire_find(struct backend_wire *wire, const struct sl_addr *to, unsigned int timeout_ms,
		      struct backend_hop *ret_hop, struct error_text *reterr)
{
	const uint64_t end = now_ms() + timeout_ms;
	struct netlink_neighbor neighbor;
	struct netlink_route route;
	struct backend_hop hop = {.ifindex = 0};
	char text[INET6_ADDRSTRLEN];
	int err = netlink_route_get(wire->netlink, to, &route);

	if (err < 0)
		return error_text_set(reterr, err, "the kernel has no route: %s; ip route get says more",
				      strerror(-err));
	hop.ifindex = route.ifindex;
	hop.on_link = route.on_link;
	hop.source = route.source;
	err = read_interface(wire, &hop, route.mtu, reterr);
	if (err < 0)
		return err;
	for (bool asked = false;; asked = true) {
		const struct timespec step = {.tv_nsec = STEP_MS * 1000000};

		err = netlink_neighbor_get(wire->netlink, hop.ifindex, &route.next_hop, &neighbor);
		if (err == 0 && neighbor.has_mac && (neighbor.state & NUD_KNOWN) != 0)
			break;
		config_format_address(&route.next_hop, text, sizeof(text));
		if (!asked && netlink_neighbor_use(wire->netlink, hop.ifindex, &route.next_hop, false) == -EPERM)
			return error_text_set(reterr, -EPERM,
					      "nobody has talked to %s yet, and to ask for its MAC address needs "
					      "CAP_NET_ADMIN: run this as root, or ping it first",
					      text);
		if (now_ms() >= end) {
			return error_text_set(reterr, -EHOSTUNREACH,
					      "%s does not answer %s on %s: is it up, and in this network?", text,
					      sl_addr_is_v4(to) ? "ARP" : "neighbour solicitations", hop.ifname);
		}
		nanosleep(&step, NULL);
	}
	memcpy(hop.next_mac, neighbor.mac, 6);
	*ret_hop = hop;
	return 0;
}

int backend_wire_address(const struct backend_hop *hop, const struct sl_addr *like, struct sl_addr *ret_address)
{
	const bool v4 = sl_addr_is_v4(like);
	struct ifaddrs *all, *one;
	int err = -ENOENT;

	if (getifaddrs(&all) < 0)
		return -errno;
	for (one = all; one != NULL && err < 0; one = one->ifa_next) {
		const struct sockaddr_in *four = (const struct sockaddr_in *)one->ifa_addr;
		const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)one->ifa_addr;
		const struct sockaddr_in6 *mask = (const struct sockaddr_in6 *)one->ifa_netmask;

		if (one->ifa_addr == NULL || one->ifa_netmask == NULL || strcmp(one->ifa_name, hop->ifname) != 0 ||
		    one->ifa_addr->sa_family != (v4 ? AF_INET : AF_INET6))
			continue;
		if (v4 ? ((const struct sockaddr_in *)one->ifa_netmask)->sin_addr.s_addr == INADDR_BROADCAST
		       : mask->sin6_addr.s6_addr[15] == 0xff || IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr))
			continue; /* an address of its own network is a VIP */
		if (v4)
			*ret_address = sl_addr_from_v4(four->sin_addr.s_addr);
		else
			memcpy(ret_address, &six->sin6_addr, sizeof(*ret_address));
		err = 0;
	}
	freeifaddrs(all);
	return err;
}

/* ---- question and answer ---- */

/* Reads what has come until `end`, or until an answer is among it. */
static enum frame_answer wait_answer(struct backend_wire *wire, const struct frame_way *way,
				     const struct frame_question *question, uint64_t end, uint32_t *ret_mtu)
{
	struct pollfd poll_fd = {.fd = wire->fd, .events = POLLIN};

	for (;;) {
		const uint64_t now = now_ms();
		enum frame_answer answer;
		ssize_t len;

		if (now >= end || poll(&poll_fd, 1, (int)(end - now)) <= 0)
			return FRAME_IS_NOTHING;
		while ((len = recv(wire->fd, wire->received, sizeof(wire->received), MSG_DONTWAIT)) >= 0) {
			answer = frame_read(way, question, wire->received, (size_t)len, ret_mtu);
			if (answer != FRAME_IS_NOTHING)
				return answer;
			if (now_ms() >= end)
				return FRAME_IS_NOTHING;
		}
	}
}

int backend_wire_ask(struct backend_wire *wire, const struct backend_hop *hop, const struct frame_way *way,
		     const struct frame_question *question, unsigned int timeout_ms, enum frame_answer *ret_answer,
		     uint32_t *ret_mtu)
{
	const struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = hop->ifindex, .sll_halen = 6};
	const int tries = question->kind == FRAME_RST ? 1 : TRIES;
	uint8_t *frame;
	const int len = frame_build(way, question, wire->sent, &frame);

	if (len < 0)
		return len;
	*ret_answer = FRAME_IS_NOTHING;
	for (int i = 0; i < tries && *ret_answer == FRAME_IS_NOTHING; i++) {
		if (sendto(wire->fd, frame, (size_t)len, 0, (const struct sockaddr *)&to, sizeof(to)) < 0)
			return -errno;
		if (question->kind != FRAME_RST)
			*ret_answer = wait_answer(wire, way, question, now_ms() + timeout_ms / TRIES, ret_mtu);
	}
	return 0;
}
