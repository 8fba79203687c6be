/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See dp_process.h.
 */
#include "dp_process.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void pause_ms(long ms)
{
	const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	nanosleep(&pause, NULL);
}

void dp_process_start(struct dp_process *process, const char *runtime, const char *name, const char *option)
{
	const char *program = getenv("SLUICE_DP");

	assert(program != NULL);
	snprintf(process->log, sizeof(process->log), "%s/%s.log", runtime, name);
	process->pid = fork();
	assert(process->pid >= 0);
	if (process->pid == 0) {
		const int fd = open(process->log, O_WRONLY | O_CREAT | O_TRUNC, 0644);

		prctl(PR_SET_PDEATHSIG, SIGKILL); /* an interrupted test leaves nothing behind */
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		execl(program, program, "--runtime-dir", runtime, "--instance", "lab", option, (char *)NULL);
		_exit(127);
	}
}

int dp_process_wait(struct dp_process *process, int ms)
{
	int status;

	for (int i = 0; i <= ms / 5; i++) {
		if (waitpid(process->pid, &status, WNOHANG) == process->pid) {
			process->pid = -1;
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		}
		pause_ms(5);
	}
	return -1;
}

int dp_process_end(struct dp_process *process, int signal)
{
	if (process->pid <= 0)
		return -1;
	kill(process->pid, signal);
	return dp_process_wait(process, 5000);
}

bool dp_process_says(const struct dp_process *process, const char *text, int ms)
{
	char log[16384];
	ssize_t len;
	int fd;

	for (int i = 0; i <= ms / 5; i++) {
		fd = open(process->log, O_RDONLY);
		len = fd >= 0 ? read(fd, log, sizeof(log) - 1) : 0;
		if (fd >= 0)
			close(fd);
		log[len > 0 ? len : 0] = 0;
		if (strstr(log, text))
			return true;
		pause_ms(5);
	}
	printf("\"%s\" is not in the log:\n%s\n", text, log);
	return false;
}

pid_t dp_process_worker_thread(const struct dp_process *process, unsigned int worker)
{
	char path[300], wanted[32], name[32];
	struct dirent *entry;
	pid_t found = -1;
	DIR *dir;

	snprintf(wanted, sizeof(wanted), "rte-worker-%u\n", worker + 1);
	snprintf(path, sizeof(path), "/proc/%d/task", (int)process->pid);
	dir = opendir(path);
	assert(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/comm", (int)process->pid, entry->d_name);
		file = fopen(path, "r");
		if (file && fgets(name, sizeof(name), file) && strcmp(name, wanted) == 0)
			found = (pid_t)atoi(entry->d_name);
		if (file)
			fclose(file);
	}
	closedir(dir);
	return found;
}
