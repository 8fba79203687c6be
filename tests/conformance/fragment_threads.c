/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two workers' tables of fragmented datagrams under ThreadSanitizer: each thread writes its own and reads the
 * other's all the time. An answer is either that of its tag, whole, or none.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/fragment_table.h"

enum { ROUNDS = 60000, SOURCES = 3, TAGS = 40 };

static struct fragment_table *table[2];
static unsigned long found[2];

static struct sl_datagram datagram_of(uint64_t tag, uint32_t version)
{
	struct sl_datagram datagram = {.answer = {.pool = version, .slot = (uint16_t)tag, .sport = (__be16)(version + tag),
						  .dport = (__be16)(version * 3), .first = (uint16_t)(version ^ tag), .verdict = 1}};

	return datagram;
}

static void look(const struct sl_datagram_answer *answer, uint64_t tag)
{
	const struct sl_datagram wanted = datagram_of(tag, answer->pool);

	if (memcmp(answer, &wanted.answer, sizeof(*answer)) != 0) {
		fprintf(stderr, "an answer that nobody stored\n");
		exit(1);
	}
}

static void *work(void *arg)
{
	const unsigned int own = *(unsigned int *)arg;
	const struct fragment_tables tables = {.count = 2, .own = own, .table = {table[0], table[1]}};

	for (uint32_t round = 1; round <= ROUNDS; round++) {
		const uint64_t tag = 1 + round / 4 * 7919u % TAGS, source = tag % SOURCES;
		const struct sl_datagram datagram = datagram_of(tag, round);
		struct sl_datagram_answer answer;
		struct sl_datagram *mine;
		uint32_t born_ms;

		if (round % 4 == 0) {
			fragment_table_put(table[own], source, tag, round * 1000ull, &datagram);
		} else if (fragment_table_peek(table[!own], source, tag, round * 1000ull, &answer, &born_ms)) {
			found[own]++;
			look(&answer, tag);
		}
		mine = fragment_tables_find(&tables, source, tag, round * 1000ull);
		if (mine)
			look(&mine->answer, tag);
	}
	return NULL;
}

int main(void)
{
	unsigned int own[2] = {0, 1};
	pthread_t thread[2];

	for (int i = 0; i < 2; i++) {
		table[i] = aligned_alloc(64, fragment_table_size());
		if (!table[i])
			return 1;
		memset(table[i], 0, fragment_table_size());
	}
	for (int i = 0; i < 2; i++)
		if (pthread_create(&thread[i], NULL, work, &own[i]))
			return 1;
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	printf("answers read from the other thread: %lu and %lu\n", found[0], found[1]);
	free(table[0]);
	free(table[1]);
	return found[0] + found[1] == 0;
}
