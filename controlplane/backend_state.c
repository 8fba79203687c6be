/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Turns probe results into a backend's status, and status, operator's wish and configuration into the
 * state that the datapath gets. Pure: no clock, no sockets.
 */
#include "backend_state.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

unsigned int backend_state_rise(const struct backend_state *state, const struct backend_limits *limits)
{
	unsigned int shift = state->flaps > BACKEND_FLAPS_FREE ? state->flaps - BACKEND_FLAPS_FREE : 0;

	if (shift > BACKEND_FLAPS_SHIFT)
		shift = BACKEND_FLAPS_SHIFT;
	return limits->rise << shift;
}

/* A result that agrees with the status: earlier contradictions are forgiven, in time failures too. */
static void agree(struct backend_state *state, bool passed)
{
	state->streak = 0;
	if (!passed)
		return;
	if (++state->calm < BACKEND_CALM_RESULTS)
		return;
	state->calm = 0;
	if (state->flaps > 0)
		state->flaps--;
}

/*
 *   status    result   streak reaches         new status
 *   UP        fail     limits.fall            DOWN
 *   DOWN      pass     backend_state_rise()   UP
 *   UNKNOWN   any      1                      UP or DOWN: the first answer decides
 */
bool backend_state_update(struct backend_state *state, const struct backend_limits *limits, bool passed)
{
	const enum backend_status wanted = passed ? BACKEND_UP : BACKEND_DOWN;
	unsigned int needed = passed ? backend_state_rise(state, limits) : limits->fall;

	assert(needed > 0); /* the configuration refuses 0 */

	if (state->status == wanted) {
		agree(state, passed);
		return false;
	}
	state->calm = 0;
	if (state->status == BACKEND_UNKNOWN)
		needed = 1;
	if (++state->streak < needed)
		return false;

	if (state->status == BACKEND_UP && state->flaps < BACKEND_FLAPS_FREE + BACKEND_FLAPS_SHIFT)
		state->flaps++;
	state->status = wanted;
	state->streak = 0;
	return true;
}

/* Unchecked and panicking pools count as up, whatever probes say. */
static enum backend_status believed(const struct backend_inputs *in)
{
	return !in->checked || in->panic ? BACKEND_UP : in->status;
}

/*
 *   admin, weight                  believed status             effective
 *   off                            any                         GONE
 *   ready, weight > 0              up                          UP
 *   drain, retire, or weight 0     up                          DRAINING
 *   any other                      down, was up < linger ago   LINGERING
 *   any other                      down                        DOWN
 *   any other                      unknown                     DOWN: nothing before the first result
 */
enum sl_backend_state backend_effective(const struct backend_inputs *in)
{
	if (in->admin == BACKEND_OFF)
		return SL_BACKEND_GONE;
	switch (believed(in)) { /* no default */
	case BACKEND_UP:
		return in->admin == BACKEND_READY && in->weight > 0 ? SL_BACKEND_UP : SL_BACKEND_DRAINING;
	case BACKEND_DOWN:
		return in->was_up && in->down_for_ms < in->linger_ms ? SL_BACKEND_LINGERING : SL_BACKEND_DOWN;
	case BACKEND_UNKNOWN:
	case BACKEND_STATUS_COUNT:
		break;
	}
	return SL_BACKEND_DOWN;
}

const char *backend_status_name(enum backend_status status)
{
	switch (status) { /* no default */
	case BACKEND_UNKNOWN: return "unknown";
	case BACKEND_UP: return "up";
	case BACKEND_DOWN: return "down";
	case BACKEND_STATUS_COUNT: break;
	}
	return "?";
}

const char *backend_admin_name(enum backend_admin admin)
{
	switch (admin) { /* no default */
	case BACKEND_READY: return "ready";
	case BACKEND_DRAIN: return "drain";
	case BACKEND_RETIRE: return "retire";
	case BACKEND_OFF: return "off";
	case BACKEND_ADMIN_COUNT: break;
	}
	return "?";
}

const char *backend_effective_name(enum sl_backend_state state)
{
	switch (state) { /* no default */
	case SL_BACKEND_GONE: return "off";
	case SL_BACKEND_UP: return "up";
	case SL_BACKEND_DRAINING: return "draining";
	case SL_BACKEND_LINGERING: return "lingering";
	case SL_BACKEND_DOWN: return "down";
	case SL_BACKEND_STATE_COUNT: break;
	}
	return "?";
}

enum backend_status backend_status_parse(const char *name)
{
	for (enum backend_status s = BACKEND_UNKNOWN; s < BACKEND_STATUS_COUNT; s++)
		if (strcmp(name, backend_status_name(s)) == 0)
			return s;
	return BACKEND_UNKNOWN;
}

int backend_admin_parse(const char *name, enum backend_admin *ret_admin)
{
	for (enum backend_admin a = BACKEND_READY; a < BACKEND_ADMIN_COUNT; a++) {
		if (strcmp(name, backend_admin_name(a)) == 0) {
			*ret_admin = a;
			return 0;
		}
	}
	return -EINVAL;
}
