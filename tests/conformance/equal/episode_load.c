/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Episodes from files: a capture, a configuration and a scenario whose events come after numbers of packets.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "episode.h"
#include "tools/sim/capture.h"

static char *read_text(const char *folder, const char *name, char path[512])
{
	char *text = NULL, *grown;
	size_t len = 0, got;
	FILE *file;

	snprintf(path, 512, "%s/%s", folder, name);
	file = fopen(path, "r");
	if (file == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return NULL;
	}
	do {
		grown = realloc(text, len + 4097);
		if (grown == NULL)
			abort();
		text = grown;
		got = fread(text + len, 1, 4096, file);
		len += got;
	} while (got > 0);
	text[len] = '\0';
	fclose(file);
	return text;
}

/* The scenario's events that are due before packet `packets`, from *at on. */
static void take_events(struct episode *episode, const struct scenario *scenario, size_t packets, size_t *at)
{
	for (; *at < scenario->event_count && scenario->events[*at].after <= packets; ++*at) {
		struct episode_item *item = episode_add(episode);

		item->kind = EPISODE_EVENT;
		item->event = scenario->events[*at];
	}
}

static int load_capture(const char *folder, const struct scenario *scenario, struct episode *episode)
{
	char path[512], reason[CAPTURE_REASON_MAX] = "";
	struct capture_reader *reader;
	struct capture_packet packet;
	size_t packets = 0, events = 0;
	int64_t first_ns = 0;
	int got;

	snprintf(path, sizeof(path), "%s/in.pcap", folder);
	got = capture_reader_open(path, &reader, reason);
	if (got < 0) {
		fprintf(stderr, "%s\n", reason);
		return got;
	}
	while ((got = capture_reader_next(reader, &packet, reason)) == 1) {
		first_ns = packets == 0 ? packet.time_ns : first_ns;
		take_events(episode, scenario, packets++, &events);
		episode_add_packet(episode, (uint64_t)(packet.time_ns - first_ns), packet.bytes, packet.captured);
	}
	capture_reader_close(reader);
	if (got < 0)
		fprintf(stderr, "%s\n", reason);
	return got;
}

int episode_load(const char *folder, struct episode *ret_episode, struct scenario **ret_scenario)
{
	struct episode episode = {0};
	char path[512];
	int err = -ENOENT;

	*ret_scenario = NULL;
	episode.config = read_text(folder, "sluice.yaml", path);
	if (episode.config != NULL)
		episode.scenario = read_text(folder, "scenario.yaml", path);
	if (episode.scenario != NULL)
		err = scenario_load(path, stderr, ret_scenario);
	for (size_t i = 0; err == 0 && i < (*ret_scenario)->event_count; i++)
		if ((*ret_scenario)->events[i].timed) {
			fprintf(stderr, "%s: an event has `at`; only `after` is understood here\n", path);
			err = -EINVAL;
		}
	if (err == 0)
		err = load_capture(folder, *ret_scenario, &episode);
	if (err < 0) {
		episode_free(&episode);
		scenario_free(*ret_scenario);
		return err;
	}
	*ret_episode = episode;
	return 0;
}
