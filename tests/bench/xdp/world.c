/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kinds of packets, and the one service that they go to: 64 backends behind tunnels of the packets' own family, a
 * table of 65537 rows. The reference gets the same service, addresses and MAC addresses.
 */
#include "world.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "sluice.skel.h"
#include "sluice/core/checksum.h"
#include "sluice/core/wire.h"
#include "wrap.skel.h"

enum { ROWS = 65537, BACKENDS = 64, PORT = 443, CLIENT = 0x0a000000, VIP = 0xc000020a, STRANGER = 0xc0000263 };

const struct bench_case bench_cases[] = {
	{ "tcp4", false, SL_PROTO_TCP, SL_TCP_ACK, false, false, true, BENCH_FULL, 1.0, "TCP over IPv4, rows without LOOK" },
	{ "tcp6", true, SL_PROTO_TCP, SL_TCP_ACK, false, false, true, BENCH_FULL, 1.0, "TCP over IPv6, rows without LOOK" },
	{ "udp4", false, SL_PROTO_UDP, 0, false, false, true, BENCH_FULL, 1.0, "UDP over IPv4, rows without LOOK" },
	{ "syn4", false, SL_PROTO_TCP, SL_TCP_SYN, false, false, true, BENCH_FULL, 1.0, "TCP SYN over IPv4, rows without LOOK" },
	{ "tcp4-remembered", false, SL_PROTO_TCP, SL_TCP_ACK, true, false, true, BENCH_FULL, 1.5, "TCP over IPv4, remembered" },
	{ "tcp6-remembered", true, SL_PROTO_TCP, SL_TCP_ACK, true, false, true, BENCH_FULL, 1.5, "TCP over IPv6, remembered" },
	{ "udp4-remembered", false, SL_PROTO_UDP, 0, true, false, true, BENCH_FULL, 1.5, "UDP over IPv4, remembered" },
	{ "syn4-look", false, SL_PROTO_TCP, SL_TCP_SYN, true, true, true, BENCH_FULL, 0, "TCP SYN over IPv4, rows with LOOK" },
	{ "other4", false, SL_PROTO_TCP, SL_TCP_ACK, false, false, false, BENCH_SMALL, 1.3, "not ours, IPv4" },
	{ "other6", true, SL_PROTO_TCP, SL_TCP_ACK, false, false, false, BENCH_SMALL, 1.3, "not ours, IPv6" },
};
const unsigned bench_case_count = sizeof(bench_cases) / sizeof(bench_cases[0]);

static const struct sl_port port = { .mac = { 2, 0, 0, 0, 0, 1 }, .mtu = 1500, .kernel_path = 1 };
static const struct sl_neighbor neighbor = { .mac = { 2, 0, 0, 0, 1, 0 }, .known = 1 };

/* 2001:db8::<number>, or the IPv4 address of that number. */
static struct sl_addr address(bool v6, uint32_t number)
{
	struct sl_addr addr = { .w = { sl_bswap32(0x20010db8u), 0, 0, sl_bswap32(number) } };

	return v6 ? addr : sl_addr_from_v4((__be32)sl_bswap32(number));
}

/* ---- frames ------------------------------------------------------------------------------------------- */

static void make_transport(const struct bench_case *one, uint8_t *at, uint16_t len)
{
	struct sl_tcp *tcp = (struct sl_tcp *)at;
	struct sl_udp *udp = (struct sl_udp *)at;

	if (one->proto == SL_PROTO_UDP) {
		udp->dport = sl_bswap16(PORT);
		udp->len = sl_bswap16(len);
		return;
	}
	tcp->dport = sl_bswap16(PORT);
	tcp->offset = 0x50;
	tcp->flags = one->tcp_flags;
}

void bench_frame_make(const struct bench_case *one, uint32_t flows, struct bench_frame *ret_frame)
{
	struct bench_frame made = { .v6 = one->v6, .flows = flows, .client = CLIENT };
	const uint32_t header = one->v6 ? SL_IPV6_LEN : SL_IPV4_LEN;
	const uint16_t behind = (uint16_t)(BENCH_FRAME - SL_ETH_LEN - header);
	const struct sl_addr dst = address(one->v6, one->ours ? VIP : STRANGER), src = address(one->v6, CLIENT);
	struct sl_eth *eth = (struct sl_eth *)made.bytes;
	struct sl_ipv4 *ip4 = (struct sl_ipv4 *)(made.bytes + SL_ETH_LEN);
	struct sl_ipv6 *ip6 = (struct sl_ipv6 *)(made.bytes + SL_ETH_LEN);

	memcpy(eth->dst, port.mac, sizeof(port.mac));
	memcpy(eth->src, neighbor.mac, sizeof(neighbor.mac));
	eth->type = sl_bswap16(one->v6 ? SL_ETH_IPV6 : SL_ETH_IPV4);
	if (one->v6) {
		ip6->version_tc_label = sl_bswap32(6u << 28);
		ip6->len = sl_bswap16(behind);
		ip6->next = one->proto;
		ip6->hop_limit = 64;
		memcpy(ip6->src, &src, sizeof(src));
		memcpy(ip6->dst, &dst, sizeof(dst));
	} else {
		ip4->version_ihl = 0x45;
		ip4->len = sl_bswap16((uint16_t)(SL_IPV4_LEN + behind));
		ip4->frag = sl_bswap16(SL_IPV4_DF); /* as nearly all that is sent */
		ip4->ttl = 64;
		ip4->proto = one->proto;
		ip4->dst = dst.w[3];
		ip4->csum = (__u16)~sl_csum_fold(sl_csum_words(ip4, sizeof(*ip4)));
	}
	make_transport(one, made.bytes + SL_ETH_LEN + header, behind);
	*ret_frame = made;
}

/* ---- configurations ----------------------------------------------------------------------------------- */

static int publish_sluice(const struct bench_case *one, struct xdp_lab *lab)
{
	static uint16_t current[ROWS], base[ROWS];
	const struct sl_service service = { .mode = SL_MODE_IPIP };
	const struct sl_listener listener = { .addr = address(one->v6, VIP), .port = sl_bswap16(PORT), .proto = one->proto };
	const struct sl_vip vip = { .addr = listener.addr };
	const struct sl_steering_mac own = { .mac = { 2, 0, 0, 0, 0, 1 } };
	struct xdp_lab_pool pool = { .pool = { .rows = ROWS, .slots = BACKENDS, .idle_s = { 3600, 600, 3600 } },
				     .table = { current } };
	struct sl_backend backends[BACKENDS];
	const struct xdp_lab_world world = {
		.settings = { .hash_key = { 1, 2 }, .flow_key = { 3, 4 }, .idle_max_s = { 3600, 600, 3600 } },
		.ports = &port, .neighbors = &neighbor, .backends = backends, .pools = &pool, .services = &service,
		.listeners = &listener, .vips = &vip, .port_count = 1, .neighbor_count = 1, .backend_count = BACKENDS,
		.pool_count = 1, .service_count = 1, .listener_count = 1, .vip_count = 1,
	};
	const uint32_t only = 0;
	int err;

	for (uint16_t i = 0; i < BACKENDS; i++)
		backends[i] = (struct sl_backend){ .slot = i, .state = SL_BACKEND_UP, .stats = i,
						   .addr = address(one->v6, 0xc6336400u + i),
						   .outer_src = address(one->v6, 0xc6336464u) };
	for (uint32_t row = 0; row < ROWS; row++) {
		current[row] = (uint16_t)(row * 40503u % BACKENDS) | (one->look ? SL_ROW_LOOK : 0);
		base[row] = (uint16_t)((row * 40503u + 1) % BACKENDS);
	}
	if (one->look)
		for (int kind = 0; kind < SL_FLOW_KIND_COUNT; kind++)
			pool.table[SL_TABLE_BASE_TCP + kind] = base;
	err = xdp_lab_publish(lab, &world);
	if (err < 0)
		return err;
	return bpf_map_update_elem(bpf_map__fd(xdp_lab_object(lab)->maps.mac), &only, &own, BPF_ANY);
}

static int publish_reference(const struct bench_case *one, const struct wrap_bpf *wrap)
{
	const struct sl_steering_listener key = { .addr = address(one->v6, VIP), .port = sl_bswap16(PORT), .proto = one->proto };
	const uint32_t service = 0;
	int err = bpf_map_update_elem(bpf_map__fd(wrap->maps.reference_services), &key, &service, BPF_ANY);

	if (err == 0)
		err = bpf_map_update_elem(bpf_map__fd(wrap->maps.reference_vips), &key.addr, &service, BPF_ANY);
	for (uint32_t i = 0; i < BACKENDS && err == 0; i++) {
		struct bench_backend to = { .from = address(one->v6, 0xc6336464u), .to = address(one->v6, 0xc6336400u + i) };

		memcpy(to.mac, neighbor.mac, sizeof(to.mac));
		memcpy(to.own_mac, port.mac, sizeof(to.own_mac));
		err = bpf_map_update_elem(bpf_map__fd(wrap->maps.reference_backends), &i, &to, BPF_ANY);
	}
	return err;
}

int bench_publish(const struct bench_case *one, struct xdp_lab *lab, struct wrap_bpf *wrap)
{
	const int err = publish_sluice(one, lab);

	return err < 0 ? err : publish_reference(one, wrap);
}
