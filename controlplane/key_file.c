/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads and makes key files. Who uses the key for what is model.c's business. */
#include "key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sluice/core/hash.h"

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int key_parse(const char *text, struct sl_key *ret_key)
{
	uint8_t bytes[16];

	for (int i = 0; i < 16; i++) {
		const int high = nibble(text[2 * i]);
		const int low = high < 0 ? -1 : nibble(text[2 * i + 1]);

		if (low < 0)
			return -EINVAL;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(ret_key, bytes, sizeof(bytes));
	return 0;
}

void key_format(const struct sl_key *key, char ret_text[KEY_TEXT_LEN + 1])
{
	const uint8_t *bytes = (const uint8_t *)key;

	for (int i = 0; i < 16; i++)
		snprintf(ret_text + 2 * i, 3, "%02x", bytes[i]);
}

int key_file_read(const char *path, struct sl_key *ret_key, char *reterr, size_t reterr_size)
{
	char text[KEY_TEXT_LEN + 2];
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	ssize_t n;
	int err;

	if (fd < 0) {
		err = -errno;
		snprintf(reterr, reterr_size, "hash key '%s': %s; make one with: sluicectl key new '%s'", path,
			 strerror(-err), path);
		return err;
	}
	if (fstat(fd, &st) == 0 && (st.st_mode & 077) != 0) {
		close(fd);
		snprintf(reterr, reterr_size, "hash key '%s': others may read it (mode %03o); run: chmod 600 '%s'", path,
			 (unsigned int)(st.st_mode & 0777), path);
		return -EPERM;
	}
	n = read(fd, text, sizeof(text));
	close(fd);
	if (n == KEY_TEXT_LEN + 1 && text[KEY_TEXT_LEN] == '\n')
		n--;
	if (n != KEY_TEXT_LEN || key_parse(text, ret_key) < 0) {
		snprintf(reterr, reterr_size,
			 "hash key '%s': not a key; it must hold %d hexadecimal digits and a line end, as "
			 "'sluicectl key new FILE' writes", path, KEY_TEXT_LEN);
		return -EINVAL;
	}
	return 0;
}

int key_file_create(const char *path, struct sl_key *ret_key, char *reterr, size_t reterr_size)
{
	char text[KEY_TEXT_LEN + 2];
	struct sl_key key;
	int err = 0, fd;

	if (getrandom(&key, sizeof(key), 0) != (ssize_t)sizeof(key)) {
		snprintf(reterr, reterr_size, "hash key '%s': the kernel gives no random bytes: %s", path, strerror(errno));
		return -EIO;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		err = -errno;
		snprintf(reterr, reterr_size, "hash key '%s': %s%s", path, strerror(-err),
			 err == -EEXIST ? "; it is not overwritten: name another file, or move this one away first"
					: "; make the directory first, writable for this account");
		return err;
	}
	key_format(&key, text);
	text[KEY_TEXT_LEN] = '\n';
	if (write(fd, text, KEY_TEXT_LEN + 1) != KEY_TEXT_LEN + 1 || fsync(fd) < 0)
		err = -EIO;
	if (close(fd) < 0)
		err = -EIO;
	if (err < 0) {
		unlink(path);
		snprintf(reterr, reterr_size, "hash key '%s': cannot be written; is the disk full?", path);
		return err;
	}
	*ret_key = key;
	return 0;
}

uint64_t key_fingerprint_bits(const struct sl_key *key)
{
	static const char label[16] = "sluice key print";

	return sl_siphash13(key, label, sizeof(label));
}

void key_fingerprint(const struct sl_key *key, char ret_text[KEY_FINGERPRINT_LEN + 1])
{
	snprintf(ret_text, KEY_FINGERPRINT_LEN + 1, "%016llx", (unsigned long long)key_fingerprint_bits(key));
}

struct sl_key key_derive_flow(const struct sl_key *key)
{
	static const char first[16] = "sluice flow k-0", second[16] = "sluice flow k-1";

	return (struct sl_key){ sl_siphash13(key, first, sizeof(first)), sl_siphash13(key, second, sizeof(second)) };
}
