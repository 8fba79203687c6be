/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A model with two configurations to go between and a publisher that remembers.
 */
#include "model_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>

struct sl_addr model_fixture_address(unsigned int last)
{
	return sl_addr_from_v4(htonl(0xc0000200u + last));
}

static void on_empty(void *ctx, const struct model_pool *pool)
{
	(void)pool;
	((struct model_fixture *)ctx)->empty++;
}

static void on_serving(void *ctx, const struct model_pool *pool)
{
	(void)pool;
	((struct model_fixture *)ctx)->serving++;
}

static void on_override_gone(void *ctx, const struct model_pool *pool, const struct model_backend *backend)
{
	struct model_fixture *f = ctx;

	f->forgotten++;
	snprintf(f->forgotten_text, sizeof(f->forgotten_text), "%s/%s %s", pool->conf->name, backend->conf->name,
		 backend->override.who);
}

void model_fixture_config(struct model_fixture *f, int i, size_t count)
{
	for (size_t b = 0; b < count; b++) {
		f->backends[i][b] = (struct config_backend){ .address = model_fixture_address(21 + (unsigned int)b), .weight = 1 };
		snprintf(f->backends[i][b].name, SL_NAME_MAX, "web%zu", b + 1);
	}
	f->check = (struct config_check){ .name = "web", .type = CONFIG_CHECK_TCP, .port = 80 };
	f->pool[i] = (struct config_pool){ .name = "web", .check = 0, .check_port = 80, .table_size = MODEL_FIXTURE_ROWS,
					   .backends = f->backends[i], .backend_count = count };
	f->listener[i] = (struct config_listener){ .address = model_fixture_address(10), .port = 80, .proto = IPPROTO_TCP };
	f->service[i] = (struct config_service){ .name = "web", .listeners = &f->listener[i], .listener_count = 1 };
	f->vip[i] = (struct config_vip){ .address = model_fixture_address(10) };
	f->config[i] = (struct config){ .checks = &f->check, .check_count = 1, .pools = &f->pool[i], .pool_count = 1,
					.services = &f->service[i], .service_count = 1, .vips = &f->vip[i],
					.vip_count = 1 };
}

int model_fixture_setup(void **state)
{
	struct model_fixture *f = calloc(1, sizeof(*f));
	const struct model_events events = { .ctx = f, .pool_empty = on_empty, .pool_serving = on_serving,
					     .override_gone = on_override_gone };
	struct sl_shm_limits limits;

	model_fixture_config(f, 0, MODEL_FIXTURE_BACKENDS);
	model_fixture_config(f, 1, MODEL_FIXTURE_BACKENDS);
	assert_int_equal(model_create(&events, &f->model), 0);
	assert_int_equal(model_configure(f->model, &f->config[0], 100), 0);
	limits = model_capacity(f->model).limits;
	assert_int_equal(model_set_publisher(f->model, &f->publisher, &limits), 0);
	*state = f;
	return 0;
}

int model_fixture_teardown(void **state)
{
	struct model_fixture *f = *state;

	model_destroy(f->model);
	recording_publisher_clear(&f->publisher);
	free(f);
	return 0;
}

void model_fixture_probe(struct model_fixture *f, unsigned int backend, enum backend_status health)
{
	const struct model_probe p = { .address = model_fixture_address(21 + backend), .port = 80, .check = 0 };

	model_set_health(f->model, &p, health, "test", 200);
}

void model_fixture_all_up(struct model_fixture *f)
{
	for (unsigned int b = 0; b < MODEL_FIXTURE_BACKENDS; b++)
		model_fixture_probe(f, b, BACKEND_UP);
	assert_true(model_update(f->model) > 0);
}

size_t model_fixture_rows(const struct model_fixture *f, uint16_t slot)
{
	size_t n = 0;

	for (uint32_t r = 0; r < f->publisher.table->rows; r++)
		n += f->publisher.table->row[r] == slot;
	return n;
}
