/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Questions are built as a client's packet and rewritten by the core, so that they are what the data
 * plane would send; answers are read by the core's parser.
 */
#include "backend_frame.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* This home has no tables: most of the seam is never asked for. gcc judges that at the end of the file. */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "sluice/core/env.h"

/* The seam, as far as rewriting reaches through it. */
struct sl_env {
	struct sl_settings settings;
};

SL_INLINE const struct sl_settings *sl_env_settings(struct sl_env *env)
{
	return &env->settings;
}

SL_INLINE int sl_env_splits(struct sl_env *env)
{
	(void)env;
	return 0;
}

#include "sluice/core/parse.h"
#include "sluice/core/quote.h"
#include "sluice/core/rewrite_ipip.h"
#include "sluice/core/rewrite_l2.h"

enum {
	HEADROOM = 64, /* for the outer header; keeps the IP header aligned */
	ETH_ARP = 0x0806,
	ARP_LEN = 28,
	ARP_REQUEST = 1,
	ARP_REPLY = 2,
	ND_SOLICIT = 135, /* RFC 4861 4.3 */
	ND_ADVERTISE = 136,
	ND_LEN = 24,
	PROBLEM_NEXT_HEADER = 1, /* of SL_ICMPV6_PARAMETER: nobody knows what is inside */
	UNREACHABLE_PROTOCOL = 2,
};

/* RFC 826, Ethernet and IPv4. */
struct arp {
	__be16 hardware, protocol;
	__u8 hardware_len, protocol_len;
	__be16 operation;
	__u8 sender_mac[6];
	__be32 sender;
	__u8 target_mac[6];
	__be32 target;
} __attribute__((packed));
_Static_assert(sizeof(struct arp) == ARP_LEN, "wire format");

uint32_t frame_len_max(const struct frame_way *way)
{
	if (way->mode != SL_MODE_IPIP)
		return way->mtu;
	return way->mtu - (sl_addr_is_v4(&way->outer_dst) ? SL_IPV4_LEN : SL_IPV6_LEN);
}

static uint32_t header_len(enum frame_kind kind)
{
	switch (kind) { /* no default */
	case FRAME_SYN:
	case FRAME_RST: return SL_TCP_LEN;
	case FRAME_DATAGRAM: return SL_UDP_LEN;
	case FRAME_ECHO: return SL_ICMP_LEN;
	case FRAME_NEIGHBOR: return ND_LEN;
	}
	return 0;
}

static uint8_t protocol_of(const struct frame_question *question)
{
	const bool v4 = sl_addr_is_v4(&question->vip);

	if (question->kind == FRAME_SYN || question->kind == FRAME_RST)
		return SL_PROTO_TCP;
	if (question->kind == FRAME_DATAGRAM)
		return SL_PROTO_UDP;
	return v4 ? SL_PROTO_ICMP : SL_PROTO_ICMPV6;
}

/* The complement of the sum over the transport part, whose own field is 0. `bytes` is zero up to a multiple of four. */
static uint16_t transport_checksum(const struct frame_question *question, const struct sl_addr *dst,
				   const uint8_t *bytes, uint32_t len)
{
	const uint8_t proto = protocol_of(question);
	uint64_t sum = proto == SL_PROTO_ICMP ? 0 : sl_csum_pseudo(&question->from, dst, proto, len);
	uint16_t csum;

	for (uint32_t at = 0; at < len; at += 4)
		sum += sl_csum_words(bytes + at, 4);
	csum = (uint16_t)~sl_csum_fold(sum);
	return csum == 0 && proto == SL_PROTO_UDP ? 0xffff : csum;
}

static void write_transport(const struct frame_question *question, const struct sl_addr *dst, uint8_t *bytes,
			    uint32_t len)
{
	struct sl_tcp *tcp = (struct sl_tcp *)bytes;
	struct sl_udp *udp = (struct sl_udp *)bytes;
	struct sl_icmp *icmp = (struct sl_icmp *)bytes;

	switch (question->kind) { /* no default */
	case FRAME_SYN:
	case FRAME_RST:
		tcp->sport = sl_bswap16(question->sport);
		tcp->dport = sl_bswap16(question->dport);
		tcp->seq = sl_bswap32(question->number + (question->kind == FRAME_RST));
		tcp->offset = 5 << 4;
		tcp->flags = question->kind == FRAME_SYN ? SL_TCP_SYN : SL_TCP_RST;
		tcp->window = sl_bswap16(1024);
		tcp->csum = transport_checksum(question, dst, bytes, len);
		break;
	case FRAME_DATAGRAM:
		udp->sport = sl_bswap16(question->sport);
		udp->dport = sl_bswap16(question->dport);
		udp->len = sl_bswap16(len);
		udp->csum = transport_checksum(question, dst, bytes, len);
		break;
	case FRAME_ECHO:
		icmp->type = sl_addr_is_v4(dst) ? SL_ICMP_ECHO : SL_ICMPV6_ECHO;
		icmp->rest = question->number;
		icmp->csum = transport_checksum(question, dst, bytes, len);
		break;
	case FRAME_NEIGHBOR:
		icmp->type = ND_SOLICIT;
		memcpy(bytes + SL_ICMP_LEN, &question->vip, 16);
		icmp->csum = transport_checksum(question, dst, bytes, len);
		break;
	}
}

/* The client's packet, behind HEADROOM, and the Ethernet header's type. Returns the frame's length. */
static uint32_t write_packet(const struct frame_question *question, const struct sl_addr *dst, struct sl_packet *pkt)
{
	const bool v4 = sl_addr_is_v4(dst);
	const uint32_t ip = v4 ? SL_IPV4_LEN : SL_IPV6_LEN;
	const uint32_t least = ip + header_len(question->kind), len = question->len > least ? question->len : least;
	const struct sl_plan_ip conf = {.src = &question->from,
					.dst = dst,
					.payload = len - ip,
					.proto = protocol_of(question),
					.dont_fragment = 1};

	if (v4)
		sl_plan_ipv4(pkt, &conf);
	else
		sl_plan_ipv6(pkt, &conf);
	memcpy(pkt->data + SL_ETH_LEN, pkt->plan->outer + SL_OUTER_IP, ip);
	((struct sl_eth *)pkt->data)->type = v4 ? sl_bswap16(SL_ETH_IPV4) : sl_bswap16(SL_ETH_IPV6);
	write_transport(question, dst, pkt->data + SL_ETH_LEN + ip, len - ip);
	return SL_ETH_LEN + len;
}

static int build_arp(const struct frame_way *way, const struct frame_question *question, uint8_t *frame)
{
	struct sl_eth *eth = (struct sl_eth *)frame;
	struct arp *arp = (struct arp *)(frame + SL_ETH_LEN);

	memcpy(eth->dst, way->next_mac, 6);
	memcpy(eth->src, way->own_mac, 6);
	eth->type = sl_bswap16(ETH_ARP);
	*arp = (struct arp){.hardware = sl_bswap16(1),
			    .protocol = sl_bswap16(SL_ETH_IPV4),
			    .hardware_len = 6,
			    .protocol_len = 4,
			    .operation = sl_bswap16(ARP_REQUEST),
			    .sender = question->from.w[3],
			    .target = question->vip.w[3]};
	memcpy(arp->sender_mac, way->own_mac, 6);
	return SL_ETH_LEN + ARP_LEN;
}

/* To the VIP's solicited-node group (RFC 4291 2.7.1): only who has joined it for this interface looks at it. */
static int build_solicitation(const struct frame_way *way, const struct frame_question *question, struct sl_packet *pkt)
{
	struct sl_addr group = {.b = {0xff, 0x02, [11] = 1, 0xff}};
	struct sl_eth *eth = (struct sl_eth *)pkt->data;
	struct sl_ipv6 *ip = (struct sl_ipv6 *)(pkt->data + SL_ETH_LEN);
	uint32_t len;

	memcpy(group.b + 13, question->vip.b + 13, 3);
	len = write_packet(question, &group, pkt);
	ip->hop_limit = 255; /* RFC 4861 7.1.1 */
	memcpy(eth->dst, way->next_mac, 6);
	memcpy(eth->src, way->own_mac, 6);
	return (int)len;
}

int frame_build(const struct frame_way *way, const struct frame_question *question, uint8_t buf[FRAME_MAX],
		uint8_t **ret_frame)
{
	struct sl_backend backend = {.addr = way->outer_dst, .outer_src = way->outer_src};
	struct sl_neighbor neighbor = {.mtu = way->mtu, .known = 1};
	struct sl_port port = {.mtu = way->mtu};
	struct sl_env env = {.settings = {.reply_rate = 0}};
	struct sl_plan plan = {.grow = 0};
	struct sl_packet pkt = {.data = buf + HEADROOM, .plan = &plan};
	enum sl_verdict verdict;

	if (question->len > FRAME_MAX - HEADROOM - SL_ETH_LEN - 4 || question->len > SL_IP_LEN_MAX - SL_IPV6_LEN)
		return -EMSGSIZE;
	memset(buf, 0, HEADROOM + SL_ETH_LEN + SL_IPV6_LEN + ND_LEN + question->len);
	*ret_frame = pkt.data;
	if (question->kind == FRAME_NEIGHBOR)
		return sl_addr_is_v4(&question->vip) ? build_arp(way, question, pkt.data)
						     : build_solicitation(way, question, &pkt);
	pkt.frame_len = write_packet(question, &question->vip, &pkt);
	pkt.end = pkt.data + pkt.frame_len;
	memcpy(neighbor.mac, way->next_mac, 6);
	memcpy(port.mac, way->own_mac, 6);
	if (sl_parse(&pkt) != SL_VERDICT_FORWARD)
		return -EINVAL;
	pkt.key.src = question->vip; /* the client is this machine, and from its own tunnels' source the core refuses
					packets as a loop */
	pkt.backend = &backend;
	pkt.neighbor = &neighbor;
	verdict = way->mode == SL_MODE_IPIP ? sl_rewrite_ipip(&env, &pkt, &port, way->mtu)
					    : sl_rewrite_l2(&pkt, &port, way->mtu);
	if (verdict != SL_VERDICT_FORWARD)
		return verdict == SL_VERDICT_DROP_TOO_BIG ? -EMSGSIZE : -EINVAL;
	*ret_frame = pkt.data - plan.grow;
	memcpy(*ret_frame, plan.outer + SL_OUTER_IP - SL_ETH_LEN, plan.outer_len);
	return (int)plan.frame_len;
}

/* ---- answers ---- */

static enum frame_answer read_error(const struct frame_way *way, const struct frame_question *question,
				    const struct sl_packet *pkt, uint32_t *ret_mtu)
{
	const bool v6 = (pkt->flags & SL_PKT_V6) != 0;
	const struct sl_icmp *icmp = (const struct sl_icmp *)sl_cursor(pkt, pkt->l4, SL_ICMP_LEN);
	const struct sl_udp *ports;
	struct sl_quote quote;
	bool outer;

	if (!icmp || sl_quote_read(pkt, pkt->l4 + SL_ICMP_LEN, v6, &quote) != SL_VERDICT_FORWARD)
		return FRAME_IS_NOTHING;
	outer = way->mode == SL_MODE_IPIP && (quote.proto == SL_PROTO_IPIP || quote.proto == SL_PROTO_IPV6) &&
		sl_addr_equal(&quote.src, &way->outer_src) && sl_addr_equal(&quote.dst, &way->outer_dst);
	if (!outer && (!sl_addr_equal(&quote.src, &question->from) || !sl_addr_equal(&quote.dst, &question->vip)))
		return FRAME_IS_NOTHING;
	ports = sl_quote_ports(pkt, &quote);
	if (!outer && ports &&
	    (ports->sport != sl_bswap16(question->sport) || ports->dport != sl_bswap16(question->dport)))
		return FRAME_IS_NOTHING;
	if (v6 ? icmp->type == SL_ICMPV6_TOO_BIG
	       : icmp->type == SL_ICMP_UNREACHABLE && icmp->code == SL_ICMP_FRAGMENTATION_NEEDED) {
		*ret_mtu = sl_bswap32(icmp->rest) & (v6 ? 0xffffffff : 0xffff);
		return FRAME_IS_TOO_BIG;
	}
	if (v6 ? icmp->type == SL_ICMPV6_UNREACHABLE && icmp->code == SL_ICMPV6_PORT
	       : icmp->type == SL_ICMP_UNREACHABLE && icmp->code == SL_ICMP_PORT)
		return outer ? FRAME_IS_NO_TUNNEL : FRAME_IS_PORT_CLOSED; /* Linux' tunnel modules say port, too */
	if (v6 ? icmp->type == SL_ICMPV6_PARAMETER && icmp->code == PROBLEM_NEXT_HEADER
	       : icmp->type == SL_ICMP_UNREACHABLE && icmp->code == UNREACHABLE_PROTOCOL)
		return outer ? FRAME_IS_NO_TUNNEL : FRAME_IS_UNREACHABLE;
	return FRAME_IS_UNREACHABLE;
}

static enum frame_answer read_icmp(const struct frame_way *way, const struct frame_question *question,
				   const struct sl_packet *pkt, uint32_t *ret_mtu)
{
	const bool v6 = (pkt->flags & SL_PKT_V6) != 0;
	const struct sl_icmp *icmp = (const struct sl_icmp *)sl_cursor(pkt, pkt->l4, SL_ICMP_LEN);
	const uint8_t *target;

	if (!icmp || pkt->l4_verdict)
		return FRAME_IS_NOTHING;
	if (v6 && icmp->type == ND_ADVERTISE) {
		target = sl_cursor(pkt, pkt->l4 + SL_ICMP_LEN, 16);
		return target && memcmp(target, &question->vip, 16) == 0 ? FRAME_IS_NEIGHBOR : FRAME_IS_NOTHING;
	}
	if (sl_icmp_is_error(pkt))
		return read_error(way, question, pkt, ret_mtu);
	if (icmp->type != (v6 ? SL_ICMPV6_ECHO_REPLY : SL_ICMP_ECHO_REPLY) || icmp->rest != question->number ||
	    !sl_addr_equal(&pkt->key.src, &question->vip) || !sl_addr_equal(&pkt->key.dst, &question->from))
		return FRAME_IS_NOTHING;
	return FRAME_IS_ECHO;
}

static enum frame_answer read_arp(const struct frame_question *question, const struct sl_packet *pkt)
{
	const struct arp *arp = (const struct arp *)sl_cursor(pkt, SL_ETH_LEN, ARP_LEN);

	return arp && arp->operation == sl_bswap16(ARP_REPLY) && sl_addr_is_v4(&question->vip) &&
			       arp->sender == question->vip.w[3]
		       ? FRAME_IS_NEIGHBOR
		       : FRAME_IS_NOTHING;
}

enum frame_answer frame_read(const struct frame_way *way, const struct frame_question *question, uint8_t *frame,
			     size_t len, uint32_t *ret_mtu)
{
	struct sl_plan plan;
	struct sl_packet pkt = {.data = frame, .end = frame + len, .frame_len = (uint32_t)len, .plan = &plan};
	const struct sl_eth *eth = (const struct sl_eth *)sl_cursor(&pkt, 0, SL_ETH_LEN);

	if (eth && eth->type == sl_bswap16(ETH_ARP))
		return read_arp(question, &pkt);
	if (sl_parse(&pkt) != SL_VERDICT_FORWARD || (pkt.flags & SL_PKT_FRAGMENT))
		return FRAME_IS_NOTHING;
	if (pkt.flags & SL_PKT_ICMP)
		return read_icmp(way, question, &pkt, ret_mtu);
	if (pkt.l4_verdict || pkt.proto != protocol_of(question) || !sl_addr_equal(&pkt.key.src, &question->vip) ||
	    !sl_addr_equal(&pkt.key.dst, &question->from) || pkt.key.sport != sl_bswap16(question->dport) ||
	    pkt.key.dport != sl_bswap16(question->sport))
		return FRAME_IS_NOTHING;
	if (pkt.proto == SL_PROTO_UDP)
		return FRAME_IS_DATAGRAM;
	if (pkt.tcp_flags & SL_TCP_RST)
		return FRAME_IS_RST;
	return (pkt.tcp_flags & (SL_TCP_SYN | SL_TCP_ACK)) == (SL_TCP_SYN | SL_TCP_ACK) ? FRAME_IS_SYN_ACK
											: FRAME_IS_NOTHING;
}
