/* SPDX-License-Identifier: BSD-3-Clause */
/* What counting remembered connections says about rows, and who is named by a history. */
#include "controlplane/row_history.h"

void row_history_counted(struct row_history *h, const uint16_t *count, uint32_t rows, uint64_t decided_ms)
{
	if (rows != h->rows)
		return; /* of the table before */
	for (uint32_t r = 0; r < rows; r++) {
		const int32_t quiet_s = h->quiet_s[r];

		if (count[r] != 0 || quiet_s == ROW_QUIET_CLEAN || quiet_s == ROW_QUIET_OPEN ||
		    (int64_t)quiet_s * 1000 > (int64_t)decided_ms)
			continue;
		h->quiet_s[r] = ROW_QUIET_CLEAN;
		h->changed |= ROW_CHANGED_CURRENT;
	}
}

void row_history_suspect(struct row_history *h, uint64_t now_ms)
{
	for (uint32_t r = 0; r < h->rows; r++)
		if (h->quiet_s[r] == ROW_QUIET_CLEAN) {
			h->quiet_s[r] = row_seconds_up(now_ms);
			h->changed |= ROW_CHANGED_CURRENT;
		}
}

bool row_history_waits(const struct row_history *h)
{
	for (uint32_t r = 0; r < h->rows; r++)
		if (h->quiet_s[r] != ROW_QUIET_CLEAN && h->quiet_s[r] != ROW_QUIET_OPEN)
			return true;
	return false;
}

uint32_t row_history_looks(const struct row_history *h)
{
	uint32_t looks = 0;

	for (uint32_t r = 0; r < h->rows; r++)
		looks += h->quiet_s[r] != ROW_QUIET_CLEAN;
	return looks;
}

static bool holds(const uint16_t *slot, uint32_t rows, uint16_t wanted)
{
	for (uint32_t r = 0; slot && r < rows; r++)
		if (slot[r] == wanted)
			return true;
	return false;
}

bool row_history_names(const struct row_history *h, uint16_t slot)
{
	if (holds(h->current, h->rows, slot))
		return true;
	for (int k = 0; k < SL_FLOW_KIND_COUNT; k++)
		if (holds(h->kind[k].base, h->rows, slot) || holds(h->lens.base[k], h->lens.rows, slot))
			return true;
	return false;
}
