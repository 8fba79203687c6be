/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What becomes of backends in a whole sluiced: reloads, operators' words, ramps by its own timer, and what of
 * it outlives a restart. Without a check backends are up; without an interface nobody is reached.
 */
#include "daemon_fixture.h"

static const char ramping[] = "pools:\n"
			      "  - {name: web, slow-start: %s, backends: [192.0.2.21, 192.0.2.22%s]}\n"
			      "services: [{name: web, listen: \"tcp 192.0.2.10:80\", pool: web}]\n";

static void write_pool(const struct fixture *f, const char *slow_start, const char *more)
{
	char text[512];

	snprintf(text, sizeof(text), ramping, slow_start, more);
	write_config(f, text);
}

static void reload(struct fixture *f)
{
	char reterr[512];

	assert_int_equal(daemon_reload(f->daemon, reterr, sizeof(reterr)), 0);
}

static void say(struct fixture *f, const char *backend, enum backend_admin admin)
{
	char reterr[API_ERROR_MAX];

	assert_int_equal(daemon_set_admin(f->daemon, NULL, backend, admin, "root", "test", reterr), 0);
}

static const struct model_backend *backend(const struct fixture *f, size_t i)
{
	return &f->daemon->model->pools[0].backends[i];
}

static enum sl_backend_state state_of(const struct fixture *f, size_t i)
{
	return model_backend_state(f->daemon->model, &f->daemon->model->pools[0], backend(f, i));
}

static void restart(struct fixture *f)
{
	daemon_destroy(f->daemon);
	start(f);
	run_until_published(f);
}

/* What is published first replaces what the data plane has: backends that are up go into it with their MACs. */
static void a_first_generation_waits_for_macs_and_not_for_ever(void **state)
{
	struct fixture *f = *state;

	write_pool(f, "0s", ", 192.0.2.41");
	start(f);
	assert_false(netns_wait(&f->daemon->loop, has_published, f->daemon, DAEMON_HOPS_WAIT_MS / 2));
	netns_run("ip neigh replace 192.0.2.41 lladdr 02:00:00:00:00:41 dev up0 nud permanent");
	assert_true(netns_wait(&f->daemon->loop, has_published, f->daemon, DAEMON_HOPS_WAIT_MS / 4));
	netns_run("ip neigh del 192.0.2.41 dev up0");
	daemon_destroy(f->daemon);
	start(f);
	run_until_published(f);
}

static void a_reload_of_an_unchanged_file_publishes_nothing(void **state)
{
	struct fixture *f = *state;
	uint64_t generation;

	start(f);
	run_until_published(f);
	generation = f->daemon->model->generation;
	for (int i = 0; i < 3; i++)
		reload(f);
	assert_int_equal(f->daemon->model->generation, generation);
	write_pool(f, "5s", ""); /* nothing that a data plane would have to know */
	reload(f);
	assert_int_equal(f->daemon->model->generation, generation);
	write_pool(f, "5s", ", 192.0.2.23");
	reload(f);
	assert_int_equal(f->daemon->model->generation, generation + 1);
}

static void retire_and_off_are_what_they_say_and_outlive_a_restart(void **state)
{
	struct fixture *f = *state;

	start(f);
	run_until_published(f);
	say(f, "192.0.2.21", BACKEND_RETIRE);
	assert_int_equal(state_of(f, 0), SL_BACKEND_DRAINING);
	assert_int_equal(backend(f, 0)->rows, 0);
	restart(f);
	assert_string_equal(model_backend_word(f->daemon->model, &f->daemon->model->pools[0], backend(f, 0)), "retired");
	assert_string_equal(backend(f, 0)->override.why, "test");
	say(f, "192.0.2.21", BACKEND_OFF);
	assert_int_equal(state_of(f, 0), SL_BACKEND_GONE);
	restart(f);
	assert_int_equal(state_of(f, 0), SL_BACKEND_GONE);
	say(f, "192.0.2.21", BACKEND_READY);
	assert_int_equal(state_of(f, 0), SL_BACKEND_UP);
	assert_true(backend(f, 0)->rows > 0);
}

static bool takes_all(void *ctx)
{
	const struct fixture *f = ctx;

	return model_backend_accept(backend(f, 2)) == MAGLEV_ACCEPT_ALL;
}

static void a_new_backend_ramps_up_by_the_daemons_timer(void **state)
{
	struct fixture *f = *state;
	uint64_t generation;

	write_pool(f, "1s", "");
	start(f);
	run_until_published(f);
	assert_int_equal(model_backend_accept(backend(f, 1)), MAGLEV_ACCEPT_ALL);
	write_pool(f, "1s", ", 192.0.2.23");
	reload(f);
	generation = f->daemon->model->generation;
	assert_int_equal(model_backend_accept(backend(f, 2)), MAGLEV_ACCEPT_ALL / MODEL_RAMP_STEPS);
	assert_true(netns_wait(&f->daemon->loop, takes_all, f, 3000));
	assert_in_range(f->daemon->model->generation - generation, 10, MODEL_RAMP_STEPS - 1);
}

static void a_ramp_goes_on_after_a_restart(void **state)
{
	struct fixture *f = *state;
	struct model_ramp before;

	write_pool(f, "1h", "");
	start(f);
	run_until_published(f);
	write_pool(f, "1h", ", 192.0.2.23");
	reload(f);
	before = backend(f, 2)->ramp;
	assert_true(before.on && before.added > 0);
	daemon_state_save(f->daemon);
	restart(f);
	assert_int_equal(backend(f, 2)->ramp.since_ms, before.since_ms);
	assert_int_equal(backend(f, 2)->ramp.added, before.added);
	assert_int_equal(model_backend_accept(backend(f, 2)), MAGLEV_ACCEPT_ALL / MODEL_RAMP_STEPS);
	assert_int_equal(model_backend_accept(backend(f, 0)), MAGLEV_ACCEPT_ALL);
}

static void a_backend_that_the_file_got_while_sluiced_was_away_is_new(void **state)
{
	struct fixture *f = *state;

	write_pool(f, "1h", "");
	start(f);
	run_until_published(f);
	write_pool(f, "1h", ", 192.0.2.23");
	restart(f);
	assert_int_equal(model_backend_accept(backend(f, 2)), MAGLEV_ACCEPT_ALL / MODEL_RAMP_STEPS);
}

static void silence_counts_only_while_somebody_forwards(void **state)
{
	struct fixture *f = *state;
	uint64_t quiet_ms;

	start(f);
	run_until_published(f);
	assert_false(daemon_drain_quiet(f->daemon, backend(f, 0), &quiet_ms));
	say(f, "192.0.2.21", BACKEND_DRAIN);
	for (int i = 0; i < 2; i++) {
		f->daemon->attached = i > 0;
		usleep(50000);
		uv_update_time(&f->daemon->loop);
		daemon_drain_beat(f->daemon);
		assert_true(daemon_drain_quiet(f->daemon, backend(f, 0), &quiet_ms));
		if (i == 0)
			assert_int_equal(quiet_ms, 0);
		else
			assert_in_range(quiet_ms, 50, 5000);
	}
	say(f, "192.0.2.21", BACKEND_READY);
	assert_false(daemon_drain_quiet(f->daemon, backend(f, 0), &quiet_ms));
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_first_generation_waits_for_macs_and_not_for_ever),
		T(a_reload_of_an_unchanged_file_publishes_nothing),
		T(retire_and_off_are_what_they_say_and_outlive_a_restart),
		T(a_new_backend_ramps_up_by_the_daemons_timer),
		T(a_ramp_goes_on_after_a_restart),
		T(a_backend_that_the_file_got_while_sluiced_was_away_is_new),
		T(silence_counts_only_while_somebody_forwards),
	};

	netns_enter();
	wire_up0();
	return cmocka_run_group_tests_name("daemon_states", tests, NULL, NULL);
}
