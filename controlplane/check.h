/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One probe of one backend, sent once: the interface between health.c, which decides when and counts
 * results, and check_<kind>.c, which know how. An engine holds what the probes of a kind share (a raw
 * socket, a curl multi handle). Nothing here blocks; time limits are health.c's. Main thread only.
 */
#ifndef CONTROLPLANE_CHECK_H
#define CONTROLPLANE_CHECK_H

#include <stddef.h>
#include <uv.h>

#include "config.h"

/* Each way a probe can end, by name. Only CHECK_PASS and CHECK_FAIL_* say something about the backend. */
enum check_result {
	CHECK_NONE = 0,          /* no result yet */
	CHECK_PASS,
	CHECK_FAIL_REFUSED,      /* RST to the SYN: nothing listens there */
	CHECK_FAIL_TIMEOUT,      /* no answer within `timeout` */
	CHECK_FAIL_UNREACHABLE,  /* ICMP unreachable, no route, next hop does not answer; detail: errno */
	CHECK_FAIL_RESET,        /* connection reset while talking */
	CHECK_FAIL_CLOSED,       /* closed before the answer was complete */
	CHECK_FAIL_STATUS,       /* HTTP status out of range; detail: the status */
	CHECK_FAIL_BODY,         /* the body does not contain what it must */
	CHECK_FAIL_RESPONSE,     /* what came back is no HTTP */
	CHECK_ERROR_LOCAL,       /* this machine could not send it (descriptors, memory, permission); detail: errno */
	CHECK_RESULT_COUNT
};

struct check_run;

/* Owned by health.c; `impl` belongs to the check while a run is under way, else NULL. */
struct check_run {
	struct sl_addr address;
	uint16_t port; /* 0 for ICMP */
	const struct config_check *check;
	/* Called once for each start that returned 0 and was not cancelled; never from inside start. */
	void (*done)(struct check_run *run, enum check_result result, int detail);
	void *impl;
};

struct check_engine;

/* One a kind. */
struct check_kind {
	const char *name; /* as in the configuration */
	/* Returns 0 and an engine, or -errno. */
	int (*create)(uv_loop_t *loop, struct check_engine **ret_engine);
	/* No run is under way. Handles close in the loop's next turn. */
	void (*destroy)(struct check_engine *engine);
	/* Returns 0 (done follows), or -errno when the probe could not leave this machine. */
	int (*start)(struct check_engine *engine, struct check_run *run);
	/* Ends a run without a call of done. */
	void (*cancel)(struct check_engine *engine, struct check_run *run);
};

extern const struct check_kind check_tcp;
extern const struct check_kind check_http;
extern const struct check_kind check_icmp;

/* What a failed connect or send says: unreachable and its kin, or an error of this machine. */
enum check_result check_result_of_errno(int err);
/* "HTTP status 503", "connection refused", …; written to `text`, always terminated. */
void check_result_text(enum check_result result, int detail, char *text, size_t size);
/* The same in one word for programs: "pass", "refused", "timeout", … */
const char *check_result_name(enum check_result result);

#endif
