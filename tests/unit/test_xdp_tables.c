/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Generations in the maps of the XDP program, on plain memory, read the way the program reads them: whatever is stated,
 * a packet finds one whole generation, and nothing it can reach is written again.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controlplane/xdp_tables.h"

enum { ROWS = 131, FLOWS = 1000 };

static const struct sl_shm_limits limits = { .services = 8, .pools = 8, .backends = 16, .neighbors = 16, .listeners = 8,
					     .vips = 8, .workers = 1 };

struct world {
	struct xdp_maps maps;
	struct xdp_tables *tables;
	uint64_t generation, now_ns;
};

static void make_map(struct world *w, enum xdp_map_id id, uint32_t entries, uint32_t size)
{
	const struct xdp_capacity capacity = xdp_maps_capacity(&limits, 4 * ROWS, FLOWS);
	struct xdp_map *map = &w->maps.map[id];

	map->entries = capacity.entries[id] ? capacity.entries[id] : entries;
	map->stride = (size + 7) & ~7u;
	map->memory = calloc(map->entries, map->stride);
	assert_non_null(map->memory);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	make_map(w, XDP_MAP_ROOT, 1, sizeof(struct sl_xdp_root));
	make_map(w, XDP_MAP_SETTINGS, SL_XDP_BANKS, sizeof(struct sl_xdp_settings));
	make_map(w, XDP_MAP_SERVICES, 0, sizeof(struct sl_service));
	make_map(w, XDP_MAP_POOL_SLOTS, 0, sizeof(uint32_t));
	make_map(w, XDP_MAP_POOLS, 0, sizeof(struct sl_xdp_pool));
	make_map(w, XDP_MAP_BACKENDS, 0, sizeof(struct sl_backend));
	make_map(w, XDP_MAP_ROWS, 0, sizeof(struct sl_xdp_rows));
	make_map(w, XDP_MAP_NEIGHBORS, 0, sizeof(struct sl_neighbor));
	make_map(w, XDP_MAP_FLOWS, 0, 1);
	make_map(w, XDP_MAP_STARTS, 0, 1);
	assert_int_equal(xdp_tables_create(&w->maps, &limits, &w->tables), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	xdp_tables_destroy(w->tables);
	for (int id = 0; id < XDP_MAP_COUNT; id++)
		free(w->maps.map[id].memory);
	free(w);
	return 0;
}

/* Another sluiced, over the same maps. */
static void restart(struct world *w)
{
	xdp_tables_destroy(w->tables);
	assert_int_equal(xdp_tables_create(&w->maps, &limits, &w->tables), 0);
}

static void commit(struct world *w)
{
	w->now_ns += 10 * SL_XDP_GRACE_MS * 1000000ull;
	assert_int_equal(xdp_tables_commit(w->tables, ++w->generation, w->now_ns), 0);
}

/* A pool of two backends at next hops `hop` and `hop` + 1, whose rows go to `slot`. */
static void state_pool(struct world *w, uint32_t id, uint16_t slot, uint32_t hop)
{
	const struct sl_pool pool = { .id = id, .rows = ROWS, .slots = 2, .idle_s = { 3600, 600, 150 } };
	struct table *table = table_alloc(ROWS);

	for (uint16_t s = 0; s < 2; s++) {
		const struct sl_neighbor neighbor = { .id = hop + s, .known = 1, .mac = { 2, 0, 0, 0, 0, (uint8_t)(hop + s) } };
		const struct sl_backend backend = { .pool = id, .slot = s, .state = SL_BACKEND_UP, .stats = id * 2 + s,
						    .neighbor = hop + s };

		assert_int_equal(xdp_tables_neighbor(w->tables, &neighbor, SL_OP_PUT), 0);
		assert_int_equal(xdp_tables_backend(w->tables, &backend, SL_OP_PUT), 0);
	}
	for (int i = 0; i < ROWS; i++)
		table->row[i] = slot;
	assert_int_equal(xdp_tables_pool(w->tables, &pool, SL_OP_PUT), 0);
	xdp_tables_table(w->tables, id, SL_TABLE_CURRENT, table);
	table_put(table);
}

static void state_service(struct world *w, uint32_t id, uint32_t pool)
{
	const struct sl_service service = { .id = id, .pool = pool };

	xdp_tables_service(w->tables, &service, SL_OP_PUT);
}

/* ---- as the program reads ------------------------------------------------------------------------------- */

struct reader {
	const struct world *w;
	uint32_t bank;
};

static struct reader begin_packet(const struct world *w)
{
	const struct sl_xdp_root *root = xdp_maps_at(&w->maps, XDP_MAP_ROOT, 0);

	assert_int_equal(root->version, SL_XDP_VERSION);
	return (struct reader){ .w = w, .bank = root->bank };
}

static const struct sl_xdp_pool *read_pool(const struct reader *r, uint32_t service)
{
	const struct sl_service *found = xdp_maps_at(&r->w->maps, XDP_MAP_SERVICES, sl_xdp_at(service, r->bank));
	const uint32_t *slot;

	if (found->pool >= limits.pools)
		return NULL;
	slot = xdp_maps_at(&r->w->maps, XDP_MAP_POOL_SLOTS, sl_xdp_at(found->pool, r->bank));
	return *slot ? xdp_maps_at(&r->w->maps, XDP_MAP_POOLS, *slot) : NULL;
}

/* The last byte of the MAC address that the row leads to; -1: to nobody. */
static int read_row(const struct reader *r, uint32_t service, uint32_t row)
{
	const struct sl_xdp_pool *pool = read_pool(r, service);
	const struct sl_xdp_rows *rows;
	const struct sl_backend *backend;
	const struct sl_neighbor *neighbor;

	if (!pool || !pool->table[SL_TABLE_CURRENT])
		return -1;
	rows = xdp_maps_at(&r->w->maps, XDP_MAP_ROWS, pool->table[SL_TABLE_CURRENT] + row / SL_XDP_ROWS);
	backend = xdp_maps_at(&r->w->maps, XDP_MAP_BACKENDS, pool->backend + (rows->row[row % SL_XDP_ROWS] & SL_ROW_SLOT));
	neighbor = xdp_maps_at(&r->w->maps, XDP_MAP_NEIGHBORS, backend->neighbor);
	return neighbor->known ? neighbor->mac[5] : -1;
}

static void all_rows_lead_to(const struct reader *r, uint32_t service, int last_byte)
{
	for (uint32_t row = 0; row < ROWS; row++)
		assert_int_equal(read_row(r, service, row), last_byte);
}

/* ---- tests ---------------------------------------------------------------------------------------------- */

static void a_generation_is_found_as_it_was_stated(void **state)
{
	struct world *w = *state;
	struct sl_settings found;
	struct reader packet;

	assert_int_equal(xdp_tables_generation(w->tables, NULL), 0);
	state_pool(w, 1, 1, 4);
	state_service(w, 3, 1);
	xdp_tables_settings(w->tables, &(struct sl_settings){ .numbering = 77, .reply_rate = 1000 });
	commit(w);
	packet = begin_packet(w);
	all_rows_lead_to(&packet, 3, 5);
	assert_null(read_pool(&packet, 2));
	assert_int_equal(xdp_tables_generation(w->tables, &found), w->generation);
	assert_int_equal(found.numbering, 77);
	assert_int_equal(xdp_tables_idle_s(w->tables, 1, SL_FLOW_QUIC), 600);
	assert_int_equal(xdp_tables_idle_s(w->tables, 2, SL_FLOW_QUIC), 0);
}

static void a_packet_under_way_finishes_by_the_generation_it_began_with(void **state)
{
	struct world *w = *state;
	struct reader before, after;

	state_pool(w, 1, 0, 4);
	state_service(w, 3, 1);
	commit(w);
	before = begin_packet(w);
	state_pool(w, 1, 1, 4);
	commit(w);
	after = begin_packet(w);
	all_rows_lead_to(&before, 3, 4);
	all_rows_lead_to(&after, 3, 5);
}

static void one_backend_changes_alone(void **state)
{
	const struct sl_backend moved = { .pool = 1, .slot = 0, .state = SL_BACKEND_UP, .neighbor = 5 };
	struct world *w = *state;
	struct reader before, after;

	state_pool(w, 1, 0, 4);
	state_service(w, 3, 1);
	commit(w);
	before = begin_packet(w);
	assert_int_equal(xdp_tables_backend(w->tables, &moved, SL_OP_PUT), 0);
	commit(w);
	after = begin_packet(w);
	all_rows_lead_to(&before, 3, 4);
	all_rows_lead_to(&after, 3, 5);
}

static void what_goes_is_found_once_more_before_its_places_are_given_again(void **state)
{
	struct world *w = *state;
	struct reader packet;

	state_pool(w, 1, 0, 4);
	state_service(w, 3, 1);
	commit(w);
	xdp_tables_service(w->tables, &(struct sl_service){ .id = 3 }, SL_OP_DEL);
	xdp_tables_table(w->tables, 1, SL_TABLE_CURRENT, NULL);
	xdp_tables_pool(w->tables, &(struct sl_pool){ .id = 1 }, SL_OP_DEL);
	commit(w);
	packet = begin_packet(w);
	all_rows_lead_to(&packet, 3, 4); /* its listener is taken away after the flip */
	assert_true(xdp_tables_lingers(w->tables));
	w->generation--;
	commit(w);
	assert_false(xdp_tables_lingers(w->tables));
	packet = begin_packet(w);
	assert_null(read_pool(&packet, 3));
}

static void a_restarted_sluiced_writes_nowhere_that_packets_read(void **state)
{
	struct world *w = *state;
	struct reader packet;

	state_pool(w, 1, 0, 4);
	state_pool(w, 2, 1, 8);
	state_service(w, 3, 1);
	state_service(w, 4, 2);
	commit(w);
	packet = begin_packet(w);
	restart(w);
	assert_int_equal(xdp_tables_generation(w->tables, NULL), w->generation);
	state_pool(w, 1, 1, 0); /* it counts next hops in another way */
	state_service(w, 3, 1);
	commit(w);
	all_rows_lead_to(&packet, 3, 4);
	all_rows_lead_to(&packet, 4, 9);
	packet = begin_packet(w);
	all_rows_lead_to(&packet, 3, 1);
	assert_null(read_pool(&packet, 4));
}

static void places_come_back_however_often_everything_changes(void **state)
{
	struct world *w = *state;

	srand(3);
	for (int i = 0; i < 3000; i++) {
		const uint32_t id = 1 + (uint32_t)rand() % 3;
		const uint16_t slot = (uint16_t)(rand() % 2);
		struct reader packet;

		state_pool(w, id, slot, id * 4);
		state_service(w, id, id);
		if (rand() % 50 == 0) {
			restart(w);
			for (uint32_t all = 1; all <= 3; all++) {
				state_pool(w, all, slot, all * 4);
				state_service(w, all, all);
			}
		}
		commit(w);
		packet = begin_packet(w);
		all_rows_lead_to(&packet, id, (int)(id * 4 + slot));
	}
}

static void damaged_places_of_another_process_are_nobodys(void **state)
{
	struct world *w = *state;
	struct sl_xdp_pool *pool;
	struct reader packet;

	state_pool(w, 1, 0, 4);
	state_service(w, 3, 1);
	commit(w);
	packet = begin_packet(w);
	pool = (struct sl_xdp_pool *)(uintptr_t)read_pool(&packet, 3);
	pool->backend = UINT32_MAX - 1;
	pool->table[SL_TABLE_CURRENT] = 0x80000000u;
	pool->table[SL_TABLE_BASE_TCP] = 1;
	pool->pool.slots = 65535;
	restart(w);
	state_pool(w, 1, 1, 4);
	commit(w);
	state_pool(w, 1, 0, 4);
	state_service(w, 3, 1);
	commit(w);
	packet = begin_packet(w);
	all_rows_lead_to(&packet, 3, 4);
}

static void what_does_not_fit_leaves_the_generation_in_force(void **state)
{
	struct world *w = *state;
	struct table *large = table_alloc(ROWS * 1000);
	const struct sl_pool pool = { .id = 2, .rows = ROWS * 1000, .slots = 2 };
	struct reader packet;

	state_pool(w, 1, 0, 4);
	state_service(w, 3, 1);
	commit(w);
	assert_int_equal(xdp_tables_pool(w->tables, &pool, SL_OP_PUT), 0);
	xdp_tables_table(w->tables, 2, SL_TABLE_CURRENT, large);
	table_put(large);
	state_pool(w, 1, 1, 4);
	assert_int_equal(xdp_tables_commit(w->tables, 99, w->now_ns * 2), -ENOSPC);
	packet = begin_packet(w);
	all_rows_lead_to(&packet, 3, 4);
	assert_int_equal(xdp_tables_generation(w->tables, NULL), w->generation);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_generation_is_found_as_it_was_stated, setup, teardown),
		cmocka_unit_test_setup_teardown(a_packet_under_way_finishes_by_the_generation_it_began_with, setup, teardown),
		cmocka_unit_test_setup_teardown(one_backend_changes_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(what_goes_is_found_once_more_before_its_places_are_given_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_restarted_sluiced_writes_nowhere_that_packets_read, setup, teardown),
		cmocka_unit_test_setup_teardown(places_come_back_however_often_everything_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_places_of_another_process_are_nobodys, setup, teardown),
		cmocka_unit_test_setup_teardown(what_does_not_fit_leaves_the_generation_in_force, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
