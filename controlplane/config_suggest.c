/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Edit distance with transpositions, for "did you mean". Words longer than a name are never near.
 */
#include "config_read.h"

#include <string.h>

static size_t min3(size_t a, size_t b, size_t c)
{
	const size_t low = a < b ? a : b;

	return low < c ? low : c;
}

/* Damerau-Levenshtein, optimal string alignment. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t row[3][SL_NAME_MAX + 1];

	for (size_t j = 0; j <= b_len; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *now = row[i % 3], *above = row[(i - 1) % 3], *before = row[(i + 1) % 3];

		now[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			now[j] = min3(above[j] + 1, now[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
	}
	return row[a_len % 3][b_len];
}

void config_suggest(struct config_suggestion *suggestion, const char *word)
{
	const size_t wrong_len = strlen(suggestion->wrong), len = strlen(word);
	size_t edits;

	if (wrong_len == 0 || wrong_len > SL_NAME_MAX || len > SL_NAME_MAX)
		return;
	edits = distance(suggestion->wrong, wrong_len, word, len);
	if (edits > (len < 4 ? 1 : len < 9 ? 2 : 3) || edits >= len)
		return;
	if (!suggestion->best || edits < suggestion->distance) {
		suggestion->best = word;
		suggestion->distance = edits;
	}
}
