/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A YAML file as a tree in which every node knows its line and column. Made by config_parse(), read
 * by config_read*.c. An aliased node is one node met from several places, so the tree is a graph
 * without cycles; its size as a tree is bounded. Private to config_*.c.
 */
#ifndef CONTROLPLANE_CONFIG_TREE_H
#define CONTROLPLANE_CONFIG_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config_arena.h"
#include "config_errors.h"

enum config_tree_limit {
	CONFIG_TEXT_MAX = 64 * 1024 * 1024, /* bytes of a file: half a million backends with names */
	CONFIG_NODES_MAX = 4 * 1000 * 1000, /* with every alias written out: stops "billion laughs" */
	CONFIG_DEPTH_MAX = 24,              /* the deepest key there is has depth 6 */
	CONFIG_ANCHORS_MAX = 1000,          /* searched one by one */
};

enum config_node_kind {
	CONFIG_NODE_BAD = 0, /* an error was already reported for it: say nothing more */
	CONFIG_NODE_TEXT,
	CONFIG_NODE_LIST,
	CONFIG_NODE_MAP,
};

struct config_node {
	enum config_node_kind kind;
	bool plain; /* text: without quotes */
	bool open;  /* not complete yet: an alias to it would be a cycle */
	struct config_mark mark;
	const char *text; /* zero-terminated, no other zero byte */
	size_t text_len;
	struct config_node **items; /* a list's items; a map's values */
	struct config_node **keys;  /* a map's keys */
	size_t count;
	uint32_t weight; /* nodes of this subtree, aliases written out */
};

/*
 * Returns the root, always a map, in memory of `arena`; NULL when the text is not YAML, not one
 * document or past a limit, which *errors then says. Errors that leave the rest readable (a duplicate
 * key, an unknown alias) are reported and do not end it.
 */
struct config_node *config_parse(const char *text, size_t len, struct config_arena *arena,
				 struct config_errors *errors);
/* The value of a map's key, or NULL. */
const struct config_node *config_node_get(const struct config_node *map, const char *key);
/* What a node is, for messages: "a list". */
const char *config_node_kind_name(const struct config_node *node);

#endif
