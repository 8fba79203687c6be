/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the tree to struct config: every value by the table of keys, then what needs more than one
 * value of the same object. What needs several objects is config_check.c's. Private to config_*.c.
 */
#ifndef CONTROLPLANE_CONFIG_READ_H
#define CONTROLPLANE_CONFIG_READ_H

#include "config.h"
#include "config_errors.h"
#include "config_index.h"
#include "config_schema.h"
#include "config_tree.h"
#include "config_value.h"

/* What is known of a pool while reading and needed afterwards only for messages. */
struct config_pool_origin {
	struct config_mark check; /* of its `check:` value */
	bool in_service;          /* made of a service's `backends:` */
	bool complete;            /* its list of backends could be read */
};

struct config_reader {
	struct config *config;
	struct config_errors *errors;
	const struct config_host *host;
	const struct config_node *root;
	struct config_index *check_index; /* names under checks: */
	size_t named_checks;
	struct config_index *pool_index; /* names of pools, those of services included */
	struct config_pool_origin *pool_origins;
};

/* ---- config_read.c: any section */

/* Fills defaults, then what `map` (NULL: nothing) says, into the struct at `base`; reports unknown and
 * missing keys. */
void config_read_section(struct config_reader *reader, const char *section, const struct config_node *map,
			 const struct config_path *path, void *base);
/* The node when it is of that kind, or NULL after reporting what is allowed for `key` ("pools[].check"). */
const struct config_node *config_read_expect(struct config_reader *reader, const struct config_node *node,
					     enum config_node_kind kind, const char *key,
					     const struct config_path *path);
/* Reports a text: `"X" REASON; allowed: …`. */
void config_read_refuse(struct config_reader *reader, const struct config_node *node, const char *key,
			const struct config_path *path, const struct config_reason *reason);
/* The text of map[key] when it is one and could be a name, for paths in messages; or NULL. */
const char *config_read_name(const struct config_node *map, const char *key);
/* Zeroed memory of the configuration; NULL: reported. */
void *config_read_alloc(struct config_reader *reader, size_t count, size_t size);
/* Reports an address that no other machine can have: loopback, multicast … */
bool config_read_host_address(struct config_reader *reader, const struct sl_addr *addr,
			      struct config_mark mark, const struct config_path *path);

/* ---- config_read_*.c: the parts of the file */

void config_read_interfaces(struct config_reader *reader, const struct config_node *list);
void config_read_dpdk(struct config_reader *reader, const struct config_node *map);
void config_read_checks(struct config_reader *reader, const struct config_node *map);
/* `text_or_map`: of pools[].check or services[].check; returns the check's index or -1. */
int config_read_pool_check(struct config_reader *reader, const struct config_node *node,
			   const struct config_path *path, const char *pool_name);
void config_read_pools(struct config_reader *reader, const struct config_node *list);
/* A service with `backends:`; returns the new pool's index or -1. */
int config_read_service_pool(struct config_reader *reader, const struct config_node *service,
			     const struct config_path *path, const char *name);
void config_read_services(struct config_reader *reader, const struct config_node *list);
void config_read_vips(struct config_reader *reader, const struct config_node *list);

/* ---- config_check.c */

void config_check(struct config_reader *reader);

/* ---- config_suggest.c: the likeliest of the words that were offered */

struct config_suggestion {
	const char *wrong;
	const char *best; /* NULL: none is near */
	size_t distance;
};

void config_suggest(struct config_suggestion *suggestion, const char *word);

#endif
