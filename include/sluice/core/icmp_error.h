/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP errors about our traffic. Those to a VIP are about what its backends send: they go to the backend of
 * the connection they quote. Those to a tunnel's outer source are about what we send: too big is told to the
 * client. Everything is judged before anything leaves: checksum, quoted headers, MTU.
 */
#ifndef SLUICE_CORE_ICMP_ERROR_H
#define SLUICE_CORE_ICMP_ERROR_H

#include "env.h"
#include "quote.h"

enum {
	SL_ICMP_ERROR_MAX = 1280, /* bytes of the whole packet: RFC 4443 2.4 (c); IPv4 says 576, RFC 1812 4.3.2.3 */
};

/* The sum of `len` bytes at `from`, as far as an answer can quote them; zero only when all are zero. */
SL_INLINE __u64 sl_icmp_sum(struct sl_env *env, const struct sl_packet *pkt, __u32 from, __u32 len)
{
#ifdef __bpf__
	return sl_env_sum(env, pkt, from, len);
#else
	const __u8 *bytes;
	__u64 sum = 0;

	(void)env;
	for (; len >= 4 && (bytes = sl_cursor(pkt, from, 4)); from += 4, len -= 4)
		sum += sl_csum_words(bytes, 4);
	for (__u32 i = 0; i < len && (bytes = sl_cursor(pkt, from + i, 1)); i++)
		sum += (__u64)*bytes << (i % 2 * 8); /* little endian: the first byte of a word is the low one */
	return sum;
#endif
}

/* sl_quote_read, in BPF in a function of its own. */
SL_INLINE enum sl_verdict sl_icmp_quote(struct sl_env *env, const struct sl_packet *pkt, __u32 at, int v6,
					struct sl_quote *quote)
{
#ifdef __bpf__
	return (enum sl_verdict)sl_env_quote(env, pkt, at, v6, quote);
#else
	(void)env;
	return sl_quote_read(pkt, at, v6, quote);
#endif
}

/* True for the errors that a host may act on: unreachable, too big, time exceeded, parameter problem. */
SL_INLINE int sl_icmp_is_useful(const struct sl_packet *pkt)
{
	const __u8 type = pkt->icmp_type;

	if (pkt->flags & SL_PKT_V6)
		return type >= SL_ICMPV6_UNREACHABLE && type <= SL_ICMPV6_PARAMETER;
	return type == SL_ICMP_UNREACHABLE || type == SL_ICMP_TIME_EXCEEDED || type == SL_ICMP_PARAMETER;
}

SL_INLINE int sl_icmp_is_too_big(const struct sl_packet *pkt)
{
	if (pkt->flags & SL_PKT_V6)
		return pkt->icmp_type == SL_ICMPV6_TOO_BIG;
	return pkt->icmp_type == SL_ICMP_UNREACHABLE && pkt->icmp_code == SL_ICMP_FRAGMENTATION_NEEDED;
}

/*
 * The MTU of a too big is to be smaller than the packet it is about, and no link's is smaller than 68 or 1280
 * bytes. 0 in IPv4 is a router from before RFC 1191, which knows none.
 */
SL_INLINE int sl_icmp_mtu_can_be(const struct sl_packet *pkt, __u32 mtu, __u32 len)
{
	if (pkt->flags & SL_PKT_V6)
		return mtu >= SL_IPV6_MTU_MIN && mtu < len;
	return !mtu || (mtu >= SL_IPV4_MTU_MIN && mtu < len);
}

/* What holds for every error that is acted on: FORWARD, and *quote and, of a too big, pkt->mtu are set. */
SL_INLINE enum sl_verdict sl_icmp_judge(struct sl_env *env, struct sl_packet *pkt, struct sl_quote *quote)
{
	const struct sl_icmp *icmp = (const struct sl_icmp *)sl_cursor(pkt, pkt->l4, SL_ICMP_LEN);
	const __u32 len = pkt->l3 + (__u32)pkt->ip_len - pkt->l4;
	__u64 sum;
	__u32 mtu;

	if (!icmp || pkt->ip_len > SL_ICMP_ERROR_MAX)
		return SL_VERDICT_DROP_ICMP_QUOTE;
	mtu = pkt->flags & SL_PKT_V6 ? sl_bswap32(icmp->rest) : sl_bswap32(icmp->rest) & 0xffff;
	sum = sl_icmp_sum(env, pkt, pkt->l4, len);
	if (pkt->flags & SL_PKT_V6)
		sum += sl_csum_pseudo(&pkt->key.src, &pkt->key.dst, SL_PROTO_ICMPV6, len);
	if (sl_csum_fold(sum) != 0xffff)
		return SL_VERDICT_DROP_ICMP_CHECKSUM;
	if (sl_icmp_quote(env, pkt, pkt->l4 + SL_ICMP_LEN, pkt->flags & SL_PKT_V6, quote) != SL_VERDICT_FORWARD)
		return SL_VERDICT_DROP_ICMP_QUOTE;
	if (!sl_icmp_is_too_big(pkt))
		return SL_VERDICT_FORWARD;
	if (!sl_icmp_mtu_can_be(pkt, mtu, quote->len))
		return SL_VERDICT_DROP_ICMP_MTU;
	pkt->mtu = mtu;
	return SL_VERDICT_FORWARD;
}

/* The service whose connection is quoted; key becomes that connection's, as its client's packets have it. */
SL_INLINE enum sl_verdict sl_icmp_connection(struct sl_env *env, struct sl_packet *pkt, const struct sl_quote *quote)
{
	const struct sl_udp *ports = sl_quote_ports(pkt, quote);

	if (quote->is_later)
		return SL_VERDICT_DROP_ICMP_FRAGMENT;
	if (quote->proto != SL_PROTO_TCP && quote->proto != SL_PROTO_UDP)
		return SL_VERDICT_DROP_ICMP_ERROR;
	if (!ports)
		return SL_VERDICT_DROP_ICMP_QUOTE;
	pkt->service = sl_env_service(env, &quote->src, ports->sport, quote->proto);
	if (!pkt->service)
		return SL_VERDICT_DROP_ICMP_ERROR;
	pkt->key.src = quote->dst;
	pkt->key.sport = ports->dport;
	pkt->key.dport = ports->sport;
	pkt->key.proto = quote->proto;
	pkt->flags |= SL_PKT_QUOTED;
	return SL_VERDICT_FORWARD;
}

/* An ICMP error to a VIP. FORWARD: service and key are those of the connection it quotes, go on with select. */
SL_RARE enum sl_verdict sl_icmp_error(struct sl_env *env, struct sl_packet *pkt)
{
	struct sl_quote quote = { 0 }; /* older verifiers give no function what was never written */
	enum sl_verdict verdict;

	if (!sl_icmp_is_useful(pkt))
		return SL_VERDICT_DROP_ICMP_ERROR;
	verdict = sl_icmp_judge(env, pkt, &quote);
	if (verdict != SL_VERDICT_FORWARD)
		return verdict;
	if (!sl_addr_equal(&quote.src, &pkt->key.dst))
		return SL_VERDICT_DROP_ICMP_ERROR;
	verdict = sl_icmp_connection(env, pkt, &quote);
	if (verdict == SL_VERDICT_DROP_ICMP_ERROR && pkt->vip->otherwise == SL_OTHERWISE_KERNEL)
		return SL_VERDICT_TO_KERNEL; /* the kernel's own service there sent what is quoted */
	return verdict;
}

/* What a client may send where `mtu` bytes get through with `overhead` bytes of ours. 0: an IPv4 router did not say. */
SL_INLINE __u32 sl_icmp_inner_mtu(__u32 mtu, __u32 overhead, int v6)
{
	const __u32 least = v6 ? SL_IPV6_MTU_MIN : SL_IPV4_MTU_MIN;

	if (!mtu && !v6)
		return 0;
	return mtu < least + overhead ? least : mtu - overhead;
}

/* The client's packet that an outer header holds: pkt becomes it, as far as it is quoted. */
SL_INLINE enum sl_verdict sl_icmp_client(struct sl_env *env, struct sl_packet *pkt, struct sl_quote *quote)
{
	const __u32 overhead = quote->l4 - quote->at, end = pkt->l3 + (__u32)pkt->ip_len;
	const int v6 = quote->proto == SL_PROTO_IPV6;
	const struct sl_udp *ports;

	if (quote->l4 > SL_HEADERS_MAX || sl_icmp_quote(env, pkt, quote->l4, v6, quote) != SL_VERDICT_FORWARD)
		return SL_VERDICT_DROP_ICMP_QUOTE;
	if (quote->is_later)
		return SL_VERDICT_DROP_ICMP_FRAGMENT;
	if (quote->proto != SL_PROTO_TCP && quote->proto != SL_PROTO_UDP)
		return SL_VERDICT_DROP_TUNNEL_ERROR;
	ports = sl_quote_ports(pkt, quote);
	if (!ports)
		return SL_VERDICT_DROP_ICMP_QUOTE;
	pkt->mtu = sl_icmp_inner_mtu(pkt->mtu, overhead, v6);
	if (pkt->mtu >= quote->len || !sl_env_service(env, &quote->dst, ports->dport, quote->proto))
		return SL_VERDICT_DROP_TUNNEL_ERROR;
	pkt->key.src = quote->src;
	pkt->key.dst = quote->dst;
	pkt->flags = (__u16)(v6 ? pkt->flags | SL_PKT_V6 : pkt->flags & ~SL_PKT_V6);
	pkt->l3 = (__u16)quote->at;
	pkt->ip_len = (__u16)(end - quote->at < quote->len ? end - quote->at : quote->len);
	return SL_VERDICT_RELAY_TOO_BIG;
}

/*
 * A packet that is not to a VIP. TO_KERNEL, unless it is an ICMP error about one of our tunnels' packets; with
 * RELAY_TOO_BIG, still to be planned, pkt is the client's packet in the quote. Of the other errors the client
 * learns nothing: they say that a backend is away, which its checks find out.
 */
SL_RARE enum sl_verdict sl_icmp_tunnel(struct sl_env *env, struct sl_packet *pkt)
{
	struct sl_quote quote = { 0 }; /* older verifiers give no function what was never written */
	enum sl_verdict verdict;

	if (sl_likely(!sl_quote_is_tunnel(pkt)) || !sl_env_is_outer_source(env, &pkt->key.dst))
		return SL_VERDICT_TO_KERNEL;
	if (!sl_icmp_is_too_big(pkt))
		return SL_VERDICT_DROP_TUNNEL_ERROR;
	verdict = sl_icmp_judge(env, pkt, &quote);
	return verdict == SL_VERDICT_FORWARD ? sl_icmp_client(env, pkt, &quote) : verdict;
}

#endif
