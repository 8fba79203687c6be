/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the model and the memory of connections tell each other, and what room its tables need.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "tests/support/model_fixture.h"

static void the_longest_idle_times_of_all_pools_are_in_the_settings(void **state)
{
	struct model_fixture *f = *state;
	struct config_pool pools[2] = { f->pool[1], f->pool[1] };

	pools[0].idle_tcp_s = 60;
	pools[0].idle_quic_s = 7;
	pools[0].idle_udp_s = 43200;
	strcpy(pools[1].name, "other");
	pools[1].idle_tcp_s = 3600;
	pools[1].idle_quic_s = 5;
	f->config[1].pools = pools;
	f->config[1].pool_count = 2;
	assert_int_equal(model_configure(f->model, &f->config[1], 100), 0);
	model_set_numbering(f->model, 0x123456789abcdefu);
	assert_true(model_update(f->model) > 0);
	assert_int_equal(f->model->settings.idle_max_s[SL_FLOW_TCP], 3600);
	assert_int_equal(f->model->settings.idle_max_s[SL_FLOW_QUIC], 7);
	assert_int_equal(f->model->settings.idle_max_s[SL_FLOW_UDP], 43200);
	assert_int_equal(f->publisher.settings.numbering, 0x123456789abcdefu);
	assert_int_equal(f->publisher.settings.idle_max_s[SL_FLOW_TCP], 3600);
	assert_int_equal(model_configure(f->model, &f->config[0], 100), 0); /* `pools` ends here */
}

static void the_last_moment_of_pressure_never_goes_back(void **state)
{
	struct model_fixture *f = *state;

	model_set_pressure(f->model, true, 5000);
	assert_true(f->model->pressure);
	model_set_pressure(f->model, false, 0); /* the file was made anew and knows of none */
	assert_false(f->model->pressure);
	assert_int_equal(f->model->pressure_ms, 5000);
}

static void a_census_counts_every_slot_that_has_or_had_a_name(void **state)
{
	struct model_fixture *f = *state;
	struct flow_census_want *wants;
	size_t count;

	f->pool[0].idle_tcp_s = 300;
	model_fixture_all_up(f);
	assert_int_equal(model_census_due(f->model), MODEL_CENSUS_NONE);
	assert_int_equal(model_census_wants(f->model, &wants, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(wants[0].slots, MODEL_FIXTURE_BACKENDS);
	assert_int_equal(wants[0].rows, 0);
	assert_int_equal(wants[0].idle_s[SL_FLOW_TCP], 300);
	free(wants);

	f->model->pools[0].census_rows = true;
	assert_int_equal(model_census_due(f->model), MODEL_CENSUS_ROWS);
	assert_int_equal(model_census_wants(f->model, &wants, &count), 0);
	assert_int_equal(wants[0].rows, MODEL_FIXTURE_ROWS);
	free(wants);

	model_fixture_config(f, 1, MODEL_FIXTURE_BACKENDS - 1);
	assert_int_equal(model_configure(f->model, &f->config[1], 200), 0);
	f->model->pools[0].census_rows = false;
	assert_int_equal(model_census_due(f->model), MODEL_CENSUS_SLOTS); /* the last one's slot rests */
	assert_int_equal(model_census_wants(f->model, &wants, &count), 0);
	assert_int_equal(wants[0].slots, MODEL_FIXTURE_BACKENDS);
	free(wants);
}

static void a_pool_that_is_gone_is_counted_while_its_number_rests(void **state)
{
	struct model_fixture *f = *state;
	struct flow_census_want *wants;
	size_t count;

	strcpy(f->pool[1].name, "new");
	f->config[1].pools = &f->pool[1];
	f->pool[1].idle_tcp_s = 900;
	assert_int_equal(model_configure(f->model, &f->config[1], 200), 0);
	assert_int_equal(model_census_due(f->model), MODEL_CENSUS_SLOTS);
	assert_int_equal(model_census_wants(f->model, &wants, &count), 0);
	assert_int_equal(count, 2);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(wants[i].slots, MODEL_FIXTURE_BACKENDS);
		assert_int_equal(wants[i].idle_s[SL_FLOW_TCP], 900); /* the gone one's: the longest there is */
	}
	free(wants);
}

static void a_service_has_the_kinds_of_its_listeners(void **state)
{
	struct config_listener both[2] = { { .proto = IPPROTO_TCP }, { .proto = IPPROTO_UDP } };
	struct config_service service = { .listeners = both, .listener_count = 2, .udp_flows = SL_UDP_FLOWS_QUIC };

	(void)state;
	assert_int_equal(model_service_kinds(&service), 1 << SL_FLOW_TCP | 1 << SL_FLOW_QUIC);
	service.udp_flows = SL_UDP_FLOWS_NONE;
	service.listeners = &both[1];
	service.listener_count = 1;
	assert_int_equal(model_service_kinds(&service), 0); /* nothing of it is remembered */
	service.udp_flows = SL_UDP_FLOWS_STICKY;
	assert_int_equal(model_service_kinds(&service), 1 << SL_FLOW_UDP);
	service.tracking = SL_TRACKING_NEVER;
	assert_int_equal(model_service_kinds(&service), 0);
}

static void a_file_has_room_for_bases_and_for_a_lens_when_there_is_one(void **state)
{
	struct model_fixture *f = *state;
	const uint64_t without = model_capacity(f->model).rows;

	assert_int_equal(model_table_rows(f->model), 2 * MODEL_FIXTURE_ROWS); /* current, bases of TCP */
	f->model->pools[0].rows.lens.rows = 131071;
	assert_int_equal(model_table_rows(f->model), 2 * MODEL_FIXTURE_ROWS + 131071);
	assert_true(model_capacity(f->model).rows > without);
	assert_int_equal(model_capacity(f->model).rows_max, 131071);
	f->model->pools[0].rows.lens.rows = 0;
	f->model->pools[0].rows.rows = 131071; /* becomes one when the size changes to the configured */
	assert_int_equal(model_capacity(f->model).rows_max, 131071);
}

/* A start is told to nobody before its handshake ends: 10 s is what selection.md 5 calls the same handshake. */
static void a_row_that_came_home_looks_until_handshakes_of_before_are_over(void **state)
{
	struct model_fixture *f = *state;
	uint16_t none[MODEL_FIXTURE_ROWS] = { 0 };
	struct flow_census_pool pool = { .want = { .rows = MODEL_FIXTURE_ROWS }, .row = none };
	const struct flow_census_result nobody = { .pools = &pool, .pool_count = 1 };

	f->pool[0].idle_tcp_s = 60;
	assert_int_equal(model_configure(f->model, &f->config[0], 100), 0);
	model_advance(f->model, 1000);
	model_fixture_all_up(f);
	pool.want.pool = f->model->pools[0].id;
	for (uint64_t s = 2; s <= 3; s++) { /* a start between the two is at the substitute */
		model_fixture_probe(f, 0, s == 2 ? BACKEND_DOWN : BACKEND_UP);
		model_advance(f->model, s * 1000);
		assert_true(model_update(f->model) > 0);
	}
	assert_true(f->publisher.looks > 0);
	model_set_applied(f->model, f->model->generation, 3000);
	model_census_begin(f->model, 3000 + 10000);
	assert_false(model_counted(f->model, &nobody));
	model_census_begin(f->model, 3000 + 10000 + 2000); /* and what it was told last is in the file */
	assert_true(model_counted(f->model, &nobody));
	model_advance(f->model, 16000);
	assert_true(model_update(f->model) > 0);
	assert_int_equal(f->publisher.looks, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, model_fixture_setup, model_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_longest_idle_times_of_all_pools_are_in_the_settings),
		T(the_last_moment_of_pressure_never_goes_back),
		T(a_census_counts_every_slot_that_has_or_had_a_name),
		T(a_row_that_came_home_looks_until_handshakes_of_before_are_over),
		T(a_pool_that_is_gone_is_counted_while_its_number_rests),
		cmocka_unit_test(a_service_has_the_kinds_of_its_listeners),
		T(a_file_has_room_for_bases_and_for_a_lens_when_there_is_one),
	};

	return cmocka_run_group_tests_name("model_flows", tests, NULL, NULL);
}
