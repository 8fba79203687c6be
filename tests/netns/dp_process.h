/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A sluice-dp under test: started with its output in a file, stopped or killed by its own id. Tests
 * only; asserts instead of failing.
 */
#ifndef TESTS_NETNS_DP_PROCESS_H
#define TESTS_NETNS_DP_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

struct dp_process {
	pid_t pid;
	char log[300];
};

/* Starts $SLUICE_DP for <runtime>/lab with `option` (NULL: none), logging to <runtime>/NAME.log. */
void dp_process_start(struct dp_process *process, const char *runtime, const char *name, const char *option);
/* Waits up to `ms` for its end. Returns the exit code, 128 + signal, or -1: it still runs. */
int dp_process_wait(struct dp_process *process, int ms);
/* Sends a signal and waits for the end. */
int dp_process_end(struct dp_process *process, int signal);
/* Waits up to `ms` for `text` in its log. */
bool dp_process_says(const struct dp_process *process, const char *text, int ms);
/* The thread that runs worker `worker`. */
pid_t dp_process_worker_thread(const struct dp_process *process, unsigned int worker);

#endif
