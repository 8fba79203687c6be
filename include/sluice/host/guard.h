/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keeps a process alive whose peer truncates the file they share: an access past the new end raises
 * SIGBUS, and the handler puts zero pages of our own over the whole mapping, notes that the peer is
 * lost, and lets the access happen again. The table is a mutable global because a signal handler has no
 * other way to its data; weak, so that a process has one, however many files include this.
 */
#ifndef SLUICE_HOST_GUARD_H
#define SLUICE_HOST_GUARD_H

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { SL_GUARDS_MAX = 8 }; /* a daemon has one mapping, for a moment two */

struct sl_guard {
	uintptr_t base; /* 0: free; stored last, read by the handler of any thread */
	size_t size;
	int lost;
};

#define SL_GUARD_ONCE __attribute__((weak, visibility("hidden")))
SL_GUARD_ONCE struct sl_guard sl_guards[SL_GUARDS_MAX];
SL_GUARD_ONCE struct sigaction sl_guard_before; /* whose SIGBUS it is when it is not ours */
void sl_guard_on_sigbus(int signal, siginfo_t *info, void *context);

/* mmap() and sigaction() are plain system calls: safe in a handler. */
SL_GUARD_ONCE void sl_guard_on_sigbus(int signal, siginfo_t *info, void *context)
{
	const int saved_errno = errno;

	(void)context;
	for (int i = 0; i < SL_GUARDS_MAX; i++) {
		struct sl_guard *guard = &sl_guards[i];
		const uintptr_t base = __atomic_load_n(&guard->base, __ATOMIC_ACQUIRE);

		if (base == 0 || (uintptr_t)info->si_addr - base >= guard->size)
			continue;
		if (mmap((void *)base, guard->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			 0) == MAP_FAILED)
			break;
		__atomic_store_n(&guard->lost, 1, __ATOMIC_RELEASE);
		errno = saved_errno;
		return;
	}
	if (sl_guard_before.sa_flags & SA_SIGINFO) {
		sl_guard_before.sa_sigaction(signal, info, context);
		return;
	}
	sigaction(signal, &sl_guard_before, NULL); /* by default the access that repeats now ends the process */
}

/* Watches [base, base + size). Returns the guard, or NULL when there are too many. Main or manager thread. */
static inline struct sl_guard *sl_guard_add(void *base, size_t size)
{
	struct sigaction current;
	const struct sigaction action = { .sa_sigaction = sl_guard_on_sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER };

	for (int i = 0; i < SL_GUARDS_MAX; i++) {
		struct sl_guard *guard = &sl_guards[i];

		if (guard->base != 0)
			continue;
		guard->size = size;
		guard->lost = 0;
		__atomic_store_n(&guard->base, (uintptr_t)base, __ATOMIC_RELEASE); /* pairs with the handler */
		if (sigaction(SIGBUS, NULL, &current) == 0 && current.sa_sigaction != sl_guard_on_sigbus)
			sigaction(SIGBUS, &action, &sl_guard_before);
		return guard;
	}
	return NULL;
}

/* Before the mapping is unmapped; NULL is fine. */
static inline void sl_guard_remove(struct sl_guard *guard)
{
	if (guard != NULL)
		__atomic_store_n(&guard->base, 0, __ATOMIC_RELEASE);
}

/* True when the peer cut the file: what is mapped now are our own pages. */
static inline int sl_guard_lost(const struct sl_guard *guard)
{
	return guard != NULL && __atomic_load_n(&guard->lost, __ATOMIC_ACQUIRE);
}

#endif
