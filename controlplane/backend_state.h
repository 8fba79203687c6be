/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What probe results, the operator and the configuration make of one backend. Pure: no clock, no
 * sockets; results and elapsed times come in as arguments. When to probe is health.c's business, how
 * to probe is check_*.c's. Main thread only.
 */
#ifndef CONTROLPLANE_BACKEND_STATE_H
#define CONTROLPLANE_BACKEND_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "sluice/tables.h"

/* What probes say. */
enum backend_status { BACKEND_UNKNOWN = 0, BACKEND_UP, BACKEND_DOWN, BACKEND_STATUS_COUNT };
/* What the operator says. */
enum backend_admin { BACKEND_READY = 0, BACKEND_DRAIN, BACKEND_RETIRE, BACKEND_OFF, BACKEND_ADMIN_COUNT };

/*
 * Flap damping: the first BACKEND_FLAPS_FREE failures recover after `rise` passes; each further one
 * doubles that, up to 2^BACKEND_FLAPS_SHIFT times. BACKEND_CALM_RESULTS passes in a row while up
 * forgive one failure. Failing is never delayed.
 */
enum backend_flaps {
	BACKEND_FLAPS_FREE = 3,
	BACKEND_FLAPS_SHIFT = 3,  /* at most 8 x rise */
	BACKEND_CALM_RESULTS = 30, /* a minute of passes at the default interval of 2 s */
};

/* One per probe, owned by health.c. All zero is the start: unknown, no results. */
struct backend_state {
	enum backend_status status;
	unsigned int streak; /* results in a row that contradict status */
	unsigned int calm;   /* passes in a row while up, at most BACKEND_CALM_RESULTS */
	unsigned int flaps;  /* failures not yet forgiven, at most FREE + SHIFT */
};

/* How many results in a row change the status. Both at least 1. */
struct backend_limits {
	unsigned int rise;
	unsigned int fall;
};

/* Takes one result. Returns true when the status changed, so that a new generation is due. */
bool backend_state_update(struct backend_state *state, const struct backend_limits *limits, bool passed);
/* Passes in a row that bring a backend up that is down now: `rise`, raised by flap damping. */
unsigned int backend_state_rise(const struct backend_state *state, const struct backend_limits *limits);

/* All that the effective state depends on. */
struct backend_inputs {
	enum backend_admin admin;
	enum backend_status status;
	uint32_t weight;        /* 0 is retire */
	bool checked;           /* false: the pool has no check, its backends are up */
	bool panic;             /* the pool ignores health: too few healthy */
	bool was_up;            /* it has been up before it went down: connections may linger */
	uint64_t down_for_ms;   /* since it went down */
	uint64_t linger_ms;     /* 0: connections of a dead backend are reset at once */
};

/* The state that the datapath gets; the truth table is in the .c. */
enum sl_backend_state backend_effective(const struct backend_inputs *in);

/* Words for people and for the state file; never NULL. */
const char *backend_status_name(enum backend_status status);
const char *backend_admin_name(enum backend_admin admin);
const char *backend_effective_name(enum sl_backend_state state);
/* The reverse of backend_status_name(); an unknown word is BACKEND_UNKNOWN. */
enum backend_status backend_status_parse(const char *name);
/* The reverse of backend_admin_name(). Returns 0, or -EINVAL and *ret_admin as it was. */
int backend_admin_parse(const char *name, enum backend_admin *ret_admin);

#endif
