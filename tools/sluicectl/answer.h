/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading the API's answers: a field that is missing (an older or newer sluiced) is "" or 0, never a
 * crash.
 */
#ifndef SLUICECTL_ANSWER_H
#define SLUICECTL_ANSWER_H

#include <jansson.h>
#include <stdint.h>

static inline const char *answer_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

static inline int64_t answer_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static inline double answer_real(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

#endif
