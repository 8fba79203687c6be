/* SPDX-License-Identifier: BSD-3-Clause */
/* publish.h without a data plane: counts, and keeps the last of each. */
#include "tests/support/recording_publisher.h"

int publisher_settings(struct publisher *p, const struct sl_settings *settings)
{
	p->settings = *settings;
	return 0;
}

int publisher_neighbor(struct publisher *p, const struct sl_neighbor *neighbor, enum sl_op op)
{
	(void)p;
	(void)neighbor;
	(void)op;
	return 0;
}

int publisher_pool(struct publisher *p, const struct sl_pool *pool, enum sl_op op)
{
	p->pool_dels += op == SL_OP_DEL;
	if (op == SL_OP_PUT)
		p->pool = *pool;
	if (op == SL_OP_DEL)
		p->pool_deleted = pool->id;
	return 0;
}

int publisher_backend(struct publisher *p, const struct sl_backend *backend, enum sl_op op)
{
	p->backend_facts += op == SL_OP_PUT;
	p->backend_dels += op == SL_OP_DEL;
	p->backend[backend->slot] = *backend;
	return 0;
}

int publisher_table(struct publisher *p, uint32_t pool, enum sl_table_kind kind, struct table *table)
{
	(void)pool;
	if (p->table_error < 0)
		return p->table_error;
	table_put(p->stated[kind]);
	p->stated[kind] = table ? table_get(table) : NULL;
	if (kind != SL_TABLE_CURRENT)
		return 0;
	p->table_facts++;
	table_put(p->table);
	p->table = table_alloc(table->rows);
	p->looks = 0;
	for (uint32_t r = 0; r < table->rows; r++) {
		p->table->row[r] = table->row[r] & SL_ROW_SLOT;
		p->looks += table->row[r] >> 15;
	}
	return 0;
}

int publisher_service(struct publisher *p, const struct sl_service *service, enum sl_op op)
{
	(void)op;
	p->service = *service;
	p->service_facts++;
	return 0;
}

int publisher_listener(struct publisher *p, const struct sl_listener *listener, enum sl_op op)
{
	(void)listener;
	p->listener_facts += op == SL_OP_PUT;
	p->listener_dels += op == SL_OP_DEL;
	return 0;
}

int publisher_vip(struct publisher *p, const struct sl_vip *vip, enum sl_op op)
{
	(void)vip;
	p->vip_facts += op == SL_OP_PUT;
	p->vip_dels += op == SL_OP_DEL;
	return 0;
}

void recording_publisher_clear(struct publisher *p)
{
	for (int kind = 0; kind < SL_TABLE_KIND_COUNT; kind++)
		table_put(p->stated[kind]);
	table_put(p->table);
}

void publisher_commit(struct publisher *p, uint64_t generation)
{
	p->committed = generation;
	if (p->on_commit)
		p->on_commit(p);
}
