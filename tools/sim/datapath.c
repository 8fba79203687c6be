/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Publisher and feed on one anonymous mapping, pumped in turn by one thread.
 */
#include "datapath.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "controlplane/publish_ring.h"
#include "dataplane/feed.h"

enum {
	SESSION = 1, /* nobody else shares the memory: any number but 0 will do */
	RECORDS_A_TURN = 4096,
	TURNS_MAX = 1000000, /* each carries records or table bytes: far more than any configuration needs */
};

struct datapath {
	struct sl_shm_header header;
	void *base;
	struct publisher *publisher;
	struct feed *feed;
};

int datapath_create(const struct shm_capacity *capacity, const struct sl_boot *boot,
		    struct datapath **ret_datapath)
{
	static const struct publisher_events no_events;
	struct datapath *datapath = calloc(1, sizeof(*datapath));
	struct feed_config feed;
	int err;

	if (datapath == NULL)
		return -ENOMEM;
	err = shm_layout(capacity, boot, SESSION, 0, &datapath->header);
	if (err < 0)
		goto out;
	datapath->base = mmap(NULL, datapath->header.total_size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (datapath->base == MAP_FAILED) {
		datapath->base = NULL;
		err = -ENOMEM;
		goto out;
	}
	memcpy(datapath->base, &datapath->header, sizeof(datapath->header));
	err = publish_ring_create(datapath->base, &datapath->header, &no_events, &datapath->publisher);
	if (err < 0)
		goto out;
	feed = (struct feed_config){
		.base = datapath->base, .header = &datapath->header, .allocator = &dp_allocator_malloc};
	err = feed_create(&feed, &datapath->feed);
out:
	if (err < 0) {
		datapath_destroy(datapath);
		return err;
	}
	*ret_datapath = datapath;
	return 0;
}

void datapath_destroy(struct datapath *datapath)
{
	if (datapath == NULL)
		return;
	feed_destroy(datapath->feed);
	publisher_destroy(datapath->publisher);
	if (datapath->base != NULL)
		munmap(datapath->base, datapath->header.total_size);
	free(datapath);
}

struct publisher *datapath_publisher(struct datapath *datapath)
{
	return datapath->publisher;
}

int datapath_carry(struct datapath *datapath, uint64_t generation, struct snapshot **ret_snapshot,
		   struct sl_rejected *ret_reason)
{
	struct snapshot *snapshot = NULL, *newer;

	for (unsigned int turn = 0; turn < TURNS_MAX; turn++) {
		publisher_pump(datapath->publisher);
		newer = feed_poll(datapath->feed, 0, RECORDS_A_TURN);
		if (newer != NULL) {
			snapshot_free(snapshot);
			snapshot = newer;
			feed_applied(datapath->feed, snapshot_generation(snapshot),
				     snapshot_tables_checksum(snapshot));
		}
		*ret_reason = feed_rejected(datapath->feed);
		if (ret_reason->reason != SL_REJECT_NONE)
			break;
		if (snapshot != NULL && publisher_applied(datapath->publisher) == generation) {
			*ret_snapshot = snapshot;
			return 0;
		}
	}
	snapshot_free(snapshot);
	return -EPROTO;
}
