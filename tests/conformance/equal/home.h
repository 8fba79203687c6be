/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A home of the forwarding core as the comparison sees it: state, time and packets go in, and everything that can
 * be seen from outside comes out. Each home is one static object of its file; one thread.
 */
#ifndef TESTS_CONFORMANCE_EQUAL_HOME_H
#define TESTS_CONFORMANCE_EQUAL_HOME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/snapshot.h"
#include "sluice/abi.h"

enum {
	HOME_PORTS_MAX = 3,
	HOME_SERVICES_MAX = 64,
	HOME_BACKENDS_MAX = 512,
	HOME_BRIEF_S = 10, /* shorter than the shortest life of a connection that is drawn */
	HOME_FRAME_MAX = 9300, /* bytes of a frame that goes in */
};

/* By what packets are forwarded from now on. Everything stays until the next one is given. */
struct home_state {
	const struct snapshot *snapshot;
	const struct sl_port *ports;
	size_t port_count;
	uint16_t receive; /* the port that all packets come in by */
};

struct home_packet {
	const uint8_t *bytes;
	uint32_t len;
	uint32_t id; /* in this episode */
	/* What packet cases say beside: 0 is as usual. */
	uint32_t readable;   /* bytes in the first buffer */
	uint32_t headroom;   /* bytes in front of it, plus 1 */
	bool checksum_known; /* the NIC found the IPv4 header's checksum to be right */
};

struct home_verdict {
	uint32_t id;
	uint32_t verdict; /* enum sl_verdict */
};

/* Frames that left by one port, each as its length and its bytes. */
struct home_sent {
	uint8_t *bytes;
	size_t len, room;
};

/* What was seen since home_log_clear(): verdicts in the order in which they were reached. */
struct home_log {
	struct home_verdict *verdict;
	size_t verdicts, room;
	struct home_sent sent[HOME_PORTS_MAX];
};

/* Since begin(). */
struct home_counts {
	uint64_t verdict[SL_VERDICT_SLOTS];
	uint64_t flow[SL_FLOW_COUNTERS];
	struct sl_counter service[HOME_SERVICES_MAX];
	struct sl_counter backend[HOME_BACKENDS_MAX];
};

struct home {
	const char *name;
	bool waits; /* fragments ahead of their first one wait, and packets leave in parts; else they are dropped */
	uint32_t longest, shortest;                  /* frames that it can be given */
	bool has_buffers;                            /* it can be given home_packet.readable and headroom */
	bool counts_late;                            /* reading counters takes long: once an episode */
	int (*start)(void);                          /* once; 0 or -errno after a message */
	/* Nothing is remembered, all counters are 0. `brief`: all of it takes less than HOME_BRIEF_S. */
	int (*begin)(bool brief);
	void (*use)(const struct home_state *state);
	void (*pass)(uint64_t now_ns, struct home_log *log); /* time went on, what was due happens */
	void (*burst)(const struct home_packet *packets, unsigned int count, uint64_t now_ns, struct home_log *log);
	void (*counts)(struct home_counts *ret_counts);
	/* The memory of connections is given one as of the last pass(), `flags` SL_FLOW_IS_*; SL_SLOT_NONE: it has
	 * none. NULL: not here. */
	void (*remember)(uint64_t tag, uint16_t slot, uint8_t flags);
	bool (*pressure)(void);                      /* the memory of connections is too full to be compared */
};

/* Mistakes that a home makes on purpose, so that the comparison is seen to find them. */
enum home_plant {
	HOME_PLANT_NONE = 0,
	HOME_PLANT_BYTE,   /* a bit of the outer header is wrong where the inner packet has a TOS */
	HOME_PLANT_MEMORY, /* connections are forgotten with each change */
	HOME_PLANT_COUNT,  /* one counter is wrong for fragments that follow */
};
extern enum home_plant home_plant; /* home_worker.c and home_xdp.c do it */
/* HOME_PLANT_BYTE on a frame that leaves. */
void home_plant_byte(uint8_t *frame, uint32_t len);

extern const struct home home_sim_waits, home_sim_drops, home_worker, home_xdp;

void home_log_verdict(struct home_log *log, uint32_t id, enum sl_verdict verdict);
/* A frame of which `captured` bytes are there. */
void home_log_frame(struct home_log *log, uint16_t port, const uint8_t *bytes, uint32_t len);
void home_log_clear(struct home_log *log);
void home_log_free(struct home_log *log);

#endif
