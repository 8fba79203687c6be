/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the model's own files ask of model_backend.c; everybody else includes model.h.
 */
#ifndef CONTROLPLANE_MODEL_BACKEND_H
#define CONTROLPLANE_MODEL_BACKEND_H

#include "model.h"

/*
 * From the next model_advance() at which it is up on, its share grows for the pool's slow-start. `added`: as in
 * struct model_ramp.
 */
void backend_ramp_begin(const struct model_pool *pool, struct model_backend *backend, uint32_t added);
void backend_ramp_end(struct model_backend *backend); /* it takes everything that is its own */
/*
 * Where nobody of a role serves in full (or everybody does, in panic), nobody takes what ramps leave: they
 * are full at once. Returns true when this is new for one of them.
 */
bool pool_ramps_fill(struct model_pool *pool, bool panic);
void pool_count_held(struct model_pool *pool); /* after an override or a weight changed */

#endif
