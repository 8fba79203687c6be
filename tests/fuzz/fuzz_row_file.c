/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a rows file: refused with a word, or read into a history that can live on. The checksum is set right
 * first, else nothing behind it would ever be reached.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/row_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A history that was read must stand every operation, and be written and read to the same bytes. */
static void live_on(struct row_file *file)
{
	uint8_t states[SL_SLOT_MAX + 1];
	const uint8_t boot_id[16] = { 1 };
	struct row_inputs in = { .state = states, .slots = sizeof(states), .idle_s = { 3600, 600, 150 }, .now_ms = 5000 };
	struct row_file again;
	const char *fault;
	void *bytes, *bytes_again;
	size_t size, size_again;

	if (row_file_encode(file, &bytes, &size) < 0 || row_file_decode(bytes, size, &again, &fault) < 0 ||
	    row_file_encode(&again, &bytes_again, &size_again) < 0 || size != size_again ||
	    memcmp(bytes, bytes_again, size) != 0)
		abort();
	free(bytes);
	free(bytes_again);
	row_file_clear(&again);
	memset(states, SL_BACKEND_UP, sizeof(states));
	row_file_adopt(file, boot_id, in.now_ms);
	if (row_history_change(&file->history, NULL, &in) < 0)
		abort();
	row_history_settle(&file->history, &in);
	memset(states, SL_BACKEND_GONE, sizeof(states));
	in.now_ms += 4ull * 3600 * 1000;
	if (row_history_change(&file->history, NULL, &in) < 0 || row_history_use(&file->history, 7) < 0)
		abort();
	row_history_settle(&file->history, &in);
	for (int k = 0; k < SL_FLOW_KIND_COUNT; k++)
		if (file->history.kind[k].open != 0 || file->history.lens.rows != 0)
			abort(); /* nobody is left whom a row could be open for */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes = malloc(size + 1);
	struct row_file file;
	const char *fault = NULL;

	if (!bytes)
		return 0;
	memcpy(bytes, data, size);
	if (size >= 8)
		row_file_seal(bytes, size);
	if (row_file_decode(bytes, size, &file, &fault) == 0) {
		live_on(&file);
		row_file_clear(&file);
	} else if (!fault) {
		abort();
	}
	free(bytes);
	return 0;
}
