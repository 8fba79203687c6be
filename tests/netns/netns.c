/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Namespaces for tests in C. See netns.h.
 */
#include "netns.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void netns_enter(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0) {
		printf("skipped: needs root (unshare: %s)\n", strerror(errno));
		exit(77);
	}
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("sysfs", "/sys", "sysfs", 0, NULL) < 0) {
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

pid_t netns_peer(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready) < 0)
		exit(1);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) < 0)
			_exit(1);
		close(ready[0]);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (pid < 0 || read(ready[0], &byte, 1) != 0)
		exit(1);
	close(ready[0]);
	netns_run("nsenter -t %d -n ip link set lo up", pid);
	return pid;
}

bool netns_wait(uv_loop_t *loop, bool (*done)(void *ctx), void *ctx, unsigned int timeout_ms)
{
	uint64_t end;

	uv_update_time(loop);
	end = uv_now(loop) + timeout_ms;
	while (!done(ctx)) {
		if (uv_now(loop) >= end)
			return false;
		uv_run(loop, UV_RUN_NOWAIT);
		usleep(2000);
		uv_update_time(loop);
	}
	return true;
}
