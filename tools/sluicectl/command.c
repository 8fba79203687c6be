/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of commands, and the usage text that is made from it.
 */
#include "command.h"

#include <stddef.h>
#include <string.h>

static const struct ctl_command commands[] = {
	{{"status", NULL}, "", "is all well: the first line is the verdict", 0, 0, 0, ctl_status},
	{{"show", "services"}, "", "listeners, pools and how many backends serve", 0, 0, 0, ctl_show_services},
	{{"show", "backends"}, "", "what each backend does and why", 0, 0, 0, ctl_show_backends},
	{{"show", "stats"}, "", "packets and bytes of all, of services and of backends", 0, 0, 0, ctl_show_stats},
	{{"show", "verdicts"}, "[--moving]", "what became of packets; --moving: what counts now, a second", CTL_OPTION_MOVING,
	 0, 0, ctl_show_verdicts},
	{{"show", "workers"}, "", "the cores that forward", 0, 0, 0, ctl_show_workers},
	{{"show", "datapath"}, "", "sluice-dp, generations, fingerprints of key and tables", 0, 0, 0, ctl_show_datapath},
	{{"show", "flows"}, "", "remembered connections, open rows, guesses", 0, 0, 0, ctl_show_flows},
	{{"drain", NULL}, "BACKEND [--pool POOL] [--why TEXT] [--wait [--timeout T] [--quiet T]]",
	 "no new connections; it keeps those it has; --wait: until they ended",
	 CTL_OPTION_POOL | CTL_OPTION_WHY | CTL_OPTION_WAIT, 1, 1, ctl_drain},
	{{"retire", NULL}, "BACKEND [--pool POOL] [--why TEXT] [--wait [--timeout T] [--quiet T]]",
	 "a drain for good: its removal from the file then moves nothing",
	 CTL_OPTION_POOL | CTL_OPTION_WHY | CTL_OPTION_WAIT, 1, 1, ctl_retire},
	{{"off", NULL}, "BACKEND [--pool POOL] [--why TEXT]", "no packets at all: its connections are lost",
	 CTL_OPTION_POOL | CTL_OPTION_WHY, 1, 1, ctl_off},
	{{"ready", NULL}, "BACKEND [--pool POOL] [--why TEXT]", "the end of drain, retire and off",
	 CTL_OPTION_POOL | CTL_OPTION_WHY, 1, 1, ctl_ready},
	{{"undrain", NULL}, "BACKEND [--pool POOL] [--why TEXT]", "another name of ready",
	 CTL_OPTION_POOL | CTL_OPTION_WHY, 1, 1, ctl_ready},
	{{"datapath", "dpdk"}, "", "with datapath: auto: sluice-dp forwards again, without a wait", 0, 0, 0,
	 ctl_datapath_dpdk},
	{{"reload", NULL}, "", "read the configuration again; an error changes nothing", 0, 0, 0, ctl_reload},
	{{"key", "new"}, "[FILE]", "a new fleet key, to FILE (which must not exist) or standard output", 0, 0, 1,
	 ctl_key_new},
	{{"backend-setup", NULL},
	 "[BACKEND | --vip LIST --mode MODE] [--as FORM | --apply] [--undo] [OPTION]...",
	 "what a backend needs in order to receive packets: printed, or done here; the manual has all options",
	 CTL_OPTION_POOL | CTL_OPTION_BACKEND_ALL, 0, 1, ctl_backend_setup},
	{{"backend-check", NULL}, "[BACKEND | --listen LIST --mode MODE --address LIST] [OPTION]...",
	 "is a backend ready? asked with packets that go the way of traffic",
	 CTL_OPTION_POOL | CTL_OPTION_BACKEND(CTL_BACKEND_CONFIG) | CTL_OPTION_BACKEND(CTL_BACKEND_LISTEN) |
		 CTL_OPTION_BACKEND(CTL_BACKEND_VIP) | CTL_OPTION_BACKEND(CTL_BACKEND_MODE) | CTL_OPTION_BACKEND(CTL_BACKEND_ADDRESS) |
		 CTL_OPTION_BACKEND(CTL_BACKEND_FROM) | CTL_OPTION_BACKEND(CTL_BACKEND_MTU),
	 0, 1, ctl_backend_check},
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]), LINE_SIZE = 160 };

const struct ctl_command *ctl_command_find(int argc, char **argv, int *ret_words)
{
	for (int i = 0; i < COMMAND_COUNT; i++) {
		const int words = commands[i].words[1] != NULL ? 2 : 1;

		if (argc < words || strcmp(argv[0], commands[i].words[0]) != 0 ||
		    (words == 2 && strcmp(argv[1], commands[i].words[1]) != 0))
			continue;
		*ret_words = words;
		return &commands[i];
	}
	return NULL;
}

void ctl_command_seconds(const char *first, char *text, size_t size)
{
	size_t used = 0;

	text[0] = 0;
	for (int i = 0; i < COMMAND_COUNT && used < size; i++)
		if (commands[i].words[1] != NULL && strcmp(commands[i].words[0], first) == 0)
			used += (size_t)snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "",
						 commands[i].words[1]);
}

/* "show verdicts [--moving]"; returns its length. */
static int command_line(const struct ctl_command *command, char *text, size_t size)
{
	return snprintf(text, size, "%s%s%s%s%s", command->words[0], command->words[1] != NULL ? " " : "",
			command->words[1] != NULL ? command->words[1] : "", command->arguments[0] != 0 ? " " : "",
			command->arguments);
}

void ctl_usage(FILE *out)
{
	char line[LINE_SIZE];

	fputs("usage: sluicectl [OPTION]... COMMAND [ARGUMENT]...\n\ncommands:\n", out);
	for (int i = 0; i < COMMAND_COUNT; i++) {
		command_line(&commands[i], line, sizeof(line));
		if (strlen(line) > 26)
			fprintf(out, "  %s\n%-30s%s\n", line, "", commands[i].text);
		else
			fprintf(out, "  %-26s  %s\n", line, commands[i].text);
	}
	fputs("\noptions:\n"
	      "  --instance NAME             which instance on this machine (default)\n"
	      "  --runtime-dir DIR           where instances have their sockets (/run/sluice, or\n"
	      "                              /dev/shm/sluice when /run is no tmpfs)\n"
	      "  --json                      for programs: what the API says\n"
	      "  --help                      this text, or with a command its own\n"
	      "  --version\n"
	      "\nexit status: 0 as asked, 1 refused, 2 sluiced not reached\n",
	      out);
}

void ctl_command_usage(const struct ctl_command *command, FILE *out)
{
	char line[LINE_SIZE];

	command_line(command, line, sizeof(line));
	fprintf(out, "usage: sluicectl [OPTION]... %s\n%s\n", line, command->text);
}
