/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Facts, whoever they are for: checks a statement against the limits and keeps it for each publisher of a chain. How a
 * datapath learns of them is its publisher's business (publish_ring.c, publish_bpf.c). Main thread only.
 */
#include "controlplane/publish_kind.h"

#include <errno.h>
#include <string.h>

int publish_init(struct publisher *p, const struct publisher_kind *kind, const struct publisher_events *events)
{
	p->kind = kind;
	p->events = *events;
	return facts_create(&p->facts);
}

void publish_fini(struct publisher *p)
{
	facts_destroy(p->facts);
}

void publisher_destroy(struct publisher *p)
{
	if (p != NULL)
		p->kind->destroy(p);
}

void publisher_chain(struct publisher *p, struct publisher *next)
{
	p->next = next;
}

/* A fact as a payload; what the fact does not fill is zero, since facts are compared as bytes. */
static union sl_payload payload_of(const void *fact, size_t len)
{
	union sl_payload payload;

	memset(&payload, 0, sizeof(payload));
	memcpy(&payload, fact, len);
	return payload;
}

/* States or removes one fact, whose ids are within limits. */
static int state(struct publisher *p, enum fact_class class, const union sl_payload *payload, struct table *table,
		 enum sl_op op)
{
	const int result = op == SL_OP_DEL ? facts_del(p->facts, class, payload) :
					     facts_put(p->facts, class, payload, table);

	if (result < 0)
		return result;
	if (result > 0)
		p->open = true;
	return 0;
}

/* As state(), for classes whose number is limited and not their ids. */
static int state_counted(struct publisher *p, enum fact_class class, const union sl_payload *payload, enum sl_op op,
			 uint32_t limit)
{
	if (op == SL_OP_PUT && facts_count(p->facts, class) >= limit && !facts_exists(p->facts, class, payload))
		return -ERANGE;
	return state(p, class, payload, NULL, op);
}

static int settings_one(struct publisher *p, const struct sl_settings *settings)
{
	const union sl_payload payload = payload_of(settings, sizeof(*settings));

	return state(p, FACT_SETTINGS, &payload, NULL, SL_OP_PUT);
}

static int neighbor_one(struct publisher *p, const struct sl_neighbor *neighbor, enum sl_op op)
{
	const union sl_payload payload = payload_of(neighbor, sizeof(*neighbor));

	if (neighbor->id >= p->limits.neighbors)
		return -ERANGE;
	return state(p, FACT_NEIGHBOR, &payload, NULL, op);
}

static int table_one(struct publisher *p, uint32_t pool, enum sl_table_kind kind, struct table *table)
{
	struct sl_table_put put = { .pool = pool, .kind = kind, .rows = table != NULL ? table->rows : 0 };
	const union sl_payload payload = payload_of(&put, sizeof(put));

	if (pool >= p->limits.pools)
		return -ERANGE;
	if (table == NULL)
		return state(p, FACT_TABLE, &payload, NULL, SL_OP_DEL);
	if (table->rows > p->table_rows_max)
		return -ERANGE;
	return state(p, FACT_TABLE, &payload, table, SL_OP_PUT);
}

static int pool_one(struct publisher *p, const struct sl_pool *pool, enum sl_op op)
{
	const union sl_payload payload = payload_of(pool, sizeof(*pool));
	int err;

	if (pool->id >= p->limits.pools)
		return -ERANGE;
	/* A pool takes its tables with it: told of later, they would name a pool that is no more. */
	for (uint32_t kind = 0; op == SL_OP_DEL && kind < SL_TABLE_KIND_COUNT; kind++) {
		err = table_one(p, pool->id, (enum sl_table_kind)kind, NULL);
		if (err < 0)
			return err;
	}
	return state(p, FACT_POOL, &payload, NULL, op);
}

static int backend_one(struct publisher *p, const struct sl_backend *backend, enum sl_op op)
{
	const union sl_payload payload = payload_of(backend, sizeof(*backend));

	if (backend->pool >= p->limits.pools || backend->stats >= p->limits.backends ||
	    backend->neighbor >= p->limits.neighbors || backend->slot > SL_SLOT_MAX)
		return -ERANGE;
	return state_counted(p, FACT_BACKEND, &payload, op, p->limits.backends);
}

static int service_one(struct publisher *p, const struct sl_service *service, enum sl_op op)
{
	const union sl_payload payload = payload_of(service, sizeof(*service));

	if (service->id >= p->limits.services || service->pool >= p->limits.pools)
		return -ERANGE;
	return state(p, FACT_SERVICE, &payload, NULL, op);
}

static int listener_one(struct publisher *p, const struct sl_listener *listener, enum sl_op op)
{
	const union sl_payload payload = payload_of(listener, sizeof(*listener));

	if (listener->service >= p->limits.services)
		return -ERANGE;
	return state_counted(p, FACT_LISTENER, &payload, op, p->limits.listeners);
}

static int vip_one(struct publisher *p, const struct sl_vip *vip, enum sl_op op)
{
	const union sl_payload payload = payload_of(vip, sizeof(*vip));

	return state_counted(p, FACT_VIP, &payload, op, p->limits.vips);
}

/* ---- to all of a chain ------------------------------------------------------------------------------------ */

int publisher_settings(struct publisher *p, const struct sl_settings *settings)
{
	int err = 0;

	for (; p != NULL && err == 0; p = p->next)
		err = settings_one(p, settings);
	return err;
}

int publisher_neighbor(struct publisher *p, const struct sl_neighbor *neighbor, enum sl_op op)
{
	int err = 0;

	for (; p != NULL && err == 0; p = p->next)
		err = neighbor_one(p, neighbor, op);
	return err;
}

int publisher_pool(struct publisher *p, const struct sl_pool *pool, enum sl_op op)
{
	int err = 0;

	for (; p != NULL && err == 0; p = p->next)
		err = pool_one(p, pool, op);
	return err;
}

int publisher_backend(struct publisher *p, const struct sl_backend *backend, enum sl_op op)
{
	int err = 0;

	for (; p != NULL && err == 0; p = p->next)
		err = backend_one(p, backend, op);
	return err;
}

int publisher_table(struct publisher *p, uint32_t pool, enum sl_table_kind kind, struct table *table)
{
	int err = 0;

	for (; p != NULL && err == 0; p = p->next)
		err = table_one(p, pool, kind, table);
	return err;
}

int publisher_service(struct publisher *p, const struct sl_service *service, enum sl_op op)
{
	int err = 0;

	for (; p != NULL && err == 0; p = p->next)
		err = service_one(p, service, op);
	return err;
}

int publisher_listener(struct publisher *p, const struct sl_listener *listener, enum sl_op op)
{
	int err = 0;

	for (; p != NULL && err == 0; p = p->next)
		err = listener_one(p, listener, op);
	return err;
}

int publisher_vip(struct publisher *p, const struct sl_vip *vip, enum sl_op op)
{
	int err = 0;

	for (; p != NULL && err == 0; p = p->next)
		err = vip_one(p, vip, op);
	return err;
}

void publisher_commit(struct publisher *p, uint64_t generation)
{
	for (; p != NULL; p = p->next) {
		p->committed = generation;
		p->open = false;
	}
}

bool publisher_pump(struct publisher *p)
{
	return p->kind->pump(p);
}

uint64_t publisher_applied(const struct publisher *p)
{
	return p->applied;
}
