/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the XDP program (bpf/sluice.bpf.c) and those who load and fill it share: what its maps hold, who writes
 * them, and in which order. The maps are bpf/maps.bpf.h's; docs/xdp.md tells the whole. Beside this file's structs
 * the values of the maps are those of tables.h, abi.h and steering.h. Fixed widths, no holes, unused bytes zero.
 *
 * map              type      index or key -> value                          written by
 * root             array     0 -> sl_xdp_root                               sluiced, last of all
 * settings         array     bank -> sl_xdp_settings                        sluiced
 * services         array     sl_xdp_at(id, bank) -> sl_service              sluiced
 * pool_slots       array     sl_xdp_at(id, bank) -> u32, slot in `pools`; 0: none   sluiced
 * pools            array     slot -> sl_xdp_pool; slot 0 stays empty        sluiced, once; then the slot does not change
 * backends         array     sl_xdp_pool.backend + slot of it -> sl_backend sluiced, once, likewise
 * rows             array     sl_xdp_pool.table[kind] + row / 64 -> sl_xdp_rows; 0 stays empty   sluiced, once, likewise
 * neighbors        array     id -> sl_neighbor                              sluiced, in place: sl_xdp_neighbor_store()
 * ports            array     sl_port.index -> sl_port                       sluiced, in place
 * tx_ports         devmap    sl_port.index -> u32, interface index          sluiced
 * vips             hash      sl_addr -> sl_vip                              sluiced
 * listeners        hash      sl_steering_listener -> u32, id of a service   sluiced
 * sources          hash      sl_addr -> u32: outer sources of our tunnels   sluiced
 * flows            hash      tag -> sl_xdp_flow, confirmed connections      program; sluiced adds, and deletes expired ones
 * starts           LRU hash  tag -> sl_xdp_flow, unconfirmed ones           program
 * datagrams        LRU hash  tag -> sl_xdp_datagram                         program
 * live             array     0 -> sl_xdp_live                               both, atomically
 * verdicts         per CPU   enum sl_verdict -> u64                         program
 * flow_counters    per CPU   enum sl_flow_counter -> u64                    program
 * service_counters per CPU   sl_service.id -> sl_counter                    program
 * backend_counters per CPU   sl_backend.stats -> sl_counter                 program
 * xsks_map, counters, mac    one of each for every interface: steering.h
 *
 * Arrays of sluiced can be mapped (BPF_F_MMAPABLE): it stores to them, whole words at once. A generation:
 *
 *   1. what nobody reaches yet: neighbors, ports, sources; pools, backends and rows in places that are free
 *   2. the bank that is not in use, whole: settings, services, pool_slots
 *   3. vips and listeners that go: vips first
 *   4. sl_xdp_root.bank, one store with release: from here on all packets see the new generation
 *   5. listeners, then vips that come
 *
 * A packet reads the bank once, so it sees one generation of settings, services, pools and tables. A listener that
 * moves to a service that only the new generation has waits for step 5, or that service and its pool are put in the
 * bank in use before step 3: what nobody names yet harms nobody. After step 4 the old bank and what only it reaches may
 * still be read until every packet under way is done: membarrier(MEMBARRIER_CMD_GLOBAL), which waits for that, or
 * SL_XDP_GRACE_MS later they are free. What did not change keeps its place: a new slot of `pools` may name the old
 * rows and backends. Capacities are the maps' max_entries, chosen before the object is loaded.
 */
#ifndef SLUICE_XDP_H
#define SLUICE_XDP_H

#include "abi.h"
#include "core/datagram.h"
#include "flows.h"
#include "steering.h"

enum {
	SL_XDP_VERSION = 1,       /* of all layouts here; the program forwards only by its own */
	SL_XDP_BANKS = 2,
	SL_XDP_ROWS = 64,         /* of one value of `rows`: arrays pad small values to 8 bytes */
	SL_XDP_GRACE_MS = 1000,   /* no packet is under way for longer */
	SL_XDP_FULL_PERCENT = 80, /* of `flows`: above it there is pressure, until below SL_XDP_ROOMY_PERCENT */
	SL_XDP_ROOMY_PERCENT = 70,
	SL_XDP_YOUNG_S = 10,      /* PRESSURE, too: `starts` turns over faster than that */
	SL_XDP_FLOW_START = 1 << 0, /* sl_xdp_flow.flags: the packet that started it was seen */
};

/* What becomes of packets to a VIP. */
enum sl_xdp_action {
	SL_XDP_REDIRECT = 0, /* to the AF_XDP socket of their queue; dropped where there is none */
	SL_XDP_FORWARD = 1,  /* the program is the balancer */
	SL_XDP_HOLD = 2,     /* nowhere: dropped, for the moment in which what it remembers is carried to sluice-dp */
};

/* The one value of `root`. All zero (nothing published yet): redirect. */
struct sl_xdp_root {
	__u32 version;  /* SL_XDP_VERSION; another: the program redirects */
	__u32 action;   /* enum sl_xdp_action */
	__u32 bank;     /* 0 or 1: the one in use */
	__u32 zero;
	__u64 clock_ns; /* only for an object that was loaded with sl_traced: the time; 0: CLOCK_BOOTTIME */
	__u64 zero2;
};

/* Where the entry of that id is in a map with two banks. */
SL_INLINE __u32 sl_xdp_at(__u32 id, __u32 bank)
{
	return id * SL_XDP_BANKS + (bank & (SL_XDP_BANKS - 1));
}

struct sl_xdp_settings {
	struct sl_settings settings;
	__u64 generation;
	__u64 reply_cost_ns; /* what one answer costs a CPU: 1 s / settings.reply_rate; 0: no answers */
	__u32 any_port;      /* listeners with port 0; 0 saves asking for them */
	__u32 flows_full;    /* entries of `flows` above which there is pressure; 0: nothing is remembered at all */
	__u32 starts;        /* max_entries of `starts` */
	__u32 zero;
};

/* One pool and where its parts lie. */
struct sl_xdp_pool {
	struct sl_pool pool;
	__u32 backend;                    /* place of slot 0 in `backends`; pool.slots follow each other */
	__u32 table[SL_TABLE_KIND_COUNT]; /* place of row 0 in `rows`; 0: no such table */
};

/* Rows 64 * n .. 64 * n + 63 of one table, as they are on the ring: current with SL_ROW_LOOK, others slots only. */
struct sl_xdp_rows {
	__u16 row[SL_XDP_ROWS];
};

/*
 * One remembered connection. The key is its tag (core/flow.h), the same as in flows.shm. Every life is that of
 * flows.h: sl_flow_entry_lives() with sl_flow_life_s() of its pool and kind; the program finds no older one, sluiced
 * deletes them (bpf_map_lookup_and_delete_elem, and puts back with BPF_NOEXIST what was touched meanwhile).
 */
struct sl_xdp_flow {
	__u64 tag;    /* again: the map may give an entry to another connection under its reader */
	__u32 pool;
	__u32 row;    /* of the pool's table when it was last written */
	__u16 slot;   /* slot | SL_FLOW_CLOSING */
	__u16 seen_s; /* low half of CLOCK_BOOTTIME's seconds; the program stores it in place, all else by map update */
	__u16 born_s;
	__u8 kind;    /* enum sl_flow_kind */
	__u8 flags;   /* SL_XDP_FLOW_* */
};

struct sl_xdp_datagram {
	__u64 tag;
	__u64 born_ns; /* SL_DATAGRAM_LIFE_MS from here */
	struct sl_datagram datagram;
};

/*
 * The one value of `live`, how full the memory is. Added to and taken from with atomic operations: by the program for
 * each entry of `flows` it makes or deletes, by sluiced likewise, who also corrects `used` when it has counted. The
 * program sets `full`, sluiced clears it below SL_XDP_ROOMY_PERCENT.
 */
struct sl_xdp_live {
	__u64 used;
	__u64 full;            /* 1: pressure until sluiced clears it */
	__u64 starts_since_s;  /* CLOCK_BOOTTIME seconds when starts_count began at 0 */
	__u64 starts_count;    /* entries of `starts` made since */
	__u64 turning_until_s; /* pressure till then: `starts` turns over too fast */
	__u64 pressure_s;      /* CLOCK_BOOTTIME seconds when a packet met pressure last; 0: never */
	__u64 refused;         /* connections that found no room */
	__u64 zero;
};

/* What the last packet came to; only an object that was loaded with sl_traced writes it (map `trace`). */
struct sl_xdp_trace {
	__u64 tag;
	__u32 verdict;   /* enum sl_verdict; SL_VERDICT_COUNT: the core was not asked */
	__u32 row;
	__u16 slot;
	__u16 base;
	__u16 out_port;
	__u16 flags;     /* SL_PKT_* */
	__u32 service;   /* ids; 0xffffffff: none */
	__u32 backend;   /* sl_backend.stats */
};

/* Stores a neighbor that packets may be reading: never a MAC address with another next hop's port. */
static inline void sl_xdp_neighbor_store(struct sl_neighbor *at, const struct sl_neighbor *neighbor)
{
	__u64 words[2], *to = (__u64 *)(void *)at;

	__builtin_memcpy(words, neighbor, sizeof(words));
	if (at->port != neighbor->port || at->id != neighbor->id)
		__atomic_store_n(&to[1], 0, __ATOMIC_RELEASE); /* unknown meanwhile */
	__atomic_store_n(&to[0], words[0], __ATOMIC_RELEASE);
	__atomic_store_n(&to[1], words[1], __ATOMIC_RELEASE);
}

_Static_assert(sizeof(struct sl_xdp_root) == 32, "ABI");
_Static_assert(sizeof(struct sl_xdp_settings) == 96, "ABI");
_Static_assert(sizeof(struct sl_xdp_pool) == 72, "ABI");
_Static_assert(sizeof(struct sl_xdp_rows) == 128, "ABI");
_Static_assert(sizeof(struct sl_xdp_flow) == 24, "ABI");
_Static_assert(sizeof(struct sl_xdp_datagram) == 64, "ABI");
_Static_assert(sizeof(struct sl_xdp_live) == 64, "ABI");
_Static_assert(sizeof(struct sl_xdp_trace) == 32, "ABI");

#endif
