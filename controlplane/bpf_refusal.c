/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Capabilities are read by capget(2): libbpf and the kernel say only "not permitted", and which of three is missing decides
 * the remedy. The verifier answers -EACCES both for what nobody may do and for what CAP_PERFMON would allow.
 */
#include "bpf_refusal.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SHOWN_LINES = 3 };

/* Names of those that are missing, with spaces between; "" when none is, or when they cannot be read. */
static void missing_capabilities(char *names, size_t size)
{
	static const struct {
		const char *name;
		unsigned int number;
		bool by_admin; /* CAP_SYS_ADMIN stands in for it */
	} needed[] = { { "CAP_BPF", CAP_BPF, true }, { "CAP_NET_ADMIN", CAP_NET_ADMIN, false },
		       { "CAP_PERFMON", CAP_PERFMON, true } };
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	uint64_t held;

	names[0] = '\0';
	if (syscall(SYS_capget, &header, data) < 0)
		return;
	held = data[0].effective | (uint64_t)data[1].effective << 32;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		const size_t len = strlen(names);

		if (!(held >> needed[i].number & 1) && !(needed[i].by_admin && held >> CAP_SYS_ADMIN & 1))
			snprintf(names + len, size - len, "%s%s", len > 0 ? " " : "", needed[i].name);
	}
}

bool bpf_refusal_lacks_capability(void)
{
	char names[64];

	missing_capabilities(names, sizeof(names));
	return names[0] != '\0';
}

struct bpf_refusal_text bpf_refusal_cause(int err)
{
	struct bpf_refusal_text ret;
	char names[64];

	missing_capabilities(names, sizeof(names));
	if ((err == -EPERM || err == -EACCES) && names[0])
		snprintf(ret.text, sizeof(ret.text), ": not permitted, sluiced lacks %s; give it CAP_BPF, CAP_NET_ADMIN and "
			 "CAP_PERFMON, or run it as root", names);
	else if (err == -EPERM)
		snprintf(ret.text, sizeof(ret.text), ": not permitted although sluiced has the capabilities: a container, a "
			 "user namespace, a lockdown or (before Linux 5.11) ulimit -l forbids it; allow it there");
	else if (err == -EACCES)
		snprintf(ret.text, sizeof(ret.text), ": permission denied; the folder must belong to the user that sluiced "
			 "runs as");
	else if (err == -ENOMEM || err == -E2BIG)
		snprintf(ret.text, sizeof(ret.text), ": %s; the machine or the memory limit of sluiced's cgroup "
			 "(systemd: MemoryMax=) leaves too little: raise it, or lower limits: flows",
			 err == -ENOMEM ? "no memory" : "too large for the kernel");
	else
		snprintf(ret.text, sizeof(ret.text), ": %s", strerror(-err));
	return ret;
}

/* The last lines of `log` in one, with bars between, cut in front where they are too long. */
static void last_lines(const char *log, char *ret, size_t size)
{
	size_t end = strlen(log), begin, lines = 0, n = 0;

	while (end > 0 && log[end - 1] == '\n')
		end--;
	begin = end;
	while (begin > 0 && (log[begin - 1] != '\n' || ++lines < SHOWN_LINES))
		begin--;
	for (const char *at = log + begin; at < log + end && n + 4 < size;) {
		if (*at != '\n') {
			ret[n++] = *at++;
			continue;
		}
		at++;
		memcpy(ret + n, " | ", 3);
		n += 3;
	}
	ret[n] = '\0';
}

int bpf_refusal_of_program(int err, const char *release, const char *log, bool lacks, struct error_text *reterr)
{
	char shown[256];

	if (!log[0] || err == -EPERM || (err == -EACCES && lacks))
		return error_text_set(reterr, err, "the XDP program cannot be loaded (Linux %s)%s", release,
				      bpf_refusal_cause(err).text);
	last_lines(log, shown, sizeof(shown));
	return error_text_set(reterr, err, "the verifier of Linux %s refuses the XDP program (%s): %s; Linux 5.15 or newer is needed: "
			      "where this is one, report these lines and use datapath: dpdk", release, strerror(-err), shown);
}
