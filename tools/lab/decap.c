/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A tunnel's end in user space, for backends whose kernel has no ipip: takes 4-in-4, 6-in-4, 4-in-6
 * and 6-in-6 packets addressed to this namespace from raw sockets and hands the inner packet to the
 * kernel through the TUN device named as the only argument. The real tunl0 is tested with a guest kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PACKET_MAX = 65536, SOCKETS = 4 };

static int open_tun(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		return -errno;
	return fd;
}

/* One packet from a raw socket to the TUN. IPv4 raw sockets give the outer header too, IPv6 ones do not. */
static void pass_inner(int from, int tun, int outer_is_ip4)
{
	static uint8_t packet[PACKET_MAX];
	ssize_t got = recv(from, packet, sizeof(packet), 0);
	size_t skip = outer_is_ip4 && got >= 20 ? (size_t)(packet[0] & 15) * 4 : 0;

	if (got <= (ssize_t)skip + 20)
		return;
	if (write(tun, packet + skip, (size_t)got - skip) < 0)
		fprintf(stderr, "lab-decap: the TUN device refuses a packet: %s\n", strerror(errno));
}

int main(int argc, char **argv)
{
	static const struct { int family, protocol; } kinds[SOCKETS] = {
		{ AF_INET, IPPROTO_IPIP }, { AF_INET, IPPROTO_IPV6 },
		{ AF_INET6, IPPROTO_IPIP }, { AF_INET6, IPPROTO_IPV6 },
	};
	struct pollfd polls[SOCKETS];
	int tun = argc == 2 ? open_tun(argv[1]) : -EINVAL;

	if (tun < 0) {
		fprintf(stderr, "use: lab-decap TUN-DEVICE (as root): %s\n", strerror(-tun));
		return 2;
	}
	for (int i = 0; i < SOCKETS; i++) {
		polls[i] = (struct pollfd){ .events = POLLIN };
		polls[i].fd = socket(kinds[i].family, SOCK_RAW | SOCK_CLOEXEC, kinds[i].protocol);
		if (polls[i].fd < 0) {
			fprintf(stderr, "lab-decap: raw socket: %s\n", strerror(errno));
			return 1;
		}
	}
	for (;;) {
		if (poll(polls, SOCKETS, -1) < 0 && errno != EINTR)
			return 1;
		for (int i = 0; i < SOCKETS; i++)
			if (polls[i].revents)
				pass_inner(polls[i].fd, tun, kinds[i].family == AF_INET);
	}
}
