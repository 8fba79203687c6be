/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the XDP program costs a packet: nanoseconds of BPF_PROG_TEST_RUN behind a wrapper that makes the packet anew each
 * time, minus the same wrapper with an empty program behind it; and the ratio to a reference program that is run in
 * turns with it. Time is the thread's, so that others on the machine are not counted. docs/performance.md tells how to
 * read it. Needs root.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "sluice.skel.h"
#include "world.h"
#include "wrap.skel.h"

enum { ROUNDS_MAX = 101, FLOWS_LIST_MAX = 8, RUNS_LEAST = 100000, NOT_ROOT = 77 };
enum { FORGOTTEN_LEAST = 1000 }; /* flows: fewer new connections than that are no time that can be taken */

struct settings {
	uint32_t flows[FLOWS_LIST_MAX];
	unsigned flow_counts;
	unsigned rounds;
	uint32_t runs;    /* of a program in one round, at least; never fewer than flows */
	const char *only; /* the case of that name; NULL: all */
	bool json;
};

struct bench {
	const struct bench_case *one;
	struct xdp_lab *lab;
	struct wrap_bpf *wrap;
	struct bench_frame frame;
	uint32_t runs;
};

/* One line of the result. Nanoseconds are net of the empty wrapper. */
struct figure {
	double ns, reference_ns, empty_ns;    /* the least of all rounds */
	double ratio_min, ratio_median, ratio_max;
	uint32_t instructions;
};

/* ---- running ------------------------------------------------------------------------------------------ */

static double thread_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* `runs` packets of that program, from the first flow on; *ret_ns one packet's. 0 or -errno, -EPROTO: it did else. */
static int run(struct bench *bench, enum bench_program program, uint32_t runs, double *ret_ns)
{
	static uint8_t in[BENCH_FRAME];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_size_in = sizeof(in), .repeat = (int)runs);
	const uint32_t only = 0;
	const uint32_t expected = program == BENCH_EMPTY || !bench->one->ours ? XDP_PASS : XDP_TX;
	double begin;
	int err;

	bench->frame.program = program;
	err = bpf_map_update_elem(bpf_map__fd(bench->wrap->maps.frame), &only, &bench->frame, BPF_ANY);
	if (err < 0)
		return err;
	begin = thread_ns();
	err = bpf_prog_test_run_opts(bpf_program__fd(bench->wrap->progs.wrap), &opts);
	*ret_ns = (thread_ns() - begin) / runs;
	if (err < 0)
		return err;
	return opts.retval == expected ? 0 : -EPROTO;
}

static enum sl_verdict expected_verdict(const struct bench_case *one)
{
	return one->ours ? SL_VERDICT_FORWARD : SL_VERDICT_TO_KERNEL;
}

/* Runs every flow twice; then all are remembered that can be. -EPROTO: not all packets got the case's verdict. */
static int warm(struct bench *bench)
{
	struct xdp_lab_counts before, after;
	const uint32_t runs = 2 * bench->frame.flows + 2;
	const enum sl_verdict verdict = expected_verdict(bench->one);
	double ns;
	int err = xdp_lab_counts(bench->lab, &before);

	if (err == 0)
		err = run(bench, BENCH_SLUICE, runs, &ns);
	if (err == 0)
		err = xdp_lab_counts(bench->lab, &after);
	if (err < 0)
		return err;
	if (after.verdict[verdict] - before.verdict[verdict] != runs)
		return -EPROTO;
	if (bench->one->look && !bench->one->forgotten &&
	    after.flow[SL_FLOW_COUNT_FOUND] - before.flow[SL_FLOW_COUNT_FOUND] < bench->frame.flows)
		return -EPROTO;
	return run(bench, bench->one->reference, runs, &ns);
}

/* Every packet is to be of a new connection: what is remembered is forgotten, outside the time that is taken. */
static int forget(struct bench *bench)
{
	return bench->one->forgotten ? xdp_lab_forget(bench->lab) : 0;
}

/* ---- rounds ------------------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double least(double a, double b)
{
	return a < b ? a : b;
}

/* A B A B: the empty program, ours, the reference; what is slow for a while is slow for all three. */
static int measure_rounds(struct bench *bench, unsigned rounds, struct figure *ret_figure)
{
	struct figure figure = { .ns = 1e9, .reference_ns = 1e9, .empty_ns = 1e9 };
	double ratio[ROUNDS_MAX], empty, ours, reference;
	int err = 0;

	for (unsigned i = 0; i < rounds && err == 0; i++) {
		err = forget(bench);
		if (err == 0)
			err = run(bench, BENCH_EMPTY, bench->runs, &empty);
		if (err == 0)
			err = run(bench, BENCH_SLUICE, bench->runs, &ours);
		if (err == 0)
			err = run(bench, bench->one->reference, bench->runs, &reference);
		if (err < 0)
			return err;
		ratio[i] = (ours - empty) / (reference - empty);
		figure.empty_ns = least(figure.empty_ns, empty);
		figure.ns = least(figure.ns, ours);
		figure.reference_ns = least(figure.reference_ns, reference);
	}
	figure.ns -= figure.empty_ns;
	figure.reference_ns -= figure.empty_ns;
	qsort(ratio, rounds, sizeof(ratio[0]), ascending);
	figure.ratio_min = ratio[0];
	figure.ratio_median = ratio[rounds / 2];
	figure.ratio_max = ratio[rounds - 1];
	*ret_figure = figure;
	return 0;
}

static int put_program(const struct bench *bench, uint32_t at, int fd)
{
	return bpf_map_update_elem(bpf_map__fd(bench->wrap->maps.programs), &at, &fd, BPF_ANY);
}

/* Loads the wrapper and the reference, which remembers `memory` connections. */
static int load_wrapper(struct bench *bench, uint32_t memory)
{
	int err;

	bench->wrap = wrap_bpf__open();
	if (bench->wrap == NULL)
		return -errno;
	bpf_map__set_max_entries(bench->wrap->maps.reference_flows, memory);
	err = wrap_bpf__load(bench->wrap);
	if (err == 0)
		err = put_program(bench, BENCH_EMPTY, bpf_program__fd(bench->wrap->progs.empty));
	if (err == 0)
		err = put_program(bench, BENCH_SLUICE, bpf_program__fd(xdp_lab_object(bench->lab)->progs.xsk_def_prog));
	if (err == 0)
		err = put_program(bench, BENCH_FULL, bpf_program__fd(bench->wrap->progs.full));
	if (err == 0)
		err = put_program(bench, BENCH_SMALL, bpf_program__fd(bench->wrap->progs.small));
	return err;
}

static uint32_t instructions(const struct bench *bench)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	bpf_obj_get_info_by_fd(bpf_program__fd(xdp_lab_object(bench->lab)->progs.xsk_def_prog), &info, &len);
	return info.xlated_prog_len / 8;
}

/* One case at one number of flows, in maps of its own. 0 or -errno, and *reterr. */
static int measure(const struct bench_case *one, const struct settings *settings, uint32_t flows, struct figure *ret_figure,
		   char *reterr, size_t size)
{
	/* half as many places more than flows: pressure (80 %) is far, and LRU lists have none to give up */
	const uint32_t memory = flows + flows / 2 + 32768;
	const struct xdp_lab_options options = { .flows = one->look ? memory : 0, .live = true,
						 .starts = one->forgotten ? 2 * memory : 0 };
	struct bench bench = { .one = one, .runs = settings->runs > flows && !one->forgotten ? settings->runs : flows };
	int err = xdp_lab_create(&options, &bench.lab, reterr, size);

	if (err < 0)
		return err;
	err = load_wrapper(&bench, memory);
	bench_frame_make(one, flows, &bench.frame);
	if (err == 0)
		err = bench_publish(one, bench.lab, bench.wrap);
	if (err == 0)
		err = warm(&bench);
	if (err == 0)
		err = measure_rounds(&bench, settings->rounds, ret_figure);
	ret_figure->instructions = instructions(&bench);
	snprintf(reterr, size, "%s", err == -EPROTO ? "packets came to another end than this case is about" : strerror(-err));
	wrap_bpf__destroy(bench.wrap);
	xdp_lab_destroy(bench.lab);
	return err;
}

/* ---- saying ------------------------------------------------------------------------------------------- */

static const char *judgement(const struct bench_case *one, const struct figure *figure)
{
	if (one->goal <= 0)
		return "no goal";
	return figure->ratio_median <= one->goal ? "met" : "missed";
}

static void say_text(const struct bench_case *one, uint32_t flows, const struct figure *figure)
{
	char goal[16] = "-";

	if (one->goal > 0)
		snprintf(goal, sizeof(goal), "%.1f", one->goal);
	printf("%-16s %8u %7.1f %7.1f   %5.2f %5.2f %5.2f   %4s  %s\n", one->name, flows, figure->ns, figure->reference_ns,
	       figure->ratio_min, figure->ratio_median, figure->ratio_max, goal, judgement(one, figure));
	fflush(stdout);
}

static void say_json(const struct bench_case *one, uint32_t flows, const struct figure *figure, bool first)
{
	printf("%s\n  {\"case\": \"%s\", \"what\": \"%s\", \"flows\": %u, \"ns\": %.1f, \"reference_ns\": %.1f, \"empty_ns\": %.1f, "
	       "\"ratio_min\": %.3f, \"ratio_median\": %.3f, \"ratio_max\": %.3f, \"goal\": %.1f, \"result\": \"%s\", "
	       "\"instructions\": %u}", first ? "[" : ",", one->name, one->what, flows, figure->ns, figure->reference_ns,
	       figure->empty_ns, figure->ratio_min, figure->ratio_median, figure->ratio_max, one->goal,
	       judgement(one, figure), figure->instructions);
	fflush(stdout);
}

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

static int measure_all(const struct settings *settings)
{
	struct figure figure = { 0 };
	unsigned said = 0;
	char error[600];

	if (!settings->json)
		printf("net ns a packet, least of %u rounds; ratio to the reference: min, median, max\n"
		       "%-16s %8s %7s %7s   %17s   %4s\n", settings->rounds, "case", "flows", "ns", "ref ns", "ratio", "goal");
	for (unsigned i = 0; i < bench_case_count; i++) {
		const struct bench_case *one = &bench_cases[i];

		if (settings->only != NULL && strcmp(settings->only, one->name) != 0)
			continue;
		for (unsigned j = 0; j < settings->flow_counts; j++) {
			if (one->forgotten && settings->flows[j] < FORGOTTEN_LEAST)
				continue;
			if (measure(one, settings, settings->flows[j], &figure, error, sizeof(error)) < 0) {
				fprintf(stderr, "xdp_bench: %s at %u flows: %s\n", one->name, settings->flows[j], error);
				return 1;
			}
			if (settings->json)
				say_json(one, settings->flows[j], &figure, said++ == 0);
			else
				say_text(one, settings->flows[j], &figure);
		}
	}
	if (settings->json)
		printf("\n]\n");
	else
		printf("the program has %u instructions\n", figure.instructions);
	return 0;
}

/* ---- the command line --------------------------------------------------------------------------------- */

static int usage(void)
{
	fprintf(stderr, "usage: xdp_bench [--flows N,N...] [--rounds N] [--runs N] [--case NAME] [--json]\n");
	return 2;
}

static int read_flows(char *list, struct settings *settings)
{
	settings->flow_counts = 0;
	for (char *word = strtok(list, ","); word != NULL; word = strtok(NULL, ",")) {
		const unsigned long flows = strtoul(word, NULL, 10);

		if (flows == 0 || flows > 4000000 || settings->flow_counts == FLOWS_LIST_MAX)
			return -EINVAL;
		settings->flows[settings->flow_counts++] = (uint32_t)flows;
	}
	return settings->flow_counts > 0 ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "flows", required_argument, NULL, 'f' },
						 { "rounds", required_argument, NULL, 'r' },
						 { "runs", required_argument, NULL, 'n' },
						 { "case", required_argument, NULL, 'c' },
						 { "json", no_argument, NULL, 'j' },
						 { NULL, 0, NULL, 0 } };
	struct settings settings = { { 1, 1000, 100000, 1000000 }, 4, 9, RUNS_LEAST, NULL, false };
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'f':
			if (read_flows(optarg, &settings) < 0)
				return usage();
			break;
		case 'r': settings.rounds = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'n': settings.runs = (uint32_t)strtoul(optarg, NULL, 10); break;
		case 'c': settings.only = optarg; break;
		case 'j': settings.json = true; break;
		default: return usage();
		}
	}
	if (optind != argc || settings.rounds == 0 || settings.rounds > ROUNDS_MAX || settings.runs > 100000000)
		return usage();
	if (geteuid() != 0) {
		fprintf(stderr, "skipped: running an XDP program needs root\n");
		return NOT_ROOT;
	}
	libbpf_set_print(silent);
	return measure_all(&settings);
}
