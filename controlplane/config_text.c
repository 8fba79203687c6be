/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * UTF-8 as RFC 3629 has it, and the characters of YAML 1.2 §5.1 without the line breaks that only
 * YAML 1.1 knew: so lines are counted here as every editor counts them.
 */
#include "config_text.h"

#include <stdint.h>
#include <string.h>

/* Decodes one character; returns its bytes, or 0 when they are not UTF-8. */
static size_t decode(const unsigned char *bytes, size_t left, uint32_t *ret_character)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len;
	uint32_t character;

	if (bytes[0] < 0x80) {
		*ret_character = bytes[0];
		return 1;
	}
	len = (bytes[0] & 0xe0) == 0xc0   ? 2
	      : (bytes[0] & 0xf0) == 0xe0 ? 3
	      : (bytes[0] & 0xf8) == 0xf0 ? 4
					  : 0;
	if (len == 0 || len > left)
		return 0;
	character = bytes[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		character = character << 6 | (bytes[i] & 0x3f);
	}
	if (character < smallest[len] || character > 0x10ffff || (character >= 0xd800 && character <= 0xdfff))
		return 0;
	*ret_character = character;
	return len;
}

static bool is_allowed(uint32_t character)
{
	if (character < 0x20)
		return character == '\t' || character == '\n' || character == '\r';
	if (character >= 0x7f && character < 0xa0)
		return false;
	return character != 0x2028 && character != 0x2029 && character != 0xfeff && character != 0xfffe &&
	       character != 0xffff;
}

bool config_text_check(const char *text, size_t len, struct config_errors *errors)
{
	const unsigned char *bytes = (const unsigned char *)text;
	struct config_mark mark = { 1, 1 };
	uint32_t character = 0;
	size_t step;

	for (size_t pos = 0; pos < len; pos += step) {
		step = decode(bytes + pos, len - pos, &character);
		if (step == 0) {
			config_errors_add(errors, mark, NULL, "byte 0x%02x is not UTF-8; allowed: UTF-8 text",
					  bytes[pos]);
			return false;
		}
		if (!is_allowed(character)) {
			config_errors_add(
				errors, mark, NULL,
				"character U+%04X is not allowed; allowed: text without control characters",
				(unsigned int)character);
			return false;
		}
		if (character == '\n' || (character == '\r' && !(pos + 1 < len && bytes[pos + 1] == '\n'))) {
			mark.line++;
			mark.column = 1;
		} else {
			mark.column++;
		}
	}
	return true;
}
