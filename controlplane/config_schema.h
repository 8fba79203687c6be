/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one table of keys: path, type, range, default, unit and text of each, and where its value is
 * kept. Reader, reference page (docs/configuration.md), diff and their tests go by it.
 */
#ifndef CONTROLPLANE_CONFIG_SCHEMA_H
#define CONTROLPLANE_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum config_type {
	CONFIG_TYPE_BOOL = 0,
	CONFIG_TYPE_NUMBER, /* a whole number */
	CONFIG_TYPE_COUNT,  /* a number that may carry K, M, G (1024) */
	CONFIG_TYPE_SIZE,   /* bytes, with K, M, G (1024) */
	CONFIG_TYPE_PERCENT,
	CONFIG_TYPE_DURATION, /* milliseconds in min and max */
	CONFIG_TYPE_STATUS,   /* 200 or 200-299; two uint16_t, one after the other */
	CONFIG_TYPE_WORD,     /* one of `words` */
	CONFIG_TYPE_WORDS,    /* a list of `words`; their values are bits */
	CONFIG_TYPE_NAME,     /* what may be an identity: char[SL_NAME_MAX] */
	CONFIG_TYPE_IFNAME,   /* char[16] */
	CONFIG_TYPE_FILE,     /* an absolute path: char * */
	CONFIG_TYPE_TEXT,     /* max bytes: char * */
	CONFIG_TYPE_ADDRESS,  /* struct sl_addr */
	CONFIG_TYPE_OTHER,    /* read by code of its own; `allowed` says what it is */
};

enum {
	CONFIG_WORD_LATER = -1, /* the value of a word that a later version will know */
};

struct config_word {
	const char *word;
	int value;
};

struct config_key {
	const char *path; /* "pools[].linger", "checks.*.rise" */
	enum config_type type;
	bool required;
	size_t offset, width;            /* in the struct of its section; width 0: not stored by the table */
	uint64_t min, max;               /* in the base unit; of a text: bytes */
	uint64_t scale;                  /* base units in one unit of the stored value; 0 is 1 */
	const char *special;             /* a word allowed in place of a value */
	uint64_t special_value;          /* what is then stored */
	const struct config_word *words; /* ends with a NULL word */
	const char *value;               /* the default, as it would be written; NULL: none */
	const char *value_text;          /* where the default is no value: "the service's only port" */
	const char *allowed;             /* in words, where the type does not say it */
	const char *text;                /* what it is, for the reference page */
	bool restart;                    /* a change applies when sluice-dp restarts */
};

/* The keys of one map: the part of the table with the same path up to the last dot. */
struct config_section {
	const char *path; /* "" is the top of the file; "pools[].backends[]" */
	const struct config_key *keys;
	size_t count;
};

const struct config_key *config_schema_keys(size_t *ret_count);
/* The section of that path; a bug when there is none. */
struct config_section config_schema_section(const char *path);
const struct config_key *config_schema_find(const struct config_section *section,
					    const char *key); /* or NULL */
/* The last part of the key's path. */
const char *config_key_name(const struct config_key *key);
/* What is allowed, in words: "a duration from 100ms to 1h". Returns `buf`. */
const char *config_key_allowed(const struct config_key *key, char *buf, size_t size);

#endif
