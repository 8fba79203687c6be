/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of options and what reads it.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>

enum { OPTION_MAX = 16 };

static const struct {
	const char *name;
	const char *argument; /* NULL: none */
	size_t offset;        /* in struct options: const char *, or bool without argument */
	const char *text;
} table[] = {
	{"config", "FILE", offsetof(struct options, config), "the configuration, as sluiced reads it"},
	{"in", "FILE", offsetof(struct options, in), "packets as they arrive: pcap or pcapng, - is stdin"},
	{"out", "FILE", offsetof(struct options, out), "packets as they would leave: pcap, - is stdout"},
	{"verdicts", "FILE", offsetof(struct options, verdicts), "one line of JSON a packet, - is stdout"},
	{"scenario", "FILE", offsetof(struct options, scenario), "what a live system would learn meanwhile"},
	{"key-file", "FILE", offsetof(struct options, key_file),
	 "the fleet's hash key, over the configuration's"},
	{"help", NULL, offsetof(struct options, help), "print this text"},
	{"version", NULL, offsetof(struct options, version), "print the version"},
};
enum { TABLE_COUNT = sizeof(table) / sizeof(table[0]) };
_Static_assert((int)TABLE_COUNT < (int)OPTION_MAX, "the array for getopt_long has room for its end");

void options_help(FILE *out)
{
	fprintf(out, "Usage: sluice-sim --config FILE --in FILE [--out FILE] [--verdicts FILE] [OPTION]...\n"
		     "Sends the packets of a capture through Sluice's forwarding core and says what becomes "
		     "of each.\n\n");
	for (size_t i = 0; i < TABLE_COUNT; i++) {
		char left[32];

		snprintf(left, sizeof(left), "--%s%s%s", table[i].name, table[i].argument != NULL ? " " : "",
			 table[i].argument != NULL ? table[i].argument : "");
		fprintf(out, "  %-18s %s\n", left, table[i].text);
	}
	fprintf(out, "\nExit status: 0 all packets processed, 1 wrong use, configuration, key or scenario, 2 "
		     "the input\n"
		     "cannot be read or is damaged, 3 an output cannot be written, 5 internal error. See "
		     "sluice-sim(1).\n");
}

int options_parse(int argc, char **argv, FILE *errors, struct options *ret_options)
{
	struct option longs[OPTION_MAX] = {0};
	struct options options = {0};
	int at = 0;

	for (size_t i = 0; i < TABLE_COUNT; i++)
		longs[i] = (struct option){.name = table[i].name,
					   .has_arg = table[i].argument != NULL ? required_argument
										: no_argument};
	opterr = 0;
	optind = 1;
	for (int c; (c = getopt_long(argc, argv, ":", longs, &at)) != -1;) {
		char *field;

		if (c != 0) {
			fprintf(errors, "sluice-sim: %s: %s; see --help\n", argv[optind - 1],
				c == ':' ? "needs a file" : "unknown or ambiguous option");
			return -EINVAL;
		}
		field = (char *)&options + table[at].offset;
		if (table[at].argument != NULL)
			*(const char **)(void *)field = optarg;
		else
			*(bool *)(void *)field = true;
	}
	if (options.help || options.version) {
		*ret_options = options;
		return 0;
	}
	if (optind < argc) {
		fprintf(errors, "sluice-sim: %s: no argument is expected here; see --help\n", argv[optind]);
		return -EINVAL;
	}
	if (options.config == NULL || options.in == NULL) {
		fprintf(errors, "sluice-sim: --%s is missing; see --help\n",
			options.config == NULL ? "config" : "in");
		return -EINVAL;
	}
	*ret_options = options;
	return 0;
}
