/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The forwarder's end of dataplane.sock, without a forwarder behind it. See forwarder.h.
 */
#include "forwarder.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sluice/device.h"

static void say(int fd, enum sl_device_kind kind, uint32_t flags)
{
	struct sl_device_msg message = {.magic = SL_DEVICE_MAGIC, .kind = kind, .flags = flags, .pid = 1};

	strcpy(message.ifname, "sluice0");
	if (send(fd, &message, sizeof(message), MSG_NOSIGNAL) < 0)
		return;
}

static int receive(int fd, struct sl_device_msg *message)
{
	struct iovec iov = {.iov_base = message, .iov_len = sizeof(*message)};
	char control[CMSG_SPACE(sizeof(int))];
	struct msghdr header = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *c;
	int got = -1;

	if (recvmsg(fd, &header, 0) <= 0)
		return -2;
	c = CMSG_FIRSTHDR(&header);
	if (c)
		memcpy(&got, CMSG_DATA(c), sizeof(got));
	return got;
}

static volatile sig_atomic_t stuck;

static void on_signal(int number)
{
	(void)number;
	stuck = 1;
}

static void forward(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const struct sigaction action = {.sa_handler = on_signal};
	struct sl_device_msg message;
	int tun = -1, fd, got;

	strcpy(to.sun_path, path);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close_range(3, ~0u, 0); /* sluiced's sockets came along with fork() */
	sigaction(SIGUSR1, &action, NULL);
	for (;;) {
		fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
		while (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
			usleep(20000);
		say(fd, tun >= 0 ? SL_DEVICE_HAVE : SL_DEVICE_WANT, 0);
		for (;;) {
			got = receive(fd, &message);
			if (stuck) {
				close(tun);
				say(fd, SL_DEVICE_GONE, SL_DEVICE_GONE_STUCK);
				for (;;)
					pause();
			}
			if (got == -2)
				break;
			if (message.kind == SL_DEVICE_OFFER) {
				tun = got;
				say(fd, SL_DEVICE_HAVE, 0);
			} else if (message.kind == SL_DEVICE_RELEASE) {
				close(tun);
				tun = -1;
				say(fd, SL_DEVICE_GONE, 0);
			}
		}
		close(fd);
	}
}

pid_t forwarder_start(const char *path)
{
	const pid_t pid = fork();

	if (pid == 0)
		forward(path);
	return pid;
}
