/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One remembered connection as the rules of select.h see it, and the number it is remembered by. Where it is
 * kept is the home's business (env.h: sl_env_flow_*).
 */
#ifndef SLUICE_CORE_FLOW_H
#define SLUICE_CORE_FLOW_H

#include "../flow_counter.h"
#include "../tables.h"
#include "hash.h"

/* sl_flow.flags */
enum {
	SL_FLOW_IS_UNCONFIRMED = 1 << 0, /* made by a start; nothing else of the connection has been seen */
	SL_FLOW_IS_CLOSING = 1 << 1,     /* FIN or RST seen: kept SL_FLOW_CLOSING_S, unless more data comes */
};

struct sl_flow {
	__u16 slot;
	__u8 flags;  /* SL_FLOW_IS_* */
	__u8 where;  /* the home's own */
	__u32 age_s; /* since its last packet */
};

/* What the tag is made of: 48 bytes, no holes. */
struct sl_flow_name {
	struct sl_flow_key key;
	__u32 pool; /* a slot is a pool's: the same connection in another pool is another one */
	__u32 zero;
};

_Static_assert(sizeof(struct sl_flow_name) == 48, "the hash input has no holes");

/* 64 keyed bits that stand for a connection, always by 5-tuple; never 0. Two collide once in 2^64. */
SL_CALL __u64 sl_flow_name_hash(const struct sl_key *flow_key, const struct sl_flow_name *name)
{
	__u64 tag;

#ifdef __bpf__
	if (!flow_key || !name)
		return 0;
#endif
	tag = sl_siphash13(flow_key, name, sizeof(*name));
	return tag ? tag : 1;
}

SL_INLINE __u64 sl_flow_tag(const struct sl_key *flow_key, const struct sl_flow_key *key, __u32 pool)
{
	const struct sl_flow_name name = { .key = *key, .pool = pool };

	return sl_flow_name_hash(flow_key, &name);
}

#endif
