/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is said of a refusal by the kernel: cause and remedy in one line, and of the verifier's log its end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "controlplane/bpf_refusal.h"

static void the_verifiers_last_lines_and_the_kernel_are_named(void **state)
{
	static const char log[] = "Validating stage_steer() func#1...\n167: R1=ctx() R10=fp0\n"
				  "169: (15) if r6 == 0x0 goto pc+401\nR6 pointer comparison prohibited\nprocessed 590 insns\n";
	struct error_text error;

	(void)state;
	assert_int_equal(bpf_refusal_of_program(-EINVAL, "5.10.0-9", log, false, &error), -EINVAL);
	assert_non_null(strstr(error.text, "verifier of Linux 5.10.0-9"));
	assert_non_null(strstr(error.text, "goto pc+401 | R6 pointer comparison prohibited | processed 590 insns;"));
	assert_non_null(strstr(error.text, "Linux 5.15 or newer"));
	assert_null(strstr(error.text, "Validating"));
	assert_null(strchr(error.text, '\n'));
}

static void a_log_without_an_end_leaves_room_for_the_remedy(void **state)
{
	const size_t size = 100000;
	char *log = calloc(1, size + 1);
	struct error_text error;

	(void)state;
	memset(log, 'x', size);
	bpf_refusal_of_program(-EACCES, "6.1.0", log, false, &error);
	assert_non_null(strstr(error.text, "datapath: dpdk"));
	memset(log, '\n', size);
	bpf_refusal_of_program(-EACCES, "6.1.0", log, false, &error);
	assert_non_null(strstr(error.text, "datapath: dpdk"));
	free(log);
}

static void a_missing_capability_is_the_cause_and_not_the_programs_text(void **state)
{
	struct error_text error;

	(void)state;
	bpf_refusal_of_program(-EACCES, "6.1.0", "R6 pointer comparison prohibited\n", true, &error);
	assert_null(strstr(error.text, "R6 pointer"));
	assert_non_null(strstr(error.text, "Linux 6.1.0"));
	bpf_refusal_of_program(-ENOMEM, "6.1.0", "", false, &error);
	assert_non_null(strstr(error.text, "MemoryMax"));
}

/* In a process of its own, which has no way back. */
static void an_ordinary_user_is_told_what_is_missing(void **state)
{
	pid_t child;
	int status;

	(void)state;
	if (geteuid() != 0)
		skip();
	child = fork();
	if (child == 0) {
		struct bpf_refusal_text map;

		if (setuid(65534) < 0 || !bpf_refusal_lacks_capability())
			_exit(1);
		map = bpf_refusal_cause(-EPERM);
		_exit(strstr(map.text, "lacks CAP_BPF CAP_NET_ADMIN CAP_PERFMON; give it") ? 0 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void memory_and_the_rest_have_their_own_words(void **state)
{
	(void)state;
	assert_non_null(strstr(bpf_refusal_cause(-ENOMEM).text, "lower limits: flows"));
	assert_non_null(strstr(bpf_refusal_cause(-E2BIG).text, "lower limits: flows"));
	assert_string_equal(bpf_refusal_cause(-EINVAL).text, ": Invalid argument");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_verifiers_last_lines_and_the_kernel_are_named),
		cmocka_unit_test(a_log_without_an_end_leaves_room_for_the_remedy),
		cmocka_unit_test(a_missing_capability_is_the_cause_and_not_the_programs_text),
		cmocka_unit_test(an_ordinary_user_is_told_what_is_missing),
		cmocka_unit_test(memory_and_the_rest_have_their_own_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
