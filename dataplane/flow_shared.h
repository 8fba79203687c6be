/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shared table of connections, <runtime-dir>/<instance>/flows.shm, as sluice-dp sees it: checked and mapped,
 * written by the manager alone, read by workers without a lock (sl_flow_find). Nothing of the file is believed but
 * a private copy of its header: indexes are computed from that, values are checked where they are used. The layout
 * and its rules: include/sluice/flows.h. Manager thread only, but for the reading of a view.
 */
#ifndef DATAPLANE_FLOW_SHARED_H
#define DATAPLANE_FLOW_SHARED_H

#include "dataplane/flow_export.h"
#include "dataplane/flow_table.h"
#include "dataplane/shared_file.h"
#include "sluice/flows_file.h"

struct flow_shared;

/* What a worker needs to read the table. Valid until the table is closed; `bucket` NULL: there is none. */
struct flow_view {
	const struct sl_flow_bucket *bucket;
	uint64_t buckets;  /* a power of two */
	uint64_t since_s;  /* what was stored before that may not be in it: tell it again */
};

/* How long entries live: pools by id, as far as they are known, and the longest of each kind for all others. */
struct flow_shared_lives {
	const struct snapshot *snapshot;
	struct flow_table_lives longest;
};

/* Names what tags, pools and slots mean: equal for equal (flow key, numbering). 0 for settings without numbering. */
static inline uint64_t flow_id(const struct sl_key *flow_key, uint64_t numbering)
{
	return numbering == 0 ? 0 : numbering ^ flow_key->k0 ^ (flow_key->k1 << 1 | flow_key->k1 >> 63);
}

/*
 * Opens, checks and maps the file in `dir_fd`; `owner` as shared_file_open(). Writes nothing. Returns 0, -ENOENT,
 * -EPERM (owner, mode, kind), -EPROTO (another layout), -EBADMSG (damaged), -ESTALE (another boot) or another
 * -errno, with *reterr_error filled.
 */
int flow_shared_open(int dir_fd, uid_t owner, const uint8_t boot_id[16], struct flow_shared **ret_shared,
		     struct shm_error *reterr_error);
void flow_shared_close(struct flow_shared *shared); /* NULL is fine */
bool flow_shared_is_lost(const struct flow_shared *shared);
bool flow_shared_is_replaced(const struct flow_shared *shared, int dir_fd);
const struct sl_flows_header *flow_shared_header(const struct flow_shared *shared); /* the private copy */
struct sl_flows_live *flow_shared_live(const struct flow_shared *shared);
struct flow_view flow_shared_view(const struct flow_shared *shared, uint64_t since_s);

/*
 * Before the first write, once the file is known to be ours. Returns true when the ages in it can be believed;
 * false: it was last written too long ago, or in the future, so everything in it was forgotten; *ret_idle_s is
 * how long ago it was.
 */
bool flow_shared_adopt(struct flow_shared *shared, uint64_t now_s, int64_t *ret_idle_s);

/* Writes down what a worker told; an older word than what stands there changes nothing. 0, or -ENOSPC: refused. */
int flow_shared_tell(struct flow_shared *shared, const struct flow_export *record, uint64_t now_s,
		     const struct flow_shared_lives *lives);
/* Takes over entries of `count` buckets of another table, from bucket `at` on. Returns false when that was the last. */
bool flow_shared_take(struct flow_shared *shared, const struct flow_shared *from, uint64_t at, uint64_t count,
		      uint64_t now_s, const struct flow_shared_lives *lives);
/* Frees what expired in the next `count` buckets; after a whole round the count of entries is exact. */
void flow_shared_sweep(struct flow_shared *shared, uint64_t count, uint64_t now_s, const struct flow_shared_lives *lives);
bool flow_shared_is_counted(const struct flow_shared *shared); /* a whole round was swept */
/* More than 80 % of the places are taken, until less than 70 % are. */
bool flow_shared_pressure(const struct flow_shared *shared);
uint64_t flow_shared_refused(const struct flow_shared *shared); /* connections that found no room, ever */
uint64_t flow_shared_used(const struct flow_shared *shared);

#endif
