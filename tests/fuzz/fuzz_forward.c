/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any frame through all stages of the forwarding core. ASan and UBSan see reads past it; what is
 * asserted here is what they cannot see. The first four bytes of the input set the situation,
 * frames that came before may follow.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sluice/core/forward.h"
#include "tests/packet/case.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, so that the fuzzer keeps the input, when `holds` is false. */
static void must(int holds)
{
	if (!holds)
		abort();
}

static void check(const struct packet_case *c, const struct packet_result *got)
{
	must(got->verdict < SL_VERDICT_COUNT);
	must(!got->touched);
	if (!got->leaves) {
		must(got->len == 0);
		return;
	}
	must(got->len >= 34 && got->len <= c->in_len + 48 + (__u32)got->splits * SL_SPLIT_FRONT_MAX);
	must(got->frame[0] != 0xff || got->verdict == SL_VERDICT_FORWARD);
	if (got->verdict == SL_VERDICT_ECHO_REPLY)
		must(got->len == c->in_len && got->out_port == c->port);
}

/* Frames that came before, as fragments do: each has its length in front, two bytes. */
static void take_before(struct packet_case *c, int count)
{
	for (; c->befores < count && c->in_len > 2; c->befores++) {
		struct packet_before *before = &c->before[c->befores];
		const __u32 len = (__u32)(c->in[0] << 8 | c->in[1]);

		before->frame = c->in + 2;
		before->len = len < c->in_len - 2 ? len : c->in_len - 2;
		c->in += 2 + before->len;
		c->in_len -= 2 + before->len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct packet_result first, second; /* 140 KB: too much for a stack under ASan */
	struct packet_case c = PACKET_CASE_INIT;

	if (size < 4 || size > 4096)
		return 0;
	c.port = data[0] & 3;
	c.flags = data[0] & 4 ? SL_PKT_IP_CSUM_OK : 0;
	c.remembered = data[0] & 8 ? data[0] >> 4 & 7 : SL_SLOT_NONE;
	c.remembered_flags = data[2] >> 1 & 3;
	c.pressure = data[2] >> 3 & 1;
	c.full = data[2] >> 4 & 1;
	for (int i = 0; i < SL_FLOW_KIND_COUNT; i++) {
		c.base[i].count = data[2] >> 5 & 1;
		c.lens[i].count = data[2] >> 6 & 1;
		for (int row = 0; row < ENV_ROWS_MAX; row++)
			c.base[i].slot[row] = c.lens[i].slot[row] = data[2] >> 7 ? 0 : (__u16)row;
	}
	c.headroom = data[1] & 0x7f;
	c.replies = !(data[1] & 0x80);
	c.in = (__u8 *)(uintptr_t)(data + 4); /* only read */
	c.in_len = (__u32)(size - 4);
	if (!(data[2] & 1))
		take_before(&c, data[3] % (CASE_BEFORE_MAX + 1));
	c.splits = data[2] & 2;
	c.readable = data[2] & 1 && data[3] < c.in_len ? data[3] : c.in_len;
	packet_case_run(&c, 0x00, &first);
	packet_case_run(&c, 0xa5, &second);
	check(&c, &first);
	must(first.verdict == second.verdict && first.len == second.len);
	must(!first.len || !memcmp(first.frame, second.frame, first.len));
	must(first.out_port == second.out_port || !first.len);
	return 0;
}
