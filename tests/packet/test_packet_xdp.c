/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packet cases through the XDP program (BPF_PROG_TEST_RUN; root): each must come to what the same core, compiled by gcc,
 * makes of it: verdict, bytes, port, slot, counters, memory. What an XDP program cannot be asked is told by number at the end,
 * with its reason, and is not silently left out.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/bpf.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "sluice.skel.h"
#include "sluice/core/forward.h"
#include "tests/packet/case.h"
#include "tests/support/xdp_lab.h"

enum {
	CASES_MAX = 8000,
	NOW_S = 7200,
	IDLE_S = 3600, /* of all kinds and pools: what cases remember is younger */
	FLOWS = 256,
};

/* Why a case, or a part of it, cannot be asked. */
enum reason { TOO_SHORT, TOO_LONG, STARTS_FULL, OWN_ROOM, NO_BUFFERS, REASON_COUNT };
static const char *const reasons[REASON_COUNT] = {
	[TOO_SHORT] = "frames shorter than an Ethernet header: no driver hands them over, nor does the kernel take them",
	[TOO_LONG] = "frames longer than BPF_PROG_TEST_RUN takes",
	[STARTS_FULL] = "a start that finds no room: an LRU map always has some",
	[OWN_ROOM] = "an entry that finds no room for another value of its own: a map always has that",
	[NO_BUFFERS] = "a short first buffer, or little headroom: this kernel (before 6.18) makes none for tests",
};

static struct {
	struct xdp_lab *lab;
	unsigned int asked, left_out[REASON_COUNT];
	unsigned int summed, unsplit; /* asked without what XDP does not have */
	struct sl_env env;
	struct packet_result want;
} test;

/* ---- the case's world, in the maps -------------------------------------------------------------------- */

static size_t pools_of(struct sl_env *env, struct xdp_lab_pool *pools)
{
	for (__u32 i = 0; i < env->pools; i++) {
		pools[i] = (struct xdp_lab_pool){ .pool = env->pool[i], .table = { env->row[i] } };
		pools[i].pool.slots = 0;
		for (__u32 b = 0; b < env->backends; b++)
			if (env->backend[b].pool == i && env->backend[b].slot >= pools[i].pool.slots)
				pools[i].pool.slots = (__u16)(env->backend[b].slot + 1);
		for (int kind = 0; kind < SL_FLOW_KIND_COUNT; kind++) {
			pools[i].pool.idle_s[kind] = IDLE_S;
			pools[i].table[SL_TABLE_BASE_TCP + kind] = env->base[kind];
			pools[i].table[SL_TABLE_LENS_TCP + kind] = env->lens[kind];
		}
	}
	return env->pools;
}

static void publish(struct sl_env *env, __u32 reply_rate)
{
	struct xdp_lab_pool pools[ENV_MAX];
	struct xdp_lab_world world = {
		.settings = env->settings, .ports = env->port, .neighbors = env->neighbor, .backends = env->backend,
		.pools = pools, .services = env->service, .listeners = env->listener, .vips = env->vip,
		.port_count = env->ports, .neighbor_count = env->neighbors, .backend_count = env->backends,
		.pool_count = pools_of(env, pools), .service_count = env->services, .listener_count = env->listeners,
		.vip_count = env->vips,
	};

	world.settings.reply_rate = reply_rate;
	assert_int_equal(xdp_lab_publish(test.lab, &world), 0);
}

/* What the case says is remembered of its packet's connection, whose tag the reference found. */
static void remember(const struct packet_case *c)
{
	const struct sluice_bpf *object = xdp_lab_object(test.lab);
	struct sl_xdp_flow flow = {
		.tag = test.want.tag, .pool = test.want.pool, .seen_s = (__u16)(NOW_S - c->age_s),
		.born_s = (__u16)(NOW_S - c->age_s),
		.slot = (__u16)(c->remembered | (c->remembered_flags & SL_FLOW_IS_CLOSING ? SL_FLOW_CLOSING : 0)),
	};

	bpf_map_delete_elem(bpf_map__fd(object->maps.flows), &flow.tag); /* what frames before left */
	bpf_map_delete_elem(bpf_map__fd(object->maps.starts), &flow.tag);
	if (c->remembered != SL_SLOT_NONE && test.want.looks)
		assert_int_equal(xdp_lab_flow_put(test.lab, &flow, !(c->remembered_flags & SL_FLOW_IS_UNCONFIRMED)), 0);
	xdp_lab_live(test.lab)->full = (__u64)c->pressure;
	for (__u64 tag = 1; c->full && tag <= FLOWS; tag++) {
		flow.tag = tag;
		xdp_lab_flow_put(test.lab, &flow, true);
	}
}

/* ---- comparing ---------------------------------------------------------------------------------------- */

static void compare_memory(const struct packet_case *c, const struct xdp_lab_result *got,
			   const struct xdp_lab_counts *before)
{
	struct xdp_lab_counts after;
	struct sl_xdp_flow flow;
	bool confirmed = false, there = test.want.looks && xdp_lab_flow(test.lab, test.want.tag, &flow, &confirmed);
	int wanted = c->remembered != SL_SLOT_NONE && test.want.looks && !test.want.deleted;

	assert_int_equal(got->trace.flags & SL_PKT_OPEN ? got->trace.base : -1, test.want.open);
	assert_int_equal(!!(got->trace.flags & SL_PKT_TRACKED), test.want.tracked);
	if (test.want.stored >= 0) {
		wanted = 1;
		assert_true(there);
		assert_int_equal(flow.slot & SL_ROW_SLOT, test.want.stored);
		assert_int_equal(!confirmed, !!(test.want.stored_flags & SL_FLOW_IS_UNCONFIRMED));
		assert_int_equal(!!(flow.slot & SL_FLOW_CLOSING), !!(test.want.stored_flags & SL_FLOW_IS_CLOSING));
	}
	assert_int_equal(there, wanted);
	if (test.want.refreshed >= 0) {
		/* the cases' memory has room for what it remembers already; here a start's is another one */
		const int flags = c->full && c->remembered_flags & SL_FLOW_IS_UNCONFIRMED ? c->remembered_flags
											  : test.want.refreshed;

		assert_int_equal(flow.seen_s, NOW_S);
		assert_int_equal(!!(flow.slot & SL_FLOW_CLOSING), !!(flags & SL_FLOW_IS_CLOSING));
		assert_int_equal(!confirmed, !!(flags & SL_FLOW_IS_UNCONFIRMED));
	}
	assert_int_equal(xdp_lab_counts(test.lab, &after), 0);
	for (int i = 0; i < SL_FLOW_COUNT_COUNT; i++)
		if (after.flow[i] - before->flow[i] != test.want.counts[i] && !(i == SL_FLOW_COUNT_REFUSED && c->full))
			fail_msg("flow counter %s: wanted %llu, got %llu", sl_flow_counter_name(i),
				 (unsigned long long)test.want.counts[i], (unsigned long long)(after.flow[i] - before->flow[i]));
	assert_int_equal(after.verdict[got->verdict] - before->verdict[got->verdict], 1);
}

static void compare(const struct packet_case *c, const struct xdp_lab_result *got)
{
	assert_string_equal(sl_verdict_name(got->verdict), sl_verdict_name(test.want.verdict));
	assert_int_equal(got->leaves, test.want.leaves);
	if (!got->leaves)
		assert_int_equal(got->action, got->verdict == SL_VERDICT_TO_KERNEL ? XDP_PASS : XDP_DROP);
	if (got->leaves) {
		assert_int_equal(got->out_port, test.want.out_port);
		assert_int_equal(got->action, test.want.out_port == c->port ? XDP_TX : XDP_REDIRECT);
		assert_int_equal(got->len, test.want.len);
		assert_memory_equal(got->frame, test.want.frame, got->len);
	} else if (got->verdict != SL_VERDICT_DROP_NO_ROOM) {
		assert_int_equal(got->len, c->in_len);
		assert_memory_equal(got->frame, c->in, got->len);
	}
	if (c->slot >= 0)
		assert_int_equal(got->trace.slot, test.want.slot);
}

/* ---- running ------------------------------------------------------------------------------------------ */

static void leave_out(enum reason reason)
{
	test.left_out[reason]++;
	skip();
}

/* The frames that came before the case's own, in the same world; what is remembered is of each one's connection. */
static void run_before(const struct packet_case *c)
{
	struct packet_case before = *c;
	struct xdp_lab_result got;

	for (int i = 0; i < c->befores; i++) {
		before.befores = i;
		before.in = c->before[i].frame;
		before.in_len = before.readable = c->before[i].len;
		packet_case_run(&before, 0, &test.want);
		remember(&before);
		assert_int_equal(xdp_lab_run(test.lab, c->port, UINT32_MAX, before.in, before.in_len, &got), 0);
		assert_string_equal(sl_verdict_name(got.verdict), sl_verdict_name(test.want.verdict));
	}
}

/*
 * The cases' memory is full for everything that is put there. A map has room all the same for a start, and to put
 * another value in the place of one: REASON_COUNT: the case puts none of these.
 */
static enum reason finds_room(const struct packet_case *c)
{
	struct packet_case roomy = *c;

	roomy.full = 0;
	packet_case_run(&roomy, 0, &test.want);
	if (!c->full || test.want.stored < 0)
		return REASON_COUNT;
	if (test.want.stored_flags & SL_FLOW_IS_UNCONFIRMED)
		return STARTS_FULL;
	return c->remembered == SL_SLOT_NONE || c->remembered_flags & SL_FLOW_IS_UNCONFIRMED ? REASON_COUNT : OWN_ROOM;
}

static void run(void **state)
{
	struct packet_case c = *(const struct packet_case *)*state;
	struct xdp_lab_counts before;
	struct xdp_lab_result got;
	enum reason room;
	int err;

	test.summed += c.flags != 0; /* no NIC says that a checksum is right */
	test.unsplit += c.splits != 0; /* and one frame is one frame */
	c.flags = 0;
	c.splits = 0;
	if (c.in_len < XDP_LAB_FRAME_MIN)
		leave_out(TOO_SHORT);
	room = finds_room(&c);
	if (room != REASON_COUNT)
		leave_out(room);
	packet_case_configure(&c, &test.env);
	assert_int_equal(xdp_lab_forget(test.lab), 0);
	publish(&test.env, UINT32_MAX);
	run_before(&c);
	if (c.replies == 0)
		publish(&test.env, 0);
	packet_case_run(&c, 0, &test.want);
	remember(&c);
	assert_int_equal(xdp_lab_counts(test.lab, &before), 0);
	err = xdp_lab_run_buffers(test.lab, c.port, c.headroom < SL_OUTER_MAX ? c.headroom : UINT32_MAX, c.readable, c.in,
				  c.in_len, &got);
	if (err == -ERANGE)
		leave_out(TOO_LONG);
	if (err == -EOPNOTSUPP)
		leave_out(NO_BUFFERS);
	assert_int_equal(err, 0);
	test.asked++;
	compare(&c, &got);
	compare_memory(&c, &got, &before);
}

static size_t load(const char *path, struct CMUnitTest *tests, size_t count)
{
	FILE *file = fopen(path, "r");
	int line = 0, got = 1;

	if (!file) {
		fprintf(stderr, "%s: cannot be opened\n", path);
		exit(1);
	}
	while (count < CASES_MAX && got > 0) {
		struct packet_case *c = malloc(sizeof(*c));

		got = packet_case_read(file, c, &line);
		if (got > 0)
			tests[count++] = (struct CMUnitTest){ .name = c->name, .test_func = run, .initial_state = c };
		if (got <= 0) {
			packet_case_free(c);
			free(c);
		}
	}
	fclose(file);
	if (got < 0) {
		fprintf(stderr, "%s:%d: no such key, or a value that is no number or not hexadecimal\n", path, line);
		exit(1);
	}
	return count;
}

int main(int argc, char **argv)
{
	const struct xdp_lab_options options = { .services = ENV_MAX, .pools = ENV_MAX, .backends = ENV_BACKENDS_MAX,
						 .flows = FLOWS, .starts = 1024, .datagrams = 1024, .frags = true };
	struct CMUnitTest *tests = calloc(CASES_MAX, sizeof(*tests));
	char error[600];
	size_t count = 0;
	int failed;

	if (geteuid() != 0) {
		fprintf(stderr, "skipped: loading an XDP program needs root\n");
		return 77;
	}
	if (xdp_lab_create(&options, &test.lab, error, sizeof(error)) < 0) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	xdp_lab_clock(test.lab, NOW_S * 1000000000ull);
	for (int i = 1; i < argc; i++)
		count = load(argv[i], tests, count);
	failed = _cmocka_run_group_tests("packet_xdp", tests, count, NULL, NULL);
	printf("%u of %zu cases asked, %u of them without a NIC that has verified checksums, %u without splitting\n",
	       test.asked, count, test.summed, test.unsplit);
	for (int i = 0; i < REASON_COUNT; i++)
		printf("%u not asked: %s\n", test.left_out[i], reasons[i]);
	for (size_t i = 0; i < count; i++) {
		packet_case_free(tests[i].initial_state);
		free(tests[i].initial_state);
	}
	free(tests);
	xdp_lab_destroy(test.lab);
	return failed != 0;
}
