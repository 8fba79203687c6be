/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Captures in and out, packet by packet: pcap and pcapng are read through libpcap, pcap with nanoseconds is
 * written. Ethernet only. Nothing is held in memory but one packet.
 */
#ifndef TOOLS_SIM_CAPTURE_H
#define TOOLS_SIM_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

enum { CAPTURE_REASON_MAX = 512 };

struct capture_packet {
	const uint8_t *bytes; /* until the next read */
	uint32_t captured;    /* bytes that are there */
	uint32_t length;      /* bytes the frame had on the wire; more when it was snapped */
	int64_t time_ns;      /* since 1970 */
};

struct capture_reader;
struct capture_writer;

/* "-" is stdin or stdout. Each returns 0, or -errno with one line in reterr (CAPTURE_REASON_MAX bytes). */
int capture_reader_open(const char *path, struct capture_reader **ret_reader, char *reterr);
/* 1 and the next packet, 0 at the end, or -EBADMSG: truncated or corrupt from here on. */
int capture_reader_next(struct capture_reader *reader, struct capture_packet *ret_packet, char *reterr);
void capture_reader_close(struct capture_reader *reader); /* NULL is fine */

int capture_writer_open(const char *path, struct capture_writer **ret_writer, char *reterr);
int capture_writer_put(struct capture_writer *writer, const struct capture_packet *packet, char *reterr);
/* Flushes; whatever it returns, the writer is gone. NULL is fine. */
int capture_writer_close(struct capture_writer *writer, char *reterr);

#endif
