/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lab's HTTP client: one request per connection, each from a source port of the caller's choice,
 * so that a run can be predicted flow by flow. One line per request on stdout (CLOCK_MONOTONIC):
 *   <source-port> <start-ms> <latency-ms> <first word of the body, or error:WHAT>
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	CONCURRENT_MAX = 512, /* one pollfd each: a pass over them stays cheap */
	ANSWER_MAX = 1024,    /* nginx's header and a name are about 200 bytes */
};

struct options {
	const char *from;
	const char *to;
	const char *port;
	const char *path;
	unsigned int first_port;
	unsigned int count;
	unsigned int concurrent;
	unsigned int timeout_ms;
	unsigned int rate; /* requests a second; 0: as fast as they are answered */
};

struct request {
	int fd;
	unsigned int source_port;
	uint64_t start_ms;
	bool sent;
	size_t used;
	char answer[ANSWER_MAX];
};

struct client {
	struct options options;
	struct addrinfo *from;
	struct addrinfo *to;
	char text[512];
	uint64_t begin_ms;
	unsigned int started, running, failed;
	struct request requests[CONCURRENT_MAX];
	struct pollfd polls[CONCURRENT_MAX];
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* The word after the header, or NULL while it is not there. */
static char *body_word(struct request *request)
{
	char *body = strstr(request->answer, "\r\n\r\n");

	if (!body || !body[4])
		return NULL;
	body += 4;
	body[strcspn(body, " \r\n")] = '\0';
	return body;
}

static void finish(struct client *client, unsigned int slot, const char *error)
{
	struct request *request = &client->requests[slot];
	const char *word = error ? NULL : body_word(request);
	const struct linger abort_it = { .l_onoff = 1 };

	if (!word)
		client->failed++;
	printf("%u %llu %llu %s%s\n", request->source_port,
	       (unsigned long long)request->start_ms,
	       (unsigned long long)(now_ms() - request->start_ms), word ? "" : "error:",
	       word ? word : (error ? error : "no answer"));
	if (request->fd >= 0) {
		if (!word) /* aborted: a port left in FIN-WAIT or TIME-WAIT would fail the next round, too */
			setsockopt(request->fd, SOL_SOCKET, SO_LINGER, &abort_it, sizeof(abort_it));
		close(request->fd);
	}
	client->running--;
	if (slot != client->running) {
		client->requests[slot] = client->requests[client->running];
		client->polls[slot] = client->polls[client->running];
	}
}

static void set_port(struct sockaddr_storage *address, unsigned int port)
{
	if (address->ss_family == AF_INET)
		((struct sockaddr_in *)address)->sin_port = htons((uint16_t)port);
	else
		((struct sockaddr_in6 *)address)->sin6_port = htons((uint16_t)port);
}

static void begin(struct client *client)
{
	unsigned int slot = client->running++;
	struct request *request = &client->requests[slot];
	struct sockaddr_storage from = { 0 };
	int on = 1;

	memcpy(&from, client->from->ai_addr, client->from->ai_addrlen);
	request->source_port = client->options.first_port + client->started++;
	set_port(&from, request->source_port);
	request->start_ms = now_ms();
	request->sent = false;
	request->used = 0;
	request->answer[0] = '\0';
	request->fd = socket(client->to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (request->fd < 0) {
		finish(client, slot, strerrorname_np(errno));
		return;
	}
	setsockopt(request->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(request->fd, (struct sockaddr *)&from, client->from->ai_addrlen) < 0 ||
	    (connect(request->fd, client->to->ai_addr, client->to->ai_addrlen) < 0 && errno != EINPROGRESS)) {
		finish(client, slot, strerrorname_np(errno));
		return;
	}
	client->polls[slot] = (struct pollfd){ .fd = request->fd, .events = POLLOUT };
}

static void send_request(struct client *client, unsigned int slot)
{
	struct request *request = &client->requests[slot];
	socklen_t len = sizeof(int);
	int error = 0;

	getsockopt(request->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error) {
		finish(client, slot, strerrorname_np(error));
		return;
	}
	if (send(request->fd, client->text, strlen(client->text), MSG_NOSIGNAL) < 0) {
		finish(client, slot, strerrorname_np(errno));
		return;
	}
	request->sent = true;
	client->polls[slot].events = POLLIN;
}

static void read_answer(struct client *client, unsigned int slot)
{
	struct request *request = &client->requests[slot];
	ssize_t got = recv(request->fd, request->answer + request->used, ANSWER_MAX - 1 - request->used, 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got < 0) {
		finish(client, slot, strerrorname_np(errno));
		return;
	}
	request->used += (size_t)got;
	request->answer[request->used] = '\0';
	if (got == 0 || request->used == ANSWER_MAX - 1)
		finish(client, slot, NULL); /* the server closes: the client's port is free at once */
}

static bool may_begin(const struct client *client, uint64_t now)
{
	const struct options *options = &client->options;

	if (client->started == options->count || client->running == options->concurrent)
		return false;
	return !options->rate || client->started <= (now - client->begin_ms) * options->rate / 1000;
}

static void serve(struct client *client)
{
	client->begin_ms = now_ms();
	while (client->started < client->options.count || client->running) {
		uint64_t now = now_ms();

		while (may_begin(client, now))
			begin(client);
		poll(client->polls, client->running, client->options.rate ? 1 : 20);
		now = now_ms();
		for (unsigned int slot = client->running; slot-- > 0;) {
			if (client->polls[slot].revents && !client->requests[slot].sent)
				send_request(client, slot);
			else if (client->polls[slot].revents)
				read_answer(client, slot);
			else if (now - client->requests[slot].start_ms > client->options.timeout_ms)
				finish(client, slot, "ETIMEDOUT");
		}
	}
}

static int parse_options(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{ "from", 1, 0, 'f' },  { "to", 1, 0, 't' },          { "port", 1, 0, 'p' },
		{ "path", 1, 0, 'u' },  { "first-port", 1, 0, 's' },  { "count", 1, 0, 'n' },
		{ "rate", 1, 0, 'r' },  { "concurrent", 1, 0, 'c' },  { "timeout-ms", 1, 0, 'w' }, { 0 },
	};
	int c;

	*options = (struct options){ .port = "80", .path = "/", .first_port = 20000, .count = 1,
				     .concurrent = 64, .timeout_ms = 3000 };
	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 'f': options->from = optarg; break;
		case 't': options->to = optarg; break;
		case 'p': options->port = optarg; break;
		case 'u': options->path = optarg; break;
		case 's': options->first_port = (unsigned int)strtoul(optarg, NULL, 10); break;
		case 'n': options->count = (unsigned int)strtoul(optarg, NULL, 10); break;
		case 'r': options->rate = (unsigned int)strtoul(optarg, NULL, 10); break;
		case 'c': options->concurrent = (unsigned int)strtoul(optarg, NULL, 10); break;
		case 'w': options->timeout_ms = (unsigned int)strtoul(optarg, NULL, 10); break;
		default: return -EINVAL;
		}
	}
	if (!options->from || !options->to || !options->concurrent || options->concurrent > CONCURRENT_MAX ||
	    options->first_port + options->count > 65536)
		return -EINVAL;
	return 0;
}

static struct addrinfo *resolve(const char *host, const char *port)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;

	return getaddrinfo(host, port, &hints, &found) ? NULL : found;
}

int main(int argc, char **argv)
{
	static struct client client;

	if (parse_options(argc, argv, &client.options) < 0) {
		fprintf(stderr, "use: lab-fetch --from ADDRESS --to ADDRESS [--port N] [--path P] [--first-port N] "
				"[--count N] [--concurrent N <= %d] [--timeout-ms N] [--rate N]\n", CONCURRENT_MAX);
		return 2;
	}
	client.from = resolve(client.options.from, "0");
	client.to = resolve(client.options.to, client.options.port);
	if (!client.from || !client.to) {
		fprintf(stderr, "lab-fetch: --from and --to take addresses, --port a number\n");
		return 2;
	}
	snprintf(client.text, sizeof(client.text), "GET %s HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n",
		 client.options.path);
	serve(&client);
	freeaddrinfo(client.from);
	freeaddrinfo(client.to);
	return client.failed ? 1 : 0;
}
