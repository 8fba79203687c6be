/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bpf_link that holds the steering program on one interface, and what stands in its way: another
 * program, the MTU, queues, capabilities. Each refusal names its remedy.
 */
#include "steering_link.h"

#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf_refusal.h"

/* What a page must hold beside a single-buffer frame: headroom, link header, struct skb_shared_info. */
#define XDP_PAGE_OVERHEAD 598

/* The link pinned at `path`, if it holds a program on `ifname`; else -ENOENT. */
int steering_link_open(const char *path, const char *ifname)
{
	struct bpf_link_info info = {0};
	__u32 len = sizeof(info);
	const int fd = bpf_obj_get(path);

	if (fd < 0)
		return -ENOENT;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && info.type == BPF_LINK_TYPE_XDP &&
	    info.xdp.ifindex != 0 && info.xdp.ifindex == if_nametoindex(ifname))
		return fd;
	close(fd);
	return -ENOENT;
}

int steering_link_program(const char *ifname, uint32_t *ret_id, bool *ret_generic)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	const int err = bpf_xdp_query((int)if_nametoindex(ifname), 0, &query);

	if (err < 0)
		return err;
	*ret_id = query.prog_id ? query.prog_id : query.drv_prog_id ? query.drv_prog_id : query.skb_prog_id;
	*ret_generic = query.attach_mode == XDP_ATTACHED_SKB;
	return 0;
}

static int refuse_other(const char *ifname, uint32_t id, struct error_text *reterr)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);
	const int fd = bpf_prog_get_fd_by_id(id);

	if (fd >= 0) {
		if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
			info.name[0] = '\0';
		close(fd);
	}
	return error_text_set(reterr, -EBUSY,
			      "%s: XDP program %u (\"%s\") is already attached, it is not ours; remove it "
			      "(ip link set dev %s "
			      "xdp off, or stop the program that holds it) or use another interface",
			      ifname, id, info.name[0] ? info.name : "?", ifname);
}

int steering_link_check_free(const char *ifname, struct error_text *reterr)
{
	uint32_t id = 0;
	bool generic;

	if (steering_link_program(ifname, &id, &generic) < 0 || id == 0)
		return 0;
	return refuse_other(ifname, id, reterr);
}

uint32_t steering_link_mtu_max(void)
{
	return (uint32_t)sysconf(_SC_PAGESIZE) - XDP_PAGE_OVERHEAD;
}

int steering_link_check_mtu(const char *ifname, struct error_text *reterr)
{
	const int limit = (int)steering_link_mtu_max();
	struct ifreq request = {0};
	int fd, err = 0;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_text_set(reterr, -errno, "%s: cannot read the MTU: %s", ifname, strerror(errno));
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", ifname);
	if (ioctl(fd, SIOCGIFMTU, &request) < 0)
		err = error_text_set(reterr, -errno, "%s: cannot read the MTU: %s", ifname, strerror(errno));
	else if (request.ifr_mtu > limit)
		err = error_text_set(reterr, -ERANGE,
				     "%s: MTU %d is more than the %d bytes that XDP takes in one buffer; "
				     "run: ip link set dev "
				     "%s mtu %d",
				     ifname, request.ifr_mtu, limit, ifname, limit);
	close(fd);
	return err;
}

int steering_link_mac(const char *ifname, struct sl_steering_mac *ret_mac, struct error_text *reterr)
{
	struct ifreq request = {0};
	int fd, err = 0;

	memset(ret_mac, 0, sizeof(*ret_mac));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_text_set(reterr, -errno, "%s: cannot read the MAC address: %s", ifname,
				      strerror(errno));
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", ifname);
	if (ioctl(fd, SIOCGIFHWADDR, &request) < 0)
		err = error_text_set(reterr, -errno, "%s: cannot read the MAC address: %s", ifname,
				     strerror(errno));
	else if (request.ifr_hwaddr.sa_family == ARPHRD_ETHER)
		memcpy(ret_mac->mac, request.ifr_hwaddr.sa_data, sizeof(ret_mac->mac));
	close(fd);
	return err;
}

/* The kernel says only a number; these are the causes met on real drivers and on veth. */
static int attach_failed(const char *ifname, int err, struct error_text *reterr)
{
	const int limit = (int)steering_link_mtu_max();

	switch (-err) {
	case ERANGE:
		return error_text_set(reterr, err,
				      "%s: the driver refuses XDP at this MTU; set at most %d here and, on "
				      "veth, on the peer too "
				      "(ip link set dev IFACE mtu %d)",
				      ifname, limit, limit);
	case ENOSPC:
		return error_text_set(reterr, err,
				      "%s: fewer receive queues than its veth peer has transmit queues; run: "
				      "ethtool -L %s rx N, "
				      "or give the peer fewer",
				      ifname, ifname);
	case ENOTCONN:
		return error_text_set(reterr, err, "%s: its veth peer is gone; make the pair anew", ifname);
	case EOPNOTSUPP:
		return error_text_set(reterr, err,
				      "%s: the driver has no native XDP; set xdp: {attach: auto} to go without, slowly",
				      ifname);
	default:
		return error_text_set(reterr, err, "%s: cannot attach the XDP program%s", ifname, bpf_refusal_cause(err).text);
	}
}

int steering_link_attach(const char *ifname, int program_fd, enum steering_attach_mode mode, const char *path,
			 struct error_text *reterr)
{
	LIBBPF_OPTS(bpf_link_create_opts, native, .flags = XDP_FLAGS_DRV_MODE);
	LIBBPF_OPTS(bpf_link_create_opts, generic, .flags = XDP_FLAGS_SKB_MODE);
	const int ifindex = (int)if_nametoindex(ifname);
	int fd = -EOPNOTSUPP, err;

	if (mode != STEERING_GENERIC)
		fd = bpf_link_create(program_fd, ifindex, BPF_XDP, &native);
	if (fd == -EOPNOTSUPP && mode != STEERING_NATIVE_ONLY)
		fd = bpf_link_create(program_fd, ifindex, BPF_XDP, &generic);
	if (fd < 0)
		return attach_failed(ifname, fd, reterr);
	err = bpf_obj_pin(fd, path);
	if (err < 0) {
		close(fd);
		return error_text_set(reterr, err, "%s: cannot pin the XDP link%s", path, bpf_refusal_cause(err).text);
	}
	return fd;
}
