/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the forwarding core finds in a snapshot: every listener and VIP of a large state and nothing
 * else, counts where they belong, and answers within their rate.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/apply.h"
#include "dataplane/env.h"

enum { LISTENERS = 3000, VIPS = 1000, RATE = 800 };

/* Part of the seam; nothing is forwarded here. */
SL_INLINE __attribute__((unused)) int sl_env_room(struct sl_env *env, struct sl_packet *pkt)
{
	(void)env;
	(void)pkt;
	return -1;
}

static struct apply *apply;
static struct snapshot *snapshot;
static uint64_t records;

static void tell(enum sl_record_type type, const void *payload, size_t len, const uint16_t *rows)
{
	struct sl_record record = { .type = (__u16)type };
	struct apply_result result;

	memcpy(&record.payload, payload, len);
	apply_record(apply, &record, rows, &result);
	assert_int_equal(result.rejected.reason, SL_REJECT_NONE);
	records += type != SL_RECORD_RESET;
	if (result.snapshot != NULL)
		snapshot = result.snapshot;
}

/* Neighbours that differ in one byte, IPv4 and IPv6: what configurations look like, and hashes dislike. */
static struct sl_addr address(uint32_t i)
{
	struct sl_addr addr = { .b = { 0x20, 1, 0xd, 0xb8 } };

	if (i % 2 == 0)
		return sl_addr_from_v4(htonl(0xc0000200u + i));
	addr.w[3] = htonl(i);
	return addr;
}

static struct sl_listener listener_number(uint32_t i)
{
	return (struct sl_listener){ .addr = address(i % VIPS), .port = htons((uint16_t)(i / VIPS * 443)),
				     .proto = i % 3 ? IPPROTO_TCP : IPPROTO_UDP, .service = i % 5 };
}

static int build(void **state)
{
	static const struct sl_shm_limits limits = { .services = 5, .pools = 1, .backends = 2, .neighbors = 2,
						     .listeners = LISTENERS, .vips = VIPS, .workers = 1 };
	const struct sl_settings settings = { .reply_rate = RATE };
	const struct sl_neighbor neighbor = { .id = 1 };
	const struct sl_pool pool = { .rows = 7, .slots = 2, .idle_s = { 1, 1, 1 } };
	const struct sl_backend backend = { .slot = 1, .stats = 1, .neighbor = 1, .outer_src = address(900) };
	const uint16_t rows[7] = { 1, 1, 1, SL_SLOT_NONE, 1, 1, 1 | SL_ROW_LOOK };
	const struct sl_table_put put = { .rows = 7, .length = 14, .checksum = sl_checksum64(rows, 14) };
	struct sl_commit commit = { .generation = 1 };

	(void)state;
	assert_int_equal(apply_create(&limits, &dp_allocator_malloc, &apply), 0);
	tell(SL_RECORD_RESET, &commit, 0, NULL);
	tell(SL_RECORD_SETTINGS, &settings, sizeof(settings), NULL);
	tell(SL_RECORD_NEIGHBOR, &neighbor, sizeof(neighbor), NULL);
	tell(SL_RECORD_POOL, &pool, sizeof(pool), NULL);
	tell(SL_RECORD_BACKEND, &backend, sizeof(backend), NULL);
	tell(SL_RECORD_TABLE, &put, sizeof(put), rows);
	for (uint32_t id = 0; id < limits.services; id++) {
		const struct sl_service service = { .id = id };

		tell(SL_RECORD_SERVICE, &service, sizeof(service), NULL);
	}
	for (uint32_t i = 0; i < LISTENERS; i++) {
		const struct sl_listener listener = listener_number(i);

		tell(SL_RECORD_LISTENER, &listener, sizeof(listener), NULL);
	}
	for (uint32_t i = 0; i < VIPS; i++) {
		const struct sl_vip vip = { .addr = address(i), .otherwise = i % 3 };

		tell(SL_RECORD_VIP, &vip, sizeof(vip), NULL);
	}
	commit.records = records;
	tell(SL_RECORD_COMMIT, &commit, sizeof(commit), NULL);
	return snapshot == NULL;
}

static int destroy(void **state)
{
	(void)state;
	apply_destroy(apply);
	snapshot_free(snapshot);
	return 0;
}

static void every_listener_is_found_and_nothing_else(void **state)
{
	struct sl_env env = { .snapshot = snapshot };
	const struct sl_addr nowhere = { .d = { 0, 0 } };

	(void)state;
	for (uint32_t i = 0; i < LISTENERS; i++) {
		const struct sl_listener listener = listener_number(i);
		const struct sl_service *service = sl_env_service(&env, &listener.addr, listener.port, listener.proto);

		assert_non_null(service);
		assert_int_equal(service->id, listener.service);
	}
	for (uint32_t i = VIPS; i < 2 * VIPS; i++) {
		const struct sl_addr addr = address(i);

		assert_null(sl_env_service(&env, &addr, htons(443), IPPROTO_TCP));
		assert_null(sl_env_vip(&env, &addr));
	}
	assert_null(sl_env_service(&env, &nowhere, 0, 0));
	assert_null(sl_env_vip(&env, &nowhere));
}

static void a_listener_for_every_port_answers_where_no_exact_one_does(void **state)
{
	struct sl_env env = { .snapshot = snapshot };
	const struct sl_listener any = listener_number(1); /* port 0 */
	const struct sl_listener exact = listener_number(1 + VIPS);

	(void)state;
	assert_int_equal(any.port, 0);
	assert_int_equal(sl_env_service(&env, &any.addr, htons(12345), any.proto)->id, any.service);
	assert_int_equal(sl_env_service(&env, &exact.addr, exact.port, exact.proto)->id, exact.service);
	assert_null(sl_env_service(&env, &any.addr, htons(12345), IPPROTO_UDP));
}

static void vips_sources_and_the_rest_are_found_by_their_keys(void **state)
{
	struct sl_port ports[2] = { { .index = 0 }, { .index = 1 } };
	struct sl_env env = { .snapshot = snapshot, .ports = ports, .port_count = 2 };
	const struct sl_addr source = address(900), other = address(901);
	const struct sl_pool *pool = sl_env_pool(&env, 0);

	(void)state;
	for (uint32_t i = 0; i < VIPS; i++) {
		const struct sl_addr addr = address(i);

		assert_int_equal(sl_env_vip(&env, &addr)->otherwise, i % 3);
	}
	assert_true(sl_env_is_outer_source(&env, &source));
	assert_false(sl_env_is_outer_source(&env, &other));
	assert_non_null(pool);
	assert_null(sl_env_pool(&env, 1));
	assert_int_equal(sl_env_row(&env, pool, 6), 1 | SL_ROW_LOOK);
	assert_int_equal(sl_env_backend(&env, pool, 1)->stats, 1);
	assert_null(sl_env_backend(&env, pool, 0)); /* within the pool, but nobody there */
	assert_null(sl_env_backend(&env, pool, SL_SLOT_NONE));
	assert_int_equal(sl_env_neighbor(&env, 1)->id, 1);
	assert_null(sl_env_neighbor(&env, 0));
	assert_null(sl_env_neighbor(&env, 2));
	assert_ptr_equal(sl_env_port(&env, 1), &ports[1]);
	assert_null(sl_env_port(&env, 2));
}

static void in_the_empty_snapshot_nothing_is_ours(void **state)
{
	struct sl_env env = { .snapshot = &snapshot_empty };
	const struct sl_addr addr = address(1);

	(void)state;
	assert_null(sl_env_service(&env, &addr, 0, IPPROTO_TCP));
	assert_null(sl_env_vip(&env, &addr));
	assert_false(sl_env_is_outer_source(&env, &addr));
	assert_null(sl_env_pool(&env, 0));
	assert_null(sl_env_neighbor(&env, 0));
	assert_false(sl_env_reply_allowed(&env));
}

static void counts_go_to_verdict_service_and_backend(void **state)
{
	struct sl_worker_stats stats = { .state = 1 };
	struct sl_counter services[2] = { { 0, 0 } }, backends[2] = { { 0, 0 } };
	struct sl_env env = { .snapshot = snapshot, .stats = &stats, .services = services, .service_count = 2,
			      .backends = backends, .backend_count = 2 };
	const struct sl_service service = { .id = 1 }, far = { .id = 2 };
	const struct sl_backend backend = { .stats = 1 };
	struct sl_packet pkt;

	(void)state;
	memset(&pkt, 0, sizeof(pkt));
	pkt.l3 = 14;
	pkt.ip_len = 100;
	sl_env_count(&env, &pkt, SL_VERDICT_TO_KERNEL);
	pkt.service = &service;
	pkt.backend = &backend;
	sl_env_count(&env, &pkt, SL_VERDICT_FORWARD);
	sl_env_count(&env, &pkt, SL_VERDICT_DROP_NO_NEIGHBOR); /* the backend was not sent that one */
	pkt.service = &far;
	sl_env_count(&env, &pkt, SL_VERDICT_FORWARD); /* past the array: not counted, not written */
	assert_int_equal(stats.verdict[SL_VERDICT_TO_KERNEL], 1);
	assert_int_equal(stats.verdict[SL_VERDICT_FORWARD], 2);
	assert_int_equal(services[1].packets, 2);
	assert_int_equal(services[1].bytes, 228);
	assert_int_equal(backends[1].packets, 2);
	env.stats = NULL;
	env.services = env.backends = NULL;
	sl_env_count(&env, &pkt, SL_VERDICT_FORWARD);
}

static void answers_keep_to_their_rate(void **state)
{
	struct sl_env env = { .snapshot = snapshot };
	unsigned int burst = 0, second = 0;

	(void)state;
	while (sl_env_reply_allowed(&env))
		burst++;
	assert_in_range(burst, RATE / 8, RATE / 8 + 1);
	for (env.now_ns = 0; env.now_ns < 10000000000u; env.now_ns += 100000)
		second += (unsigned int)sl_env_reply_allowed(&env);
	assert_in_range(second, 10 * RATE - RATE / 8, 10 * RATE + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_listener_is_found_and_nothing_else),
		cmocka_unit_test(a_listener_for_every_port_answers_where_no_exact_one_does),
		cmocka_unit_test(vips_sources_and_the_rest_are_found_by_their_keys),
		cmocka_unit_test(in_the_empty_snapshot_nothing_is_ours),
		cmocka_unit_test(counts_go_to_verdict_service_and_backend),
		cmocka_unit_test(answers_keep_to_their_rate),
	};

	return cmocka_run_group_tests(tests, build, destroy);
}
