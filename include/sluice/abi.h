/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shared-memory file between sluiced (control) and sluice-dp (data):
 * <runtime-dir>/<instance>/dataplane.shm, one new file per start of sluiced.
 *
 *   page 0       struct sl_shm_header   control writes once, before the file gets its name
 *   page 1       struct sl_shm_live     heartbeats; each end its own cache lines
 *   region       to_data ring           control → data records
 *   region       arena                  table bytes for the to_data ring, a byte FIFO
 *   region       to_control ring        data → control records
 *   region       stats                  counters; data writes, control reads
 *   region       image                  data's own log of what it applied, so that a restarted
 *                                       sluice-dp forwards before (and without) a sluiced
 *
 * Offsets only, no pointers. The reader copies each record to private memory before it checks it.
 * Any change of a struct here needs SL_ABI_MINOR (readers of the old layout still work) or
 * SL_ABI_MAJOR (they must refuse): tests/abi fails otherwise. See docs/abi.md.
 */
#ifndef SLUICE_ABI_H
#define SLUICE_ABI_H

#include "core/hash.h"
#include "flow_counter.h"
#include "limits.h"
#include "tables.h"
#include "types.h"
#include "verdict.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the shared-memory layout is little endian"
#endif

#define SL_SHM_MAGIC 0x4d48534543554c53ull /* "SLUCESHM", read as bytes */
#define SL_SHM_FILE "dataplane.shm"        /* names inside <runtime-dir>/<instance>/ */
#define SL_LOCK_FILE "lock"                /* OFD locks: byte 0 sluiced's, 1 sluice-dp's, 2 sluice-device's */
#define SL_DATAPLANE_SOCKET "dataplane.sock" /* SOCK_SEQPACKET; sluiced sends the TUN descriptor */
#define SL_API_SOCKET "api.sock"
#define SL_RUNTIME_DIR "/run/sluice"
#define SL_RUNTIME_DIR_SHM "/dev/shm/sluice" /* used when /run is no tmpfs */

enum {
	SL_ABI_MAJOR = 2,
	SL_ABI_MINOR = 0,
	SL_SHM_PAGE = 4096,
	SL_SHM_HEADER_PAGES = 4, /* bytes 0 .. 4*4096: the header; sl_shm_live follows */
};

enum sl_port_kind { SL_PORT_NONE = 0, SL_PORT_PCI, SL_PORT_AF_XDP, SL_PORT_AF_PACKET, SL_PORT_VDEV, SL_PORT_KIND_COUNT };
enum sl_poll { SL_POLL_ADAPTIVE = 0, SL_POLL_BUSY = 1, SL_POLL_COUNT };

/* One interface as sluice-dp must open it. Strings are zero-terminated inside their arrays. */
struct sl_port_config {
	char name[SL_NAME_MAX];     /* the configuration's name for it */
	char device[SL_DEVICE_MAX]; /* PCI address, interface name, or vdev string with options */
	__u32 kind;                 /* enum sl_port_kind */
	__u32 queues;               /* 0: as many as workers */
	__u32 mtu;                  /* 0: as the port has it */
	__u32 zero;
};

/* What the EAL needs before anything else. A reload that changes it applies when sluice-dp restarts. */
struct sl_boot {
	__u32 port_count;
	__u32 worker_count;
	__s32 manager_cpu;                 /* -1: any */
	__u32 memory_mb;                   /* 0: sluice-dp decides */
	__u8 poll;                         /* enum sl_poll */
	__u8 hugepages;                    /* 1: required; 0: run without */
	__u8 config_root_owned;            /* 1: the configuration was root's: vdev ports are allowed */
	__u8 zero[5];
	char user[SL_NAME_MAX];            /* account to drop to; empty: keep the uid, drop capabilities */
	__u32 worker_cpu[SL_WORKERS_MAX];
	struct sl_port_config port[SL_PORTS_MAX];
};

struct sl_region {
	__u64 offset; /* from the file's start, a multiple of SL_SHM_PAGE */
	__u64 size;
};

/* Capacities of this file; a configuration that outgrows them gets a new file. */
struct sl_shm_limits {
	__u32 services;
	__u32 pools;
	__u32 backends; /* positions in the statistics */
	__u32 neighbors;
	__u32 listeners;
	__u32 vips;
	__u32 workers;  /* statistics blocks */
	__u32 zero;
};

struct sl_shm_header {
	__u64 magic;
	__u16 abi_major; /* different: refuse */
	__u16 abi_minor; /* newer: fields past the reader's struct are unknown to it and stay unread */
	__u32 header_size;
	__u64 total_size;   /* of the file; a shorter file is refused */
	__u64 session;      /* random, never 0: every record of this file carries it */
	__u64 created_ns;   /* CLOCK_REALTIME */
	struct sl_shm_limits limits;
	struct sl_region to_data;
	struct sl_region arena;
	struct sl_region to_control;
	struct sl_region stats;
	struct sl_region image;
	struct sl_boot boot;
	__u64 zero[16];
	__u64 checksum; /* sl_checksum64 of all bytes before it */
};

/* Byte SL_SHM_HEADER_PAGES * SL_SHM_PAGE. Heartbeats show hangs; liveness is the lock. */
struct sl_shm_live {
	__u64 control_beat_ns SL_ALIGNED(64); /* CLOCK_MONOTONIC; sluiced writes once a second */
	__u64 control_pid;
	__u64 data_beat_ns SL_ALIGNED(64);    /* sluice-dp's manager writes ten times a second */
	__u64 data_pid;
	__u64 data_generation;                /* last generation every worker forwards by */
	__u64 data_started_ns;                /* CLOCK_REALTIME */
	__u64 data_tables;                    /* sum of sl_table_term() over all pools: equal tables, equal sums */
	__u64 data_workers_alive;             /* workers whose loop made progress in the last second */
	__u64 zero[2];
};

/* ---- ring records ------------------------------------------------------------------------------------- */

enum sl_record_type {
	SL_RECORD_NONE = 0,
	/* control → data: idempotent statements of fact, applied together at COMMIT */
	SL_RECORD_RESET,    /* forget what was stated: a full replay follows */
	SL_RECORD_SETTINGS,
	SL_RECORD_NEIGHBOR,
	SL_RECORD_POOL,
	SL_RECORD_BACKEND,
	SL_RECORD_TABLE,    /* rows of a pool; its bytes are in the arena */
	SL_RECORD_SERVICE,
	SL_RECORD_LISTENER,
	SL_RECORD_VIP,
	SL_RECORD_COMMIT,
	SL_RECORD_FLOW,     /* a connection that another datapath remembers; no fact: counted by no COMMIT, kept by no image */
	/* data → control */
	SL_RECORD_HELLO = 64, /* a data plane attached: replay everything */
	SL_RECORD_APPLIED,    /* every worker forwards by this generation */
	SL_RECORD_REJECTED,   /* a record failed its checks: replay everything */
	SL_RECORD_OBSERVATION,
	SL_RECORD_TYPE_COUNT,
};

/* The type's word in logs. Any thread; never NULL. */
static inline const char *sl_record_type_name(__u32 type)
{
	switch ((enum sl_record_type)type) { /* no default */
	case SL_RECORD_NONE: return "none";
	case SL_RECORD_RESET: return "reset";
	case SL_RECORD_SETTINGS: return "settings";
	case SL_RECORD_NEIGHBOR: return "neighbor";
	case SL_RECORD_POOL: return "pool";
	case SL_RECORD_BACKEND: return "backend";
	case SL_RECORD_TABLE: return "table";
	case SL_RECORD_SERVICE: return "service";
	case SL_RECORD_LISTENER: return "listener";
	case SL_RECORD_VIP: return "vip";
	case SL_RECORD_COMMIT: return "commit";
	case SL_RECORD_FLOW: return "flow";
	case SL_RECORD_HELLO: return "hello";
	case SL_RECORD_APPLIED: return "applied";
	case SL_RECORD_REJECTED: return "rejected";
	case SL_RECORD_OBSERVATION: return "observation";
	case SL_RECORD_TYPE_COUNT: break;
	}
	return "unknown";
}

enum sl_op { SL_OP_PUT = 0, SL_OP_DEL = 1 };

/* Which array of a pool a TABLE carries: kind BASE_TCP + enum sl_flow_kind is the bases of that traffic. A
 * base table is there only while some row of that kind is open, a lens table only while its lens is used. */
enum sl_table_kind {
	SL_TABLE_CURRENT = 0, /* slot and SL_ROW_LOOK; all others: slots only */
	SL_TABLE_BASE_TCP = 1,
	SL_TABLE_BASE_QUIC = 2,
	SL_TABLE_BASE_UDP = 3,
	SL_TABLE_LENS_TCP = 4, /* sl_pool.lens_rows rows; the others sl_pool.rows */
	SL_TABLE_LENS_QUIC = 5,
	SL_TABLE_LENS_UDP = 6,
	SL_TABLE_KIND_COUNT
};

/* rows x u16 at arena position `position`; positions count bytes since the session began. */
struct sl_table_put {
	__u32 pool;
	__u32 kind;      /* enum sl_table_kind */
	__u32 rows;
	__u32 zero;
	__u64 position;  /* first byte; the bytes are contiguous: (position % arena size) + length <= arena size */
	__u64 length;    /* rows * 2 */
	__u64 release;   /* the consumer's new arena tail once these bytes are copied */
	__u64 checksum;  /* sl_checksum64 of the bytes */
};

/* The arena's bytes up to here belong to nobody any more, whatever became of their records. */
struct sl_reset {
	__u64 arena_position;
};

struct sl_commit {
	__u64 generation; /* never 0; rises, except that a full replay may state the same one again */
	__u64 records;    /* since the last RESET or COMMIT, neither counted: a lost one is noticed */
};

/* One remembered connection, for the shared table (flows.h); of the settings that are in force. */
struct sl_flow_put {
	__u64 tag;
	__u32 pool;
	__u32 row;
	__u16 slot;
	__u16 seen_s;  /* low half of CLOCK_BOOTTIME's seconds */
	__u8 kind;     /* enum sl_flow_kind */
	__u8 closing;
	__u8 start;    /* 1: its start was seen, so the slot is no guess */
	__u8 zero;
};

struct sl_hello {
	__u64 pid;
	__u64 generation; /* what it forwards by already (from the image); 0: nothing */
	__u32 workers;
	__u16 abi_minor;
	__u16 ports;
	struct sl_port port[3]; /* the first three, for `show datapath` */
};

enum sl_reject_reason {
	SL_REJECT_NONE = 0,
	SL_REJECT_SESSION,   /* record of another session */
	SL_REJECT_SEQUENCE,  /* not the next one */
	SL_REJECT_CHECKSUM,
	SL_REJECT_TYPE,      /* unknown type, operation or enum value */
	SL_REJECT_RANGE,     /* an id, size or count past the file's limits */
	SL_REJECT_REFERENCE, /* names an object that does not exist at COMMIT */
	SL_REJECT_TABLE,     /* table missing, torn, out of the arena, or naming a slot that the pool lacks */
	SL_REJECT_MEMORY,    /* no memory for the snapshot */
	SL_REJECT_COUNT,
};

/* In words, for logs. Any thread; never NULL. */
static inline const char *sl_reject_reason_name(__u32 reason)
{
	switch ((enum sl_reject_reason)reason) { /* no default */
	case SL_REJECT_NONE: return "none";
	case SL_REJECT_SESSION: return "of another session";
	case SL_REJECT_SEQUENCE: return "not the next one";
	case SL_REJECT_CHECKSUM: return "wrong checksum";
	case SL_REJECT_TYPE: return "unknown type or value";
	case SL_REJECT_RANGE: return "out of range";
	case SL_REJECT_REFERENCE: return "names what does not exist";
	case SL_REJECT_TABLE: return "torn or wrong table";
	case SL_REJECT_MEMORY: return "no memory";
	case SL_REJECT_COUNT: break;
	}
	return "unknown";
}

struct sl_applied {
	__u64 generation;
	__u64 tables; /* as sl_shm_live.data_tables */
};

struct sl_rejected {
	__u64 generation; /* last one that holds */
	__u64 sequence;   /* of the record */
	__u32 reason;     /* enum sl_reject_reason */
	__u32 type;       /* enum sl_record_type of the record */
};

union sl_payload {
	struct sl_settings settings;
	struct sl_neighbor neighbor;
	struct sl_pool pool;
	struct sl_backend backend;
	struct sl_table_put table;
	struct sl_service service;
	struct sl_listener listener;
	struct sl_vip vip;
	struct sl_reset reset;
	struct sl_commit commit;
	struct sl_flow_put flow;
	struct sl_hello hello;
	struct sl_applied applied;
	struct sl_rejected rejected;
	__u8 bytes[88];
};

/* One slot of a ring: two cache lines. */
struct sl_record {
	__u64 session;
	__u64 sequence; /* position in the ring since the session began; slot = sequence % slots */
	__u16 type;     /* enum sl_record_type */
	__u8 op;        /* enum sl_op */
	__u8 zero[5];
	union sl_payload payload;
	__u64 pad;
	__u64 checksum; /* sl_checksum64 of all bytes before it */
};

/* At a ring's start; the slots follow at byte 128. Sequences only rise; slots are a power of two. */
struct sl_ring {
	__u64 head SL_ALIGNED(64); /* next to write; producer stores with release */
	__u64 arena_head;          /* to_data only: bytes written to the arena */
	__u64 tail SL_ALIGNED(64); /* next to read; consumer stores with release */
	__u64 arena_tail;          /* to_data only: bytes the consumer is done with */
};

/* ---- statistics --------------------------------------------------------------------------------------- */

struct sl_counter {
	__u64 packets;
	__u64 bytes; /* of the frames as received, without padding and FCS */
};

/* Counters of one worker; sluice-dp adds, nobody resets. Cycles are TSC ticks. */
struct sl_worker_stats {
	__u64 verdict[SL_VERDICT_SLOTS];
	__u64 flow[SL_FLOW_COUNTERS]; /* by enum sl_flow_counter */
	__u64 rx_packets;
	__u64 rx_bytes;
	__u64 tx_packets;
	__u64 tx_bytes;
	__u64 busy_cycles;  /* spent on polls that found packets */
	__u64 total_cycles; /* spent in the loop, sleep included */
	__u64 polls;
	__u64 empty_polls;
	__u64 missed;       /* the port's own count of frames it had no descriptor for */
	__u64 no_mbuf;
	__u64 tx_full;
	__u64 snapshot_generation; /* the worker forwards by this */
	__u32 cpu;
	__u32 state;        /* 0 absent, 1 polling, 2 sleeping, 3 stuck */
	__u64 zero[3];
};

/*
 * The stats region: limits.workers blocks, each
 *   struct sl_worker_stats, then limits.services x sl_counter, then limits.backends x sl_counter,
 * rounded up to SL_SHM_PAGE.
 */
SL_INLINE __u64 sl_stats_block_size(const struct sl_shm_limits *limits)
{
	__u64 bytes = sizeof(struct sl_worker_stats) +
		      sizeof(struct sl_counter) * ((__u64)limits->services + limits->backends);

	return (bytes + SL_SHM_PAGE - 1) & ~(__u64)(SL_SHM_PAGE - 1);
}

/*
 * One pool's part of the tables' fingerprint: a sum, so that one changed table of ten thousand costs
 * one term. `rows_checksum` is sl_checksum64 of its current rows.
 */
SL_INLINE __u64 sl_table_term(__u32 pool, __u32 rows, __u64 rows_checksum)
{
	const __u64 term[2] = { (__u64)pool << 32 | rows, rows_checksum };

	return sl_checksum64(term, sizeof(term));
}

_Static_assert(sizeof(union sl_payload) == 88, "a record is two cache lines");
_Static_assert(sizeof(struct sl_record) == 128, "a record is two cache lines");
_Static_assert(sizeof(struct sl_ring) == 128, "the slots follow at byte 128");
_Static_assert(sizeof(struct sl_worker_stats) % 64 == 0, "workers never share a cache line");
_Static_assert(sizeof(struct sl_shm_header) <= SL_SHM_HEADER_PAGES * SL_SHM_PAGE, "the header fits its pages");

#endif
