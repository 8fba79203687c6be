/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every bound that two programs share, with its reason. A bound that is part of the shared-memory
 * layout is ABI: changing it needs a new version in abi.h (tests/abi says so).
 */
#ifndef SLUICE_LIMITS_H
#define SLUICE_LIMITS_H

enum sl_limit {
	SL_WORKERS_MAX = 64,           /* statistics blocks in one file; one worker a core */
	SL_PORTS_MAX = 16,             /* interfaces of one balancer; a port index fits 4 bits */
	SL_NAME_MAX = 64,              /* bytes of a name with its terminating zero */
	SL_DEVICE_MAX = 128,           /* bytes of a device specification (a vdev may carry options) */
	SL_VERDICT_SLOTS = 64,         /* counters reserved per worker, so a new verdict keeps the layout */
	SL_SLOT_MAX = 0x7ffe,          /* backend positions of a pool: bit 15 of a row is LOOK */
	SL_SLOT_NONE = 0x7fff,         /* a row with no live backend */
	SL_ROW_LOOK = 0x8000,          /* bit 15 of a row: a connection may be remembered here */
	SL_ROW_SLOT = 0x7fff,          /* the other 15 bits */
	SL_TABLE_ROWS_MIN = 7,         /* the Maglev paper's own example; a useful table has 100 x backends */
	SL_TABLE_ROWS_MAX = 16777213,  /* the largest prime of 24 bits: 32 MiB a table */
	SL_IDLE_MAX_S = 43200,         /* connection-idle: entries keep 16 bits of seconds, with room to notice age */
	SL_FLOWS_MAX = 1 << 28,        /* remembered connections of the shared table: 4 GiB and some */
	SL_FLOW_COUNTERS = 32,         /* counters reserved per worker, so a new one keeps the layout */
	SL_SERVICES_MAX = 65536,
	SL_POOLS_MAX = 65536,
	SL_BACKENDS_MAX = 1 << 21,     /* of all pools together */
	SL_NEIGHBORS_MAX = 1 << 20,
	SL_LISTENERS_MAX = 1 << 18,
	SL_VIPS_MAX = 1 << 16,
	SL_BURST_MAX = 32,             /* 32 packet descriptors stay in L1 beside the tables */
	SL_VLAN_TAGS_MAX = 1,          /* more tags: not ours, the kernel's */
	SL_IPV6_EXTENSIONS_MAX = 8,    /* headers walked before the transport header */
	SL_HEADERS_MAX = 256,          /* bytes from the frame's start within which L4 must begin */
};

#endif
