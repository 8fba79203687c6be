/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes a TUN device that has no addresses but those it is given: no link-local one, no autoconfiguration.
 */
#include "tun_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TUN_PATH "/dev/net/tun"

enum {
	QUEUE_LEN = 16, /* what the kernel routes into the device is thrown away by its holder */
};

/* Best effort: a read-only /proc/sys costs a link-local address, nothing more. */
static void set_ipv6(const char *ifname, const char *key, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", ifname, key);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, value, strlen(value)) < 0) {
		/* as above */
	}
	close(fd);
}

static int open_failed(const char *name, const char *what, int err, struct error_text *reterr)
{
	const char *remedy = "";

	if (err == -EPERM || err == -EACCES)
		remedy = "; sluiced needs CAP_NET_ADMIN, or root";
	else if (err == -ENOENT || err == -ENODEV)
		remedy = "; run: modprobe tun";
	else if (err == -EBUSY)
		remedy = "; another process holds a device of that name";
	else if (err == -EINVAL)
		remedy = "; an interface of that name exists and is no TUN device";
	return error_text_set(reterr, err, "%s: cannot %s: %s%s", name, what, strerror(-err), remedy);
}

int tun_device_create(struct netlink *nl, const char *name, int *ret_fd, struct error_text *reterr)
{
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd, err;

	if (strlen(name) == 0 || strlen(name) >= sizeof(request.ifr_name))
		return error_text_set(reterr, -EINVAL, "\"%s\": not a name for an interface", name);
	fd = open(TUN_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return open_failed(name, "open " TUN_PATH, -errno, reterr);
	memcpy(request.ifr_name, name, strlen(name));
	if (ioctl(fd, TUNSETIFF, &request) < 0) {
		err = open_failed(name, "make a TUN device", -errno, reterr);
		goto close;
	}
	set_ipv6(name, "disable_ipv6", "0");
	set_ipv6(name, "addr_gen_mode", "1"); /* none: no link-local address */
	set_ipv6(name, "accept_ra", "0");
	set_ipv6(name, "autoconf", "0");
	err = netlink_link_up(nl, (int)if_nametoindex(name), QUEUE_LEN);
	if (err < 0) {
		open_failed(name, "set it up", err, reterr);
		goto close;
	}
	*ret_fd = fd;
	return 0;
close:
	close(fd);
	return err;
}
