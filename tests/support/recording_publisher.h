/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A publisher that only remembers what it was told, for tests of what states the facts. One thread; the
 * test owns the struct, zeroed, and clears it in the end.
 */
#ifndef TESTS_SUPPORT_RECORDING_PUBLISHER_H
#define TESTS_SUPPORT_RECORDING_PUBLISHER_H

#include "controlplane/publish.h"

struct publisher {
	struct sl_settings settings;
	struct sl_backend backend[16];
	size_t backend_facts, table_facts, service_facts, listener_facts, vip_facts, listener_dels, backend_dels, vip_dels, pool_dels;
	struct table *table; /* current rows, without LOOK; all of the last pool that was told of */
	uint32_t looks;      /* rows of it that have LOOK */
	struct table *stated[SL_TABLE_KIND_COUNT]; /* as told */
	struct sl_pool pool;
	struct sl_service service;
	uint64_t committed;
	uint32_t pool_deleted; /* the last one's id */
	int table_error;
	void (*on_commit)(struct publisher *p); /* NULL: nobody looks at what was committed */
	void *ctx;                              /* on_commit's */
};

void recording_publisher_clear(struct publisher *p);

#endif
