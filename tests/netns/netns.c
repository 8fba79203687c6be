/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Namespaces for tests in C. See netns.h.
 */
#include "netns.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

void netns_enter(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0) {
		printf("skipped: needs root (unshare: %s)\n", strerror(errno));
		exit(77);
	}
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("sysfs", "/sys", "sysfs", 0, NULL) < 0) {
		printf("skipped: cannot mount in an own namespace: %s\n", strerror(errno));
		exit(77);
	}
	netns_run("ip link set lo up");
}

static int run(const char *format, va_list args, const char *suffix)
{
	char command[1024];
	int n, status;

	n = vsnprintf(command, sizeof(command), format, args);
	snprintf(command + n, sizeof(command) - (size_t)n, "%s", suffix);
	status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

void netns_run(const char *format, ...)
{
	va_list args;
	int status;

	va_start(args, format);
	status = run(format, args, "");
	va_end(args);
	if (status == 0)
		return;
	printf("failed: %s\n", format);
	exit(1);
}

int netns_try(const char *format, ...)
{
	va_list args;
	int status;

	va_start(args, format);
	status = run(format, args, " >/dev/null 2>&1");
	va_end(args);
	return status;
}
