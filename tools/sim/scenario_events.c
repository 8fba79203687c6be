/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The part of a scenario file that makes events: `backends:` (before the first packet) and `events:`.
 */
#include <stdio.h>
#include <string.h>

#include "controlplane/config_read.h"
#include "scenario_read.h"

/* One item of `events:` while it is read: it may become several events, one a backend. */
struct event_item {
	struct scenario *scenario;
	struct scenario_event when; /* its time; the rest is empty */
	size_t first;               /* of its events in scenario->events */
	unsigned int whens, whats;  /* keys of each sort: one of both must be there */
};

static struct scenario_event *event_add(struct scenario *scenario, enum scenario_event_kind kind,
					struct config_mark mark)
{
	struct scenario_event *event =
		&scenario->events[scenario->event_count++]; /* count_events() made room */

	event->kind = kind;
	event->line = mark.line;
	return event;
}

static void event_after(struct scenario_reader *reader, const struct config_node *node,
			const struct config_path *path, void *into)
{
	struct event_item *item = into;

	item->whens++;
	scenario_number(reader, node, path, 0, 1000000000000, &item->when.after);
}

static void event_at(struct scenario_reader *reader, const struct config_node *node,
		     const struct config_path *path, void *into)
{
	struct event_item *item = into;

	item->whens++;
	item->when.timed = scenario_duration(reader, node, path, &item->when.at_ns);
}

/* `down: web1` or `down: [web1, web/web2]`. */
static void event_backends(struct scenario_reader *reader, const struct config_node *node,
			   const struct config_path *path, struct event_item *item,
			   enum scenario_event_kind kind)
{
	const char *text;

	item->whats += scenario_items(node) > 0;
	for (size_t i = 0; i < scenario_items(node); i++) {
		const struct config_node *one = node->kind == CONFIG_NODE_LIST ? node->items[i] : node;
		struct scenario_event *event;

		if (!scenario_text(reader, one, path, "a backend's name, POOL/BACKEND, or a list of these",
				   &text))
			continue;
		event = event_add(item->scenario, kind, one->mark);
		scenario_backend(reader, one, path, text, event->pool, event->backend);
	}
}

static void event_up(struct scenario_reader *reader, const struct config_node *node,
		     const struct config_path *path, void *into)
{
	event_backends(reader, node, path, into, SCENARIO_UP);
}

static void event_down(struct scenario_reader *reader, const struct config_node *node,
		       const struct config_path *path, void *into)
{
	event_backends(reader, node, path, into, SCENARIO_DOWN);
}

static void event_unknown(struct scenario_reader *reader, const struct config_node *node,
			  const struct config_path *path, void *into)
{
	event_backends(reader, node, path, into, SCENARIO_UNKNOWN);
}

static void event_drain(struct scenario_reader *reader, const struct config_node *node,
			const struct config_path *path, void *into)
{
	event_backends(reader, node, path, into, SCENARIO_DRAIN);
}

static void event_retire(struct scenario_reader *reader, const struct config_node *node,
			 const struct config_path *path, void *into)
{
	event_backends(reader, node, path, into, SCENARIO_RETIRE);
}

static void event_off(struct scenario_reader *reader, const struct config_node *node,
		      const struct config_path *path, void *into)
{
	event_backends(reader, node, path, into, SCENARIO_OFF);
}

static void event_ready(struct scenario_reader *reader, const struct config_node *node,
			const struct config_path *path, void *into)
{
	event_backends(reader, node, path, into, SCENARIO_READY);
}

/* `weight: {web1: 5, web/web2: 0}`. */
static void event_weight(struct scenario_reader *reader, const struct config_node *node,
			 const struct config_path *path, void *into)
{
	struct event_item *item = into;

	item->whats++;
	if (node->kind != CONFIG_NODE_MAP) {
		config_errors_add(reader->errors, node->mark, path,
				  "this is %s; allowed: a map from backends to weights",
				  config_node_kind_name(node));
		return;
	}
	for (size_t i = 0; i < node->count; i++) {
		const struct config_path here = {.parent = path, .key = node->keys[i]->text};
		struct scenario_event *event =
			event_add(item->scenario, SCENARIO_WEIGHT, node->keys[i]->mark);
		uint64_t weight;

		scenario_backend(reader, node->keys[i], &here, node->keys[i]->text, event->pool,
				 event->backend);
		if (scenario_number(reader, node->items[i], &here, 0, 65535, &weight))
			event->weight = (uint32_t)weight;
	}
}

/* An event that names a file, relative to the scenario. */
static void event_file(struct scenario_reader *reader, const struct config_node *node,
		       const struct config_path *path, struct event_item *item, enum scenario_event_kind kind)
{
	static const char *const needed[] = {[SCENARIO_RELOAD] = "a configuration file", [SCENARIO_KEY] = "a key file"};
	struct scenario_event *event;
	const char *text;
	size_t size;

	item->whats++;
	if (!scenario_text(reader, node, path, needed[kind], &text))
		return;
	event = event_add(item->scenario, kind, node->mark);
	size = strlen(reader->directory) + strlen(text) + 1;
	event->file = scenario_alloc(reader, size, 1);
	if (event->file != NULL)
		snprintf(event->file, size, "%s%s", text[0] == '/' ? "" : reader->directory, text);
}

static void event_reload(struct scenario_reader *reader, const struct config_node *node,
			 const struct config_path *path, void *into)
{
	event_file(reader, node, path, into, SCENARIO_RELOAD);
}

static void event_key(struct scenario_reader *reader, const struct config_node *node,
		      const struct config_path *path, void *into)
{
	event_file(reader, node, path, into, SCENARIO_KEY);
}

static void event_neighbor(struct scenario_reader *reader, const struct config_node *node,
			   const struct config_path *path, void *into)
{
	struct event_item *item = into;

	item->whats++;
	scenario_read_neighbor(reader, node, path,
			       &event_add(item->scenario, SCENARIO_NEIGHBOR, node->mark)->neighbor);
}

static void event_port(struct scenario_reader *reader, const struct config_node *node,
		       const struct config_path *path, void *into)
{
	struct event_item *item = into;

	item->whats++;
	scenario_read_port(reader, node, path, &event_add(item->scenario, SCENARIO_PORT, node->mark)->port);
}

static void read_event(struct scenario_reader *reader, const struct config_node *node,
		       const struct config_path *path, void *into)
{
	static const struct scenario_key keys[] = {
		{"after", event_after},     {"at", event_at},
		{"up", event_up},           {"down", event_down},
		{"unknown", event_unknown}, {"drain", event_drain},
		{"retire", event_retire},   {"off", event_off},
		{"ready", event_ready},     {"weight", event_weight},
		{"reload", event_reload},   {"key", event_key},
		{"neighbor", event_neighbor}, {"port", event_port},
		{NULL, NULL},
	};
	struct scenario *scenario = into;
	struct event_item item = {.scenario = scenario, .first = scenario->event_count};

	if (!scenario_read_map(reader, node, path, keys, &item))
		return;
	if (item.whens != 1)
		config_errors_add(reader->errors, node->mark, path,
				  "when is this; allowed: one of after (packets), at (a duration)");
	if (item.whats == 0)
		config_errors_add(reader->errors, node->mark, path,
				  "what happens; allowed: up, down, unknown, drain, retire, off, ready, "
				  "weight, reload, key, neighbor, port");
	for (size_t i = item.first; i < scenario->event_count; i++) {
		scenario->events[i].timed = item.when.timed;
		scenario->events[i].after = item.when.after;
		scenario->events[i].at_ns = item.when.at_ns;
	}
}

/* `backends: {web1: down, web/web2: drain}`: events before the first packet. */
static void read_backends(struct scenario_reader *reader, const struct config_node *node,
			  const struct config_path *path, void *into)
{
	static const char allowed[] = "up, down, unknown, drain, retire or off";
	struct scenario *scenario = into;

	if (node->kind != CONFIG_NODE_MAP) {
		config_errors_add(reader->errors, node->mark, path,
				  "this is %s; allowed: a map from backends to %s",
				  config_node_kind_name(node), allowed);
		return;
	}
	for (size_t i = 0; i < node->count; i++) {
		const struct config_path here = {.parent = path, .key = node->keys[i]->text};
		enum scenario_event_kind kind = SCENARIO_UP;
		struct scenario_event *event;
		const char *text;

		if (!scenario_text(reader, node->items[i], &here, allowed, &text))
			continue;
		while (kind <= SCENARIO_OFF && strcmp(text, scenario_event_word(kind)) != 0)
			kind++;
		if (kind > SCENARIO_OFF) {
			config_errors_add(reader->errors, node->items[i]->mark, &here,
					  "\"%.60s\" is not known; allowed: %s", text, allowed);
			continue;
		}
		event = event_add(scenario, kind, node->keys[i]->mark);
		scenario_backend(reader, node->keys[i], &here, node->keys[i]->text, event->pool,
				 event->backend);
	}
}

/* Most events the file can make: one for each text under what makes events. */
static size_t count_events(const struct config_node *root)
{
	const struct config_node *events = config_node_get(root, "events"),
				 *backends = config_node_get(root, "backends");

	return (events != NULL ? events->weight : 0) + (backends != NULL ? backends->weight : 0);
}

bool scenario_make_events(struct scenario_reader *reader, const struct config_node *root,
			  struct scenario *scenario)
{
	const struct config_node *backends = config_node_get(root, "backends"),
				 *events = config_node_get(root, "events");
	const struct config_path backends_path = {.key = "backends"}, events_path = {.key = "events"};

	scenario->events = scenario_alloc(reader, count_events(root), sizeof(*scenario->events));
	if (scenario->events == NULL)
		return false;
	if (backends != NULL)
		read_backends(reader, backends, &backends_path, scenario);
	if (events != NULL)
		scenario_each(reader, events, &events_path, read_event, scenario, 0);
	return true;
}
