/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Second stage: is the packet ours, and which service is it for? Guards the VIPs: loops, impossible
 * sources and broken transport headers end here; what is not for a VIP is not judged at all.
 */
#ifndef SLUICE_CORE_LOOKUP_H
#define SLUICE_CORE_LOOKUP_H

#include "cursor.h"
#include "env.h"
#include "fragment.h"
#include "icmp.h"

/* A source no client can have: nothing sent to it would arrive, or it would arrive here. */
SL_INLINE int sl_lookup_bad_source(const struct sl_packet *pkt)
{
	const struct sl_addr *src = &pkt->key.src;
	const __u8 first = src->b[12];

	if (sl_addr_equal(src, &pkt->key.dst))
		return 1;
	if (pkt->flags & SL_PKT_V6) {
		if (src->b[0] == 0xff || sl_addr_is_v4(src))
			return 1;
		return src->d[0] == 0 && src->w[2] == 0 && (src->w[3] == 0 || src->w[3] == sl_bswap32(1));
	}
	return first == 0 || first == 127 || (first & 0xf0) == 0xe0 || src->w[3] == 0xffffffffu;
}

/* True when the frame's source is the MAC address of `port`. */
SL_INLINE int sl_lookup_own_mac(const struct sl_packet *pkt, const struct sl_port *port)
{
	const struct sl_eth *eth = (const struct sl_eth *)sl_cursor(pkt, 0, SL_ETH_LEN);

	if (!eth || !port)
		return 0;
	return sl_mac_equal(eth->src, port->mac);
}

/* What the VIP's configuration wants for a packet without a service. */
SL_INLINE enum sl_verdict sl_lookup_no_service(const struct sl_packet *pkt)
{
	switch (pkt->vip->otherwise) {
	case SL_OTHERWISE_KERNEL: return SL_VERDICT_TO_KERNEL;
	case SL_OTHERWISE_REJECT: return SL_VERDICT_REJECT_NO_SERVICE;
	default: return SL_VERDICT_DROP_NO_SERVICE;
	}
}

/* True when ports were read, so that a service can be asked for. */
SL_INLINE int sl_lookup_has_ports(const struct sl_packet *pkt)
{
	return (pkt->proto == SL_PROTO_TCP || pkt->proto == SL_PROTO_UDP) && pkt->l4 && !pkt->l4_verdict;
}

/* A packet that is not to a VIP: the kernel's, or an ICMP error about a tunnel of ours. */
SL_INLINE enum sl_verdict sl_lookup_not_ours(struct sl_env *env, struct sl_packet *pkt)
{
	const enum sl_verdict verdict = sl_icmp_tunnel(env, pkt);

	if (sl_likely(verdict != SL_VERDICT_RELAY_TOO_BIG))
		return verdict;
	if (sl_lookup_own_mac(pkt, sl_env_port(env, pkt->port)))
		return SL_VERDICT_DROP_LOOP;
	return sl_lookup_bad_source(pkt) ? SL_VERDICT_DROP_IP_SOURCE : verdict;
}

/*
 * FORWARD: pkt->service is set. Otherwise the verdict; ECHO_REPLY, REJECT_NO_SERVICE and RELAY_TOO_BIG are still to
 * be planned. An IPv6 packet to a mapped address is nobody's: on the wire it is no VIP (RFC 4038 4.2).
 */
SL_INLINE enum sl_verdict sl_lookup(struct sl_env *env, struct sl_packet *pkt)
{
	enum sl_verdict verdict;

	if ((pkt->flags & SL_PKT_V6) && sl_addr_is_v4(&pkt->key.dst))
		return SL_VERDICT_TO_KERNEL;
	if (sl_unlikely(pkt->proto == SL_PROTO_IPIP || pkt->proto == SL_PROTO_IPV6) &&
	    sl_env_is_outer_source(env, &pkt->key.src))
		return SL_VERDICT_DROP_LOOP;
	if (sl_likely(sl_lookup_has_ports(pkt)))
		pkt->service = sl_env_service(env, &pkt->key.dst, pkt->key.dport, pkt->proto);
	if (!pkt->service) {
		pkt->vip = sl_env_vip(env, &pkt->key.dst);
		if (!pkt->vip)
			return sl_lookup_not_ours(env, pkt);
	}
	if (sl_unlikely(sl_lookup_own_mac(pkt, sl_env_port(env, pkt->port))))
		return SL_VERDICT_DROP_LOOP;
	if (sl_unlikely(sl_lookup_bad_source(pkt)))
		return SL_VERDICT_DROP_IP_SOURCE;
	if (sl_unlikely(pkt->flags & SL_PKT_FRAGMENT)) {
		verdict = sl_fragment(env, pkt);
		if (verdict != SL_VERDICT_FORWARD)
			return verdict;
	}
	if (pkt->service)
		return SL_VERDICT_FORWARD;
	if (pkt->l4_verdict)
		return (enum sl_verdict)pkt->l4_verdict;
	if (pkt->flags & SL_PKT_ICMP) {
		verdict = sl_icmp(env, pkt);
		if (verdict != SL_VERDICT_DROP_NO_SERVICE)
			return verdict;
	}
	return sl_lookup_no_service(pkt);
}

#endif
