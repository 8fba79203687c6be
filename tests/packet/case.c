/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads packet cases and runs one through the forwarding core, in buffers of exactly its size.
 */
#include "tests/packet/case.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sluice/core/forward.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Hexadecimal digits to new memory; the count of bytes, or -1. */
static int read_hex(const char *text, __u8 **ret_bytes)
{
	const size_t digits = strlen(text);
	__u8 *bytes;

	if (digits % 2 || digits / 2 > CASE_FRAME_MAX)
		return -1;
	bytes = calloc(1, digits / 2 + 1);
	free(*ret_bytes);
	*ret_bytes = bytes;
	for (size_t i = 0; i < digits / 2; i++) {
		if (hex_digit(text[2 * i]) < 0 || hex_digit(text[2 * i + 1]) < 0)
			return -1;
		bytes[i] = (__u8)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
	}
	return (int)(digits / 2);
}

void packet_case_free(struct packet_case *c)
{
	for (int i = 0; i < c->befores; i++)
		free(c->before[i].frame);
	free(c->in);
	free(c->out);
}

/* "unconfirmed", "closing", both, or "plain" for neither; -1: something else. */
static int read_flags(const char *text)
{
	int flags = strstr(text, "unconfirmed") ? SL_FLOW_IS_UNCONFIRMED : 0;

	if (strstr(text, "closing"))
		flags |= SL_FLOW_IS_CLOSING;
	return flags || !strcmp(text, "plain") ? flags : -1;
}

static int read_rows(const char *text, struct case_rows *ret_rows)
{
	struct case_rows rows = { 0 };

	while (*text && rows.count < ENV_ROWS_MAX) {
		rows.slot[rows.count++] = (__u16)(!strncmp(text, "none", 4) ? SL_SLOT_NONE : atoi(text));
		text += strcspn(text, ",");
		text += *text == ',';
	}
	for (__u32 i = 1; rows.count == 1 && i < ENV_ROWS_MAX; i++)
		rows.slot[i] = rows.slot[0];
	*ret_rows = rows;
	return rows.count > 0 && !*text;
}

/* "found guess_base": each at most once. */
static int read_counts(const char *text, __u64 *counts)
{
	for (size_t len; *text; text += len + (text[len] == ' ')) {
		int i = 0;

		len = strcspn(text, " ");
		while (i < SL_FLOW_COUNT_COUNT && (strlen(sl_flow_counter_name(i)) != len ||
						   strncmp(text, sl_flow_counter_name(i), len)))
			i++;
		if (i == SL_FLOW_COUNT_COUNT)
			return 0;
		counts[i] = 1;
	}
	return 1;
}

/* What is remembered before and after; -1: it is no such key. */
static int read_memory(struct packet_case *c, const char *key, const char *value)
{
	static const char *const kinds[] = { "tcp", "quic", "udp" };

	for (int i = 0; i < SL_FLOW_KIND_COUNT; i++) {
		if (!strncmp(key, "base-", 5) && !strcmp(key + 5, kinds[i]))
			return read_rows(value, &c->base[i]);
		if (!strncmp(key, "lens-", 5) && !strcmp(key + 5, kinds[i]))
			return read_rows(value, &c->lens[i]);
	}
	if (!strcmp(key, "current"))
		return read_rows(value, &c->current);
	if (!strcmp(key, "counts"))
		return read_counts(value, c->counts);
	if (!strcmp(key, "remembered-flags"))
		c->remembered_flags = (__u8)read_flags(value);
	else if (!strcmp(key, "stored-flags"))
		c->stored_flags = (__u8)read_flags(value);
	else if (!strcmp(key, "touched"))
		c->touched = read_flags(value);
	else if (!strcmp(key, "tag"))
		c->tag = strtoull(value, NULL, 16);
	else if (!strcmp(key, "lens-hash"))
		c->lens_hash = strcmp(value, "source") ? SL_HASH_5TUPLE : SL_HASH_SOURCE;
	else if (!strcmp(key, "pressure"))
		c->pressure = !strcmp(value, "yes");
	else if (!strcmp(key, "full"))
		c->full = !strcmp(value, "yes");
	else if (!strcmp(key, "deleted"))
		c->deleted = !strcmp(value, "yes");
	else
		return -1;
	return 1;
}

static int read_value(struct packet_case *c, const char *key, const char *value)
{
	int n = read_memory(c, key, value);

	if (n >= 0)
		return n;
	if (!strcmp(key, "name"))
		return snprintf(c->name, sizeof(c->name), "%s", value) < (int)sizeof(c->name);
	if (!strcmp(key, "verdict"))
		return snprintf(c->verdict, sizeof(c->verdict), "%s", value) < (int)sizeof(c->verdict);
	if (!strcmp(key, "before")) {
		struct packet_before *before = &c->before[c->befores];

		if (c->befores == CASE_BEFORE_MAX)
			return 0;
		before->frame = NULL;
		n = read_hex(value, &before->frame);
		before->len = (__u32)n;
		c->befores++;
		return n > 0;
	}
	if (!strcmp(key, "in")) {
		n = read_hex(value, &c->in);
		c->in_len = (__u32)n;
		return n >= 0;
	}
	if (!strcmp(key, "out")) {
		n = read_hex(value, &c->out);
		c->out_len = (__u32)n;
		return n > 0;
	}
	n = atoi(value);
	if (!strcmp(key, "readable"))
		c->readable = (__u32)n;
	else if (!strcmp(key, "headroom"))
		c->headroom = (__u32)n;
	else if (!strcmp(key, "port"))
		c->port = (__u16)n;
	else if (!strcmp(key, "out-port"))
		c->out_port = (__u16)n;
	else if (!strcmp(key, "flags"))
		c->flags = strcmp(value, "csum-ok") ? 0 : SL_PKT_IP_CSUM_OK;
	else if (!strcmp(key, "remembered"))
		c->remembered = (__u16)n;
	else if (!strcmp(key, "age"))
		c->age_s = (__u32)n;
	else if (!strcmp(key, "stored"))
		c->stored = n;
	else if (!strcmp(key, "open"))
		c->open = n;
	else if (!strcmp(key, "replies"))
		c->replies = (__u32)n;
	else if (!strcmp(key, "slot"))
		c->slot = n;
	else if (!strcmp(key, "tracked"))
		c->tracked = !strcmp(value, "yes");
	else if (!strcmp(key, "splits"))
		c->splits = n;
	else if (!strcmp(key, "looks"))
		c->looks = n;
	else
		return 0;
	return 1;
}

int packet_case_read(FILE *file, struct packet_case *ret_case, int *ret_line)
{
	char *line = NULL;
	size_t size = 0;
	int started = 0, good = 1;

	*ret_case = (struct packet_case)PACKET_CASE_INIT;
	while (good && getline(&line, &size, file) > 0) {
		char *value = strstr(line, ": ");

		(*ret_line)++;
		line[strcspn(line, "\n")] = 0;
		if (line[0] == '#')
			continue;
		if (!line[0]) {
			if (started)
				break;
			continue;
		}
		started = 1;
		good = value != NULL;
		if (good) {
			*value = 0;
			good = read_value(ret_case, line, value + 2);
		}
	}
	free(line);
	if (ret_case->readable > ret_case->in_len)
		ret_case->readable = ret_case->in_len;
	return good ? started : -1;
}

/* The state of the world's pools, and what is remembered of the packet's connection. */
static void set_memory(const struct packet_case *c, struct sl_env *env)
{
	__u32 lens_rows = 0;

	env->remembers = c->remembered != SL_SLOT_NONE;
	env->flow = (struct sl_flow){ .slot = c->remembered, .flags = c->remembered_flags, .age_s = c->age_s };
	env->pressure = c->pressure;
	env->full = c->full;
	for (int i = 0; i < SL_FLOW_KIND_COUNT; i++) {
		env->base[i] = c->base[i].count ? c->base[i].slot : NULL;
		env->lens[i] = c->lens[i].count ? c->lens[i].slot : NULL;
		lens_rows = c->lens[i].count ? c->lens[i].count : lens_rows;
	}
	for (__u32 i = 0; i < env->pools; i++) {
		env->pool[i].lens_rows = lens_rows;
		env->pool[i].lens_key = (struct sl_key){ 0x2726252423222120, 0x2f2e2d2c2b2a2928 };
		env->service[i].lens_hash = c->lens_hash;
		for (__u32 row = 0; row < ENV_ROWS_MAX && c->current.count; row++)
			env->row[i][row] = (__u16)(c->current.slot[row] | (env->row[i][row] & SL_ROW_LOOK));
	}
	env->flow_gets = env->flow_puts = env->flow_touches = env->flow_dels = 0;
	memset(env->flow_counted, 0, sizeof(env->flow_counted));
}

void packet_case_configure(const struct packet_case *c, struct sl_env *env)
{
	world_init(env);
	set_memory(c, env);
}

static void see_memory(const struct sl_env *env, const struct sl_packet *pkt, struct packet_result *result)
{
	result->looks = (int)env->flow_gets;
	result->open = pkt->flags & SL_PKT_OPEN ? pkt->base : -1;
	result->stored = env->flow_puts ? env->flow.slot : -1;
	result->stored_flags = env->flow_puts ? env->flow.flags : 0;
	result->refreshed = env->flow_touches ? env->flow.flags : -1;
	result->deleted = (int)env->flow_dels;
	memcpy(result->counts, env->flow_counted, sizeof(result->counts));
}

/* Runs the frames that came before, each in a buffer of exactly its size. */
static void run_before(struct sl_env *env, struct sl_packet *pkt, const struct packet_case *c)
{
	for (int i = 0; i < c->befores; i++) {
		const struct packet_before *before = &c->before[i];
		__u8 *buffer = malloc(SL_OUTER_MAX + before->len);

		memcpy(buffer + SL_OUTER_MAX, before->frame, before->len);
		env->buffer = buffer;
		pkt->data = buffer + SL_OUTER_MAX;
		pkt->end = pkt->data + before->len;
		pkt->frame_len = before->len;
		pkt->port = c->port;
		pkt->flags = 0;
		sl_forward(env, pkt);
		free(buffer);
	}
}

/* What leaves: the frame, or all parts of a packet that is split. Bytes that were not readable are the case's. */
static void see_frames(const struct packet_case *c, const struct sl_packet *pkt, struct packet_result *result)
{
	const __u32 left = (__u32)(pkt->end - pkt->data);
	struct sl_split_part part;

	result->len = 0;
	result->splits = 0;
	if (!pkt->plan->piece) {
		result->len = pkt->frame_len;
		memcpy(result->frame, pkt->data, left);
		memcpy(result->frame + left, c->in + c->readable, pkt->frame_len - left);
		return;
	}
	for (; sl_split_part(pkt, (__u32)result->splits, &part); result->splits++) {
		memcpy(result->frame + result->len, part.front, part.front_len);
		memcpy(result->frame + result->len + part.front_len, c->in + part.from, part.len);
		result->len += part.front_len + part.len;
	}
}

void packet_case_run(const struct packet_case *c, __u8 fill, struct packet_result *ret_result)
{
	struct sl_env *env = malloc(sizeof(*env));
	struct sl_packet *pkt = malloc(sizeof(*pkt));
	struct sl_plan *plan = malloc(sizeof(*plan));
	__u8 *buffer = malloc(c->headroom + c->readable ? c->headroom + c->readable : 1);
	__u32 left;

	memset(env, fill, sizeof(*env));
	memset(pkt, fill, sizeof(*pkt));
	memset(plan, fill, sizeof(*plan));
	pkt->plan = plan;
	memset(buffer, fill, c->headroom);
	memcpy(buffer + c->headroom, c->in, c->readable);
	packet_case_configure(c, env);
	env->datagrams = 0;
	env->splits = c->splits > 0;
	env->replies = (__u32)c->befores;
	run_before(env, pkt, c);
	set_memory(c, env);
	env->replies = c->replies;
	env->buffer = buffer;
	pkt->data = buffer + c->headroom;
	pkt->end = pkt->data + c->readable;
	pkt->frame_len = c->in_len;
	pkt->port = c->port;
	pkt->flags = (__u16)(c->flags | (fill ? (__u16)~SL_PKT_IP_CSUM_OK : 0)); /* parse clears the rest */

	ret_result->verdict = sl_forward(env, pkt);
	left = (__u32)(pkt->end - pkt->data);
	ret_result->len = 0;
	ret_result->splits = 0;
	ret_result->leaves = sl_forward_leaves(pkt, ret_result->verdict);
	if (ret_result->leaves)
		see_frames(c, pkt, ret_result);
	ret_result->touched = (!ret_result->len || ret_result->splits) &&
			      (left != c->readable || memcmp(pkt->data, c->in, left) != 0);
	ret_result->out_port = pkt->out_port;
	ret_result->slot = pkt->slot;
	ret_result->tracked = !!(pkt->flags & SL_PKT_TRACKED);
	ret_result->tag = pkt->tag;
	ret_result->pool = pkt->pool ? pkt->pool->id : UINT32_MAX;
	see_memory(env, pkt, ret_result);
	ret_result->replies = c->replies - env->replies;
	free(buffer);
	free(plan);
	free(pkt);
	free(env);
}
