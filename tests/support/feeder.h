/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Plays sluiced for tests of sluice-dp: makes a runtime directory with a real dataplane.shm and states
 * one service with some backends through the real publisher. Tests only; asserts instead of failing.
 */
#ifndef TESTS_SUPPORT_FEEDER_H
#define TESTS_SUPPORT_FEEDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sluice/abi.h"

enum { FEEDER_ROWS = 101, FEEDER_PORT = 80 };

struct feeder_conf {
	const char *dir;        /* <runtime>/<instance>; made when missing */
	struct sl_boot boot;
	struct sl_addr vip;
	uint8_t proto;
	unsigned int backends;  /* backend b: slot b, MAC 02:00:00:00:01:b, rows b, b + backends, ... */
	enum sl_mode mode;
	uint16_t out_port;      /* port index the backends are behind */
	struct sl_addr backend_addr, outer_src; /* mode ipip: all backends have this address */
	uint32_t services_max;  /* capacity of the file; 0: 8 */
	uint64_t numbering;     /* of the settings; 0: none, so no file of connections belongs to them */
	enum sl_tracking tracking;
};

struct feeder;

/* Writes a new file (an earlier one is replaced, as a restarted sluiced does) and states generation 1. */
struct feeder *feeder_create(const struct feeder_conf *conf);
/* Gives all rows to the first `backends` backends and commits. */
void feeder_use(struct feeder *feeder, unsigned int backends);
/* Moves records both ways for `ms`, or until `generation` is applied. Returns whether it is. */
bool feeder_pump(struct feeder *feeder, uint64_t generation, int ms);
uint64_t feeder_generation(const struct feeder *feeder); /* last committed */
unsigned int feeder_hellos(const struct feeder *feeder);
const struct sl_shm_live *feeder_live(const struct feeder *feeder);
const struct sl_worker_stats *feeder_worker(const struct feeder *feeder, unsigned int worker);
/* Over all workers. */
uint64_t feeder_verdict(const struct feeder *feeder, enum sl_verdict verdict);
uint64_t feeder_received(const struct feeder *feeder);
uint64_t feeder_verdict_sum(const struct feeder *feeder);
struct sl_counter feeder_service(const struct feeder *feeder, unsigned int service);
struct sl_counter feeder_backend(const struct feeder *feeder, unsigned int backend);
/* Goes as a killed sluiced does: the file stays. */
void feeder_destroy(struct feeder *feeder);

#endif
