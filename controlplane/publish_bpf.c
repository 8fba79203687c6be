/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Facts → one generation in the maps of the XDP program (xdp_tables.c). The VIPs and listeners that the program asks for
 * are steering.c's, before and after, as with sluice-dp. Main thread only.
 */
#include "controlplane/publish_bpf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>

#include "controlplane/publish_kind.h"

struct publish_bpf {
	struct publisher publisher;
	const struct xdp_maps *maps;
	struct xdp_tables *tables;
	uint64_t told;      /* the generation in force; 0: none of ours */
	bool failed;        /* the last attempt did; said */
};

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void empty(int fd)
{
	uint64_t key;

	while (bpf_map_get_next_key(fd, NULL, &key) == 0 && bpf_map_delete_elem(fd, &key) == 0)
		;
}

/* Tags of another key, or pools and slots of another numbering, name nothing any more. */
static void forget_strangers(struct publish_bpf *p, const struct sl_settings *settings)
{
	struct sl_xdp_live *live = xdp_maps_at(p->maps, XDP_MAP_LIVE, 0);
	struct sl_settings before;

	if (xdp_tables_generation(p->tables, &before) == 0 ||
	    (before.numbering == settings->numbering && before.flow_key.k0 == settings->flow_key.k0 &&
	     before.flow_key.k1 == settings->flow_key.k1))
		return;
	empty(p->maps->map[XDP_MAP_FLOWS].fd);
	empty(p->maps->map[XDP_MAP_STARTS].fd);
	empty(p->maps->map[XDP_MAP_DATAGRAMS].fd);
	__atomic_store_n(&live->used, 0, __ATOMIC_RELAXED);
}

static int take(struct publish_bpf *p, const struct fact *fact)
{
	const union sl_payload *said = &fact->payload;

	switch (fact->class) {
	case FACT_SETTINGS:
		forget_strangers(p, &said->settings);
		xdp_tables_settings(p->tables, &said->settings);
		break;
	case FACT_NEIGHBOR: return xdp_tables_neighbor(p->tables, &said->neighbor, fact->op);
	case FACT_BACKEND: return xdp_tables_backend(p->tables, &said->backend, fact->op);
	case FACT_POOL: return xdp_tables_pool(p->tables, &said->pool, fact->op);
	case FACT_TABLE:
		xdp_tables_table(p->tables, said->table.pool, (enum sl_table_kind)said->table.kind, fact->table);
		break;
	case FACT_SERVICE: xdp_tables_service(p->tables, &said->service, fact->op); break;
	case FACT_LISTENER:
		if (fact->op == SL_OP_PUT && said->listener.port == 0)
			xdp_tables_any_port(p->tables);
		break;
	case FACT_VIP:
	case FACT_CLASS_COUNT: break;
	}
	return 0;
}

static void say_failed(struct publish_bpf *p)
{
	const struct sl_rejected rejected = { .generation = p->told, .reason = SL_REJECT_MEMORY };

	if (!p->failed && p->publisher.events.rejected != NULL)
		p->publisher.events.rejected(p->publisher.events.ctx, &rejected);
	p->failed = true;
}

static int tell_all(struct publish_bpf *p)
{
	struct fact *fact;
	int err;

	while ((fact = facts_next(p->publisher.facts)) != NULL) {
		err = take(p, fact);
		if (err < 0)
			return err;
		facts_told(p->publisher.facts, fact);
	}
	return xdp_tables_commit(p->tables, p->publisher.committed, monotonic_ns());
}

static bool pump(struct publisher *publisher)
{
	struct publish_bpf *p = (struct publish_bpf *)publisher;
	const bool again = p->told == p->publisher.committed;
	int err;

	if (p->publisher.open || p->publisher.committed == 0 || (again && !xdp_tables_lingers(p->tables)))
		return false;
	err = tell_all(p);
	if (err == -ENOSPC || err == -ENOMEM)
		say_failed(p);
	if (err < 0)
		return true;
	p->failed = false;
	p->told = p->publisher.applied = p->publisher.committed;
	if (!again && p->publisher.events.applied != NULL) {
		const struct sl_applied applied = { .generation = p->told, .tables = xdp_tables_checksum(p->tables) };

		p->publisher.events.applied(p->publisher.events.ctx, &applied);
	}
	return xdp_tables_lingers(p->tables);
}

static void destroy(struct publisher *publisher)
{
	struct publish_bpf *p = (struct publish_bpf *)publisher;

	xdp_tables_destroy(p->tables);
	publish_fini(publisher);
	free(p);
}

int publish_bpf_create(const struct xdp_maps *maps, const struct sl_shm_limits *limits,
		       const struct publisher_events *events, struct publisher **ret_publisher)
{
	static const struct publisher_kind kind = { .pump = pump, .destroy = destroy };
	struct publish_bpf *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	if (publish_init(&p->publisher, &kind, events) < 0 || xdp_tables_create(maps, limits, &p->tables) < 0) {
		destroy(&p->publisher);
		return -ENOMEM;
	}
	p->maps = maps;
	p->publisher.limits = *limits;
	p->publisher.table_rows_max = maps->map[XDP_MAP_ROWS].entries / 2 * (uint64_t)SL_XDP_ROWS;
	*ret_publisher = &p->publisher;
	return 0;
}

struct xdp_tables *publish_bpf_tables(struct publisher *publisher)
{
	return ((struct publish_bpf *)publisher)->tables;
}
