/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of one connection: connect, hello, requests and answers, end; then the same port again. Whatever
 * is not as traffic.h says is a break, reported once; the port begins anew a second later.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "traffic_connection.h"

enum { AGAIN_MS = 1000 /* after a break: what the old backend still sends is gone by then */ };

const char *const kind_names[KIND_COUNT] = { "steady", "silent", "download", "upload", "short", "turn", "burst" };

static void note(struct client *client, struct connection *c, enum what what)
{
	c->history[c->events++ % HISTORY] = (struct event){ .t = client->now, .what = (uint8_t)what, .name = c->name };
}

void connection_init(struct connection *c, enum kind kind, uint16_t port, uint64_t due)
{
	*c = (struct connection){ .fd = -1, .kind = (uint8_t)kind, .port = port, .due = due };
}

bool connection_verified(const struct client *client, const struct connection *c)
{
	return c->state == STATE_OPEN && c->seen >= client->verify;
}

static void close_socket(struct connection *c, bool abort_it)
{
	const struct linger now = { .l_onoff = 1 };

	if (abort_it)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(c->fd);
	c->fd = -1;
	c->state = STATE_IDLE;
}

static void broken(struct client *client, struct connection *c, const char *what)
{
	note(client, c, WHAT_BREAK);
	client->breaks++;
	client_report_break(client, c, what);
	close_socket(c, true);
	c->due = client->now + AGAIN_MS;
}


static void begin(struct client *client, struct connection *c)
{
	struct sockaddr_storage from = { 0 };
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.ptr = c };
	int on = 1;

	memcpy(&from, client->from->ai_addr, client->from->ai_addrlen);
	if (from.ss_family == AF_INET)
		((struct sockaddr_in *)&from)->sin_port = htons(c->port);
	else
		((struct sockaddr_in6 *)&from)->sin6_port = htons(c->port);
	c->id = client->seed << 48 ^ (uint64_t)c->port << 32 ^ ++c->turn;
	c->name = 0;
	c->nonce = 0;
	c->asked = c->last = false;
	c->used = 0;
	c->down_left = 0;
	c->up_offset = c->down_offset = 0;
	c->began = c->sent = c->seen = client->now;
	c->ends = c->kind == KIND_TURN
			  ? client->now + client->window_ms * 3 / 10 + client_draw(client, client->window_ms * 12 / 10) : 0;
	c->state = STATE_CONNECTING;
	client->begun++;
	note(client, c, WHAT_CONNECT);
	c->fd = socket(client->to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(c->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(c->fd, (struct sockaddr *)&from, client->from->ai_addrlen) == 0 &&
	    (connect(c->fd, client->to->ai_addr, client->to->ai_addrlen) == 0 || errno == EINPROGRESS) &&
	    epoll_ctl(client->epoll, EPOLL_CTL_ADD, c->fd, &event) == 0)
		return;
	if (errno != EADDRNOTAVAIL) {
		broken(client, c, strerrorname_np(errno)); /* the client's own trouble, and it should not pass unseen */
		return;
	}
	client->begun--; /* the last acknowledgement of the one before is not there yet: at the next tick */
	c->events--;
	close_socket(c, false);
}

/* An upload sees no answer for long: what its backend acknowledged counts as seen. */
static void see_acknowledged(const struct client *client, struct connection *c)
{
	int unacknowledged;

	if (c->kind == KIND_UPLOAD && c->up_sent && !ioctl(c->fd, SIOCOUTQ, &unacknowledged) && !unacknowledged)
		c->seen = client->now;
}

/* As it should: the port is free for the next one. After an abort that may follow at once, in the RST's tracks. */
static void ended(struct client *client, struct connection *c, bool abort_it)
{
	note(client, c, WHAT_END);
	client->ended++;
	close_socket(c, abort_it);
	if (abort_it && client_draw(client, 2))
		begin(client, c);
	else
		c->due = client->now + client_draw(client, client->window_ms / (c->kind == KIND_SHORT ? 2 : 8));
}

/* Sends what is due of the request; true unless the connection broke. */
static bool send_due(struct client *client, struct connection *c)
{
	const uint8_t *header = (const uint8_t *)&c->request;
	const uint32_t due = c->kind == KIND_UPLOAD && !c->last ? traffic_due(c->request.up, client->now - c->asked_at,
								  (uint32_t)client->window_ms * 3) : c->request.up;
	ssize_t sent = 0;

	see_acknowledged(client, c);
	while (c->header_sent < sizeof(c->request) || c->up_sent < due) {
		const bool head = c->header_sent < sizeof(c->request);
		uint32_t part = due - c->up_sent < TRAFFIC_CHUNK ? due - c->up_sent : TRAFFIC_CHUNK;

		if (!head)
			traffic_fill(client->bytes, part, c->id, TRAFFIC_UP, c->up_offset);
		sent = head ? send(c->fd, header + c->header_sent, sizeof(c->request) - c->header_sent,
				   MSG_NOSIGNAL | (due ? MSG_MORE : 0))
			    : send(c->fd, client->bytes, part, MSG_NOSIGNAL);
		if (sent < 0)
			break;
		if (head) {
			c->header_sent += (uint32_t)sent;
		} else {
			c->up_sent += (uint32_t)sent;
			c->up_offset += (uint64_t)sent;
		}
		c->sent = client->now;
	}
	if (sent < 0 && errno != EAGAIN) {
		broken(client, c, strerrorname_np(errno));
		return false;
	}
	return true;
}

static void ask(struct client *client, struct connection *c)
{
	struct traffic_request *request = &c->request;

	c->last = c->kind == KIND_SHORT || (c->ends && client->now >= c->ends);
	*request = (struct traffic_request){ .magic = TRAFFIC_MAGIC, .flags = c->last ? TRAFFIC_LAST : 0, .id = c->id,
					     .nonce = c->nonce, .up = 100, .down = 400 };
	if (c->kind == KIND_DOWNLOAD && !c->last) {
		request->down = 96 * 1024;
		request->spread_ms = (uint32_t)client->window_ms * 3;
	} else if (c->kind == KIND_UPLOAD && !c->last) {
		request->up = 96 * 1024;
	}
	c->asked = true;
	c->asked_at = client->now;
	c->header_sent = c->up_sent = c->used = 0;
	c->down_left = 0;
	note(client, c, WHAT_ASK);
	send_due(client, c);
}

/* When the next request is due after an answer. */
static uint64_t gap(struct client *client, const struct connection *c)
{
	const uint64_t window = client->window_ms;

	if (c->kind == KIND_SILENT)
		return window * 8 / 10;
	if (c->kind == KIND_DOWNLOAD || c->kind == KIND_UPLOAD)
		return window / 20;
	return window / 8 + client_draw(client, window / 4);
}

static void answered(struct client *client, struct connection *c)
{
	note(client, c, WHAT_ANSWER);
	client->answers++;
	c->asked = false;
	c->used = 0;
	if (c->last && client_draw(client, 4) == 0)
		ended(client, c, true);
	else if (!c->last) /* else the server closes, and that ends it */
		c->due = client->now + gap(client, c);
}

static uint8_t name_of(struct client *client, const char *name)
{
	for (unsigned int i = 0; i < client->name_count; i++)
		if (!strncmp(client->names[i], name, TRAFFIC_NAME - 1))
			return (uint8_t)(i + 1);
	if (client->name_count == NAMES)
		return 0;
	memcpy(client->names[client->name_count], name, TRAFFIC_NAME - 1);
	return (uint8_t)++client->name_count;
}

/* A hello or the head of an answer is there. */
static void take_head(struct client *client, struct connection *c)
{
	const struct traffic_hello *hello = (const struct traffic_hello *)c->head;
	const struct traffic_answer *answer = (const struct traffic_answer *)c->head;

	if (!c->nonce) {
		if (hello->magic != TRAFFIC_MAGIC || !hello->nonce) {
			broken(client, c, "no hello");
			return;
		}
		c->nonce = hello->nonce;
		c->name = name_of(client, hello->name);
		c->used = 0;
		c->due = client->now; /* the first request at once */
		note(client, c, WHAT_HELLO);
		return;
	}
	if (!c->asked || c->up_sent != c->request.up) {
		broken(client, c, "an answer nobody asked for");
	} else if (answer->magic != TRAFFIC_MAGIC || answer->nonce != c->nonce || answer->down != c->request.down) {
		broken(client, c, "an answer of another stream");
	} else {
		c->down_left = answer->down;
		if (!c->down_left)
			answered(client, c);
	}
}

static void receive(struct client *client, struct connection *c)
{
	const bool body = c->down_left > 0;
	const uint32_t head = !c->nonce ? sizeof(struct traffic_hello) : sizeof(struct traffic_answer);
	uint8_t *to = body ? client->bytes : c->head + c->used;
	size_t room = body ? (c->down_left < TRAFFIC_CHUNK ? c->down_left : TRAFFIC_CHUNK) : head - c->used;
	ssize_t got = recv(c->fd, to, room, 0);

	if (got < 0 && errno == EAGAIN)
		return;
	if (got == 0 && c->last && !c->asked) {
		ended(client, c, false);
		return;
	}
	if (got <= 0) {
		broken(client, c, got == 0 ? "end of stream" : strerrorname_np(errno));
		return;
	}
	c->seen = client->now;
	client->received += (uint64_t)got;
	if (!body) {
		c->used += (uint32_t)got;
		if (c->used == head)
			take_head(client, c);
		return;
	}
	if (!traffic_is(client->bytes, (size_t)got, c->id, TRAFFIC_DOWN, c->down_offset)) {
		broken(client, c, "wrong bytes");
		return;
	}
	c->down_offset += (uint64_t)got;
	c->down_left -= (uint32_t)got;
	if (!c->down_left)
		answered(client, c);
}

void connection_ready(struct client *client, struct connection *c, uint32_t events)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
	socklen_t len = sizeof(int);
	int error = 0;

	if (c->state == STATE_CONNECTING && events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
		if (error) {
			broken(client, c, strerrorname_np(error));
			return;
		}
		c->state = STATE_OPEN;
		c->due = UINT64_MAX; /* after the hello */
		c->seen = client->now;
		note(client, c, WHAT_ANSWERED);
		epoll_ctl(client->epoll, EPOLL_CTL_MOD, c->fd, &event);
	}
	if (c->state == STATE_OPEN && events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		receive(client, c);
}

/* True while something must come from the other end. */
static bool waits(const struct connection *c)
{
	return c->state == STATE_CONNECTING || !c->nonce || c->asked || c->last;
}

void connection_tick(struct client *client, struct connection *c)
{
	const bool upload = c->kind == KIND_UPLOAD && c->state == STATE_OPEN;
	const uint64_t step = c->kind == KIND_DOWNLOAD || upload ? client->window_ms * 3 / TRAFFIC_STEPS : 0;
	const uint64_t since = c->seen > c->sent || upload ? c->seen : c->sent;

	if (c->state == STATE_IDLE) {
		if (!client->stopping && client->now >= c->due)
			begin(client, c);
		return;
	}
	if (c->state == STATE_OPEN && c->asked && !send_due(client, c))
		return;
	if (waits(c)) {
		if (client->now > since + client->timeout_ms + step)
			broken(client, c, c->state == STATE_CONNECTING ? "no answer to SYN" : "silence");
	} else if (client->now >= c->due) {
		ask(client, c);
	}
}
