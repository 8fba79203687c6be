/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The maps of the XDP program; what is in them and who writes it: include/sluice/xdp.h and steering.h. Every interface
 * has its own xsks_map (queue numbers are the interface's), counters, mac, fragments, scratch and trace; all others
 * are one for all interfaces of an instance. max_entries here serve a small balancer: who loads the object sets them by its limits.
 */
#ifndef BPF_MAPS_H
#define BPF_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "sluice/core/packet.h"
#include "sluice/xdp.h"

/* What one stage of a packet leaves for the next, and what is too large for the stack. Its CPU's alone. */
struct scratch {
	struct sl_plan plan;
	__u64 packet[SL_PACKET_WORDS]; /* sl_packet_keep() */
	__u64 tag;
	__u32 service;                 /* ids; NONE: there is none */
	__u32 pool;
	__u32 backend;                 /* sl_backend.stats */
	__u32 row;
	__u16 slot, base, out_port, port;
	__u32 bytes;                   /* of the frame, without padding */
	__u16 flags;                   /* SL_PKT_* */
	__u8 done;                     /* sl_plan_is_done() */
	__u8 leaves;                   /* sl_forward_leaves() */
	__u64 reply_due_ns;            /* core/reply_rate.h */
	struct sl_xdp_flow flow;       /* to be put in a map */
	struct sl_xdp_datagram datagram;
};
#define NONE 0xffffffffu

/* An array that sluiced maps into its memory. */
#define MAP_ARRAY(name, entries, value_type)                 \
	struct {                                             \
		__uint(type, BPF_MAP_TYPE_ARRAY);            \
		__uint(max_entries, entries);                \
		__uint(map_flags, BPF_F_MMAPABLE);           \
		__type(key, __u32);                          \
		__type(value, value_type);                   \
	} name SEC(".maps")

#define MAP_PER_CPU(name, entries, value_type)               \
	struct {                                             \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);     \
		__uint(max_entries, entries);                \
		__type(key, __u32);                          \
		__type(value, value_type);                   \
	} name SEC(".maps")

/* A hash that sluiced alone writes. */
#define MAP_HASH(name, entries, key_type, value_type)        \
	struct {                                             \
		__uint(type, BPF_MAP_TYPE_HASH);             \
		__uint(max_entries, entries);                \
		__uint(map_flags, BPF_F_NO_PREALLOC);        \
		__type(key, key_type);                       \
		__type(value, value_type);                   \
	} name SEC(".maps")

/* A memory of the program's own; all of it is there from the start. */
#define MAP_MEMORY(name, kind, entries, key_type, value_type) \
	struct {                                              \
		__uint(type, kind);                           \
		__uint(max_entries, entries);                 \
		__type(key, key_type);                        \
		__type(value, value_type);                    \
	} name SEC(".maps")

/* ---- one for each interface --------------------------------------------------------------------------- */

/* Name and 4-byte key and value are what libxdp looks for. */
MAP_MEMORY(xsks_map, BPF_MAP_TYPE_XSKMAP, SL_STEERING_QUEUES_MAX, __u32, __u32);
MAP_PER_CPU(counters, SL_STEERING_COUNTER_COUNT, __u64);
MAP_MEMORY(mac, BPF_MAP_TYPE_ARRAY, 1, __u32, struct sl_steering_mac);
/* First fragments of services at VIPs whose other traffic is the kernel's, when packets are redirected. */
MAP_MEMORY(fragments, BPF_MAP_TYPE_LRU_HASH, SL_STEERING_FRAGMENTS_MAX, struct sl_steering_fragment, __u8);

MAP_PER_CPU(scratch, 1, struct scratch);
MAP_ARRAY(trace, 1, struct sl_xdp_trace); /* of tests, which run one packet at a time */

/* ---- one for all: what is forwarded by ---------------------------------------------------------------- */

MAP_ARRAY(root, 1, struct sl_xdp_root);
MAP_ARRAY(settings, SL_XDP_BANKS, struct sl_xdp_settings);
MAP_ARRAY(services, 256 * SL_XDP_BANKS, struct sl_service);
MAP_ARRAY(pool_slots, 256 * SL_XDP_BANKS, __u32);
MAP_ARRAY(pools, 1024, struct sl_xdp_pool);
MAP_ARRAY(backends, 8192, struct sl_backend);
MAP_ARRAY(rows, 16384, struct sl_xdp_rows);
MAP_ARRAY(neighbors, 4096, struct sl_neighbor);
MAP_ARRAY(ports, SL_PORTS_MAX, struct sl_port);
MAP_MEMORY(tx_ports, BPF_MAP_TYPE_DEVMAP, SL_PORTS_MAX, __u32, __u32);
MAP_HASH(vips, SL_VIPS_MAX, struct sl_addr, struct sl_vip);
MAP_HASH(listeners, SL_LISTENERS_MAX, struct sl_steering_listener, __u32);
MAP_HASH(sources, SL_STEERING_SOURCES_MAX, struct sl_addr, __u32);

/* ---- one for all: what is remembered ------------------------------------------------------------------ */

MAP_MEMORY(flows, BPF_MAP_TYPE_HASH, 32768, __u64, struct sl_xdp_flow);
MAP_MEMORY(starts, BPF_MAP_TYPE_LRU_HASH, 8192, __u64, struct sl_xdp_flow);
MAP_MEMORY(datagrams, BPF_MAP_TYPE_LRU_HASH, 16384, __u64, struct sl_xdp_datagram);
MAP_ARRAY(live, 1, struct sl_xdp_live);

/* ---- one for all: counted ----------------------------------------------------------------------------- */

MAP_PER_CPU(verdicts, SL_VERDICT_SLOTS, __u64);
MAP_PER_CPU(flow_counters, SL_FLOW_COUNTERS, __u64);
MAP_PER_CPU(service_counters, 256, struct sl_counter);
MAP_PER_CPU(backend_counters, 4096, struct sl_counter);

/* libxdp adds its sockets to a program that says it follows version 1 of its convention. */
__uint(xsk_prog_version, 1) SEC("xdp_metadata");

#endif
