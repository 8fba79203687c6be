/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The maps of the steering program. Every interface has its own xsks_map and counters (queue numbers
 * are the interface's), mac and fragments; vips, listeners and sources are one for all interfaces of an instance. sluiced
 * writes all of them except xsks_map, where libxdp inside sluice-dp puts its sockets.
 */
#ifndef BPF_MAPS_H
#define BPF_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "sluice/limits.h"
#include "sluice/steering.h"

/* Name and 4-byte key and value are what libxdp looks for. */
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, SL_STEERING_QUEUES_MAX);
	__type(key, __u32);
	__type(value, __u32);
} xsks_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SL_VIPS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sl_addr);
	__type(value, __u32); /* enum sl_steering_vip_flags */
} vips SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SL_LISTENERS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sl_steering_listener);
	__type(value, __u32);
} listeners SEC(".maps");

/* First fragments of services at VIPs whose other traffic is the kernel's. The program's own. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SL_STEERING_FRAGMENTS_MAX);
	__type(key, struct sl_steering_fragment);
	__type(value, __u8);
} fragments SEC(".maps");

/* Outer sources of tunnels: addresses of the balancer itself. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SL_STEERING_SOURCES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sl_addr);
	__type(value, __u32);
} sources SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SL_STEERING_COUNTER_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sl_steering_mac);
} mac SEC(".maps");

/* libxdp adds its sockets to a program that says it follows version 1 of its convention. */
__uint(xsk_prog_version, 1) SEC("xdp_metadata");

#endif
