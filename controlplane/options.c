/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads the command line of sluiced. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "sluice/host/instance_name.h"

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },     { "check", no_argument, NULL, 'k' },
	{ "instance", required_argument, NULL, 'i' },   { "runtime-dir", required_argument, NULL, 'r' },
	{ "state-dir", required_argument, NULL, 's' },  { "bpffs", required_argument, NULL, 'b' },
	{ "log", required_argument, NULL, 'l' },        { "log-level", required_argument, NULL, 'L' },
	{ "help", no_argument, NULL, 'h' },             { "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

void options_usage(FILE *out)
{
	fputs("usage: sluiced [options]\n"
	      "       sluiced --check [FILE]\n"
	      "Reads the configuration, probes backends, builds lookup tables and steers a data plane.\n\n"
	      "  --config FILE      configuration (default /etc/sluice/sluice.yaml)\n"
	      "  --check            check the configuration, print every error, exit 0 or 1\n"
	      "  --instance NAME    several balancers on one machine (default: default)\n"
	      "  --runtime-dir DIR  sockets and shared memory (default /run/sluice, or\n"
	      "                     /dev/shm/sluice when /run is no tmpfs)\n"
	      "  --state-dir DIR    what survives a reboot (default /var/lib/sluice/<instance>)\n"
	      "  --bpffs DIR        where XDP programs are pinned (default /sys/fs/bpf)\n"
	      "  --log FORMAT       text or json (default: as configured, else text)\n"
	      "  --log-level LEVEL  debug, info, warning or error (default info)\n"
	      "  --help, --version\n\n"
	      "SIGHUP reads the configuration again; one error in it keeps what runs. SIGTERM and\n"
	      "SIGINT stop cleanly. Exit status: 0 stopped, 1 wrong use or configuration, 2 the\n"
	      "instance is held by another sluiced, 3 the environment lacks something, 4 shared\n"
	      "memory, 5 internal error. See sluiced(8).\n", out);
}

static int take(int option, struct options *o, char *reterr, size_t size)
{
	enum log_format format;

	switch (option) {
	case 'c': o->config = optarg; return 0;
	case 'k': o->action = OPTIONS_CHECK; return 0;
	case 'i':
		o->instance = optarg;
		return sl_instance_name_check(optarg, reterr, size);
	case 'r': o->runtime_dir = optarg; return 0;
	case 's': o->state_dir = optarg; return 0;
	case 'b': o->bpffs = optarg; return 0;
	case 'l':
		if (log_format_parse(optarg, &format) == 0) {
			o->log_format = (int)format;
			return 0;
		}
		snprintf(reterr, size, "--log '%s': use text or json", optarg);
		return -EINVAL;
	case 'L':
		if (log_level_parse(optarg, &o->log_level) == 0)
			return 0;
		snprintf(reterr, size, "--log-level '%s': use debug, info, warning or error", optarg);
		return -EINVAL;
	case 'h': o->action = OPTIONS_HELP; return 0;
	case 'V': o->action = OPTIONS_VERSION; return 0;
	default:
		snprintf(reterr, size, "see sluiced --help");
		return -EINVAL;
	}
}

int options_parse(int argc, char **argv, struct options *ret_options, char *reterr, size_t reterr_size)
{
	struct options o = { .config = "/etc/sluice/sluice.yaml", .instance = "default", .bpffs = "/sys/fs/bpf",
			     .log_format = -1, .log_level = LOG_LEVEL_INFO };
	int option;

	optind = 0;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		const int err = take(option, &o, reterr, reterr_size);

		if (err < 0)
			return err;
	}
	if (o.action == OPTIONS_CHECK && optind + 1 == argc)
		o.config = argv[optind++];
	if (optind != argc) {
		snprintf(reterr, reterr_size, "'%s': not an option; see sluiced --help", argv[optind]);
		return -EINVAL;
	}
	*ret_options = o;
	return 0;
}
