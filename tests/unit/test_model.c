/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The model against a publisher that only remembers what it was told: which facts follow from which
 * events, and that what did not change is not stated again.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "controlplane/model.h"
#include "tests/support/recording_publisher.h"

enum { BACKENDS = 4, ROWS = 1009 };

struct fixture {
	struct publisher publisher;
	struct model *model;
	struct config config[2];
	struct config_backend backends[2][BACKENDS];
	struct config_pool pool[2], two_pools[2];
	struct config_service service[2], two_services[2];
	struct config_listener listener[2], other_listener;
	struct config_vip vip[2];
	struct config_check check;
	unsigned int empty, serving, forgotten;
	char forgotten_text[256]; /* pool/backend, who */
};

static struct sl_addr address(unsigned int last)
{
	return sl_addr_from_v4(htonl(0xc0000200u + last));
}

static void on_empty(void *ctx, const struct model_pool *pool)
{
	(void)pool;
	((struct fixture *)ctx)->empty++;
}

static void on_serving(void *ctx, const struct model_pool *pool)
{
	(void)pool;
	((struct fixture *)ctx)->serving++;
}

static void on_override_gone(void *ctx, const struct model_pool *pool, const struct model_backend *backend)
{
	struct fixture *f = ctx;

	f->forgotten++;
	snprintf(f->forgotten_text, sizeof(f->forgotten_text), "%s/%s %s", pool->conf->name, backend->conf->name,
		 backend->override.who);
}

/* Configuration `i`: one service, one checked pool of `count` backends web1 … */
static void fill_config(struct fixture *f, int i, size_t count)
{
	for (size_t b = 0; b < count; b++) {
		f->backends[i][b] = (struct config_backend){ .address = address(21 + (unsigned int)b), .weight = 1 };
		snprintf(f->backends[i][b].name, SL_NAME_MAX, "web%zu", b + 1);
	}
	f->check = (struct config_check){ .name = "web", .type = CONFIG_CHECK_TCP, .port = 80 };
	f->pool[i] = (struct config_pool){ .name = "web", .check = 0, .check_port = 80, .table_size = ROWS,
					   .backends = f->backends[i], .backend_count = count };
	f->listener[i] = (struct config_listener){ .address = address(10), .port = 80, .proto = IPPROTO_TCP };
	f->service[i] = (struct config_service){ .name = "web", .listeners = &f->listener[i], .listener_count = 1 };
	f->vip[i] = (struct config_vip){ .address = address(10) };
	f->config[i] = (struct config){ .checks = &f->check, .check_count = 1, .pools = &f->pool[i], .pool_count = 1,
					.services = &f->service[i], .service_count = 1, .vips = &f->vip[i],
					.vip_count = 1 };
}

/* Adds to configuration `i` a service of the same VIP with a pool of its own, whose check is another. */
static void add_service(struct fixture *f, int i)
{
	f->two_pools[0] = f->two_pools[1] = f->pool[i];
	strcpy(f->two_pools[1].name, "api");
	f->two_pools[1].check_port = 8443;
	f->other_listener = (struct config_listener){ .address = address(10), .port = 443, .proto = IPPROTO_TCP };
	f->two_services[0] = f->service[i];
	f->two_services[1] = (struct config_service){ .name = "api", .listeners = &f->other_listener,
						      .listener_count = 1, .pool = 1 };
	f->config[i].pools = f->two_pools;
	f->config[i].services = f->two_services;
	f->config[i].pool_count = f->config[i].service_count = 2;
}

static bool vip_wanted(const struct fixture *f, bool held)
{
	bool wanted = held;

	assert_int_equal(model_vips_wanted(f->model, &wanted), 0);
	return wanted;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct model_events events = { .ctx = f, .pool_empty = on_empty, .pool_serving = on_serving,
					     .override_gone = on_override_gone };
	struct sl_shm_limits limits;

	fill_config(f, 0, BACKENDS);
	fill_config(f, 1, BACKENDS);
	assert_int_equal(model_create(&events, &f->model), 0);
	assert_int_equal(model_configure(f->model, &f->config[0], 100), 0);
	limits = model_capacity(f->model).limits;
	assert_int_equal(model_set_publisher(f->model, &f->publisher, &limits), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	model_destroy(f->model);
	table_put(f->publisher.table);
	free(f);
	return 0;
}

static void probe(struct fixture *f, unsigned int backend, enum backend_status health)
{
	const struct model_probe p = { .address = address(21 + backend), .port = 80, .check = 0 };

	model_set_health(f->model, &p, health, "test", 200);
}

static void all_up(struct fixture *f)
{
	for (unsigned int b = 0; b < BACKENDS; b++)
		probe(f, b, BACKEND_UP);
	assert_true(model_update(f->model) > 0);
}

static size_t rows_of(const struct fixture *f, uint16_t slot)
{
	size_t n = 0;

	for (uint32_t r = 0; r < f->publisher.table->rows; r++)
		n += f->publisher.table->row[r] == slot;
	return n;
}

static void a_backend_without_a_result_receives_nothing(void **state)
{
	struct fixture *f = *state;

	assert_true(model_update(f->model) > 0);
	assert_int_equal(rows_of(f, SL_SLOT_NONE), ROWS);
	for (int b = 0; b < BACKENDS; b++)
		assert_int_equal(f->publisher.backend[b].state, SL_BACKEND_DOWN);
	assert_false(vip_wanted(f, false));
	probe(f, 2, BACKEND_UP);
	model_update(f->model);
	assert_int_equal(rows_of(f, 2), ROWS);
	assert_false(vip_wanted(f, false));
}

static void a_failure_moves_the_dead_share_only_and_recovery_gives_it_back(void **state)
{
	struct fixture *f = *state;
	struct table *before, *during;

	all_up(f);
	before = table_get(f->publisher.table);
	probe(f, 1, BACKEND_DOWN);
	assert_true(model_update(f->model) > 0);
	during = f->publisher.table;
	for (uint32_t r = 0; r < ROWS; r++)
		if (before->row[r] == 1)
			assert_int_not_equal(during->row[r], 1);
		else
			assert_int_equal(during->row[r], before->row[r]);
	probe(f, 1, BACKEND_UP);
	assert_true(model_update(f->model) > 0);
	assert_memory_equal(f->publisher.table->row, before->row, ROWS * 2);
	table_put(before);
}

static void nothing_new_makes_no_generation(void **state)
{
	struct fixture *f = *state;
	const uint64_t last = (all_up(f), f->publisher.committed);
	const size_t facts = f->publisher.backend_facts;

	probe(f, 0, BACKEND_UP);
	assert_int_equal(model_update(f->model), 0);
	assert_int_equal(f->publisher.committed, last);
	assert_int_equal(f->publisher.backend_facts, facts);
}

static void the_same_configuration_again_moves_nothing_and_keeps_health(void **state)
{
	struct fixture *f = *state;
	size_t tables;

	all_up(f);
	tables = f->publisher.table_facts;
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	model_update(f->model);
	assert_int_equal(f->publisher.table_facts, tables);
	assert_int_equal(f->publisher.backend_dels + f->publisher.pool_dels + f->publisher.vip_dels, 0);
	assert_int_equal(f->model->pools[0].serving, BACKENDS);
	for (size_t b = 0; b < BACKENDS; b++)
		assert_int_equal(f->model->pools[0].backends[b].rows, rows_of(f, f->model->pools[0].backends[b].slot));
}

static void a_new_pool_keeps_a_new_vip_waiting_but_takes_none_away(void **state)
{
	struct fixture *f = *state;

	all_up(f);
	assert_true(vip_wanted(f, false));
	add_service(f, 1);
	f->two_pools[1].min_healthy = 1;
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	model_update(f->model);
	assert_true(vip_wanted(f, true));
	assert_false(vip_wanted(f, false));
}

static void too_few_healthy_backends_take_the_vip_away(void **state)
{
	struct fixture *f = *state;

	f->pool[0].min_healthy = BACKENDS;
	all_up(f);
	assert_true(vip_wanted(f, true));
	probe(f, 0, BACKEND_DOWN);
	model_update(f->model);
	assert_false(vip_wanted(f, true));
}

static void a_pool_that_comes_and_goes_between_generations_takes_no_other_with_it(void **state)
{
	struct fixture *f = *state;

	all_up(f);
	add_service(f, 1);
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	assert_int_equal(model_configure(f->model, &f->config[0], 400), 0);
	model_update(f->model);
	assert_int_equal(f->publisher.pool_dels, 1);
	assert_int_not_equal(f->publisher.pool_deleted, f->model->pools[0].id);
}

static void a_table_that_could_not_be_stated_is_stated_later(void **state)
{
	struct fixture *f = *state;

	all_up(f);
	probe(f, 1, BACKEND_DOWN);
	f->publisher.table_error = -ENOMEM;
	assert_int_equal(model_update(f->model), -ENOMEM);
	f->publisher.table_error = 0;
	assert_true(model_update(f->model) > 0);
	assert_int_equal(rows_of(f, 1), 0);
}

static void a_removed_backend_is_deleted_and_its_slot_rests(void **state)
{
	struct fixture *f = *state;

	all_up(f);
	fill_config(f, 1, BACKENDS - 1);
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	model_update(f->model);
	assert_int_equal(f->publisher.backend_dels, 1);
	assert_int_equal(rows_of(f, BACKENDS - 1), 0);
	fill_config(f, 0, BACKENDS);
	strcpy(f->backends[0][BACKENDS - 1].name, "newcomer");
	assert_int_equal(model_configure(f->model, &f->config[0], 400), 0);
	assert_int_equal(f->model->pools[0].backends[BACKENDS - 1].slot, BACKENDS);
}

static void drain_turns_new_connections_away_and_ready_gives_the_same_rows_back(void **state)
{
	struct fixture *f = *state;
	struct model_override drain = { .admin = BACKEND_DRAIN, .who = "test" }, ready = { .admin = BACKEND_READY };
	struct table *before;

	all_up(f);
	before = table_get(f->publisher.table);
	assert_int_equal(model_set_override(f->model, NULL, "web3", &drain), 0);
	model_update(f->model);
	assert_int_equal(rows_of(f, 2), 0);
	assert_int_equal(f->publisher.backend[2].state, SL_BACKEND_DRAINING);
	assert_int_equal(model_set_override(f->model, "web", "web3", &ready), 0);
	model_update(f->model);
	assert_memory_equal(f->publisher.table->row, before->row, ROWS * 2);
	table_put(before);
	assert_int_equal(model_set_override(f->model, NULL, "nobody", &drain), -ENOENT);
}

static void a_second_drain_keeps_the_first_ones_reason_unless_it_has_one(void **state)
{
	struct fixture *f = *state;
	const struct model_override first = { BACKEND_DRAIN, "alice", "new disk", 100 };
	const struct model_override second = { .admin = BACKEND_DRAIN, .who = "bob", .since_s = 200 };
	const struct model_override third = { BACKEND_DRAIN, "carol", "fan", 300 };
	const struct model_override *now = &f->model->pools[0].backends[2].override;

	all_up(f);
	assert_int_equal(model_set_override(f->model, "web", "web3", &first), 0);
	assert_int_equal(model_set_override(f->model, "web", "web3", &second), 0);
	assert_string_equal(now->who, "alice");
	assert_string_equal(now->why, "new disk");
	assert_int_equal(now->since_s, 100);
	assert_int_equal(model_set_override(f->model, "web", "web3", &third), 0);
	assert_string_equal(now->who, "carol");
	assert_int_equal(now->since_s, 300);
	assert_int_equal(model_set_override(f->model, "web", "web3", &(struct model_override){ .who = "dan" }), 0);
	assert_string_equal(now->who, "dan");
}

static void an_override_that_goes_with_its_backend_is_told(void **state)
{
	struct fixture *f = *state;
	const struct model_override drain = { .admin = BACKEND_DRAIN, .who = "test" };

	all_up(f);
	model_set_override(f->model, NULL, "web3", &drain);
	model_set_override(f->model, NULL, "web4", &drain);
	fill_config(f, 1, BACKENDS - 1);
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	assert_int_equal(f->forgotten, 1);
	assert_string_equal(f->forgotten_text, "web/web4 test");
	fill_config(f, 0, BACKENDS);
	strcpy(f->pool[0].name, "other");
	assert_int_equal(model_configure(f->model, &f->config[0], 400), 0);
	assert_int_equal(f->forgotten, 2);
	assert_string_equal(f->forgotten_text, "web/web3 test");
}

static void an_override_survives_a_reload(void **state)
{
	struct fixture *f = *state;
	struct model_override drain = { .admin = BACKEND_DRAIN, .who = "test" };

	all_up(f);
	model_set_override(f->model, NULL, "web3", &drain);
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	model_update(f->model);
	assert_int_equal(rows_of(f, 2), 0);
	assert_string_equal(model_backend_word(f->model, &f->model->pools[0], &f->model->pools[0].backends[2]), "draining");
}

static void an_empty_pool_is_told_once_and_so_is_its_return(void **state)
{
	struct fixture *f = *state;

	all_up(f);
	assert_int_equal(f->serving, 1);
	for (unsigned int b = 0; b < BACKENDS; b++)
		probe(f, b, BACKEND_DOWN);
	model_update(f->model);
	model_update(f->model);
	assert_int_equal(f->empty, 1);
	assert_int_equal(rows_of(f, SL_SLOT_NONE), ROWS);
	probe(f, 0, BACKEND_UP);
	model_update(f->model);
	assert_int_equal(f->serving, 2);
}

static void a_new_file_is_told_everything(void **state)
{
	struct fixture *f = *state;
	struct sl_shm_limits limits = model_capacity(f->model).limits;

	all_up(f);
	f->publisher.backend_facts = f->publisher.table_facts = 0;
	model_set_publisher(f->model, &f->publisher, &limits);
	assert_true(model_update(f->model) > 0);
	assert_int_equal(f->publisher.backend_facts, BACKENDS);
	assert_int_equal(f->publisher.table_facts, 1);
}

static void a_configured_outer_source_is_for_backends_of_its_family(void **state)
{
	struct fixture *f = *state;
	const struct model_hop hop = { .neighbor = 0, .outer_src = address(1) };
	struct sl_addr six = { .b = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } }, v6_hop = { .b = { 0x20, 0x01, [15] = 2 } };
	const struct model_hop hop6 = { .neighbor = 0, .outer_src = v6_hop };

	fill_config(f, 1, 2);
	f->config[1].outer_source = address(99);
	f->backends[1][1].address = six;
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	model_set_hop(f->model, &f->backends[1][0].address, &hop);
	model_set_hop(f->model, &six, &hop6);
	model_update(f->model);
	assert_true(sl_addr_equal(&f->publisher.backend[0].outer_src, &f->config[1].outer_source));
	assert_true(sl_addr_equal(&f->publisher.backend[1].outer_src, &v6_hop));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_backend_without_a_result_receives_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failure_moves_the_dead_share_only_and_recovery_gives_it_back, setup,
						teardown),
		cmocka_unit_test_setup_teardown(nothing_new_makes_no_generation, setup, teardown),
		cmocka_unit_test_setup_teardown(the_same_configuration_again_moves_nothing_and_keeps_health, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_new_pool_keeps_a_new_vip_waiting_but_takes_none_away, setup, teardown),
		cmocka_unit_test_setup_teardown(too_few_healthy_backends_take_the_vip_away, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pool_that_comes_and_goes_between_generations_takes_no_other_with_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_table_that_could_not_be_stated_is_stated_later, setup, teardown),
		cmocka_unit_test_setup_teardown(a_removed_backend_is_deleted_and_its_slot_rests, setup, teardown),
		cmocka_unit_test_setup_teardown(drain_turns_new_connections_away_and_ready_gives_the_same_rows_back,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_second_drain_keeps_the_first_ones_reason_unless_it_has_one, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_override_that_goes_with_its_backend_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(an_override_survives_a_reload, setup, teardown),
		cmocka_unit_test_setup_teardown(an_empty_pool_is_told_once_and_so_is_its_return, setup, teardown),
		cmocka_unit_test_setup_teardown(a_configured_outer_source_is_for_backends_of_its_family, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_new_file_is_told_everything, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
