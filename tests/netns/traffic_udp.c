/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * traffic-udp: questions to a VIP from fixed source ports, and who answered. dns: every question stands for
 * itself. sticky: a port's backend must stay the same for ever. quic: the same, but a port begins anew now
 * and then with an Initial, and any backend may have it then. One thread; commands on stdin, each answered
 * by one line of JSON: report, mark (count anew, and only questions sent from now on).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "traffic.h"

enum { EVENTS = 256, NAMES = 32 };

enum kind { KIND_DNS, KIND_STICKY, KIND_QUIC, KIND_COUNT };

struct port {
	int fd;
	uint8_t name;      /* in client.names + 1; 0: not answered yet */
	uint64_t asked;    /* when last */
	uint64_t began, ends;
	uint32_t sequence; /* of the last question */
	uint32_t first;    /* the sequence that this flow began with: older answers are of the one before */
};

struct client {
	enum kind kind;
	const char *from_text, *to_text, *port_text;
	unsigned int first_port, count, rate;
	uint64_t window_ms, seed, drawn;
	uint64_t begin, sent, marked, marked_sent, breaks;
	uint64_t now;
	int epoll;
	struct port *ports;
	unsigned int name_count;
	char names[NAMES][TRAFFIC_NAME];
	uint64_t answers[NAMES];
};

static const char *const kind_names[KIND_COUNT] = { "dns", "sticky", "quic" };

static uint64_t draw(struct client *client, uint64_t limit)
{
	return traffic_word(client->seed, TRAFFIC_UP, ++client->drawn) % limit;
}

static void report(const struct client *client, const char *what)
{
	const char *comma = "";
	uint64_t all = 0;

	for (unsigned int i = 0; i < client->name_count; i++)
		all += client->answers[i];
	printf("{\"answer\": \"%s\", \"t\": %llu, \"questions\": %llu, \"answers\": %llu, \"breaks\": %llu, \"backends\": {",
	       what, (unsigned long long)client->now, (unsigned long long)(client->sent - client->marked_sent),
	       (unsigned long long)all, (unsigned long long)client->breaks);
	for (unsigned int i = 0; i < client->name_count; i++) {
		printf("%s\"%s\": %llu", comma, client->names[i], (unsigned long long)client->answers[i]);
		comma = ", ";
	}
	printf("}}\n");
}

static bool take_commands(struct client *client)
{
	char lines[256], *rest = lines, *line;
	ssize_t got = read(STDIN_FILENO, lines, sizeof(lines) - 1);

	if (got <= 0)
		return false;
	lines[got] = '\0';
	while ((line = strsep(&rest, "\n"))) {
		if (!strcmp(line, "mark")) {
			memset(client->answers, 0, sizeof(client->answers));
			client->marked = client->now;
			client->marked_sent = client->sent;
			report(client, "mark");
		} else if (!strcmp(line, "report")) {
			report(client, "report");
		}
	}
	fflush(stdout);
	return true;
}

/* The next question of a port; a quic flow whose life is over begins anew. */
static void ask(struct client *client, struct port *port)
{
	struct {
		uint8_t quic[TRAFFIC_QUIC];
		struct traffic_datagram question;
	} packet = { .quic = { 0x40 } }; /* a short header: RFC 9000 17.3 */
	const bool anew = client->kind == KIND_QUIC && client->now >= port->ends;

	port->asked = client->now;
	port->sequence++;
	if (anew) {
		packet.quic[0] = 0xc0; /* Initial of version 1: RFC 9000 17.2.2 */
		packet.quic[4] = 1;
		port->first = port->sequence;
		port->name = 0;
		port->began = client->now;
		port->ends = client->now + client->window_ms * 3 / 10 + draw(client, client->window_ms * 12 / 10);
	}
	packet.question = (struct traffic_datagram){ .magic = TRAFFIC_MAGIC, .sequence = port->sequence,
						     .sent_ms = client->now };
	client->sent++;
	if (client->kind == KIND_QUIC)
		send(port->fd, &packet, sizeof(packet), MSG_NOSIGNAL);
	else
		send(port->fd, &packet.question, sizeof(packet.question), MSG_NOSIGNAL);
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

static void take(struct client *client, struct port *port)
{
	struct traffic_datagram answer;
	uint8_t name;

	if (recv(port->fd, &answer, sizeof(answer), 0) != (ssize_t)sizeof(answer) || answer.magic != TRAFFIC_MAGIC)
		return; /* an ICMP error is taken so, too: who answers is what counts */
	name = name_of(client, answer.name);
	if (name && answer.sent_ms >= client->marked)
		client->answers[name - 1]++;
	if (client->kind == KIND_DNS || answer.sequence < port->first)
		return;
	if (port->name && port->name != name) {
		client->breaks++;
		printf("{\"break\": \"moved\", \"t\": %llu, \"port\": %u, \"kind\": \"%s\", \"phase\": \"open\", \"backend\": \"%s\", "
		       "\"now\": \"%s\", \"age_ms\": %llu, \"history\": []}\n", (unsigned long long)client->now,
		       client->first_port + (unsigned int)(port - client->ports), kind_names[client->kind],
		       client->names[port->name - 1], name ? client->names[name - 1] : "",
		       (unsigned long long)(client->now - port->began));
	}
	port->name = name;
}

static void run(struct client *client)
{
	struct epoll_event events[EVENTS], event = { .events = EPOLLIN, .data.ptr = NULL };

	epoll_ctl(client->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event);
	for (;;) {
		int count = epoll_wait(client->epoll, events, EVENTS, TRAFFIC_TICK_MS / 2);
		uint64_t due;

		client->now = traffic_now_ms();
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr)
				take(client, events[i].data.ptr);
			else if (!take_commands(client))
				return;
		}
		due = (client->now - client->begin) * client->rate / 1000;
		if (due > client->sent + client->rate) /* stopped for a second: what was missed is not made up for */
			client->begin = client->now - client->sent * 1000 / client->rate;
		while (client->sent < due)
			ask(client, &client->ports[client->sent % client->count]);
		fflush(stdout);
	}
}

static struct addrinfo *resolve(const char *host, const char *port)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM };
	struct addrinfo *found = NULL;

	return getaddrinfo(host, port, &hints, &found) ? NULL : found;
}

static int open_port(struct client *client, unsigned int number, const struct addrinfo *to)
{
	struct port *port = &client->ports[number];
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = port };
	struct addrinfo *from;
	char text[8];
	int error = 0;

	snprintf(text, sizeof(text), "%u", client->first_port + number);
	from = resolve(client->from_text, text);
	port->fd = socket(to->ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (!from || port->fd < 0 || bind(port->fd, from->ai_addr, from->ai_addrlen) < 0 ||
	    connect(port->fd, to->ai_addr, to->ai_addrlen) < 0 ||
	    epoll_ctl(client->epoll, EPOLL_CTL_ADD, port->fd, &event) < 0)
		error = -errno;
	if (from)
		freeaddrinfo(from);
	return error;
}

static int parse_options(int argc, char **argv, struct client *client)
{
	static const struct option names[] = {
		{ "from", 1, 0, 'f' },  { "to", 1, 0, 't' },        { "port", 1, 0, 'p' }, { "first-port", 1, 0, 's' },
		{ "count", 1, 0, 'n' }, { "window-ms", 1, 0, 'w' }, { "rate", 1, 0, 'r' }, { "seed", 1, 0, 'e' },
		{ "kind", 1, 0, 'k' },  { 0 },
	};
	int c;

	*client = (struct client){ .port_text = "53", .first_port = 20000, .count = 1000, .rate = 1000,
				   .window_ms = 8000 };
	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 'f': client->from_text = optarg; break;
		case 't': client->to_text = optarg; break;
		case 'p': client->port_text = optarg; break;
		case 's': client->first_port = (unsigned int)strtoul(optarg, NULL, 10); break;
		case 'n': client->count = (unsigned int)strtoul(optarg, NULL, 10); break;
		case 'w': client->window_ms = strtoull(optarg, NULL, 10); break;
		case 'r': client->rate = (unsigned int)strtoul(optarg, NULL, 10); break;
		case 'e': client->seed = strtoull(optarg, NULL, 10); break;
		case 'k':
			while (client->kind < KIND_COUNT && strcmp(optarg, kind_names[client->kind]))
				client->kind++;
			break;
		default: return -EINVAL;
		}
	}
	return client->kind == KIND_COUNT || !client->from_text || !client->to_text || !client->count || !client->rate ||
	       !client->window_ms || client->first_port + client->count > 65536 ? -EINVAL : 0;
}

int main(int argc, char **argv)
{
	static struct client client;
	const struct rlimit files = { 200000, 200000 };
	struct addrinfo *to;
	int error = 0;

	if (parse_options(argc, argv, &client) < 0) {
		fprintf(stderr, "use: traffic-udp --kind dns|sticky|quic --from ADDRESS --to ADDRESS [--port N] "
				"[--first-port N] [--count N] [--rate N] [--window-ms N] [--seed N]\n");
		return 2;
	}
	setrlimit(RLIMIT_NOFILE, &files);
	to = resolve(client.to_text, client.port_text);
	client.epoll = epoll_create1(EPOLL_CLOEXEC);
	client.ports = calloc(client.count, sizeof(*client.ports));
	for (unsigned int i = 0; to && client.ports && !error && i < client.count; i++)
		error = open_port(&client, i, to);
	if (!to || !client.ports || error) {
		fprintf(stderr, "traffic-udp: cannot ask %s from %s: %s\n", client.to_text, client.from_text,
			strerror(-error));
		return 2;
	}
	client.begin = traffic_now_ms();
	run(&client);
	return client.breaks ? 1 : 0;
}
