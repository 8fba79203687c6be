/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time, changes and bursts in their order, as sluice-sim's main loop has them.
 */
#include "play.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compare.h"
#include "tools/sim/balancer.h"

struct told {
	struct told *next;
	struct scenario_event event;
	char path[512];
};

struct playing {
	const struct play *play;
	const struct episode *episode;
	struct balancer *balancer;
	struct compare *compare;
	struct play_result *result;
	size_t at; /* next item */
	uint64_t first_ns; /* of the first packet: time begins there, as in sluice-sim */
	struct told *told;
};

static int write_file(const char *folder, const char *name, const char *text, mode_t mode, char ret_path[512])
{
	FILE *file;

	snprintf(ret_path, 512, "%s/%s", folder, name);
	file = fopen(ret_path, "w");
	if (file == NULL)
		return -errno;
	fputs(text, file);
	fclose(file);
	return chmod(ret_path, mode) < 0 ? -errno : 0;
}

static void use(struct playing *p)
{
	struct home_state state = {.snapshot = balancer_snapshot(p->balancer),
				   .receive = balancer_receive_port(p->balancer)};

	state.ports = balancer_ports(p->balancer, &state.port_count);
	p->play->one->use(&state);
	p->play->other->use(&state);
}

static int settle(struct playing *p, uint64_t now_ns)
{
	const int err = balancer_settle(p->balancer, now_ns);

	if (err == 0)
		use(p);
	return err;
}

/* The balancer keeps what it is told, so the copies live until the end. */
static int change(struct playing *p, const struct episode_item *item)
{
	struct told *told = calloc(1, sizeof(*told));
	int err = 0;

	if (told == NULL)
		return -ENOMEM;
	told->event = item->event;
	told->next = p->told;
	p->told = told;
	if (item->text != NULL) {
		err = write_file(p->play->folder, item->event.file, item->text, 0600, told->path);
		told->event.file = told->path;
	}
	return err < 0 ? err : balancer_event(p->balancer, &told->event);
}

/* Everything before the burst at p->at: time that makes changes of its own, then the changes that are told. */
static int changes(struct playing *p, uint64_t now_ns, size_t first)
{
	bool any;
	int err = 0;

	while (err == 0 && balancer_due_ns(p->balancer) < now_ns)
		err = settle(p, balancer_due_ns(p->balancer));
	any = balancer_due_ns(p->balancer) <= now_ns;
	for (size_t i = first; err == 0 && i < p->at; i++) {
		err = change(p, &p->episode->item[i]);
		any = true;
	}
	return err == 0 && any ? settle(p, now_ns) : err;
}

static bool fits(const struct home *home, uint32_t len)
{
	return len >= home->shortest && len <= home->longest;
}

/* The packets from p->at on that come at once, as far as both homes can be given them; p->at moves past them. */
static unsigned int gather(struct playing *p, struct home_packet packet[SL_BURST_MAX])
{
	const uint64_t time_ns = p->episode->item[p->at].time_ns;
	unsigned int count = 0;

	for (; p->at < p->episode->count && count < SL_BURST_MAX; p->at++) {
		const struct episode_item *item = &p->episode->item[p->at];

		if (item->kind != EPISODE_PACKET || item->time_ns != time_ns)
			break;
		if (fits(p->play->one, item->len) && fits(p->play->other, item->len))
			packet[count++] = (struct home_packet){.bytes = item->bytes, .len = item->len, .id = (uint32_t)p->at};
	}
	return count;
}

static uint64_t first_time(const struct episode *episode)
{
	for (size_t i = 0; i < episode->count; i++)
		if (episode->item[i].kind == EPISODE_PACKET)
			return episode->item[i].time_ns;
	return 0;
}

static bool is_brief(const struct episode *episode)
{
	uint64_t last_ns = 0;

	for (size_t i = 0; i < episode->count; i++)
		if (episode->item[i].kind == EPISODE_PACKET)
			last_ns = episode->item[i].time_ns;
	return last_ns - first_time(episode) < HOME_BRIEF_S * 1000000000ull;
}

static int run(struct playing *p)
{
	struct home_packet packet[SL_BURST_MAX];
	int err = 0, differs = 0;

	p->first_ns = first_time(p->episode);
	while (err == 0 && differs == 0 && p->at < p->episode->count) {
		const size_t first = p->at;
		unsigned int count;
		uint64_t now_ns;

		while (p->at < p->episode->count && p->episode->item[p->at].kind == EPISODE_EVENT)
			p->at++;
		if (p->at == p->episode->count) /* nobody meets them */
			break;
		now_ns = p->episode->item[p->at].time_ns - p->first_ns;
		err = changes(p, now_ns, first);
		if (err < 0)
			break;
		count = gather(p, packet);
		if (count == 0)
			continue;
		differs = compare_burst(p->compare, packet, count, now_ns, p->result->text, sizeof(p->result->text),
					&p->result->id);
	}
	if (err == 0 && differs == 0)
		differs = compare_end(p->compare, p->result->text, sizeof(p->result->text));
	p->result->items = p->at;
	return err < 0 ? err : differs;
}

int play_episode(const struct play *play, const struct episode *episode, struct play_result *ret_result)
{
	struct scenario *scenario = NULL;
	struct balancer_options options = {.errors = play->errors};
	struct playing p = {.play = play, .episode = episode, .result = ret_result};
	struct home_counts counts;
	char config[512];
	int err;

	memset(ret_result, 0, sizeof(*ret_result));
	err = write_file(play->folder, "sluice.yaml", episode->config, 0644, config);
	if (err == 0)
		err = scenario_load_text("scenario.yaml", episode->scenario, strlen(episode->scenario), play->errors, &scenario);
	options.config = config;
	options.scenario = scenario;
	if (err == 0)
		err = balancer_create(&options, &p.balancer);
	if (err == 0)
		err = play->one->begin(is_brief(episode));
	if (err == 0)
		err = play->other->begin(is_brief(episode));
	if (err == 0) {
		use(&p);
		p.compare = compare_create(play->one, play->other);
		err = run(&p);
		compare_destroy(p.compare);
		play->one->counts(&counts);
		memcpy(ret_result->verdict, counts.verdict, sizeof(counts.verdict));
		memcpy(ret_result->flow, counts.flow, sizeof(counts.flow));
	}
	balancer_destroy(p.balancer);
	while (p.told != NULL) {
		struct told *told = p.told;

		p.told = told->next;
		free(told);
	}
	scenario_free(scenario);
	return err;
}
