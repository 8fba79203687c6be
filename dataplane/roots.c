/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A queue of roots in their grace periods; tokens only rise, so the first one's period ends first.
 */
#include "dataplane/roots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/snapshot_layout.h"

int roots_init(struct roots *roots, struct worker_shared *shared, struct stats *stats)
{
	roots->shared = shared;
	roots->stats = stats;
	roots->now = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(struct worker_root), 64));
	if (!roots->now)
		return -ENOMEM;
	memset(roots->now, 0, sizeof(*roots->now));
	roots->now->snapshot = &snapshot_empty;
	roots->now->lives = flow_table_lives(snapshot_empty.settings.idle_max_s);
	memcpy(roots->now->port, roots->port, sizeof(roots->now->port));
	atomic_init(&shared->root, roots->now);
	return 0;
}

int roots_publish(struct roots *roots, struct snapshot *snapshot, bool counters, uint64_t now_s)
{
	struct worker_root *old = roots->now, *root;
	const struct sl_settings *settings;
	bool flows;

	if (roots_are_busy(roots))
		return -EBUSY;
	root = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*root), 64));
	if (!root)
		return -ENOMEM;
	root->snapshot = snapshot ? snapshot : old->snapshot;
	memcpy(root->port, roots->port, sizeof(root->port));
	memcpy(root->counters, roots->stats->now, sizeof(root->counters));
	settings = &root->snapshot->settings;
	root->flows = flow_keeper_view(roots->flows, settings, now_s, &flows);
	root->lives = flow_table_lives(settings->idle_max_s);
	root->flow_id = flow_id(&settings->flow_key, settings->numbering);
	roots->now = root;
	/* release: everything the root leads to is visible before the root is (pairs with worker_loop) */
	atomic_store_explicit(&roots->shared->root, root, memory_order_release);
	roots->retired[(roots->first + roots->count++) % ROOTS_RETIRED_MAX] = (struct roots_retired){
		.root = old,
		.token = rte_rcu_qsbr_start(roots->shared->qsbr),
		.generation = snapshot ? snapshot_generation(snapshot) : 0,
		.tables = snapshot ? snapshot_tables_checksum(snapshot) : 0,
		.counters = counters,
		.flows = flows,
		.keep = snapshot == NULL,
	};
	return 0;
}

static void root_free(struct worker_root *root, bool keep_snapshot)
{
	if (!keep_snapshot && root->snapshot != &snapshot_empty)
		snapshot_free((struct snapshot *)(uintptr_t)root->snapshot);
	free(root);
}

bool roots_retire(struct roots *roots, uint64_t *ret_generation, uint64_t *ret_tables)
{
	const struct roots_retired *retired = &roots->retired[roots->first];

	if (roots->count == 0 || rte_rcu_qsbr_check(roots->shared->qsbr, retired->token, false) != 1)
		return false;
	if (retired->counters)
		stats_replaced(roots->stats);
	if (retired->flows)
		flow_keeper_release(roots->flows);
	*ret_generation = retired->generation;
	*ret_tables = retired->tables;
	root_free(retired->root, retired->keep);
	roots->first = (roots->first + 1) % ROOTS_RETIRED_MAX;
	roots->count--;
	return true;
}

void roots_silence(struct roots *roots)
{
	for (unsigned int i = 0; i < ROOTS_RETIRED_MAX; i++)
		roots->retired[i].generation = 0;
}
