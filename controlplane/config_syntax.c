/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libyaml's words, with the remedy where one is known.
 */
#include "config_syntax.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_tab(const char *text, size_t len, yaml_mark_t mark)
{
	const char *at = text, *end = text + len;

	for (size_t line = 0; line < mark.line && at < end; at++) /* the parser's index counts characters */
		line += *at == '\n';
	return (size_t)(end - at) > mark.column && at[mark.column] == '\t';
}

void config_syntax_describe(const yaml_parser_t *yaml, const char *text, size_t len, yaml_mark_t *ret_mark,
			    struct config_message *ret_message)
{
	static const struct {
		const char *part, *what, *remedy;
	} known[] = {
		{ "cannot start any token", NULL,
		  "; allowed: texts with a special first character in quotes" },
		{ "did not find expected ',' or", NULL,
		  "; allowed: inside [ ] and { }, texts with [ ] { } or , in quotes" },
		{ "did not find expected key", NULL,
		  "; allowed: keys of one map at one indentation, quotes closed" },
		{ "did not find expected '-'", NULL,
		  "; allowed: items of one list at one indentation, quotes closed" },
		{ "mapping values are not allowed", NULL, "; allowed: texts that hold \": \" in quotes" },
		{ "block sequence entries are not", NULL,
		  "; allowed: a list on lines of its own, a lone \"-\" in quotes" },
		{ "could not find expected ':'", NULL, "; allowed: a key, a colon, a space and its value" },
		{ "unexpected end of stream", "a quote is not closed", "; allowed: a quote at both ends" },
	};
	const char *problem = yaml->problem ? yaml->problem : "unknown error", *remedy = "";
	yaml_mark_t mark = yaml->problem_mark;
	char context[128] = "";

	if (yaml->context && yaml->context_mark.line != mark.line)
		snprintf(context, sizeof(context), " (%.80s that begins in line %zu)", yaml->context,
			 yaml->context_mark.line + 1);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!strstr(problem, known[i].part))
			continue;
		remedy = known[i].remedy;
		if (known[i].what) {
			problem = known[i].what;
			mark = yaml->context ? yaml->context_mark : mark;
			context[0] = 0;
		}
		break;
	}
	if (strstr(problem, "cannot start any token") && is_tab(text, len, mark)) {
		problem = "a tab cannot indent";
		remedy = "; allowed: spaces";
		context[0] = 0;
	}
	*ret_mark = mark;
	snprintf(ret_message->text, sizeof(ret_message->text), "not YAML: %s%s%s", problem, context, remedy);
}
