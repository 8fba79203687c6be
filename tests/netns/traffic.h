/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What traffic-client and traffic-server say to each other, and the byte streams both verify. Both run on
 * one machine: integers are in its byte order. Times are milliseconds of CLOCK_MONOTONIC.
 *
 *   server   traffic_hello                            once, before anything else
 *   client   traffic_request, `up` bytes              any number of times
 *   server   traffic_answer, `down` bytes             to each request, once its bytes are there
 *
 * A hello names the server and this one connection of it (nonce), and every answer repeats the nonce: a
 * stream that goes on elsewhere, or begins anew, is noticed by its first byte. UDP: one traffic_datagram
 * each way, filled to the length asked for.
 */
#ifndef TRAFFIC_H
#define TRAFFIC_H

#include <stdint.h>
#include <string.h>
#include <time.h>

enum {
	TRAFFIC_MAGIC = 0x534c5452,
	TRAFFIC_NAME = 16,  /* bytes of a server's name, with the zero */
	TRAFFIC_CHUNK = 16384,
	TRAFFIC_TICK_MS = 20,
	TRAFFIC_STEPS = 64, /* parts that bytes over time are sent in */
	TRAFFIC_QUIC = 8,   /* bytes of a QUIC header before the datagram, when a client plays QUIC */
};

enum traffic_direction { TRAFFIC_UP = 1, TRAFFIC_DOWN = 2 };

enum traffic_request_flag { TRAFFIC_LAST = 1 /* the server closes after its answer */ };

struct traffic_hello {
	uint32_t magic;
	uint32_t zero;
	uint64_t nonce;
	char name[TRAFFIC_NAME];
};

struct traffic_request {
	uint32_t magic;
	uint32_t flags;     /* enum traffic_request_flag */
	uint64_t id;        /* of the connection: seeds both streams */
	uint64_t nonce;     /* the server's */
	uint32_t up, down;  /* bytes that follow, bytes of the answer */
	uint32_t spread_ms; /* the answer's bytes are sent evenly over this time */
	uint32_t zero;
};

struct traffic_answer {
	uint32_t magic;
	uint32_t down;
	uint64_t nonce;
};

struct traffic_datagram {
	uint32_t magic;
	uint32_t sequence;
	uint64_t sent_ms;
	char name[TRAFFIC_NAME]; /* empty in a question */
};

/* 8 bytes of a stream (splitmix64's finish, so that no two streams or places look alike). */
static inline uint64_t traffic_word(uint64_t id, enum traffic_direction direction, uint64_t word)
{
	uint64_t x = id * 4 + (uint64_t)direction + word * 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

/* The bytes of a stream from `offset` on. */
static inline void traffic_fill(uint8_t *bytes, size_t len, uint64_t id, enum traffic_direction direction,
				uint64_t offset)
{
	uint64_t word = 0;

	for (size_t i = 0; i < len; i++, offset++) {
		if (i == 0 || (offset & 7) == 0)
			word = traffic_word(id, direction, offset >> 3);
		bytes[i] = (uint8_t)(word >> (offset & 7) * 8);
	}
}

/* True when these are the bytes of the stream from `offset` on. */
static inline int traffic_is(const uint8_t *bytes, size_t len, uint64_t id, enum traffic_direction direction,
			     uint64_t offset)
{
	static uint8_t wanted[TRAFFIC_CHUNK];

	for (size_t part; len > 0; bytes += part, len -= part, offset += part) {
		part = len < sizeof(wanted) ? len : sizeof(wanted);
		traffic_fill(wanted, part, id, direction, offset);
		if (memcmp(bytes, wanted, part))
			return 0;
	}
	return 1;
}

static inline uint64_t traffic_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* How many of `total` bytes are due `passed_ms` after the first, when they take `spread_ms` in equal steps. */
static inline uint32_t traffic_due(uint32_t total, uint64_t passed_ms, uint32_t spread_ms)
{
	return passed_ms >= spread_ms ? total
				      : (uint32_t)(total / TRAFFIC_STEPS * (passed_ms * TRAFFIC_STEPS / spread_ms));
}

#endif
