/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All probes: when each is sent, what its results make of its target's status. One probe per
 * (address, port, check), however many pools use it; equal checks are one check whatever their names.
 * A probe that hangs delays no other. Runs in the caller's libuv loop; main thread only.
 */
#ifndef CONTROLPLANE_HEALTH_H
#define CONTROLPLANE_HEALTH_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "backend_state.h"
#include "check.h"
#include "config.h"

struct health;
struct health_probe;

/* What a probe is about, as health_set() takes it. */
struct health_target {
	struct sl_addr address;
	uint16_t port;                    /* 0 for ICMP */
	const struct config_check *check; /* copied: it may go with its configuration */
	struct health_probe *probe;       /* filled in by health_set(); valid until the next health_set() */
};

/* What health tells its owner. Each may call health_set(), none may call health_destroy(). */
struct health_events {
	void *ctx;
	/* The status changed: publish. Comes with the first result of every probe, too. */
	void (*change)(void *ctx, const struct health_probe *probe);
	/* Every probe has a first result, after some had none. */
	void (*settled)(void *ctx);
	/* A probe could not leave this machine (once, until one of its probes leaves again): log it. */
	void (*problem)(void *ctx, const struct health_probe *probe);
};

/* What is known of one probe, for the model, the API and the state file. */
struct health_view {
	struct sl_addr address;
	uint16_t port;
	const char *check; /* name of its check; lives as long as the probe */
	const char *kind;  /* tcp, http, icmp */
	enum backend_status status;
	enum check_result result; /* the last one */
	char reason[96];          /* the last result in words */
	uint64_t since_ms;        /* how long the status has been what it is */
	uint64_t age_ms;          /* since the last result; UINT64_MAX: none yet */
	uint32_t latency_us;      /* of the last probe that passed; 0: none did */
	unsigned int passes;      /* in a row, to the last result */
	unsigned int failures;    /* in a row, to the last result */
	unsigned int needed;      /* more results like the last one that would change the status; 0: none would */
	unsigned int users;       /* targets that share it */
	uint64_t sent;            /* probes since it exists */
};

/* Returns 0 and an engine without probes, or -ENOMEM. The loop must outlive it. */
int health_create(uv_loop_t *loop, const struct health_events *events, struct health **ret_health);
/* Stops everything. The loop must run once more so that handles close. NULL is fine. */
void health_destroy(struct health *health);

/*
 * Makes the probes those of `targets`. A probe that stays keeps its state and its rhythm; a changed
 * check keeps the status of the address under the same name until its own results contradict it; a
 * probe that nobody wants is cancelled. Returns 0, or -ENOMEM and everything is as it was.
 */
int health_set(struct health *health, struct health_target *targets, size_t count);
/* Believes a status that was read back; `age_ms`: since it became so. Later results count as usual. */
void health_adopt(struct health *health, struct health_probe *probe, enum backend_status status, uint64_t age_ms);
/* Probes without a first result. */
size_t health_pending(const struct health *health);
size_t health_count(const struct health *health);

enum backend_status health_status(const struct health_probe *probe);
void health_view(const struct health_probe *probe, struct health_view *ret_view);

#endif
