/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP connect: passes when the three-way handshake completes. The connection ends with RST (SO_LINGER
 * 0), so neither side keeps TIME_WAIT: at 500 probes a second it would be 30,000 of them.
 */
#include "check.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct check_engine {
	uv_loop_t *loop;
};

/* One connection attempt. Freed by the loop when its handle has closed: it may outlive its run. */
struct tcp_run {
	uv_poll_t poll;
	struct check_run *run;
	int fd;
};

static int tcp_create(uv_loop_t *loop, struct check_engine **ret_engine)
{
	struct check_engine *engine = malloc(sizeof(*engine));

	if (engine == NULL)
		return -ENOMEM;
	engine->loop = loop;
	*ret_engine = engine;
	return 0;
}

static void tcp_destroy(struct check_engine *engine)
{
	free(engine);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* The handle leaves epoll at once, so the descriptor may close before the handle's callback. */
static void tcp_end(struct tcp_run *tcp)
{
	tcp->run->impl = NULL;
	uv_close((uv_handle_t *)&tcp->poll, on_closed);
	close(tcp->fd);
}

static void on_writable(uv_poll_t *poll, int status, int events)
{
	struct tcp_run *tcp = poll->data;
	struct check_run *run = tcp->run;
	int err = 0;
	socklen_t len = sizeof(err);

	(void)status; /* an error shows in SO_ERROR */
	(void)events;
	if (getsockopt(tcp->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	tcp_end(tcp);
	run->done(run, check_result_of_errno(err), err);
}

static socklen_t sockaddr_of(const struct sl_addr *addr, uint16_t port, struct sockaddr_storage *ret_sa)
{
	memset(ret_sa, 0, sizeof(*ret_sa));
	if (sl_addr_is_v4(addr)) {
		struct sockaddr_in *in = (struct sockaddr_in *)ret_sa;

		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		in->sin_addr.s_addr = addr->w[3];
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_sa;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, addr->b, sizeof(in6->sin6_addr));
	return sizeof(*in6);
}

static int tcp_start(struct check_engine *engine, struct check_run *run)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	struct sockaddr_storage sa;
	const socklen_t len = sockaddr_of(&run->address, run->port, &sa);
	struct tcp_run *tcp = malloc(sizeof(*tcp));
	int err;

	if (tcp == NULL)
		return -ENOMEM;
	tcp->run = run;
	tcp->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (tcp->fd < 0) {
		err = -errno;
		goto free_tcp;
	}
	setsockopt(tcp->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	/* 0 (answered at once, on loopback) is reported by the poll too: done never comes from start. */
	if (connect(tcp->fd, (const struct sockaddr *)&sa, len) < 0 && errno != EINPROGRESS) {
		err = -errno;
		goto close_fd;
	}
	err = uv_poll_init(engine->loop, &tcp->poll, tcp->fd);
	if (err < 0)
		goto close_fd;
	tcp->poll.data = tcp;
	uv_poll_start(&tcp->poll, UV_WRITABLE, on_writable); /* cannot fail with a valid mask */
	run->impl = tcp;
	return 0;

close_fd:
	close(tcp->fd);
free_tcp:
	free(tcp);
	return err;
}

static void tcp_cancel(struct check_engine *engine, struct check_run *run)
{
	(void)engine;
	tcp_end(run->impl);
}

const struct check_kind check_tcp = {
	.name = "tcp",
	.create = tcp_create,
	.destroy = tcp_destroy,
	.start = tcp_start,
	.cancel = tcp_cancel,
};
