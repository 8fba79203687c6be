/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a scenario file of sluice-sim: read or refused, and every event taken in its order.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/sim/scenario.h"
#include "tools/sim/timeline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scenario *scenario = NULL;
	struct timeline *timeline = NULL;
	char *said = NULL;
	size_t said_len, taken = 0;
	FILE *out = open_memstream(&said, &said_len);

	if (out == NULL)
		abort();
	if (scenario_load_text("s.yaml", (const char *)data, size, out, &scenario) == 0) {
		if (timeline_create(scenario, &timeline) < 0)
			abort();
		while (timeline_due(timeline, 0, UINT64_MAX) != NULL) /* what is due before the first packet */
			taken++;
		while (timeline_due(timeline, UINT64_MAX, UINT64_MAX) != NULL)
			taken++;
		if (taken + timeline_left(timeline) != scenario->event_count || timeline_left(timeline) != 0)
			abort();
	}
	timeline_destroy(timeline);
	scenario_free(scenario);
	fclose(out);
	if (scenario == NULL && said_len == 0)
		abort(); /* refused without a word */
	free(said);
	return 0;
}
