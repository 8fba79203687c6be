/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Networks are those of the interfaces' addresses and of routes without a gateway: what a neighbour
 * entry can exist for. Addresses of one host (/32, /128) are no networks.
 */
#include "config_host.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	NETWORKS_MAX = 4096,            /* more are not needed to say that an address is out of reach */
	ROUTE_LOCAL = (int)0x80000000u, /* RTF_LOCAL of linux/ipv6_route.h: an address of our own */
};

/* The struct that callers see, with the memory behind it. */
struct host {
	struct config_host host;
	struct config_network networks[NETWORKS_MAX];
};

static void add_network(struct host *h, const char *ifname, struct sl_addr prefix, unsigned int prefix_len)
{
	struct config_network *network = &h->networks[h->host.network_count];

	for (unsigned int bit = prefix_len; bit < 128; bit++)
		prefix.b[bit / 8] &= (unsigned char)~(0x80u >> bit % 8);
	if (h->host.network_count == NETWORKS_MAX || prefix_len >= 128)
		return;
	for (size_t i = 0; i < h->host.network_count; i++)
		if (h->networks[i].prefix_len == prefix_len &&
		    sl_addr_equal(&h->networks[i].prefix, &prefix) &&
		    strcmp(h->networks[i].ifname, ifname) == 0)
			return;
	*network = (struct config_network){ .prefix = prefix, .prefix_len = prefix_len };
	strncpy(network->ifname, ifname, sizeof(network->ifname) - 1);
	h->host.network_count++;
}

/* Leading one bits of a netmask. */
static unsigned int mask_len(const unsigned char *mask, size_t bytes)
{
	unsigned int len = 0;

	while (len < bytes * 8 && mask[len / 8] & 0x80u >> len % 8)
		len++;
	return len;
}

static void add_address(struct host *h, const struct ifaddrs *entry)
{
	struct sl_addr addr;

	if (!entry->ifa_addr || !entry->ifa_netmask || entry->ifa_flags & IFF_LOOPBACK)
		return;
	if (entry->ifa_addr->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)entry->ifa_addr,
					 *mask = (const void *)entry->ifa_netmask;

		add_network(h, entry->ifa_name, sl_addr_from_v4(in->sin_addr.s_addr),
			    96 + mask_len((const unsigned char *)&mask->sin_addr, 4));
	} else if (entry->ifa_addr->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const void *)entry->ifa_addr,
					  *mask = (const void *)entry->ifa_netmask;

		if (IN6_IS_ADDR_LINKLOCAL(&in->sin6_addr))
			return;
		memcpy(addr.b, &in->sin6_addr, sizeof(addr));
		add_network(h, entry->ifa_name, addr, mask_len((const unsigned char *)&mask->sin6_addr, 16));
	}
}

/* On-link routes of IPv4: /proc/net/route prints addresses as the words that memory holds. */
static void add_routes_v4(struct host *h)
{
	FILE *file = fopen("/proc/net/route", "re");
	char line[256], ifname[IF_NAMESIZE];
	unsigned int destination, gateway, flags, mask;

	if (!file)
		return;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%15s %x %x %x %*d %*d %*d %x", ifname, &destination, &gateway, &flags,
			   &mask) == 5 &&
		    flags & RTF_UP && !(flags & (RTF_GATEWAY | RTF_REJECT)))
			add_network(h, ifname, sl_addr_from_v4(destination),
				    96 + mask_len((unsigned char *)&mask, 4));
	fclose(file);
}

static void add_routes_v6(struct host *h)
{
	FILE *file = fopen("/proc/net/ipv6_route", "re");
	char line[256], hex[33], ifname[IF_NAMESIZE];
	unsigned int len, flags;

	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		struct sl_addr addr;

		if (sscanf(line, "%32s %x %*s %*s %*s %*s %*s %*s %x %15s", hex, &len, &flags, ifname) != 4 ||
		    strlen(hex) != 32)
			continue;
		for (size_t i = 0; i < 16; i++) {
			const char byte[3] = { hex[2 * i], hex[2 * i + 1], 0 };

			addr.b[i] = (unsigned char)strtoul(byte, NULL, 16);
		}
		if (!(flags & RTF_UP) || flags & (RTF_GATEWAY | RTF_REJECT) ||
		    flags & (unsigned int)ROUTE_LOCAL || addr.b[0] == 0xff ||
		    (addr.b[0] == 0xfe && addr.b[1] == 0x80) || strcmp(ifname, "lo") == 0)
			continue;
		add_network(h, ifname, addr, len);
	}
	fclose(file);
}

int config_host_read(const char *path, struct config_host **ret_host)
{
	const long cpus = sysconf(_SC_NPROCESSORS_CONF);
	struct host *h = calloc(1, sizeof(*h));
	struct ifaddrs *addresses = NULL;
	struct stat st;
	int err;

	if (!h)
		return -ENOMEM;
	if (getifaddrs(&addresses) < 0) {
		err = -errno;
		free(h);
		return err;
	}
	for (const struct ifaddrs *entry = addresses; entry; entry = entry->ifa_next)
		add_address(h, entry);
	freeifaddrs(addresses);
	add_routes_v4(h);
	add_routes_v6(h);
	h->host.networks = h->networks;
	h->host.cpu_count = cpus > 0 ? (unsigned int)cpus : 0;
	h->host.file_root_owned =
		stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == 0 && !(st.st_mode & 022);
	*ret_host = &h->host;
	return 0;
}

void config_host_free(struct config_host *host)
{
	free(host); /* the first member of struct host */
}
