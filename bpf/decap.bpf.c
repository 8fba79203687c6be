// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * The end of a backend's ipip tunnels where the kernel has no module for them: takes the outer header
 * of 4-in-4, 6-in-6, 4-in-6 and 6-in-4 off and hands the inner packet to the local stack, as if it had
 * come without. `sluice_decap` is for XDP; `sluice_decap_tc` for ingress of tc, where XDP cannot:
 * frames in several buffers (an MTU of more than about 3,500), or another XDP program on the interface.
 *
 * A tunnel's end that takes everything is a hole: who reaches it puts packets with any source address
 * behind the firewall, to any address of the host, and past the filters of the network it is in. So a
 * packet is taken only from a network of decap_sources (the balancers), to an address of decap_own, and
 * only if the packet inside is for a VIP of decap_vips. All other packets stay as they came: another
 * tunnel of this host goes on working, and what nobody knows the kernel refuses. Options and extension
 * headers outside are somebody else's, too: balancers send none.
 *
 * Fragments: parts of a tunnel packet stay as they came and are counted (the kernel joins them, for a
 * tunnel of its own; balancers send none, they split before the tunnel). Inner fragments are packets
 * like any other, the stack joins them. MTU: nothing grows here; the interface must take the outer
 * packet, which `sluicectl backend-check` proves. Checksums: bytes behind the outer header are not
 * touched (but for a congestion mark), so what the driver said about them (unfinished ones included) holds
 * where it is kept; bpf_skb_adjust_room corrects what it must in tc.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "sluice/core/decap.h"
#include "sluice/decap.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SL_DECAP_OWN_MAX);
	__type(key, struct sl_addr);
	__type(value, __u32);
} decap_own SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, SL_DECAP_SOURCES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sl_decap_source);
	__type(value, __u32);
} decap_sources SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SL_DECAP_VIPS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sl_addr);
	__type(value, __u32);
} decap_vips SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SL_DECAP_COUNTER_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} decap_counters SEC(".maps");

enum action { LEAVE, UNWRAP, DROP };

SL_INLINE enum action counted(__u32 counter, enum action action)
{
	__u64 *value = bpf_map_lookup_elem(&decap_counters, &counter);

	if (value)
		*value += 1;
	return action;
}

/* The home's group of sl_packet; there is no plan. */
SL_INLINE void begin(struct sl_packet *pkt, __u32 data, __u32 end, __u32 len)
{
	pkt->data = (__u8 *)(long)data;
	pkt->end = (__u8 *)(long)end;
	pkt->frame_len = len;
	pkt->port = 0;
	pkt->flags = 0;
	pkt->plan = SL_NULL;
}

/* UNWRAP: the outer packet is for us; what is inside, decide() judges. */
SL_INLINE enum action outer(struct sl_packet *pkt)
{
	const enum sl_decap_kind kind = sl_decap_outer(pkt);
	struct sl_decap_source source;

	if (kind == SL_DECAP_IS_OTHER || !bpf_map_lookup_elem(&decap_own, &pkt->key.dst))
		return LEAVE;
	source.prefix_len = 128;
	source.addr = pkt->key.src;
	if (!bpf_map_lookup_elem(&decap_sources, &source))
		return counted(SL_DECAP_OTHER_SOURCE, LEAVE);
	if (kind == SL_DECAP_IS_FRAGMENT)
		return counted(SL_DECAP_FRAGMENT, LEAVE);
	return UNWRAP;
}

/* UNWRAP: the bytes from pkt->l3 to inner->at are to go. Nothing is counted for it yet. */
SL_INLINE enum action decide(struct sl_packet *pkt, struct sl_quote *inner)
{
	const enum action action = outer(pkt);

	if (action != UNWRAP)
		return action;
	if (sl_decap_inner(pkt, pkt->l4, inner))
		return counted(SL_DECAP_MALFORMED, DROP);
	if (!bpf_map_lookup_elem(&decap_vips, &inner->dst))
		return counted(SL_DECAP_OTHER_VIP, LEAVE);
	if (sl_decap_carry_mark(pkt, inner))
		return counted(SL_DECAP_CONGESTED, DROP);
	return UNWRAP;
}

/* MAC addresses and, where there is one, the VLAN tag: all of the Ethernet header but its type. */
struct front {
	__u8 bytes[12 + SL_VLAN_LEN];
};

SL_INLINE int front_copy(const struct sl_packet *pkt, struct front *to)
{
	const __u8 *from = sl_cursor(pkt, 0, sizeof(*to));

	if (!from)
		return -1;
	__builtin_memcpy(to, from, sizeof(*to));
	return 0;
}

/* In front of the inner packet, where the frame begins now. */
SL_INLINE int front_write(struct sl_packet *pkt, const struct front *front, __be16 type)
{
	const int tagged = (pkt->flags & SL_PKT_VLAN) != 0;
	__u8 *to = sl_cursor(pkt, 0, SL_ETH_LEN + SL_VLAN_LEN);

	if (!to)
		return -1;
	__builtin_memcpy(to, front->bytes, 12);
	if (!tagged) {
		__builtin_memcpy(to + 12, &type, 2);
		return 0;
	}
	__builtin_memcpy(to + 12, front->bytes + 12, SL_VLAN_LEN);
	__builtin_memcpy(to + 12 + SL_VLAN_LEN, &type, 2);
	return 0;
}

SEC("xdp")
int sluice_decap(struct xdp_md *ctx)
{
	struct sl_packet pkt;
	struct sl_quote inner;
	struct front front;
	enum action action;

	begin(&pkt, ctx->data, ctx->data_end, ctx->data_end - ctx->data);
	action = decide(&pkt, &inner);
	if (action != UNWRAP)
		return action == LEAVE ? XDP_PASS : XDP_DROP;
	if (front_copy(&pkt, &front) || bpf_xdp_adjust_head(ctx, (int)(inner.at - pkt.l3)))
		return counted(SL_DECAP_NO_ROOM, DROP), XDP_DROP;
	pkt.data = (__u8 *)(long)ctx->data;
	pkt.end = (__u8 *)(long)ctx->data_end;
	if (front_write(&pkt, &front, sl_decap_ethertype(&pkt)))
		return counted(SL_DECAP_NO_ROOM, DROP), XDP_DROP;
	counted(SL_DECAP_UNWRAPPED, UNWRAP);
	return XDP_PASS;
}

enum {
	HEADERS = SL_ETH_LEN + 2 * SL_IPV6_LEN + 8, /* what is read of most frames; a longer front is the kernel's */
	AFTER_MIN = SL_ETH_LEN + SL_IPV6_LEN,       /* adjust_room counts with the outer family until Linux 6.3 */
};

/*
 * The kernel learnt the family of a packet before it came here: where that changes, the packet comes in
 * once more by the same interface. Other filters get to see what is left and what was unwrapped.
 */
SEC("tc")
int sluice_decap_tc(struct __sk_buff *skb)
{
	const __u32 want = skb->len < HEADERS ? skb->len : HEADERS;
	struct sl_packet pkt;
	struct sl_quote inner;
	enum action action;
	__be16 type;
	__u32 cut;

	if (skb->protocol != sl_bswap16(SL_ETH_IPV4) && skb->protocol != sl_bswap16(SL_ETH_IPV6))
		return TC_ACT_UNSPEC; /* a VLAN tag is beside the frame here, its type behind it */
	if (skb->data_end - skb->data < want && bpf_skb_pull_data(skb, want))
		return TC_ACT_UNSPEC;
	begin(&pkt, skb->data, skb->data_end, skb->len);
	action = decide(&pkt, &inner);
	if (action != UNWRAP)
		return action == LEAVE ? TC_ACT_UNSPEC : TC_ACT_SHOT;
	cut = inner.at - pkt.l3;
	type = sl_decap_ethertype(&pkt);
	if ((skb->len - cut < AFTER_MIN && bpf_skb_change_tail(skb, AFTER_MIN + cut, 0)) ||
	    bpf_skb_adjust_room(skb, -(__s32)cut, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
		return counted(SL_DECAP_NO_ROOM, DROP), TC_ACT_SHOT;
	counted(SL_DECAP_UNWRAPPED, UNWRAP);
	if (type == skb->protocol)
		return TC_ACT_UNSPEC;
	if (bpf_skb_store_bytes(skb, SL_ETH_LEN - 2, &type, sizeof(type), 0))
		return TC_ACT_SHOT;
	return (int)bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}

char _license[] SEC("license") = "Dual BSD/GPL";
