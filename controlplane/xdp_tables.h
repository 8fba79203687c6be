/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One generation after the other in the maps of the XDP program: what is stated here waits in private memory until
 * xdp_tables_commit(), which writes what nobody reaches yet and then turns root.bank. Order and places: sluice/xdp.h.
 * Works on mapped memory only. Main thread only.
 */
#ifndef CONTROLPLANE_XDP_TABLES_H
#define CONTROLPLANE_XDP_TABLES_H

#include "controlplane/publish.h"
#include "controlplane/xdp_maps.h"

struct xdp_tables;

/*
 * `maps` outlive it. A generation that is found in them goes on until the first commit, and its places are not touched
 * before. 0 or -ENOMEM.
 */
int xdp_tables_create(const struct xdp_maps *maps, const struct sl_shm_limits *limits, struct xdp_tables **ret_tables);
void xdp_tables_destroy(struct xdp_tables *tables); /* the maps keep what is in them. NULL is fine */
/* The generation in force; 0: none. *ret_settings (NULL: not wanted) are its settings. */
uint64_t xdp_tables_generation(const struct xdp_tables *tables, struct sl_settings *ret_settings);

/* Statements; ids are below the limits. 0 or -ENOMEM. Removals name their object. */
void xdp_tables_settings(struct xdp_tables *tables, const struct sl_settings *settings);
void xdp_tables_service(struct xdp_tables *tables, const struct sl_service *service, enum sl_op op);
int xdp_tables_neighbor(struct xdp_tables *tables, const struct sl_neighbor *neighbor, enum sl_op op);
int xdp_tables_pool(struct xdp_tables *tables, const struct sl_pool *pool, enum sl_op op);
int xdp_tables_backend(struct xdp_tables *tables, const struct sl_backend *backend, enum sl_op op);
void xdp_tables_table(struct xdp_tables *tables, uint32_t pool, enum sl_table_kind kind, struct table *table);
void xdp_tables_any_port(struct xdp_tables *tables); /* some listener takes every port */

/*
 * What is stated is in force for every packet from here on; `now_ns` is CLOCK_MONOTONIC. 0, or nothing has changed and
 * it is to be tried again: -EAGAIN in a moment, -ENOSPC with bigger maps, -ENOMEM.
 */
int xdp_tables_commit(struct xdp_tables *tables, uint64_t generation, uint64_t now_ns);
/* Objects that went are still in force for packets that found their listener before it went; true: commit once more. */
bool xdp_tables_lingers(const struct xdp_tables *tables);
/* What becomes of packets; needs no commit. */
void xdp_tables_act(struct xdp_tables *tables, enum sl_xdp_action action);
uint64_t xdp_tables_checksum(const struct xdp_tables *tables); /* as sl_shm_live.data_tables */
/* connection-idle of that pool and kind as in force, 0: there is no such pool. */
uint16_t xdp_tables_idle_s(const struct xdp_tables *tables, uint32_t pool, uint8_t kind);

#endif
