/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which boot of this machine we are in: what was written in another one has seconds of another clock.
 */
#ifndef SLUICE_HOST_BOOT_ID_H
#define SLUICE_HOST_BOOT_ID_H

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The kernel's random number of this boot; all zero when there is no /proc. Any thread. */
static inline void sl_boot_id(uint8_t ret_id[16])
{
	const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	char text[64] = { 0 }, digits[3] = { 0 };
	size_t bytes = 0;

	memset(ret_id, 0, 16);
	if (fd < 0)
		return;
	if (read(fd, text, sizeof(text) - 1) > 0) {
		for (const char *c = text; c[0] != '\0' && c[1] != '\0' && bytes < 16; c++) {
			if (*c == '-')
				continue;
			digits[0] = c[0];
			digits[1] = *++c;
			ret_id[bytes++] = (uint8_t)strtoul(digits, NULL, 16);
		}
	}
	close(fd);
}

#endif
