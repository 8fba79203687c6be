/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Paths of the pins of one interface. bpffs allows no dot in a name; bpffs_pin_name() writes a colon.
 */
#include "steering_pin.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bpffs.h"

void steering_pin_path(const char *dir, const char *ifname, const char *object, char path[static PATH_MAX])
{
	char name[IF_NAMESIZE];

	snprintf(name, sizeof(name), "%s", ifname);
	bpffs_pin_name(name);
	snprintf(path, PATH_MAX, "%s/%s%s%s", dir, name, object[0] ? "/" : "", object);
}

/* Removes the pins of one interface, link first, so that what detaches the program comes before its maps. */
void steering_pin_remove(const char *dir, const char *ifname)
{
	static const char *const objects[] = {"link", "xsks_map", "counters", "mac"};
	char path[PATH_MAX];
	size_t i;

	for (i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
		steering_pin_path(dir, ifname, objects[i], path);
		unlink(path);
	}
	steering_pin_path(dir, ifname, "", path);
	rmdir(path);
}

size_t steering_pin_list(const char *dir, char ret_names[STEERING_PINS_MAX][IF_NAMESIZE])
{
	DIR *stream = opendir(dir);
	struct dirent *entry;
	size_t count = 0;
	char *c;

	if (!stream)
		return 0;
	while ((entry = readdir(stream)) != NULL && count < STEERING_PINS_MAX) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
		    strlen(entry->d_name) >= IF_NAMESIZE)
			continue;
		memcpy(ret_names[count], entry->d_name, strlen(entry->d_name) + 1);
		for (c = ret_names[count]; *c; c++)
			if (*c == ':')
				*c = '.';
		count++;
	}
	closedir(stream);
	return count;
}
