/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * show flows: what is remembered of connections, and what became of those that nobody remembered.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "answer.h"
#include "client.h"
#include "duration.h"
#include "table.h"

enum {
	COUNT_OLD_MS = 5000, /* asking starts a new count; one as old as this is waited for */
	COUNT_STEP_MS = 100,
	COUNT_STEPS = 20,    /* so long at most: a table of hundreds of millions takes longer */
};

static bool is_counted(const json_t *answer)
{
	const json_t *age_ms = json_object_get(answer, "counted_age_ms");

	return json_is_null(json_object_get(answer, "file")) ||
	       (json_is_integer(age_ms) && json_integer_value(age_ms) < COUNT_OLD_MS);
}

/* Asks until there is a fresh count. */
static enum ctl_exit get_flows(const struct ctl_options *options, json_t **ret_answer)
{
	const struct timespec pause = {.tv_nsec = COUNT_STEP_MS * 1000000};
	enum ctl_exit result = client_get(options, "/v1/flows", ret_answer);

	for (int i = 0; i < COUNT_STEPS && result == CTL_DONE && !is_counted(*ret_answer); i++) {
		json_decref(*ret_answer);
		nanosleep(&pause, NULL);
		result = client_get(options, "/v1/flows", ret_answer);
	}
	return result;
}

static void print_file(const json_t *answer)
{
	const int64_t capacity = answer_number(answer, "capacity"), used = answer_number(answer, "used");
	const json_t *pressure_age_s = json_object_get(answer, "pressure_age_s");
	char age[32];

	if (capacity == 0) {
		printf("%-10snone: each worker remembers its own; sluiced says why in its log\n", "file");
	} else {
		printf("%-10s%s\n", "file", answer_text(answer, "file"));
		printf("%-10s%" PRId64 " of %" PRId64 " (%.1f %%), full from 80 %% on; limits: flows is %" PRId64 "\n", "used", used,
		       capacity, 100.0 * (double)used / (double)capacity, answer_number(answer, "limit"));
	}
	duration_text(json_integer_value(pressure_age_s), age, sizeof(age));
	if (json_is_true(json_object_get(answer, "pressure")))
		printf("%-10snow: nothing new is remembered, no row closes\n", "pressure");
	else if (json_is_integer(pressure_age_s))
		printf("%-10sno, last %s ago\n", "pressure", age);
	else
		printf("%-10sno, never\n", "pressure");
}

static void add_count(struct table *table, const json_t *object, const char *key)
{
	if (json_is_object(object))
		table_number(table, answer_number(object, key));
	else
		table_text(table, "");
}

static void add_change(struct table *table, const json_t *pool)
{
	const bool waits = json_is_true(json_object_get(pool, "change_waits"));

	if (json_is_integer(json_object_get(pool, "lens_rows")))
		table_format(table, "of %" PRId64 " rows%s", answer_number(pool, "lens_rows"), waits ? ", another waits" : "");
	else
		table_text(table, "");
}

static void print_pools(const json_t *pools)
{
	static const struct table_column columns[] = {
		{"POOL", false},    {"TCP", true},       {"QUIC", true},     {"UDP", true},   {"ROWS", true}, {"OPEN-TCP", true},
		{"OPEN-QUIC", true}, {"OPEN-UDP", true}, {"LOOK", true}, {"LENS", false}, {NULL, false},
	};
	static const char *const kinds[] = {"tcp", "quic", "udp"};
	struct table *table = table_create(columns);
	const json_t *pool;
	size_t index;

	json_array_foreach(pools, index, pool) {
		table_text(table, answer_text(pool, "pool"));
		for (int i = 0; i < 3; i++)
			add_count(table, json_object_get(pool, "kinds"), kinds[i]);
		table_number(table, answer_number(pool, "rows"));
		for (int i = 0; i < 3; i++)
			add_count(table, json_object_get(pool, "open_rows"), kinds[i]);
		table_number(table, answer_number(pool, "look_rows"));
		add_change(table, pool);
	}
	table_print(table);
}

static void print_counters(const json_t *counters)
{
	static const struct table_column columns[] = {{"COUNTER", false}, {"COUNT", true}, {NULL, false}};
	struct table *table = table_create(columns);
	const json_t *count;
	const char *name;

	json_object_foreach((json_t *)counters, name, count) {
		table_text(table, name);
		table_number(table, json_integer_value(count));
	}
	table_print(table);
}

enum ctl_exit ctl_show_flows(const struct ctl_options *options, char **arguments)
{
	json_t *answer = NULL;
	enum ctl_exit result = get_flows(options, &answer);

	(void)arguments;
	if (result != CTL_DONE)
		return result;
	if (options->json) {
		client_print(answer);
	} else {
		print_file(answer);
		putchar('\n');
		print_pools(json_object_get(answer, "pools"));
		putchar('\n');
		print_counters(json_object_get(answer, "counters"));
	}
	json_decref(answer);
	return CTL_DONE;
}
