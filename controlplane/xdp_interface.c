/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads by the ethtool ioctls, which every driver answers as far as it can; judges apart from that, so
 * that hardware nobody has at hand is judged in a test.
 */
#include "xdp_interface.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "steering_link.h"

enum { STRINGS_MAX = 4096 }; /* of a driver: more is none we know */

static int ask(int fd, const char *ifname, void *command)
{
	struct ifreq request = {.ifr_data = command};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", ifname);
	return ioctl(fd, SIOCETHTOOL, &request) < 0 ? -errno : 0;
}

/* The names of a driver's strings of one kind; the caller's to free. NULL: none, or no memory. */
static struct ethtool_gstrings *read_strings(int fd, const char *ifname, uint32_t kind)
{
	union {
		struct ethtool_sset_info info;
		uint8_t bytes[sizeof(struct ethtool_sset_info) + sizeof(uint32_t)]; /* with its array of one */
	} asked = {.info = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << kind}};
	struct ethtool_gstrings *strings;
	uint32_t count;

	if (ask(fd, ifname, &asked) < 0 || asked.info.sset_mask == 0)
		return NULL;
	memcpy(&count, asked.bytes + sizeof(asked.info), sizeof(count));
	if (count == 0 || count > STRINGS_MAX)
		return NULL;
	strings = calloc(1, sizeof(*strings) + (size_t)count * ETH_GSTRING_LEN);
	if (!strings)
		return NULL;
	strings->cmd = ETHTOOL_GSTRINGS;
	strings->string_set = kind;
	strings->len = count;
	if (ask(fd, ifname, strings) < 0 || strings->len > count) {
		free(strings);
		return NULL;
	}
	return strings;
}

/* The position of `name`, or -1. */
static int find_string(const struct ethtool_gstrings *strings, const char *name)
{
	for (uint32_t i = 0; i < strings->len; i++)
		if (strncmp((const char *)strings->data + (size_t)i * ETH_GSTRING_LEN, name, ETH_GSTRING_LEN) == 0)
			return (int)i;
	return -1;
}

static void read_features(int fd, struct xdp_interface *interface)
{
	struct ethtool_gstrings *names = read_strings(fd, interface->ifname, ETH_SS_FEATURES);
	const struct {
		const char *name;
		bool *is_on;
	} wanted[] = {{"rx-lro", &interface->lro},
		      {"rx-gro-hw", &interface->gro_hw},
		      {"rx-vlan-hw-parse", &interface->strips_vlan}};
	struct ethtool_gfeatures *features;
	uint32_t blocks;

	if (!names)
		return;
	blocks = (names->len + 31) / 32;
	features = calloc(1, sizeof(*features) + blocks * sizeof(features->features[0]));
	if (features) {
		features->cmd = ETHTOOL_GFEATURES;
		features->size = blocks;
		if (ask(fd, interface->ifname, features) == 0) {
			for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
				const int at = find_string(names, wanted[i].name);

				*wanted[i].is_on = at >= 0 && (features->features[at / 32].active >> at % 32 & 1);
			}
		}
	}
	free(features);
	free(names);
}

static void read_queues(int fd, const char *ifname, uint32_t *ret_rx, uint32_t *ret_tx, uint32_t *ret_max)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};

	if (ask(fd, ifname, &channels) < 0)
		return;
	*ret_rx = channels.rx_count + channels.combined_count;
	*ret_tx = channels.tx_count + channels.combined_count;
	*ret_max = channels.max_combined ? channels.max_combined : channels.max_tx;
}

/* The number of a veth's other end, in whatever namespace that is; 0: not said. */
static int read_peer(int fd, const char *ifname)
{
	struct ethtool_gstrings *names = read_strings(fd, ifname, ETH_SS_STATS);
	struct ethtool_stats *stats;
	int at, peer = 0;

	if (!names)
		return 0;
	at = find_string(names, "peer_ifindex");
	stats = calloc(1, sizeof(*stats) + names->len * sizeof(stats->data[0]));
	if (stats && at >= 0) {
		stats->cmd = ETHTOOL_GSTATS;
		stats->n_stats = names->len;
		if (ask(fd, ifname, stats) == 0)
			peer = (int)stats->data[at];
	}
	free(stats);
	free(names);
	return peer;
}

/* Numbers are a namespace's own: the interface here with that number is the peer if it says so as well. */
static void read_veth(int fd, struct xdp_interface *interface)
{
	const int peer = read_peer(fd, interface->ifname);
	char name[IF_NAMESIZE];
	struct ifreq request = {0};
	uint32_t program = 0, unused = 0;
	bool generic;

	interface->is_veth = true;
	if (peer <= 0 || !if_indextoname((unsigned int)peer, name) ||
	    read_peer(fd, name) != (int)if_nametoindex(interface->ifname))
		return;
	snprintf(interface->peer, sizeof(interface->peer), "%s", name);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFMTU, &request) == 0)
		interface->peer_mtu = (uint32_t)request.ifr_mtu;
	read_queues(fd, name, &unused, &interface->peer_tx_queues, &unused);
	interface->peer_has_program = steering_link_program(name, &program, &generic) == 0 && program != 0 && !generic;
}

int xdp_interface_read(const char *ifname, struct xdp_interface *ret_interface)
{
	struct xdp_interface interface = {.lro = false};
	struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
	int fd;

	if (if_nametoindex(ifname) == 0)
		return -ENODEV;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	snprintf(interface.ifname, sizeof(interface.ifname), "%s", ifname);
	if (ask(fd, ifname, &driver) == 0)
		snprintf(interface.driver, sizeof(interface.driver), "%.*s", (int)sizeof(interface.driver) - 1,
			 driver.driver);
	read_features(fd, &interface);
	read_queues(fd, ifname, &interface.rx_queues, &interface.tx_queues, &interface.queues_max);
	if (strcmp(interface.driver, "veth") == 0)
		read_veth(fd, &interface);
	close(fd);
	*ret_interface = interface;
	return 0;
}

/* ---- judging ------------------------------------------------------------------------------------ */

static size_t judge_offloads(const struct xdp_interface *interface, struct error_text *findings)
{
	const char *ifname = interface->ifname;
	size_t count = 0;

	if (interface->lro)
		error_text_set(&findings[count++], 0,
			       "%s: its large receive offload joins packets before XDP sees them, and they "
			       "cannot be taken apart again; run: ethtool -K %s lro off",
			       ifname, ifname);
	if (interface->gro_hw)
		error_text_set(&findings[count++], 0,
			       "%s: its hardware joins packets before XDP sees them; run: ethtool -K %s "
			       "rx-gro-hw off",
			       ifname, ifname);
	if (interface->strips_vlan && !interface->is_veth)
		error_text_set(&findings[count++], 0,
			       "%s: it takes VLAN tags off before XDP sees the frames, so that they are "
			       "lost on forwarding; without VLANs this is harmless, else run: ethtool -K %s rxvlan off",
			       ifname, ifname);
	return count;
}

static size_t judge_veth(const struct xdp_interface *interface, const struct xdp_interface_use *use,
			 struct error_text *findings)
{
	const char *ifname = interface->ifname, *peer = interface->peer;
	size_t count = 0;

	if (use->forwards && use->native && !peer[0])
		error_text_set(&findings[count++], 0,
			       "%s: it is a veth whose other end is in another namespace: packets that XDP sends "
			       "there are lost unless an XDP program is attached natively to that end (one that passes "
			       "everything "
			       "does), which switches its NAPI on",
			       ifname);
	if (!peer[0])
		return count;
	if (use->forwards && use->native && !interface->peer_has_program)
		error_text_set(&findings[count++], 0,
			       "%s: the other end of this veth, %s, has no NAPI: packets that XDP sends there "
			       "are lost; attach an XDP program to it, one that passes everything does: ip link set "
			       "dev %s xdpdrv "
			       "object PASS.o section xdp",
			       ifname, peer, peer);
	if (use->native && interface->rx_queues > 0 && interface->peer_tx_queues > interface->rx_queues)
		error_text_set(&findings[count++], 0,
			       "%s: %u receive queues, fewer than the %u transmit queues of its other end %s: the "
			       "kernel refuses XDP so; run: ethtool -L %s rx %u, or ethtool -L %s tx %u",
			       ifname, interface->rx_queues, interface->peer_tx_queues, peer, ifname,
			       interface->peer_tx_queues, peer, interface->rx_queues);
	if (use->native && use->mtu_max > 0 && interface->peer_mtu > use->mtu_max)
		error_text_set(&findings[count++], 0,
			       "%s: the MTU %u of its other end %s is more than the %u bytes that XDP takes in "
			       "one buffer; run: ip link set dev %s mtu %u",
			       ifname, interface->peer_mtu, peer, use->mtu_max, peer, use->mtu_max);
	return count;
}

/* A driver that needs a transmit queue for each CPU beside those of the stack, and has too few, takes turns. */
static size_t judge_queues(const struct xdp_interface *interface, const struct xdp_interface_use *use,
			   struct error_text *findings)
{
	const uint32_t left = interface->queues_max > use->cpu_count ? interface->queues_max - use->cpu_count : 1;

	if (!use->native || !use->forwards || strcmp(interface->driver, "virtio_net") != 0 ||
	    interface->queues_max == 0 || interface->tx_queues + use->cpu_count <= interface->queues_max)
		return 0;
	error_text_set(&findings[0], 0,
		       "%s: %u queues of at most %u, and %u CPUs: XDP has no transmit queues of its own (Linux before "
		       "5.13 refuses it, later ones take turns); run: ethtool -L %s combined %u, or give the machine "
		       "more queues",
		       interface->ifname, interface->tx_queues, interface->queues_max, use->cpu_count,
		       interface->ifname, left);
	return 1;
}

size_t xdp_interface_judge(const struct xdp_interface *interface, const struct xdp_interface_use *use,
			   struct error_text findings[XDP_INTERFACE_FINDINGS_MAX])
{
	size_t count = judge_offloads(interface, findings);

	if (interface->is_veth)
		count += judge_veth(interface, use, findings + count);
	return count + judge_queues(interface, use, findings + count);
}
