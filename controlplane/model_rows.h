/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the model's own files ask of model_rows.c: between the rows that Maglev and overlay give and what a datapath
 * is told of them stands each pool's history. Everybody else includes model.h.
 */
#ifndef CONTROLPLANE_MODEL_ROWS_H
#define CONTROLPLANE_MODEL_ROWS_H

#include "model.h"

/* By which size and key the rows of a pool are to be computed now. */
struct rows_plan {
	uint32_t rows;
	struct sl_key key;
	bool rekey; /* other ones than until now, or another hash: what was becomes the lens */
};

/* After a configuration was taken over: kinds of traffic and hashes of each pool's services. */
void model_rows_follow(struct model *model);
/* Before pools are looked at: a hash key that waited for the last lens to end is in force from now on. */
void model_rows_key(struct model *model);
bool model_rows_key_waits(const struct model *model);
/* After everything was stated, before the commit: histories that changed are kept. */
void model_rows_keep(struct model *model);

/* Also notes whether the pool's size, key or hash has to wait. */
struct rows_plan pool_rows_plan(const struct model *model, struct model_pool *pool);
/* The rows are `row` from now on, by that plan; NULL, NULL: as they are, but time or states went on. 0 or -ENOMEM. */
int pool_rows_take(struct model *model, struct model_pool *pool, const struct rows_plan *plan, const uint16_t *row);
/* States the tables that changed. Returns 1 when there were any, 0, or -errno: the rest is still to be stated. */
int pool_rows_state(struct model *model, struct model_pool *pool);
/* Under whose key and table its services choose rows, as part of the pool's fact. */
void pool_rows_fact(const struct model_pool *pool, struct sl_pool *fact);

#endif
