/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection of traffic-client after another from the same source port: what it does, what it must see,
 * and what became of it. Everything is of one thread. Times are milliseconds of CLOCK_MONOTONIC.
 */
#ifndef TRAFFIC_CONNECTION_H
#define TRAFFIC_CONNECTION_H

#include <netdb.h>
#include <stdbool.h>

#include "traffic.h"

enum { HISTORY = 12, NAMES = 32 };

/* What a connection does with its time; W is the window of --window-ms. */
enum kind {
	KIND_STEADY,   /* a request every W/4 or so, for ever */
	KIND_SILENT,   /* nothing for 0.8 W, then one request, again and again */
	KIND_DOWNLOAD, /* one answer lasts three windows, then the next */
	KIND_UPLOAD,   /* one request lasts three windows, then the next */
	KIND_SHORT,    /* one request; closed by the server, sometimes aborted; anew from the same port soon after */
	KIND_TURN,     /* as steady for 0.3 to 1.5 W, then closed and anew from the same port */
	KIND_BURST,    /* begins at the command `burst`, then as steady */
	KIND_COUNT,
};

enum what { WHAT_CONNECT, WHAT_ANSWERED, WHAT_HELLO, WHAT_ASK, WHAT_ANSWER, WHAT_END, WHAT_BREAK };

struct event {
	uint64_t t;
	uint8_t what;
	uint8_t name; /* of the backend, in client.names; 0: not known */
};

enum state { STATE_IDLE, STATE_CONNECTING, STATE_OPEN };

struct connection {
	int fd;
	uint8_t kind, state;
	uint8_t name;        /* as in struct event */
	bool asked;          /* a request is under way */
	bool last;           /* it is the connection's last */
	uint16_t port;
	uint32_t turn;       /* how many began from this port */
	uint32_t events;     /* how many there were; the last HISTORY are kept */
	uint64_t id, nonce;
	uint64_t due;        /* of what comes next: begin, or ask */
	uint64_t began, ends; /* ends: when its life is over, 0: never */
	uint64_t asked_at;
	uint64_t sent, seen; /* when something was last sent, last received */
	struct traffic_request request;
	uint32_t header_sent, up_sent, down_left;
	uint64_t up_offset, down_offset;
	uint32_t used;       /* bytes of `head` */
	uint8_t head[sizeof(struct traffic_hello)] __attribute__((aligned(8)));
	struct event history[HISTORY];
};

struct client {
	struct addrinfo *from, *to;
	uint64_t window_ms, timeout_ms;
	uint64_t seed, drawn;
	uint64_t verify;     /* when the last `verify` came */
	uint64_t now;        /* of this pass */
	bool stopping;
	int epoll;
	uint64_t begun, ended, answers, breaks, received;
	unsigned int name_count;
	char names[NAMES][TRAFFIC_NAME];
	struct connection *connections;
	unsigned int count;
	uint8_t bytes[TRAFFIC_CHUNK] __attribute__((aligned(8)));
};

extern const char *const kind_names[KIND_COUNT];

/* A connection that is to begin at `due` (UINT64_MAX: not before it is told to). */
void connection_init(struct connection *c, enum kind kind, uint16_t port, uint64_t due);
/* What time asks for: begin, ask, go on with an upload, notice that nothing comes. */
void connection_tick(struct client *client, struct connection *c);
/* What epoll saw. */
void connection_ready(struct client *client, struct connection *c, uint32_t events);
/* True when something came since the last `verify`. */
bool connection_verified(const struct client *client, const struct connection *c);

/* A number below `limit`, by the seed. */
uint64_t client_draw(struct client *client, uint64_t limit);
/* One line of JSON about a connection that broke. traffic_client.c. */
void client_report_break(struct client *client, const struct connection *c, const char *what);

#endif
