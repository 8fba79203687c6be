/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What all publishers share: facts within limits, stated to every publisher of a chain, and a picture that is whole
 * only after a commit. The kinds here publish to nobody.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controlplane/publish_kind.h"

static bool pump_nowhere(struct publisher *p)
{
	return p->open;
}

static void destroy_nowhere(struct publisher *p)
{
	publish_fini(p);
	free(p);
}

static struct publisher *nowhere(uint32_t services)
{
	static const struct publisher_kind kind = { .pump = pump_nowhere, .destroy = destroy_nowhere };
	const struct publisher_events events = { .ctx = NULL };
	struct publisher *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	assert_int_equal(publish_init(p, &kind, &events), 0);
	p->limits = (struct sl_shm_limits){ .services = services, .pools = 4, .backends = 4, .neighbors = 4,
					    .listeners = 4, .vips = 4, .workers = 1 };
	p->table_rows_max = 100;
	return p;
}

static void statements_reach_every_publisher_of_a_chain(void **state)
{
	const struct sl_service service = { .id = 3, .pool = 1 };
	struct publisher *first = nowhere(4), *second = nowhere(4);
	struct table *table = table_alloc(7);

	(void)state;
	publisher_chain(first, second);
	assert_int_equal(publisher_service(first, &service, SL_OP_PUT), 0);
	assert_int_equal(publisher_table(first, 1, SL_TABLE_CURRENT, table), 0);
	assert_int_equal(facts_count(second->facts, FACT_SERVICE), 1);
	assert_int_equal(facts_count(second->facts, FACT_TABLE), 1);
	assert_true(publisher_pump(second));
	publisher_commit(first, 9);
	assert_false(publisher_pump(second));
	assert_int_equal(second->committed, 9);
	assert_int_equal(publisher_service(first, &service, SL_OP_DEL), 0);
	assert_int_equal(facts_count(second->facts, FACT_SERVICE), 0);
	publisher_destroy(first);
	assert_int_equal(table->refs, 2); /* ours and the second's */
	publisher_destroy(second);
	table_put(table);
}

static void the_narrowest_publisher_of_a_chain_sets_the_limit(void **state)
{
	const struct sl_service service = { .id = 2, .pool = 1 };
	struct publisher *first = nowhere(4), *second = nowhere(2);
	struct table *table = table_alloc(90);

	(void)state;
	publisher_chain(first, second);
	assert_int_equal(publisher_service(first, &service, SL_OP_PUT), -ERANGE);
	second->table_rows_max = 89;
	assert_int_equal(publisher_table(first, 1, SL_TABLE_CURRENT, table), -ERANGE);
	publisher_destroy(first);
	publisher_destroy(second);
	table_put(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statements_reach_every_publisher_of_a_chain),
		cmocka_unit_test(the_narrowest_publisher_of_a_chain_sets_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
