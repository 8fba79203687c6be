/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What sluicectl can be asked to do: one row a command, one function a row. A new command is a row in
 * command.c, a function, and a paragraph of sluicectl(8) (a test compares them).
 */
#ifndef SLUICECTL_COMMAND_H
#define SLUICECTL_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Exit statuses; sluicectl(8) names them. */
enum ctl_exit { CTL_DONE = 0, CTL_REFUSED = 1, CTL_NOT_REACHED = 2 };

/* Options of backend-setup and backend-check, in the order of main.c's table. */
enum ctl_backend_option {
	CTL_BACKEND_CONFIG = 0,
	CTL_BACKEND_VIP,
	CTL_BACKEND_LISTEN,
	CTL_BACKEND_MODE,
	CTL_BACKEND_ADDRESS,
	CTL_BACKEND_FROM,
	CTL_BACKEND_DEVICE,
	CTL_BACKEND_TUNNEL,
	CTL_BACKEND_OBJECT,
	CTL_BACKEND_MTU,
	CTL_BACKEND_MSS,
	CTL_BACKEND_AS,
	CTL_BACKEND_APPLY,
	CTL_BACKEND_UNDO,
	CTL_BACKEND_STATE,
	CTL_BACKEND_COUNT,
};

/* The command line, taken apart. */
struct ctl_options {
	const char *instance;
	const char *runtime_dir; /* NULL: the default of this machine */
	const char *pool;        /* --pool */
	const char *why;         /* --why */
	bool json;
	bool moving;
	bool wait;               /* --wait */
	uint64_t timeout_ms;     /* --timeout; 0: none */
	uint64_t quiet_ms;       /* --quiet; 0: what the pool says */
	const char *backend[CTL_BACKEND_COUNT]; /* by enum ctl_backend_option; NULL: not given; flags: any text */
	bool silent_absence;     /* a sluiced that is not reached is no news: the caller tries again */
	bool help;
	bool version;
};

/* Options that not every command takes. */
enum ctl_option { CTL_OPTION_POOL = 1, CTL_OPTION_WHY = 2, CTL_OPTION_MOVING = 4, CTL_OPTION_WAIT = 8 /* with --timeout, --quiet */,
		  CTL_OPTION_BACKEND_SHIFT = 8 /* from here on, bits of enum ctl_backend_option */ };
#define CTL_OPTION_BACKEND(which) (1u << (CTL_OPTION_BACKEND_SHIFT + (which)))
#define CTL_OPTION_BACKEND_ALL (((1u << CTL_BACKEND_COUNT) - 1) << CTL_OPTION_BACKEND_SHIFT)

struct ctl_command {
	const char *words[2];    /* "show", "services"; or "status", NULL */
	const char *arguments;   /* as in the usage line */
	const char *text;        /* one line */
	unsigned int options;    /* enum ctl_option, CTL_OPTION_BACKEND */
	int arguments_min, arguments_max;
	enum ctl_exit (*run)(const struct ctl_options *options, char **arguments);
};

/* The command that argv begins with, and how many words it took; NULL: none. */
const struct ctl_command *ctl_command_find(int argc, char **argv, int *ret_words);
/* "services, backends": what may follow a first word, empty when nothing must. */
void ctl_command_seconds(const char *first, char *text, size_t size);
/* The usage text: options, commands, exit statuses. */
void ctl_usage(FILE *out);
void ctl_command_usage(const struct ctl_command *command, FILE *out);

enum ctl_exit ctl_status(const struct ctl_options *options, char **arguments);
enum ctl_exit ctl_show_services(const struct ctl_options *options, char **arguments);
enum ctl_exit ctl_show_backends(const struct ctl_options *options, char **arguments);
enum ctl_exit ctl_show_stats(const struct ctl_options *options, char **arguments);
enum ctl_exit ctl_show_verdicts(const struct ctl_options *options, char **arguments);
enum ctl_exit ctl_show_workers(const struct ctl_options *options, char **arguments);
enum ctl_exit ctl_show_datapath(const struct ctl_options *options, char **arguments);
enum ctl_exit ctl_show_flows(const struct ctl_options *options, char **arguments);
enum ctl_exit ctl_drain(const struct ctl_options *options, char **arguments);
enum ctl_exit ctl_retire(const struct ctl_options *options, char **arguments);
enum ctl_exit ctl_off(const struct ctl_options *options, char **arguments);
enum ctl_exit ctl_ready(const struct ctl_options *options, char **arguments);
enum ctl_exit ctl_datapath_dpdk(const struct ctl_options *options, char **arguments);
enum ctl_exit ctl_reload(const struct ctl_options *options, char **arguments);
enum ctl_exit ctl_backend_check(const struct ctl_options *options, char **arguments);
enum ctl_exit ctl_backend_setup(const struct ctl_options *options, char **arguments);
enum ctl_exit ctl_key_new(const struct ctl_options *options, char **arguments);

#endif
