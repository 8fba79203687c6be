/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes of packets.
 */
#include "bytes.h"

#include <string.h>

void bytes_add(struct bytes *bytes, const void *more, uint32_t len)
{
	if (len > BYTES_MAX - bytes->len)
		len = BYTES_MAX - bytes->len;
	memcpy(bytes->b + bytes->len, more, len);
	bytes->len += len;
}

void bytes_add16(struct bytes *bytes, uint16_t value)
{
	const uint8_t both[2] = {(uint8_t)(value >> 8), (uint8_t)value};

	bytes_add(bytes, both, 2);
}

void bytes_add32(struct bytes *bytes, uint32_t value)
{
	bytes_add16(bytes, (uint16_t)(value >> 16));
	bytes_add16(bytes, (uint16_t)value);
}

static uint32_t sum(const uint8_t *bytes, uint32_t len, uint32_t total)
{
	for (uint32_t i = 0; i + 1 < len; i += 2)
		total += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
	return len % 2 ? total + (uint32_t)(bytes[len - 1] << 8) : total;
}

static uint16_t fold(uint32_t total)
{
	total = (total & 0xffff) + (total >> 16);
	total = (total & 0xffff) + (total >> 16);
	return (uint16_t)~total;
}

void bytes_ipv4_checksum(uint8_t *bytes, uint32_t len, uint32_t at)
{
	uint32_t header;
	uint16_t checksum;

	if (at + 20 > len)
		return;
	header = (bytes[at] & 15u) * 4;
	if (header < 20 || at + header > len)
		return;
	bytes[at + 10] = bytes[at + 11] = 0;
	checksum = fold(sum(bytes + at, header, 0));
	bytes[at + 10] = (uint8_t)(checksum >> 8);
	bytes[at + 11] = (uint8_t)checksum;
}

static void ipv4(struct bytes *packet, const struct ip *ip, const uint8_t *payload, uint32_t len)
{
	const uint32_t start = packet->len;
	const uint8_t first[2] = {(uint8_t)(0x40 | (20 + ip->options) / 4), ip->tos}, last[2] = {ip->ttl, ip->proto};

	bytes_add(packet, first, 2);
	bytes_add16(packet, (uint16_t)(20 + ip->options + len));
	bytes_add16(packet, (uint16_t)ip->id);
	bytes_add16(packet, (uint16_t)((ip->df ? 0x4000 : 0) | (ip->more ? 0x2000 : 0) | ip->at / 8));
	bytes_add(packet, last, 2);
	bytes_add16(packet, 0);
	bytes_add(packet, ip->src.b + 12, 4);
	bytes_add(packet, ip->dst.b + 12, 4);
	for (unsigned int i = 0; i < ip->options; i++)
		bytes_add(packet, &ip->filler, 1);
	bytes_ipv4_checksum(packet->b, packet->len, start);
	bytes_add(packet, payload, len);
}

/* Eight bytes, or sixteen where the filler is odd. */
static void extension(struct bytes *packet, uint8_t type, uint8_t next, uint8_t filler)
{
	const uint8_t units = filler % 2;
	uint8_t header[16] = {next, units, 0, 0, 0, 0, 0, 0};

	if (type == 51) /* AH counts in units of four, less two */
		header[1] = units ? 2 : 0;
	if (type == 43)
		header[2] = 4, header[3] = filler > 250; /* segments left */
	if (type == 0 || type == 60)
		header[2] = 1, header[3] = units ? 12 : 4; /* PadN */
	bytes_add(packet, header, units ? 16 : 8);
}

static void ipv6(struct bytes *packet, const struct ip *ip, const uint8_t *payload, uint32_t len)
{
	const bool fragment = ip->fragment_header || ip->at > 0 || ip->more;
	const uint32_t start = packet->len;
	uint8_t next[6] = {0}, last[2];
	unsigned int count = 0;
	uint16_t length;

	for (unsigned int i = 0; i < ip->extensions; i++)
		next[count++] = ip->extension[i];
	if (fragment)
		next[count++] = 44;
	next[count] = ip->proto;
	bytes_add32(packet, 6u << 28 | (uint32_t)ip->tos << 20 | (ip->id & 0xfffff));
	bytes_add16(packet, 0);
	last[0] = next[0];
	last[1] = ip->ttl;
	bytes_add(packet, last, 2);
	bytes_add(packet, ip->src.b, 16);
	bytes_add(packet, ip->dst.b, 16);
	for (unsigned int i = 0; i < count; i++) {
		if (next[i] != 44) {
			extension(packet, next[i], next[i + 1], ip->filler);
			continue;
		}
		last[0] = next[i + 1];
		last[1] = 0;
		bytes_add(packet, last, 2);
		bytes_add16(packet, (uint16_t)((ip->at & 0xfff8) | (ip->more ? 1 : 0)));
		bytes_add32(packet, ip->id);
	}
	bytes_add(packet, payload, len);
	length = (uint16_t)(packet->len - start - 40);
	packet->b[start + 4] = (uint8_t)(length >> 8);
	packet->b[start + 5] = (uint8_t)length;
}

void bytes_ip(struct bytes *packet, const struct ip *ip, const uint8_t *payload, uint32_t len)
{
	if (ip->v6)
		ipv6(packet, ip, payload, len);
	else
		ipv4(packet, ip, payload, len);
}

void bytes_ethernet(struct bytes *frame, const uint8_t dst[6], const uint8_t src[6], const uint16_t *tags,
		    unsigned int tag_count, uint16_t type)
{
	bytes_add(frame, dst, 6);
	bytes_add(frame, src, 6);
	for (unsigned int i = 0; i < tag_count; i++) {
		bytes_add16(frame, tags[i]);
		bytes_add16(frame, (uint16_t)(100 + i));
	}
	bytes_add16(frame, type);
}

void bytes_icmp_checksum(struct bytes *message, const struct ip *ip)
{
	uint32_t total = 0;
	uint16_t checksum;

	message->b[2] = message->b[3] = 0;
	if (ip->v6)
		total = sum(ip->src.b, 16, sum(ip->dst.b, 16, message->len + 58));
	checksum = fold(sum(message->b, message->len, total));
	message->b[2] = (uint8_t)(checksum >> 8);
	message->b[3] = (uint8_t)checksum;
}
