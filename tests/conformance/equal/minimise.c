/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Delta debugging (Zeller, Hildebrandt 2002), without the test of subsets: complements alone find what is small
 * almost as soon, and each run begins with nothing remembered.
 */
#include "minimise.h"

#include <stdlib.h>
#include <string.h>

static bool differs(const struct play *play, const struct episode *episode, struct play_result *result)
{
	struct play_result now;

	if (play_episode(play, episode, &now) != 1)
		return false;
	*result = now;
	return true;
}

/* Takes what is not kept out for good. */
static void take_out(struct episode *episode, const bool *keep)
{
	size_t count = 0;

	for (size_t i = 0; i < episode->count; i++) {
		struct episode_item *item = &episode->item[i];

		if (keep[i]) {
			episode->item[count++] = *item;
			continue;
		}
		free(item->bytes);
		if (item->text != NULL)
			free(item->event.file);
		free(item->text);
		free(item->words);
	}
	episode->count = count;
}

static bool try_without(const struct play *play, struct episode *episode, size_t from, size_t to, struct play_result *result)
{
	bool *keep = malloc(episode->count + 1);
	struct episode smaller;
	bool still;

	if (keep == NULL)
		abort();
	for (size_t i = 0; i < episode->count; i++)
		keep[i] = i < from || i >= to;
	episode_select(episode, keep, &smaller);
	still = differs(play, &smaller, result);
	free(smaller.item);
	if (still)
		take_out(episode, keep);
	free(keep);
	return still;
}

/* Leaves out pieces of that many items, from the end: what comes late is needed least. True: something went. */
static bool leave_out(const struct play *play, struct episode *episode, size_t size, struct play_result *result)
{
	bool any = false;

	for (size_t to = episode->count; to > 0;) {
		const size_t from = to > size ? to - size : 0;

		if (try_without(play, episode, from, to, result))
			any = true;
		to = from;
	}
	return any;
}

/* One value of every item, set to what `make` says, kept where the difference stays. */
static void simplify(const struct play *play, struct episode *episode, void (*make)(struct episode *episode, size_t at),
		     struct play_result *result)
{
	for (size_t i = 0; i < episode->count; i++) {
		struct episode_item *before = malloc((episode->count + 1) * sizeof(*before));

		if (before == NULL)
			abort();
		memcpy(before, episode->item, episode->count * sizeof(*before));
		make(episode, i);
		if (memcmp(before, episode->item, episode->count * sizeof(*before)) != 0 && !differs(play, episode, result))
			memcpy(episode->item, before, episode->count * sizeof(*before));
		free(before);
	}
}

/* When the packet before it came; 0: there is none. */
static uint64_t time_before(const struct episode *episode, size_t at)
{
	uint64_t before_ns = 0;

	for (size_t i = 0; i < at; i++)
		if (episode->item[i].kind == EPISODE_PACKET)
			before_ns = episode->item[i].time_ns;
	return before_ns;
}

static void move(struct episode *episode, size_t at, int64_t by_ns)
{
	for (size_t i = at; i < episode->count; i++)
		if (episode->item[i].kind == EPISODE_PACKET)
			episode->item[i].time_ns += (uint64_t)by_ns;
}

/* It comes a nanosecond after the packet before: in a burst of its own, as sluice-sim plays it. */
static void make_alone(struct episode *episode, size_t at)
{
	const uint64_t before_ns = time_before(episode, at);

	if (episode->item[at].kind == EPISODE_PACKET && episode->item[at].time_ns <= before_ns)
		move(episode, at, 1);
}

/* The pause before it is left out. */
static void make_soon(struct episode *episode, size_t at)
{
	const uint64_t before_ns = time_before(episode, at);

	if (episode->item[at].kind == EPISODE_PACKET && episode->item[at].time_ns > before_ns + 1)
		move(episode, at, (int64_t)(before_ns + 1 - episode->item[at].time_ns));
}

void minimise(const struct play *play, struct episode *episode, struct play_result *ret_result)
{
	struct play_result result;
	bool any = true;

	if (!differs(play, episode, &result))
		return;
	*ret_result = result;
	if (result.items < episode->count)
		try_without(play, episode, result.items, episode->count, ret_result);
	while (any) {
		any = false;
		for (size_t size = episode->count / 2 > 0 ? episode->count / 2 : 1; size > 0; size /= 2)
			any = leave_out(play, episode, size, ret_result) || any;
	}
	simplify(play, episode, make_alone, ret_result);
	simplify(play, episode, make_soon, ret_result);
}
