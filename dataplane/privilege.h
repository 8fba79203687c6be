/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Giving up what only the start needs. The order is: privilege_prepare() before any thread exists,
 * ports up, privilege_drop() on the main thread, privilege_drop_thread() in each thread made in between.
 * No port needs a capability once it is up: sockets and mappings are open, kicks of AF_XDP are free.
 */
#ifndef DATAPLANE_PRIVILEGE_H
#define DATAPLANE_PRIVILEGE_H

#include <stdbool.h>
#include <sys/types.h>

#include "sluice/abi.h"

struct privilege_account {
	char name[SL_NAME_MAX]; /* empty: none asked for */
	bool exists;
	uid_t uid;
	gid_t gid;
};

struct privilege_error {
	char text[256];
};

/* Looks an account up; a name that nobody has leaves `exists` false. Returns 0 or -errno. */
int privilege_account_find(const char *name, struct privilege_account *ret_account);
/* Closes descriptors we inherited and makes this process and its threads unable to gain privileges again. */
int privilege_prepare(void);
/* Returns 0, or -EPERM with what is missing for these ports: one line with the remedy. */
int privilege_check(const struct sl_boot *boot, const struct privilege_account *account,
		    struct privilege_error *reterr_error);
/* The whole process becomes the account, if it exists; the calling thread loses every capability. */
int privilege_drop(const struct privilege_account *account);
/* The calling thread loses every capability. Async-safe enough for an EAL alarm. */
void privilege_drop_thread(void);
/* Threads of this process that still hold a capability. */
unsigned int privilege_threads_capable(void);

#endif
