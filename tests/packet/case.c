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
	free(c->in);
	free(c->out);
}

static int read_value(struct packet_case *c, const char *key, const char *value)
{
	int n;

	if (!strcmp(key, "name"))
		return snprintf(c->name, sizeof(c->name), "%s", value) < (int)sizeof(c->name);
	if (!strcmp(key, "verdict"))
		return snprintf(c->verdict, sizeof(c->verdict), "%s", value) < (int)sizeof(c->verdict);
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
	else if (!strcmp(key, "replies"))
		c->replies = (__u32)n;
	else if (!strcmp(key, "slot"))
		c->slot = n;
	else if (!strcmp(key, "tracked"))
		c->tracked = !strcmp(value, "yes");
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

	*ret_case = (struct packet_case){ .headroom = 128, .remembered = SL_SLOT_NONE, .replies = 1, .slot = -1,
					   .readable = UINT32_MAX };
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
	world_init(env);
	env->remembered = c->remembered;
	env->replies = c->replies;
	env->flow_gets = 0;
	env->buffer = buffer;
	pkt->data = buffer + c->headroom;
	pkt->end = pkt->data + c->readable;
	pkt->frame_len = c->in_len;
	pkt->port = c->port;
	pkt->flags = (__u16)(c->flags | (fill ? (__u16)~SL_PKT_IP_CSUM_OK : 0)); /* parse clears the rest */

	ret_result->verdict = sl_forward(env, pkt);
	left = (__u32)(pkt->end - pkt->data);
	ret_result->len = 0;
	ret_result->touched = 0;
	if (sl_forward_leaves(ret_result->verdict)) {
		ret_result->len = pkt->frame_len;
		memcpy(ret_result->frame, pkt->data, left);
		memcpy(ret_result->frame + left, c->in + c->readable, pkt->frame_len - left);
	} else {
		ret_result->touched = left != c->readable || memcmp(pkt->data, c->in, left) != 0;
	}
	ret_result->out_port = pkt->out_port;
	ret_result->slot = pkt->slot;
	ret_result->tracked = !!(pkt->flags & SL_PKT_TRACKED);
	ret_result->looks = (int)env->flow_gets;
	ret_result->replies = c->replies - env->replies;
	free(buffer);
	free(plan);
	free(pkt);
	free(env);
}
