/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Facts in a chained hash by object, each in exactly one list: per class, what is told, what is to be
 * put, what is to be removed. A fact that was never told and is removed just goes. Main thread only.
 */
#include "controlplane/facts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_TOLD = 0, LIST_PUT, LIST_DEL, LIST_COUNT };
enum { BUCKETS_MIN = 64 };

struct facts {
	struct fact list[FACT_CLASS_COUNT][LIST_COUNT]; /* heads of rings */
	size_t count[FACT_CLASS_COUNT];                 /* told + put */
	size_t total;
	size_t buckets; /* a power of two */
	struct fact **bucket;
	uint64_t replay; /* counts facts_forget(), from 1 */
};

/* The fields that name an object; the rest of a payload is what is said about it. */
struct fact_key {
	uint64_t word[3];
};

static struct fact_key key_of(enum fact_class class, const union sl_payload *payload)
{
	struct fact_key key = { { 0, 0, 0 } };

	switch (class) {
	case FACT_SETTINGS: break;
	case FACT_NEIGHBOR: key.word[0] = payload->neighbor.id; break;
	case FACT_BACKEND:
		key.word[0] = payload->backend.pool;
		key.word[1] = payload->backend.slot;
		break;
	case FACT_POOL: key.word[0] = payload->pool.id; break;
	case FACT_TABLE:
		key.word[0] = payload->table.pool;
		key.word[1] = payload->table.kind;
		break;
	case FACT_SERVICE: key.word[0] = payload->service.id; break;
	case FACT_LISTENER:
		key.word[0] = payload->listener.addr.d[0];
		key.word[1] = payload->listener.addr.d[1];
		key.word[2] = (uint64_t)payload->listener.port << 8 | payload->listener.proto;
		break;
	case FACT_VIP:
		key.word[0] = payload->vip.addr.d[0];
		key.word[1] = payload->vip.addr.d[1];
		break;
	case FACT_CLASS_COUNT: break;
	}
	return key;
}

static size_t hash_of(enum fact_class class, const struct fact_key *key)
{
	uint64_t h = (uint64_t)class + 1;

	for (int i = 0; i < 3; i++) {
		h = (h ^ key->word[i]) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 29;
	}
	return (size_t)(h ^ h >> 32);
}

static struct fact *lookup(const struct facts *facts, enum fact_class class, const union sl_payload *payload)
{
	const struct fact_key key = key_of(class, payload);
	struct fact *fact = facts->bucket[hash_of(class, &key) & (facts->buckets - 1)];

	for (; fact != NULL; fact = fact->hash_next) {
		const struct fact_key other = key_of(fact->class, &fact->payload);

		if (fact->class == class && memcmp(&other, &key, sizeof(key)) == 0)
			return fact;
	}
	return NULL;
}

static void unlink_fact(struct fact *fact)
{
	fact->prev->next = fact->next;
	fact->next->prev = fact->prev;
}

static void move_to(struct facts *facts, struct fact *fact, uint8_t list)
{
	struct fact *head = &facts->list[fact->class][list];

	unlink_fact(fact);
	fact->list = list;
	fact->prev = head->prev;
	fact->next = head;
	head->prev->next = fact;
	head->prev = fact;
}

static void insert_hash(struct fact **bucket, size_t buckets, struct fact *fact)
{
	const struct fact_key key = key_of(fact->class, &fact->payload);
	struct fact **first = &bucket[hash_of(fact->class, &key) & (buckets - 1)];

	fact->hash_next = *first;
	*first = fact;
}

static int grow(struct facts *facts)
{
	const size_t buckets = facts->buckets * 2;
	struct fact **bucket = calloc(buckets, sizeof(*bucket));

	if (bucket == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < facts->buckets; i++) {
		struct fact *next;

		for (struct fact *fact = facts->bucket[i]; fact != NULL; fact = next) {
			next = fact->hash_next;
			insert_hash(bucket, buckets, fact);
		}
	}
	free(facts->bucket);
	facts->bucket = bucket;
	facts->buckets = buckets;
	return 0;
}

int facts_create(struct facts **ret_facts)
{
	struct facts *facts = calloc(1, sizeof(*facts));

	if (facts == NULL)
		return -ENOMEM;
	facts->buckets = BUCKETS_MIN;
	facts->bucket = calloc(facts->buckets, sizeof(*facts->bucket));
	if (facts->bucket == NULL) {
		free(facts);
		return -ENOMEM;
	}
	facts->replay = 1;
	for (int class = 0; class < FACT_CLASS_COUNT; class++) {
		for (int list = 0; list < LIST_COUNT; list++) {
			struct fact *head = &facts->list[class][list];

			head->next = head->prev = head;
		}
	}
	*ret_facts = facts;
	return 0;
}

static void drop(struct facts *facts, struct fact *fact)
{
	const struct fact_key key = key_of(fact->class, &fact->payload);
	struct fact **at = &facts->bucket[hash_of(fact->class, &key) & (facts->buckets - 1)];

	while (*at != fact)
		at = &(*at)->hash_next;
	*at = fact->hash_next;
	unlink_fact(fact);
	table_put(fact->table);
	free(fact);
	facts->total--;
}

void facts_destroy(struct facts *facts)
{
	if (facts == NULL)
		return;
	for (size_t i = 0; i < facts->buckets; i++) {
		while (facts->bucket[i] != NULL)
			drop(facts, facts->bucket[i]);
	}
	free(facts->bucket);
	free(facts);
}

/* Makes the fact of an object that has none, in no list yet. */
static struct fact *add(struct facts *facts, enum fact_class class, const union sl_payload *payload)
{
	struct fact *fact;

	if (facts->total >= facts->buckets && grow(facts) < 0)
		return NULL;
	fact = calloc(1, sizeof(*fact));
	if (fact == NULL)
		return NULL;
	fact->class = class;
	fact->payload = *payload;
	fact->next = fact->prev = fact;
	fact->list = LIST_DEL;
	insert_hash(facts->bucket, facts->buckets, fact);
	facts->total++;
	return fact;
}

int facts_put(struct facts *facts, enum fact_class class, const union sl_payload *payload, struct table *table)
{
	struct fact *fact = lookup(facts, class, payload);

	if (fact == NULL) {
		fact = add(facts, class, payload);
		if (fact == NULL)
			return -ENOMEM;
	} else if (fact->list != LIST_DEL && fact->table == table &&
		   memcmp(&fact->payload, payload, sizeof(*payload)) == 0) {
		return 0;
	}
	if (fact->list == LIST_DEL)
		facts->count[class]++;
	fact->payload = *payload;
	fact->op = SL_OP_PUT;
	if (fact->table != table) {
		table_put(fact->table);
		fact->table = table != NULL ? table_get(table) : NULL;
	}
	move_to(facts, fact, LIST_PUT);
	return 1;
}

int facts_del(struct facts *facts, enum fact_class class, const union sl_payload *payload)
{
	struct fact *fact = lookup(facts, class, payload);

	if (fact == NULL || fact->list == LIST_DEL)
		return 0;
	facts->count[class]--;
	if (fact->told != facts->replay) { /* the datapath never heard of it */
		drop(facts, fact);
		return 1;
	}
	table_put(fact->table);
	fact->table = NULL;
	fact->op = SL_OP_DEL;
	move_to(facts, fact, LIST_DEL);
	return 1;
}

struct fact *facts_next(struct facts *facts)
{
	for (int class = FACT_CLASS_COUNT - 1; class >= 0; class--) {
		struct fact *head = &facts->list[class][LIST_DEL];

		if (head->next != head)
			return head->next;
	}
	for (int class = 0; class < FACT_CLASS_COUNT; class++) {
		struct fact *head = &facts->list[class][LIST_PUT];

		if (head->next != head)
			return head->next;
	}
	return NULL;
}

void facts_told(struct facts *facts, struct fact *fact)
{
	if (fact->op == SL_OP_DEL) {
		drop(facts, fact);
		return;
	}
	fact->told = facts->replay;
	move_to(facts, fact, LIST_TOLD);
}

void facts_forget(struct facts *facts)
{
	facts->replay++;
	for (int class = 0; class < FACT_CLASS_COUNT; class++) {
		struct fact *told = &facts->list[class][LIST_TOLD];
		struct fact *gone = &facts->list[class][LIST_DEL];

		while (gone->next != gone)
			drop(facts, gone->next);
		while (told->next != told)
			move_to(facts, told->next, LIST_PUT);
	}
}

size_t facts_count(const struct facts *facts, enum fact_class class)
{
	return facts->count[class];
}

bool facts_exists(const struct facts *facts, enum fact_class class, const union sl_payload *payload)
{
	const struct fact *fact = lookup(facts, class, payload);

	return fact != NULL && fact->list != LIST_DEL;
}
