/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random changes in random order, in one pool with real tables, history and memory: no connection whose
 * backend lives and that was not silent for its window ever goes elsewhere, whatever worker it arrives at and
 * however often sluice-dp restarts. The memory has room for all; what happens when it has not is in
 * test_memory_timelines.c. `SLUICE_SEED` repeats a run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "controlplane/maglev.h"
#include "tests/support/timeline.h"

enum {
	CLIENTS = 500,
	STEPS = 4000,
	SLOTS = 6,
	LINGER_S = 30,
	LIVES_S = TIMELINE_TCP_S + TIMELINE_TCP_S / 4 + 70
};

/* A client's connection as it knows it itself. */
struct connection {
	struct client client;
	uint16_t slot; /* where it was accepted; TIMELINE_NOBODY: it is not connected */
	uint64_t seen_s;
};

struct pool {
	struct timeline *t;
	struct maglev *maglev;
	struct maglev_backend backends[SLOTS];
	uint8_t state[TIMELINE_SLOTS];
	uint64_t since_s[SLOTS]; /* of this state */
	uint32_t rows;
	uint64_t key;
	unsigned int workers, shift; /* a client's worker is (number + shift) % workers */
	struct connection connections[CLIENTS];
	uint64_t packets, changes;
	uint64_t random;
};

static const uint32_t idle_s[TIMELINE_SERVICES] = {TIMELINE_TCP_S, TIMELINE_TCP_S, TIMELINE_TCP_S,
						   TIMELINE_QUIC_S, TIMELINE_UDP_S};

/* xorshift64*: the same everywhere. */
static uint32_t draw(struct pool *p, uint32_t below)
{
	p->random ^= p->random >> 12;
	p->random ^= p->random << 25;
	p->random ^= p->random >> 27;
	return (uint32_t)((p->random * 0x2545f4914f6cdd1dull) >> 32) % below;
}

/* ---- changes */

static void compute(struct pool *p, uint16_t row[TIMELINE_ROWS_MAX])
{
	const struct maglev_pool pool = {
		.backends = p->backends, .count = SLOTS, .rows = p->rows, .key = {p->key, p->key + 1}};
	enum maglev_source source;

	assert_int_equal(maglev_owners(p->maglev, &pool), 0);
	assert_int_equal(maglev_overlay(p->maglev, &pool, row, &source), 0);
}

static void publish(struct pool *p)
{
	uint16_t row[TIMELINE_ROWS_MAX];

	for (uint16_t slot = 0; slot < SLOTS; slot++) {
		p->backends[slot].live =
			p->state[slot] == SL_BACKEND_UP || p->state[slot] == SL_BACKEND_DRAINING;
		if (p->state[slot] != SL_BACKEND_UP)
			p->backends[slot].accept = 0;
		else if (p->backends[slot].accept == 0)
			p->backends[slot].accept = MAGLEV_ACCEPT_ALL;
	}
	compute(p, row);
	timeline_change(p->t, p->state, row);
	p->changes++;
}

/* Connections of a backend that is dead are over. */
static void forget(struct pool *p, uint16_t slot)
{
	for (int i = 0; i < CLIENTS; i++)
		if (p->connections[i].slot == slot)
			p->connections[i].slot = TIMELINE_NOBODY;
}

/* One backend's next state; at least two stay up. */
static void change_state(struct pool *p)
{
	const uint16_t slot = (uint16_t)draw(p, SLOTS);
	const uint8_t before = p->state[slot];
	unsigned int up = 0;

	for (uint16_t i = 0; i < SLOTS; i++)
		up += p->state[i] == SL_BACKEND_UP;
	switch (p->state[slot]) {
	case SL_BACKEND_UP:
		if (up > 2)
			p->state[slot] = draw(p, 2) ? SL_BACKEND_LINGERING : SL_BACKEND_DRAINING;
		break;
	case SL_BACKEND_LINGERING: p->state[slot] = draw(p, 2) ? SL_BACKEND_UP : SL_BACKEND_DOWN; break;
	case SL_BACKEND_DOWN:
	case SL_BACKEND_DRAINING: p->state[slot] = draw(p, 3) ? SL_BACKEND_UP : SL_BACKEND_GONE; break;
	case SL_BACKEND_GONE: /* the slot is given again when nothing names it any more */
		if (timeline_now_s(p->t) > p->since_s[slot] + LIVES_S &&
		    !row_history_names(timeline_history(p->t), slot))
			p->state[slot] = SL_BACKEND_UP;
		break;
	}
	if (p->state[slot] == before)
		return;
	p->since_s[slot] = timeline_now_s(p->t);
	if (p->state[slot] == SL_BACKEND_GONE)
		p->backends[slot].weight = 0; /* it leaves the table */
	else if (p->backends[slot].weight == 0)
		p->backends[slot].weight = 1 + draw(p, 4);
	if (p->state[slot] == SL_BACKEND_DOWN || p->state[slot] == SL_BACKEND_GONE)
		forget(p, slot);
	publish(p);
}

/* Time ends linger. */
static void end_linger(struct pool *p)
{
	for (uint16_t slot = 0; slot < SLOTS; slot++) {
		if (p->state[slot] != SL_BACKEND_LINGERING ||
		    timeline_now_s(p->t) < p->since_s[slot] + LINGER_S)
			continue;
		p->state[slot] = SL_BACKEND_DOWN;
		p->since_s[slot] = timeline_now_s(p->t);
		forget(p, slot);
		publish(p);
	}
}

static void change_weight(struct pool *p)
{
	struct maglev_backend *backend = &p->backends[draw(p, SLOTS)];

	if (backend->weight > 0)
		backend->weight = 1 + draw(p, 4);
	publish(p);
}

/* A step of somebody's ramp. */
static void change_share(struct pool *p)
{
	p->backends[draw(p, SLOTS)].accept = 1 + draw(p, MAGLEV_ACCEPT_ALL);
	publish(p);
}

static void change_key_or_size(struct pool *p)
{
	uint16_t row[TIMELINE_ROWS_MAX];

	if (timeline_history(p->t)->lens.rows != 0)
		return; /* one at a time */
	if (draw(p, 2))
		p->key++;
	else
		p->rows = p->rows == TIMELINE_ROWS ? TIMELINE_ROWS_MAX : TIMELINE_ROWS;
	compute(p, row);
	timeline_rekey(p->t, row, p->rows, p->key);
	p->changes++;
}

static void restart(struct pool *p)
{
	p->workers = 1 + draw(p, TIMELINE_WORKERS);
	timeline_soon(p->t);
	timeline_restart(p->t, p->workers);
	timeline_pass(p->t, 1); /* what a worker sees in that second may be told twice, and is not held
				   against the file */
}

/* Flows go to other workers. */
static void reshuffle(struct pool *p)
{
	p->shift++;
	timeline_soon(p->t);
	timeline_pass(p->t, 3);
}

/* ---- clients */

static uint16_t sends(struct pool *p, int i, enum client_packet packet)
{
	p->packets++;
	p->connections[i].seen_s = timeline_now_s(p->t);
	return timeline_at(p->t, ((unsigned int)i + p->shift) % p->workers, p->connections[i].client, packet);
}

static void begins(struct pool *p, int i)
{
	static const enum client_packet first[] = {SYN, SYN, SYN, INITIAL, DATAGRAM},
					second[] = {ACK, ACK, ACK, SHORT, DATAGRAM};
	struct connection *c = &p->connections[i];

	c->slot = sends(p, i, first[c->client.service]);
	assert_true(c->slot < SLOTS);
	if (p->state[c->slot] == SL_BACKEND_DOWN || p->state[c->slot] == SL_BACKEND_GONE)
		fail_msg("client %d begins at backend %u, which is dead", i, c->slot);
	assert_int_equal(sends(p, i, second[c->client.service]), c->slot);
}

static void goes_on(struct pool *p, int i)
{
	static const enum client_packet more[] = {DATA, DATA, DATA, SHORT, DATAGRAM};
	struct connection *c = &p->connections[i];
	const uint64_t silent_s = timeline_now_s(p->t) - c->seen_s;
	const bool ends = c->client.service < QUIC && draw(p, 8) == 0;
	uint16_t slot;

	if (silent_s + 2 > idle_s[c->client.service]) {
		c->slot = TIMELINE_NOBODY; /* its application gave up */
		return;
	}
	slot = sends(p, i, ends ? FIN : more[c->client.service]);
	if (slot != c->slot)
		fail_msg("client %d of service %u went to backend %u (state %u) after %llu s; it belongs to "
			 "%u (state %u)",
			 i, c->client.service, slot, slot < SLOTS ? p->state[slot] : 99,
			 (unsigned long long)silent_s, c->slot, p->state[c->slot]);
	if (ends)
		c->slot = TIMELINE_NOBODY;
}

static void traffic(struct pool *p)
{
	for (uint32_t n = draw(p, 60); n > 0; n--) {
		const int i = (int)draw(p, CLIENTS);

		if (p->connections[i].slot == TIMELINE_NOBODY)
			begins(p, i);
		else
			goes_on(p, i);
	}
}

/* ---- the run */

static void step(struct pool *p)
{
	static void (*const changes[])(struct pool *) = {
		change_state, change_state, change_state, change_weight, change_share, reshuffle, restart};
	const uint32_t pause = draw(p, 100);

	end_linger(p);
	if (draw(p, 3) == 0)
		changes[draw(p, sizeof(changes) / sizeof(changes[0]))](p);
	if (draw(p, 40) == 0)
		change_key_or_size(p);
	traffic(p);
	timeline_soon(p->t);
	timeline_pass(p->t, pause < 60   ? 0
			    : pause < 90 ? draw(p, 20)
			    : pause < 98 ? draw(p, 600)
					 : draw(p, 3000));
}

static void run(struct timeline *t, uint64_t seed)
{
	static const char *const names[SLOTS] = {"web1", "web2", "web3", "web4", "web5", "web6"};
	struct pool *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	*p = (struct pool){
		.t = t, .rows = TIMELINE_ROWS, .key = 1, .workers = TIMELINE_WORKERS, .random = seed + 1};
	assert_int_equal(maglev_create(&p->maglev), 0);
	for (uint16_t i = 0; i < SLOTS; i++) {
		p->backends[i] = (struct maglev_backend){.name = names[i], .weight = 1, .slot = i};
		p->state[i] = SL_BACKEND_UP;
	}
	for (uint16_t i = 0; i < CLIENTS; i++)
		p->connections[i] =
			(struct connection){.client = of((enum timeline_service)(i % TIMELINE_SERVICES), i),
					    .slot = TIMELINE_NOBODY};
	publish(p);
	timeline_pass(t, 1);
	for (unsigned int i = 0; i < STEPS; i++)
		step(p);
	print_message("seed %llu: %llu packets, %llu changes\n", (unsigned long long)seed,
		      (unsigned long long)p->packets, (unsigned long long)p->changes);
	maglev_destroy(p->maglev);
	free(p);
}

static void no_connection_breaks_in_random_changes(void **state)
{
	const char *text = getenv("SLUICE_SEED");
	const uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);

	print_message("SLUICE_SEED=%llu\n", (unsigned long long)seed);
	run(*state, seed);
}

static void what_broke_once_does_not_again(void **state)
{
	run(*state, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {TIMELINE_TEST(no_connection_breaks_in_random_changes),
					   TIMELINE_TEST(what_broke_once_does_not_again)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
