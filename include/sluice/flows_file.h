/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a file of remembered connections must look like, for all who open it: sluiced, which makes it or keeps
 * it, and sluice-dp, which adopts or discards it. Sizes, the header's layout, and what is wrong with one. Pure.
 */
#ifndef SLUICE_FLOWS_FILE_H
#define SLUICE_FLOWS_FILE_H

#include "flows.h"

/* What is wrong with a file, the gravest first. The last three are sound files that are not ours. */
enum sl_flows_fault {
	SL_FLOWS_SOUND = 0,
	SL_FLOWS_NO_HEADER,  /* shorter than a header, or another magic */
	SL_FLOWS_LAYOUT,     /* of another major version */
	SL_FLOWS_CHECKSUM,
	SL_FLOWS_SIZE,       /* shorter or longer than its header says */
	SL_FLOWS_REGIONS,    /* do not lie where sl_flows_layout() puts them */
	SL_FLOWS_BOOT,       /* of another boot: the seconds in it say nothing */
	SL_FLOWS_KEY,        /* tags of another flow key */
	SL_FLOWS_NUMBERING,  /* pools and slots of another numbering */
	SL_FLOWS_FAULT_COUNT,
};

/* In words, for logs. Any thread; never NULL. */
static inline const char *sl_flows_fault_name(enum sl_flows_fault fault)
{
	switch (fault) { /* no default */
	case SL_FLOWS_SOUND: return "sound";
	case SL_FLOWS_NO_HEADER: return "no header of such a file";
	case SL_FLOWS_LAYOUT: return "of another layout";
	case SL_FLOWS_CHECKSUM: return "damaged: wrong checksum of the header";
	case SL_FLOWS_SIZE: return "cut or grown: another size than its header says";
	case SL_FLOWS_REGIONS: return "damaged: its regions are not where they belong";
	case SL_FLOWS_BOOT: return "of another boot";
	case SL_FLOWS_KEY: return "of another flow key";
	case SL_FLOWS_NUMBERING: return "of another numbering of pools and backends";
	case SL_FLOWS_FAULT_COUNT: break;
	}
	return "unknown";
}

/* Buckets for that many connections at 80 % of the entries or less; a power of two. 32 to 64 bytes of file each. */
SL_INLINE __u64 sl_flows_buckets(__u64 flows)
{
	__u64 buckets = SL_SHM_PAGE / sizeof(struct sl_flow_bucket);

	while (buckets < (SL_FLOWS_MAX >> 2) && buckets * SL_FLOW_WAYS * 4 < flows * 5)
		buckets *= 2;
	return buckets;
}

SL_INLINE __u64 sl_flows_capacity(__u64 buckets)
{
	return buckets * SL_FLOW_WAYS;
}

/* Where everything lies in a file of that many buckets; the rest of the header is left as it is. */
SL_INLINE void sl_flows_layout(struct sl_flows_header *header, __u64 buckets)
{
	header->magic = SL_FLOWS_MAGIC;
	header->major = SL_FLOWS_MAJOR;
	header->minor = SL_FLOWS_MINOR;
	header->header_size = sizeof(*header);
	header->buckets = buckets;
	header->hot.offset = 2 * SL_SHM_PAGE;
	header->hot.size = buckets * sizeof(struct sl_flow_bucket);
	header->home.offset = header->hot.offset + header->hot.size;
	header->home.size = buckets * sizeof(struct sl_flow_home);
	header->total_size = header->home.offset + header->home.size;
}

SL_INLINE __u64 sl_flows_checksum(const struct sl_flows_header *header)
{
	return sl_checksum64(header, __builtin_offsetof(struct sl_flows_header, checksum));
}

/*
 * Whether a file of `file_size` bytes can be used at all: `header` is a private copy of its first bytes (zeroes
 * behind the end of a shorter file). Says nothing of whose it is.
 */
SL_INLINE enum sl_flows_fault sl_flows_check(const struct sl_flows_header *header, __u64 file_size)
{
	struct sl_flows_header expected = *header;

	if (file_size < 2 * SL_SHM_PAGE || header->magic != SL_FLOWS_MAGIC)
		return SL_FLOWS_NO_HEADER;
	if (header->major != SL_FLOWS_MAJOR)
		return SL_FLOWS_LAYOUT;
	if (header->header_size != sizeof(*header) || header->checksum != sl_flows_checksum(header))
		return SL_FLOWS_CHECKSUM;
	if (header->total_size != file_size)
		return SL_FLOWS_SIZE;
	if (header->buckets < SL_SHM_PAGE / sizeof(struct sl_flow_bucket) || header->buckets > (SL_FLOWS_MAX >> 2) ||
	    (header->buckets & (header->buckets - 1)))
		return SL_FLOWS_REGIONS;
	sl_flows_layout(&expected, header->buckets);
	if (expected.total_size != header->total_size || expected.hot.offset != header->hot.offset ||
	    expected.hot.size != header->hot.size || expected.home.offset != header->home.offset ||
	    expected.home.size != header->home.size)
		return SL_FLOWS_REGIONS;
	return SL_FLOWS_SOUND;
}

/* Whether a sound file is of this boot, this key and this numbering: else nothing in it can be understood. */
SL_INLINE enum sl_flows_fault sl_flows_check_owner(const struct sl_flows_header *header, const __u8 boot_id[16],
						   const struct sl_key *flow_key, __u64 numbering)
{
	if (__builtin_memcmp(header->boot_id, boot_id, sizeof(header->boot_id)))
		return SL_FLOWS_BOOT;
	if (header->flow_key.k0 != flow_key->k0 || header->flow_key.k1 != flow_key->k1)
		return SL_FLOWS_KEY;
	return header->numbering == numbering ? SL_FLOWS_SOUND : SL_FLOWS_NUMBERING;
}

#endif
