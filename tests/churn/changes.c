/* SPDX-License-Identifier: BSD-3-Clause */
/* A heap of what is due; each entry may put its consequences back into it. */
#include "changes.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum {
	DUE_MAX = 4096,
	NOTICE_MS = 6000,      /* three failed probes, two seconds apart */
	RISE_MS = 4000,        /* two passed ones */
	RECOVER_MIN_MS = 60000,
	RECOVER_MORE_MS = 300000,
	FLAP_MS = 8000,        /* of each half of a flap */
	FLAPS = 10,
	ROWS_LARGE = 65537,
	ROWS_SMALL = 16381,
	BACKENDS_LEAST = 4,    /* changes leave so many in service */
};

/* Consequences, beside the changes themselves. */
enum step {
	STEP_UNDRAIN = CHANGE_COUNT,
	STEP_REMOVE,
	STEP_FAIL,     /* its probes fail from now on */
	STEP_REVIVE,   /* it lives again */
	STEP_PASS,     /* its probes pass again */
};

struct due {
	uint64_t at_ms;
	unsigned int what; /* enum change or enum step */
	unsigned int backend;
	unsigned int left; /* of a flap */
};

struct changes {
	struct changes_options options;
	struct fleet *fleet;
	struct due due[DUE_MAX];
	unsigned int count;
	uint64_t random;
	uint64_t now_ms;
	uint64_t done[CHANGE_COUNT];
	bool busy[FLEET_BACKENDS_MAX]; /* something is still to come of it */
};

static double exponential(struct changes *c, double mean)
{
	return -mean * log(((double)(traffic_random(&c->random) >> 11) + 0.5) / 9007199254740992.0);
}

static void put(struct changes *c, uint64_t at_ms, unsigned int what, unsigned int backend, unsigned int left)
{
	unsigned int at = c->count;

	if (c->count == DUE_MAX)
		return;
	c->count++;
	while (at > 0 && c->due[(at - 1) / 2].at_ms > at_ms) {
		c->due[at] = c->due[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	c->due[at] = (struct due){ at_ms, what, backend, left };
}

static struct due take(struct changes *c)
{
	const struct due first = c->due[0], last = c->due[--c->count];
	unsigned int at = 0;

	for (;;) {
		unsigned int child = 2 * at + 1;

		if (child >= c->count)
			break;
		if (child + 1 < c->count && c->due[child + 1].at_ms < c->due[child].at_ms)
			child++;
		if (c->due[child].at_ms >= last.at_ms)
			break;
		c->due[at] = c->due[child];
		at = child;
	}
	c->due[at] = last;
	return first;
}

/* A backend in full service with nothing pending, or FLEET_BACKENDS_MAX when too few would be left. */
static unsigned int pick(struct changes *c)
{
	unsigned int found[FLEET_BACKENDS_MAX], count = 0;

	for (unsigned int i = 0; i < FLEET_BACKENDS_MAX; i++) {
		const struct fleet_backend *b = fleet_backend(c->fleet, i);

		if (b->configured && b->alive && !b->draining && b->down_ms == 0 && !c->busy[i])
			found[count++] = i;
	}
	return count <= BACKENDS_LEAST ? FLEET_BACKENDS_MAX : found[traffic_random(&c->random) % count];
}

static unsigned int pick_new(struct changes *c)
{
	unsigned int oldest = FLEET_BACKENDS_MAX;

	for (unsigned int i = 0; i < FLEET_BACKENDS_MAX; i++) {
		const struct fleet_backend *b = fleet_backend(c->fleet, i);

		if (!b->configured && !c->busy[i] &&
		    (oldest == FLEET_BACKENDS_MAX || b->left_ms < fleet_backend(c->fleet, oldest)->left_ms))
			oldest = i;
	}
	return oldest;
}

static void drain(struct changes *c, unsigned int i, enum backend_admin admin)
{
	struct fleet_backend *b = fleet_backend(c->fleet, i);

	b->draining = admin != BACKEND_READY;
	b->draining_ms = c->now_ms;
	fleet_admin(c->fleet, i, admin);
}

static void probe(struct changes *c, unsigned int i, bool passes)
{
	struct fleet_backend *b = fleet_backend(c->fleet, i);
	const uint64_t linger_ms = fleet_options(c->fleet)->linger_s * 1000ull;

	if (!passes)
		b->down_ms = c->now_ms;
	else if (b->alive && b->down_ms != 0 && c->now_ms - b->down_ms > linger_ms)
		b->blip_ms = c->now_ms;
	if (passes)
		b->down_ms = 0;
	fleet_probe(c->fleet, i, passes);
}

static void remove_backend(struct changes *c, unsigned int i)
{
	struct fleet_backend *b = fleet_backend(c->fleet, i);

	b->configured = false;
	b->draining = false;
	b->left_ms = c->now_ms;
	fleet_configure(c->fleet);
}

static void add_backend(struct changes *c)
{
	const unsigned int i = pick_new(c);
	struct fleet_backend *b;

	if (i == FLEET_BACKENDS_MAX)
		return;
	b = fleet_backend(c->fleet, i);
	*b = (struct fleet_backend){ .configured = true, .alive = true, .life = b->life + 1,
				     .weight = 50 + (uint32_t)(traffic_random(&c->random) % 101) };
	fleet_configure(c->fleet);
	fleet_admin(c->fleet, i, BACKEND_READY);
	fleet_probe(c->fleet, i, true);
}

/* A change of one backend in service. */
static void change_backend(struct changes *c, enum change change, unsigned int i)
{
	struct fleet_backend *b = fleet_backend(c->fleet, i);
	uint64_t blip_ms = 1000ull * c->options.blip_min_s + (uint64_t)exponential(c, 1000.0 * c->options.blip_more_s);

	if (c->options.blip_most_s != 0 && blip_ms > 1000ull * c->options.blip_most_s)
		blip_ms = 1000ull * c->options.blip_most_s;
	c->busy[i] = true;
	if (change == CHANGE_DRAIN) {
		drain(c, i, BACKEND_DRAIN);
		put(c, c->now_ms + 1000ull * c->options.drain_s, STEP_UNDRAIN, i, 0);
		return;
	}
	if (change == CHANGE_RETIRE) {
		drain(c, i, BACKEND_RETIRE);
		put(c, c->now_ms + 1000ull * c->options.retire_s, STEP_REMOVE, i, 0);
		return;
	}
	if (change == CHANGE_CRASH) {
		b->alive = false;
		b->life++;
		put(c, c->now_ms + NOTICE_MS, STEP_FAIL, i, 0);
		put(c, c->now_ms + RECOVER_MIN_MS + (uint64_t)exponential(c, RECOVER_MORE_MS), STEP_REVIVE, i, 0);
		return;
	}
	if (change == CHANGE_BLIP || change == CHANGE_FLAP) {
		probe(c, i, false);
		put(c, c->now_ms + (change == CHANGE_FLAP ? FLAP_MS : blip_ms), STEP_PASS, i, change == CHANGE_FLAP ? FLAPS - 1 : 0);
		return;
	}
	c->busy[i] = false;
	if (change == CHANGE_REMOVE)
		remove_backend(c, i);
	if (change == CHANGE_WEIGHT) {
		b->weight = 50 + (uint32_t)(traffic_random(&c->random) % 101);
		fleet_configure(c->fleet);
	}
}

static void carry_out(struct changes *c, enum change change)
{
	const uint32_t rows = fleet_options(c->fleet)->table_size;
	const unsigned int any = (unsigned int)(traffic_random(&c->random) % fleet_options(c->fleet)->balancers);
	unsigned int i;

	c->done[change]++;
	if (change == CHANGE_ADD) {
		add_backend(c);
	} else if (change == CHANGE_KEY) {
		fleet_new_key(c->fleet);
	} else if (change == CHANGE_SIZE) {
		fleet_table_size(c->fleet, rows == ROWS_LARGE ? ROWS_SMALL : ROWS_LARGE);
	} else if (change == CHANGE_RESTART_DATAPLANE) {
		fleet_restart_dataplane(c->fleet, any);
	} else if (change == CHANGE_RESTART_CONTROLPLANE) {
		fleet_restart_controlplane(c->fleet, any);
	} else {
		i = pick(c);
		if (i != FLEET_BACKENDS_MAX)
			change_backend(c, change, i);
	}
}

static void follow(struct changes *c, const struct due *due)
{
	struct fleet_backend *b = fleet_backend(c->fleet, due->backend);

	switch ((enum step)due->what) {
	case STEP_UNDRAIN: drain(c, due->backend, BACKEND_READY); break;
	case STEP_REMOVE: remove_backend(c, due->backend); break;
	case STEP_FAIL:
		probe(c, due->backend, false);
		if (due->left > 0)
			put(c, c->now_ms + FLAP_MS, STEP_PASS, due->backend, due->left - 1);
		return;
	case STEP_REVIVE:
		b->alive = true;
		put(c, c->now_ms + RISE_MS, STEP_PASS, due->backend, 0);
		return;
	case STEP_PASS:
		probe(c, due->backend, true);
		if (due->left > 0) {
			put(c, c->now_ms + FLAP_MS, STEP_FAIL, due->backend, due->left);
			return;
		}
		break;
	}
	c->busy[due->backend] = false;
}

int changes_create(const struct changes_options *options, struct fleet *fleet, struct changes **ret_changes)
{
	struct changes *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->options = *options;
	c->fleet = fleet;
	c->random = options->seed * 2 + 1;
	for (unsigned int change = 0; change < CHANGE_COUNT; change++)
		if (options->per_hour[change] > 0)
			put(c, (uint64_t)exponential(c, 3600000 / options->per_hour[change]), change, 0, 0);
	*ret_changes = c;
	return 0;
}

void changes_destroy(struct changes *changes)
{
	free(changes);
}

uint64_t changes_run(struct changes *c, uint64_t now_ms)
{
	while (c->count > 0 && c->due[0].at_ms <= now_ms) {
		const struct due due = take(c);

		c->now_ms = due.at_ms;
		if (due.what >= CHANGE_COUNT) {
			follow(c, &due);
			continue;
		}
		if (due.at_ms > c->options.until_ms)
			continue;
		carry_out(c, (enum change)due.what);
		put(c, due.at_ms + 1 + (uint64_t)exponential(c, 3600000 / c->options.per_hour[due.what]), due.what, 0, 0);
	}
	return c->count > 0 ? c->due[0].at_ms : UINT64_MAX;
}

uint64_t changes_done(const struct changes *changes, enum change change)
{
	return changes->done[change];
}

const char *changes_name(enum change change)
{
	static const char *const names[CHANGE_COUNT] = { "add", "drain", "retire", "remove", "crash", "blip", "flap",
							 "weight", "key", "size", "restart-dataplane",
							 "restart-controlplane" };

	return names[change];
}
