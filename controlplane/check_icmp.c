/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP and ICMPv6 echo: passes when the target returns our identifier, sequence and cookie. One socket
 * a family for all probes: raw with CAP_NET_RAW, else a ping socket where the kernel permits one
 * (net.ipv4.ping_group_range). A family whose socket cannot be had fails its probes with that reason.
 */
#include "check.h"

#include <assert.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	ECHO_RUNS_MAX = 65536, /* under way at once: the sequence number is the index of the run */
	ECHO_READ_MAX = 64,    /* messages taken per wakeup, so that a flood of pings starves nobody */
	ECHO_RCVBUF = 1 << 20,
};

/* ICMP and ICMPv6 agree on these eight bytes (RFC 792, RFC 4443 4.1); the cookie is our payload. */
struct echo {
	uint8_t type;
	uint8_t code;
	uint16_t checksum;
	uint16_t ident_be;
	uint16_t sequence_be;
	uint64_t cookie; /* random per engine, plus the number of the probe: an old answer never matches */
};
static_assert(sizeof(struct echo) == 16, "the message as sent");

/* One address family. Freed when its handle has closed. */
struct echo_family {
	uv_poll_t poll;
	struct check_engine *engine;
	int fd;
	bool raw;
	bool v6;
};

struct echo_run {
	struct check_run *run;
	uint64_t cookie;
	uint16_t sequence;
};

struct check_engine {
	uv_loop_t *loop;
	struct echo_family *family[2]; /* IPv4, IPv6; NULL: see family_error */
	int family_error[2];
	uint16_t ident;
	uint16_t next_sequence;
	uint64_t next_cookie;
	struct echo_run *runs[ECHO_RUNS_MAX]; /* by sequence; untouched pages cost nothing */
};

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static bool echo_matches(const struct echo_family *family, const struct echo *echo, const struct sl_addr *from)
{
	const struct check_engine *engine = family->engine;
	const struct echo_run *echo_run = engine->runs[ntohs(echo->sequence_be)];

	/* A ping socket rewrites the identifier and only gets its own answers. */
	return echo->type == (family->v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) && echo->code == 0 &&
	       (!family->raw || echo->ident_be == htons(engine->ident)) && echo_run != NULL &&
	       echo->cookie == echo_run->cookie && sl_addr_equal(from, &echo_run->run->address);
}

static struct check_run *echo_end(struct check_engine *engine, struct echo_run *echo_run)
{
	struct check_run *run = echo_run->run;

	engine->runs[echo_run->sequence] = NULL;
	run->impl = NULL;
	free(echo_run);
	return run;
}

/* Returns 0 when a message was taken from the socket, or -errno. */
static int family_read(struct echo_family *family)
{
	uint8_t packet[128]; /* the longest IPv4 header and our message */
	struct sockaddr_storage sa;
	socklen_t sa_len = sizeof(sa);
	struct sl_addr from;
	struct check_run *run;
	struct echo echo;
	size_t skip = 0;
	ssize_t len;

	len = recvfrom(family->fd, packet, sizeof(packet), MSG_DONTWAIT, (struct sockaddr *)&sa, &sa_len);
	if (len < 0)
		return -errno;
	if (family->raw && !family->v6) /* IPv4 raw sockets deliver the IP header */
		skip = len > 0 ? (packet[0] & 0x0fu) * 4u : 0;
	if ((size_t)len < skip + sizeof(echo))
		return 0;
	memcpy(&echo, packet + skip, sizeof(echo));
	if (family->v6)
		memcpy(from.b, &((struct sockaddr_in6 *)&sa)->sin6_addr, sizeof(from.b));
	else
		from = sl_addr_from_v4(((struct sockaddr_in *)&sa)->sin_addr.s_addr);
	if (!echo_matches(family, &echo, &from))
		return 0;
	run = echo_end(family->engine, family->engine->runs[ntohs(echo.sequence_be)]);
	run->done(run, CHECK_PASS, 0);
	return 0;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct echo_family *family = poll->data;

	(void)status;
	(void)events;
	for (int i = 0; i < ECHO_READ_MAX; i++) {
		int err = family_read(family);

		/* An error of the socket (a probe's ICMP unreachable) is taken by reading it. */
		if (err == -EAGAIN || err == -EBADF || err == -ENOMEM)
			break;
	}
}

/* Lets echo replies through and nothing else: a raw socket sees every ICMP message of the machine. */
static void family_filter(const struct echo_family *family)
{
	const int size = ECHO_RCVBUF;

	if (family->raw && family->v6) {
		struct icmp6_filter filter;

		ICMP6_FILTER_SETBLOCKALL(&filter);
		ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
		setsockopt(family->fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter));
	} else if (family->raw) {
		const uint32_t blocked = ~(1u << ICMP_ECHOREPLY);

		setsockopt(family->fd, SOL_RAW, 1 /* ICMP_FILTER, in no libc header */, &blocked, sizeof(blocked));
	}
	setsockopt(family->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

static int family_open(struct check_engine *engine, bool v6, struct echo_family **ret_family)
{
	const int domain = v6 ? AF_INET6 : AF_INET;
	const int proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	const int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
	struct echo_family *family = calloc(1, sizeof(*family));
	int err;

	if (family == NULL)
		return -ENOMEM;
	family->engine = engine;
	family->v6 = v6;
	family->raw = true;
	family->fd = socket(domain, SOCK_RAW | flags, proto);
	if (family->fd < 0 && (errno == EPERM || errno == EACCES)) {
		family->raw = false;
		family->fd = socket(domain, SOCK_DGRAM | flags, proto);
	}
	if (family->fd < 0) {
		err = -errno;
		goto free_family;
	}
	family_filter(family);
	err = uv_poll_init(engine->loop, &family->poll, family->fd);
	if (err < 0)
		goto close_fd;
	family->poll.data = family;
	uv_poll_start(&family->poll, UV_READABLE, on_readable);
	*ret_family = family;
	return 0;

close_fd:
	close(family->fd);
free_family:
	free(family);
	return err;
}

static int icmp_create(uv_loop_t *loop, struct check_engine **ret_engine)
{
	struct check_engine *engine = calloc(1, sizeof(*engine));

	if (engine == NULL)
		return -ENOMEM;
	engine->loop = loop;
	if (getrandom(&engine->ident, sizeof(engine->ident), 0) < 0 ||
	    getrandom(&engine->next_cookie, sizeof(engine->next_cookie), 0) < 0) {
		free(engine);
		return -EIO;
	}
	for (int i = 0; i < 2; i++)
		engine->family_error[i] = family_open(engine, i == 1, &engine->family[i]);
	*ret_engine = engine;
	return 0;
}

static void icmp_destroy(struct check_engine *engine)
{
	for (int i = 0; i < 2; i++) {
		if (engine->family[i] == NULL)
			continue;
		uv_close((uv_handle_t *)&engine->family[i]->poll, on_closed);
		close(engine->family[i]->fd);
	}
	free(engine);
}

/* RFC 1071 over the message. ICMPv6 and ping sockets: the kernel does it. */
static uint16_t echo_checksum(const struct echo *echo)
{
	uint16_t words[sizeof(*echo) / 2];
	uint32_t sum = 0;

	memcpy(words, echo, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~((sum & 0xffff) + (sum >> 16));
}

static int echo_send(struct check_engine *engine, const struct echo_family *family, const struct echo_run *echo_run)
{
	struct echo echo = {
		.type = family->v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO,
		.ident_be = htons(engine->ident),
		.sequence_be = htons(echo_run->sequence),
		.cookie = echo_run->cookie,
	};
	const struct sl_addr *to = &echo_run->run->address;
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = to->w[3]};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	ssize_t sent;

	memcpy(&in6.sin6_addr, to->b, sizeof(in6.sin6_addr));
	echo.checksum = echo_checksum(&echo);
	if (family->v6)
		sent = sendto(family->fd, &echo, sizeof(echo), 0, (struct sockaddr *)&in6, sizeof(in6));
	else
		sent = sendto(family->fd, &echo, sizeof(echo), 0, (struct sockaddr *)&in, sizeof(in));
	return sent < 0 ? -errno : 0;
}

static int icmp_start(struct check_engine *engine, struct check_run *run)
{
	const int index = sl_addr_is_v4(&run->address) ? 0 : 1;
	const struct echo_family *family = engine->family[index];
	struct echo_run *echo_run;
	int err;

	if (family == NULL)
		return engine->family_error[index] == -EACCES ? -EPERM : engine->family_error[index];
	for (int i = 0; i < ECHO_RUNS_MAX && engine->runs[engine->next_sequence] != NULL; i++)
		engine->next_sequence++;
	if (engine->runs[engine->next_sequence] != NULL)
		return -EBUSY;
	echo_run = malloc(sizeof(*echo_run));
	if (echo_run == NULL)
		return -ENOMEM;
	echo_run->run = run;
	echo_run->sequence = engine->next_sequence++;
	echo_run->cookie = engine->next_cookie++;
	err = echo_send(engine, family, echo_run);
	if (err < 0) {
		free(echo_run);
		return err;
	}
	engine->runs[echo_run->sequence] = echo_run;
	run->impl = echo_run;
	return 0;
}

static void icmp_cancel(struct check_engine *engine, struct check_run *run)
{
	echo_end(engine, run->impl);
}

const struct check_kind check_icmp = {
	.name = "icmp",
	.create = icmp_create,
	.destroy = icmp_destroy,
	.start = icmp_start,
	.cancel = icmp_cancel,
};
