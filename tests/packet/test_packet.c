/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packet cases: each case of each file named on the command line is one test, whose name is the case's
 * sentence. Every case runs twice, with memory full of zeros and of a5: the bytes must be the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sluice/core/forward.h"
#include "tests/packet/case.h"

enum { CASES_MAX = 8000 };

/* Prints both frames from the first byte that differs, so that a person finds the field. */
static void show_difference(const struct packet_case *c, const struct packet_result *got)
{
	__u32 at = 0;

	while (at < got->len && at < c->out_len && got->frame[at] == c->out[at])
		at++;
	print_error("%s: lengths: wanted %u, got %u; first difference at byte %u\n", c->name, c->out_len, got->len, at);
	print_error("wanted");
	for (__u32 i = at; i < c->out_len && i < at + 24; i++)
		print_error(" %02x", c->out[i]);
	print_error("\ngot   ");
	for (__u32 i = at; i < got->len && i < at + 24; i++)
		print_error(" %02x", got->frame[i]);
	print_error("\n");
}

static void compare_memory(const struct packet_case *c, const struct packet_result *got)
{
	assert_int_equal(got->looks, c->looks);
	assert_int_equal(got->open, c->open);
	assert_int_equal(got->stored, c->stored);
	assert_int_equal(got->stored_flags, c->stored_flags);
	assert_int_equal(got->refreshed, c->touched);
	assert_int_equal(got->deleted, c->deleted);
	for (int i = 0; i < SL_FLOW_COUNT_COUNT; i++)
		if (got->counts[i] != c->counts[i])
			fail_msg("flow counter %s: wanted %llu, got %llu", sl_flow_counter_name(i),
				 (unsigned long long)c->counts[i], (unsigned long long)got->counts[i]);
	if (c->tag)
		assert_int_equal(got->tag, c->tag);
}

static void compare(const struct packet_case *c, const struct packet_result *got)
{
	const int leaves = got->leaves;

	assert_string_equal(sl_verdict_name(got->verdict), c->verdict);
	if (leaves != (c->out_len > 0))
		fail_msg("a frame %s, which the case does not say", leaves ? "leaves" : "stays");
	assert_false(got->touched);
	if (leaves) {
		if (got->len != c->out_len || memcmp(got->frame, c->out, got->len)) {
			show_difference(c, got);
			fail_msg("the frame that leaves is another one");
		}
		assert_int_equal(got->out_port, c->out_port);
		assert_int_equal(got->splits, got->verdict == SL_VERDICT_FORWARD ? c->splits : 0);
	}
	if (c->slot >= 0)
		assert_int_equal(got->slot, c->slot);
	assert_int_equal(got->tracked, c->tracked);
	compare_memory(c, got);
	if (got->verdict != SL_VERDICT_DROP_NO_ROOM) /* planned, and then it did not fit */
		assert_int_equal(got->replies, leaves && got->verdict != SL_VERDICT_FORWARD &&
						       got->verdict != SL_VERDICT_ECHO_REPLY);
}

static void run(void **state)
{
	static const __u8 fills[] = { 0x00, 0xa5 };
	struct packet_result *got = malloc(sizeof(*got));

	for (size_t i = 0; i < sizeof(fills); i++) {
		packet_case_run(*state, fills[i], got);
		compare(*state, got);
	}
	free(got);
}

static size_t load(const char *path, struct CMUnitTest *tests, size_t count)
{
	FILE *file = fopen(path, "r");
	int line = 0, got = 0;

	if (!file) {
		fprintf(stderr, "%s: cannot be opened\n", path);
		exit(1);
	}
	while (count < CASES_MAX) {
		struct packet_case *c = malloc(sizeof(*c));

		got = packet_case_read(file, c, &line);
		if (got <= 0) {
			packet_case_free(c);
			free(c);
			break;
		}
		tests[count++] = (struct CMUnitTest){ .name = c->name, .test_func = run, .initial_state = c };
	}
	fclose(file);
	if (got < 0) {
		fprintf(stderr, "%s:%d: no such key, or a value that is no number or not hexadecimal\n", path, line);
		exit(1);
	}
	return count;
}

int main(int argc, char **argv)
{
	struct CMUnitTest *tests = calloc(CASES_MAX, sizeof(*tests));
	size_t count = 0;
	int failed;

	for (int i = 1; i < argc; i++)
		count = load(argv[i], tests, count);
	if (!count) {
		fprintf(stderr, "no cases: name their files\n");
		return 1;
	}
	failed = _cmocka_run_group_tests("packet", tests, count, NULL, NULL);
	for (size_t i = 0; i < count; i++) {
		packet_case_free(tests[i].initial_state);
		free(tests[i].initial_state);
	}
	free(tests);
	return failed != 0;
}
