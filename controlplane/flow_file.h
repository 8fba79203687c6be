/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file of remembered connections as sluiced makes and keeps it: <runtime-dir>/<instance>/flows.shm. It is kept
 * over every restart as long as what is in it can be understood; entries are sluice-dp's business, here they are
 * only read. Main thread only.
 */
#ifndef CONTROLPLANE_FLOW_FILE_H
#define CONTROLPLANE_FLOW_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/flows_file.h"

struct flow_file;

/* What the file must be for. */
struct flow_file_want {
	uint64_t flows;        /* limits: flows */
	struct sl_key flow_key;
	uint64_t numbering;
	uint8_t boot_id[16];
	uint64_t now_s;        /* CLOCK_BOOTTIME */
	uint64_t wall_ns;      /* CLOCK_REALTIME; for the header of a new file */
	uint32_t life_s;       /* of the entries that live longest */
	const struct sl_boot *boot; /* boot->user's group gets the file */
	/* A sluice-dp runs: it takes the entries along when a bigger file gets the name. Without one a file that is
	 * too small is kept, for nobody would. */
	bool heir;
};

/* What became of it. */
struct flow_file_report {
	bool made;             /* false: kept */
	bool small;            /* kept, though limits: flows asks for more: try again when there is an heir */
	bool lost;             /* made, and a file whose connections are forgotten was there before */
	uint64_t used;         /* kept: entries, by the last count of sluice-dp */
	uint64_t capacity;     /* entries that fit */
	char why[192];         /* made: why the one before could not be kept */
};

/*
 * Maps the file of `dir`, made anew when there is none that can be used. 0 and both outputs, or -errno with one
 * line in reterr (place, cause, remedy); -ENOSPC: no room.
 */
int flow_file_open(const char *dir, const struct flow_file_want *want, struct flow_file **ret_file,
		   struct flow_file_report *ret_report, char *reterr, size_t reterr_size);
/* Unmaps; the file stays. NULL is fine. */
void flow_file_close(struct flow_file *file);
/* The header of the file of `dir`, when it is sound and of this boot: 0, or -errno. Changes nothing. */
int flow_file_peek(const char *dir, const uint8_t boot_id[16], struct sl_flows_header *ret_header);

/* True when the name leads elsewhere, or somebody cut the file or wrote over its header: open it again. */
bool flow_file_is_lost(const struct flow_file *file);
const struct sl_flows_header *flow_file_header(const struct flow_file *file); /* private copy */
/* Read-only mappings; another process writes them at any time, so every field is loaded once and checked. */
const struct sl_flows_live *flow_file_live(const struct flow_file *file);
const struct sl_flow_bucket *flow_file_buckets(const struct flow_file *file); /* header->buckets of each */
const struct sl_flow_home *flow_file_homes(const struct flow_file *file);

#endif
