/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads an interface by ioctl (driver, channels, MTU, MAC), by sysfs (queues of drivers without channels)
 * and by one RTM_GETLINK request (the XDP program's id).
 */
#include "dataplane/interface.h"

#include <dirent.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int interface_ioctl(int fd, unsigned long request, const char *name, struct ifreq *ifr)
{
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
	return ioctl(fd, request, ifr) < 0 ? -errno : 0;
}

static unsigned int interface_sysfs_queues(const char *name, const char *prefix)
{
	char path[64];
	struct dirent *entry;
	unsigned int count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/class/net/%.15s/queues", name);
	dir = opendir(path);
	if (!dir)
		return 0;
	while ((entry = readdir(dir)) != NULL)
		if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
			count++;
	closedir(dir);
	return count;
}

static void interface_read_queues(int fd, const char *name, struct interface_info *info)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq ifr = {.ifr_data = (char *)&channels};

	if (interface_ioctl(fd, SIOCETHTOOL, name, &ifr) == 0) {
		info->rx_queues = channels.combined_count + channels.rx_count;
		info->tx_queues = channels.combined_count + channels.tx_count;
	}
	/* Drivers without channels; /sys may show another network namespace, so it is asked last. */
	if (info->rx_queues == 0)
		info->rx_queues = interface_sysfs_queues(name, "rx-");
	if (info->tx_queues == 0)
		info->tx_queues = interface_sysfs_queues(name, "tx-");
	if (info->rx_queues == 0)
		info->rx_queues = 1;
	if (info->tx_queues == 0)
		info->tx_queues = 1;
}

static void interface_program_name(__u32 id, char *name, size_t size)
{
	struct bpf_prog_info info = {0};
	union bpf_attr attr = {.prog_id = id};
	int fd;

	/* Without the right to look, the program counts as somebody else's. */
	snprintf(name, size, "#%u", id);
	fd = (int)syscall(SYS_bpf, BPF_PROG_GET_FD_BY_ID, &attr, sizeof(attr));
	if (fd < 0)
		return;
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (__u32)fd;
	attr.info.info_len = sizeof(info);
	attr.info.info = (__u64)(unsigned long)&info;
	if (syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr)) == 0)
		snprintf(name, size, "%.*s", (int)sizeof(info.name), info.name);
	close(fd);
}

/* The id in IFLA_XDP of one RTM_NEWLINK message; 0: none. */
static __u32 interface_xdp_id(const struct nlmsghdr *message)
{
	const struct ifinfomsg *link = NLMSG_DATA(message);
	int len = (int)IFLA_PAYLOAD(message);

	for (const struct rtattr *attr = IFLA_RTA(link); RTA_OK(attr, len); attr = RTA_NEXT(attr, len)) {
		int inner_len = (int)RTA_PAYLOAD(attr);

		if ((attr->rta_type & NLA_TYPE_MASK) != IFLA_XDP)
			continue;
		for (const struct rtattr *inner = RTA_DATA(attr); RTA_OK(inner, inner_len);
		     inner = RTA_NEXT(inner, inner_len))
			if (inner->rta_type == IFLA_XDP_PROG_ID && RTA_PAYLOAD(inner) >= sizeof(__u32)) {
				__u32 id;

				memcpy(&id, RTA_DATA(inner), sizeof(id));
				return id;
			}
	}
	return 0;
}

static int interface_read_xdp(struct interface_info *info)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
	} request = {
		.header = {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST},
		.link = {.ifi_family = AF_UNSPEC, .ifi_index = info->index},
	};
	char reply[16384] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nlmsghdr *message = (const struct nlmsghdr *)reply;
	ssize_t len;
	__u32 id;
	int fd;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	len = send(fd, &request, sizeof(request), 0);
	if (len >= 0)
		len = recv(fd, reply, sizeof(reply), 0);
	if (len < 0) {
		len = -errno;
		close(fd);
		return (int)len;
	}
	close(fd);
	if (!NLMSG_OK(message, (size_t)len) || message->nlmsg_type != RTM_NEWLINK)
		return -EPROTO;
	id = interface_xdp_id(message);
	if (id != 0)
		interface_program_name(id, info->xdp_program, sizeof(info->xdp_program));
	return 0;
}

/* A socket to ask the kernel about `name` with, or -errno (-ENODEV: no interface can have that name). */
static int interface_socket(const char *name)
{
	int fd;

	if (name[0] == 0 || strlen(name) >= IFNAMSIZ)
		return -ENODEV;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

int interface_read(const char *name, struct interface_info *ret_info)
{
	struct interface_info info = {0};
	struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq ifr = {0};
	int fd, err;

	fd = interface_socket(name);
	if (fd < 0)
		return fd;
	err = interface_ioctl(fd, SIOCGIFINDEX, name, &ifr);
	if (err < 0)
		goto out;
	info.index = ifr.ifr_ifindex;
	err = interface_ioctl(fd, SIOCGIFMTU, name, &ifr);
	if (err < 0)
		goto out;
	info.mtu = (unsigned int)ifr.ifr_mtu;
	err = interface_ioctl(fd, SIOCGIFFLAGS, name, &ifr);
	if (err < 0)
		goto out;
	info.up = (ifr.ifr_flags & IFF_UP) != 0;
	ifr.ifr_data = (char *)&driver;
	if (interface_ioctl(fd, SIOCETHTOOL, name, &ifr) == 0)
		info.veth = strcmp(driver.driver, "veth") == 0;
	interface_read_queues(fd, name, &info);
	err = interface_read_xdp(&info);
	if (err == 0)
		*ret_info = info;
out:
	close(fd);
	return err;
}

int interface_mac(const char *name, uint8_t ret_mac[static 6])
{
	struct ifreq ifr = {0};
	int fd, err;

	fd = interface_socket(name);
	if (fd < 0)
		return fd;
	err = interface_ioctl(fd, SIOCGIFHWADDR, name, &ifr);
	close(fd);
	if (err == 0 && ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		err = -EAFNOSUPPORT;
	if (err == 0)
		memcpy(ret_mac, ifr.ifr_hwaddr.sa_data, 6);
	return err;
}
