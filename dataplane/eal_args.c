/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Builds the EAL's argument vector: manager on lcore 0, worker w on lcore w + 1, no files left behind
 * (--in-memory with hugepages; --no-huge --no-shconf without: the EAL refuses both together).
 */
#include "dataplane/eal_args.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct eal_writer {
	struct eal_args *args;
	size_t used;
	bool full;
};

__attribute__((format(printf, 2, 3))) static void eal_add(struct eal_writer *writer, const char *format, ...)
{
	char *start = writer->args->text + writer->used;
	const size_t room = sizeof(writer->args->text) - writer->used;
	va_list list;
	int len;

	va_start(list, format);
	len = vsnprintf(start, room, format, list);
	va_end(list);
	if (len < 0 || (size_t)len >= room || writer->args->argc >= EAL_ARGS_MAX) {
		writer->full = true;
		return;
	}
	writer->args->argv[writer->args->argc++] = start;
	writer->used += (size_t)len + 1;
}

/* "0-3,8": the CPUs of a set as the EAL writes them. */
static void eal_cpu_list(const cpu_set_t *cpus, char *out, size_t size)
{
	size_t used = 0;

	out[0] = 0;
	for (int cpu = 0; cpu < CPU_SETSIZE && used + 16 < size; cpu++) {
		int last = cpu;

		if (!CPU_ISSET(cpu, cpus))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, cpus))
			last++;
		used += (size_t)snprintf(out + used, size - used, last > cpu ? "%s%d-%d" : "%s%d", used ? "," : "",
					 cpu, last);
		cpu = last;
	}
}

/* Finds CPUs that are missing (an error) or serve two workers (a warning). */
static int eal_check_cpus(const struct eal_request *request, struct eal_args *args, struct eal_args_error *error)
{
	const struct sl_boot *boot = request->boot;
	char list[128];

	eal_cpu_list(&request->cpus, list, sizeof(list));
	if (boot->worker_count == 0 || boot->worker_count > SL_WORKERS_MAX) {
		snprintf(error->text, sizeof(error->text), "%u workers are configured; 1 to %d are possible",
			 boot->worker_count, SL_WORKERS_MAX);
		return -EINVAL;
	}
	for (unsigned int w = 0; w < boot->worker_count; w++) {
		const unsigned int cpu = boot->worker_cpu[w];

		if (cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &request->cpus)) {
			snprintf(error->text, sizeof(error->text),
				 "worker %u is set to CPU %u, but this process may use only %s; change dpdk: workers "
				 "or the cpuset",
				 w, cpu, list);
			return -EINVAL;
		}
		for (unsigned int other = 0; other < w && args->warning[0] == 0; other++)
			if (boot->worker_cpu[other] == cpu)
				snprintf(args->warning, sizeof(args->warning),
					 "workers %u and %u share CPU %u: each gets a part of it%s", other, w, cpu,
					 boot->poll == SL_POLL_BUSY ? "; set dpdk: {poll: adaptive}" : "");
	}
	if (boot->manager_cpu >= 0 &&
	    (boot->manager_cpu >= CPU_SETSIZE || !CPU_ISSET(boot->manager_cpu, &request->cpus))) {
		snprintf(error->text, sizeof(error->text),
			 "the manager is set to CPU %d, but this process may use only %s; change dpdk: manager or the "
			 "cpuset",
			 boot->manager_cpu, list);
		return -EINVAL;
	}
	return 0;
}

static void eal_lcores(const struct eal_request *request, char *out, size_t size)
{
	const struct sl_boot *boot = request->boot;
	char list[128];
	size_t used;

	eal_cpu_list(&request->cpus, list, sizeof(list));
	if (boot->manager_cpu >= 0)
		used = (size_t)snprintf(out, size, "0@%d", boot->manager_cpu);
	else
		used = (size_t)snprintf(out, size, "0@(%s)", list);
	for (unsigned int w = 0; w < boot->worker_count && used < size; w++)
		used += (size_t)snprintf(out + used, size - used, ",%u@%u", w + 1, boot->worker_cpu[w]);
}

unsigned int eal_args_memory_mb(const struct sl_boot *boot)
{
	unsigned int mb = 512; /* tables and their successors; pages are only taken when touched */

	for (unsigned int p = 0; p < boot->port_count && p < SL_PORTS_MAX; p++)
		mb += boot->worker_count * (boot->port[p].mtu > 3000 ? 128 : 40);
	return boot->memory_mb > mb ? boot->memory_mb : mb;
}

int eal_args_build(const struct eal_request *request, struct eal_args *ret_args, struct eal_args_error *reterr_error)
{
	const struct sl_boot *boot = request->boot;
	struct eal_writer writer = {.args = ret_args};
	bool pci = false;
	char lcores[2048];
	int err;

	memset(ret_args, 0, sizeof(*ret_args));
	err = eal_check_cpus(request, ret_args, reterr_error);
	if (err < 0)
		return err;
	eal_lcores(request, lcores, sizeof(lcores));
	eal_add(&writer, "sluice-dp");
	eal_add(&writer, "--lcores=%s", lcores);
	eal_add(&writer, "--main-lcore=0");
	eal_add(&writer, "--no-telemetry");
	eal_add(&writer, "--file-prefix=sluice-%s", request->instance);
	eal_add(&writer, "--log-level=*:%s", request->dpdk_log ? "notice" : "error");
	if (request->hugepages) {
		eal_add(&writer, "--in-memory");
	} else {
		eal_add(&writer, "--no-huge");
		eal_add(&writer, "--no-shconf");
	}
	if (request->memory_mb > 0) {
		eal_add(&writer, "-m");
		eal_add(&writer, "%u", request->memory_mb);
	}
	for (unsigned int p = 0; p < boot->port_count; p++)
		if (boot->port[p].kind == SL_PORT_PCI) {
			pci = true;
			eal_add(&writer, "--allow=%s", boot->port[p].device);
		}
	if (!pci)
		eal_add(&writer, "--no-pci");
	if (writer.full) {
		snprintf(reterr_error->text, sizeof(reterr_error->text), "the EAL's arguments grow past %d bytes",
			 EAL_ARGS_TEXT);
		return -EINVAL;
	}
	return 0;
}
