/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Preloaded into the guest kernel (linux.uml 6.1) so that it starts on processors with AMX: it keeps
 * room for a part of the vector state, while a host since 5.16 wants all of it (11 KiB there) in one
 * PTRACE_SETREGSET and says EFAULT ("ptrace set fp regs failed"). The guest's bytes are laid over the state
 * that the process has. On other processors this changes nothing.
 */
#include <elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { STATE_MAX = 64 * 1024 }; /* several times the largest XSAVE area there is */

/* The declaration of <sys/ptrace.h>: its first parameter is an enum there. */
long ptrace(enum __ptrace_request request, ...)
{
	static uint8_t state[STATE_MAX]; /* the guest kernel is one thread */
	va_list arguments;
	long pid, kind, result;
	void *data;

	va_start(arguments, request);
	pid = va_arg(arguments, long);
	kind = va_arg(arguments, long);
	data = va_arg(arguments, void *);
	va_end(arguments);

	if (request == PTRACE_SETREGSET && kind == NT_X86_XSTATE) {
		const struct iovec *given = data;
		struct iovec whole = { .iov_base = state, .iov_len = sizeof(state) };

		if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, kind, &whole) == 0 &&
		    whole.iov_len > given->iov_len) {
			memcpy(state, given->iov_base, given->iov_len);
			return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, kind, &whole);
		}
	}
	if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
		long word = 0; /* the system call stores the word, the library call returns it */

		result = syscall(SYS_ptrace, request, pid, kind, &word);
		return result < 0 ? result : word;
	}
	return syscall(SYS_ptrace, request, pid, kind, data);
}
