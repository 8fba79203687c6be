/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a frame: for backend-check, of which one byte says the question, and as a tunnel packet.
 * What is found inside a tunnel lies within the frame.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sluicectl/backend_frame.h"

#include "sluice/core/decap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The addresses of the corpus: its IPv4 and IPv6 balancer, backend and VIP. */
static const struct sl_addr balancer[2] = {{.b = {[10] = 0xff, 0xff, 198, 51, 100, 1}},
					   {.b = {0x20, 1, 0xd, 0xb8, 0, 1, [15] = 1}}};
static const struct sl_addr backend[2] = {{.b = {[10] = 0xff, 0xff, 198, 51, 100, 21}},
					  {.b = {0x20, 1, 0xd, 0xb8, 0, 1, [15] = 0x21}}};
static const struct sl_addr vip[2] = {{.b = {[10] = 0xff, 0xff, 192, 0, 2, 10}},
				      {.b = {0x20, 1, 0xd, 0xb8, [15] = 0x10}}};

static void unwrap(uint8_t *frame, size_t size)
{
	struct sl_packet pkt = {.data = frame, .end = frame + size, .frame_len = (uint32_t)size};
	struct sl_quote inner;

	if (sl_decap_outer(&pkt) != SL_DECAP_IS_TUNNEL || sl_decap_inner(&pkt, pkt.l4, &inner))
		return;
	if (inner.at + inner.len > size || inner.at <= pkt.l3 || sl_decap_carry_mark(&pkt, &inner) > 1)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t choice = size > 0 ? data[0] : 0;
	const size_t inner = choice >> 1 & 1, outer = choice >> 2 & 1;
	const struct frame_way way = {.mtu = 1500,
				      .mode = choice & 1 ? SL_MODE_IPIP : SL_MODE_L2,
				      .outer_src = balancer[outer],
				      .outer_dst = backend[outer]};
	const struct frame_question question = {.kind = (enum frame_kind)((choice >> 3) % (FRAME_NEIGHBOR + 1)),
						.from = balancer[inner],
						.vip = vip[inner],
						.sport = 40000,
						.dport = 80,
						.number = 7};
	const size_t len = size > 0 ? size - 1 : 0;
	uint8_t *frame = malloc(len > 0 ? len : 1); /* exactly as long as it says, for the sanitizer */
	uint32_t mtu;

	if (frame == NULL || size == 0) {
		free(frame);
		return 0;
	}
	memcpy(frame, data + 1, len);
	if (frame_read(&way, &question, frame, len, &mtu) > FRAME_IS_UNREACHABLE)
		abort();
	unwrap(frame, len);
	free(frame);
	return 0;
}
