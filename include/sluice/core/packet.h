/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One packet on its way through the stages of forward.h. The home fills the first group, the stages
 * the others. Offsets count bytes from the frame's first byte. Owned by one worker, never shared.
 */
#ifndef SLUICE_CORE_PACKET_H
#define SLUICE_CORE_PACKET_H

#include "../tables.h"
#include "../types.h"
#include "../verdict.h"

/* sl_packet.flags */
enum {
	SL_PKT_V6 = 1 << 0,           /* the IP header at l3 is IPv6 */
	SL_PKT_VLAN = 1 << 1,         /* one VLAN tag lies between the MAC addresses and the EtherType */
	SL_PKT_FRAGMENT = 1 << 2,     /* a fragment, first or not */
	SL_PKT_FRAGMENT_LATER = 1 << 3, /* not the first one: there are no ports to read */
	SL_PKT_START = 1 << 4,        /* starts a connection: SYN without ACK; QUIC Initial or 0-RTT later */
	SL_PKT_IP_CSUM_OK = 1 << 5,   /* set by the home when the NIC verified the IPv4 header checksum */
	SL_PKT_ICMP = 1 << 6,         /* ICMP or ICMPv6: key has no ports */
	SL_PKT_TRACKED = 1 << 7,      /* a remembered connection answered */
	SL_PKT_BOUND = 1 << 8,        /* an IPv6 routing or authentication header: no answer may repeat it */
	SL_PKT_DATA = 1 << 9,         /* TCP with a payload */
	SL_PKT_QUOTED = 1 << 10,      /* an ICMP error: key is that of the connection it quotes */
	SL_PKT_FOLLOWS = 1 << 11,     /* a later fragment: slot is where its first one went */
	SL_PKT_FRAGMENT_MORE = 1 << 12, /* a fragment, and not the last one */
	SL_PKT_LEADS = 1 << 13,       /* a first fragment: what becomes of it is remembered for the later ones */
	SL_PKT_OPEN = 1 << 14,        /* the row was open for the packet's kind, or seen through a lens: base is set */
	SL_PKT_ANSWERED = 1 << 15,    /* the plan is an ICMP error, which leaves instead of the packet */
};

/*
 * What is to be written over the front of the frame; filled by sl_plan, carried out by sl_write.
 * An IP header in `outer` starts at SL_OUTER_IP, the Ethernet header ends there: so every offset is a
 * constant with and without a VLAN tag, and the IP header is aligned.
 */
enum {
	SL_OUTER_IP = 24,
	SL_OUTER_MAX = 88, /* IPv6 and 24 bytes behind it; BPF has 512 bytes of stack in all */
};

struct sl_plan {
	__u16 grow;       /* bytes of room the home makes in front */
	__u16 outer_len;  /* bytes of `outer` that replace the front of the grown frame; 0: nothing */
	__u16 patch_at;   /* offset in the frame of four more bytes to replace; 0: none */
	__u16 cut;        /* bytes the home takes off the front, where nothing grows */
	__u32 frame_len;  /* length of the frame after writing; the home cuts off the rest */
	__u8 patch[4];
	__u16 piece;      /* not 0: several frames leave instead, as split.h makes them; the frame stays as it is */
	__u16 zero2[3];
	__u8 outer[SL_OUTER_MAX] SL_ALIGNED(8);
	__u64 forgotten;  /* sl_forget()'s */
};

struct sl_packet {
	/* the home */
	__u8 *data;       /* first byte of the frame */
	__u8 *end;        /* one past the last byte that is readable here */
	struct sl_plan *plan; /* the home's memory for it, apart: BPF keeps it in a map, its stack is too small */
	__u32 frame_len;  /* bytes of the whole frame; more than end - data where it is in several buffers */
	__u16 port;       /* index of the port it came in by */

	/* parse */
	__u16 flags;      /* SL_PKT_* (the home may preset IP_CSUM_OK; parse keeps that one) */
	__u16 l3;         /* of the IP header */
	__u16 l4;         /* of the transport header; 0: none was reached, or a later fragment */
	__u16 ip_len;     /* bytes of the IP packet; what the frame holds past it is padding */
	__u8 proto;       /* of the transport header, after IPv6 extensions */
	__u8 tcp_flags;
	__u8 tos;         /* TOS or traffic class */
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 l4_verdict;  /* enum sl_verdict that holds if the packet is for a VIP; 0: transport is sound */
	__be32 frag_id;   /* a fragment's identification; IPv4: 16 bits of it. The next two are a fragment's too: */
	__u16 frag_at;    /* bytes of its datagram before it */
	__u16 frag_len;   /* bytes of its datagram in it */
	__u32 mtu;        /* too big: what the packet's sender is to be told; set by lookup and plan */
	struct sl_flow_key key SL_ALIGNED(8);

	/* lookup and select */
	const struct sl_vip *vip; /* NULL where a service was found: its address is a VIP's */
	const struct sl_service *service;
	const struct sl_pool *pool;
	const struct sl_backend *backend;
	const struct sl_neighbor *neighbor;
	__u64 tag;        /* sl_flow_tag of key; set only where connections are remembered */
	__u32 hash;       /* sl_row_hash of key */
	__u32 row;
	__u16 slot;
	__u16 out_port;   /* index of the port it leaves by */
	__u16 base;       /* the row's, for the packet's kind; set only where connections are remembered */
	__u8 kind;        /* enum sl_flow_kind; set only where connections are remembered */
};

/*
 * `value`. In BPF, where the plan lies in a map, the verifier knows nothing of what comes back, and so need not walk what
 * follows once for every value that it may have.
 */
SL_INLINE __u32 sl_forget(struct sl_packet *pkt, __u32 value)
{
#ifdef __bpf__
	*(volatile __u64 *)&pkt->plan->forgotten = value;
	value = (__u32)*(volatile __u64 *)&pkt->plan->forgotten;
#endif
	(void)pkt;
	return value;
}

/* What lookup and select find out is not known yet. */
SL_INLINE void sl_packet_reset(struct sl_packet *pkt)
{
	pkt->vip = SL_NULL;
	pkt->service = SL_NULL;
	pkt->pool = SL_NULL;
	pkt->backend = SL_NULL;
	pkt->neighbor = SL_NULL;
	pkt->hash = 0;
	pkt->row = 0;
	pkt->slot = SL_SLOT_NONE;
	pkt->out_port = pkt->port;
}

/*
 * For a home that runs stages in functions of their own (BPF: forward.h): what one stage leaves for the next of the
 * packet itself, which is all from frame_len to key. Whatever else a stage found, its home finds again by its id.
 */
enum { SL_PACKET_WORDS = 9 };

SL_INLINE void sl_packet_keep(const struct sl_packet *pkt, __u64 words[SL_PACKET_WORDS])
{
	_Static_assert(__builtin_offsetof(struct sl_packet, key) + sizeof(struct sl_flow_key) ==
			       __builtin_offsetof(struct sl_packet, frame_len) + SL_PACKET_WORDS * sizeof(__u64),
		       "they lie side by side");
	__builtin_memcpy(words, &pkt->frame_len, SL_PACKET_WORDS * sizeof(__u64));
}

SL_INLINE void sl_packet_resume(struct sl_packet *pkt, const __u64 words[SL_PACKET_WORDS])
{
	__builtin_memcpy(&pkt->frame_len, words, SL_PACKET_WORDS * sizeof(__u64));
	sl_packet_reset(pkt);
}

#endif
