/* SPDX-License-Identifier: BSD-3-Clause */
/* State and key files: what is written is read back, what is damaged is refused with its place and remedy. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "controlplane/key_file.h"
#include "controlplane/state_file.h"

static char directory[64], path[96];

static int setup(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/sluice-test-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/file", directory);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static void write_text(const char *text)
{
	FILE *file = fopen(path, "w");

	fputs(text, file);
	fclose(file);
	chmod(path, 0600);
}

static void what_is_written_is_read_back(void **unused)
{
	struct state out = { .generation = 77, .numbering = 0xfedcba9876543210u, .has_flow_key = true, .flow_key = { 1, 2 } }, in;
	struct state_override override = { .pool = "web", .backend = "web1",
					   .override = { BACKEND_DRAIN, "root", "disk", 123 } };
	struct state_probe probe = { .check = "http", .address = sl_addr_from_v4(0x0100a8c0), .port = 80, .up = true,
				     .at_boottime_s = 42 };
	struct state_times times[] = {
		{ "web", "web1", { .down_since_ms = 5, .ramp_since_ms = MODEL_NEVER } },
		{ "web", "web2", { .down_since_ms = MODEL_NEVER, .ramp_since_ms = 0, .added = 7, .full = true } },
	};
	struct identity *pool, *backend, *service;
	char reterr[256];

	(void)unused;
	identities_begin(&out.ids, 1);
	assert_int_equal(identities_service(&out.ids, "www", 10, &service), 0);
	assert_int_equal(identities_pool(&out.ids, "web", 10, &pool), 0);
	assert_int_equal(identities_backend(&out.ids, pool, "web1", 10, &backend), 0);
	assert_int_equal(identities_backend(&out.ids, pool, "web2", 10, &backend), 0);
	out.overrides = &override;
	out.override_count = 1;
	out.probes = &probe;
	out.probe_count = 1;
	out.times = times;
	out.times_count = 2;
	assert_int_equal(state_file_write(path, &out, reterr, sizeof(reterr)), 0);
	assert_int_equal(state_file_read(path, &in, reterr, sizeof(reterr)), 0);
	assert_int_equal(in.generation, 77);
	assert_true(in.found);
	assert_int_equal(in.numbering, out.numbering);
	assert_memory_equal(&in.flow_key, &out.flow_key, sizeof(in.flow_key));
	assert_int_equal(in.override_count, 1);
	assert_string_equal(in.overrides[0].override.why, "disk");
	assert_int_equal(in.probe_count, 1);
	assert_true(in.probes[0].up);
	assert_int_equal(in.times_count, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(in.times[i].backend, times[i].backend);
		assert_int_equal(in.times[i].times.down_since_ms, times[i].times.down_since_ms);
		assert_int_equal(in.times[i].times.ramp_since_ms, times[i].times.ramp_since_ms);
		assert_int_equal(in.times[i].times.added, times[i].times.added);
		assert_int_equal(in.times[i].times.full, times[i].times.full);
	}
	assert_true(sl_addr_equal(&in.probes[0].address, &probe.address));
	assert_int_equal(in.ids.stats_next, 2);
	assert_int_equal(identities_pool(&in.ids, "web", 10, &pool), 0);
	assert_int_equal(identities_backend(&in.ids, pool, "web2", 10, &backend), 0);
	assert_int_equal(backend->id, 1);
	assert_int_equal(backend->stats, 1);
	identities_clear(&out.ids);
	state_clear(&in);
}

static void a_missing_state_is_an_empty_one(void **unused)
{
	struct state state;
	char reterr[256];

	(void)unused;
	assert_int_equal(state_file_read(path, &state, reterr, sizeof(reterr)), 0);
	assert_int_equal(state.generation, 0);
}

static void a_damaged_state_is_refused_and_leaves_an_empty_one(void **unused)
{
	static const char *const damaged[] = {
		"", "{", "[]", "{\"version\": 2}", "{\"version\": 1, \"version\": 1}",
		"{\"version\": 1, \"flow-key\": \"xyz\"}",
		"{\"version\": 1, \"services\": {\"a\": {}}}",
		"{\"version\": 1, \"services\": {\"a\": {\"id\": 99999999}}}",
		"{\"version\": 1, \"generation\": -1}",
		"{\"version\": 1, \"services\": {\"a\": {\"id\": 3}, \"b\": {\"id\": 3}}}",
		"{\"version\": 1, \"pools\": {\"p\": {\"id\": 0, \"backends\": {\"a\": {\"id\": 65535, \"stats\": 0}}}}}",
		"{\"version\": 1, \"pools\": {\"p\": {\"id\": 0, \"backends\": {\"a\": {\"id\": 0, \"stats\": 0},"
		" \"b\": {\"id\": 0, \"stats\": 1}}}}}",
		"{\"version\": 1, \"pools\": {\"p\": {\"id\": 0, \"backends\": {\"a\": {\"id\": 0, \"stats\": 0}}},"
		" \"q\": {\"id\": 1, \"backends\": {\"a\": {\"id\": 0, \"stats\": 0}}}}}",
		"{\"version\": 1, \"overrides\": [{\"admin\": \"explode\"}]}",
	};
	struct state state;
	char reterr[512];

	(void)unused;
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		write_text(damaged[i]);
		reterr[0] = '\0';
		assert_int_equal(state_file_read(path, &state, reterr, sizeof(reterr)), -EINVAL);
		assert_non_null(strstr(reterr, path));
		assert_null(state.ids.services);
		assert_int_equal(state.override_count, 0);
		state_clear(&state);
	}
}

static void a_state_that_is_no_file_is_named_as_that(void **unused)
{
	struct state state;
	char reterr[512];

	(void)unused;
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(state_file_read(path, &state, reterr, sizeof(reterr)), -EINVAL);
	assert_int_equal(rmdir(path), 0);
	assert_non_null(strstr(reterr, "is no file that can be read"));
	state_clear(&state);
}

static void a_number_rests_before_it_is_given_again(void **unused)
{
	struct identities ids = { 0 };
	struct identity *one, *two;

	(void)unused;
	identities_begin(&ids, 1000);
	assert_int_equal(identities_service(&ids, "one", 10, &one), 0);
	identities_end(&ids, 1000);
	identities_begin(&ids, 2000);
	assert_int_equal(identities_service(&ids, "two", 10, &two), 0);
	identities_end(&ids, 2000);
	assert_int_equal(two->id, 1);
	identities_begin(&ids, 2000 + IDENTITY_REST_S);
	assert_int_equal(identities_service(&ids, "three", 10, &two), 0);
	assert_int_equal(two->id, 0);
	identities_clear(&ids);
}

static void a_name_that_comes_back_gets_its_number_back(void **unused)
{
	struct identities ids = { 0 };
	struct identity *entry;

	(void)unused;
	for (uint64_t round = 0; round < 3; round++) {
		identities_begin(&ids, 100 + round);
		if (round != 1)
			assert_int_equal(identities_service(&ids, "a", 10, &entry), 0);
		assert_int_equal(identities_service(&ids, "b", 10, &entry), 0);
		identities_end(&ids, 100 + round);
	}
	assert_int_equal(identities_service(&ids, "a", 10, &entry), 0);
	assert_int_equal(entry->id, 0);
	assert_int_equal(entry->freed_s, 0);
	assert_int_equal(identities_service(&ids, "c", 2, &entry), -ENOSPC);
	identities_clear(&ids);
}

static void a_key_is_made_once_and_never_overwritten(void **unused)
{
	struct sl_key made, read;
	char reterr[512], print[KEY_FINGERPRINT_LEN + 1];
	struct stat st;

	(void)unused;
	assert_int_equal(key_file_create(path, &made, reterr, sizeof(reterr)), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(key_file_read(path, &read, reterr, sizeof(reterr)), 0);
	assert_memory_equal(&made, &read, sizeof(made));
	assert_int_equal(key_file_create(path, &read, reterr, sizeof(reterr)), -EEXIST);
	key_fingerprint(&made, print);
	assert_int_equal(strlen(print), KEY_FINGERPRINT_LEN);
}

static void a_file_that_is_no_key_is_refused_with_the_remedy(void **unused)
{
	static const char *const wrong[] = { "", "abc\n", "00112233445566778899aabbccddeefg\n",
					     "00112233445566778899aabbccddeeff00\n",
					     "00112233445566778899aabbccddeeff\n\n" };
	struct sl_key key;
	char reterr[512];

	(void)unused;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		write_text(wrong[i]);
		assert_int_equal(key_file_read(path, &key, reterr, sizeof(reterr)), -EINVAL);
		assert_non_null(strstr(reterr, "sluicectl key new"));
	}
	write_text("00112233445566778899aabbccddeeff\n");
	chmod(path, 0644);
	assert_int_equal(key_file_read(path, &key, reterr, sizeof(reterr)), -EPERM);
	assert_non_null(strstr(reterr, "chmod 600"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_written_is_read_back, setup, teardown),
		cmocka_unit_test_setup_teardown(a_missing_state_is_an_empty_one, setup, teardown),
		cmocka_unit_test_setup_teardown(a_damaged_state_is_refused_and_leaves_an_empty_one, setup, teardown),
		cmocka_unit_test_setup_teardown(a_state_that_is_no_file_is_named_as_that, setup, teardown),
		cmocka_unit_test_setup_teardown(a_number_rests_before_it_is_given_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_name_that_comes_back_gets_its_number_back, setup, teardown),
		cmocka_unit_test_setup_teardown(a_key_is_made_once_and_never_overwritten, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_that_is_no_key_is_refused_with_the_remedy, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
