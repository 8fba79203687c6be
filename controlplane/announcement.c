/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Builds and sends announcements through a packet socket, a bounded number in a turn of the loop.
 */
#include "announcement.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sluice/core/checksum.h"
#include "sluice/core/wire.h"

enum {
	REPEATS = 3,
	APART_MS = 1000,
	TICK_MS = 100,
	SENDS_PER_TICK = 200, /* 65536 VIPs at once are no storm: 2000 frames a second */
	ND_ADVERTISEMENT = 136,
	ND_OVERRIDE = 0x20,
	ND_TARGET_LINK_ADDRESS = 2,
	ND_LEN = 32, /* header, target and the one option */
	ARP_LEN = 28,
	ETHERTYPE_ARP = 0x0806,
};

struct pending {
	struct sl_addr address;
	int ifindex;
	uint8_t mac[6];
	unsigned int left;
	uint64_t next_ms;
	struct pending *next;
};

struct announcement {
	int fd; /* -1: not permitted */
	struct pending *pending;
	uv_timer_t tick;
};

/* ---- frames ------------------------------------------------------------------------------------- */

static size_t arp_frame(const struct sl_addr *address, const uint8_t mac[6], uint8_t *frame)
{
	static const uint8_t fixed[] = {0, 1, 0x08, 0, 6, 4, 0, 1}; /* Ethernet, IPv4, request */
	uint8_t *arp = frame + SL_ETH_LEN;

	memset(frame, 0xff, 6);
	memcpy(frame + 6, mac, 6);
	frame[12] = ETHERTYPE_ARP >> 8;
	frame[13] = ETHERTYPE_ARP & 0xff;
	memcpy(arp, fixed, sizeof(fixed));
	memcpy(arp + 8, mac, 6);
	memcpy(arp + 14, address->b + 12, 4);
	memset(arp + 18, 0, 6);
	memcpy(arp + 24, address->b + 12, 4);
	return SL_ETH_LEN + ARP_LEN;
}

static size_t advertisement_frame(const struct sl_addr *address, const uint8_t mac[6], uint8_t *frame)
{
	static const struct sl_addr all_nodes = {.b = {0xff, 0x02, [15] = 1}};
	uint8_t *ip = frame + SL_ETH_LEN, *nd = ip + SL_IPV6_LEN;
	uint64_t sum;
	uint16_t csum;

	memset(frame, 0, ANNOUNCEMENT_FRAME_MAX);
	memcpy(frame, (const uint8_t[]){0x33, 0x33, 0, 0, 0, 1}, 6);
	memcpy(frame + 6, mac, 6);
	frame[12] = SL_ETH_IPV6 >> 8;
	frame[13] = SL_ETH_IPV6 & 0xff;
	ip[0] = 0x60;
	ip[5] = ND_LEN;
	ip[6] = SL_PROTO_ICMPV6;
	ip[7] = 255;
	memcpy(ip + 8, address->b, 16);
	memcpy(ip + 24, all_nodes.b, 16);
	nd[0] = ND_ADVERTISEMENT;
	nd[4] = ND_OVERRIDE;
	memcpy(nd + 8, address->b, 16);
	nd[24] = ND_TARGET_LINK_ADDRESS;
	nd[25] = 1; /* in units of 8 bytes */
	memcpy(nd + 26, mac, 6);
	sum = sl_csum_words(nd, ND_LEN) + sl_csum_pseudo(address, &all_nodes, SL_PROTO_ICMPV6, ND_LEN);
	csum = (uint16_t)~sl_csum_fold(sum);
	memcpy(nd + 2, &csum, 2);
	return SL_ETH_LEN + SL_IPV6_LEN + ND_LEN;
}

size_t announcement_frame(const struct sl_addr *address, const uint8_t mac[6],
			  uint8_t ret_frame[ANNOUNCEMENT_FRAME_MAX])
{
	return sl_addr_is_v4(address) ? arp_frame(address, mac, ret_frame)
				      : advertisement_frame(address, mac, ret_frame);
}

/* ---- sending ------------------------------------------------------------------------------------ */

static void send_one(struct announcement *a, struct pending *p, uint64_t now_ms)
{
	const struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = p->ifindex};
	uint8_t frame[ANNOUNCEMENT_FRAME_MAX];
	const size_t len = announcement_frame(&p->address, p->mac, frame);

	ssize_t sent;

	sent = sendto(a->fd, frame, len, MSG_DONTWAIT, (const struct sockaddr *)&to, sizeof(to));
	(void)sent; /* a link that is down is announced to when it comes up */
	p->left--;
	p->next_ms = now_ms + APART_MS;
}

static void on_tick(uv_timer_t *timer)
{
	struct announcement *a = timer->data;
	const uint64_t now_ms = uv_now(timer->loop);
	struct pending **at = &a->pending, *p;
	unsigned int sent = 0;

	while ((p = *at) != NULL && sent < SENDS_PER_TICK) {
		if (p->next_ms <= now_ms) {
			send_one(a, p, now_ms);
			sent++;
		}
		if (p->left > 0) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		free(p);
	}
	if (!a->pending)
		uv_timer_stop(timer);
}

int announcement_start(struct announcement *a, const struct sl_addr *address, int ifindex,
		       const uint8_t mac[6])
{
	struct pending **at = &a->pending, *p;

	if (a->fd < 0)
		return 0;
	while ((p = *at) != NULL && (p->ifindex != ifindex || !sl_addr_equal(&p->address, address)))
		at = &p->next;
	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return -ENOMEM;
		p->address = *address;
		p->ifindex = ifindex;
		*at = p; /* at the end: first come, first announced */
	}
	memcpy(p->mac, mac, sizeof(p->mac));
	p->left = REPEATS;
	p->next_ms = uv_now(a->tick.loop);
	if (!uv_is_active((uv_handle_t *)&a->tick))
		uv_timer_start(&a->tick, on_tick, 0, TICK_MS);
	return 0;
}

void announcement_stop(struct announcement *a, const struct sl_addr *address)
{
	struct pending **at = &a->pending, *p;

	while ((p = *at) != NULL) {
		if (!sl_addr_equal(&p->address, address)) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		free(p);
	}
}

int announcement_create(uv_loop_t *loop, struct announcement **ret_announcement, struct error_text *reterr)
{
	struct announcement *a = calloc(1, sizeof(*a));
	int err;

	reterr->text[0] = '\0';
	if (!a)
		return error_text_set(reterr, -ENOMEM, "no memory for announcements");
	a->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); /* 0: it receives nothing */
	err = a->fd < 0 ? -errno : 0;
	if (err == -EPERM) {
		error_text_set(reterr, 0, "VIPs are not announced by gratuitous ARP and neighbour advertisement: not permitted; "
			       "neighbours that had a VIP at another machine learn of it late; give sluiced CAP_NET_RAW");
	} else if (err < 0) {
		free(a);
		return error_text_set(reterr, err, "cannot announce VIPs by ARP and neighbour advertisement: %s", strerror(-err));
	}
	uv_timer_init(loop, &a->tick);
	a->tick.data = a;
	*ret_announcement = a;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct announcement *a = handle->data;
	struct pending *p;

	while ((p = a->pending) != NULL) {
		a->pending = p->next;
		free(p);
	}
	if (a->fd >= 0)
		close(a->fd);
	free(a);
}

void announcement_destroy(struct announcement *a)
{
	if (a)
		uv_close((uv_handle_t *)&a->tick, on_closed);
}
