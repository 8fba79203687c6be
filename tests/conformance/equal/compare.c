/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is compared, in the order in which a person wants to know it.
 */
#include "compare.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sluice/flow_counter.h"
#include "sluice/verdict.h"

struct compare {
	const struct home *home[2];
	struct home_log log[2];
	struct home_counts counts[2];
	char *text;
	size_t size;
	uint32_t id; /* of the packet that differs */
};

struct compare *compare_create(const struct home *one, const struct home *other)
{
	struct compare *compare = calloc(1, sizeof(*compare));

	if (compare == NULL)
		abort();
	compare->home[0] = one;
	compare->home[1] = other;
	return compare;
}

void compare_destroy(struct compare *compare)
{
	home_log_free(&compare->log[0]);
	home_log_free(&compare->log[1]);
	free(compare);
}

static int differ(struct compare *c, const char *what, const char *one, const char *other)
{
	snprintf(c->text, c->size, "%s\n  %s: %s\n  %s: %s", what, c->home[0]->name, one, c->home[1]->name, other);
	return 1;
}

static int differ_count(struct compare *c, const char *kind, const char *name, uint64_t one, uint64_t other)
{
	char what[96], first[24], second[24];

	snprintf(what, sizeof(what), "%s %s", kind, name);
	snprintf(first, sizeof(first), "%" PRIu64, one);
	snprintf(second, sizeof(second), "%" PRIu64, other);
	return differ(c, what, first, second);
}

static int compare_verdicts(struct compare *c)
{
	const struct home_log *a = &c->log[0], *b = &c->log[1];

	for (size_t i = 0; i < a->verdicts && i < b->verdicts; i++) {
		if (a->verdict[i].id == b->verdict[i].id && a->verdict[i].verdict == b->verdict[i].verdict)
			continue;
		c->id = a->verdict[i].id;
		if (a->verdict[i].id != b->verdict[i].id)
			return differ_count(c, "the order of packets:", "number", a->verdict[i].id, b->verdict[i].id);
		return differ(c, "the verdict", sl_verdict_name(a->verdict[i].verdict), sl_verdict_name(b->verdict[i].verdict));
	}
	if (a->verdicts > b->verdicts)
		c->id = a->verdict[b->verdicts].id;
	if (b->verdicts > a->verdicts)
		c->id = b->verdict[a->verdicts].id;
	return a->verdicts != b->verdicts ? differ_count(c, "packets that have a", "verdict", a->verdicts, b->verdicts) : 0;
}

/* The bytes around the first one that differs. */
static void show_bytes(const struct home_sent *sent, size_t at, uint32_t len, uint32_t from, char *text, size_t size)
{
	size_t used = (size_t)snprintf(text, size, "%" PRIu32 " bytes, from byte %" PRIu32 ":", len, from);

	for (uint32_t i = from; i < len && i < from + 24 && used < size - 4; i++)
		used += (size_t)snprintf(text + used, size - used, " %02x", sent->bytes[at + i]);
}

static int compare_port(struct compare *c, int port)
{
	const struct home_sent *a = &c->log[0].sent[port], *b = &c->log[1].sent[port];
	char what[64], one[160], other[160];
	uint32_t len[2] = {0, 0}, from = 0;
	unsigned int frame = 0;
	size_t at = 0;

	if (a->len == b->len && (a->len == 0 || memcmp(a->bytes, b->bytes, a->len) == 0))
		return 0;
	for (;; frame++) {
		if (at >= a->len || at >= b->len)
			return differ_count(c, "bytes of frames that leave by", port == 0 ? "port 0" : port == 1 ? "port 1" : "port 2",
					    a->len, b->len);
		memcpy(&len[0], a->bytes + at, sizeof(*len));
		memcpy(&len[1], b->bytes + at, sizeof(*len));
		if (len[0] != len[1] || memcmp(a->bytes + at, b->bytes + at, sizeof(*len) + len[0]) != 0)
			break;
		at += sizeof(*len) + len[0];
	}
	at += sizeof(*len);
	while (from < len[0] && from < len[1] && a->bytes[at + from] == b->bytes[at + from])
		from++;
	show_bytes(a, at, len[0], from, one, sizeof(one));
	show_bytes(b, at, len[1], from, other, sizeof(other));
	snprintf(what, sizeof(what), "frame %u of the burst that leaves by port %d", frame, port);
	return differ(c, what, one, other);
}

static int compare_counter(struct compare *c, const char *kind, size_t at, const struct sl_counter *a,
			   const struct sl_counter *b)
{
	char name[48];

	snprintf(name, sizeof(name), "%zu: %s", at, a->packets != b->packets ? "packets" : "bytes");
	return a->packets != b->packets ? differ_count(c, kind, name, a->packets, b->packets)
					: differ_count(c, kind, name, a->bytes, b->bytes);
}

static int compare_counts(struct compare *c)
{
	const struct home_counts *a = &c->counts[0], *b = &c->counts[1];

	c->home[0]->counts(&c->counts[0]);
	c->home[1]->counts(&c->counts[1]);
	if (memcmp(a, b, sizeof(*a)) == 0)
		return 0;
	for (size_t i = 0; i < SL_VERDICT_SLOTS; i++)
		if (a->verdict[i] != b->verdict[i])
			return differ_count(c, "the verdicts' counter", sl_verdict_name((enum sl_verdict)i), a->verdict[i],
					    b->verdict[i]);
	for (size_t i = 0; i < SL_FLOW_COUNTERS; i++)
		if (a->flow[i] != b->flow[i])
			return differ_count(c, "the flow counter", sl_flow_counter_name((enum sl_flow_counter)i), a->flow[i],
					    b->flow[i]);
	for (size_t i = 0; i < HOME_SERVICES_MAX; i++)
		if (memcmp(&a->service[i], &b->service[i], sizeof(*a->service)) != 0)
			return compare_counter(c, "counter of service", i, &a->service[i], &b->service[i]);
	for (size_t i = 0; i < HOME_BACKENDS_MAX; i++)
		if (memcmp(&a->backend[i], &b->backend[i], sizeof(*a->backend)) != 0)
			return compare_counter(c, "counter of backend", i, &a->backend[i], &b->backend[i]);
	return 0;
}

int compare_burst(struct compare *c, const struct home_packet *packets, unsigned int count, uint64_t now_ns,
		  char *text, size_t size, uint32_t *ret_id)
{
	int differs;

	c->text = text;
	c->size = size;
	c->id = packets[count - 1].id;
	for (int h = 0; h < 2; h++) {
		home_log_clear(&c->log[h]);
		c->home[h]->pass(now_ns, &c->log[h]);
		c->home[h]->burst(packets, count, now_ns, &c->log[h]);
	}
	differs = compare_verdicts(c);
	for (int p = 0; differs == 0 && p < HOME_PORTS_MAX; p++)
		differs = compare_port(c, p);
	if (differs == 0 && !c->home[1]->counts_late)
		differs = compare_counts(c);
	if (differs == 0 && (c->home[0]->pressure() || c->home[1]->pressure()))
		differs = differ(c, "the memory of connections is too full for a comparison", "-", "-");
	*ret_id = c->id;
	return differs;
}

int compare_end(struct compare *c, char *text, size_t size)
{
	c->text = text;
	c->size = size;
	return compare_counts(c);
}
