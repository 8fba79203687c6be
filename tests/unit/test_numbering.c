/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which numbering and flow key a start goes on with: every combination of what may be lost has one right answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "controlplane/numbering.h"

enum { N = 100, OTHER = 200, FRESH = 999 };

static const struct sl_key state_key = { 1, 1 }, other_key = { 2, 2 }, derived = { 3, 3 };

/* numbering of each source (0: lost), the flows' key, and what must follow. */
struct combination {
	const char *what;
	bool state_read;
	uint64_t state, rows, flows;
	const struct sl_key *flows_key;
	bool rows_disagree;
	uint64_t numbering;
	enum numbering_names names;
	const struct sl_key *key;
	bool keep_rows, keep_flows;
};

static const struct combination combinations[] = {
	/* the state is there */
	{ "all agree", true, N, N, N, &state_key, false, N, NUMBERING_FROM_STATE, &state_key, true, true },
	{ "flows lost", true, N, N, 0, &state_key, false, N, NUMBERING_FROM_STATE, &state_key, true, false },
	{ "rows lost", true, N, 0, N, &state_key, false, N, NUMBERING_FROM_STATE, &state_key, false, true },
	{ "rows and flows lost", true, N, 0, 0, &state_key, false, N, NUMBERING_FROM_STATE, &state_key, false, false },
	{ "flows of another key", true, N, N, N, &other_key, false, N, NUMBERING_FROM_STATE, &state_key, true, false },
	{ "flows of another numbering", true, N, N, OTHER, &state_key, false, N, NUMBERING_FROM_STATE, &state_key, true, false },
	{ "rows of another numbering", true, N, OTHER, N, &state_key, false, N, NUMBERING_FROM_STATE, &state_key, false, true },
	{ "an older state beside newer rows and flows", true, N, OTHER, OTHER, &state_key, false, N, NUMBERING_FROM_STATE,
	  &state_key, false, false },
	/* a state of a version without numbering */
	{ "state without numbering, alone", true, 0, 0, 0, &state_key, false, FRESH, NUMBERING_FROM_STATE, &state_key, false, false },
	{ "state without numbering, rows and flows", true, 0, N, N, &state_key, false, FRESH, NUMBERING_FROM_STATE, &state_key,
	  false, false },
	/* the state is lost or damaged */
	{ "state lost, the rest agrees", false, 0, N, N, &other_key, false, N, NUMBERING_FROM_ROWS, &other_key, true, true },
	{ "state and flows lost", false, 0, N, 0, &other_key, false, N, NUMBERING_FROM_ROWS, &derived, true, false },
	{ "state and rows lost", false, 0, 0, N, &other_key, false, FRESH, NUMBERING_NEW, &derived, false, false },
	{ "everything lost: a first start", false, 0, 0, 0, &other_key, false, FRESH, NUMBERING_NEW, &derived, false, false },
	{ "state lost, rows and flows disagree", false, 0, N, OTHER, &other_key, false, N, NUMBERING_FROM_ROWS, &derived, true, false },
	{ "state lost, rows disagree among themselves", false, 0, N, N, &other_key, true, FRESH, NUMBERING_NEW, &derived, false, false },
};

static void every_combination_of_what_is_lost_has_one_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(combinations) / sizeof(combinations[0]); i++) {
		const struct combination *c = &combinations[i];
		const struct numbering_found found = {
			.state_read = c->state_read,
			.state = { .numbering = c->state, .has_key = c->state_read, .flow_key = state_key },
			.rows = { .numbering = c->rows },
			.flows = { .numbering = c->flows, .has_key = c->flows != 0, .flow_key = *c->flows_key },
			.rows_disagree = c->rows_disagree,
			.derived = derived,
			.fresh = FRESH,
		};
		const struct numbering_choice choice = numbering_choose(&found);

		if (choice.numbering != c->numbering || choice.names != c->names || choice.flow_key.k0 != c->key->k0 ||
		    choice.keep_rows != c->keep_rows || choice.keep_flows != c->keep_flows)
			fail_msg("%s: numbering %llu, names %d, key %llu, rows %d, flows %d", c->what,
				 (unsigned long long)choice.numbering, (int)choice.names, (unsigned long long)choice.flow_key.k0,
				 choice.keep_rows, choice.keep_flows);
	}
}

static void a_state_without_a_key_takes_that_of_the_flows_it_numbers(void **state)
{
	const struct numbering_found found = { .state_read = true, .state = { .numbering = N }, .derived = derived,
					       .flows = { .numbering = N, .has_key = true, .flow_key = other_key }, .fresh = FRESH };
	const struct numbering_choice choice = numbering_choose(&found);

	(void)state;
	assert_int_equal(choice.flow_key.k0, other_key.k0);
	assert_true(choice.keep_flows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_combination_of_what_is_lost_has_one_answer),
		cmocka_unit_test(a_state_without_a_key_takes_that_of_the_flows_it_numbers),
	};

	return cmocka_run_group_tests_name("numbering", tests, NULL, NULL);
}
