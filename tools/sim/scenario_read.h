/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The maps of a scenario file: a table of keys for each, one function a key. Private to scenario*.c.
 */
#ifndef TOOLS_SIM_SCENARIO_READ_H
#define TOOLS_SIM_SCENARIO_READ_H

#include "controlplane/config_tree.h"
#include "scenario.h"

struct scenario_reader {
	struct config_arena *memory; /* of the scenario */
	struct config_errors *errors;
	const char *directory; /* of the file, with its slash: what files in it are relative to */
};

/* Zeroed memory of the scenario; NULL: reported. */
void *scenario_alloc(struct scenario_reader *reader, size_t count, size_t size);
/* Reads the whole file into *scenario; what is wrong goes to reader->errors. */
void scenario_read(struct scenario_reader *reader, const struct config_node *root, struct scenario *scenario);

/* Reads one value into the struct it belongs to; reports what is wrong. */
typedef void (*scenario_read_fn)(struct scenario_reader *reader, const struct config_node *node,
				 const struct config_path *path, void *into);
/* Calls `read` for each item of a list (of `size` bytes at `into`), or once: a single value needs no list. */
void scenario_each(struct scenario_reader *reader, const struct config_node *node,
		   const struct config_path *path, scenario_read_fn read, void *into, size_t size);
size_t scenario_items(const struct config_node *node); /* of a list; 1 otherwise */
/* One map of `ports:` and `neighbors:`, into their structs. */
void scenario_read_port(struct scenario_reader *reader, const struct config_node *node,
			const struct config_path *path, void *into);
void scenario_read_neighbor(struct scenario_reader *reader, const struct config_node *node,
			    const struct config_path *path, void *into);
/* scenario_events.c: reads `backends:` and `events:`. False: no memory, reported. */
bool scenario_make_events(struct scenario_reader *reader, const struct config_node *root,
			  struct scenario *scenario);

/* ---- scenario_value.c: single values; each reports what is wrong and then returns false ---- */

/* One key of a map, and what reads its value into the map's struct. */
struct scenario_key {
	const char *key;
	scenario_read_fn read;
};

/* Reads a map by its table (ended by a NULL key): unknown keys are reported. False: it is no map. */
bool scenario_read_map(struct scenario_reader *reader, const struct config_node *node,
		       const struct config_path *path, const struct scenario_key *keys, void *into);
bool scenario_text(struct scenario_reader *reader, const struct config_node *node,
		   const struct config_path *path, const char *allowed, const char **ret_text);
bool scenario_name(struct scenario_reader *reader, const struct config_node *node,
		   const struct config_path *path, char ret_name[SL_NAME_MAX]);
/* "web1" or "web/web1". */
bool scenario_backend(struct scenario_reader *reader, const struct config_node *node,
		      const struct config_path *path, const char *text, char ret_pool[SL_NAME_MAX],
		      char ret_backend[SL_NAME_MAX]);
bool scenario_number(struct scenario_reader *reader, const struct config_node *node,
		     const struct config_path *path, uint64_t min, uint64_t max, uint64_t *ret_number);
bool scenario_duration(struct scenario_reader *reader, const struct config_node *node,
		       const struct config_path *path, uint64_t *ret_ns);
bool scenario_bool(struct scenario_reader *reader, const struct config_node *node,
		   const struct config_path *path, bool *ret_value);
bool scenario_mac(struct scenario_reader *reader, const struct config_node *node,
		  const struct config_path *path, uint8_t ret_mac[6]);
bool scenario_ip(struct scenario_reader *reader, const struct config_node *node,
		 const struct config_path *path, struct sl_addr *ret_address);
/* "192.0.2.5/24". */
bool scenario_prefix(struct scenario_reader *reader, const struct config_node *node,
		     const struct config_path *path, struct scenario_address *ret_address);

#endif
