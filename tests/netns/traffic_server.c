/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * traffic-server: a backend of the scenarios. Answers TCP requests and UDP questions on the VIPs as traffic.h
 * says, and health probes on a port of their own, so that probes can fail while the backend works. One
 * thread; commands on stdin: "probes on", "probes off". What is wrong with a stream is one line on stdout.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "traffic.h"

enum { SOCKETS_MAX = 16, EVENTS = 256, BACKLOG = 4096 };

enum role { ROLE_COMMANDS, ROLE_TCP, ROLE_UDP, ROLE_PROBE, ROLE_PROBED, ROLE_CONNECTION };

/* Whatever epoll watches begins with this. */
struct watched {
	enum role role;
	int fd;
};

struct connection {
	struct watched watched;
	struct connection *next, **link; /* in the list of those with bytes to send */
	uint64_t id, nonce;
	uint64_t up_offset, down_offset;
	uint64_t began_ms;               /* of the answer */
	uint32_t up_left, down, down_sent;
	uint32_t used;                   /* bytes of `request` that are there */
	bool answering;
	struct traffic_request request;
};

struct server {
	const char *name;
	int epoll;
	bool probes;
	uint64_t nonce;
	struct watched sockets[SOCKETS_MAX];
	unsigned int socket_count;
	struct connection *senders;
	uint8_t bytes[TRAFFIC_CHUNK] __attribute__((aligned(8)));
};

static void watch(struct server *server, struct watched *watched)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = watched };

	if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, watched->fd, &event) < 0) {
		fprintf(stderr, "traffic-server: epoll: %s\n", strerror(errno));
		exit(1);
	}
}

static void unlink_sender(struct connection *c)
{
	if (!c->link)
		return;
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	c->link = NULL;
}

static void drop(struct connection *c)
{
	unlink_sender(c);
	close(c->watched.fd);
	free(c);
}

static void wrong(const struct server *server, struct connection *c, const char *what)
{
	printf("{\"wrong\": \"%s\", \"t\": %llu, \"server\": \"%s\", \"id\": %llu, \"offset\": %llu}\n", what,
	       (unsigned long long)traffic_now_ms(), server->name, (unsigned long long)c->id,
	       (unsigned long long)c->up_offset);
	drop(c);
}

static void welcome(struct server *server, int fd)
{
	struct traffic_hello hello = { .magic = TRAFFIC_MAGIC };
	struct connection *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return;
	}
	c->watched = (struct watched){ .role = ROLE_CONNECTION, .fd = fd };
	c->nonce = hello.nonce = ++server->nonce;
	snprintf(hello.name, sizeof(hello.name), "%s", server->name);
	if (send(fd, &hello, sizeof(hello), MSG_NOSIGNAL) != (ssize_t)sizeof(hello)) {
		close(fd);
		free(c);
		return;
	}
	watch(server, &c->watched);
}

static void accept_all(struct server *server, const struct watched *from)
{
	struct watched *probed;
	int fd;

	while ((fd = accept4(from->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if (from->role == ROLE_TCP) {
			welcome(server, fd);
			continue;
		}
		probed = server->probes ? malloc(sizeof(*probed)) : NULL;
		if (!probed) {
			close(fd);
			continue;
		}
		*probed = (struct watched){ .role = ROLE_PROBED, .fd = fd };
		watch(server, probed);
	}
}

/* Whatever a probe asks: yes. */
static void answer_probe(struct server *server, struct watched *probed)
{
	static const char yes[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";

	if (recv(probed->fd, server->bytes, sizeof(server->bytes), 0) > 0)
		send(probed->fd, yes, sizeof(yes) - 1, MSG_NOSIGNAL);
	close(probed->fd);
	free(probed);
}

/* The question: behind the first bytes of a QUIC header, when the client plays QUIC. */
static struct traffic_datagram *question_of(uint8_t *bytes, ssize_t len)
{
	for (ssize_t at = 0; at <= TRAFFIC_QUIC && at + (ssize_t)sizeof(struct traffic_datagram) <= len; at += TRAFFIC_QUIC) {
		struct traffic_datagram *question = (struct traffic_datagram *)(bytes + at);

		if (question->magic == TRAFFIC_MAGIC)
			return question;
	}
	return NULL;
}

static void answer_datagrams(struct server *server, int fd)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	ssize_t got;

	while ((got = recvfrom(fd, server->bytes, sizeof(server->bytes), 0, (struct sockaddr *)&from, &len)) >= 0) {
		struct traffic_datagram *question = question_of(server->bytes, got);

		if (question) {
			snprintf(question->name, sizeof(question->name), "%s", server->name);
			sendto(fd, question, sizeof(*question), MSG_NOSIGNAL, (struct sockaddr *)&from, len);
		}
		len = sizeof(from);
	}
}

static void begin_answer(struct server *server, struct connection *c)
{
	const struct traffic_answer answer = { .magic = TRAFFIC_MAGIC, .down = c->request.down, .nonce = c->nonce };

	if (send(c->watched.fd, &answer, sizeof(answer), MSG_NOSIGNAL) != (ssize_t)sizeof(answer)) {
		wrong(server, c, "an answer does not fit");
		return;
	}
	c->answering = true;
	c->began_ms = traffic_now_ms();
	c->down = c->request.down;
	c->down_sent = 0;
	c->next = server->senders;
	c->link = &server->senders;
	if (c->next)
		c->next->link = &c->next;
	server->senders = c;
}

/* Sends what is due; a full socket is tried again at the next tick. */
static void go_on(struct server *server, struct connection *c, uint64_t now)
{
	/* an answer that began in this very pass is younger than `now` */
	uint32_t due = traffic_due(c->down, now > c->began_ms ? now - c->began_ms : 0, c->request.spread_ms);

	while (c->down_sent < due) {
		uint32_t part = due - c->down_sent < TRAFFIC_CHUNK ? due - c->down_sent : TRAFFIC_CHUNK;
		ssize_t sent;

		traffic_fill(server->bytes, part, c->id, TRAFFIC_DOWN, c->down_offset);
		sent = send(c->watched.fd, server->bytes, part, MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN)
			return;
		if (sent < 0) {
			drop(c);
			return;
		}
		c->down_sent += (uint32_t)sent;
		c->down_offset += (uint64_t)sent;
	}
	if (c->down_sent < c->down)
		return;
	unlink_sender(c);
	c->answering = false;
	c->used = 0;
	if (c->request.flags & TRAFFIC_LAST)
		drop(c);
}

static void take_header(struct server *server, struct connection *c)
{
	const struct traffic_request *request = &c->request;

	if (request->magic != TRAFFIC_MAGIC || request->nonce != c->nonce || (c->id && c->id != request->id)) {
		wrong(server, c, "a request of another stream");
		return;
	}
	c->id = request->id;
	c->up_left = request->up;
	if (!c->up_left)
		begin_answer(server, c);
}

/* One read; the client does not send its next request before the answer is through. */
static void take(struct server *server, struct connection *c)
{
	const bool header = c->used < sizeof(c->request);
	uint8_t *to = header ? (uint8_t *)&c->request + c->used : server->bytes;
	const size_t room = header ? sizeof(c->request) - c->used
				   : (c->up_left < sizeof(server->bytes) ? c->up_left : sizeof(server->bytes));
	ssize_t got;

	if (c->answering || room == 0) {
		uint8_t more;

		got = recv(c->watched.fd, &more, 1, 0);
		if (got > 0)
			wrong(server, c, "bytes that nobody asked for");
		else if (got == 0 || errno != EAGAIN)
			drop(c);
		return;
	}
	got = recv(c->watched.fd, to, room, 0);
	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		drop(c);
		return;
	}
	if (header) {
		c->used += (uint32_t)got;
		if (c->used == sizeof(c->request))
			take_header(server, c);
		return;
	}
	if (!traffic_is(server->bytes, (size_t)got, c->id, TRAFFIC_UP, c->up_offset)) {
		wrong(server, c, "wrong bytes");
		return;
	}
	c->up_offset += (uint64_t)got;
	c->up_left -= (uint32_t)got;
	if (!c->up_left)
		begin_answer(server, c);
}

static void take_command(struct server *server)
{
	char line[64];
	ssize_t got = read(STDIN_FILENO, line, sizeof(line) - 1);

	if (got <= 0) {
		epoll_ctl(server->epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
		return;
	}
	line[got] = '\0';
	server->probes = !strstr(line, "probes off");
}

static void serve(struct server *server)
{
	struct epoll_event events[EVENTS];

	for (;;) {
		int count = epoll_wait(server->epoll, events, EVENTS, server->senders ? TRAFFIC_TICK_MS : 1000);
		const uint64_t now = traffic_now_ms();

		for (int i = 0; i < count; i++) {
			struct watched *watched = events[i].data.ptr;

			switch (watched->role) {
			case ROLE_COMMANDS: take_command(server); break;
			case ROLE_TCP:
			case ROLE_PROBE: accept_all(server, watched); break;
			case ROLE_UDP: answer_datagrams(server, watched->fd); break;
			case ROLE_PROBED: answer_probe(server, watched); break;
			case ROLE_CONNECTION: take(server, (struct connection *)watched); break;
			}
		}
		for (struct connection *c = server->senders, *next; c; c = next) {
			next = c->next;
			go_on(server, c, now);
		}
	}
}

/* One socket on ADDRESS and port. */
static int listen_on(struct server *server, enum role role, const char *address, const char *port)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
					.ai_socktype = role == ROLE_UDP ? SOCK_DGRAM : SOCK_STREAM };
	struct watched *watched = &server->sockets[server->socket_count];
	struct addrinfo *found;
	int on = 1, big = 4 << 20, error = 0;

	if (server->socket_count == SOCKETS_MAX || getaddrinfo(address, port, &hints, &found))
		return -EINVAL;
	*watched = (struct watched){ .role = role };
	watched->fd = socket(found->ai_family, found->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(watched->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (role == ROLE_UDP)
		setsockopt(watched->fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
	if (found->ai_family == AF_INET6)
		setsockopt(watched->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(watched->fd, found->ai_addr, found->ai_addrlen) < 0 ||
	    (role != ROLE_UDP && listen(watched->fd, BACKLOG) < 0))
		error = -errno;
	freeaddrinfo(found);
	if (error)
		return error;
	server->socket_count++;
	watch(server, watched);
	return 0;
}

static int parse_options(int argc, char **argv, struct server *server)
{
	static const struct option names[] = { { "name", 1, 0, 'n' }, { "vip", 1, 0, 'v' }, { "tcp", 1, 0, 't' },
					       { "udp", 1, 0, 'u' },  { "probe", 1, 0, 'p' }, { 0 } };
	const char *vip = NULL;
	int c, error = 0;

	while (!error && (c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 'n': server->name = optarg; break;
		case 'v': vip = optarg; break;
		case 't': error = vip ? listen_on(server, ROLE_TCP, vip, optarg) : -EINVAL; break;
		case 'u': error = vip ? listen_on(server, ROLE_UDP, vip, optarg) : -EINVAL; break;
		case 'p':
			error = listen_on(server, ROLE_PROBE, "0.0.0.0", optarg);
			error = error ? error : listen_on(server, ROLE_PROBE, "::", optarg);
			break;
		default: return -EINVAL;
		}
	}
	return error ? error : (server->name && strlen(server->name) < TRAFFIC_NAME && server->socket_count ? 0 : -EINVAL);
}

int main(int argc, char **argv)
{
	static struct server server;
	static struct watched commands = { .role = ROLE_COMMANDS, .fd = STDIN_FILENO };
	const struct rlimit files = { 200000, 200000 };
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &commands };
	int error;

	setrlimit(RLIMIT_NOFILE, &files);
	setvbuf(stdout, NULL, _IOLBF, 0);
	server.epoll = epoll_create1(EPOLL_CLOEXEC);
	server.probes = true;
	if (getrandom(&server.nonce, sizeof(server.nonce), 0) < 0)
		return 1;
	error = parse_options(argc, argv, &server);
	if (error) {
		fprintf(stderr, "traffic-server: %s; use: traffic-server --name N [--vip ADDRESS [--tcp PORT]... "
				"[--udp PORT]...]... [--probe PORT]\n", strerror(-error));
		return 2;
	}
	epoll_ctl(server.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event); /* EPERM for a file: no commands then */
	printf("{\"ready\": \"%s\"}\n", server.name);
	serve(&server);
}
