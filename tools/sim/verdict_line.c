/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes verdicts as JSON lines.
 */
#include "verdict_line.h"

#include <inttypes.h>

#include "sluice/flow_counter.h"

static void put_text(FILE *out, const char *key, const char *text)
{
	fprintf(out, ",\"%s\":", key);
	if (text == NULL) {
		fputs("null", out);
		return;
	}
	putc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else if ((unsigned char)*text < 0x20)
			fprintf(out, "\\u%04x", (unsigned int)*text);
		else
			putc(*text, out);
	}
	putc('"', out);
}

/* What the memory of connections did, as an array of counter names. */
static void put_flow_counts(FILE *out, uint32_t bits)
{
	const char *comma = "";

	fputs(",\"flow\":[", out);
	for (int i = 0; i < SL_FLOW_COUNT_COUNT; i++) {
		if ((bits >> i & 1) == 0)
			continue;
		fprintf(out, "%s\"%s\"", comma, sl_flow_counter_name(i));
		comma = ",";
	}
	putc(']', out);
}

void verdict_line_write(FILE *out, uint64_t number, const struct capture_packet *packet,
			const struct balancer_result *result)
{
	const struct sl_packet *pkt = result->pkt;

	fprintf(out, "{\"packet\":%" PRIu64 ",\"time\":%" PRId64 ".%09" PRId64, number,
		packet->time_ns / 1000000000, packet->time_ns % 1000000000);
	put_text(out, "verdict", sl_verdict_name(result->verdict));
	put_text(out, "service", result->service);
	put_text(out, "pool", result->pool);
	put_text(out, "backend", result->backend);
	if (pkt->pool != NULL)
		fprintf(out, ",\"row\":%" PRIu32, (uint32_t)pkt->row);
	else
		fputs(",\"row\":null", out);
	fprintf(out, ",\"tracked\":%s", (pkt->flags & SL_PKT_TRACKED) != 0 ? "true" : "false");
	put_text(out, "in", result->in);
	put_text(out, "out", result->out);
	fprintf(out, ",\"length\":%" PRIu32, packet->length);
	if (result->out != NULL)
		fprintf(out, ",\"out_length\":%" PRIu32, result->out_length);
	else
		fputs(",\"out_length\":null", out);
	fprintf(out, ",\"snapped\":%s,\"generation\":%" PRIu64, packet->captured < packet->length ? "true" : "false",
		result->generation);
	if (pkt->pool != NULL)
		fprintf(out, ",\"open\":%s", result->open ? "true" : "false");
	else
		fputs(",\"open\":null", out);
	put_text(out, "base", result->base);
	put_flow_counts(out, result->flow_counts);
	fprintf(out, ",\"out_frames\":%" PRIu32 "}\n", result->out_frames);
}
