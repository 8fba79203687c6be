/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Histories of rows in a whole sluiced: what a restart goes on with, and what happens to files that are damaged, of
 * another key, or at odds with the state file.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "daemon_fixture.h"

/* Rows of the pool that are open for TCP. */
static uint32_t open_rows(const struct fixture *f)
{
	return f->daemon->model->pools[0].rows.kind[SL_FLOW_TCP].open;
}

/* One of its two backends is drained: every row of that one is open. */
static uint32_t open_some(struct fixture *f)
{
	char reterr[API_ERROR_MAX];

	assert_int_equal(daemon_set_admin(f->daemon, NULL, "192.0.2.21", BACKEND_DRAIN, "root", "", reterr), 0);
	daemon_publish_due(f->daemon);
	assert_true(open_rows(f) > 10000);
	return open_rows(f);
}

static uint32_t start_with_open_rows(struct fixture *f)
{
	start(f);
	run_until_published(f);
	return open_some(f);
}

static void restart(struct fixture *f)
{
	daemon_destroy(f->daemon);
	start(f);
	run_until_published(f);
}

static void rows_file(const struct fixture *f, char path[160])
{
	snprintf(path, 160, "%s/state/rows/%u.rows", f->directory, f->daemon->model->pools[0].id);
}

static void a_restart_goes_on_with_open_rows(void **state)
{
	struct fixture *f = *state;
	const uint32_t open = start_with_open_rows(f);
	const int32_t left_s = f->daemon->model->pools[0].rows.kind[SL_FLOW_TCP].left_s[0];
	struct row_open *by_slot;

	restart(f);
	by_slot = model_open_rows(f->daemon->model, &f->daemon->model->pools[0]);
	assert_non_null(by_slot);
	assert_int_equal(by_slot[f->daemon->model->pools[0].backends[0].slot].rows[SL_FLOW_TCP], open);
	assert_true(by_slot[f->daemon->model->pools[0].backends[0].slot].held); /* it drains */
	free(by_slot);
	assert_int_equal(open_rows(f), open);
	assert_int_equal(f->daemon->model->pools[0].rows.kind[SL_FLOW_TCP].left_s[0], left_s);
}

static void a_damaged_history_is_put_aside_and_rows_look(void **state)
{
	struct fixture *f = *state;
	char path[160], aside[160];

	start_with_open_rows(f);
	rows_file(f, path);
	snprintf(aside, sizeof(aside), "%s/state/rows/%u.damaged", f->directory, f->daemon->model->pools[0].id);
	assert_int_equal(truncate(path, 1000), 0);
	restart(f);
	assert_int_equal(access(aside, F_OK), 0);
	assert_int_equal(access(path, F_OK), 0); /* written anew */
	assert_int_equal(open_rows(f), 0);
	assert_int_equal(row_history_looks(&f->daemon->model->pools[0].rows), f->daemon->model->pools[0].rows.rows);
}

static void a_key_that_changed_meanwhile_is_an_ordinary_change(void **state)
{
	struct fixture *f = *state;
	char path[160];

	start_with_open_rows(f);
	snprintf(path, sizeof(path), "%s/state/hash.key", f->directory);
	assert_int_equal(unlink(path), 0); /* the next start makes another */
	restart(f);
	assert_int_equal(f->daemon->model->pools[0].rows.lens.rows, f->daemon->model->pools[0].rows.rows);
	restart(f);
	assert_int_equal(f->daemon->model->pools[0].rows.lens.rows, f->daemon->model->pools[0].rows.rows);
}

/* The same name with another number: an older state file, or one of another machine with the same numbering. */
static void a_history_at_odds_with_the_state_file_is_dropped(void **state)
{
	struct fixture *f = *state;
	char command[300];

	start_with_open_rows(f);
	daemon_state_save(f->daemon);
	daemon_destroy(f->daemon);
	snprintf(command, sizeof(command), "sed -i 's/\"192.0.2.21\": {/\"192.0.2.99\": {/' %s/state/state.json", f->directory);
	assert_int_equal(system(command), 0);
	start(f);
	run_until_published(f);
	assert_int_equal(open_rows(f), 0);
	assert_int_equal(row_history_looks(&f->daemon->model->pools[0].rows), f->daemon->model->pools[0].rows.rows);
}

/* Web servers .23 and .24 of weight 0: their coming and going moves no row, so nothing else writes the file anew. */
static void a_number_given_again_is_no_contradiction_when_no_row_names_it(void **state)
{
	static const char three[] = "limits: {mass-removal: 100%%}\nservices: [{name: web, listen: tcp 192.0.2.10:80, mode: l2, "
				    "backends: [192.0.2.21, 192.0.2.22, {address: 192.0.2.%d, weight: 0}]}]\n";
	struct fixture *f = *state;
	struct identity *resting;
	char text[300], reterr[512];
	uint32_t open;

	snprintf(text, sizeof(text), three, 23);
	write_config(f, text);
	open = start_with_open_rows(f);
	write_config(f, one_service);
	assert_int_equal(daemon_reload(f->daemon, reterr, sizeof(reterr)), 0);
	HASH_FIND_STR(f->daemon->model->ids.pools->children, "192.0.2.23", resting);
	identities_release(&f->daemon->model->ids.pools->children, resting); /* as a census does in time */
	snprintf(text, sizeof(text), three, 24);
	write_config(f, text);
	assert_int_equal(daemon_reload(f->daemon, reterr, sizeof(reterr)), 0);
	assert_int_equal(f->daemon->model->pools[0].backends[2].slot, 2);
	restart(f);
	assert_int_equal(open_rows(f), open);
}

static bool is_saved(void *ctx)
{
	return access(ctx, F_OK) == 0;
}

static void what_could_not_be_saved_is_saved_when_it_can_be(void **state)
{
	struct fixture *f = *state;
	char path[160], beside[170];
	uint32_t open;

	start(f);
	run_until_published(f);
	rows_file(f, path);
	snprintf(beside, sizeof(beside), "%s.new", path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(beside, 0700), 0);
	open = open_some(f);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(rmdir(beside), 0);
	assert_true(netns_wait(&f->daemon->loop, is_saved, path, 5000));
	restart(f);
	assert_int_equal(open_rows(f), open);
}

static void a_reload_does_not_forget_the_key_that_waits(void **state)
{
	struct fixture *f = *state;
	struct sl_key waiting;
	char path[160], reterr[512];

	start_with_open_rows(f);
	snprintf(path, sizeof(path), "%s/state/hash.key", f->directory);
	for (int i = 0; i < 2; i++) { /* the first one's lens holds the second back */
		assert_int_equal(unlink(path), 0);
		restart(f);
	}
	waiting = f->daemon->model->hash_key;
	assert_memory_not_equal(&waiting, &f->daemon->model->settings.hash_key, sizeof(waiting));
	assert_int_equal(daemon_reload(f->daemon, reterr, sizeof(reterr)), 0);
	assert_memory_equal(&waiting, &f->daemon->model->hash_key, sizeof(waiting));
}

static void a_pool_that_left_keeps_its_file_until_its_number_is_free(void **state)
{
	struct fixture *f = *state;
	char path[160], reterr[512];

	start_with_open_rows(f);
	rows_file(f, path);
	write_config(f, "limits: {mass-removal: 100%}\n"
			"services: [{name: other, listen: tcp 192.0.2.10:80, mode: l2, backends: [192.0.2.31]}]\n");
	f->daemon->config->mass_removal_percent = 100;
	assert_int_equal(daemon_reload(f->daemon, reterr, sizeof(reterr)), 0);
	restart(f);
	assert_int_equal(access(path, F_OK), 0);
	daemon_rows_forgotten(f->daemon, 0);
	assert_int_equal(access(path, F_OK), -1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_restart_goes_on_with_open_rows),
		CASE(a_damaged_history_is_put_aside_and_rows_look),
		CASE(a_key_that_changed_meanwhile_is_an_ordinary_change),
		CASE(a_history_at_odds_with_the_state_file_is_dropped),
		CASE(a_number_given_again_is_no_contradiction_when_no_row_names_it),
		CASE(what_could_not_be_saved_is_saved_when_it_can_be),
		CASE(a_reload_does_not_forget_the_key_that_waits),
		CASE(a_pool_that_left_keeps_its_file_until_its_number_is_free),
	};

	netns_enter();
	wire_up0();
	return cmocka_run_group_tests_name("daemon_rows", tests, NULL, NULL);
}
