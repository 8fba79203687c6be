/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log of a home.
 */
#include "home.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum home_plant home_plant;

void home_plant_byte(uint8_t *frame, uint32_t len)
{
	if (home_plant == HOME_PLANT_BYTE && len > 40 && frame[14] == 0x45 && frame[23] == 4 && frame[15] != 0)
		frame[20] ^= 0x10;
}

static void *grow(void *memory, size_t wanted, size_t size, size_t *room)
{
	if (wanted <= *room)
		return memory;
	*room = wanted * 2;
	memory = realloc(memory, *room * size);
	if (memory == NULL)
		abort();
	return memory;
}

void home_log_verdict(struct home_log *log, uint32_t id, enum sl_verdict verdict)
{
	log->verdict = grow(log->verdict, log->verdicts + 1, sizeof(*log->verdict), &log->room);
	log->verdict[log->verdicts++] = (struct home_verdict){.id = id, .verdict = verdict};
}

void home_log_frame(struct home_log *log, uint16_t port, const uint8_t *bytes, uint32_t len)
{
	struct home_sent *sent = &log->sent[port];

	sent->bytes = grow(sent->bytes, sent->len + sizeof(len) + len, 1, &sent->room);
	memcpy(sent->bytes + sent->len, &len, sizeof(len));
	memcpy(sent->bytes + sent->len + sizeof(len), bytes, len);
	sent->len += sizeof(len) + len;
}

void home_log_clear(struct home_log *log)
{
	log->verdicts = 0;
	for (int p = 0; p < HOME_PORTS_MAX; p++)
		log->sent[p].len = 0;
}

void home_log_free(struct home_log *log)
{
	free(log->verdict);
	for (int p = 0; p < HOME_PORTS_MAX; p++)
		free(log->sent[p].bytes);
	memset(log, 0, sizeof(*log));
}
