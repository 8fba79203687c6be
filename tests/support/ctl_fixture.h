/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The real sluicectl against the real API of an invented balancer, for cmocka: *state is a struct live, whose loop has
 * a thread of its own. $SLUICECTL names the program.
 */
#ifndef TESTS_SUPPORT_CTL_FIXTURE_H
#define TESTS_SUPPORT_CTL_FIXTURE_H

#include "controlplane/api.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <jansson.h>

#include "tests/support/api_fixture.h"

enum { ARGUMENTS_MAX = 12, OUTPUT_MAX = 65536 };

struct live {
	struct api_fixture fixture;
	uv_loop_t loop;
	uv_async_t stop;
	struct api *api;
	char dir[64];
	char instance[96];
	pthread_t thread;
	char out[OUTPUT_MAX], err[OUTPUT_MAX];
	unsigned int interrupt_ms; /* ctl() sends SIGINT after so long; 0: it does not */
};

static inline void on_stop(uv_async_t *async)
{
	struct live *live = async->data;

	api_destroy(live->api);
	uv_close((uv_handle_t *)async, NULL);
}

static inline void *run_loop(void *arg)
{
	uv_run(arg, UV_RUN_DEFAULT);
	return NULL;
}

static inline int setup(void **state)
{
	struct live *live = calloc(1, sizeof(*live));
	struct api_source source;
	char path[128];

	if (live == NULL)
		return -1;
	api_fixture_init(&live->fixture);
	source = api_fixture_source(&live->fixture);
	strcpy(live->dir, "/tmp/sluicectl-XXXXXX");
	if (mkdtemp(live->dir) == NULL)
		return -1;
	snprintf(live->instance, sizeof(live->instance), "%s/test", live->dir);
	snprintf(path, sizeof(path), "%s/api.sock", live->instance);
	if (mkdir(live->instance, 0750) < 0 || uv_loop_init(&live->loop) != 0 ||
	    uv_async_init(&live->loop, &live->stop, on_stop) != 0 ||
	    api_create(&live->loop, path, &source, &live->api) != 0)
		return -1;
	live->stop.data = live;
	*state = live;
	return pthread_create(&live->thread, NULL, run_loop, &live->loop);
}

static inline int teardown(void **state)
{
	struct live *live = *state;
	int err;

	uv_async_send(&live->stop);
	pthread_join(live->thread, NULL);
	err = uv_loop_close(&live->loop);
	rmdir(live->instance);
	rmdir(live->dir);
	free(live);
	return err;
}

static inline void read_back(const char *path, char *text)
{
	int fd = open(path, O_RDONLY);
	ssize_t len = fd >= 0 ? read(fd, text, OUTPUT_MAX - 1) : 0;

	text[len > 0 ? len : 0] = 0;
	if (fd >= 0)
		close(fd);
	unlink(path);
}

/* Runs sluicectl with what follows, up to NULL; its output is in live->out and live->err. */
static inline int ctl(struct live *live, ...)
{
	const char *argv[ARGUMENTS_MAX + 6] = {getenv("SLUICECTL"), "--runtime-dir", live->dir, "--instance", "test"};
	char out[96], err[96];
	int argc = 5;
	int status;
	va_list args;
	pid_t pid;

	assert_non_null(argv[0]);
	va_start(args, live);
	while (argc < ARGUMENTS_MAX + 5 && (argv[argc] = va_arg(args, const char *)) != NULL)
		argc++;
	va_end(args);
	snprintf(out, sizeof(out), "%s/out", live->dir);
	snprintf(err, sizeof(err), "%s/err", live->dir);
	pid = fork();
	if (pid == 0) {
		dup2(open(out, O_CREAT | O_WRONLY, 0600), STDOUT_FILENO);
		dup2(open(err, O_CREAT | O_WRONLY, 0600), STDERR_FILENO);
		execv(argv[0], (char **)(uintptr_t)argv);
		_exit(127);
	}
	if (live->interrupt_ms > 0) {
		usleep(live->interrupt_ms * 1000);
		kill(pid, SIGINT);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	read_back(out, live->out);
	read_back(err, live->err);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static inline void expect_first_line(const char *text, const char *line)
{
	const size_t len = strcspn(text, "\n");

	assert_int_equal(len, strlen(line));
	assert_memory_equal(text, line, len);
}

#endif
