/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two queues, one by packets and one by time, each sorted; so a packet costs two comparisons, however
 * many events there are.
 */
#include "timeline.h"

#include <errno.h>
#include <stdlib.h>

struct queue {
	const struct scenario_event **events;
	size_t count, next;
};

struct timeline {
	struct queue by_packets, by_time;
};

static uint64_t due_of(const struct scenario_event *event)
{
	return event->timed ? event->at_ns : event->after;
}

/* By when they are due, then as in the file: events are one array. */
static int compare(const void *a, const void *b)
{
	const struct scenario_event *x = *(const struct scenario_event *const *)a;
	const struct scenario_event *y = *(const struct scenario_event *const *)b;

	if (due_of(x) != due_of(y))
		return due_of(x) < due_of(y) ? -1 : 1;
	return x < y ? -1 : x > y;
}

int timeline_create(const struct scenario *scenario, struct timeline **ret_timeline)
{
	struct timeline *timeline = calloc(1, sizeof(*timeline));
	const size_t room = scenario->event_count + 1;

	if (timeline == NULL)
		return -ENOMEM;
	timeline->by_packets.events = calloc(room, sizeof(*timeline->by_packets.events));
	timeline->by_time.events = calloc(room, sizeof(*timeline->by_time.events));
	if (timeline->by_packets.events == NULL || timeline->by_time.events == NULL) {
		timeline_destroy(timeline);
		return -ENOMEM;
	}
	for (size_t i = 0; i < scenario->event_count; i++) {
		struct queue *queue = scenario->events[i].timed ? &timeline->by_time : &timeline->by_packets;

		queue->events[queue->count++] = &scenario->events[i];
	}
	qsort(timeline->by_packets.events, timeline->by_packets.count, sizeof(*timeline->by_packets.events),
	      compare);
	qsort(timeline->by_time.events, timeline->by_time.count, sizeof(*timeline->by_time.events), compare);
	*ret_timeline = timeline;
	return 0;
}

void timeline_destroy(struct timeline *timeline)
{
	if (timeline == NULL)
		return;
	free(timeline->by_packets.events);
	free(timeline->by_time.events);
	free(timeline);
}

static const struct scenario_event *head(const struct queue *queue, uint64_t now)
{
	if (queue->next == queue->count || due_of(queue->events[queue->next]) > now)
		return NULL;
	return queue->events[queue->next];
}

const struct scenario_event *timeline_due(struct timeline *timeline, uint64_t packets, uint64_t now_ns)
{
	const struct scenario_event *by_packets = head(&timeline->by_packets, packets);
	const struct scenario_event *by_time = head(&timeline->by_time, now_ns);

	if (by_packets != NULL && (by_time == NULL || by_packets < by_time)) {
		timeline->by_packets.next++;
		return by_packets;
	}
	if (by_time != NULL)
		timeline->by_time.next++;
	return by_time;
}

uint64_t timeline_next_ns(const struct timeline *timeline)
{
	const struct queue *queue = &timeline->by_time;

	return queue->next < queue->count ? due_of(queue->events[queue->next]) : UINT64_MAX;
}

size_t timeline_left(const struct timeline *timeline)
{
	return timeline->by_packets.count - timeline->by_packets.next + timeline->by_time.count -
	       timeline->by_time.next;
}
