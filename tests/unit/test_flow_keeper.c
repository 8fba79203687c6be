/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files of connections that come, grow, change hands, are cut and vanish while workers forward.
 */
#include <sys/mman.h>

#include "tests/support/flow_fixture.h"

static void a_larger_file_gets_the_entries_of_the_one_before(void **state)
{
	(void)state;
	for (uint64_t flow = 1; flow <= 5000; flow++)
		put(0, flow, (uint16_t)(flow % 100), 0);
	tick();
	make_file(FLOWS * 4, 77);
	look();
	tick();
	assert_int_equal(live().used, 5000);
	for (uint64_t flow = 1; flow <= 5000; flow++)
		assert_int_equal(quoted(1, flow), flow % 100);
	put(1, 9999, 3, 0);
	tick();
	stop();
	start(2);
	assert_int_equal(quoted(0, 9999), 3);
	assert_int_equal(quoted(0, 77), 77);
}

/* Entries that are told while others are carried over arrive in both files. */
static void nothing_is_lost_that_is_told_while_entries_are_carried_over(void **state)
{
	(void)state;
	stop();
	unlinkat(dir_fd, SL_FLOWS_FILE, 0);
	make_file(40000, 77);
	start(WORKERS);
	make_file(400000, 77);
	flow_keeper_look(keeper);
	for (uint64_t flow = 1; flow <= 20000; flow++) {
		put(0, flow, (uint16_t)(flow % 100), 0);
		if (flow % 1000 == 0)
			flow_keeper_tick(keeper, snapshot, now_s, ++now_ns, false);
	}
	while (!flow_keeper_is_due(keeper))
		flow_keeper_tick(keeper, snapshot, now_s, ++now_ns, false);
	tick();
	for (uint64_t flow = 1; flow <= 20000; flow++)
		assert_int_equal(quoted(1, flow), flow % 100);
}

/* All places for roots may be taken: until the file is published workers remember for themselves. */
static void what_is_stored_before_a_new_file_is_published_is_told_afterwards(void **state)
{
	const struct flow_table_lives lives = flow_table_lives(snapshot->settings.idle_max_s);

	(void)state;
	stop();
	unlinkat(dir_fd, SL_FLOWS_FILE, 0);
	start(WORKERS);
	make_file(FLOWS, 77);
	flow_keeper_look(keeper);
	while (!flow_keeper_is_due(keeper))
		flow_keeper_tick(keeper, snapshot, now_s, ++now_ns, false);
	now_s += 3;
	flow_table_tick(env[0].flows, now_s, ++now_ns, &lives);
	put(0, 1, 5, 0);
	publish();
	pass(1);
	assert_int_equal(data(0, 1), 5);
	tick();
	assert_int_equal(quoted(1, 1), 5);
}

/* What sluiced may conclude from a file that names nobody. */
static void a_file_says_since_when_it_knows_all_that_workers_remember(void **state)
{
	(void)state;
	tick();
	assert_int_equal(live().whole_s, SL_FLOWS_WHOLE);
	put(0, 1, 5, 0);
	make_file(FLOWS * 4, 77); /* gets all there is */
	pass(1);
	look();
	tick();
	assert_int_equal(live().used, 1);
	assert_int_equal(live().whole_s, SL_FLOWS_WHOLE);
	stop();
	unlinkat(dir_fd, SL_FLOWS_FILE, 0);
	start(WORKERS);
	put(0, 1, 5, 0); /* nobody else hears of it */
	make_file(FLOWS, 77);
	assert_int_equal(live().whole_s, 0);
	pass(1);
	look();
	tick();
	assert_int_equal(live().whole_s, now_s);
	stop();
	start(WORKERS); /* what the process before did not tell went with it */
	tick();
	assert_int_equal(live().whole_s, SL_FLOWS_WHOLE);
}

static struct sl_flows_live *map_live(void)
{
	const int fd = openat(dir_fd, SL_FLOWS_FILE, O_RDWR | O_CLOEXEC);
	struct sl_flows_live *file = mmap(NULL, sizeof(*file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, SL_SHM_PAGE);

	assert_ptr_not_equal(file, MAP_FAILED);
	close(fd);
	return file;
}

/* Or no row would close any more: sluiced keeps them open for a window after it. */
static void pressure_of_a_time_to_come_was_now_at_the_latest(void **state)
{
	struct sl_flows_live *file;
	uint64_t found_s;

	(void)state;
	tick();
	stop();
	file = map_live();
	file->pressure_s = 1ull << 63;
	start(WORKERS);
	tick();
	found_s = file->pressure_s;
	assert_int_equal(found_s, now_s);
	now_s += 5;
	tick();
	assert_int_equal(file->pressure_s, found_s);
	munmap(file, sizeof(*file));
}

/* Whatever the file says: what makes no sense is forgotten, and the sanitizers are content. */
static void a_file_written_at_an_absurd_moment_is_forgotten(void **state)
{
	const uint64_t moments[] = { now_s + (1ull << 63), now_s - 1 + (1ull << 63), UINT64_MAX, 1, now_s + 2 };

	(void)state;
	for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
		struct sl_flows_live *file;

		put(0, 1, 5, 0);
		tick();
		stop();
		file = map_live();
		file->swept_s = moments[i];
		munmap(file, sizeof(*file));
		start(WORKERS);
		assert_int_equal(data(0, 1), -1);
	}
}

static void a_file_of_other_settings_waits_for_them_and_starts_empty(void **state)
{
	(void)state;
	put(0, 1, 5, 0);
	tick();
	unlinkat(dir_fd, SL_FLOWS_FILE, 0);
	make_file(FLOWS, 78);
	look();
	pass(2);
	assert_int_equal(quoted(1, 1), 5); /* the old generation goes on with the old file */
	put(0, 2, 6, 0);
	snapshot->settings.numbering = 78;
	publish(); /* and what worker 0 has just told is of no meaning any more */
	tick();
	for (unsigned int w = 0; w < WORKERS; w++) {
		assert_int_equal(quoted(w, 1), -1);
		assert_int_equal(quoted(w, 2), -1);
	}
	assert_int_equal(live().used, 0);
	put(0, 3, 7, 0);
	tick();
	assert_int_equal(quoted(1, 3), 7);
}

static void another_key_or_numbering_than_the_file_s_means_own_tables_only(void **state)
{
	(void)state;
	put(0, 1, 5, 0);
	tick();
	snapshot->settings.flow_key.k1++;
	publish();
	put(0, 2, 6, 0);
	tick();
	assert_int_equal(live().used, 1); /* untouched */
	assert_int_equal(data(0, 2), 6);
	assert_int_equal(quoted(1, 2), -1);
	assert_int_equal(quoted(1, 1), -1);
}

/* A planned stop under load: what stands in a ring then is more than one tick takes. */
static void what_a_worker_told_last_outlives_a_planned_stop(void **state)
{
	enum { TOLD = 12000 };

	(void)state;
	for (uint64_t flow = 1; flow <= TOLD; flow++)
		put(0, flow, (uint16_t)(flow % 100), 0);
	flow_keeper_finish(keeper, snapshot, now_s, now_ns, false);
	assert_int_equal(live().used, TOLD);
	stop();
	start(2);
	for (uint64_t flow = 1; flow <= TOLD; flow++)
		assert_int_equal(quoted(1, flow), flow % 100);
}

static void without_a_file_workers_remember_for_themselves_until_one_comes(void **state)
{
	(void)state;
	stop();
	unlinkat(dir_fd, SL_FLOWS_FILE, 0);
	start(WORKERS);
	put(0, 1, 5, 0);
	look();
	assert_int_equal(data(0, 1), 5);
	assert_int_equal(quoted(1, 1), -1);
	pass(2);
	make_file(FLOWS, 77);
	look();
	assert_int_equal(quoted(1, 1), -1);
	assert_int_equal(data(0, 1), 5); /* tells it now */
	tick();
	assert_int_equal(quoted(1, 1), 5);
}

static void a_file_that_is_cut_costs_nothing_but_itself(void **state)
{
	int fd;

	(void)state;
	stop(); /* the test framework has taken the signal meanwhile */
	start(WORKERS);
	put(0, 1, 5, 0);
	put(1, 2, 6, 0);
	tick();
	fd = openat(dir_fd, SL_FLOWS_FILE, O_RDWR | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, 4096), 0);
	close(fd);
	pass(3);
	assert_int_equal(quoted(2, 1), -1);
	assert_int_equal(data(0, 1), 5);
	look();
	assert_null(env[0].shared.bucket);
	unlinkat(dir_fd, SL_FLOWS_FILE, 0);
	make_file(FLOWS, 77);
	look();
	pass(1); /* within the second it was told last a connection is not told again */
	assert_int_equal(data(1, 2), 6);
	assert_int_equal(data(0, 1), 5);
	tick();
	assert_int_equal(quoted(2, 1), 5);
	assert_int_equal(quoted(0, 2), 6);
}

static void the_name_that_vanishes_does_not_take_the_table_along(void **state)
{
	(void)state;
	put(0, 1, 5, 0);
	tick();
	unlinkat(dir_fd, SL_FLOWS_FILE, 0);
	look();
	assert_int_equal(quoted(1, 1), 5);
	put(1, 2, 6, 0);
	tick();
	make_file(FLOWS, 77);
	look();
	tick();
	assert_int_equal(live().used, 2);
	assert_int_equal(quoted(2, 2), 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_a_worker_told_last_outlives_a_planned_stop, setup, teardown),
		cmocka_unit_test_setup_teardown(a_larger_file_gets_the_entries_of_the_one_before, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_lost_that_is_told_while_entries_are_carried_over, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_stored_before_a_new_file_is_published_is_told_afterwards, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_says_since_when_it_knows_all_that_workers_remember, setup, teardown),
		cmocka_unit_test_setup_teardown(pressure_of_a_time_to_come_was_now_at_the_latest, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_written_at_an_absurd_moment_is_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_of_other_settings_waits_for_them_and_starts_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(another_key_or_numbering_than_the_file_s_means_own_tables_only, setup, teardown),
		cmocka_unit_test_setup_teardown(without_a_file_workers_remember_for_themselves_until_one_comes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_that_is_cut_costs_nothing_but_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(the_name_that_vanishes_does_not_take_the_table_along, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
