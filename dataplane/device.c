/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small client of sluiced's dataplane.sock. A descriptor is believed only when it is a TUN device of
 * the name that came with it; the listener only when a trusted account runs it.
 */
#include "dataplane/device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "dataplane/log.h"
#include "sluice/abi.h"

enum {
	DEVICE_RETRY_MS = 250,
	DEVICE_DRAIN_MAX = 32,    /* packets that the kernel routed into the device: nobody's, read and forgotten */
	DEVICE_MESSAGES_MAX = 8,  /* a tick */
};

int device_init(struct device *device, const char *instance_dir, uid_t owner)
{
	const int len = snprintf(device->path, sizeof(device->path), "%s/%s", instance_dir, SL_DATAPLANE_SOCKET);

	device->socket = -1;
	device->tun = -1;
	device->ifname[0] = 0;
	device->session = 0;
	device->next_try_ns = 0;
	device->stuck = false;
	device->complained = false;
	device->trusted[0] = 0;
	device->trusted[1] = geteuid();
	device->trusted[2] = owner;
	return len < 0 || (size_t)len >= sizeof(device->path) ? -ENAMETOOLONG : 0;
}

static void device_disconnect(struct device *device, uint64_t now_ns)
{
	if (device->socket >= 0)
		close(device->socket);
	device->socket = -1;
	device->next_try_ns = now_ns + DEVICE_RETRY_MS * 1000000ull;
}

static int device_say(struct device *device, enum sl_device_kind kind, uint32_t flags)
{
	struct sl_device_msg msg = {
		.magic = SL_DEVICE_MAGIC,
		.kind = kind,
		.flags = flags,
		.session = device->session,
		.pid = (uint64_t)getpid(),
	};

	memcpy(msg.ifname, device->ifname, sizeof(msg.ifname));
	if (device->socket < 0)
		return -ENOTCONN;
	if (send(device->socket, &msg, sizeof(msg), MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)sizeof(msg))
		return -errno;
	return 0;
}

static void device_close_tun(struct device *device)
{
	if (device->tun >= 0)
		close(device->tun);
	device->tun = -1;
	memset(device->ifname, 0, sizeof(device->ifname));
}

/* Says what is wrong with the peer, once until something is right with it: we come back four times a second. */
static void device_complain(struct device *device, const char *event, const struct sl_log_field *fields)
{
	if (device->complained)
		return;
	device->complained = true;
	log_write(LOG_LEVEL_WARNING, event, fields);
}

static int device_connect(struct device *device)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int fd, err;

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	strcpy(address.sun_path, device->path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0) {
		err = -errno;
		goto close_fd;
	}
	err = -EACCES;
	for (size_t i = 0; i < sizeof(device->trusted) / sizeof(device->trusted[0]); i++)
		if (device->trusted[i] == peer.uid && peer.uid != (uid_t)-1)
			err = 0;
	if (err < 0) {
		device_complain(device, "the device socket is not used: its owner is neither root, nor us, nor --owner",
				SL_LOG_FIELDS(LOG_STR("path", device->path), LOG_U64("uid", peer.uid)));
		goto close_fd;
	}
	device->socket = fd;
	return 0;
close_fd:
	close(fd);
	return err;
}

/* Takes an offered descriptor if it is what it says. Returns 0 or -errno; the descriptor is ours either way. */
static int device_take(struct device *device, int fd, const struct sl_device_msg *msg)
{
	struct ifreq ifr = {0};

	if (fd < 0)
		return -EBADMSG;
	if (device->stuck) { /* the offer crossed our GONE */
		close(fd);
		return device_say(device, SL_DEVICE_GONE, SL_DEVICE_GONE_STUCK);
	}
	if (ioctl(fd, TUNGETIFF, &ifr) < 0 || strnlen(msg->ifname, sizeof(msg->ifname)) >= sizeof(msg->ifname) ||
	    strcmp(ifr.ifr_name, msg->ifname) != 0 || fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0) {
		close(fd);
		return -EBADMSG;
	}
	device_close_tun(device);
	device->tun = fd;
	memcpy(device->ifname, msg->ifname, sizeof(device->ifname));
	log_event(LOG_LEVEL_INFO, "holding the VIP device: its addresses last as long as packets are forwarded",
		  LOG_STR("device", device->ifname));
	return device_say(device, SL_DEVICE_HAVE, 0);
}

/* Reads one message. Returns 1, 0 (nothing there) or -errno (the connection is of no use). */
static int device_read(struct device *device, struct sl_device_msg *msg, int *ret_fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = msg, .iov_len = sizeof(*msg)};
	struct msghdr hdr = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t len;

	*ret_fd = -1;
	len = recvmsg(device->socket, &hdr, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (len < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&hdr); c; c = CMSG_NXTHDR(&hdr, c)) {
		const size_t fds = c->cmsg_len >= CMSG_LEN(0) ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < fds; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (*ret_fd >= 0)
				close(fd);
			else
				*ret_fd = fd;
		}
	}
	if (len != (ssize_t)sizeof(*msg) || (hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || msg->magic != SL_DEVICE_MAGIC) {
		if (*ret_fd >= 0) /* an empty message can bring one too */
			close(*ret_fd);
		return len == 0 ? -ECONNRESET : -EBADMSG;
	}
	return 1;
}

static int device_handle(struct device *device, const struct sl_device_msg *msg, int fd)
{
	if (msg->kind == SL_DEVICE_OFFER)
		return device_take(device, fd, msg);
	if (fd >= 0)
		close(fd);
	if (msg->kind == SL_DEVICE_KEEP)
		return 0;
	if (msg->kind != SL_DEVICE_RELEASE)
		return -EBADMSG;
	if (device->tun >= 0)
		log_event(LOG_LEVEL_INFO, "VIP device closed, as sluiced asked", LOG_STR("device", device->ifname));
	device_close_tun(device);
	return device_say(device, SL_DEVICE_GONE, 0);
}

/* The workers' health decides before anything else: a balancer that hangs must lose its addresses. */
static int device_follow_workers(struct device *device, bool workers_well)
{
	if (!workers_well && !device->stuck) {
		device->stuck = true;
		if (device->tun >= 0)
			log_event(LOG_LEVEL_ERROR, "VIP device closed: a worker makes no progress, so the VIPs are withdrawn",
				  LOG_STR("device", device->ifname));
		device_close_tun(device);
		return device->socket >= 0 ? device_say(device, SL_DEVICE_GONE, SL_DEVICE_GONE_STUCK) : 0;
	}
	if (workers_well && device->stuck) {
		device->stuck = false;
		return device->socket >= 0 ? device_say(device, SL_DEVICE_WANT, 0) : 0;
	}
	return 0;
}

static void device_drain(struct device *device)
{
	char packet[2048];

	for (int i = 0; device->tun >= 0 && i < DEVICE_DRAIN_MAX; i++)
		if (read(device->tun, packet, sizeof(packet)) <= 0)
			break;
}

void device_tick(struct device *device, uint64_t now_ns, uint64_t session, bool workers_well)
{
	struct sl_device_msg msg;
	int fd, got, err;

	device->session = session;
	device_drain(device);
	err = device_follow_workers(device, workers_well);
	if (device->socket < 0 && now_ns >= device->next_try_ns) {
		err = device_connect(device);
		if (err == 0 && !device->stuck)
			err = device_say(device, device->tun >= 0 ? SL_DEVICE_HAVE : SL_DEVICE_WANT, 0);
	}
	if (err < 0) {
		device_disconnect(device, now_ns);
		return;
	}
	for (int i = 0; device->socket >= 0 && i < DEVICE_MESSAGES_MAX; i++) {
		got = device_read(device, &msg, &fd);
		if (got == 0)
			return;
		err = got < 0 ? got : device_handle(device, &msg, fd);
		if (err < 0) {
			if (err == -EBADMSG)
				device_complain(device, "unknown message on the device socket, connection closed",
						SL_LOG_FIELDS(LOG_STR("path", device->path)));
			device_disconnect(device, now_ns);
		} else {
			device->complained = false;
		}
	}
}

void device_fini(struct device *device)
{
	device_close_tun(device);
	if (device->socket >= 0)
		close(device->socket);
	device->socket = -1;
}
