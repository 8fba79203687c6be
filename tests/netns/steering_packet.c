/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Builds one frame a case: Ethernet, VLAN tags, IPv4 or IPv6, and twenty bytes of TCP, UDP or ICMP, or an ICMP
 * error with the header that it quotes.
 */
#include "steering_packet.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <stdbool.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

struct sl_addr packet_address(const char *text)
{
	struct sl_addr addr;
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		return sl_addr_from_v4(v4.s_addr);
	assert_int_equal(inet_pton(AF_INET6, text, addr.b), 1);
	return addr;
}

/* The IP header that an ICMP error quotes, at `p`. */
static void make_quote(const struct packet_case *test, uint8_t *p, bool v4)
{
	const struct sl_addr src = packet_address(test->quoted_src ? test->quoted_src : test->dst);

	p[0] = v4 ? 0x45 : 0x60;
	p[v4 ? 9 : 6] = test->quoted_proto;
	memcpy(p + (v4 ? 12 : 8), v4 ? src.b + 12 : src.b, v4 ? 4 : 16);
}

/* Returns the frame's length. */
static size_t make_frame(const struct packet_case *test, const uint8_t mac[6], uint8_t frame[static 128])
{
	const struct sl_addr dst = packet_address(test->dst);
	const int v4 = sl_addr_is_v4(&dst);
	const uint16_t type = test->ethertype ? test->ethertype : v4 ? 0x0800 : 0x86dd;
	const uint8_t body = test->quoted_proto ? 48 : 20;
	uint8_t *p = frame + 12, *l4;
	uint16_t sum = 0;
	unsigned int i;

	memset(frame, 0, 128);
	memcpy(frame, mac, 6);
	memset(frame + 6, 2, 6);
	for (i = 0; i < test->vlan_tags; i++, p += 4) {
		p[0] = 0x81;
		p[3] = 7;
	}
	*p++ = (uint8_t)(type >> 8);
	*p++ = (uint8_t)type;
	if (v4) {
		p[0] = 0x45;
		p[3] = (uint8_t)(20 + body);
		p[8] = 64;
		p[9] = test->proto;
		memcpy(p + 12, (uint8_t[]){198, 51, 100, 1}, 4);
		memcpy(p + 16, dst.b + 12, 4);
		for (i = 0; i < 20; i += 2)
			sum = (uint16_t)((sum + (p[i] << 8 | p[i + 1])) % 0xffff);
		sum = (uint16_t)~sum;
		p[10] = (uint8_t)(sum >> 8);
		p[11] = (uint8_t)sum;
		l4 = p + 20;
	} else {
		p[0] = 0x60;
		p[5] = body;
		p[6] = test->proto;
		p[7] = 64;
		p[8] = 0x20;
		memcpy(p + 24, dst.b, 16);
		l4 = p + 40;
	}
	l4[2] = (uint8_t)(test->dport >> 8);
	l4[3] = (uint8_t)test->dport;
	l4[12] = 0x50;
	if (test->proto == IPPROTO_UDP)
		l4[5] = 20;
	if (test->proto == IPPROTO_ICMP || test->proto == IPPROTO_ICMPV6)
		l4[0] = test->icmp_type;
	if (test->quoted_proto)
		make_quote(test, l4 + 8, v4);
	return test->cut ? test->cut : (size_t)(l4 + body - frame);
}

static void find_destination(const char *ifname, enum packet_mac which, uint8_t mac[static 6])
{
	struct ifreq request = {0};
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_true(fd >= 0);
	strncpy(request.ifr_name, ifname, IFNAMSIZ - 1);
	assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &request), 0);
	close(fd);
	memcpy(mac, request.ifr_hwaddr.sa_data, 6);
	switch (which) {
	case PACKET_TO_PORT: break;
	case PACKET_TO_NEXT: mac[5] ^= 1; break;
	case PACKET_TO_ANOTHER: mac[0] ^= 4; break;
	case PACKET_TO_GROUP: memcpy(mac, (uint8_t[]){1, 0, 0x5e, 0, 0, 1}, 6); break;
	case PACKET_TO_ALL: memset(mac, 0xff, 6); break;
	}
}

int packet_action(const char *ifname, const struct packet_case *test)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	uint8_t frame[128], mac[6];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .repeat = 1);
	int fd;

	find_destination(ifname, test->mac, mac);
	opts.data_size_in = (uint32_t)make_frame(test, mac, frame);
	assert_int_equal(bpf_xdp_query((int)if_nametoindex(ifname), 0, &query), 0);
	fd = bpf_prog_get_fd_by_id(query.prog_id);
	assert_true(fd >= 0);
	assert_int_equal(bpf_prog_test_run_opts(fd, &opts), 0);
	close(fd);
	return (int)opts.retval;
}
