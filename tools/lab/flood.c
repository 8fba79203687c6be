/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lab's flood: TCP packets to a VIP from random addresses and ports, as fast as asked for or as the
 * machine sends. Their TCP checksum is wrong on purpose: a balancer does not look at it, and the backends
 * drop them without a word, so that the balancer is what is flooded. Says how many it sent.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BURST = 64, FRAME_MAX = 80 };

struct options {
	const char *interface;
	const char *mac;
	const char *to;
	unsigned int port;
	unsigned int rate;    /* packets a second; 0: as many as go */
	unsigned int seconds;
	bool ack;
	uint64_t seed;
};

struct frame {
	uint8_t bytes[FRAME_MAX];
	size_t len;
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* xorshift64: a number is as good as another here. */
static uint64_t draw(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static uint16_t header_checksum(const uint8_t *bytes, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* What all packets have in common. Returns 0, or -EINVAL for an address that is none. */
static int make_frame(const struct options *options, struct frame *frame)
{
	uint8_t *l3 = frame->bytes + ETH_HLEN;
	struct tcphdr tcp = { .dest = htons((uint16_t)options->port), .doff = 5, .window = htons(1000),
			      .syn = !options->ack, .ack = options->ack };
	struct ether_header ether = { .ether_shost = { 2, 0, 0, 0, 0xff, 1 } };
	struct ip ip4 = { .ip_v = 4, .ip_hl = 5, .ip_len = htons(40), .ip_off = htons(IP_DF), .ip_ttl = 64,
			  .ip_p = IPPROTO_TCP };
	struct ip6_hdr ip6 = { 0 };
	unsigned int mac[6];

	if (sscanf(options->mac, "%x:%x:%x:%x:%x:%x", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5]) != 6)
		return -EINVAL;
	for (int i = 0; i < 6; i++)
		ether.ether_dhost[i] = (uint8_t)mac[i];
	if (inet_pton(AF_INET, options->to, &ip4.ip_dst) == 1) {
		ether.ether_type = htons(ETHERTYPE_IP);
		memcpy(l3, &ip4, sizeof(ip4));
		frame->len = ETH_HLEN + sizeof(ip4) + sizeof(tcp);
	} else if (inet_pton(AF_INET6, options->to, &ip6.ip6_dst) == 1 &&
		   inet_pton(AF_INET6, "2001:db8:f::", &ip6.ip6_src) == 1) {
		ether.ether_type = htons(ETHERTYPE_IPV6);
		ip6.ip6_flow = htonl(6u << 28);
		ip6.ip6_plen = htons(sizeof(tcp));
		ip6.ip6_nxt = IPPROTO_TCP;
		ip6.ip6_hlim = 64;
		memcpy(l3, &ip6, sizeof(ip6));
		frame->len = ETH_HLEN + sizeof(ip6) + sizeof(tcp);
	} else {
		return -EINVAL;
	}
	memcpy(frame->bytes, &ether, sizeof(ether));
	memcpy(frame->bytes + frame->len - sizeof(tcp), &tcp, sizeof(tcp));
	return 0;
}

/* Another source: 10.0.0.0/8 or 2001:db8:f::/64, any port. */
static void randomize(struct frame *frame, uint64_t *state)
{
	uint8_t *l3 = frame->bytes + ETH_HLEN, *l4 = frame->bytes + frame->len - sizeof(struct tcphdr);
	const uint64_t source = draw(state), port = draw(state) | 0x0400;
	uint16_t checksum;

	if (l3[0] >> 4 == 4) {
		memcpy(l3 + 12, &source, 4);
		l3[12] = 10;
		l3[10] = l3[11] = 0;
		checksum = htons(header_checksum(l3, 20));
		memcpy(l3 + 10, &checksum, 2);
	} else {
		memcpy(l3 + 16, &source, 8);
	}
	memcpy(l4, &port, 2);
	memcpy(l4 + 4, &source, 4);
}

/* Sends for the time asked for; returns how many packets, or -errno. */
static long long flood(const struct options *options, int fd, const struct frame *model)
{
	static struct frame frames[BURST];
	static struct mmsghdr messages[BURST];
	static struct iovec parts[BURST];
	uint64_t state = options->seed * 2 + 1, begin = now_ms(), passed;
	long long sent = 0;

	for (int i = 0; i < BURST; i++) {
		frames[i] = *model;
		parts[i] = (struct iovec){ frames[i].bytes, frames[i].len };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1 };
	}
	while ((passed = now_ms() - begin) < options->seconds * 1000ull) {
		int count;

		if (options->rate && (uint64_t)sent > passed * options->rate / 1000) {
			usleep(500);
			continue;
		}
		for (int i = 0; i < BURST; i++)
			randomize(&frames[i], &state);
		count = sendmmsg(fd, messages, BURST, 0);
		if (count < 0 && errno != ENOBUFS && errno != EAGAIN)
			return -errno;
		sent += count > 0 ? count : 0;
	}
	return sent;
}

static int parse_options(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{ "interface", 1, 0, 'i' }, { "mac", 1, 0, 'm' },     { "to", 1, 0, 't' },  { "port", 1, 0, 'p' },
		{ "rate", 1, 0, 'r' },      { "seconds", 1, 0, 's' }, { "ack", 0, 0, 'a' }, { "seed", 1, 0, 'e' }, { 0 },
	};
	int c;

	*options = (struct options){ .port = 80, .seconds = 1, .seed = 1 };
	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 'i': options->interface = optarg; break;
		case 'm': options->mac = optarg; break;
		case 't': options->to = optarg; break;
		case 'p': options->port = (unsigned int)strtoul(optarg, NULL, 10); break;
		case 'r': options->rate = (unsigned int)strtoul(optarg, NULL, 10); break;
		case 's': options->seconds = (unsigned int)strtoul(optarg, NULL, 10); break;
		case 'a': options->ack = true; break;
		case 'e': options->seed = strtoull(optarg, NULL, 10); break;
		default: return -EINVAL;
		}
	}
	return options->interface && options->mac && options->to ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = 0 };
	struct options options;
	struct frame model = { .len = 0 };
	long long sent;
	int fd, on = 1;

	if (parse_options(argc, argv, &options) < 0 || make_frame(&options, &model) < 0) {
		fprintf(stderr, "use: lab-flood --interface I --mac MAC --to ADDRESS [--port N] [--ack] [--rate N] "
				"[--seconds N] [--seed N]\n");
		return 2;
	}
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	address.sll_ifindex = (int)if_nametoindex(options.interface);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		fprintf(stderr, "lab-flood: %s: %s\n", options.interface, strerror(errno));
		return 1;
	}
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	sent = flood(&options, fd, &model);
	if (sent < 0) {
		fprintf(stderr, "lab-flood: %s: %s\n", options.interface, strerror((int)-sent));
		return 1;
	}
	printf("%lld\n", sent);
	return 0;
}
