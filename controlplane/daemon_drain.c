/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How far a drain is: since when no packet reached a backend that takes no new connections. Looks at its
 * counter once a heartbeat; what it still receives are packets of connections it had.
 */
#include "daemon.h"

#include <stdlib.h>

struct daemon_drain {
	uint32_t stats; /* the backend's position in the statistics: its identity here */
	uint64_t packets;
	uint64_t quiet_since_ms; /* uv_now at which the counter was last seen to move, or was first seen */
};

/* The former self of entry `stats`. Drains are few and keep their order, so the search begins where the last ended. */
static const struct daemon_drain *former(const struct daemon *d, uint32_t stats, size_t *cursor)
{
	for (size_t i = 0; i < d->drain_count; i++) {
		const size_t at = (*cursor + i) % d->drain_count;

		if (d->drains[at].stats != stats)
			continue;
		*cursor = at + 1;
		return &d->drains[at];
	}
	return NULL;
}

static struct daemon_drain look(const struct daemon *d, const struct model_backend *backend, size_t *cursor)
{
	const struct daemon_drain *before = former(d, backend->stats, cursor);
	struct daemon_drain now = {
		.stats = backend->stats,
		.packets = daemon_backend_counter(d, backend->stats).packets,
		.quiet_since_ms = uv_now(&d->loop),
	};

	/* while nobody forwards, silence says nothing */
	if (before && (d->attached || daemon_xdp_forwards(d)) && !d->data_hangs && before->packets == now.packets)
		now.quiet_since_ms = before->quiet_since_ms;
	return now;
}

void daemon_drain_beat(struct daemon *d)
{
	struct daemon_drain *drains;
	size_t count = 0, cursor = 0, n = 0;

	for (size_t i = 0; i < d->model->pool_count; i++)
		count += d->model->pools[i].held;
	drains = calloc(count + 1, sizeof(*drains));
	if (!drains)
		return; /* the old ones stay; the next beat tries again */
	for (size_t i = 0; i < d->model->pool_count; i++)
		for (size_t k = 0; d->model->pools[i].held > 0 && k < d->model->pools[i].backend_count; k++)
			if (model_backend_held(&d->model->pools[i].backends[k]))
				drains[n++] = look(d, &d->model->pools[i].backends[k], &cursor);
	free(d->drains);
	d->drains = drains;
	d->drain_count = n;
}

bool daemon_drain_quiet(const struct daemon *d, const struct model_backend *backend, uint64_t *ret_ms)
{
	size_t cursor = 0;
	const struct daemon_drain *drain = former(d, backend->stats, &cursor);

	if (!drain)
		return false;
	*ret_ms = uv_now(&d->loop) - drain->quiet_since_ms;
	return true;
}
