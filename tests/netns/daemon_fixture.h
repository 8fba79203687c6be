/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole sluiced in a directory of its own, in the namespace that the test entered: what tests of its parts share.
 */
#ifndef TESTS_NETNS_DAEMON_FIXTURE_H
#define TESTS_NETNS_DAEMON_FIXTURE_H

#include "controlplane/daemon.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "netns.h"

struct fixture {
	char directory[64];
	char config[96];
	struct daemon *daemon;
	struct options options;
};

static inline void write_interfaces(const struct fixture *f, const char *interfaces, const char *rest)
{
	FILE *file = fopen(f->config, "w");

	fprintf(file, "interfaces: [%s]\nannounce: {device: none}\n%s", interfaces, rest);
	fclose(file);
}

static inline void write_config(const struct fixture *f, const char *rest)
{
	write_interfaces(f, "\"af_packet:up0\"", rest);
}

static const char one_service[] = "services:\n"
				  "  - name: web\n"
				  "    listen: tcp 192.0.2.10:80\n"
				  "    mode: l2\n"
				  "    backends: [192.0.2.21, 192.0.2.22]\n";

/*
 * up0, which one_service leaves by. Backends that are not there have MACs all the same: a first generation waits
 * two seconds for those that are not known.
 */
static inline void wire_up0(void)
{
	netns_run("ip link add up0 type veth peer name other && ip addr add 192.0.2.1/24 dev up0 && "
		  "ip link set up0 up && ip link set other up");
	netns_run("for host in $(seq 21 40); do echo neigh replace 192.0.2.$host lladdr 02:00:00:00:00:$host dev up0 nud permanent; "
		  "done | ip -batch -");
}

static inline void start(struct fixture *f)
{
	assert_int_equal(daemon_create(&f->options, &f->daemon), 0);
}

static inline bool has_published(void *ctx)
{
	return ((struct daemon *)ctx)->published;
}

static inline void run_until_published(struct fixture *f)
{
	assert_true(netns_wait(&f->daemon->loop, has_published, f->daemon, 5000));
}

static inline int setup(void **state)
{
	static char runtime[80], saved[80];
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->directory, "/tmp/sluice-test-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->config, sizeof(f->config), "%s/sluice.yaml", f->directory);
	snprintf(runtime, sizeof(runtime), "%s/run", f->directory);
	snprintf(saved, sizeof(saved), "%s/state", f->directory);
	write_config(f, one_service);
	f->options = (struct options){ .config = f->config, .instance = "test", .runtime_dir = runtime,
				       .state_dir = saved, .bpffs = "/sys/fs/bpf", .log_format = -1,
				       .log_level = LOG_LEVEL_COUNT };
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	daemon_destroy(f->daemon);
	netns_run("rm -r %s", f->directory);
	free(f);
	return 0;
}

#endif
