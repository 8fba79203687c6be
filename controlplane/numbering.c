/* SPDX-License-Identifier: BSD-3-Clause */
/* The decision alone; daemon_state.c finds what there is and follows. */
#include "controlplane/numbering.h"

static bool same_key(const struct sl_key *a, const struct sl_key *b)
{
	return a->k0 == b->k0 && a->k1 == b->k1;
}

struct numbering_choice numbering_choose(const struct numbering_found *found)
{
	struct numbering_choice choice = { .numbering = found->fresh, .flow_key = found->derived, .names = NUMBERING_NEW };
	const bool rows_hold = found->rows.numbering != 0 && !found->rows_disagree;

	if (found->state_read) {
		choice.names = NUMBERING_FROM_STATE;
		if (found->state.numbering != 0)
			choice.numbering = found->state.numbering;
	} else if (rows_hold) {
		choice.names = NUMBERING_FROM_ROWS;
		choice.numbering = found->rows.numbering;
	}
	choice.keep_rows = found->rows.numbering == choice.numbering;
	if (found->state_read && found->state.has_key)
		choice.flow_key = found->state.flow_key;
	else if (found->flows.numbering == choice.numbering)
		choice.flow_key = found->flows.flow_key;
	choice.keep_flows = found->flows.numbering == choice.numbering &&
			    same_key(&found->flows.flow_key, &choice.flow_key);
	return choice;
}
