/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * traffic-client: keeps thousands of TCP connections to a VIP from fixed source ports, of several kinds at
 * once, and says on stdout in one line of JSON when one of them breaks. One thread; commands on stdin, each
 * answered by one line: report, list, verify (every connection asks now), leave BACKEND, burst, stop.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "traffic_connection.h"

enum { EVENTS = 512 };

struct options {
	const char *from, *to, *port;
	unsigned int first_port, rate;
	unsigned int mix[KIND_COUNT];
};

uint64_t client_draw(struct client *client, uint64_t limit)
{
	return limit ? traffic_word(client->seed, TRAFFIC_UP, ++client->drawn) % limit : 0;
}

static const char *name_text(const struct client *client, uint8_t name)
{
	return name ? client->names[name - 1] : "";
}

static void print_history(const struct client *client, const struct connection *c)
{
	static const char *const what[] = { "connect", "connected", "hello", "ask", "answer", "end", "break" };
	const char *comma = "";

	printf("\"history\": [");
	for (uint32_t i = c->events > HISTORY ? c->events - HISTORY : 0; i < c->events; i++) {
		const struct event *event = &c->history[i % HISTORY];

		printf("%s[%llu, \"%s\", \"%s\"]", comma, (unsigned long long)event->t, what[event->what],
		       name_text(client, event->name));
		comma = ", ";
	}
	printf("]");
}

void client_report_break(struct client *client, const struct connection *c, const char *what)
{
	const uint64_t active = c->sent > c->seen ? c->sent : c->seen;

	printf("{\"break\": \"%s\", \"t\": %llu, \"port\": %u, \"id\": %llu, \"kind\": \"%s\", \"phase\": \"%s\", "
	       "\"backend\": \"%s\", \"age_ms\": %llu, \"idle_ms\": %llu, \"turn\": %u, ",
	       what, (unsigned long long)client->now, c->port, (unsigned long long)c->id, kind_names[c->kind],
	       c->state == STATE_OPEN ? "open" : "connect", name_text(client, c->name),
	       (unsigned long long)(client->now - c->began), (unsigned long long)(client->now - active), c->turn);
	print_history(client, c);
	printf("}\n");
}

static void report(const struct client *client)
{
	unsigned int open = 0, verified = 0, idle = 0, per_name[NAMES + 1] = { 0 };
	const char *comma = "";

	for (unsigned int i = 0; i < client->count; i++) {
		const struct connection *c = &client->connections[i];

		open += c->state == STATE_OPEN && c->nonce;
		idle += c->state == STATE_IDLE;
		verified += connection_verified(client, c);
		if (c->state == STATE_OPEN)
			per_name[c->name]++;
	}
	printf("{\"answer\": \"report\", \"t\": %llu, \"open\": %u, \"connecting\": %u, \"verified\": %u, \"begun\": %llu, "
	       "\"ended\": %llu, \"answers\": %llu, \"received\": %llu, \"breaks\": %llu, \"backends\": {",
	       (unsigned long long)client->now, open, client->count - idle - open, verified,
	       (unsigned long long)client->begun, (unsigned long long)client->ended,
	       (unsigned long long)client->answers, (unsigned long long)client->received,
	       (unsigned long long)client->breaks);
	for (unsigned int name = 0; name < client->name_count; name++) {
		printf("%s\"%s\": %u", comma, client->names[name], per_name[name + 1]);
		comma = ", ";
	}
	printf("}}\n");
}

static void list(const struct client *client)
{
	const char *comma = "";

	printf("{\"answer\": \"list\", \"t\": %llu, \"connections\": [", (unsigned long long)client->now);
	for (unsigned int i = 0; i < client->count; i++) {
		const struct connection *c = &client->connections[i];

		if (c->state != STATE_OPEN || !c->nonce)
			continue;
		printf("%s[%u, \"%s\", \"%s\", %llu]", comma, c->port, kind_names[c->kind], name_text(client, c->name),
		       (unsigned long long)c->began);
		comma = ", ";
	}
	printf("]}\n");
}

/* Every connection that waits for nothing asks within half a second. */
static void verify(struct client *client)
{
	client->verify = client->now;
	for (unsigned int i = 0; i < client->count; i++) {
		struct connection *c = &client->connections[i];

		if (c->state == STATE_OPEN && c->nonce && !c->asked && !c->last)
			c->due = client->now + client_draw(client, 500);
	}
	printf("{\"answer\": \"verify\", \"t\": %llu}\n", (unsigned long long)client->now);
}

/* Every connection of this backend ends after its next answer; its port begins anew. "" is every backend. */
static void leave(struct client *client, const char *name)
{
	for (unsigned int i = 0; i < client->count; i++) {
		struct connection *c = &client->connections[i];

		if (c->state == STATE_OPEN && c->nonce && (!*name || !strcmp(name_text(client, c->name), name)))
			c->ends = client->now;
	}
	printf("{\"answer\": \"leave %s\", \"t\": %llu}\n", name, (unsigned long long)client->now);
}

static void burst(struct client *client)
{
	for (unsigned int i = 0; i < client->count; i++)
		if (client->connections[i].kind == KIND_BURST && client->connections[i].due == UINT64_MAX)
			client->connections[i].due = client->now;
	printf("{\"answer\": \"burst\", \"t\": %llu}\n", (unsigned long long)client->now);
}

/* False at the end of stdin: whoever started this is gone. */
static bool take_commands(struct client *client)
{
	char lines[256], *rest = lines, *line;
	ssize_t got = read(STDIN_FILENO, lines, sizeof(lines) - 1);

	if (got <= 0)
		return false;
	lines[got] = '\0';
	while ((line = strsep(&rest, "\n"))) {
		if (!strcmp(line, "report"))
			report(client);
		else if (!strcmp(line, "list"))
			list(client);
		else if (!strcmp(line, "verify"))
			verify(client);
		else if (!strcmp(line, "burst"))
			burst(client);
		else if (!strncmp(line, "leave ", 6))
			leave(client, line + 6);
		else if (!strcmp(line, "stop"))
			client->stopping = true;
	}
	fflush(stdout);
	return true;
}

static void run(struct client *client)
{
	struct epoll_event events[EVENTS], event = { .events = EPOLLIN, .data.ptr = NULL };
	uint64_t next_tick = 0;

	epoll_ctl(client->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event);
	while (!client->stopping) {
		uint64_t now = traffic_now_ms();
		int count = epoll_wait(client->epoll, events, EVENTS, now < next_tick ? (int)(next_tick - now) : 0);

		client->now = traffic_now_ms();
		for (int i = 0; i < count; i++) {
			struct connection *c = events[i].data.ptr;

			if (c)
				connection_ready(client, c, events[i].events);
			else if (!take_commands(client))
				return;
		}
		if (client->now < next_tick)
			continue;
		for (unsigned int i = 0; i < client->count; i++)
			connection_tick(client, &client->connections[i]);
		next_tick = client->now + TRAFFIC_TICK_MS;
		fflush(stdout);
	}
	report(client);
}

/* "steady=800,silent=400": how many of each kind. */
static int parse_mix(char *text, unsigned int mix[KIND_COUNT])
{
	char *word;

	while ((word = strsep(&text, ","))) {
		char *count = strchr(word, '=');
		unsigned int kind = 0;

		if (!count)
			return -EINVAL;
		*count++ = '\0';
		while (kind < KIND_COUNT && strcmp(word, kind_names[kind]))
			kind++;
		if (kind == KIND_COUNT)
			return -EINVAL;
		mix[kind] = (unsigned int)strtoul(count, NULL, 10);
	}
	return 0;
}

static int parse_options(int argc, char **argv, struct client *client, struct options *options)
{
	static const struct option names[] = {
		{ "from", 1, 0, 'f' }, { "to", 1, 0, 't' },        { "port", 1, 0, 'p' },       { "first-port", 1, 0, 's' },
		{ "mix", 1, 0, 'm' },  { "window-ms", 1, 0, 'w' }, { "timeout-ms", 1, 0, 'o' }, { "rate", 1, 0, 'r' },
		{ "seed", 1, 0, 'e' }, { 0 },
	};
	int c, error = 0;

	*options = (struct options){ .port = "8000", .first_port = 20000, .rate = 1000 };
	client->window_ms = 8000;
	client->timeout_ms = 15000;
	while (!error && (c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 'f': options->from = optarg; break;
		case 't': options->to = optarg; break;
		case 'p': options->port = optarg; break;
		case 's': options->first_port = (unsigned int)strtoul(optarg, NULL, 10); break;
		case 'm': error = parse_mix(optarg, options->mix); break;
		case 'w': client->window_ms = strtoull(optarg, NULL, 10); break;
		case 'o': client->timeout_ms = strtoull(optarg, NULL, 10); break;
		case 'r': options->rate = (unsigned int)strtoul(optarg, NULL, 10); break;
		case 'e': client->seed = strtoull(optarg, NULL, 10); break;
		default: return -EINVAL;
		}
	}
	for (unsigned int kind = 0; kind < KIND_COUNT; kind++)
		client->count += options->mix[kind];
	return error || !options->from || !options->to || !options->rate || !client->count || !client->window_ms ||
	       options->first_port + client->count > 65536 ? -EINVAL : 0;
}

/* The kinds are dealt like cards, so that any range of ports has all of them. */
static int make_connections(struct client *client, struct options *options)
{
	const uint64_t now = traffic_now_ms();

	client->connections = calloc(client->count, sizeof(*client->connections));
	if (!client->connections)
		return -ENOMEM;
	for (unsigned int i = 0, kind = 0; i < client->count; i++) {
		while (!options->mix[kind = (kind + 1) % KIND_COUNT])
			;
		options->mix[kind]--;
		connection_init(&client->connections[i], (enum kind)kind, (uint16_t)(options->first_port + i),
				kind == KIND_BURST ? UINT64_MAX : now + (uint64_t)i * 1000 / options->rate);
	}
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
	const struct rlimit files = { 200000, 200000 };
	struct options options;

	if (parse_options(argc, argv, &client, &options) < 0) {
		fprintf(stderr, "use: traffic-client --from ADDRESS --to ADDRESS --mix steady=N,silent=N,download=N,"
				"upload=N,short=N,turn=N,burst=N [--port N] [--first-port N] [--window-ms N] "
				"[--timeout-ms N] [--rate N] [--seed N]\n");
		return 2;
	}
	setrlimit(RLIMIT_NOFILE, &files);
	client.from = resolve(options.from, "0");
	client.to = resolve(options.to, options.port);
	client.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!client.from || !client.to || client.epoll < 0 || make_connections(&client, &options) < 0) {
		fprintf(stderr, "traffic-client: --from and --to take addresses, --port a number: %s\n", strerror(errno));
		return 2;
	}
	run(&client);
	return client.breaks ? 1 : 0;
}
