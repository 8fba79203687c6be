/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the XDP program costs: its instructions, those that the verifier walks, and its stack, in both variants. Prints
 * them and holds them under xdp_cost.limits, far below what kernels refuse, so that a change that costs much is noticed
 * when it is made. Needs root.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "sluice.skel.h"

#ifndef BPF_F_XDP_HAS_FRAGS
#define BPF_F_XDP_HAS_FRAGS (1U << 5) /* linux/bpf.h of 5.18 */
#endif

enum { LOG_SIZE = 1 << 20, LOG_STATISTICS = 4 };

enum figure { INSTRUCTIONS, VERIFIED, FRAME, FIGURE_COUNT };
static const char *const figure_name[FIGURE_COUNT] = {
	[INSTRUCTIONS] = "instructions", /* of the loaded program, all its functions */
	[VERIFIED] = "verified",         /* instructions that the verifier walked; kernels refuse 1,000,000 */
	[FRAME] = "frame",               /* bytes of stack of its largest function; kernels refuse 512 of a chain of calls */
};

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* The largest number of "stack depth 8+120+288"; 0: the kernel does not tell. */
static uint32_t largest_frame(const char *log)
{
	const char *at = strstr(log, "stack depth ");
	uint32_t largest = 0;

	for (at = at ? at + strlen("stack depth") : ""; *at == ' ' || *at == '+'; at += 1 + strspn(at + 1, "0123456789")) {
		const uint32_t depth = (uint32_t)strtoul(at + 1, NULL, 10);

		largest = depth > largest ? depth : largest;
	}
	return largest;
}

static int measure(bool frags, uint32_t figures[FIGURE_COUNT])
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .kernel_log_size = LOG_SIZE, .kernel_log_level = LOG_STATISTICS);
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);
	char *log = calloc(1, LOG_SIZE);
	const char *processed;
	struct sluice_bpf *object;
	int err;

	opts.kernel_log_buf = log;
	object = sluice_bpf__open_opts(&opts);
	if (log == NULL || object == NULL) {
		free(log);
		return -ENOMEM;
	}
	object->rodata->sl_multi_buffer = frags;
	if (frags)
		bpf_program__set_flags(object->progs.xsk_def_prog, BPF_F_XDP_HAS_FRAGS);
	err = sluice_bpf__load(object);
	if (err == 0)
		err = bpf_obj_get_info_by_fd(bpf_program__fd(object->progs.xsk_def_prog), &info, &len);
	processed = strstr(log, "processed ");
	figures[INSTRUCTIONS] = info.xlated_prog_len / 8;
	figures[VERIFIED] = processed != NULL ? (uint32_t)strtoul(processed + strlen("processed "), NULL, 10) : 0;
	figures[FRAME] = largest_frame(log);
	if (err < 0)
		fprintf(stderr, "the kernel refuses the program: %s\n%s\n", strerror(-err),
			log + (strlen(log) > 2000 ? strlen(log) - 2000 : 0));
	sluice_bpf__destroy(object);
	free(log);
	return err;
}

/* The limit of that figure in the file, lines of "name number"; 0: it has none. */
static uint32_t limit_of(FILE *file, const char *name)
{
	char line[200], word[64];
	uint32_t limit;

	rewind(file);
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "%63s %u", word, &limit) == 2 && strcmp(word, name) == 0)
			return limit;
	return 0;
}

static int judge(bool frags, FILE *limits)
{
	const char *variant = frags ? "multi-buffer" : "plain";
	uint32_t figures[FIGURE_COUNT] = { 0 };
	struct timespec begin, end;
	int failed = 0;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	if (measure(frags, figures) < 0)
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &end);
	for (int i = 0; i < FIGURE_COUNT; i++) {
		const uint32_t limit = limit_of(limits, figure_name[i]);
		const bool over = limit == 0 || figures[i] > limit;

		printf("%-13s %-13s %7u of %7u%s\n", variant, figure_name[i], figures[i], limit, over ? ": too many" : "");
		failed |= over;
	}
	printf("%-13s loaded in %.2f s\n", variant,
	       (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
	return failed;
}

int main(int argc, char **argv)
{
	FILE *limits = argc == 2 ? fopen(argv[1], "r") : NULL;
	int failed;

	if (limits == NULL) {
		fprintf(stderr, "usage: xdp_cost LIMITS\n");
		return 1;
	}
	if (geteuid() != 0) {
		fprintf(stderr, "skipped: loading an XDP program needs root\n");
		return 77;
	}
	libbpf_set_print(silent);
	failed = judge(false, limits);
	failed |= judge(true, limits);
	fclose(limits);
	if (failed)
		fprintf(stderr, "make it cheaper, or say why not and raise the limit in %s\n", argv[1]);
	return failed;
}
