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

#include "tests/support/model_fixture.h"

enum { BACKENDS = MODEL_FIXTURE_BACKENDS, ROWS = MODEL_FIXTURE_ROWS };

/* Adds to configuration `i` a service of the same VIP with a pool of its own, whose check is another. */
static void add_service(struct model_fixture *f, int i)
{
	f->two_pools[0] = f->two_pools[1] = f->pool[i];
	strcpy(f->two_pools[1].name, "api");
	f->two_pools[1].check_port = 8443;
	f->other_listener = (struct config_listener){ .address = model_fixture_address(10), .port = 443, .proto = IPPROTO_TCP };
	f->two_services[0] = f->service[i];
	f->two_services[1] = (struct config_service){ .name = "api", .listeners = &f->other_listener,
						      .listener_count = 1, .pool = 1 };
	f->config[i].pools = f->two_pools;
	f->config[i].services = f->two_services;
	f->config[i].pool_count = f->config[i].service_count = 2;
}

static bool vip_wanted(const struct model_fixture *f, bool held)
{
	bool wanted = held;

	assert_int_equal(model_vips_wanted(f->model, &wanted), 0);
	return wanted;
}

static void a_backend_without_a_result_receives_nothing(void **state)
{
	struct model_fixture *f = *state;

	assert_true(model_update(f->model) > 0);
	assert_int_equal(model_fixture_rows(f, SL_SLOT_NONE), ROWS);
	for (int b = 0; b < BACKENDS; b++)
		assert_int_equal(f->publisher.backend[b].state, SL_BACKEND_DOWN);
	assert_false(vip_wanted(f, false));
	model_fixture_probe(f, 2, BACKEND_UP);
	model_update(f->model);
	assert_int_equal(model_fixture_rows(f, 2), ROWS);
	assert_false(vip_wanted(f, false));
}

static void a_failure_moves_the_dead_share_only_and_recovery_gives_it_back(void **state)
{
	struct model_fixture *f = *state;
	struct table *before, *during;

	model_fixture_all_up(f);
	before = table_get(f->publisher.table);
	model_fixture_probe(f, 1, BACKEND_DOWN);
	assert_true(model_update(f->model) > 0);
	during = f->publisher.table;
	for (uint32_t r = 0; r < ROWS; r++)
		if (before->row[r] == 1)
			assert_int_not_equal(during->row[r], 1);
		else
			assert_int_equal(during->row[r], before->row[r]);
	model_fixture_probe(f, 1, BACKEND_UP);
	assert_true(model_update(f->model) > 0);
	assert_memory_equal(f->publisher.table->row, before->row, ROWS * 2);
	table_put(before);
}

static void nothing_new_makes_no_generation(void **state)
{
	struct model_fixture *f = *state;
	const uint64_t last = (model_fixture_all_up(f), f->publisher.committed);
	const size_t facts = f->publisher.backend_facts;

	model_fixture_probe(f, 0, BACKEND_UP);
	assert_int_equal(model_update(f->model), 0);
	assert_int_equal(f->publisher.committed, last);
	assert_int_equal(f->publisher.backend_facts, facts);
}

static void the_same_configuration_again_moves_nothing_and_keeps_health(void **state)
{
	struct model_fixture *f = *state;
	size_t tables;

	model_fixture_all_up(f);
	tables = f->publisher.table_facts;
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	model_update(f->model);
	assert_int_equal(f->publisher.table_facts, tables);
	assert_int_equal(f->publisher.backend_dels + f->publisher.pool_dels + f->publisher.vip_dels, 0);
	assert_int_equal(f->model->pools[0].serving, BACKENDS);
	for (size_t b = 0; b < BACKENDS; b++)
		assert_int_equal(f->model->pools[0].backends[b].rows, model_fixture_rows(f, f->model->pools[0].backends[b].slot));
}

static void a_reload_that_changes_nothing_publishes_nothing(void **state)
{
	struct model_fixture *f = *state;
	size_t services;

	model_fixture_all_up(f);
	services = f->publisher.service_facts;
	for (int i = 1; i >= 0; i--) {
		assert_int_equal(model_configure(f->model, &f->config[i], 300), 0);
		model_set_keys(f->model, &(struct sl_key){ 0, 0 }, &(struct sl_key){ 0, 0 });
		assert_int_equal(model_update(f->model), 0);
	}
	assert_int_equal(f->publisher.service_facts, services);
}

/* In whatever order a file lists them. */
static void vips_that_stay_are_not_stated_again(void **state)
{
	struct config_vip vips[7] = { { .no_service = SL_OTHERWISE_DROP } };
	struct model_fixture *f = *state;
	size_t facts, dels;

	for (uint32_t i = 0; i < 7; i++)
		vips[i].address = model_fixture_address(10 + i * 5 % 7);
	model_fixture_all_up(f);
	f->config[1].vips = vips;
	f->config[1].vip_count = 7;
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	assert_true(model_update(f->model) > 0);
	facts = f->publisher.vip_facts, dels = f->publisher.vip_dels;
	vips[3] = vips[6]; /* one goes, the others change places */
	f->config[1].vip_count = 6;
	assert_int_equal(model_configure(f->model, &f->config[1], 400), 0);
	assert_true(model_update(f->model) > 0);
	assert_int_equal(f->publisher.vip_facts, facts);
	assert_int_equal(f->publisher.vip_dels, dels + 1);
	assert_int_equal(model_configure(f->model, &f->config[0], 500), 0); /* `vips` ends here */
}

static void a_reload_publishes_what_changed_and_no_more(void **state)
{
	struct model_fixture *f = *state;
	size_t services, listeners, vips, backends, tables;

	model_fixture_all_up(f);
	services = f->publisher.service_facts, listeners = f->publisher.listener_facts, vips = f->publisher.vip_facts;
	backends = f->publisher.backend_facts, tables = f->publisher.table_facts;
	add_service(f, 1);
	f->vip[1].no_service = SL_OTHERWISE_REJECT;
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	assert_true(model_update(f->model) > 0);
	assert_int_equal(f->publisher.service_facts, services + 1);
	assert_int_equal(f->publisher.listener_facts, listeners + 1);
	assert_int_equal(f->publisher.vip_facts, vips + 1);
	assert_int_equal(f->publisher.backend_facts, backends + BACKENDS); /* those of the new pool */
	assert_int_equal(f->publisher.table_facts, tables + 1);
	f->config[0].reply_rate = 7;
	assert_int_equal(model_configure(f->model, &f->config[0], 400), 0);
	assert_true(model_update(f->model) > 0);
	assert_int_equal(f->publisher.service_facts, services + 2); /* it is gone again */
	assert_int_equal(f->publisher.listener_facts, listeners + 1);
	assert_int_equal(f->publisher.listener_dels, 1);
}

static void a_service_that_leads_to_another_pool_is_stated_again_and_so_are_its_listeners(void **state)
{
	struct model_fixture *f = *state;
	size_t services, listeners;

	add_service(f, 1);
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	model_fixture_all_up(f);
	services = f->publisher.service_facts, listeners = f->publisher.listener_facts;
	f->two_services[1].pool = 0;
	f->other_listener.port = 8443;
	assert_int_equal(model_configure(f->model, &f->config[1], 400), 0);
	assert_true(model_update(f->model) > 0);
	assert_int_equal(f->publisher.service_facts, services + 1);
	assert_int_equal(f->publisher.listener_facts, listeners + 1);
	assert_int_equal(f->publisher.listener_dels, 1);
}

static void a_check_that_changed_keeps_what_is_known_of_the_same_address(void **state)
{
	struct model_fixture *f = *state;

	model_fixture_all_up(f);
	model_fixture_probe(f, 1, BACKEND_DOWN);
	model_update(f->model);
	f->pool[1].check_port = 8080;
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	assert_int_equal(model_update(f->model), 0);
	assert_int_equal(f->model->pools[0].backends[0].health, BACKEND_UP);
	assert_int_equal(f->model->pools[0].backends[1].health, BACKEND_DOWN);
	f->backends[0][2].address = model_fixture_address(99); /* another machine: nothing is known of it */
	assert_int_equal(model_configure(f->model, &f->config[0], 400), 0);
	assert_int_equal(f->model->pools[0].backends[2].health, BACKEND_UNKNOWN);
}

static void retire_leaves_the_table_so_that_the_removal_moves_nothing(void **state)
{
	struct model_fixture *f = *state;
	struct table *retired;

	model_fixture_all_up(f);
	assert_int_equal(model_set_override(f->model, NULL, "web4", &(struct model_override){ .admin = BACKEND_RETIRE }), 0);
	assert_true(model_update(f->model) > 0);
	assert_int_equal(model_fixture_rows(f, BACKENDS - 1), 0);
	assert_int_equal(f->publisher.backend[BACKENDS - 1].state, SL_BACKEND_DRAINING);
	assert_string_equal(model_backend_word(f->model, &f->model->pools[0], &f->model->pools[0].backends[3]), "retired");
	retired = table_get(f->publisher.table);
	model_fixture_config(f, 1, BACKENDS - 1);
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	assert_true(model_update(f->model) > 0);
	assert_memory_equal(f->publisher.table->row, retired->row, ROWS * 2);
	table_put(retired);
}

static void off_takes_no_packet_and_moves_its_own_rows_only(void **state)
{
	struct model_fixture *f = *state;
	struct table *before;

	model_fixture_all_up(f);
	before = table_get(f->publisher.table);
	assert_int_equal(model_set_override(f->model, NULL, "web4", &(struct model_override){ .admin = BACKEND_OFF }), 0);
	assert_true(model_update(f->model) > 0);
	assert_int_equal(f->publisher.backend[BACKENDS - 1].state, SL_BACKEND_GONE);
	for (uint32_t r = 0; r < ROWS; r++)
		assert_true(f->publisher.table->row[r] == before->row[r] || before->row[r] == BACKENDS - 1);
	assert_string_equal(model_backend_word(f->model, &f->model->pools[0], &f->model->pools[0].backends[3]), "off");
	table_put(before);
}

static void with_the_last_backend_retired_the_pool_is_empty(void **state)
{
	struct model_fixture *f = *state;
	static const char *const names[] = { "web1", "web2", "web3", "web4" };

	model_fixture_all_up(f);
	for (size_t i = 0; i < BACKENDS; i++)
		model_set_override(f->model, NULL, names[i], &(struct model_override){ .admin = BACKEND_RETIRE });
	assert_true(model_update(f->model) > 0);
	assert_int_equal(model_fixture_rows(f, SL_SLOT_NONE), ROWS);
	assert_int_equal(f->empty, 1);
	assert_int_equal(f->model->pools[0].held, BACKENDS);
	model_set_override(f->model, NULL, names[1], &(struct model_override){ .admin = BACKEND_READY });
	assert_int_equal(f->model->pools[0].held, BACKENDS - 1);
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	assert_int_equal(f->model->pools[0].held, BACKENDS - 1);
}

static void a_drain_is_quiet_after_the_longest_idle_time_of_what_the_pool_carries(void **state)
{
	struct model_fixture *f = *state;
	const struct model_pool *pool = &f->model->pools[0];

	f->pool[0].idle_tcp_s = 3600, f->pool[0].idle_quic_s = 600, f->pool[0].idle_udp_s = 150;
	assert_int_equal(model_drain_quiet_ms(pool), 3600000);
	f->listener[0].proto = IPPROTO_UDP;
	assert_int_equal(model_drain_quiet_ms(pool), 150000);
	f->service[0].udp_flows = SL_UDP_FLOWS_QUIC;
	assert_int_equal(model_drain_quiet_ms(pool), 600000);
	f->service[0].udp_flows = SL_UDP_FLOWS_NONE;
	assert_int_equal(model_drain_quiet_ms(pool), 1000);
	f->pool[0].drain_quiet_ms = 5000;
	assert_int_equal(model_drain_quiet_ms(pool), 5000);
}

static void a_new_pool_keeps_a_new_vip_waiting_but_takes_none_away(void **state)
{
	struct model_fixture *f = *state;

	model_fixture_all_up(f);
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
	struct model_fixture *f = *state;

	f->pool[0].min_healthy = BACKENDS;
	model_fixture_all_up(f);
	assert_true(vip_wanted(f, true));
	model_fixture_probe(f, 0, BACKEND_DOWN);
	model_update(f->model);
	assert_false(vip_wanted(f, true));
}

static void a_pool_that_comes_and_goes_between_generations_takes_no_other_with_it(void **state)
{
	struct model_fixture *f = *state;

	model_fixture_all_up(f);
	add_service(f, 1);
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	assert_int_equal(model_configure(f->model, &f->config[0], 400), 0);
	model_update(f->model);
	assert_int_equal(f->publisher.pool_dels, 1);
	assert_int_not_equal(f->publisher.pool_deleted, f->model->pools[0].id);
}

static void a_table_that_could_not_be_stated_is_stated_later(void **state)
{
	struct model_fixture *f = *state;

	model_fixture_all_up(f);
	model_fixture_probe(f, 1, BACKEND_DOWN);
	f->publisher.table_error = -ENOMEM;
	assert_int_equal(model_update(f->model), -ENOMEM);
	f->publisher.table_error = 0;
	assert_true(model_update(f->model) > 0);
	assert_int_equal(model_fixture_rows(f, 1), 0);
}

static void a_removed_backend_is_deleted_and_its_slot_rests(void **state)
{
	struct model_fixture *f = *state;

	model_fixture_all_up(f);
	model_fixture_config(f, 1, BACKENDS - 1);
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	model_update(f->model);
	assert_int_equal(f->publisher.backend_dels, 1);
	assert_int_equal(model_fixture_rows(f, BACKENDS - 1), 0);
	model_fixture_config(f, 0, BACKENDS);
	strcpy(f->backends[0][BACKENDS - 1].name, "newcomer");
	assert_int_equal(model_configure(f->model, &f->config[0], 400), 0);
	assert_int_equal(f->model->pools[0].backends[BACKENDS - 1].slot, BACKENDS);
}

static void drain_turns_new_connections_away_and_ready_gives_the_same_rows_back(void **state)
{
	struct model_fixture *f = *state;
	struct model_override drain = { .admin = BACKEND_DRAIN, .who = "test" }, ready = { .admin = BACKEND_READY };
	struct table *before;

	model_fixture_all_up(f);
	before = table_get(f->publisher.table);
	assert_int_equal(model_set_override(f->model, NULL, "web3", &drain), 0);
	model_update(f->model);
	assert_int_equal(model_fixture_rows(f, 2), 0);
	assert_int_equal(f->publisher.backend[2].state, SL_BACKEND_DRAINING);
	assert_int_equal(model_set_override(f->model, "web", "web3", &ready), 0);
	model_update(f->model);
	assert_memory_equal(f->publisher.table->row, before->row, ROWS * 2);
	table_put(before);
	assert_int_equal(model_set_override(f->model, NULL, "nobody", &drain), -ENOENT);
}

static void a_second_drain_keeps_the_first_ones_reason_unless_it_has_one(void **state)
{
	struct model_fixture *f = *state;
	const struct model_override first = { BACKEND_DRAIN, "alice", "new disk", 100 };
	const struct model_override second = { .admin = BACKEND_DRAIN, .who = "bob", .since_s = 200 };
	const struct model_override third = { BACKEND_DRAIN, "carol", "fan", 300 };
	const struct model_override *now = &f->model->pools[0].backends[2].override;

	model_fixture_all_up(f);
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
	struct model_fixture *f = *state;
	const struct model_override drain = { .admin = BACKEND_DRAIN, .who = "test" };

	model_fixture_all_up(f);
	model_set_override(f->model, NULL, "web3", &drain);
	model_set_override(f->model, NULL, "web4", &drain);
	model_fixture_config(f, 1, BACKENDS - 1);
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	assert_int_equal(f->forgotten, 1);
	assert_string_equal(f->forgotten_text, "web/web4 test");
	model_fixture_config(f, 0, BACKENDS);
	strcpy(f->pool[0].name, "other");
	assert_int_equal(model_configure(f->model, &f->config[0], 400), 0);
	assert_int_equal(f->forgotten, 2);
	assert_string_equal(f->forgotten_text, "web/web3 test");
}

static void an_override_survives_a_reload(void **state)
{
	struct model_fixture *f = *state;
	struct model_override drain = { .admin = BACKEND_DRAIN, .who = "test" };

	model_fixture_all_up(f);
	model_set_override(f->model, NULL, "web3", &drain);
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	model_update(f->model);
	assert_int_equal(model_fixture_rows(f, 2), 0);
	assert_string_equal(model_backend_word(f->model, &f->model->pools[0], &f->model->pools[0].backends[2]), "draining");
}

static void an_empty_pool_is_told_once_and_so_is_its_return(void **state)
{
	struct model_fixture *f = *state;

	model_fixture_all_up(f);
	assert_int_equal(f->serving, 1);
	for (unsigned int b = 0; b < BACKENDS; b++)
		model_fixture_probe(f, b, BACKEND_DOWN);
	model_update(f->model);
	model_update(f->model);
	assert_int_equal(f->empty, 1);
	assert_int_equal(model_fixture_rows(f, SL_SLOT_NONE), ROWS);
	model_fixture_probe(f, 0, BACKEND_UP);
	model_update(f->model);
	assert_int_equal(f->serving, 2);
}

static void a_new_file_is_told_everything(void **state)
{
	struct model_fixture *f = *state;
	struct sl_shm_limits limits = model_capacity(f->model).limits;

	model_fixture_all_up(f);
	f->publisher.backend_facts = f->publisher.table_facts = 0;
	model_set_publisher(f->model, &f->publisher, &limits);
	assert_true(model_update(f->model) > 0);
	assert_int_equal(f->publisher.backend_facts, BACKENDS);
	assert_int_equal(f->publisher.table_facts, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_backend_without_a_result_receives_nothing, model_fixture_setup, model_fixture_teardown),
		cmocka_unit_test_setup_teardown(a_failure_moves_the_dead_share_only_and_recovery_gives_it_back, model_fixture_setup,
						model_fixture_teardown),
		cmocka_unit_test_setup_teardown(nothing_new_makes_no_generation, model_fixture_setup, model_fixture_teardown),
		cmocka_unit_test_setup_teardown(the_same_configuration_again_moves_nothing_and_keeps_health, model_fixture_setup,
						model_fixture_teardown),
		cmocka_unit_test_setup_teardown(vips_that_stay_are_not_stated_again, model_fixture_setup, model_fixture_teardown),
		cmocka_unit_test_setup_teardown(a_new_pool_keeps_a_new_vip_waiting_but_takes_none_away, model_fixture_setup, model_fixture_teardown),
		cmocka_unit_test_setup_teardown(too_few_healthy_backends_take_the_vip_away, model_fixture_setup, model_fixture_teardown),
		cmocka_unit_test_setup_teardown(a_pool_that_comes_and_goes_between_generations_takes_no_other_with_it, model_fixture_setup,
						model_fixture_teardown),
		cmocka_unit_test_setup_teardown(a_table_that_could_not_be_stated_is_stated_later, model_fixture_setup, model_fixture_teardown),
		cmocka_unit_test_setup_teardown(a_removed_backend_is_deleted_and_its_slot_rests, model_fixture_setup, model_fixture_teardown),
		cmocka_unit_test_setup_teardown(drain_turns_new_connections_away_and_ready_gives_the_same_rows_back,
						model_fixture_setup, model_fixture_teardown),
		cmocka_unit_test_setup_teardown(a_second_drain_keeps_the_first_ones_reason_unless_it_has_one, model_fixture_setup,
						model_fixture_teardown),
		cmocka_unit_test_setup_teardown(an_override_that_goes_with_its_backend_is_told, model_fixture_setup, model_fixture_teardown),
		cmocka_unit_test_setup_teardown(an_override_survives_a_reload, model_fixture_setup, model_fixture_teardown),
		cmocka_unit_test_setup_teardown(an_empty_pool_is_told_once_and_so_is_its_return, model_fixture_setup, model_fixture_teardown),
		cmocka_unit_test_setup_teardown(a_reload_that_changes_nothing_publishes_nothing, model_fixture_setup,
						model_fixture_teardown),
		cmocka_unit_test_setup_teardown(a_reload_publishes_what_changed_and_no_more, model_fixture_setup,
						model_fixture_teardown),
		cmocka_unit_test_setup_teardown(a_service_that_leads_to_another_pool_is_stated_again_and_so_are_its_listeners, model_fixture_setup,
						model_fixture_teardown),
		cmocka_unit_test_setup_teardown(a_check_that_changed_keeps_what_is_known_of_the_same_address, model_fixture_setup,
						model_fixture_teardown),
		cmocka_unit_test_setup_teardown(retire_leaves_the_table_so_that_the_removal_moves_nothing, model_fixture_setup,
						model_fixture_teardown),
		cmocka_unit_test_setup_teardown(off_takes_no_packet_and_moves_its_own_rows_only, model_fixture_setup,
						model_fixture_teardown),
		cmocka_unit_test_setup_teardown(with_the_last_backend_retired_the_pool_is_empty, model_fixture_setup,
						model_fixture_teardown),
		cmocka_unit_test_setup_teardown(a_drain_is_quiet_after_the_longest_idle_time_of_what_the_pool_carries, model_fixture_setup,
						model_fixture_teardown),
		cmocka_unit_test_setup_teardown(a_new_file_is_told_everything, model_fixture_setup, model_fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
