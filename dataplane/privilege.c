/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accounts, capabilities (libcap) and the flags that keep a process small. Capabilities belong to a
 * thread: set*id of glibc reaches all of them, capset does not, hence privilege_drop_thread().
 */
#include "dataplane/privilege.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

int privilege_account_find(const char *name, struct privilege_account *ret_account)
{
	struct privilege_account account = {0};
	struct passwd entry, *found = NULL;
	char buffer[4096];
	int err;

	snprintf(account.name, sizeof(account.name), "%s", name);
	if (name[0] != 0) {
		err = getpwnam_r(name, &entry, buffer, sizeof(buffer), &found);
		if (err != 0 && err != ENOENT)
			return -err;
	}
	if (found) {
		account.exists = true;
		account.uid = found->pw_uid;
		account.gid = found->pw_gid;
	}
	*ret_account = account;
	return 0;
}

int privilege_prepare(void)
{
	if (close_range(3, ~0U, 0) < 0 && errno != ENOSYS)
		return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	/* Memory holds the fleet's key: no core files, no ptrace by the account we drop to. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

static bool privilege_has(cap_t caps, cap_value_t value)
{
	cap_flag_value_t set = CAP_CLEAR;

	return cap_get_flag(caps, value, CAP_EFFECTIVE, &set) == 0 && set == CAP_SET;
}

int privilege_check(const struct sl_boot *boot, const struct privilege_account *account,
		    struct privilege_error *reterr_error)
{
	struct need {
		cap_value_t value;
		const char *name;
		const char *why;
		bool needed;
	} needs[] = {
		{CAP_NET_RAW, "cap_net_raw", "af_xdp and af_packet ports open raw sockets", false},
		{CAP_NET_ADMIN, "cap_net_admin", "af_xdp ports bind to a queue", false},
		{CAP_SYS_ADMIN, "cap_sys_admin", "af_xdp ports look up the steering program by its number", false},
		{CAP_SETUID, "cap_setuid", "it drops to the account of dpdk: user", account->exists},
		{CAP_SETGID, "cap_setgid", "it drops to the account of dpdk: user", account->exists},
	};
	cap_t caps = cap_get_proc();

	if (!caps)
		return -errno;
	if (account->exists && account->uid == geteuid())
		needs[3].needed = needs[4].needed = false;
	for (unsigned int p = 0; p < boot->port_count; p++) {
		needs[0].needed |= boot->port[p].kind == SL_PORT_AF_XDP || boot->port[p].kind == SL_PORT_AF_PACKET;
		needs[1].needed |= boot->port[p].kind == SL_PORT_AF_XDP;
		needs[2].needed |= boot->port[p].kind == SL_PORT_AF_XDP;
	}
	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
		if (needs[i].needed && !privilege_has(caps, needs[i].value)) {
			snprintf(reterr_error->text, sizeof(reterr_error->text),
				 "%s is missing (%s): start sluice-dp as root, or with AmbientCapabilities=%s",
				 needs[i].name, needs[i].why, needs[i].name);
			cap_free(caps);
			return -EPERM;
		}
	cap_free(caps);
	return 0;
}

void privilege_drop_thread(void)
{
	cap_t none = cap_init();

	if (!none)
		return;
	(void)cap_set_proc(none);
	(void)cap_reset_ambient();
	cap_free(none);
}

int privilege_drop(const struct privilege_account *account)
{
	if (account->exists && (account->uid != geteuid() || account->gid != getegid())) {
		if (setgroups(1, &account->gid) < 0 || setresgid(account->gid, account->gid, account->gid) < 0 ||
		    setresuid(account->uid, account->uid, account->uid) < 0)
			return -errno;
		/* set*id made the process's memory readable to the account again on some systems */
		if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
			return -errno;
	}
	privilege_drop_thread();
	return 0;
}

unsigned int privilege_threads_capable(void)
{
	unsigned int capable = 0;
	struct dirent *entry;
	char path[300], line[128];
	DIR *dir = opendir("/proc/self/task");

	if (!dir)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		FILE *file;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
		file = fopen(path, "re");
		while (file && fgets(line, sizeof(line), file))
			if (strncmp(line, "CapPrm:", 7) == 0 && strtoull(line + 7, NULL, 16) != 0)
				capable++;
		if (file)
			fclose(file);
	}
	closedir(dir);
	return capable;
}
