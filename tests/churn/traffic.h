/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections of the churn simulation: when they start, when they speak, when they end, as the mix of
 * selection.md 1 has it. Knows nothing of balancers: each packet is handed to the caller, who says where it
 * went. A timing wheel of one millisecond a slot; one thread.
 */
#ifndef TESTS_CHURN_TRAFFIC_H
#define TESTS_CHURN_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

enum traffic_kind { TRAFFIC_WEB = 0, TRAFFIC_LONG, TRAFFIC_IDLE, TRAFFIC_QUIC, TRAFFIC_UDP, TRAFFIC_KIND_COUNT };

/* What one packet is. */
enum traffic_packet {
	TRAFFIC_START = 0, /* SYN, or the first QUIC Initial, or a UDP flow's first datagram */
	TRAFFIC_AGAIN,     /* the second QUIC Initial */
	TRAFFIC_SHAKE,     /* the handshake's last packet: TCP's ACK, or QUIC's first with a short header */
	TRAFFIC_DATA,
	TRAFFIC_END,       /* FIN, for TCP */
};

enum { TRAFFIC_NOBODY = 0xffff };

struct traffic_flow {
	uint32_t address;    /* the client's IPv4 address, host order */
	uint16_t port;
	uint8_t kind;        /* enum traffic_kind */
	uint8_t next_packet; /* enum traffic_packet */
	uint16_t owner;      /* backend that has the socket; TRAFFIC_NOBODY: none yet */
	uint8_t balancer;    /* the caller's */
	uint8_t moved;       /* the caller's: it came over from another balancer */
	uint32_t life;       /* of the owner when it took the connection: a crash ends all of one life */
	uint8_t lucky;       /* the caller's: why it was forgotten, and reached its backend all the same */
	uint64_t last_ms, due_ms, end_ms;
	uint64_t broken_ms;  /* one of the same ports broke then, and no FIN told; 0: none did */
	uint32_t next;       /* in its slot of the wheel, or free; 0: none */
};

struct traffic;

struct traffic_options {
	uint64_t seed;
	double starts_per_second;
	uint32_t flows_max;        /* at once; more: starts are skipped and counted */
	/* One packet. Returns false when the connection is over (broken, refused): it ends at once. */
	bool (*packet)(void *ctx, struct traffic_flow *flow, enum traffic_packet packet, uint64_t now_ms);
	void *ctx;
};

int traffic_create(const struct traffic_options *options, struct traffic **ret_traffic); /* 0 or -ENOMEM */
void traffic_destroy(struct traffic *traffic); /* NULL is fine */
/* Hands out every packet due before `until_ms`, in order of time. */
void traffic_run(struct traffic *traffic, uint64_t until_ms);
uint64_t traffic_started(const struct traffic *traffic);
uint64_t traffic_skipped(const struct traffic *traffic); /* starts that found no memory */
uint32_t traffic_open(const struct traffic *traffic);
/* Calls `visit` for every open connection. */
void traffic_each(struct traffic *traffic, void (*visit)(void *ctx, struct traffic_flow *flow), void *ctx);

/* 64 random bits; the state may be anything but 0. */
static inline uint64_t traffic_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dull;
}

#endif
