/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files of an episode. Times of the capture are those of the episode, from 1970 on.
 */
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/sim/capture.h"

static FILE *open_in(const char *folder, const char *name, mode_t mode)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	if (file != NULL)
		chmod(path, mode);
	return file;
}

static int write_text(const char *folder, const char *name, mode_t mode, const char *text)
{
	FILE *file = open_in(folder, name, mode);

	if (file == NULL)
		return -errno;
	fputs(text, file);
	return fclose(file) == 0 ? 0 : -errno;
}

static int write_capture(const struct episode *episode, const char *folder)
{
	struct capture_writer *writer;
	char path[512], reason[CAPTURE_REASON_MAX];
	int err;

	snprintf(path, sizeof(path), "%s/in.pcap", folder);
	err = capture_writer_open(path, &writer, reason);
	for (size_t i = 0; err == 0 && i < episode->count; i++) {
		const struct episode_item *item = &episode->item[i];
		const struct capture_packet packet = {.bytes = item->bytes, .captured = item->len, .length = item->len,
						      .time_ns = (int64_t)item->time_ns};

		if (item->kind == EPISODE_PACKET)
			err = capture_writer_put(writer, &packet, reason);
	}
	if (err == 0)
		err = capture_writer_close(writer, reason);
	return err;
}

static int write_scenario(const struct episode *episode, bool waits, const char *folder)
{
	FILE *file = open_in(folder, "scenario.yaml", 0644);
	const char *head = "events:\n";
	size_t packets = 0;
	int err = 0;

	if (file == NULL)
		return -errno;
	fprintf(file, "early-fragments: %s\nsplit: %s\n%s", waits ? "wait" : "drop", waits ? "true" : "false", episode->scenario);
	for (size_t i = 0; i < episode->count; i++) {
		const struct episode_item *item = &episode->item[i];

		if (item->kind == EPISODE_PACKET) {
			packets++;
			continue;
		}
		fprintf(file, "%s  - {after: %zu, %s}\n", head, packets, item->words);
		head = "";
		if (item->text != NULL && err == 0)
			err = write_text(folder, item->event.file, 0600, item->text);
	}
	return fclose(file) == 0 ? err : -errno;
}

int report_write(const struct episode *episode, bool waits, const char *folder, const char *text)
{
	int err = mkdir(folder, 0755) < 0 && errno != EEXIST ? -errno : 0;

	if (err == 0)
		err = write_text(folder, "sluice.yaml", 0644, episode->config);
	if (err == 0)
		err = write_capture(episode, folder);
	if (err == 0)
		err = write_scenario(episode, waits, folder);
	return err < 0 ? err : write_text(folder, "difference.txt", 0644, text);
}
