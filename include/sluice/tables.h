/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the forwarding core reads about services, pools, backends, next hops and ports. The same
 * structs are the payload of ring records (abi.h), the entries of the DPDK snapshot and the values
 * of BPF maps: one definition for writer, reader and BPF. Fixed widths, no holes, unused bytes zero.
 * Enum values are ABI: append-only.
 */
#ifndef SLUICE_TABLES_H
#define SLUICE_TABLES_H

#include "limits.h"
#include "types.h"

enum sl_mode { SL_MODE_L2 = 0, SL_MODE_IPIP = 1, SL_MODE_COUNT };
enum sl_hash { SL_HASH_5TUPLE = 0, SL_HASH_SOURCE = 1, SL_HASH_COUNT };
enum sl_tracking { SL_TRACKING_CHANGED_ROWS = 0, SL_TRACKING_ALWAYS = 1, SL_TRACKING_NEVER = 2, SL_TRACKING_COUNT };
enum sl_udp_flows { SL_UDP_FLOWS_STICKY = 0, SL_UDP_FLOWS_NONE = 1, SL_UDP_FLOWS_QUIC = 2, SL_UDP_FLOWS_COUNT };

/*
 * Kinds of traffic, told apart by what starts a connection and how long one may be silent. A service has
 * one kind: TCP, QUIC (UDP with udp-flows quic) or unmarked UDP (udp-flows sticky).
 */
enum sl_flow_kind { SL_FLOW_TCP = 0, SL_FLOW_QUIC = 1, SL_FLOW_UDP = 2, SL_FLOW_KIND_COUNT };

/* What happens to a packet that has no backend (pool) or no service (VIP). */
enum sl_otherwise { SL_OTHERWISE_DROP = 0, SL_OTHERWISE_REJECT = 1, SL_OTHERWISE_KERNEL = 2, SL_OTHERWISE_COUNT };

/* The effective state of a backend as the datapath needs it (selection.md 5: new_ok, old_ok). */
enum sl_backend_state {
	SL_BACKEND_GONE = 0,      /* no packets */
	SL_BACKEND_UP = 1,        /* new and old connections */
	SL_BACKEND_DRAINING = 2,  /* old connections only */
	SL_BACKEND_LINGERING = 3, /* down a moment ago: old connections only */
	SL_BACKEND_DOWN = 4,      /* no packets */
	SL_BACKEND_STATE_COUNT
};

/* One VIP address. It is ours entirely: what matches no service there follows `otherwise`. */
struct sl_vip {
	struct sl_addr addr;
	__u8 otherwise; /* enum sl_otherwise */
	__u8 zero[7];
};

/* One (protocol, address, port) that belongs to a service. Port 0 means every port of the address. */
struct sl_listener {
	struct sl_addr addr;
	__be16 port;
	__u8 proto; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 zero;
	__u32 service; /* id of its sl_service */
};

/* One service: how its packets choose a row and leave. `id` is its position in the statistics. */
struct sl_service {
	__u32 id;
	__u32 pool;     /* id of its sl_pool */
	__u8 mode;      /* enum sl_mode */
	__u8 hash;      /* enum sl_hash */
	__u8 tracking;  /* enum sl_tracking */
	__u8 udp_flows; /* enum sl_udp_flows */
	__u8 lens_hash; /* enum sl_hash that rows of the pool's lens are chosen by; read only while it has one */
	__u8 zero[3];
};

/*
 * One pool: its table has `rows` rows (a prime), its backends slots 0 .. slots-1. While `lens_rows` is not
 * 0 the table size or the key changed a while ago (selection.md 5, lens): connections older than that are
 * found by `lens_key` and `lens_rows` in the tables of kind SL_TABLE_LENS_*, and every row is LOOK.
 */
struct sl_pool {
	__u32 id;
	__u32 rows;
	__u16 slots;
	__u8 otherwise; /* enum sl_otherwise, when a row has no live backend; never KERNEL */
	__u8 zero;
	__u16 idle_s[SL_FLOW_KIND_COUNT]; /* connection-idle, 1 .. SL_IDLE_MAX_S */
	__u16 zero2;
	__u32 lens_rows;         /* 0: no lens */
	struct sl_key lens_key;
};

/* One backend of a pool. `stats` is its position in the statistics, unique over all pools. */
struct sl_backend {
	__u32 pool;
	__u16 slot;
	__u8 state; /* enum sl_backend_state */
	__u8 zero;
	__u32 stats;
	__u32 neighbor;           /* id of the sl_neighbor that is its next hop */
	struct sl_addr addr;      /* the tunnel's outer destination */
	struct sl_addr outer_src; /* the tunnel's outer source; all zero: not known, no tunnel */
};

/* One next hop: the frame's destination, and the port it leaves by. */
struct sl_neighbor {
	__u32 id;
	__u16 port;   /* index in sl_boot.port */
	__u16 mtu;    /* bytes of the largest IP packet towards it; 0: the port's */
	__u8 mac[6];
	__u8 known;   /* 0: not resolved yet, packets are drop_no_neighbor */
	__u8 zero;
};

/* One port, known to the datapath itself (not sent through the ring). */
struct sl_port {
	__u8 mac[6];
	__u16 mtu; /* bytes of the largest IP packet it takes; 0: no limit known */
	__u16 index;
	__u8 kernel_path; /* 1: SL_VERDICT_TO_KERNEL can be honoured here */
	__u8 zero[5];
};

/* What all services share. */
struct sl_settings {
	struct sl_key hash_key;    /* the fleet's key: rows */
	struct sl_key flow_key;    /* flow tags and the tunnel's identification; survives a rotation of hash_key */
	__u32 reply_rate;          /* RST, unreachable and too-big answers a second and worker; 0: none */
	__u16 idle_max_s[SL_FLOW_KIND_COUNT]; /* longest idle_s of all pools: older entries of any pool are free */
	__u16 zero2;
	__u32 zero;
	__u64 numbering;           /* of pools and slots, random: what was remembered by another one is of no use; 0: none */
	__u64 zero3;
};

_Static_assert(sizeof(struct sl_vip) == 24, "ABI");
_Static_assert(sizeof(struct sl_listener) == 24, "ABI");
_Static_assert(sizeof(struct sl_service) == 16, "ABI");
_Static_assert(sizeof(struct sl_pool) == 40, "ABI");
_Static_assert(sizeof(struct sl_backend) == 48, "ABI; three quarters of a cache line");
_Static_assert(sizeof(struct sl_neighbor) == 16, "ABI");
_Static_assert(sizeof(struct sl_port) == 16, "ABI");
_Static_assert(sizeof(struct sl_settings) == 64, "ABI");

#endif
