/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file of remembered connections as a source of entries for flow_census.c. Reads while another process writes.
 */
#ifndef CONTROLPLANE_FLOW_SCAN_H
#define CONTROLPLANE_FLOW_SCAN_H

#include "controlplane/flow_census.h"

/* Where a scan is. The arrays are the file's, of `buckets` each; they stay as long as the source is used. */
struct flow_scan {
	const struct sl_flow_bucket *hot;
	const struct sl_flow_home *home;
	uint64_t buckets;
	uint64_t next; /* flow_scan.c's */
};

/* `scan` stays the caller's; a place is a bucket. */
struct flow_census_source flow_scan_source(struct flow_scan *scan);

#endif
