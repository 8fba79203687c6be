/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way to sluiced: one request, one JSON answer, over the instance's socket. Says on standard error
 * what went wrong and what to do about it, since every command says the same.
 */
#ifndef SLUICECTL_CLIENT_H
#define SLUICECTL_CLIENT_H

#include <jansson.h>

#include "command.h"

/* CTL_DONE and the answer in *ret_answer (the caller's), or the exit status after a line on stderr. */
enum ctl_exit client_get(const struct ctl_options *options, const char *path, json_t **ret_answer);
/* The same, but with --json prints the answer, and *ret_answer is NULL: nothing else is to be done. */
enum ctl_exit client_show(const struct ctl_options *options, const char *path, json_t **ret_answer);
/* `body` may be NULL; it stays the caller's. */
enum ctl_exit client_post(const struct ctl_options *options, const char *path, const json_t *body,
			  json_t **ret_answer);
/* One name as a part of a path; malloc'ed, NULL: no memory. */
char *client_escape(const char *name);
/* Prints an answer as it is, for --json. */
void client_print(const json_t *answer);

#endif
