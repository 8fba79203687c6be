/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libpcap behind two small types; what its error texts leave out (which file, which packet) is added.
 */
#include "capture.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SNAP_LENGTH = 262144 };

struct capture_reader {
	pcap_t *pcap;
	char *path;
	uint64_t packets;
};

struct capture_writer {
	pcap_t *pcap; /* no source: says the link type and the precision */
	pcap_dumper_t *dumper;
	char *path;
};

static int fail(char *reterr, int err, const char *path, const char *reason)
{
	snprintf(reterr, CAPTURE_REASON_MAX, "%s: %s", path, reason);
	return err;
}

/* ---- reader -------------------------------------------------------------------------------------------- */

int capture_reader_open(const char *path, struct capture_reader **ret_reader, char *reterr)
{
	struct capture_reader *reader = calloc(1, sizeof(*reader));
	char reason[PCAP_ERRBUF_SIZE] = "";
	const char *link;
	int type;

	if (reader == NULL)
		return fail(reterr, -ENOMEM, path, "out of memory");
	reader->path = strdup(path);
	if (reader->path == NULL) {
		capture_reader_close(reader);
		return fail(reterr, -ENOMEM, path, "out of memory");
	}
	reader->pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, reason);
	if (reader->pcap == NULL) {
		const size_t len = strlen(path);
		const char *text =
			strncmp(reason, path, len) == 0 && reason[len] == ':' ? reason + len + 2 : reason;

		capture_reader_close(reader);
		snprintf(reterr, CAPTURE_REASON_MAX,
			 "%s: cannot be read as a capture: %s; needed: pcap or pcapng", path, text);
		return -EINVAL;
	}
	type = pcap_datalink(reader->pcap);
	if (type != DLT_EN10MB) {
		link = pcap_datalink_val_to_name(type);
		snprintf(reterr, CAPTURE_REASON_MAX,
			 "%s: link type %s (%d); needed: Ethernet (EN10MB), as tcpdump -i INTERFACE writes",
			 path, link != NULL ? link : "unknown", type);
		capture_reader_close(reader);
		return -EINVAL;
	}
	*ret_reader = reader;
	return 0;
}

int capture_reader_next(struct capture_reader *reader, struct capture_packet *ret_packet, char *reterr)
{
	struct pcap_pkthdr *header;
	const uint8_t *bytes;
	const int got = pcap_next_ex(reader->pcap, &header, &bytes);

	if (got == PCAP_ERROR_BREAK)
		return 0;
	if (got != 1) {
		snprintf(reterr, CAPTURE_REASON_MAX,
			 "%s: damaged after packet %llu: %s; what came before was processed", reader->path,
			 (unsigned long long)reader->packets, pcap_geterr(reader->pcap));
		return -EBADMSG;
	}
	if (header->caplen > SNAP_LENGTH) {
		snprintf(reterr, CAPTURE_REASON_MAX,
			 "%s: packet %llu has %u bytes; at most %d can be processed", reader->path,
			 (unsigned long long)reader->packets + 1, header->caplen, SNAP_LENGTH);
		return -EBADMSG;
	}
	reader->packets++;
	*ret_packet = (struct capture_packet){
		.bytes = bytes,
		.captured = header->caplen,
		/* A writer that says less than it wrote is wrong about the wire, not about the bytes. */
		.length = header->len < header->caplen ? header->caplen : header->len,
		.time_ns = (int64_t)header->ts.tv_sec * 1000000000 +
			   header->ts.tv_usec, /* nanoseconds, as asked */
	};
	return 1;
}

void capture_reader_close(struct capture_reader *reader)
{
	if (reader == NULL)
		return;
	if (reader->pcap != NULL)
		pcap_close(reader->pcap);
	free(reader->path);
	free(reader);
}

/* ---- writer -------------------------------------------------------------------------------------------- */

int capture_writer_open(const char *path, struct capture_writer **ret_writer, char *reterr)
{
	struct capture_writer *writer = calloc(1, sizeof(*writer));
	int err;

	if (writer == NULL)
		return fail(reterr, -ENOMEM, path, "out of memory");
	writer->path = strdup(path);
	writer->pcap =
		pcap_open_dead_with_tstamp_precision(DLT_EN10MB, SNAP_LENGTH, PCAP_TSTAMP_PRECISION_NANO);
	if (writer->path == NULL || writer->pcap == NULL) {
		err = fail(reterr, -ENOMEM, path, "out of memory");
		goto fail;
	}
	errno = 0;
	writer->dumper = pcap_dump_open(writer->pcap, path);
	if (writer->dumper == NULL) {
		err = fail(reterr, errno != 0 ? -errno : -EIO, path,
			   errno != 0 ? strerror(errno) : pcap_geterr(writer->pcap));
		goto fail;
	}
	*ret_writer = writer;
	return 0;
fail:
	free(writer->path);
	if (writer->pcap != NULL)
		pcap_close(writer->pcap);
	free(writer);
	return err;
}

int capture_writer_put(struct capture_writer *writer, const struct capture_packet *packet, char *reterr)
{
	const struct pcap_pkthdr header = {
		.ts = {.tv_sec = packet->time_ns / 1000000000, .tv_usec = packet->time_ns % 1000000000},
		.caplen = packet->captured,
		.len = packet->length,
	};

	pcap_dump((u_char *)writer->dumper, &header, packet->bytes);
	if (ferror(pcap_dump_file(writer->dumper)))
		return fail(reterr, errno != 0 ? -errno : -EIO, writer->path, strerror(errno));
	return 0;
}

int capture_writer_close(struct capture_writer *writer, char *reterr)
{
	int err = 0;

	if (writer == NULL)
		return 0;
	if (pcap_dump_flush(writer->dumper) != 0 || ferror(pcap_dump_file(writer->dumper)))
		err = fail(reterr, errno != 0 ? -errno : -EIO, writer->path, strerror(errno));
	pcap_dump_close(writer->dumper);
	pcap_close(writer->pcap);
	free(writer->path);
	free(writer);
	return err;
}
