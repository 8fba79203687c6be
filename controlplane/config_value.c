/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers with units, names, and how they are written. Addresses and devices: config_address.c.
 */
#include "config_value.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static bool fail(struct config_reason *reterr, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reterr->text, sizeof(reterr->text), format, args);
	va_end(args);
	return false;
}

/* Reads leading digits; returns how many, 0 when there are none; more than 18 do not fit: *ret_number is then
 * huge. */
static size_t digits(const char *text, uint64_t *ret_number)
{
	uint64_t number = 0;
	size_t len;

	for (len = 0; text[len] >= '0' && text[len] <= '9'; len++)
		number = len < 18 ? number * 10 + (uint64_t)(text[len] - '0') : UINT64_MAX / 2;
	*ret_number = number;
	return len;
}

bool config_value_number(const char *text, uint64_t *ret_number, struct config_reason *reterr)
{
	uint64_t number;
	const size_t len = digits(text, &number);

	if (len == 0 || text[len] != 0)
		return fail(reterr, "is no whole number");
	*ret_number = number;
	return true;
}

bool config_value_size(const char *text, bool unit_needed, uint64_t *ret_size, struct config_reason *reterr)
{
	uint64_t number;
	const size_t len = digits(text, &number);
	const char *unit = text + len;
	unsigned int shift = 0;

	if (len == 0)
		return fail(reterr, unit_needed ? "is no size" : "is no number");
	if (strcmp(unit, "K") == 0)
		shift = 10;
	else if (strcmp(unit, "M") == 0)
		shift = 20;
	else if (strcmp(unit, "G") == 0)
		shift = 30;
	else if (*unit == '.')
		return fail(reterr, "is no whole number");
	else if (*unit)
		return fail(reterr, "has the unit \"%.8s\", which is none of K, M, G", unit);
	else if (unit_needed)
		return fail(reterr, "has no unit: write \"%sM\" or \"%sG\"", text, text);
	*ret_size = number > UINT64_MAX >> 32 ? UINT64_MAX / 2 : number << shift;
	return true;
}

bool config_value_percent(const char *text, uint64_t *ret_percent, struct config_reason *reterr)
{
	uint64_t number;
	const size_t len = digits(text, &number);

	if (len > 0 && !text[len])
		return fail(reterr, "has no percent sign: write \"%s%%\"", text);
	if (len == 0 || strcmp(text + len, "%") != 0)
		return fail(reterr, "is no share in whole percent");
	*ret_percent = number;
	return true;
}

bool config_value_duration(const char *text, uint64_t *ret_ms, struct config_reason *reterr)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	uint64_t number;
	const size_t len = digits(text, &number);

	if (len == 0)
		return fail(reterr, "is no duration");
	if (!text[len])
		return fail(reterr, "has no unit: write \"%ss\" or \"%sms\"", text, text);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text + len, units[i].name) == 0) {
			*ret_ms = number > UINT64_MAX >> 32 ? UINT64_MAX / 2 : number * units[i].ms;
			return true;
		}
	}
	if (text[len] == '.')
		return fail(reterr, "is no whole number with a unit");
	return fail(reterr, "has the unit \"%.8s\", which is none of ms, s, m, h", text + len);
}

bool config_value_status(const char *text, uint16_t *ret_min, uint16_t *ret_max, struct config_reason *reterr)
{
	uint64_t min, max;
	const size_t len = digits(text, &min);
	size_t rest = 0;

	max = min;
	if (len == 0 || (text[len] && text[len] != '-'))
		return fail(reterr, "is no status");
	if (text[len] == '-') {
		rest = digits(text + len + 1, &max);
		if (rest == 0 || text[len + 1 + rest])
			return fail(reterr, "is no range of status");
	}
	if (min < 100 || max > 599)
		return fail(reterr, "is outside of 100 to 599");
	if (min > max)
		return fail(reterr, "ends before it begins");
	*ret_min = (uint16_t)min;
	*ret_max = (uint16_t)max;
	return true;
}

bool config_value_bool(const char *text, bool *ret_value, struct config_reason *reterr)
{
	static const char *const trues[] = { "true", "True", "TRUE" }, *const falses[] = { "false", "False",
											   "FALSE" };
	static const char *const old_trues[] = { "yes", "Yes", "YES", "on", "On", "ON", "1" };
	static const char *const old_falses[] = { "no", "No", "NO", "off", "Off", "OFF", "0" };

	for (size_t i = 0; i < 3; i++) {
		if (strcmp(text, trues[i]) == 0 || strcmp(text, falses[i]) == 0) {
			*ret_value = text[0] == 't' || text[0] == 'T';
			return true;
		}
	}
	for (size_t i = 0; i < sizeof(old_trues) / sizeof(old_trues[0]); i++) {
		if (strcmp(text, old_trues[i]) == 0)
			return fail(reterr, "is no boolean of YAML 1.2: write true");
		if (strcmp(text, old_falses[i]) == 0)
			return fail(reterr, "is no boolean of YAML 1.2: write false");
	}
	return fail(reterr, "is no boolean");
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool config_value_name(const char *text, size_t len, struct config_reason *reterr)
{
	if (len == 0)
		return fail(reterr, "is empty");
	if (len >= SL_NAME_MAX)
		return fail(reterr, "has %zu characters, %d too many", len, (int)(len - (SL_NAME_MAX - 1)));
	if (!is_alnum(text[0]))
		return fail(reterr, "does not begin with a letter or a digit");
	for (size_t i = 0; i < len; i++) {
		if (is_alnum(text[i]) || (text[i] && strchr("._:-", text[i])))
			continue;
		if ((unsigned char)text[i] >= 0x80 || (unsigned char)text[i] < 0x20)
			return fail(reterr, "has a character that no name may have");
		return fail(reterr, "has a '%c', which no name may have", text[i]);
	}
	return true;
}

bool config_value_ifname(const char *text, size_t len, struct config_reason *reterr)
{
	if (len == 0)
		return fail(reterr, "is empty");
	if (len > 15)
		return fail(reterr, "has %zu characters, %d too many", len, (int)(len - 15));
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7f ||
		    strchr("/:,%", text[i]))
			return fail(reterr, "has a character that no interface name may have");
	if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return fail(reterr, "is no interface name");
	return true;
}

void config_format_duration(uint64_t ms, char *buf, size_t size)
{
	if (ms > 0 && ms % 3600000 == 0)
		snprintf(buf, size, "%juh", (uintmax_t)(ms / 3600000));
	else if (ms > 0 && ms % 60000 == 0)
		snprintf(buf, size, "%jum", (uintmax_t)(ms / 60000));
	else if (ms % 1000 == 0)
		snprintf(buf, size, "%jus", (uintmax_t)(ms / 1000));
	else
		snprintf(buf, size, "%jums", (uintmax_t)ms);
}

void config_format_size(uint64_t bytes, char *buf, size_t size)
{
	static const char *const units[] = { "", "K", "M", "G" };
	unsigned int unit = 0;

	while (unit < 3 && bytes > 0 && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	snprintf(buf, size, "%ju%s", (uintmax_t)bytes, units[unit]);
}

bool config_is_prime(uint64_t number)
{
	if (number < 4)
		return number >= 2;
	if (number % 2 == 0)
		return false;
	for (uint64_t divisor = 3; divisor * divisor <= number; divisor += 2)
		if (number % divisor == 0)
			return false;
	return true;
}
