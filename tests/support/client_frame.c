/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames byte by byte.
 */
#include "tests/support/client_frame.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "sluice/core/checksum.h"

enum { ETHERNET = 14, QUOTED_LEN = 1500, QUOTED_TRANSPORT = 8 };

/* An IP header; returns its length. `len` counts what is behind it. */
static __u32 put_ip(__u8 *at, const struct sl_addr *src, const struct sl_addr *dst, __u8 proto, __u32 len)
{
	const __be16 total = htons((__u16)(len + (sl_addr_is_v4(src) ? 20 : 0)));

	if (sl_addr_is_v4(src)) {
		at[0] = 0x45;
		memcpy(at + 2, &total, 2);
		at[8] = 64;
		at[9] = proto;
		memcpy(at + 12, src->b + 12, 4);
		memcpy(at + 16, dst->b + 12, 4);
		return 20;
	}
	at[0] = 0x60;
	memcpy(at + 4, &total, 2);
	at[6] = proto;
	at[7] = 64;
	memcpy(at + 8, src, 16);
	memcpy(at + 24, dst, 16);
	return 40;
}

static __u32 put_tcp(__u8 *at, enum client_packet packet)
{
	static const __u8 flags[] = {[SYN] = 0x02, [ACK] = 0x10, [DATA] = 0x10, [FIN] = 0x11, [RST] = 0x04};

	at[12] = 0x50;
	at[13] = flags[packet];
	return packet == DATA ? 21 : 20;
}

static __u32 put_udp(__u8 *at, enum client_packet packet)
{
	at[5] = 8 + 20;
	at[8] = packet == INITIAL ? 0xc0 : 0x40;
	at[12] = 1;
	return 8 + 20;
}

/* Behind the IP header: ICMP that quotes the beginning of a packet the other way. */
static __u32 put_too_big(__u8 *at, const struct sl_addr *router, const struct sl_flow_key *key)
{
	const int v4 = sl_addr_is_v4(&key->src);
	const __be16 ports[2] = {key->dport, key->sport};
	const __u32 mtu = htonl(1280);
	__u32 len = 8;
	__u64 sum;
	__u16 checksum;

	at[0] = v4 ? 3 : 2;
	at[1] = v4 ? 4 : 0;
	memcpy(at + 4, &mtu, 4);
	len += put_ip(at + len, &key->dst, &key->src, key->proto, QUOTED_LEN);
	memcpy(at + len, ports, 4);
	len += QUOTED_TRANSPORT;
	sum = sl_csum_words(at, 36); /* all IPv4 has; the rest of IPv6 */
	if (!v4)
		sum += sl_csum_words(at + 36, 20) + sl_csum_pseudo(router, &key->dst, IPPROTO_ICMPV6, len);
	checksum = (__u16)~sl_csum_fold(sum);
	memcpy(at + 2, &checksum, 2);
	return len;
}

__u32 client_frame(__u8 frame[CLIENT_FRAME_MAX], const struct sl_flow_key *key, enum client_packet packet)
{
	const int v4 = sl_addr_is_v4(&key->src);
	const __u32 ip = v4 ? 20 : 40;
	__u8 *l4 = frame + ETHERNET + ip;
	struct sl_addr src = key->src;
	__u8 proto = key->proto;
	__u32 len;

	memset(frame, 0, CLIENT_FRAME_MAX);
	memcpy(frame, (__u8[ETHERNET]){2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, v4 ? 8 : 0x86, v4 ? 0 : 0xdd},
	       ETHERNET);
	if (packet == TOO_BIG) {
		src.b[15] ^= 0x80; /* some router's */
		proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
		len = put_too_big(l4, &src, key);
	} else {
		memcpy(l4, &key->sport, 2);
		memcpy(l4 + 2, &key->dport, 2);
		len = proto == IPPROTO_TCP ? put_tcp(l4, packet) : put_udp(l4, packet);
	}
	put_ip(frame + ETHERNET, &src, &key->dst, proto, len);
	return ETHERNET + ip + len;
}
