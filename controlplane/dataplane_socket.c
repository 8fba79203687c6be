/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One listener and at most one peer. The peer's states:
 *
 *   state     WANT              HAVE                GONE, stuck    GONE, released    end of file
 *   NONE      →WANTING, offer   →HOLDING, KEEP      →NONE          →WANTING          →no peer
 *   WANTING   offer             →HOLDING, KEEP      →NONE          offer             →no peer
 *   OFFERED   offer again       →HOLDING, KEEP      →NONE          →WANTING          →no peer
 *   HOLDING   lost, →WANTING    KEEP                lost, →NONE    lost, →WANTING    lost, →no peer
 *
 * HAVE of a device of another name is answered with RELEASE. WANTING offers once offering is allowed.
 */
#include "dataplane_socket.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sluice/device.h"
#include "sluice/host/lock.h"

#include "tun_device.h"

enum {
	ABSENT_MS = 3000, /* a sluice-dp that runs reconnects within a quarter of a second */
	RETRY_MS = 500,   /* the device of a forwarder that is just dying still has the name */
	BACKLOG = 4,
};

enum peer_state { PEER_NONE = 0, PEER_WANTING, PEER_OFFERED, PEER_HOLDING };

struct dataplane_socket {
	struct netlink *nl;
	struct dataplane_socket_events events;
	char path[108];
	char device[SL_DEVICE_NAME_MAX];
	uint64_t session;
	int lock_fd;
	int listen_fd;
	int peer_fd; /* -1: no peer */
	enum peer_state state;
	bool offering;
	unsigned int trouble_repeats;
	unsigned int open_handles;
	uv_poll_t listen_poll;
	uv_poll_t *peer_poll;
	uv_timer_t absent;
	uv_timer_t retry;
};

static void offer(struct dataplane_socket *s);

/* ---- the peer ----------------------------------------------------------------------------------- */

static void on_poll_closed(uv_handle_t *handle)
{
	free(handle);
}

static void lose(struct dataplane_socket *s, enum dataplane_lost why)
{
	const bool held = s->state == PEER_HOLDING;

	s->state = PEER_NONE;
	if (held)
		s->events.lost(s->events.ctx, why);
}

static void drop_peer(struct dataplane_socket *s, enum dataplane_lost why)
{
	if (s->peer_fd < 0)
		return;
	uv_poll_stop(s->peer_poll);
	uv_close((uv_handle_t *)s->peer_poll, on_poll_closed);
	s->peer_poll = NULL;
	close(s->peer_fd);
	s->peer_fd = -1;
	uv_timer_stop(&s->retry);
	lose(s, why);
}

/* Sends one message, with a descriptor unless `fd` is -1. 0 or -errno. */
static int say(struct dataplane_socket *s, enum sl_device_kind kind, int fd)
{
	struct sl_device_msg body = {
		.magic = SL_DEVICE_MAGIC,
		.kind = kind,
		.session = s->session,
		.pid = (uint64_t)getpid(),
	};
	struct iovec iov = {.iov_base = &body, .iov_len = sizeof(body)};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

	if (kind == SL_DEVICE_OFFER)
		memcpy(body.ifname, s->device, sizeof(body.ifname));
	if (fd >= 0) {
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	return sendmsg(s->peer_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void on_retry(uv_timer_t *timer)
{
	offer(timer->data);
}

/* Makes the device, hands it over and keeps nothing of it. */
static void offer(struct dataplane_socket *s)
{
	struct error_text error;
	int fd, err;

	if (!s->offering || s->peer_fd < 0 || (s->state != PEER_WANTING && s->state != PEER_OFFERED))
		return;
	err = tun_device_create(s->nl, s->device, &fd, &error);
	if (err < 0) {
		if (s->trouble_repeats++ % 20 ==
		    1) /* not at the first: a dying forwarder has the name for a moment */
			s->events.trouble(s->events.ctx, error.text);
		uv_timer_start(&s->retry, on_retry, RETRY_MS, 0);
		return;
	}
	s->trouble_repeats = 0;
	err = say(s, SL_DEVICE_OFFER, fd);
	close(fd); /* the one in flight keeps the device until it is received */
	if (err == 0)
		s->state = PEER_OFFERED;
	else
		drop_peer(s, DATAPLANE_LOST_GONE);
}

static void on_have(struct dataplane_socket *s, const struct sl_device_msg *message)
{
	const bool adopted = s->state != PEER_OFFERED;

	if (strnlen(message->ifname, sizeof(message->ifname)) == sizeof(message->ifname) ||
	    strcmp(message->ifname, s->device) != 0 || if_nametoindex(s->device) == 0) {
		say(s, SL_DEVICE_RELEASE,
		    -1); /* a device of another name (the configuration changed), or none */
		return;
	}
	say(s, SL_DEVICE_KEEP, -1);
	if (s->state == PEER_HOLDING)
		return;
	s->state = PEER_HOLDING;
	uv_timer_stop(&s->absent);
	s->events.held(s->events.ctx, s->device, adopted, message->pid);
}

static void on_want(struct dataplane_socket *s)
{
	lose(s, DATAPLANE_LOST_GONE);
	s->state = PEER_WANTING;
	offer(s);
}

/* Released as asked: ready for another. Stuck: it says WANT once its workers are well again. */
static void on_gone(struct dataplane_socket *s, bool stuck)
{
	lose(s, stuck ? DATAPLANE_LOST_STUCK : DATAPLANE_LOST_RELEASED);
	if (stuck)
		return;
	s->state = PEER_WANTING;
	offer(s);
}

/* Reads one message. False: the connection is of no use any more. */
static bool read_message(struct dataplane_socket *s, bool *ret_more)
{
	struct sl_device_msg message;
	ssize_t n;

	n = recv(s->peer_fd, &message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);
	*ret_more = n >= 0;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	if (n != (ssize_t)sizeof(message) || message.magic != SL_DEVICE_MAGIC) {
		s->events.trouble(s->events.ctx,
				  "dataplane.sock: a message of another program or version; disconnected");
		return false;
	}
	switch (message.kind) {
	case SL_DEVICE_WANT: on_want(s); return true;
	case SL_DEVICE_HAVE: on_have(s, &message); return true;
	case SL_DEVICE_GONE: on_gone(s, message.flags & SL_DEVICE_GONE_STUCK); return true;
	default:
		s->events.trouble(s->events.ctx,
				  "dataplane.sock: a message that is not for sluiced; disconnected");
		return false;
	}
}

static void read_peer(struct dataplane_socket *s)
{
	bool more = true;

	while (more && s->peer_fd >= 0) {
		if (!read_message(s, &more)) {
			drop_peer(s, DATAPLANE_LOST_GONE);
			return;
		}
	}
}

static void on_peer(uv_poll_t *poll, int status, int events)
{
	struct dataplane_socket *s = poll->data;

	(void)events;
	if (status < 0)
		drop_peer(s, DATAPLANE_LOST_GONE);
	else
		read_peer(s);
}

static bool holds_lock(const struct dataplane_socket *s, int fd)
{
	char text[SL_LOCK_TEXT_SIZE], wanted[SL_LOCK_TEXT_SIZE];
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	sl_lock_holder(s->lock_fd, SL_LOCK_DEVICE, text, sizeof(text));
	snprintf(wanted, sizeof(wanted), "pid %d", (int)peer.pid);
	return strcmp(text, wanted) == 0;
}

static void on_connect(uv_poll_t *poll, int status, int events)
{
	struct dataplane_socket *s = poll->data;
	const int fd = status < 0 ? -1 : accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return;
	if (s->lock_fd >= 0 && !holds_lock(s, fd)) {
		close(fd);
		return;
	}
	read_peer(s); /* a peer that has died is gone after this */
	if (s->peer_fd >= 0) {
		close(fd);
		s->events.trouble(s->events.ctx, "dataplane.sock: a second forwarder connected; refused");
		return;
	}
	s->peer_poll = calloc(1, sizeof(*s->peer_poll));
	if (!s->peer_poll || uv_poll_init(poll->loop, s->peer_poll, fd) < 0) {
		free(s->peer_poll);
		s->peer_poll = NULL;
		close(fd);
		return;
	}
	s->peer_poll->data = s;
	s->peer_fd = fd;
	s->state = PEER_NONE;
	uv_poll_start(s->peer_poll, UV_READABLE, on_peer);
}

static void on_absent(uv_timer_t *timer)
{
	struct dataplane_socket *s = timer->data;

	s->events.lost(s->events.ctx, DATAPLANE_LOST_ABSENT);
}

/* ---- what sluiced asks -------------------------------------------------------------------------- */

void dataplane_socket_offer(struct dataplane_socket *s)
{
	s->offering = true;
	if (s->state == PEER_WANTING)
		offer(s);
}

void dataplane_socket_release(struct dataplane_socket *s)
{
	s->offering = false;
	if (s->peer_fd >= 0 && (s->state == PEER_HOLDING || s->state == PEER_OFFERED))
		say(s, SL_DEVICE_RELEASE, -1);
}

bool dataplane_socket_is_held(const struct dataplane_socket *s)
{
	return s->state == PEER_HOLDING;
}

/* ---- lifetime ----------------------------------------------------------------------------------- */

static int listen_at(struct dataplane_socket *s, gid_t group, struct error_text *reterr)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int err;

	s->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->listen_fd < 0)
		return error_text_set(reterr, -errno, "%s: cannot make a socket: %s", s->path,
				      strerror(errno));
	memcpy(address.sun_path, s->path, sizeof(address.sun_path));
	unlink(s->path);
	if (bind(s->listen_fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    (group == (gid_t)-1 || chown(s->path, (uid_t)-1, group) == 0) && chmod(s->path, 0660) == 0 &&
	    listen(s->listen_fd, BACKLOG) == 0)
		return 0;
	err = error_text_set(reterr, -errno, "%s: cannot listen: %s", s->path, strerror(errno));
	close(s->listen_fd);
	return err;
}

int dataplane_socket_create(uv_loop_t *loop, struct netlink *nl,
			    const struct dataplane_socket_options *options,
			    const struct dataplane_socket_events *events,
			    struct dataplane_socket **ret_socket, struct error_text *reterr)
{
	struct dataplane_socket *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return error_text_set(reterr, -ENOMEM, "no memory for dataplane.sock");
	s->nl = nl;
	s->events = *events;
	s->session = options->session;
	s->lock_fd = options->lock_fd;
	s->peer_fd = -1;
	err = -ENAMETOOLONG;
	if (strlen(options->path) >= sizeof(s->path) || strlen(options->device) >= sizeof(s->device)) {
		error_text_set(reterr, err, "%s, %s: too long for a socket's or a device's name",
			       options->path, options->device);
		goto free;
	}
	strcpy(s->path, options->path);
	strcpy(s->device, options->device);
	err = listen_at(s, options->group, reterr);
	if (err < 0)
		goto free;
	err = uv_poll_init(loop, &s->listen_poll, s->listen_fd);
	if (err < 0) {
		error_text_set(reterr, err, "%s: cannot watch it: %s", s->path, uv_strerror(err));
		goto close;
	}
	uv_timer_init(loop, &s->absent);
	uv_timer_init(loop, &s->retry);
	s->open_handles = 3;
	s->listen_poll.data = s;
	s->absent.data = s;
	s->retry.data = s;
	uv_poll_start(&s->listen_poll, UV_READABLE, on_connect);
	uv_timer_start(&s->absent, on_absent, ABSENT_MS, 0);
	*ret_socket = s;
	return 0;
close:
	close(s->listen_fd);
	unlink(s->path);
free:
	free(s);
	return err;
}

static void on_closed(uv_handle_t *handle)
{
	struct dataplane_socket *s = handle->data;

	if (--s->open_handles == 0)
		free(s);
}

static void ignore_lost(void *ctx, enum dataplane_lost why)
{
	(void)ctx;
	(void)why;
}

void dataplane_socket_destroy(struct dataplane_socket *s)
{
	if (!s)
		return;
	s->events.lost = ignore_lost; /* it holds the device on; who destroys this knows */
	unlink(s->path); /* first, so that the peer does not reconnect to what is about to close */
	uv_poll_stop(&s->listen_poll);
	close(s->listen_fd);
	drop_peer(s, DATAPLANE_LOST_GONE);
	uv_close((uv_handle_t *)&s->listen_poll, on_closed);
	uv_close((uv_handle_t *)&s->absent, on_closed);
	uv_close((uv_handle_t *)&s->retry, on_closed);
}
