/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes a data plane converge to the stated facts through the ring: tells what it has not been told, as
 * far as there is room, and never waits. Everything is told again (RESET first) when it says HELLO, when
 * it rejects a record, and when its own ring brought something unsound. Main thread only.
 */
#include "controlplane/publish_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/facts.h"
#include "sluice/ring.h"

enum { REJECTS_PATIENCE_MAX = 8 }; /* a peer that rejects every replay gets one in 2^8 pumps at least */

struct publisher {
	struct sl_ring_end to_data;
	struct sl_ring_end to_control;
	struct sl_shm_limits limits;
	struct publisher_events events;
	struct facts *facts;
	bool attached;           /* somebody said HELLO since this file began */
	uint64_t peer;           /* its pid */
	bool open;               /* facts were stated that no commit covers: the picture is not whole */
	bool replay;             /* RESET and everything is due */
	uint64_t committed;      /* the newest generation stated; 0: none */
	uint64_t told;           /* the newest COMMIT in the ring since the last RESET */
	uint64_t records;        /* told since RESET or COMMIT */
	uint64_t applied;
	unsigned int rejects;    /* in a row, without an APPLIED */
	unsigned int patience;   /* pumps to wait before the next replay */
};

int publish_ring_create(void *base, const struct sl_shm_header *header, const struct publisher_events *events,
			struct publisher **ret_publisher)
{
	struct publisher *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	if (facts_create(&p->facts) < 0) {
		free(p);
		return -ENOMEM;
	}
	sl_ring_attach(&p->to_data, base, &header->to_data, &header->arena, header->session);
	sl_ring_attach(&p->to_control, base, &header->to_control, NULL, header->session);
	sl_ring_begin_producer(&p->to_data);
	sl_ring_begin_consumer(&p->to_control);
	p->limits = header->limits;
	p->events = *events;
	*ret_publisher = p;
	return 0;
}

void publisher_destroy(struct publisher *p)
{
	if (p == NULL)
		return;
	facts_destroy(p->facts);
	free(p);
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

int publisher_settings(struct publisher *p, const struct sl_settings *settings)
{
	const union sl_payload payload = payload_of(settings, sizeof(*settings));

	return state(p, FACT_SETTINGS, &payload, NULL, SL_OP_PUT);
}

int publisher_neighbor(struct publisher *p, const struct sl_neighbor *neighbor, enum sl_op op)
{
	const union sl_payload payload = payload_of(neighbor, sizeof(*neighbor));

	if (neighbor->id >= p->limits.neighbors)
		return -ERANGE;
	return state(p, FACT_NEIGHBOR, &payload, NULL, op);
}

int publisher_pool(struct publisher *p, const struct sl_pool *pool, enum sl_op op)
{
	const union sl_payload payload = payload_of(pool, sizeof(*pool));
	int err;

	if (pool->id >= p->limits.pools)
		return -ERANGE;
	/* A pool takes its tables with it: told of later, they would name a pool that is no more. */
	for (uint32_t kind = 0; op == SL_OP_DEL && kind < SL_TABLE_KIND_COUNT; kind++) {
		err = publisher_table(p, pool->id, (enum sl_table_kind)kind, NULL);
		if (err < 0)
			return err;
	}
	return state(p, FACT_POOL, &payload, NULL, op);
}

int publisher_backend(struct publisher *p, const struct sl_backend *backend, enum sl_op op)
{
	const union sl_payload payload = payload_of(backend, sizeof(*backend));

	if (backend->pool >= p->limits.pools || backend->stats >= p->limits.backends ||
	    backend->neighbor >= p->limits.neighbors || backend->slot > SL_SLOT_MAX)
		return -ERANGE;
	return state_counted(p, FACT_BACKEND, &payload, op, p->limits.backends);
}

int publisher_table(struct publisher *p, uint32_t pool, enum sl_table_kind kind, struct table *table)
{
	struct sl_table_put put = { .pool = pool, .kind = kind, .rows = table != NULL ? table->rows : 0 };
	const union sl_payload payload = payload_of(&put, sizeof(put));

	if (pool >= p->limits.pools)
		return -ERANGE;
	if (table == NULL)
		return state(p, FACT_TABLE, &payload, NULL, SL_OP_DEL);
	if ((uint64_t)table->rows * sizeof(table->row[0]) > p->to_data.arena_size / 2)
		return -ERANGE;
	return state(p, FACT_TABLE, &payload, table, SL_OP_PUT);
}

int publisher_service(struct publisher *p, const struct sl_service *service, enum sl_op op)
{
	const union sl_payload payload = payload_of(service, sizeof(*service));

	if (service->id >= p->limits.services || service->pool >= p->limits.pools)
		return -ERANGE;
	return state(p, FACT_SERVICE, &payload, NULL, op);
}

int publisher_listener(struct publisher *p, const struct sl_listener *listener, enum sl_op op)
{
	const union sl_payload payload = payload_of(listener, sizeof(*listener));

	if (listener->service >= p->limits.services)
		return -ERANGE;
	return state_counted(p, FACT_LISTENER, &payload, op, p->limits.listeners);
}

int publisher_vip(struct publisher *p, const struct sl_vip *vip, enum sl_op op)
{
	const union sl_payload payload = payload_of(vip, sizeof(*vip));

	return state_counted(p, FACT_VIP, &payload, op, p->limits.vips);
}

void publisher_commit(struct publisher *p, uint64_t generation)
{
	p->committed = generation;
	p->open = false;
}

uint64_t publisher_applied(const struct publisher *p)
{
	return p->applied;
}

/* ---- what comes back ---------------------------------------------------------------------------------- */

/* A replay is due. One that was just rejected waits: each rejection in a row doubles the pause. */
static void want_replay(struct publisher *p, bool rejected)
{
	p->replay = true;
	if (!rejected)
		return;
	p->patience = p->rejects > 0 ? 1u << p->rejects : 0;
	if (p->rejects < REJECTS_PATIENCE_MAX)
		p->rejects++;
}

static void take_report(struct publisher *p, const struct sl_record *record)
{
	const union sl_payload *report = &record->payload;
	bool again;

	switch (record->type) {
	case SL_RECORD_HELLO:
		again = p->attached && p->replay && p->peer == report->hello.pid; /* it asks every second */
		p->attached = true;
		p->peer = report->hello.pid;
		want_replay(p, false);
		if (p->events.hello != NULL && !again)
			p->events.hello(p->events.ctx, &report->hello);
		break;
	case SL_RECORD_APPLIED:
		if (report->applied.generation > p->committed)
			break; /* not ours: nobody stated it */
		p->applied = report->applied.generation;
		p->rejects = 0;
		if (p->events.applied != NULL)
			p->events.applied(p->events.ctx, &report->applied);
		break;
	case SL_RECORD_REJECTED:
		p->attached = true;
		want_replay(p, true);
		if (p->events.rejected != NULL)
			p->events.rejected(p->events.ctx, &report->rejected);
		break;
	default: break; /* a newer data plane says more than we know */
	}
}

static void take_reports(struct publisher *p)
{
	struct sl_record record;

	for (uint64_t taken = 0; taken < p->to_control.slot_count; taken++) {
		const int result = sl_ring_take(&p->to_control, &record);

		if (result == 0)
			return;
		if (result > 0)
			take_report(p, &record);
		else
			want_replay(p, true); /* whatever it said, a replay answers it */
	}
}

/* ---- what goes out ------------------------------------------------------------------------------------ */

static const uint16_t record_type[FACT_CLASS_COUNT] = {
	[FACT_SETTINGS] = SL_RECORD_SETTINGS, [FACT_NEIGHBOR] = SL_RECORD_NEIGHBOR,
	[FACT_BACKEND] = SL_RECORD_BACKEND,   [FACT_POOL] = SL_RECORD_POOL,
	[FACT_TABLE] = SL_RECORD_TABLE,	      [FACT_SERVICE] = SL_RECORD_SERVICE,
	[FACT_LISTENER] = SL_RECORD_LISTENER, [FACT_VIP] = SL_RECORD_VIP,
};

static bool push(struct publisher *p, enum sl_record_type type, enum sl_op op, const void *payload, size_t len)
{
	return sl_ring_push(&p->to_data, (__u16)type, (__u8)op, payload, (__u32)len) == 1;
}

static bool tell(struct publisher *p, struct fact *fact)
{
	union sl_payload payload = fact->payload;

	if (sl_ring_room(&p->to_data) == 0)
		return false;
	if (fact->table != NULL &&
	    !sl_arena_write(&p->to_data, fact->table->row, (uint64_t)fact->table->rows * sizeof(fact->table->row[0]),
			    &payload.table))
		return false;
	if (!push(p, (enum sl_record_type)record_type[fact->class], fact->op, &payload, sizeof(payload)))
		return false;
	p->records++;
	facts_told(p->facts, fact);
	return true;
}

static bool tell_reset(struct publisher *p)
{
	const struct sl_reset reset = { .arena_position = p->to_data.arena_position };

	if (!push(p, SL_RECORD_RESET, SL_OP_PUT, &reset, sizeof(reset)))
		return false;
	facts_forget(p->facts);
	p->replay = false;
	p->told = 0;
	p->records = 0;
	return true;
}

static bool tell_commit(struct publisher *p)
{
	const struct sl_commit commit = { .generation = p->committed, .records = p->records };

	if (p->told == p->committed)
		return true;
	if (!push(p, SL_RECORD_COMMIT, SL_OP_PUT, &commit, sizeof(commit)))
		return false;
	p->told = p->committed;
	p->records = 0;
	return true;
}

bool publisher_pump(struct publisher *p)
{
	struct fact *fact;

	take_reports(p);
	(void)sl_ring_room(&p->to_data); /* heals our head */
	if (!p->attached || p->open || p->committed == 0)
		return false;
	if (p->patience > 0) {
		p->patience--;
		return true;
	}
	if (p->replay && !tell_reset(p))
		return true;
	/* One ring's worth at most, so that a consumer that keeps up cannot keep us here. */
	for (uint64_t told = 0; (fact = facts_next(p->facts)) != NULL; told++) {
		if (told >= p->to_data.slot_count || !tell(p, fact))
			return true;
	}
	return !tell_commit(p);
}
