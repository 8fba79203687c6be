/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sluicectl: the person's tool. Takes the command line apart and runs one command.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "controlplane/config_value.h"
#include "sluice/host/instance_name.h"

enum option_code { OPTION_INSTANCE = 1, OPTION_RUNTIME_DIR, OPTION_JSON, OPTION_POOL, OPTION_WHY, OPTION_MOVING,
		   OPTION_WAIT, OPTION_TIMEOUT, OPTION_QUIET, OPTION_HELP, OPTION_VERSION,
		   OPTION_BACKEND = 64 /* and the others of enum ctl_backend_option behind it */ };

static const struct option long_options[] = {
	{"instance", required_argument, NULL, OPTION_INSTANCE},
	{"runtime-dir", required_argument, NULL, OPTION_RUNTIME_DIR},
	{"json", no_argument, NULL, OPTION_JSON},
	{"pool", required_argument, NULL, OPTION_POOL},
	{"why", required_argument, NULL, OPTION_WHY},
	{"moving", no_argument, NULL, OPTION_MOVING},
	{"wait", no_argument, NULL, OPTION_WAIT},
	{"timeout", required_argument, NULL, OPTION_TIMEOUT},
	{"quiet", required_argument, NULL, OPTION_QUIET},
	{"config", required_argument, NULL, OPTION_BACKEND + CTL_BACKEND_CONFIG},
	{"vip", required_argument, NULL, OPTION_BACKEND + CTL_BACKEND_VIP},
	{"listen", required_argument, NULL, OPTION_BACKEND + CTL_BACKEND_LISTEN},
	{"mode", required_argument, NULL, OPTION_BACKEND + CTL_BACKEND_MODE},
	{"address", required_argument, NULL, OPTION_BACKEND + CTL_BACKEND_ADDRESS},
	{"from", required_argument, NULL, OPTION_BACKEND + CTL_BACKEND_FROM},
	{"device", required_argument, NULL, OPTION_BACKEND + CTL_BACKEND_DEVICE},
	{"tunnel", required_argument, NULL, OPTION_BACKEND + CTL_BACKEND_TUNNEL},
	{"object", required_argument, NULL, OPTION_BACKEND + CTL_BACKEND_OBJECT},
	{"mtu", required_argument, NULL, OPTION_BACKEND + CTL_BACKEND_MTU},
	{"mss", required_argument, NULL, OPTION_BACKEND + CTL_BACKEND_MSS},
	{"as", required_argument, NULL, OPTION_BACKEND + CTL_BACKEND_AS},
	{"apply", no_argument, NULL, OPTION_BACKEND + CTL_BACKEND_APPLY},
	{"undo", no_argument, NULL, OPTION_BACKEND + CTL_BACKEND_UNDO},
	{"state", required_argument, NULL, OPTION_BACKEND + CTL_BACKEND_STATE},
	{"help", no_argument, NULL, OPTION_HELP},
	{"version", no_argument, NULL, OPTION_VERSION},
	{NULL, 0, NULL, 0},
};

static enum ctl_exit wrong_use(const char *what, const char *which)
{
	fprintf(stderr, "sluicectl: %s%s%s%s; see sluicectl --help\n", what, which != NULL ? " '" : "",
		which != NULL ? which : "", which != NULL ? "'" : "");
	return CTL_REFUSED;
}

/* "30m" → ms, 1 at least. Returns 0, or -1 when it has said what is wrong. */
static int duration_parse(const char *option, const char *text, uint64_t *ret_ms)
{
	struct config_reason reason;

	if (!config_value_duration(text, ret_ms, &reason)) {
		fprintf(stderr, "sluicectl: %s '%s' %s; allowed: a duration such as 90s, 30m or 2h\n", option, text, reason.text);
		return -1;
	}
	if (*ret_ms == 0) {
		fprintf(stderr, "sluicectl: %s '%s' is no time at all; allowed: a duration such as 90s, 30m or 2h\n", option, text);
		return -1;
	}
	return 0;
}

/* Returns 0, or -1 when it has said what is wrong. Options may stand before or after the command. */
static int options_parse(int argc, char **argv, struct ctl_options *options)
{
	int code;

	opterr = 0; /* the words are ours */
	while ((code = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
		switch (code) {
		case OPTION_INSTANCE: options->instance = optarg; break;
		case OPTION_RUNTIME_DIR: options->runtime_dir = optarg; break;
		case OPTION_JSON: options->json = true; break;
		case OPTION_POOL: options->pool = optarg; break;
		case OPTION_WHY: options->why = optarg; break;
		case OPTION_MOVING: options->moving = true; break;
		case OPTION_WAIT: options->wait = true; break;
		case OPTION_TIMEOUT:
			if (duration_parse("--timeout", optarg, &options->timeout_ms) < 0)
				return -1;
			break;
		case OPTION_QUIET:
			if (duration_parse("--quiet", optarg, &options->quiet_ms) < 0)
				return -1;
			break;
		case 'h':
		case OPTION_HELP: options->help = true; break;
		case OPTION_VERSION: options->version = true; break;
		case ':': wrong_use("a value is missing after", argv[optind - 1]); return -1;
		default:
			if (code < OPTION_BACKEND || code >= OPTION_BACKEND + CTL_BACKEND_COUNT) {
				wrong_use("no such option", argv[optind - 1]);
				return -1;
			}
			options->backend[code - OPTION_BACKEND] = optarg != NULL ? optarg : "yes";
		}
	}
	return 0;
}

/* "--vip" for CTL_BACKEND_VIP. */
static const char *backend_option_name(int which)
{
	static char name[24];

	for (const struct option *option = long_options; option->name != NULL; option++)
		if (option->val == OPTION_BACKEND + which)
			snprintf(name, sizeof(name), "--%s", option->name);
	return name;
}

/* The name of an option that was given and that the command does not take; NULL: none. */
static const char *option_too_many(const struct ctl_options *options, unsigned int taken)
{
	if (options->pool != NULL && (taken & CTL_OPTION_POOL) == 0)
		return "--pool";
	if (options->why != NULL && (taken & CTL_OPTION_WHY) == 0)
		return "--why";
	if (options->moving && (taken & CTL_OPTION_MOVING) == 0)
		return "--moving";
	if (options->wait && (taken & CTL_OPTION_WAIT) == 0)
		return "--wait";
	if (options->timeout_ms > 0 && (taken & CTL_OPTION_WAIT) == 0)
		return "--timeout";
	if (options->quiet_ms > 0 && (taken & CTL_OPTION_WAIT) == 0)
		return "--quiet";
	for (int i = 0; i < CTL_BACKEND_COUNT; i++)
		if (options->backend[i] != NULL && (taken & CTL_OPTION_BACKEND(i)) == 0)
			return backend_option_name(i);
	return NULL;
}

/* "show nothing": the first word is right, so say what may follow it. */
static enum ctl_exit no_such_command(int argc, char **argv)
{
	char seconds[160];

	ctl_command_seconds(argv[0], seconds, sizeof(seconds));
	if (seconds[0] == 0)
		return wrong_use("no such command", argv[0]);
	if (argc > 1)
		fprintf(stderr, "sluicectl: %s does not take '%s'; it takes: %s\n", argv[0], argv[1], seconds);
	else
		fprintf(stderr, "sluicectl: %s what? it takes: %s\n", argv[0], seconds);
	return CTL_REFUSED;
}

int main(int argc, char **argv)
{
	struct ctl_options options = {.instance = "default"};
	const struct ctl_command *command;
	const char *extra;
	char reason[128];
	int words = 0;

	if (options_parse(argc, argv, &options) < 0)
		return CTL_REFUSED;
	if (sl_instance_name_check(options.instance, reason, sizeof(reason)) < 0)
		return wrong_use(reason, NULL);
	argc -= optind;
	argv += optind;
	if (options.version) {
		puts("sluicectl " SLUICE_VERSION);
		return CTL_DONE;
	}
	command = ctl_command_find(argc, argv, &words);
	if (options.help) {
		if (command != NULL)
			ctl_command_usage(command, stdout);
		else
			ctl_usage(stdout);
		return CTL_DONE;
	}
	if (argc == 0)
		return wrong_use("no command given", NULL);
	if (command == NULL)
		return no_such_command(argc, argv);
	argc -= words;
	argv += words;
	extra = option_too_many(&options, command->options);
	if (extra != NULL)
		return wrong_use("this command does not take", extra);
	if (!options.wait && (options.timeout_ms > 0 || options.quiet_ms > 0))
		return wrong_use("only with --wait:", options.timeout_ms > 0 ? "--timeout" : "--quiet");
	if (argc < command->arguments_min)
		return wrong_use("an argument is missing after", command->words[0]);
	if (argc > command->arguments_max)
		return wrong_use("one argument too many:", argv[command->arguments_max]);
	return command->run(&options, argv);
}
