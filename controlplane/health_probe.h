/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of health.h, shared by health.c (rhythm and results of a probe) and health_set.c (which
 * probes there are). Nobody else includes it.
 */
#ifndef CONTROLPLANE_HEALTH_PROBE_H
#define CONTROLPLANE_HEALTH_PROBE_H

#include "health.h"

enum { HEALTH_KINDS = 3 }; /* of enum config_check_type */

/* Freed when its timer has closed. */
struct health_probe {
	struct check_run run;
	struct config_check check; /* own copy, strings included */
	struct backend_state state;
	struct health *health;
	uv_timer_t timer;   /* waiting: until the next probe; running: the time limit */
	bool running;
	bool late;          /* the time limit passed: one more turn of the loop, in case it was us who slept */
	bool heard;         /* has a first result, or an adopted status */
	bool troubled;      /* the last probe could not leave */
	uint32_t number;    /* its place in the spread */
	uint32_t users;     /* targets that share it */
	uint32_t wanted;    /* the same, while health_set() counts */
	uint32_t passes, failures; /* in a row */
	uint32_t latency_us;
	enum check_result result;
	int detail;
	uint64_t next_slot; /* of the grid */
	uint64_t sent_ns;
	uint64_t sent;
	uint64_t result_ms; /* loop time of the last result */
	uint64_t since_ms;  /* loop time of the last change */
};

struct health {
	uv_loop_t *loop;
	struct health_events events;
	struct check_engine *engines[HEALTH_KINDS]; /* made when first needed */
	struct health_probe **probes;             
	size_t count;
	size_t pending;
	uint32_t next_number;
	uint64_t base_ms; /* where the grid begins */
};

/* Arms a new probe. `rank` of `count` begin together: 1000 first probes a second, more when intervals are short. */
void health_probe_begin(struct health_probe *probe, size_t rank, size_t count);
/* Ends a probe that was begun; it is freed when its timer has closed. */
void health_probe_stop(struct health_probe *probe);
/* Frees a probe that was never begun. */
void health_probe_free(struct health_probe *probe);

#endif
