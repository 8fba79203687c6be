/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lists of packets and changes.
 */
#include "episode.h"

#include <stdlib.h>
#include <string.h>

struct episode_item *episode_add(struct episode *episode)
{
	struct episode_item *item;

	if (episode->count == episode->room) {
		episode->room = episode->room * 2 + 64;
		episode->item = realloc(episode->item, episode->room * sizeof(*episode->item));
		if (episode->item == NULL)
			abort();
	}
	item = &episode->item[episode->count++];
	memset(item, 0, sizeof(*item));
	return item;
}

void episode_add_packet(struct episode *episode, uint64_t time_ns, const uint8_t *bytes, uint32_t len)
{
	struct episode_item *item = episode_add(episode);

	*item = (struct episode_item){.kind = EPISODE_PACKET, .time_ns = time_ns, .len = len, .bytes = malloc(len + 1)};
	if (item->bytes == NULL)
		abort();
	memcpy(item->bytes, bytes, len);
}

void episode_free(struct episode *episode)
{
	for (size_t i = 0; i < episode->count; i++) {
		free(episode->item[i].bytes);
		free(episode->item[i].text);
		free(episode->item[i].words);
		if (episode->item[i].text != NULL)
			free(episode->item[i].event.file);
	}
	free(episode->item);
	free(episode->config);
	free(episode->scenario);
	memset(episode, 0, sizeof(*episode));
}

void episode_select(const struct episode *episode, const bool *keep, struct episode *ret_episode)
{
	*ret_episode = *episode;
	ret_episode->item = malloc((episode->count + 1) * sizeof(*episode->item));
	if (ret_episode->item == NULL)
		abort();
	ret_episode->count = 0;
	for (size_t i = 0; i < episode->count; i++)
		if (keep[i])
			ret_episode->item[ret_episode->count++] = episode->item[i];
}

size_t episode_packets(const struct episode *episode)
{
	size_t packets = 0;

	for (size_t i = 0; i < episode->count; i++)
		packets += episode->item[i].kind == EPISODE_PACKET;
	return packets;
}
