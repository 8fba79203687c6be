/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loads every DIR/NN-name.yaml and compares what is said with NN-name.expected, byte for byte; without
 * that file the configuration must be right. A line "# host: eth1 192.0.2.0/24, cpus 4, root" in the
 * file stands for the machine. With --write the expected files are made: read them before committing.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controlplane/config.h"

enum { NETWORKS_MAX = 8 };

struct machine {
	struct config_host host;
	struct config_network networks[NETWORKS_MAX];
};

/* The whole file; NULL: there is none. */
static char *read_text(const char *path, size_t *ret_len)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t room = 0, got = 1;

	*ret_len = 0;
	while (file && got > 0) {
		if (room - *ret_len < 2) {
			room = room ? room * 2 : 4096;
			text = realloc(text, room);
			if (!text)
				abort();
		}
		got = fread(text + *ret_len, 1, room - *ret_len - 1, file);
		*ret_len += got;
		text[*ret_len] = 0;
	}
	if (file)
		fclose(file);
	return text;
}

static int no_key(const char *file, char *reterr, size_t size)
{
	snprintf(reterr, size, "hash key '%s': made for this test", file);
	return -ENOENT;
}

/* One word group of a "# host:" line: "eth1 192.0.2.0/24", "cpus 4", "root" or "no key". */
static void add_fact(struct machine *machine, const char *fact)
{
	struct config_network *network = &machine->networks[machine->host.network_count];
	char name[16], address[64];
	struct in_addr v4;
	unsigned int len;

	if (strcmp(fact, "root") == 0) {
		machine->host.file_root_owned = true;
	} else if (strcmp(fact, "no key") == 0) {
		machine->host.try_key = no_key;
	} else if (sscanf(fact, "cpus %u", &machine->host.cpu_count) == 1) {
		return;
	} else if (sscanf(fact, "%15s %63[^/]/%u", name, address, &len) == 3 &&
		   machine->host.network_count < NETWORKS_MAX) {
		memcpy(network->ifname, name, sizeof(name));
		if (inet_pton(AF_INET, address, &v4) == 1) {
			network->prefix = sl_addr_from_v4(v4.s_addr);
			network->prefix_len = 96 + len;
		} else if (inet_pton(AF_INET6, address, network->prefix.b) == 1) {
			network->prefix_len = len;
		}
		machine->host.network_count++;
	}
}

static void read_machine(const char *text, size_t len, struct machine *machine)
{
	const char *line = memmem(text, len, "# host: ", 8);
	char facts[256], *save = NULL;
	size_t n = 0;

	*machine = (struct machine){ .host = { .networks = machine->networks } };
	if (!line)
		return;
	for (line += 8; line + n < text + len && line[n] != '\n' && n < sizeof(facts) - 1; n++)
		facts[n] = line[n];
	facts[n] = 0;
	for (char *fact = strtok_r(facts, ",", &save); fact; fact = strtok_r(NULL, ",", &save))
		add_fact(machine, fact + strspn(fact, " "));
}

/* What is said about the file; the caller frees it. */
static char *messages_of(const char *name, const char *text, size_t len, int *ret_err)
{
	struct config_errors *errors = NULL;
	struct config *config = NULL;
	struct machine machine;
	char *said = NULL;
	size_t said_len = 0;
	FILE *out = open_memstream(&said, &said_len);

	read_machine(text, len, &machine);
	*ret_err = config_load_text(name, text, len, &machine.host, &config, &errors);
	if (errors)
		config_errors_print(errors, out);
	if ((*ret_err == 0) != (config != NULL) || (*ret_err == 0) != (config_errors_count(errors) == 0))
		fprintf(out, "result, configuration and errors do not fit together\n");
	fclose(out);
	config_errors_free(errors);
	config_free(config);
	return said;
}

/* Every line as a comment of the TAP protocol. */
static void comment(const char *text)
{
	while (*text) {
		const size_t len = strcspn(text, "\n");

		printf("#   %.*s\n", (int)len, text);
		text += len + (text[len] == '\n');
	}
}

static bool run(const char *name, bool write)
{
	char expected_name[512];
	size_t len, expected_len;
	char *text = read_text(name, &len), *expected, *said;
	bool good;
	int err;

	snprintf(expected_name, sizeof(expected_name), "%.*s.expected", (int)(strlen(name) - 5), name);
	said = messages_of(name, text ? text : "", len, &err);
	if (write && said[0]) {
		FILE *file = fopen(expected_name, "we");

		if (file) {
			fputs(said, file);
			fclose(file);
		}
	}
	expected = read_text(expected_name, &expected_len);
	good = strcmp(said, expected ? expected : "") == 0 && (err == 0 || err == -EINVAL);
	if (!good) {
		printf("# %s: result %d; expected:\n", name, err);
		comment(expected ? expected : "");
		printf("# but was:\n");
		comment(said);
	}
	free(text);
	free(said);
	free(expected);
	return good;
}

static int is_case(const struct dirent *entry)
{
	const size_t len = strlen(entry->d_name);

	return len > 5 && strcmp(entry->d_name + len - 5, ".yaml") == 0;
}

int main(int argc, char **argv)
{
	const bool write = argc == 3 && strcmp(argv[2], "--write") == 0;
	struct dirent **entries;
	int n, failed = 0;

	if (argc < 2 || chdir(argv[1]) < 0) {
		fprintf(stderr, "usage: config_cases DIR [--write]\n");
		return 1;
	}
	n = scandir(".", &entries, is_case, alphasort);
	printf("1..%d\n", n);
	for (int i = 0; i < n; i++) {
		const bool good = run(entries[i]->d_name, write);

		printf("%sok %d - %s\n", good ? "" : "not ", i + 1, entries[i]->d_name);
		failed += !good;
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return failed > 0 || n <= 0;
}
