/* SPDX-License-Identifier: BSD-3-Clause */
/* model: where tunnels begin, for each backend and all together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/model_fixture.h"

static void a_configured_outer_source_is_for_backends_of_its_family(void **state)
{
	struct model_fixture *f = *state;
	const struct model_hop hop = { .neighbor = 0, .outer_src = model_fixture_address(1) };
	struct sl_addr six = { .b = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } }, v6_hop = { .b = { 0x20, 0x01, [15] = 2 } };
	const struct model_hop hop6 = { .neighbor = 0, .outer_src = v6_hop };
	struct sl_addr *sources;

	model_fixture_config(f, 1, 2);
	f->config[1].outer_source = model_fixture_address(99);
	f->backends[1][1].address = six;
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	model_set_hop(f->model, &f->backends[1][0].address, &hop);
	model_set_hop(f->model, &six, &hop6);
	model_update(f->model);
	assert_true(sl_addr_equal(&f->publisher.backend[0].outer_src, &f->config[1].outer_source));
	assert_true(sl_addr_equal(&f->publisher.backend[1].outer_src, &v6_hop));
	assert_int_equal(model_sources(f->model, &sources), 2);
	assert_true(sl_addr_equal(&sources[0], &f->config[1].outer_source));
	assert_true(sl_addr_equal(&sources[1], &v6_hop));
	free(sources);
}

static void a_source_of_many_tunnels_is_listed_once_and_an_unknown_one_not_at_all(void **state)
{
	struct model_fixture *f = *state;
	const struct model_hop one = { .neighbor = 0, .outer_src = model_fixture_address(1) };
	const struct model_hop two = { .neighbor = 0, .outer_src = model_fixture_address(2) };
	struct sl_addr *sources;

	model_fixture_config(f, 1, 4);
	assert_int_equal(model_configure(f->model, &f->config[1], 300), 0);
	assert_int_equal(model_sources(f->model, &sources), 0);
	assert_non_null(sources);
	free(sources);
	model_set_hop(f->model, &f->backends[1][0].address, &two);
	model_set_hop(f->model, &f->backends[1][1].address, &one);
	model_set_hop(f->model, &f->backends[1][2].address, &two);
	assert_int_equal(model_sources(f->model, &sources), 2);
	assert_true(sl_addr_equal(&sources[0], &one.outer_src));
	assert_true(sl_addr_equal(&sources[1], &two.outer_src));
	free(sources);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_configured_outer_source_is_for_backends_of_its_family, model_fixture_setup,
						model_fixture_teardown),
		cmocka_unit_test_setup_teardown(a_source_of_many_tunnels_is_listed_once_and_an_unknown_one_not_at_all,
						model_fixture_setup, model_fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
