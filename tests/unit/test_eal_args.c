/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The EAL's arguments for boot configurations, and what is said of CPUs that are not there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/eal_args.h"

static struct sl_boot two_workers(void)
{
	struct sl_boot boot = {.port_count = 1, .worker_count = 2, .manager_cpu = -1, .worker_cpu = {0, 1}};

	boot.port[0].kind = SL_PORT_AF_XDP;
	return boot;
}

static struct eal_request request_for(const struct sl_boot *boot, int cpus)
{
	struct eal_request request = {.boot = boot, .instance = "lab"};

	CPU_ZERO(&request.cpus);
	for (int cpu = 0; cpu < cpus; cpu++)
		CPU_SET(cpu, &request.cpus);
	return request;
}

static const char *joined(const struct eal_args *args)
{
	static char line[EAL_ARGS_TEXT];
	size_t used = 0;

	line[0] = 0;
	for (int i = 0; i < args->argc; i++)
		used += (size_t)snprintf(line + used, sizeof(line) - used, "%s%s", i ? " " : "", args->argv[i]);
	return line;
}

static void without_hugepages_nothing_is_shared_and_the_size_is_given(void **state)
{
	struct sl_boot boot = two_workers();
	struct eal_request request = request_for(&boot, 2);
	struct eal_args args;
	struct eal_args_error error;

	(void)state;
	request.memory_mb = 592;
	assert_int_equal(eal_args_build(&request, &args, &error), 0);
	assert_string_equal(joined(&args),
			    "sluice-dp --lcores=0@(0-1),1@0,2@1 --main-lcore=0 --no-telemetry --file-prefix=sluice-lab "
			    "--log-level=*:error --no-huge --no-shconf -m 592 --no-pci");
	assert_null(args.argv[args.argc]);
	assert_string_equal(args.warning, "");
}

static void with_hugepages_no_file_is_left_behind(void **state)
{
	struct sl_boot boot = two_workers();
	struct eal_request request = request_for(&boot, 4);
	struct eal_args args;
	struct eal_args_error error;

	(void)state;
	request.hugepages = true;
	boot.manager_cpu = 3;
	assert_int_equal(eal_args_build(&request, &args, &error), 0);
	assert_string_equal(joined(&args), "sluice-dp --lcores=0@3,1@0,2@1 --main-lcore=0 --no-telemetry "
					   "--file-prefix=sluice-lab --log-level=*:error --in-memory --no-pci");
}

static void only_the_configured_pci_devices_are_probed(void **state)
{
	struct sl_boot boot = two_workers();
	struct eal_request request = request_for(&boot, 2);
	struct eal_args args;
	struct eal_args_error error;

	(void)state;
	boot.port_count = 2;
	boot.port[1].kind = SL_PORT_PCI;
	strcpy(boot.port[1].device, "0000:3b:00.0");
	assert_int_equal(eal_args_build(&request, &args, &error), 0);
	assert_non_null(strstr(joined(&args), "--allow=0000:3b:00.0"));
	assert_null(strstr(joined(&args), "--no-pci"));
}

static void workers_may_share_a_cpu_with_a_warning(void **state)
{
	struct sl_boot boot = two_workers();
	struct eal_request request = request_for(&boot, 1);
	struct eal_args args;
	struct eal_args_error error;

	(void)state;
	boot.worker_cpu[1] = 0;
	boot.poll = SL_POLL_BUSY;
	assert_int_equal(eal_args_build(&request, &args, &error), 0);
	assert_string_equal(args.warning,
			    "workers 0 and 1 share CPU 0: each gets a part of it; set dpdk: {poll: adaptive}");
}

static void a_cpu_that_is_not_ours_is_refused(void **state)
{
	struct sl_boot boot = two_workers();
	struct eal_request request = request_for(&boot, 2);
	struct eal_args args;
	struct eal_args_error error;

	(void)state;
	boot.worker_cpu[1] = 5;
	assert_int_equal(eal_args_build(&request, &args, &error), -EINVAL);
	assert_string_equal(error.text, "worker 1 is set to CPU 5, but this process may use only 0-1; change dpdk: "
					"workers or the cpuset");
	boot = two_workers();
	boot.manager_cpu = 1000000;
	assert_int_equal(eal_args_build(&request, &args, &error), -EINVAL);
	boot = two_workers();
	boot.worker_count = 0;
	assert_int_equal(eal_args_build(&request, &args, &error), -EINVAL);
	boot.worker_count = SL_WORKERS_MAX + 1;
	assert_int_equal(eal_args_build(&request, &args, &error), -EINVAL);
}

static void the_largest_configuration_fits(void **state)
{
	struct sl_boot boot = {.port_count = SL_PORTS_MAX, .worker_count = SL_WORKERS_MAX, .manager_cpu = -1};
	struct eal_request request = request_for(&boot, CPU_SETSIZE);
	struct eal_args args;
	struct eal_args_error error;

	(void)state;
	for (unsigned int w = 0; w < SL_WORKERS_MAX; w++)
		boot.worker_cpu[w] = CPU_SETSIZE - 1 - w;
	for (unsigned int p = 0; p < SL_PORTS_MAX; p++) {
		boot.port[p].kind = SL_PORT_PCI;
		memset(boot.port[p].device, 'a', sizeof(boot.port[p].device) - 1);
	}
	request.memory_mb = eal_args_memory_mb(&boot);
	assert_int_equal(eal_args_build(&request, &args, &error), 0);
	assert_non_null(strstr(joined(&args), ",64@960"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_hugepages_nothing_is_shared_and_the_size_is_given),
		cmocka_unit_test(with_hugepages_no_file_is_left_behind),
		cmocka_unit_test(only_the_configured_pci_devices_are_probed),
		cmocka_unit_test(workers_may_share_a_cpu_with_a_warning),
		cmocka_unit_test(a_cpu_that_is_not_ours_is_refused),
		cmocka_unit_test(the_largest_configuration_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
