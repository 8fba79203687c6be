/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a datapath should know, one fact an object, and which of it the datapath has not been told.
 * Every operation costs the same whatever the number of facts, and there are never more of them than
 * objects that live or that the datapath still holds: a peer that never reads costs no memory.
 */
#ifndef CONTROLPLANE_FACTS_H
#define CONTROLPLANE_FACTS_H

#include "controlplane/publish.h"

/* In the order in which they are told; removals are told before, in reverse. */
enum fact_class {
	FACT_SETTINGS = 0,
	FACT_NEIGHBOR,
	FACT_BACKEND,
	FACT_POOL,
	FACT_TABLE,
	FACT_SERVICE,
	FACT_LISTENER,
	FACT_VIP,
	FACT_CLASS_COUNT,
};

struct fact {
	enum fact_class class;
	enum sl_op op;            /* what is to be told */
	union sl_payload payload;
	struct table *table;      /* FACT_TABLE with SL_OP_PUT: one reference */
	/* facts.c only */
	uint8_t list;             /* where next and prev lead */
	uint64_t told;            /* the replay in which it was told PUT; 0: never */
	struct fact *next, *prev, *hash_next;
};

struct facts;

int facts_create(struct facts **ret_facts); /* 0 or -ENOMEM */
void facts_destroy(struct facts *facts);    /* NULL is fine */
/*
 * States one object; saying the same again is nothing new. `table` (FACT_TABLE only) gets a reference.
 * Returns 1 (new to the datapath), 0 (it knows, or will be told, just this) or -ENOMEM.
 */
int facts_put(struct facts *facts, enum fact_class class, const union sl_payload *payload, struct table *table);
/* Removes one object, named by the key fields of `payload`. Returns 1 or 0 as above. */
int facts_del(struct facts *facts, enum fact_class class, const union sl_payload *payload);
/* The next one to tell, or NULL: all is told. Stays the same until facts_told() or a change. */
struct fact *facts_next(struct facts *facts);
void facts_told(struct facts *facts, struct fact *fact);
/* The datapath knows nothing any more: everything is to be told again. */
void facts_forget(struct facts *facts);
size_t facts_count(const struct facts *facts, enum fact_class class); /* objects that live */
bool facts_exists(const struct facts *facts, enum fact_class class, const union sl_payload *payload);

#endif
