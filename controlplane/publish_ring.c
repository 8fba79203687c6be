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

#include "controlplane/publish_kind.h"
#include "sluice/ring.h"

enum { REJECTS_PATIENCE_MAX = 8 }; /* a peer that rejects every replay gets one in 2^8 pumps at least */

struct publish_ring {
	struct publisher publisher;
	struct sl_ring_end to_data;
	struct sl_ring_end to_control;
	bool attached;           /* somebody said HELLO since this file began */
	uint64_t peer;           /* its pid */
	bool replay;             /* RESET and everything is due */
	uint64_t told;           /* the newest COMMIT in the ring since the last RESET */
	uint64_t records;        /* told since RESET or COMMIT */
	unsigned int rejects;    /* in a row, without an APPLIED */
	unsigned int patience;   /* pumps to wait before the next replay */
};

/* ---- what comes back ---------------------------------------------------------------------------------- */

/* A replay is due. One that was just rejected waits: each rejection in a row doubles the pause. */
static void want_replay(struct publish_ring *p, bool rejected)
{
	p->replay = true;
	if (!rejected)
		return;
	p->patience = p->rejects > 0 ? 1u << p->rejects : 0;
	if (p->rejects < REJECTS_PATIENCE_MAX)
		p->rejects++;
}

static void take_report(struct publish_ring *p, const struct sl_record *record)
{
	const union sl_payload *report = &record->payload;
	bool again;

	switch (record->type) {
	case SL_RECORD_HELLO:
		again = p->attached && p->replay && p->peer == report->hello.pid; /* it asks every second */
		p->attached = true;
		p->peer = report->hello.pid;
		want_replay(p, false);
		if (p->publisher.events.hello != NULL && !again)
			p->publisher.events.hello(p->publisher.events.ctx, &report->hello);
		break;
	case SL_RECORD_APPLIED:
		if (report->applied.generation > p->publisher.committed)
			break; /* not ours: nobody stated it */
		p->publisher.applied = report->applied.generation;
		p->rejects = 0;
		if (p->publisher.events.applied != NULL)
			p->publisher.events.applied(p->publisher.events.ctx, &report->applied);
		break;
	case SL_RECORD_REJECTED:
		p->attached = true;
		want_replay(p, true);
		if (p->publisher.events.rejected != NULL)
			p->publisher.events.rejected(p->publisher.events.ctx, &report->rejected);
		break;
	default: break; /* a newer data plane says more than we know */
	}
}

static void take_reports(struct publish_ring *p)
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

static bool push(struct publish_ring *p, enum sl_record_type type, enum sl_op op, const void *payload, size_t len)
{
	return sl_ring_push(&p->to_data, (__u16)type, (__u8)op, payload, (__u32)len) == 1;
}

static bool tell(struct publish_ring *p, struct fact *fact)
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
	facts_told(p->publisher.facts, fact);
	return true;
}

static bool tell_reset(struct publish_ring *p)
{
	const struct sl_reset reset = { .arena_position = p->to_data.arena_position };

	if (!push(p, SL_RECORD_RESET, SL_OP_PUT, &reset, sizeof(reset)))
		return false;
	facts_forget(p->publisher.facts);
	p->replay = false;
	p->told = 0;
	p->records = 0;
	return true;
}

static bool tell_commit(struct publish_ring *p)
{
	const struct sl_commit commit = { .generation = p->publisher.committed, .records = p->records };

	if (p->told == p->publisher.committed)
		return true;
	if (!push(p, SL_RECORD_COMMIT, SL_OP_PUT, &commit, sizeof(commit)))
		return false;
	p->told = p->publisher.committed;
	p->records = 0;
	return true;
}

static bool pump(struct publisher *publisher)
{
	struct publish_ring *p = (struct publish_ring *)publisher;
	struct fact *fact;

	take_reports(p);
	(void)sl_ring_room(&p->to_data); /* heals our head */
	if (!p->attached || p->publisher.open || p->publisher.committed == 0)
		return false;
	if (p->patience > 0) {
		p->patience--;
		return true;
	}
	if (p->replay && !tell_reset(p))
		return true;
	/* One ring's worth at most, so that a consumer that keeps up cannot keep us here. */
	for (uint64_t told = 0; (fact = facts_next(p->publisher.facts)) != NULL; told++) {
		if (told >= p->to_data.slot_count || !tell(p, fact))
			return true;
	}
	return !tell_commit(p);
}

/* ---- lifetime ----------------------------------------------------------------------------------------- */

static void destroy(struct publisher *p)
{
	publish_fini(p);
	free(p); /* the first member of a struct publish_ring */
}

int publish_ring_create(void *base, const struct sl_shm_header *header, const struct publisher_events *events,
			struct publisher **ret_publisher)
{
	static const struct publisher_kind kind = { .pump = pump, .destroy = destroy };
	struct publish_ring *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	if (publish_init(&p->publisher, &kind, events) < 0) {
		free(p);
		return -ENOMEM;
	}
	sl_ring_attach(&p->to_data, base, &header->to_data, &header->arena, header->session);
	sl_ring_attach(&p->to_control, base, &header->to_control, NULL, header->session);
	sl_ring_begin_producer(&p->to_data);
	sl_ring_begin_consumer(&p->to_control);
	p->publisher.limits = header->limits;
	p->publisher.table_rows_max = p->to_data.arena_size / 2 / sizeof(((struct table *)0)->row[0]);
	*ret_publisher = &p->publisher;
	return 0;
}

/* ---- connections -------------------------------------------------------------------------------------- */

uint64_t publish_ring_room(struct publisher *publisher, bool *ret_all)
{
	struct publish_ring *p = (struct publish_ring *)publisher;
	const uint64_t room = sl_ring_room(&p->to_data);

	*ret_all = room == p->to_data.slot_count;
	return room;
}

bool publish_ring_flow(struct publisher *publisher, const struct sl_flow_put *flow)
{
	return push((struct publish_ring *)publisher, SL_RECORD_FLOW, SL_OP_PUT, flow, sizeof(*flow));
}
