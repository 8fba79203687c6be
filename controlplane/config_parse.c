/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libyaml's events → a tree with the place of every node. Refuses what libyaml lets pass: duplicate
 * keys, cycles, tags, several documents, and whatever is too deep or too large. Knows no key.
 */
#include "config_tree.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "config_index.h"
#include "config_syntax.h"
#include "config_text.h"

enum {
	FEW_KEYS = 16, /* up to here duplicates are found by comparing */
};

struct anchor {
	const char *name;
	struct config_node *node;
};

/* One list or map that is being filled. */
struct frame {
	struct config_node *node;
	size_t capacity;
	struct config_node *key;    /* a map's key that waits for its value */
	bool duplicate;             /* that key was there before: its value is read and dropped */
	struct config_index *index; /* of a map with many keys */
};

struct parser {
	struct config_arena *arena;
	struct config_errors *errors;
	yaml_parser_t yaml;
	struct frame frames[CONFIG_DEPTH_MAX];
	size_t depth;
	struct anchor anchors[CONFIG_ANCHORS_MAX];
	size_t anchor_count;
	struct config_node *root;
	uint32_t nodes; /* with aliases written out */
	unsigned int documents;
};

const struct config_node *config_node_get(const struct config_node *map, const char *key)
{
	if (!map || map->kind != CONFIG_NODE_MAP)
		return NULL;
	for (size_t i = 0; i < map->count; i++)
		if (strcmp(map->keys[i]->text, key) == 0)
			return map->items[i];
	return NULL;
}

const char *config_node_kind_name(const struct config_node *node)
{
	switch (node->kind) {
	case CONFIG_NODE_BAD: break;
	case CONFIG_NODE_TEXT: return node->plain && node->text_len == 0 ? "nothing" : "a single value";
	case CONFIG_NODE_LIST: return "a list";
	case CONFIG_NODE_MAP: return "a map";
	}
	return "?";
}

/* The path to the key `key` (NULL: to what comes next) in the innermost open list or map. */
struct place {
	struct config_path parts[CONFIG_DEPTH_MAX + 1];
};

static const char *name_of(const struct config_node *map)
{
	const struct config_node *name = config_node_get(map, "name");

	return name && name->kind == CONFIG_NODE_TEXT ? name->text : NULL;
}

static const struct config_path *place_of(const struct parser *p, struct place *place, const char *key)
{
	const struct config_path *parent = NULL;

	for (size_t i = 0; i < p->depth; i++) {
		const struct frame *frame = &p->frames[i];
		const bool last = i + 1 == p->depth;
		struct config_path *part = &place->parts[i];

		*part = (struct config_path){ .parent = parent };
		if (frame->node->kind == CONFIG_NODE_LIST) {
			part->index = frame->node->count;
			part->name = last ? NULL : name_of(p->frames[i + 1].node);
		} else {
			part->key = last && key ? key : frame->key ? frame->key->text : NULL;
			if (!part->key)
				break;
		}
		parent = part;
	}
	return parent;
}

static struct config_mark mark_of(yaml_mark_t mark)
{
	return (struct config_mark){ (unsigned int)mark.line + 1, (unsigned int)mark.column + 1 };
}

static int no_memory(struct parser *p)
{
	config_errors_no_memory(p->errors);
	return -ENOMEM;
}

__attribute__((format(printf, 4, 5))) static int wrong(struct parser *p, struct config_mark mark,
						       const char *key, const char *format, ...)
{
	struct config_message message;
	struct place place;
	va_list args;

	va_start(args, format);
	vsnprintf(message.text, sizeof(message.text), format, args);
	va_end(args);
	config_errors_add(p->errors, mark, place_of(p, &place, key), "%s", message.text);
	return -EINVAL;
}

static int syntax_error(struct parser *p, const char *text, size_t len)
{
	struct config_message message;
	yaml_mark_t mark;

	if (p->yaml.error == YAML_MEMORY_ERROR)
		return no_memory(p);
	config_syntax_describe(&p->yaml, text, len, &mark, &message);
	return wrong(p, mark_of(mark), NULL, "%s", message.text);
}

static int count_nodes(struct parser *p, struct config_mark mark, uint32_t weight)
{
	p->nodes += weight;
	if (p->nodes <= CONFIG_NODES_MAX)
		return 0;
	return wrong(p, mark, NULL, "too large%s; allowed: %d values in a file",
		     weight > 1 ? " when aliases are written out" : "", CONFIG_NODES_MAX);
}

static struct config_node *new_node(struct parser *p, enum config_node_kind kind, struct config_mark mark)
{
	struct config_node *node = config_arena_alloc(p->arena, 1, sizeof(*node));

	if (node) {
		node->kind = kind;
		node->mark = mark;
		node->weight = 1;
	}
	return node;
}

static int add_anchor(struct parser *p, const yaml_char_t *name, struct config_node *node)
{
	struct anchor *anchor;

	if (!name)
		return 0;
	if (p->anchor_count == CONFIG_ANCHORS_MAX)
		return wrong(p, node->mark, NULL, "too many anchors; allowed: %d", CONFIG_ANCHORS_MAX);
	anchor = &p->anchors[p->anchor_count];
	anchor->name = config_arena_text(p->arena, (const char *)name, strlen((const char *)name));
	if (!anchor->name)
		return no_memory(p);
	anchor->node = node;
	p->anchor_count++;
	return 0;
}

/* Makes room for one more pair or item; the arena keeps the smaller arrays, at most as much again. */
static bool grow(struct parser *p, struct frame *frame)
{
	struct config_node *node = frame->node;
	const size_t capacity = frame->capacity ? frame->capacity * 2 : 4;
	struct config_node **items, **keys = NULL;

	if (node->count < frame->capacity)
		return true;
	items = config_arena_alloc(p->arena, capacity, sizeof(struct config_node *));
	if (node->kind == CONFIG_NODE_MAP)
		keys = config_arena_alloc(p->arena, capacity, sizeof(struct config_node *));
	if (!items || (node->kind == CONFIG_NODE_MAP && !keys))
		return false;
	if (node->count > 0) {
		memcpy(items, node->items, node->count * sizeof(struct config_node *));
		if (keys)
			memcpy(keys, node->keys, node->count * sizeof(struct config_node *));
	}
	node->items = items;
	node->keys = keys;
	frame->capacity = capacity;
	return true;
}

static int complex_key(struct parser *p, const struct config_node *key)
{
	return wrong(p, key->mark, NULL,
		     "a list or a map stands in place of a key; allowed: a word, or a text in quotes");
}

/* Returns 1 and the position of an equal key, 0 when there is none, -ENOMEM. */
static int find_key(struct frame *frame, const struct config_node *key, size_t *ret_first)
{
	const struct config_node *map = frame->node;
	int result;

	if (map->count < FEW_KEYS) {
		for (size_t i = 0; i < map->count; i++) {
			if (map->keys[i]->text_len == key->text_len &&
			    memcmp(map->keys[i]->text, key->text, key->text_len) == 0) {
				*ret_first = i;
				return 1;
			}
		}
		return 0;
	}
	if (!frame->index) {
		frame->index = config_index_create(2 * map->count);
		if (!frame->index)
			return -ENOMEM;
		for (size_t i = 0; i < map->count; i++)
			if (config_index_put(frame->index, map->keys[i]->text, map->keys[i]->text_len, i,
					     ret_first) < 0)
				return -ENOMEM;
	}
	result = config_index_put(frame->index, key->text, key->text_len, map->count, ret_first);
	return result < 0 ? result : !result;
}

static int take_key(struct parser *p, struct frame *frame, struct config_node *key)
{
	size_t first = 0;
	int found;

	if (key->kind != CONFIG_NODE_TEXT)
		return key->kind == CONFIG_NODE_BAD ? -EINVAL : complex_key(p, key);
	if (key->plain && strcmp(key->text, "<<") == 0) {
		wrong(p, key->mark, key->text,
		      "merge keys are not supported; allowed: an alias in place of a whole value");
		found = 1;
	} else {
		found = find_key(frame, key, &first);
		if (found < 0)
			return no_memory(p);
		if (found > 0)
			wrong(p, key->mark, key->text,
			      "this key is here twice, first in line %u; allowed: once",
			      frame->node->keys[first]->mark.line);
	}
	frame->duplicate = found > 0;
	frame->key = key;
	return 0;
}

/* Puts a finished node where it belongs: the root, a list's next item, a map's key or value. */
static int attach(struct parser *p, struct config_node *node)
{
	struct frame *frame;

	if (p->depth == 0) {
		p->root = node;
		return 0;
	}
	frame = &p->frames[p->depth - 1];
	if (frame->node->kind == CONFIG_NODE_MAP && !frame->key)
		return take_key(p, frame, node);
	if (!grow(p, frame))
		return no_memory(p);
	frame->node->weight += node->weight;
	if (frame->node->kind == CONFIG_NODE_MAP) {
		if (!frame->duplicate) {
			frame->node->keys[frame->node->count] = frame->key;
			frame->node->items[frame->node->count++] = node;
		}
		frame->key = NULL;
		frame->duplicate = false;
		return 0;
	}
	frame->node->items[frame->node->count++] = node;
	return 0;
}

static int on_alias(struct parser *p, const yaml_event_t *event)
{
	const char *name = (const char *)event->data.alias.anchor;
	const struct config_mark mark = mark_of(event->start_mark);
	struct config_node *node = NULL;
	int err;

	for (size_t i = p->anchor_count; i > 0 && !node; i--) /* the latest of that name */
		if (strcmp(p->anchors[i - 1].name, name) == 0)
			node = p->anchors[i - 1].node;
	if (node && !node->open) {
		err = count_nodes(p, mark, node->weight);
		return err ? err : attach(p, node);
	}
	if (node)
		wrong(p, mark, NULL,
		      "alias *%.60s stands inside what it names (&%.60s, line %u): a cycle; allowed: aliases "
		      "to complete values",
		      name, name, node->mark.line);
	else
		wrong(p, mark, NULL,
		      "alias *%.60s is not defined before this place; allowed: an anchor &%.60s on an "
		      "earlier value",
		      name, name);
	if (p->depth > 0 && p->frames[p->depth - 1].node->kind == CONFIG_NODE_MAP &&
	    !p->frames[p->depth - 1].key)
		return -EINVAL; /* as a key: its value would have no name */
	node = new_node(p, CONFIG_NODE_BAD, mark);
	return node ? attach(p, node) : no_memory(p);
}

static int on_scalar(struct parser *p, const yaml_event_t *event)
{
	struct config_node *node = new_node(p, CONFIG_NODE_TEXT, mark_of(event->start_mark));
	int err;

	if (!node)
		return no_memory(p);
	node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	node->text_len = event->data.scalar.length;
	node->text = config_arena_text(p->arena, (const char *)event->data.scalar.value, node->text_len);
	if (!node->text)
		return no_memory(p);
	if (memchr(node->text, 0, node->text_len)) {
		wrong(p, node->mark, NULL, "a text holds a zero byte (\\0); allowed: texts without");
		node->kind = CONFIG_NODE_BAD;
	}
	err = count_nodes(p, node->mark, 1);
	if (!err)
		err = add_anchor(p, event->data.scalar.anchor, node);
	return err ? err : attach(p, node);
}

static int on_start(struct parser *p, const yaml_event_t *event, enum config_node_kind kind,
		    const yaml_char_t *anchor)
{
	struct config_node *node = new_node(p, kind, mark_of(event->start_mark));
	int err;

	if (!node)
		return no_memory(p);
	if (p->depth > 0 && p->frames[p->depth - 1].node->kind == CONFIG_NODE_MAP &&
	    !p->frames[p->depth - 1].key)
		return complex_key(p, node);
	if (p->depth == CONFIG_DEPTH_MAX)
		return wrong(p, node->mark, NULL, "too deep; allowed: %d levels", CONFIG_DEPTH_MAX);
	err = count_nodes(p, node->mark, 1);
	if (!err)
		err = add_anchor(p, anchor, node);
	if (err)
		return err;
	node->open = true;
	p->frames[p->depth++] = (struct frame){ .node = node };
	return 0;
}

static int on_end(struct parser *p)
{
	struct frame *frame = &p->frames[--p->depth];

	config_index_destroy(frame->index);
	frame->index = NULL;
	frame->node->open = false;
	return attach(p, frame->node);
}

static int on_document(struct parser *p, const yaml_event_t *event)
{
	if (p->documents++ == 0)
		return 0;
	return wrong(p, mark_of(event->start_mark), NULL,
		     "a second document begins here; allowed: one in a file");
}

static int refuse_tag(struct parser *p, const yaml_event_t *event, const yaml_char_t *tag)
{
	if (!tag)
		return 0;
	return wrong(p, mark_of(event->start_mark), NULL,
		     "the tag %s is not supported; allowed: values without tags", (const char *)tag);
}

static int on_event(struct parser *p, const yaml_event_t *event)
{
	int err;

	switch (event->type) {
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT: return 0;
	case YAML_DOCUMENT_START_EVENT: return on_document(p, event);
	case YAML_ALIAS_EVENT: return on_alias(p, event);
	case YAML_SCALAR_EVENT:
		err = refuse_tag(p, event, event->data.scalar.tag);
		return err ? err : on_scalar(p, event);
	case YAML_SEQUENCE_START_EVENT:
		err = refuse_tag(p, event, event->data.sequence_start.tag);
		return err ? err : on_start(p, event, CONFIG_NODE_LIST, event->data.sequence_start.anchor);
	case YAML_MAPPING_START_EVENT:
		err = refuse_tag(p, event, event->data.mapping_start.tag);
		return err ? err : on_start(p, event, CONFIG_NODE_MAP, event->data.mapping_start.anchor);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT: return on_end(p);
	}
	return -EINVAL;
}

static int run(struct parser *p, const char *text, size_t len)
{
	bool done = false;
	int err = 0;

	yaml_parser_set_input_string(&p->yaml, (const unsigned char *)text, len);
	yaml_parser_set_encoding(&p->yaml, YAML_UTF8_ENCODING);
	while (!done && !err) {
		yaml_event_t event;

		if (!yaml_parser_parse(&p->yaml, &event))
			return syntax_error(p, text, len);
		done = event.type == YAML_STREAM_END_EVENT;
		err = on_event(p, &event);
		yaml_event_delete(&event);
	}
	return err;
}

struct config_node *config_parse(const char *text, size_t len, struct config_arena *arena,
				 struct config_errors *errors)
{
	struct config_node *root = NULL;
	struct parser *p;

	if (len > CONFIG_TEXT_MAX) {
		config_errors_add(errors, (struct config_mark){ 0 }, NULL,
				  "the file has %zu bytes; allowed: %d", len, CONFIG_TEXT_MAX);
		return NULL;
	}
	if (!config_text_check(text, len, errors))
		return NULL;
	p = calloc(1, sizeof(*p));
	if (!p || !yaml_parser_initialize(&p->yaml)) {
		config_errors_no_memory(errors);
		free(p);
		return NULL;
	}
	p->arena = arena;
	p->errors = errors;
	if (run(p, text, len) == 0)
		root = p->root;
	for (size_t i = 0; i < p->depth; i++)
		config_index_destroy(p->frames[i].index);
	if (root && root->kind != CONFIG_NODE_MAP) {
		config_errors_add(errors, root->mark, NULL,
				  "the file holds %s; allowed: keys such as \"services:\"",
				  config_node_kind_name(root));
		root = NULL;
	} else if (!root && config_errors_count(errors) == 0 && !config_errors_out_of_memory(errors)) {
		config_errors_add(errors, (struct config_mark){ 0 }, NULL,
				  "the file is empty; needed: \"interfaces:\" and \"services:\"");
	}
	yaml_parser_delete(&p->yaml);
	free(p);
	return root;
}
