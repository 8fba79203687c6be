/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests in C that need the kernel: a network and mount namespace of their own, which goes with the
 * process, so there is nothing to clean up and nothing outside is touched.
 */
#ifndef TESTS_NETNS_NETNS_H
#define TESTS_NETNS_NETNS_H

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

/* Moves this process to fresh namespaces with lo up. Exits with 77 (skipped) and the reason if not allowed.
 */
void netns_enter(void);
/* Runs a shell command; a failing one fails the test. */
void netns_run(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Its exit status, quiet. */
int netns_try(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A process that sleeps in a network namespace of its own, with lo up, and dies with this one. Returns its
 * pid. */
pid_t netns_peer(void);
/* Turns `loop` until `done(ctx)`; false: not within `timeout_ms`. */
bool netns_wait(uv_loop_t *loop, bool (*done)(void *ctx), void *ctx, unsigned int timeout_ms);

#endif
