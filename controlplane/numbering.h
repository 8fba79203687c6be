/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which numbering of pools and slots, and which flow key, a starting sluiced goes on with. Three things hold them:
 * the state file, the rows files (histories of open rows, with names) and flows.shm (remembered connections). Any
 * of them may be lost. Pure; nothing here reads files.
 */
#ifndef CONTROLPLANE_NUMBERING_H
#define CONTROLPLANE_NUMBERING_H

#include <stdbool.h>
#include <stdint.h>

#include "sluice/types.h"

/* What one of them holds. `numbering` 0: it is lost, damaged or of another boot (or of a version without one). */
struct numbering_source {
	uint64_t numbering;
	bool has_key;
	struct sl_key flow_key;
};

struct numbering_found {
	bool state_read;               /* the state file was there and sound; its names and numbers hold */
	struct numbering_source state;
	struct numbering_source rows;  /* never has a key */
	struct numbering_source flows; /* always has one */
	bool rows_disagree;            /* the rows files are of several numberings: as if lost, when the state is */
	struct sl_key derived;         /* the fleet's: key_derive_flow() */
	uint64_t fresh;                /* random, not 0 */
};

/* Where names get their numbers from. */
enum numbering_names { NUMBERING_FROM_STATE = 0, NUMBERING_FROM_ROWS, NUMBERING_NEW };

struct numbering_choice {
	uint64_t numbering;
	struct sl_key flow_key;
	enum numbering_names names;
	bool keep_rows;  /* the histories are of this numbering */
	bool keep_flows; /* so are the remembered connections, and of this key */
};

/*
 * The order, and why:
 *   1. The state file, when it was read: its names are complete. One that a version without numbering wrote gets a
 *      fresh number; nothing else can be of that.
 *   2. The rows files, when the state is lost: they name pools and slots too, and the histories stay right.
 *   3. A fresh number: flows.shm has numbers but no names, so alone it is of no use.
 * The flow key is the state's, else that of flows.shm when its numbering is the chosen one, else the fleet's.
 */
struct numbering_choice numbering_choose(const struct numbering_found *found);

#endif
