/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * backend-setup: prints what a backend needs, or runs it here. What --apply runs is the very script
 * that --as shell prints.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend_plan.h"

typedef void (*writer)(const struct backend_plan *plan, bool undo, FILE *out);

static enum ctl_exit find_writer(const char *format, writer *ret_writer)
{
	if (format == NULL || strcmp(format, "shell") == 0)
		*ret_writer = backend_shell_write;
	else if (strcmp(format, "networkd") == 0)
		*ret_writer = backend_networkd_write;
	else if (strcmp(format, "ansible") == 0)
		*ret_writer = backend_ansible_write;
	else {
		fprintf(stderr, "sluicectl: --as %s: allowed: shell, networkd, ansible\n", format);
		return CTL_REFUSED;
	}
	return CTL_DONE;
}

/* In a file without a name, since an argument has a limit that many VIPs reach. */
static int script_file(const struct backend_plan *plan, bool undo)
{
	const int fd = memfd_create("sluice-backend-setup", 0); /* the shell inherits it */
	FILE *out;

	if (fd < 0)
		return -errno;
	out = fdopen(dup(fd), "w");
	if (out == NULL) {
		close(fd);
		return -ENOMEM;
	}
	backend_shell_write(plan, undo, out);
	if (fclose(out) != 0) {
		close(fd);
		return -EIO;
	}
	return fd;
}

static enum ctl_exit apply(const struct backend_plan *plan, bool undo)
{
	const int fd = script_file(plan, undo);
	char path[32];
	int status = 0;
	pid_t child;

	if (fd < 0) {
		fprintf(stderr, "sluicectl: no memory for the script: %s\n", strerror(-fd));
		return CTL_REFUSED;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	child = fork();
	if (child == 0) {
		execl("/bin/sh", "sh", path, (char *)NULL);
		_exit(127);
	}
	close(fd);
	if (child < 0 || waitpid(child, &status, 0) < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 127)) {
		fputs("sluicectl: cannot run /bin/sh: print the script and run it by hand\n", stderr);
		return CTL_REFUSED;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? CTL_DONE : CTL_REFUSED; /* the script has said why */
}

enum ctl_exit ctl_backend_setup(const struct ctl_options *options, char **arguments)
{
	const bool undo = options->backend[CTL_BACKEND_UNDO] != NULL, now = options->backend[CTL_BACKEND_APPLY] != NULL;
	struct backend_target target;
	struct backend_plan plan;
	writer write_as = NULL;
	enum ctl_exit result = find_writer(options->backend[CTL_BACKEND_AS], &write_as);

	if (result == CTL_DONE && now && write_as != backend_shell_write) {
		fputs("sluicectl: --apply runs the shell's form: leave --as away, or print and run it yourself\n",
		      stderr);
		return CTL_REFUSED;
	}
	if (result == CTL_DONE)
		result = backend_target_load(options, arguments[0], &target);
	if (result != CTL_DONE)
		return result;
	result = backend_plan_make(options, &target, &plan);
	backend_target_free(&target);
	if (result != CTL_DONE)
		return result;
	if (now) {
		result = apply(&plan, undo);
	} else {
		write_as(&plan, undo, stdout);
		result = fflush(stdout) == 0 ? CTL_DONE : CTL_REFUSED;
	}
	backend_plan_free(&plan);
	return result;
}
