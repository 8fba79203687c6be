/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes of TCP segments, QUIC long and short headers, and plain datagrams. */
#include "frame.h"

#include <arpa/inet.h>
#include <string.h>

#include "sluice/core/checksum.h"
#include "sluice/core/wire.h"

enum { PAYLOAD = 16, IP_AT = SL_ETH_LEN, L4_AT = SL_ETH_LEN + SL_IPV4_LEN };

static uint32_t tcp_write(uint8_t *at, const struct traffic_flow *flow, enum traffic_packet packet)
{
	static const uint8_t flags[] = { SL_TCP_SYN, 0, SL_TCP_ACK, SL_TCP_ACK, SL_TCP_FIN | SL_TCP_ACK };
	struct sl_tcp tcp = { .sport = htons(flow->port), .dport = htons(FRAME_PORT_TCP), .offset = 5 << 4,
			      .flags = flags[packet] };

	memcpy(at, &tcp, SL_TCP_LEN);
	return SL_TCP_LEN + (packet == TRAFFIC_DATA ? PAYLOAD : 0);
}

static uint32_t udp_write(uint8_t *at, const struct traffic_flow *flow, enum traffic_packet packet)
{
	static const uint8_t initial[] = { 0xc3, 0, 0, 0, 1, 8 }, one_rtt[] = { 0x43 };
	const int quic = flow->kind == TRAFFIC_QUIC, start = packet <= TRAFFIC_AGAIN;
	struct sl_udp udp = { .sport = htons(flow->port), .dport = htons(quic ? FRAME_PORT_QUIC : FRAME_PORT_UDP),
			      .len = htons(SL_UDP_LEN + PAYLOAD) };

	memcpy(at, &udp, SL_UDP_LEN);
	if (quic)
		memcpy(at + SL_UDP_LEN, start ? initial : one_rtt, start ? sizeof(initial) : sizeof(one_rtt));
	return SL_UDP_LEN + PAYLOAD;
}

uint32_t frame_make(uint8_t *frame, uint32_t vip, const struct traffic_flow *flow, enum traffic_packet packet)
{
	static const uint8_t ethernet[SL_ETH_LEN] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0 };
	const int tcp = flow->kind <= TRAFFIC_IDLE;
	struct sl_ipv4 ip = { .version_ihl = 0x45, .ttl = 64, .proto = tcp ? SL_PROTO_TCP : SL_PROTO_UDP,
			      .src = htonl(flow->address), .dst = htonl(vip) };
	uint32_t len;

	memset(frame, 0, FRAME_MAX);
	memcpy(frame, ethernet, sizeof(ethernet));
	len = tcp ? tcp_write(frame + L4_AT, flow, packet) : udp_write(frame + L4_AT, flow, packet);
	ip.len = htons((uint16_t)(SL_IPV4_LEN + len));
	ip.csum = (uint16_t)~sl_csum_fold(sl_csum_words(&ip, SL_IPV4_LEN));
	memcpy(frame + IP_AT, &ip, SL_IPV4_LEN);
	return L4_AT + len;
}
