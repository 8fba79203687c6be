/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose numbers a start goes on with: looks what the state file, the rows files and flows.shm hold, lets
 * numbering_choose() decide, follows, and says what it costs. Whatever is of another numbering is discarded here.
 */
#include "daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "flow_file.h"
#include "key_file.h"
#include "numbering.h"
#include "sluice/host/boot_id.h"

static uint64_t random_number(void)
{
	uint64_t number = 0;

	while (number == 0) {
		if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
			number = uv_hrtime(); /* a kernel without it: times of two starts differ too */
	}
	return number;
}

static void on_damaged(void *ctx, const char *line)
{
	const struct daemon *d = ctx;

	log_warning(&d->log, "what was known of a pool's rows is damaged: connections of its open rows are where flows.shm says, "
		    "the others may break", LOG_STR("cause", line));
}

/* Without what is known of rows everything else goes on. */
static void read_rows(struct daemon *d)
{
	char path[sizeof(d->state_dir) + 8], reterr[512];
	int err;

	snprintf(path, sizeof(path), "%s/rows", d->state_dir);
	err = row_store_open(path, &d->row_store, reterr, sizeof(reterr));
	if (err == 0)
		err = row_store_read(d->row_store, &d->row_files, &d->row_file_count, on_damaged, d, reterr, sizeof(reterr));
	if (err < 0)
		log_error(&d->log, "what is known of rows cannot be read", LOG_STR("cause", reterr));
}

/* What the rows files say; with several numberings the state's counts, if they have it at all. */
static void find_rows(const struct daemon *d, struct numbering_found *found)
{
	for (size_t i = 0; i < d->row_file_count; i++) {
		const uint64_t numbering = d->row_files[i].numbering;

		if (found->rows.numbering != 0 && numbering != found->rows.numbering)
			found->rows_disagree = true;
		if (found->rows.numbering == 0 || numbering == found->state.numbering)
			found->rows.numbering = numbering;
	}
}

/* Forgets what is of another numbering. Returns how many that were. */
static size_t drop_rows(struct daemon *d, uint64_t numbering)
{
	size_t kept = 0, dropped;

	for (size_t i = 0; i < d->row_file_count; i++) {
		if (d->row_files[i].numbering == numbering) {
			d->row_files[kept++] = d->row_files[i];
			continue;
		}
		row_store_remove(d->row_store, d->row_files[i].pool);
		row_file_clear(&d->row_files[i]);
	}
	dropped = d->row_file_count - kept;
	d->row_file_count = kept;
	return dropped;
}

/* Says where the numbers came from and what is lost, when something is. A first start has nothing to lose. */
static void log_choice(const struct daemon *d, const struct numbering_found *found, const struct numbering_choice *choice,
		       size_t dropped)
{
	if (choice->names == NUMBERING_FROM_ROWS)
		log_warning(&d->log, "the state file is lost: names and numbers are taken back from the rows files; overrides and "
			    "health are new", LOG_STR("state", d->state_path), LOG_U64("pools", d->row_file_count));
	if (dropped > 0)
		log_warning(&d->log, "what is known of rows is of another numbering than the names: it is discarded; connections that "
			    "changes of the last connection-idle moved may break", LOG_U64("pools", dropped));
	if (found->flows.numbering == 0 || choice->keep_flows)
		return;
	log_warning(&d->log, choice->names == NUMBERING_NEW ?
		    "the state file is lost, and nothing else names pools and backends: they get new numbers, and remembered "
		    "connections are discarded; those that changes of the last connection-idle moved may break" :
		    "remembered connections are of another numbering or flow key than the names: they are discarded; those that "
		    "changes of the last connection-idle moved may break", LOG_STR("state", d->state_path));
}

void daemon_numbering_start(struct daemon *d, const struct sl_key *hash_key)
{
	struct numbering_found found = { .derived = key_derive_flow(hash_key), .fresh = random_number() };
	struct numbering_choice choice;
	struct sl_flows_header flows;
	uint8_t boot_id[16];
	size_t dropped;

	daemon_state_read(d);
	read_rows(d);
	found.state_read = d->state.found;
	found.state = (struct numbering_source){ d->state.numbering, d->state.has_flow_key, d->state.flow_key };
	find_rows(d, &found);
	sl_boot_id(boot_id);
	if (flow_file_peek(d->runtime_dir, boot_id, &flows) == 0)
		found.flows = (struct numbering_source){ flows.numbering, true, flows.flow_key };
	choice = numbering_choose(&found);
	dropped = drop_rows(d, choice.numbering);
	log_choice(d, &found, &choice, dropped);
	model_set_keys(d->model, hash_key, &choice.flow_key);
	model_set_numbering(d->model, choice.numbering);
	d->state_dirty = true; /* the numbering may be new */
}
