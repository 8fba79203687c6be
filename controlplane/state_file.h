/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What must outlive sluiced and is not in the configuration: numbers of names, operators' overrides, the
 * generation, the flow key, the numbering, what backends were in the middle of (linger, ramps), and the last
 * probe results. One JSON file, replaced as a whole (written beside, synced, renamed), mode 0600. Main
 * thread only.
 */
#ifndef CONTROLPLANE_STATE_FILE_H
#define CONTROLPLANE_STATE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model.h"

/* A probe's last result; age counts CLOCK_BOOTTIME, and only results of this boot are ever returned. */
struct state_probe {
	char check[SL_NAME_MAX];
	struct sl_addr address;
	uint16_t port;
	bool up;
	uint64_t at_boottime_s;
};

struct state_override {
	char pool[SL_NAME_MAX];
	char backend[SL_NAME_MAX];
	struct model_override override;
};

/* What a backend of this boot was in the middle of; ages count CLOCK_BOOTTIME. */
struct state_times {
	char pool[SL_NAME_MAX];
	char backend[SL_NAME_MAX];
	struct model_times times;
};

struct state {
	bool found; /* there was a file, and it could be read */
	uint64_t generation;
	uint64_t numbering; /* random, of the numbers in ids; 0: none yet */
	bool has_flow_key;
	struct sl_key flow_key;
	struct identities ids;
	struct state_override *overrides;
	size_t override_count;
	struct state_times *times;
	size_t times_count;
	struct state_probe *probes;
	size_t probe_count;
};

/*
 * Reads `path`. 0 (a missing file is an empty state), or -errno with one line in reterr: the file is
 * damaged; the caller goes on without it and says so. *ret_state is always usable; state_clear() it.
 */
int state_file_read(const char *path, struct state *ret_state, char *reterr, size_t reterr_size);
/* Writes it; the old file stays whole if this fails. 0 or -errno with one line in reterr. */
int state_file_write(const char *path, const struct state *state, char *reterr, size_t reterr_size);
void state_clear(struct state *state);

#endif
