/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * maglev.c against its naive twin on random pools, and two balancers that must agree: the same
 * configuration and key, met in another order and with other slots, choose the same backends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "maglev_twin.h"
#include "sluice/core/hash.h"
#include "tests/support/pool_fixture.h"

static const uint32_t primes[] = {7, 13, 251, 1009, 4093, 8191, 65537, 131071};

static void randomize(struct pool_fixture *f, uint64_t *random)
{
	const bool healthy = random_next(random) % 4 == 0;
	uint64_t new;

	f->pool.key.k0 = random_next(random);
	f->pool.key.k1 = random_next(random);
	f->pool.panic_percent = random_next(random) % 3 == 0 ? (uint32_t)(random_next(random) % 101) : 0;
	for (size_t i = 0; i < f->pool.count; i++) {
		struct maglev_backend *b = &f->backends[i];

		b->weight = (uint32_t)(random_next(random) % 101);
		b->backup = random_next(random) % 8 == 0;
		b->live = healthy || random_next(random) % 3 != 0;
		new = random_next(random);
		b->added = new % 8 == 0 ? 1 + (uint32_t)(new / 8 % MAGLEV_ADDED_MAX) : 0;
		b->accept = MAGLEV_ACCEPT_ALL;
		if (random_next(random) % 6 == 0)
			b->accept = (uint32_t)(random_next(random) % MAGLEV_ACCEPT_ALL);
		if (random_next(random) % 8 == 0)
			b->accept = 0;
	}
}

static void compare_with_twin(struct pool_fixture *f, struct maglev *maglev)
{
	enum maglev_source source, expected_source;
	uint16_t *expected = calloc(f->pool.rows, sizeof(*expected));
	uint16_t *row = pool_fixture_table(f, maglev, &source);

	assert_non_null(expected);
	expected_source = maglev_twin_table(&f->pool, expected);
	assert_int_equal(source, expected_source);
	assert_memory_equal(row, expected, f->pool.rows * sizeof(*row));
	free(row);
	free(expected);
}

static void random_pools_get_the_table_of_the_naive_twin(void **state)
{
	const int rounds = getenv("SLUICE_TEST_QUICK") ? 40 : 120;
	uint64_t random = 20260101;
	struct maglev *maglev;
	size_t seen[MAGLEV_SOURCE_COUNT] = {0};

	(void)state;
	assert_int_equal(maglev_create(&maglev), 0);
	for (int round = 0; round < rounds; round++) {
		const uint32_t rows = primes[random_next(&random) % (sizeof(primes) / sizeof(primes[0]))];
		const size_t count = 1 + random_next(&random) % (round % 2 == 0 ? 300 : 12);
		struct pool_fixture f;
		enum maglev_source source;

		pool_fixture_init(&f, count, rows);
		for (int change = 0; change < 3; change++) {
			randomize(&f, &random); /* the cache sees weights, roles and keys come and go */
			compare_with_twin(&f, maglev);
			f.backends[0].live =
				!f.backends[0].live; /* and changes that only concern the overlay */
			compare_with_twin(&f, maglev);
			free(pool_fixture_table(&f, maglev, &source));
			seen[source]++;
		}
		pool_fixture_fini(&f);
	}
	for (int s = 0; s < MAGLEV_SOURCE_COUNT; s++)
		assert_true(seen[s] > 0);
	maglev_destroy(maglev);
}

static void a_large_table_gets_the_rows_of_the_naive_twin(void **state)
{
	uint64_t random = 7;
	struct maglev *maglev;
	struct pool_fixture f;

	(void)state;
	assert_int_equal(maglev_create(&maglev), 0);
	pool_fixture_init(&f, 300, 655373); /* offset + n * skip passes 32 bits here */
	randomize(&f, &random);
	compare_with_twin(&f, maglev);
	pool_fixture_fini(&f);
	maglev_destroy(maglev);
}

/* ---- two balancers ------------------------------------------------------------------------------------ */

struct balancer {
	struct pool_fixture f;
	struct maglev *maglev;
	uint16_t *row;
	const char *name_of[SL_SLOT_NONE + 1];
};

static void balancer_build(struct balancer *b)
{
	free(b->row);
	b->row = pool_fixture_table(&b->f, b->maglev, NULL);
}

static const char *balancer_choose(const struct balancer *b, const struct sl_flow_key *flow)
{
	return b->name_of[b->row[sl_row_of(sl_row_hash(&b->f.pool.key, flow, 0), b->f.pool.rows)]];
}

/* `reverse`: met the backends in the other order and numbers its slots otherwise. */
static void balancer_init(struct balancer *b, size_t count, bool reverse)
{
	memset(b, 0, sizeof(*b));
	pool_fixture_init(&b->f, count, 65537);
	assert_int_equal(maglev_create(&b->maglev), 0);
	for (size_t i = 0; reverse && i < count; i++) {
		b->f.backends[i].name = b->f.names[count - 1 - i];
		b->f.backends[i].slot = (uint16_t)((i * 7 + 5000) % SL_SLOT_NONE);
	}
	for (size_t i = 0; i < count; i++)
		b->name_of[b->f.backends[i].slot] = b->f.backends[i].name;
	balancer_build(b);
}

static void balancer_fail(struct balancer *b, const char *name)
{
	for (size_t i = 0; i < b->f.pool.count; i++)
		if (strcmp(b->f.backends[i].name, name) == 0)
			b->f.backends[i].live = false;
	balancer_build(b);
}

static void balancer_fini(struct balancer *b)
{
	free(b->row);
	maglev_destroy(b->maglev);
	pool_fixture_fini(&b->f);
}

static void random_flow(uint64_t *random, struct sl_flow_key *flow)
{
	memset(flow, 0, sizeof(*flow));
	if (random_next(random) % 2 == 0) {
		flow->src = sl_addr_from_v4((__be32)random_next(random));
		flow->dst = sl_addr_from_v4((__be32)0x0a0200c0);
	} else {
		flow->src.d[0] = random_next(random);
		flow->src.d[1] = random_next(random);
		flow->dst.d[0] = 0xb80d0120;
		flow->dst.d[1] = 0x1000000000000000ull;
	}
	flow->sport = (__be16)random_next(random);
	flow->dport = (__be16)0x5000;
	flow->proto = random_next(random) % 4 == 0 ? 17 : 6;
}

static void two_balancers_choose_the_same_backend_for_a_million_flows(void **state)
{
	static struct balancer one, two;
	const char *dead = "b123";
	uint64_t random = 42;
	uint16_t *before;
	size_t moved = 0, own = 0;

	(void)state;
	balancer_init(&one, 1000, false);
	balancer_init(&two, 1000, true);
	for (int i = 0; i < 1000000; i++) {
		struct sl_flow_key flow;

		random_flow(&random, &flow);
		assert_string_equal(balancer_choose(&one, &flow), balancer_choose(&two, &flow));
	}
	before = one.row;
	one.row = NULL;
	balancer_fail(&one, dead);
	balancer_fail(&two, dead);
	random = 42;
	for (int i = 0; i < 1000000; i++) {
		struct sl_flow_key flow;
		const char *chosen, *chosen_before;

		random_flow(&random, &flow);
		chosen = balancer_choose(&one, &flow);
		chosen_before = one.name_of[before[sl_row_of(sl_row_hash(&one.f.pool.key, &flow, 0), 65537)]];
		assert_string_equal(chosen, balancer_choose(&two, &flow));
		assert_string_not_equal(chosen, dead);
		moved += chosen != chosen_before;
		own += strcmp(chosen_before, dead) == 0;
	}
	assert_int_equal(moved, own); /* only the flows of the failed one moved */
	assert_in_range(own, 800, 1200);
	free(before);
	balancer_fini(&one);
	balancer_fini(&two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_pools_get_the_table_of_the_naive_twin),
		cmocka_unit_test(a_large_table_gets_the_rows_of_the_naive_twin),
		cmocka_unit_test(two_balancers_choose_the_same_backend_for_a_million_flows),
	};

	return cmocka_run_group_tests_name("maglev_twin", tests, NULL, NULL);
}
