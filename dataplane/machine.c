/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Asks /sys for hugepages and the kernel for interfaces.
 */
#include "dataplane/machine.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MACHINE_HUGEPAGES "/sys/kernel/mm/hugepages"

static unsigned long machine_read_number(const char *dir, const char *name)
{
	char path[384];
	unsigned long value = 0;
	FILE *file;

	snprintf(path, sizeof(path), MACHINE_HUGEPAGES "/%.128s/%s", dir, name);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%lu", &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

int machine_check_hugepages(struct port_plan_error *reterr_error)
{
	unsigned long free_pages = 0;
	struct dirent *entry;
	DIR *dir = opendir(MACHINE_HUGEPAGES);

	while (dir && (entry = readdir(dir)) != NULL)
		if (strncmp(entry->d_name, "hugepages-", 10) == 0)
			free_pages += machine_read_number(entry->d_name, "free_hugepages") +
				      machine_read_number(entry->d_name, "nr_overcommit_hugepages");
	if (dir)
		closedir(dir);
	if (free_pages > 0)
		return 0;
	snprintf(reterr_error->text, sizeof(reterr_error->text),
		 "no free hugepages: echo 512 > " MACHINE_HUGEPAGES "/hugepages-2048kB/nr_hugepages, or run without "
		 "(--no-huge, or dpdk: {hugepages: false})");
	return -ENOMEM;
}

int machine_plan_ports(const struct sl_boot *boot, bool root_owned, struct port_plan *ret_plans,
		       struct port_plan_error *reterr_error)
{
	for (unsigned int p = 0; p < boot->port_count; p++) {
		const char *interface = port_plan_interface(&boot->port[p]);
		struct interface_info info = {0};
		struct port_plan_request request = {
			.config = &boot->port[p],
			.interface = interface ? &info : NULL,
			.index = p,
			.workers = boot->worker_count,
			.root_owned = root_owned,
		};
		int err = interface ? interface_read(interface, &info) : 0;

		if (err == -ENODEV)
			snprintf(reterr_error->text, sizeof(reterr_error->text),
				 "port '%s': there is no interface '%s' here: ip link shows what there is",
				 boot->port[p].name, interface);
		else if (err < 0)
			snprintf(reterr_error->text, sizeof(reterr_error->text), "port '%s': cannot ask for '%s' (%s)",
				 boot->port[p].name, interface, strerror(-err));
		if (err == 0)
			err = port_plan_build(&request, &ret_plans[p], reterr_error);
		if (err < 0)
			return err;
		if (interface && !info.up && ret_plans[p].warning[0] == 0)
			snprintf(ret_plans[p].warning, sizeof(ret_plans[p].warning),
				 "interface '%.15s' is down: ip link set %.15s up", interface, interface);
	}
	return 0;
}

int machine_port_without_steering(const struct sl_boot *boot, const struct port_plan *plans,
				  char ret_other[static 16])
{
	for (unsigned int p = 0; p < boot->port_count; p++) {
		struct interface_info info;

		if (!plans[p].needs_steering)
			continue;
		if (interface_read(boot->port[p].device, &info) < 0)
			info.xdp_program[0] = 0;
		if (strcmp(info.xdp_program, INTERFACE_STEERING_PROGRAM) == 0)
			continue;
		memcpy(ret_other, info.xdp_program, sizeof(info.xdp_program));
		return (int)p;
	}
	return -1;
}
