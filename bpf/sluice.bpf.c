// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * Steering: packets to a VIP go to the AF_XDP socket of the queue they came in by, all others to the
 * kernel. A VIP packet on a queue without a socket is dropped and counted, never passed: the kernel
 * would reset its connection. What becomes of a packet is the worker's business, not this file's.
 */
#include "maps.bpf.h"

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>

#define VLAN_TAG_LEN 4
#define ND_FIRST 133 /* router solicitation, RFC 4861 */
#define ND_LAST 137  /* redirect */

/* What steering reads of a packet. */
struct target {
	struct sl_addr dst;
	__be16 dport; /* 0: none, or not within reach */
	__u8 proto;   /* of the header that follows the fixed IP header */
	__u8 icmp_type;
};

static __always_inline void read_transport(const __u8 *l4, const __u8 *end, struct target *target)
{
	if (l4 + 4 > end)
		return;
	if (target->proto == IPPROTO_TCP || target->proto == IPPROTO_UDP)
		__builtin_memcpy(&target->dport, l4 + 2, 2);
	else if (target->proto == IPPROTO_ICMP || target->proto == IPPROTO_ICMPV6)
		target->icmp_type = l4[0];
}

/* Returns 0, or -1 when this is no IP packet or its fixed header is not complete: the kernel's then. */
static __always_inline int read_target(const __u8 *data, const __u8 *end, struct target *target)
{
	const __u8 *l3 = data + ETH_HLEN;
	__be16 ethertype;

	if (l3 > end)
		return -1;
	__builtin_memcpy(&ethertype, data + 12, 2);
	if (ethertype == bpf_htons(ETH_P_8021Q)) {
		l3 += VLAN_TAG_LEN;
		if (l3 > end)
			return -1;
		__builtin_memcpy(&ethertype, data + 16, 2);
	}

	if (ethertype == bpf_htons(ETH_P_IP)) {
		const struct iphdr *ip = (const struct iphdr *)l3;

		if ((const __u8 *)(ip + 1) > end)
			return -1;
		target->dst = sl_addr_from_v4(ip->daddr);
		target->proto = ip->protocol;
		if (!(ip->frag_off & bpf_htons(0x1fff))) /* a later fragment has no ports to read */
			read_transport(l3 + ip->ihl * 4, end, target);
		return 0;
	}
	if (ethertype == bpf_htons(ETH_P_IPV6)) {
		const struct ipv6hdr *ip6 = (const struct ipv6hdr *)l3;

		if ((const __u8 *)(ip6 + 1) > end)
			return -1;
		__builtin_memcpy(&target->dst, &ip6->daddr, 16);
		target->proto = ip6->nexthdr;
		read_transport(l3 + sizeof(*ip6), end, target);
		return 0;
	}
	return -1;
}

/* Of a VIP whose other traffic is the kernel's: true for what a service listens to, and ICMP. */
static __always_inline int is_listener(const struct target *target)
{
	struct sl_steering_listener key = { .addr = target->dst, .port = target->dport, .proto = target->proto };

	if (target->proto == IPPROTO_ICMP || target->proto == IPPROTO_ICMPV6)
		return 1;
	if (bpf_map_lookup_elem(&listeners, &key))
		return 1;
	key.port = 0;
	return bpf_map_lookup_elem(&listeners, &key) != SL_NULL;
}

static __always_inline int is_ours(struct xdp_md *ctx)
{
	const __u8 *data = (const __u8 *)(long)ctx->data;
	const __u8 *end = (const __u8 *)(long)ctx->data_end;
	struct target target = {};
	const __u32 *flags;

	if (read_target(data, end, &target) < 0)
		return 0;
	flags = bpf_map_lookup_elem(&vips, &target.dst);
	if (!flags)
		return 0;
	if (target.proto == IPPROTO_ICMPV6 && target.icmp_type >= ND_FIRST && target.icmp_type <= ND_LAST)
		return 0; /* the kernel answers for the address */
	if (*flags & SL_STEERING_VIP_KERNEL)
		return is_listener(&target);
	return 1;
}

static __always_inline int counted(__u32 counter, int action)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &counter);

	if (value)
		*value += 1;
	return action;
}

SEC("xdp")
int xsk_def_prog(struct xdp_md *ctx)
{
	long action;

	if (!is_ours(ctx))
		return counted(SL_STEERING_PASSED, XDP_PASS);
	action = bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_DROP);
	return counted(action == XDP_REDIRECT ? SL_STEERING_REDIRECTED : SL_STEERING_DROPPED_NO_SOCKET, (int)action);
}

char _license[] SEC("license") = "Dual BSD/GPL";
