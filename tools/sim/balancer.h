/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One simulated balancer: the real configuration, model, tables, ring, snapshot and forwarding core, with
 * the scenario in place of probes, netlink and operators.
 */
#ifndef TOOLS_SIM_BALANCER_H
#define TOOLS_SIM_BALANCER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "forwarder.h"
#include "scenario.h"

struct balancer;

struct balancer_options {
	const char *config;
	const char *key_file; /* NULL: the configuration's, else the key of the manual */
	const struct scenario *scenario;
	FILE *errors; /* one line for each thing that goes wrong; the configuration's messages */
};

/* What became of one packet. Pointers are valid until the next call. */
struct balancer_result {
	enum sl_verdict verdict; /* or FORWARDER_WAITS: balancer_next() has it later */
	const struct sl_packet *pkt;
	const char *service, *pool, *backend; /* NULL: none was chosen */
	const char *base;                     /* the open row's; NULL: the row is not open, or nobody */
	bool open;                            /* the row led elsewhere lately */
	uint32_t flow_counts;                 /* flow counters that it moved: bits 1 << enum sl_flow_counter */
	const char *in, *out;                 /* ports; out NULL: it does not leave */
	uint32_t out_frames, out_length;      /* how many leave, bytes of all of them */
	uint64_t generation;                  /* of the state it was forwarded by */
};

/* 0; -EINVAL after messages (a wrong file, key or name); or another -errno after a message. */
int balancer_create(const struct balancer_options *options, struct balancer **ret_balancer);
void balancer_destroy(struct balancer *balancer); /* NULL is fine */
/* Carries out one event; takes effect with balancer_settle(). Errors as above. */
int balancer_event(struct balancer *balancer, const struct scenario_event *event);
/* Brings all events so far, and what time alone changed, into force as one generation; now_ns never goes back. */
int balancer_settle(struct balancer *balancer, uint64_t now_ns);
/* When time alone changes something next: settle then. UINT64_MAX: never. */
uint64_t balancer_due_ns(const struct balancer *balancer);
void balancer_packet(struct balancer *balancer, const uint8_t *frame, uint32_t captured, uint32_t frame_len,
		     uint64_t now_ns, struct balancer_result *ret_result);
/* A fragment that waited, number *ret_number of the packets so far; as forwarder_next(). */
bool balancer_next(struct balancer *balancer, uint64_t now_ns, uint64_t *ret_number, struct balancer_result *ret_result);
void balancer_give_up(struct balancer *balancer); /* as forwarder_give_up() */
/* The state in force, until the next balancer_settle(), and the ports. */
const struct snapshot *balancer_snapshot(const struct balancer *balancer);
const struct sl_port *balancer_ports(const struct balancer *balancer, size_t *ret_count);
uint16_t balancer_receive_port(const struct balancer *balancer);
/* The frames of the last packet, if it leaves; as forwarder_frame(). */
bool balancer_frame(struct balancer *balancer, unsigned int index, struct forwarder_frame *ret_frame);

#endif
