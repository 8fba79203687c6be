/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The frames of backend-check: what is built is what the core's other end unwraps, and what comes back
 * is taken for an answer only where it is one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sluicectl/backend_frame.h"

#include "sluice/core/decap.h"

static struct sl_addr address(const char *text)
{
	struct sl_addr addr;
	struct in_addr four;

	if (inet_pton(AF_INET, text, &four) == 1)
		return sl_addr_from_v4(four.s_addr);
	assert_int_equal(inet_pton(AF_INET6, text, addr.b), 1);
	return addr;
}

static struct frame_way way_of(enum sl_mode mode, bool outer_v4)
{
	return (struct frame_way){.own_mac = {2, 0, 0, 0, 0, 1},
				  .next_mac = {2, 0, 0, 0, 0, 0x15},
				  .mtu = 1500,
				  .mode = mode,
				  .outer_src = address(outer_v4 ? "198.51.100.1" : "2001:db8:1::1"),
				  .outer_dst = address(outer_v4 ? "198.51.100.21" : "2001:db8:1::21")};
}

static struct frame_question question_of(enum frame_kind kind, bool v4)
{
	return (struct frame_question){.kind = kind,
				       .sport = 40000,
				       .dport = 80,
				       .number = 0x01020304,
				       .from = address(v4 ? "198.51.100.1" : "2001:db8:1::1"),
				       .vip = address(v4 ? "192.0.2.10" : "2001:db8::10")};
}

static struct sl_packet packet_of(uint8_t *frame, size_t len, struct sl_plan *plan)
{
	return (struct sl_packet){.data = frame, .end = frame + len, .frame_len = (uint32_t)len, .plan = plan};
}

/* The transport checksum of a parsed packet that is whole; 0xffff when it is right. */
static uint16_t transport_sum(struct sl_packet *pkt)
{
	const uint32_t len = pkt->l3 + (uint32_t)pkt->ip_len - pkt->l4;
	uint64_t sum = pkt->proto == SL_PROTO_ICMP ? 0 : sl_csum_pseudo(&pkt->key.src, &pkt->key.dst, pkt->proto, len);

	for (uint32_t at = 0; at < len; at++)
		sum += at % 2 ? (uint32_t)pkt->data[pkt->l4 + at] << 8 : pkt->data[pkt->l4 + at];
	return sl_csum_fold(sum);
}

static void a_question_is_what_the_other_end_unwraps(void **state)
{
	static const enum frame_kind kinds[] = {FRAME_SYN, FRAME_RST, FRAME_DATAGRAM, FRAME_ECHO};
	static uint8_t buf[FRAME_MAX];

	(void)state;
	for (int i = 0; i < 32; i++) { /* kind, inner and outer family, smallest and largest */
		const bool inner_v4 = i & 4, outer_v4 = i & 8, full = i & 16;
		const struct frame_way way = way_of(SL_MODE_IPIP, outer_v4);
		struct frame_question question = question_of(kinds[i & 3], inner_v4);
		struct sl_plan plan;
		struct sl_packet pkt;
		struct sl_quote inner = {.at = 0};
		uint8_t *frame;
		int len;

		question.len = full ? frame_len_max(&way) : 0;
		len = frame_build(&way, &question, buf, &frame);
		assert_true(len > 0 && len <= SL_ETH_LEN + way.mtu);
		assert_true(!full || len == SL_ETH_LEN + way.mtu);
		pkt = packet_of(frame, (size_t)len, &plan);
		assert_memory_equal(frame, way.next_mac, 6);
		assert_memory_equal(frame + 6, way.own_mac, 6);
		assert_int_equal(sl_decap_outer(&pkt), SL_DECAP_IS_TUNNEL);
		assert_true(sl_addr_equal(&pkt.key.src, &way.outer_src) && sl_addr_equal(&pkt.key.dst, &way.outer_dst));
		assert_int_equal(sl_decap_inner(&pkt, pkt.l4, &inner), 0);
		assert_true(sl_addr_equal(&inner.src, &question.from) && sl_addr_equal(&inner.dst, &question.vip));
		memmove(frame + inner.at - SL_ETH_LEN, frame, 12); /* what decap.bpf.c does */
		((struct sl_eth *)(frame + inner.at - SL_ETH_LEN))->type = sl_decap_ethertype(&pkt);
		pkt = packet_of(frame + inner.at - SL_ETH_LEN, (size_t)len + SL_ETH_LEN - inner.at, &plan);
		assert_int_equal(sl_parse(&pkt), SL_VERDICT_FORWARD);
		assert_int_equal(pkt.l4_verdict, SL_VERDICT_FORWARD);
		assert_int_equal(transport_sum(&pkt), 0xffff);
	}
}

static void a_question_in_l2_is_the_clients_packet(void **state)
{
	static uint8_t buf[FRAME_MAX];
	const struct frame_way way = way_of(SL_MODE_L2, true);
	struct frame_question question = question_of(FRAME_SYN, true);
	struct sl_plan plan;
	struct sl_packet pkt;
	uint8_t *frame;
	int len = frame_build(&way, &question, buf, &frame);

	(void)state;
	assert_int_equal(len, SL_ETH_LEN + SL_IPV4_LEN + SL_TCP_LEN);
	pkt = packet_of(frame, (size_t)len, &plan);
	assert_int_equal(sl_parse(&pkt), SL_VERDICT_FORWARD);
	assert_int_equal(pkt.tcp_flags, SL_TCP_SYN);
	assert_true(sl_addr_equal(&pkt.key.dst, &question.vip));
	question.len = way.mtu + 1;
	assert_int_equal(frame_build(&way, &question, buf, &frame), -EMSGSIZE);
	question.len = UINT32_MAX;
	assert_int_equal(frame_build(&way, &question, buf, &frame), -EMSGSIZE);
}

static void asking_for_the_neighbour_reaches_the_backend_alone(void **state)
{
	static const uint8_t arp[] = {8, 6,   0,  1,   8, 0, 6, 4, 0, 1, 2, 0,   0, 0, 0,
				      1, 198, 51, 100, 1, 0, 0, 0, 0, 0, 0, 192, 0, 2, 10};
	static uint8_t buf[FRAME_MAX];
	const struct frame_way way = way_of(SL_MODE_L2, true);
	struct frame_question question = question_of(FRAME_NEIGHBOR, true);
	struct sl_plan plan;
	struct sl_packet pkt;
	uint8_t *frame;
	int len = frame_build(&way, &question, buf, &frame);

	(void)state;
	assert_int_equal(len, 42);
	assert_memory_equal(frame, way.next_mac, 6);
	assert_memory_equal(frame + 12, arp, sizeof(arp));
	question = question_of(FRAME_NEIGHBOR, false);
	len = frame_build(&way, &question, buf, &frame);
	pkt = packet_of(frame, (size_t)len, &plan);
	assert_int_equal(sl_parse(&pkt), SL_VERDICT_FORWARD);
	assert_memory_equal(frame, way.next_mac, 6);
	assert_int_equal(pkt.icmp_type, 135);
	assert_int_equal(frame[SL_ETH_LEN + 7], 255);
	assert_memory_equal(pkt.key.dst.b, "\xff\x02\0\0\0\0\0\0\0\0\0\1\xff\0\0\x10", 16);
	assert_memory_equal(frame + pkt.l4 + 8, question.vip.b, 16);
	assert_int_equal(transport_sum(&pkt), 0xffff);
}

/* An answer: the question of `kind` the other way round, changed by hand. */
static int answer_build(enum frame_kind kind, bool v4, uint8_t *buf, uint8_t **ret_frame)
{
	const struct frame_way way = way_of(SL_MODE_L2, v4);
	const struct frame_question question = question_of(kind, v4);
	const struct frame_question back = {.kind = kind,
					    .from = question.vip,
					    .vip = question.from,
					    .sport = question.dport,
					    .dport = question.sport,
					    .number = question.number};

	return frame_build(&way, &back, buf, ret_frame);
}

static void only_answers_to_the_question_are_answers(void **state)
{
	static uint8_t buf[FRAME_MAX];

	(void)state;
	for (int v4 = 0; v4 <= 1; v4++) {
		const struct frame_way way = way_of(SL_MODE_L2, v4);
		struct frame_question question = question_of(FRAME_SYN, v4);
		const uint32_t l4 = SL_ETH_LEN + (v4 ? SL_IPV4_LEN : SL_IPV6_LEN);
		uint32_t mtu;
		uint8_t *frame;
		int len = answer_build(FRAME_SYN, v4, buf, &frame);

		assert_int_equal(frame_read(&way, &question, frame, (size_t)len, &mtu), FRAME_IS_NOTHING); /* no ACK */
		frame[l4 + 13] = SL_TCP_SYN | SL_TCP_ACK;
		assert_int_equal(frame_read(&way, &question, frame, (size_t)len, &mtu), FRAME_IS_SYN_ACK);
		frame[l4 + 13] = SL_TCP_RST | SL_TCP_ACK;
		assert_int_equal(frame_read(&way, &question, frame, (size_t)len, &mtu), FRAME_IS_RST);
		question.sport++;
		assert_int_equal(frame_read(&way, &question, frame, (size_t)len, &mtu), FRAME_IS_NOTHING);
		question.sport--;
		question.vip.b[15]++;
		assert_int_equal(frame_read(&way, &question, frame, (size_t)len, &mtu), FRAME_IS_NOTHING);
		question = question_of(FRAME_ECHO, v4);
		len = answer_build(FRAME_ECHO, v4, buf, &frame);
		assert_int_equal(frame_read(&way, &question, frame, (size_t)len, &mtu),
				 FRAME_IS_NOTHING); /* a request */
		frame[l4] = v4 ? 0 : 129;
		assert_int_equal(frame_read(&way, &question, frame, (size_t)len, &mtu), FRAME_IS_ECHO);
		question.number++;
		assert_int_equal(frame_read(&way, &question, frame, (size_t)len, &mtu), FRAME_IS_NOTHING);
		for (int cut = 0; cut < len; cut++)
			assert_int_equal(frame_read(&way, &question, frame, (size_t)cut, &mtu), FRAME_IS_NOTHING);
	}
}

/* An ICMP error about the frame of a question, from its destination. Returns its length. */
static size_t error_about(const struct frame_way *way, const struct frame_question *question, bool v4, uint8_t type,
			  uint8_t code, uint32_t rest, uint8_t *to)
{
	static uint8_t buf[FRAME_MAX];
	uint8_t *quoted;
	const size_t len = (size_t)frame_build(way, question, buf, &quoted) - SL_ETH_LEN,
		     ip = v4 ? SL_IPV4_LEN : SL_IPV6_LEN;
	struct sl_eth *eth = (struct sl_eth *)to;
	struct sl_ipv4 *four = (struct sl_ipv4 *)(to + SL_ETH_LEN);
	struct sl_ipv6 *six = (struct sl_ipv6 *)(to + SL_ETH_LEN);
	struct sl_icmp *icmp = (struct sl_icmp *)(to + SL_ETH_LEN + ip);

	memset(to, 0, SL_ETH_LEN + ip + SL_ICMP_LEN);
	eth->type = htons(v4 ? SL_ETH_IPV4 : SL_ETH_IPV6);
	if (v4) {
		*four = (struct sl_ipv4){.version_ihl = 0x45,
					 .ttl = 64,
					 .proto = SL_PROTO_ICMP,
					 .src = htonl(0xc6336415),
					 .dst = htonl(0xc6336401),
					 .len = htons((uint16_t)(ip + SL_ICMP_LEN + len))};
		four->csum = (uint16_t)~sl_csum_fold(sl_csum_words(four, SL_IPV4_LEN));
	} else {
		six->version_tc_label = htonl(6u << 28);
		six->next = SL_PROTO_ICMPV6;
		six->len = htons((uint16_t)(SL_ICMP_LEN + len));
		memcpy(six->src, way->outer_dst.b, 16);
		memcpy(six->dst, question->from.b, 16);
	}
	icmp->type = type;
	icmp->code = code;
	icmp->rest = htonl(rest);
	memcpy((uint8_t *)icmp + SL_ICMP_LEN, quoted + SL_ETH_LEN, len);
	return SL_ETH_LEN + ip + SL_ICMP_LEN + len;
}

static void errors_about_the_question_are_told_apart(void **state)
{
	static const struct {
		bool v4;
		enum sl_mode mode;
		uint8_t type, code;
		enum frame_answer answer;
	} cases[] = {
		{true, SL_MODE_IPIP, 3, 2, FRAME_IS_NO_TUNNEL},    {true, SL_MODE_IPIP, 3, 3, FRAME_IS_NO_TUNNEL},
		{false, SL_MODE_IPIP, 4, 1, FRAME_IS_NO_TUNNEL},   {false, SL_MODE_IPIP, 1, 4, FRAME_IS_NO_TUNNEL},
		{true, SL_MODE_L2, 3, 3, FRAME_IS_PORT_CLOSED},    {false, SL_MODE_L2, 1, 4, FRAME_IS_PORT_CLOSED},
		{true, SL_MODE_IPIP, 3, 4, FRAME_IS_TOO_BIG},      {false, SL_MODE_IPIP, 2, 0, FRAME_IS_TOO_BIG},
		{true, SL_MODE_L2, 3, 4, FRAME_IS_TOO_BIG},        {false, SL_MODE_L2, 2, 0, FRAME_IS_TOO_BIG},
		{true, SL_MODE_L2, 3, 1, FRAME_IS_UNREACHABLE},    {false, SL_MODE_L2, 1, 1, FRAME_IS_UNREACHABLE},
		{true, SL_MODE_IPIP, 3, 13, FRAME_IS_UNREACHABLE}, {true, SL_MODE_L2, 3, 2, FRAME_IS_UNREACHABLE},
	};
	static uint8_t error[FRAME_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct frame_way way = way_of(cases[i].mode, cases[i].v4);
		struct frame_question question = question_of(FRAME_DATAGRAM, cases[i].v4);
		const size_t len = error_about(&way, &question, cases[i].v4, cases[i].type, cases[i].code, 1400, error);
		struct frame_way other = way;
		uint32_t mtu = 0;

		assert_int_equal(frame_read(&way, &question, error, len, &mtu), cases[i].answer);
		assert_int_equal(mtu, cases[i].answer == FRAME_IS_TOO_BIG ? 1400 : 0);
		question.sport++;
		other.outer_dst.b[15]++;
		assert_int_equal(frame_read(&other, &question, error, len, &mtu), FRAME_IS_NOTHING);
	}
}

static void whoever_answers_for_the_vip_is_noticed(void **state)
{
	static uint8_t buf[FRAME_MAX];
	const struct frame_way way = way_of(SL_MODE_L2, true);
	struct frame_question question = question_of(FRAME_NEIGHBOR, true);
	uint8_t *frame;
	uint32_t mtu;
	int len = frame_build(&way, &question, buf, &frame);

	(void)state;
	assert_int_equal(frame_read(&way, &question, frame, (size_t)len, &mtu), FRAME_IS_NOTHING); /* a request */
	frame[21] = 2;
	memcpy(frame + 28, frame + 38, 4);
	assert_int_equal(frame_read(&way, &question, frame, (size_t)len, &mtu), FRAME_IS_NEIGHBOR);
	frame[31]++;
	assert_int_equal(frame_read(&way, &question, frame, (size_t)len, &mtu), FRAME_IS_NOTHING);
	question = question_of(FRAME_NEIGHBOR, false);
	len = frame_build(&way, &question, buf, &frame);
	assert_int_equal(frame_read(&way, &question, frame, (size_t)len, &mtu), FRAME_IS_NOTHING);
	frame[SL_ETH_LEN + SL_IPV6_LEN] = 136;
	assert_int_equal(frame_read(&way, &question, frame, (size_t)len, &mtu), FRAME_IS_NEIGHBOR);
	frame[SL_ETH_LEN + SL_IPV6_LEN + 23]++;
	assert_int_equal(frame_read(&way, &question, frame, (size_t)len, &mtu), FRAME_IS_NOTHING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_is_what_the_other_end_unwraps),
		cmocka_unit_test(a_question_in_l2_is_the_clients_packet),
		cmocka_unit_test(asking_for_the_neighbour_reaches_the_backend_alone),
		cmocka_unit_test(only_answers_to_the_question_are_answers),
		cmocka_unit_test(errors_about_the_question_are_told_apart),
		cmocka_unit_test(whoever_answers_for_the_vip_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
